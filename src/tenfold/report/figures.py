"""The figures of the page: scores, learning curves, and how all recipes did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from tenfold.formatting import number
from tenfold.report.svg import ACCENT, INK, LINE, PAGE, SOFT, drawable, style, to_svg

WIDE, NARROW = 9.6, 4.3  # inches; a page shows one or the other, by its width
REACH = 3.0  # a row farther from the winner than this many ranges of the winner is an arrow at the edge
FENCE = 4.0  # quartile ranges beyond the quartiles, after which a recipe is counted, not drawn
TINY = 1e-30  # nothing below it is drawn on a log scale
POINTS = 4000  # of one panel of learning curves


@dataclass(frozen=True)
class Row:
    """One line of the score figure. label: text of ours; scores: of the folds; mean: the mark; interval: (low, high)
    or None; kind: "winner", "baseline" or "test"."""

    label: str
    scores: tuple[float, ...]
    mean: float
    interval: tuple[float, float] | None
    kind: str

    def extent(self) -> np.ndarray:
        """Every finite number of the row."""
        values = drawable([*self.scores, self.mean, *(self.interval or ())])
        return values[np.isfinite(values)]


def _limits(rows: Sequence[Row]) -> tuple[float, float]:
    """What the axis covers: winner and test wholly, then each baseline that is not far away."""
    core = np.concatenate([row.extent() for row in rows if row.kind != "baseline"])
    low, high = float(core.min()), float(core.max())
    span = max(high - low, 0.02 * max(abs(low), abs(high)), 1e-9)
    reach = low - REACH * span, high + REACH * span
    for row in rows:
        extent = row.extent()
        if len(extent) and extent.min() >= reach[0] and extent.max() <= reach[1]:
            low, high = min(low, float(extent.min())), max(high, float(extent.max()))
    edge = 0.05 * max(high - low, span)
    return low - edge, high + edge


def _draw_row(axes: Any, place: int, row: Row, limits: tuple[float, float]) -> None:
    colour = SOFT if row.kind == "baseline" else ACCENT
    mean = float(drawable([row.mean])[0])
    right = axes.get_yaxis_transform()
    axes.text(1.02, place, number(row.mean) if np.isfinite(row.mean) else "–", transform=right, va="center")
    if not np.isfinite(mean):
        return
    if not limits[0] <= mean <= limits[1]:
        left = mean < limits[0]
        axes.plot([0.012 if left else 0.988], [place], "<" if left else ">", color=colour, transform=right)
        axes.text(0.03 if left else 0.97, place - 0.08, "off the scale", transform=right, va="bottom", color=SOFT,
                  ha="left" if left else "right", fontsize=9)  # fmt: skip
        return
    if row.interval is not None:
        axes.plot(row.interval, [place, place], "-", color=colour, linewidth=2.2, alpha=0.4, solid_capstyle="butt")
    scores = drawable(row.scores)
    axes.plot(scores, np.full(len(scores), place), "o", color=colour, markersize=5, alpha=0.65, markeredgewidth=0)
    if row.kind == "test":
        axes.plot([mean], [place], "D", color=ACCENT, markersize=7, markeredgewidth=0)
    else:
        axes.plot([mean], [place], "|", color=INK, markersize=17, markeredgewidth=2.4)


def score_figure(rows: Sequence[Row], metric: str, *, width: float = WIDE) -> Markup:
    """Winner, baselines and test score, one row each: a dot a fold, an upright stroke at the mean, a band for the
    interval, a diamond for the test score, an arrow for a row that is off the scale."""
    with style():
        figure = Figure(figsize=(width, 0.44 * len(rows) + 0.75), layout="constrained")
        axes: Any = figure.subplots()
        limits = _limits(rows)
        axes.set_xlim(*limits)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.hlines(range(len(rows)), 0, 1, color=LINE, linewidth=0.8, transform=axes.get_yaxis_transform(), zorder=0)
        if np.isfinite(drawable([rows[0].mean])[0]):
            axes.axvline(rows[0].mean, color=ACCENT, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0.5)
        for place, row in enumerate(rows):
            _draw_row(axes, place, row, limits)
        axes.set_yticks(range(len(rows)), [row.label for row in rows], color=INK)
        axes.set_xlabel(metric)
        axes.xaxis.set_major_locator(MaxNLocator(6 if width == WIDE else 4))
        what = "; ".join(f"{row.label} {number(row.mean)}" for row in rows if np.isfinite(row.mean))
        return to_svg(figure, f"scores{int(width)}", f"{metric}, one dot a fold: {what}")


def curve_figure(curves: Any, chosen: int, title: str, name: str) -> Markup:
    """One panel: a thin line a fold, their mean thick (where every fold has a value), the chosen epoch marked.

    curves (folds, epochs); at most 4,000 points are drawn. A positive curve that spans two decades gets a log scale.
    """
    values = drawable(curves)
    epochs = values.shape[1]
    step = max(1, -(-values.size // POINTS))
    shown = np.unique(np.r_[np.arange(0, epochs, step), epochs - 1, min(max(chosen, 1), epochs) - 1])
    with style():
        figure = Figure(figsize=(3.5, 2.7), layout="constrained")
        axes: Any = figure.subplots()
        mark = "o" if epochs == 1 else ""
        for fold in values:
            axes.plot(shown + 1, fold[shown], color=SOFT, linewidth=0.8, alpha=0.75, marker=mark, markersize=3)
        axes.plot(shown + 1, values.mean(0)[shown], color=ACCENT, linewidth=2.2, marker=mark, markersize=5)
        finite = values[np.isfinite(values)]
        if len(finite) and finite.min() > TINY and finite.max() > 100 * finite.min():
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(numticks=6))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
        axes.set_xlim(min(1, epochs - 1), max(epochs, 2))
        if 1 <= chosen <= epochs:
            axes.axvline(chosen, color=INK, linewidth=1, linestyle=(0, (3, 2)))
            early = chosen < 0.6 * epochs
            axes.annotate(f"epoch {chosen}", (chosen, 1.0), (-1 if early else 1, 3), textcoords="offset points",
                          xycoords=axes.get_xaxis_transform(), ha="left" if early else "right", fontsize=9)  # fmt: skip
        axes.grid(axis="y")
        axes.set_title(title, loc="left", fontsize=10.5, pad=19)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        return to_svg(figure, name, f"{title} by epoch, one line a fold and their mean; chosen: epoch {chosen}")


def score_range(means: Sequence[float], best: float) -> tuple[float, float, int]:
    """(low, high, left out): the range in which recipes are drawn, and how many have a score outside it."""
    values = drawable(list(means))
    values = values[np.isfinite(values)]
    first, last = np.quantile(values, [0.25, 0.75])
    fence = FENCE * max(last - first, 1e-3 * max(abs(first), abs(last), 1e-9))
    low, high = max(first - fence, values.min()), min(last + fence, values.max())
    low, high = min(low, best), max(high, best)
    return float(low), float(high), int(np.sum((values < low) | (values > high)))


def recipes_figure(means: Sequence[float], best: float, baselines: Sequence[tuple[str, float]], metric: str,
                   *, width: float = WIDE) -> Markup:  # fmt: skip
    """How many recipes reach which mean score: a histogram, with the winner and the
    baselines (label, mean) that fall within the range as labelled lines. At least one finite mean."""
    low, high, _ = score_range(means, best)
    one = high - low <= 1e-9 * max(1.0, abs(best))  # all recipes have the same score
    edge = 0.03 * ((abs(best) or 1.0) if one else max(high - low, 1e-3 * max(abs(best), 1e-9)))
    values = drawable(list(means))
    values = values[(values >= low) & (values <= high)]
    lines = [(label, value) for label, value in baselines if low - edge <= value <= high + edge]
    with style():
        figure = Figure(figsize=(width, 2.5 + 0.2 * len(lines)), layout="constrained")
        axes: Any = figure.subplots()
        bins = int(np.clip(2.5 * np.sqrt(len(values)), 6, 30))
        counts, _, _ = axes.hist(values, bins=bins, range=(low - edge, high + edge), color=ACCENT, alpha=0.3,
                                 edgecolor=PAGE, linewidth=1.2)  # fmt: skip
        below = axes.get_xaxis_transform()
        marks = [("Winner", best, ACCENT, "-"), *((label, value, SOFT, (0, (3, 2))) for label, value in lines)]
        for level, (label, value, colour, dashes) in enumerate(marks):
            top = 1.05 + 0.105 * level
            axes.plot(
                [value, value], [0, top], color=colour, linewidth=1.4, linestyle=dashes, transform=below, clip_on=False
            )
            right = value > (low + high) / 2
            axes.annotate(f"{label} {number(value)}", (value, top), (-5 if right else 5, -4), xycoords=below,
                          textcoords="offset points", ha="right" if right else "left", fontsize=9.5)  # fmt: skip
        axes.set_xlim(low - edge, high + edge)
        axes.set_ylim(0, 1.05 * max(counts.max(), 1))
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.grid(axis="y")
        axes.set_ylabel("recipes")
        axes.set_xlabel(f"mean {metric} over the folds")
        axes.xaxis.set_major_locator(MaxNLocator(7 if width == WIDE else 4))
        axes.ticklabel_format(axis="x", useOffset=False)
        label = f"how many of {len(means)} recipes reach which mean {metric}; winner {number(best)}"
        return to_svg(figure, f"recipes{int(width)}", label)
