"""What the panels of a diagnosis share: their colours, names, scales and titles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import LogLocator

from tenfold.report.svg import ACCENT, INK, LINE, PAGE, SOFT, STYLE, drawable

TINY = 1e-30  # what counts as zero on a log scale


@dataclass(frozen=True)
class Colours:
    """Of a figure: text, what is in the background, lines, what is in front, and the page."""

    ink: str
    soft: str
    line: str
    accent: str
    page: str

    def style(self) -> Any:
        """The context in which a figure in these colours is built."""
        swapped = dict(zip((INK, SOFT, LINE, ACCENT, PAGE), self.all(), strict=True))
        return mpl.rc_context({key: swapped.get(value, value) for key, value in STYLE.items()})

    def all(self) -> tuple[str, ...]:
        """All five."""
        return self.ink, self.soft, self.line, self.accent, self.page


THEMED = Colours(INK, SOFT, LINE, ACCENT, PAGE)  # the page's variables
LIGHT = Colours("#1c2024", "#5b6570", "#dfe2e5", "#00687a", "#ffffff")


@cache
def _glyphs() -> frozenset[int]:
    """What the figures' font has."""
    return frozenset(get_font(findfont(STYLE["font.family"])).get_charmap())


def label(name: str, length: int = 20) -> str:
    """A name as a figure shows it: the end of it, without characters that the font lacks."""
    end = name if len(name) <= length else name[1 - length :]
    plain = "".join(c if c.isprintable() and ord(c) in _glyphs() else "\ufffd" for c in end)
    return plain if len(name) <= length else "…" + plain


def some(items: Sequence[Any], most: int) -> list[Any]:
    """At most that many of them, evenly chosen, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, most)]


def is_drawable(value: float | None) -> bool:
    """Whether it is a number that a figure can hold."""
    return value is not None and math.isfinite(value) and abs(value) < 1e30


def log_scale(axes: Any, values: Any, way: str = "y") -> None:
    """A log scale of at least a factor of ten that holds all positive values; ticks as plain numbers."""
    numbers = drawable(values).ravel()
    numbers = numbers[numbers > TINY]
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.1, 1.0)
    middle = math.sqrt(low) * math.sqrt(high)
    low, high = min(low, middle / 3.2), max(high, middle * 3.2)
    edge = (high / low) ** 0.06
    getattr(axes, f"set_{way}scale")("log")
    getattr(axes, f"set_{way}lim")(low / edge, high * edge)
    axis = getattr(axes, f"{way}axis")
    few = 6 if way == "y" else 5
    axis.set_major_locator(LogLocator(numticks=few) if high > 300 * low else LogLocator(subs=(1, 2, 5), numticks=few))
    axis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def head(axes: Any, title: str, *, legend: bool = False) -> None:
    """The title, and the legend under it, four labels a line."""
    labels = len(axes.get_legend_handles_labels()[0]) if legend else 0
    axes.set_title(title, loc="left", fontsize=10.5, pad=7 + 13 * max(-(-labels // 4), int(legend)))
    if labels:
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 0.985), ncols=4, frameon=False, fontsize=8.5, handlelength=1.5,
            columnspacing=1.1, borderpad=0.1, handletextpad=0.5,
        )  # fmt: skip


def name_rows(axes: Any, names: Sequence[str], ink: Colours, length: int = 20) -> None:
    """Names down the left side, one a row, the first at the top, and a line under each row."""
    axes.hlines(np.arange(len(names)) + 0.5, 0, 1, color=ink.line, linewidth=0.7, zorder=0,
                transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [label(name, length) for name in names], color=ink.ink, fontsize=8.5)
