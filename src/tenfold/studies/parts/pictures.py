"""Figures of studies: lines, bars, histograms, clouds and paths on surfaces in the page's colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from tenfold.report.drawing import head, log_scale
from tenfold.report.svg import ACCENT, INK, SOFT, drawable, style, to_svg

Array = np.ndarray
Height = Callable[[Array, Array], Array]  # of a surface over two grids
SIZE = (6.4, 3.2)  # inches
DOTS = 60  # points of a curve that are marked; more of them would hide it
# One colour and several dashes: a page has light and dark colours, and prints in black.
LOOKS = (
    {"color": ACCENT, "linestyle": "-"}, {"color": INK, "linestyle": (0, (4, 2))}, {"color": SOFT, "linestyle": "-"},
    {"color": SOFT, "linestyle": (0, (1, 2))}, {"color": INK, "linestyle": (0, (1, 1))},
    {"color": ACCENT, "linestyle": (0, (4, 2))},
)  # fmt: skip


class StudyPicture(NamedTuple):
    """A figure, and what it shows in words."""

    figure: Figure
    label: str

    def svg(self, name: str) -> Markup:
        """As an <svg> element, whose ids begin with the name."""
        with style():
            return to_svg(self.figure, name, self.label)


class CurvePanel(NamedTuple):
    """Curves by label over x, (points,) or (seeds, points): then their mean, and all of them thin. log: "x", "y", "xy"
    or ""."""

    x: Sequence[float] | Array
    curves: Mapping[str, Array]
    across: str
    up: str
    log: str = ""

    def draw(self, axes: Any) -> None:
        """On these axes."""
        for look, (label, values) in zip(LOOKS * 2, self.curves.items(), strict=False):
            rows = np.atleast_2d(drawable(values))
            for row in rows if len(rows) > 1 else ():
                axes.plot(self.x, row, **look, linewidth=0.7, alpha=0.25)
            dots = "o" if len(self.x) <= DOTS else ""
            axes.plot(self.x, rows.mean(0), **look, linewidth=2, label=label, marker=dots, markersize=3)
        if "x" in self.log:
            log_scale(axes, self.x, "x")
        if "y" in self.log:
            log_scale(axes, list(self.curves.values()), "y")
        axes.grid(axis="y")
        axes.set_xlabel(self.across)
        head(axes, self.up, legend=len(self.curves) > 1)

    def words(self) -> str:
        """What it shows."""
        return f"{self.up} by {self.across}: {', '.join(self.curves)}"


def curve_panels(*panels: CurvePanel) -> StudyPicture:
    """Panels of curves, one below the other."""
    with style():
        figure = Figure(figsize=(SIZE[0], SIZE[1] * len(panels)), layout="constrained")
        for axes, panel in zip(np.ravel(figure.subplots(len(panels))), panels, strict=True):
            panel.draw(axes)
        return StudyPicture(figure, "; ".join(panel.words() for panel in panels))


def curve_picture(
    x: Sequence[float] | Array, curves: Mapping[str, Array], across: str, up: str, *, log: str = ""
) -> StudyPicture:
    """One panel of curves."""
    return curve_panels(CurvePanel(x, curves, across, up, log))


def bars(values: Mapping[str, Array | float], up: str, *, log: bool = False) -> StudyPicture:
    """One bar a label, the mean over (seeds,) with a dot for each."""
    with style():
        figure = Figure(figsize=(SIZE[0], 0.42 * len(values) + 0.9), layout="constrained")
        axes: Any = figure.subplots()
        for place, found in enumerate(values.values()):
            one = np.atleast_1d(drawable(found))
            axes.barh(place, one.mean(), height=0.55, color=ACCENT, alpha=0.35, left=0)
            axes.plot(one, np.full(len(one), place), "o", color=ACCENT, markersize=4, alpha=0.6, markeredgewidth=0)
            axes.annotate(f"{one.mean():.3g}", (1.02, place), xycoords=axes.get_yaxis_transform(), va="center")
        axes.set_yticks(range(len(values)), list(values), color=INK)
        axes.set_ylim(len(values) - 0.4, -0.6)
        if log:
            log_scale(axes, [np.atleast_1d(v) for v in values.values()], "x")
        axes.set_xlabel(up)
        return StudyPicture(figure, f"{up}: " + ", ".join(f"{key} {np.mean(v):.3g}" for key, v in values.items()))


def histograms(parts: Mapping[str, Array], edges: Array, across: str, *, columns: int = 5) -> StudyPicture:
    """A small histogram a label: counts (bins,) or (seeds, bins) as shares, between edges (bins + 1,)."""
    rows = -(-len(parts) // columns)
    with style():
        figure = Figure(figsize=(9.0, 1.25 * rows + 0.5), layout="constrained")
        grid: Any = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place, axes in enumerate(grid.ravel()):
            if place >= len(parts):
                axes.axis("off")
                continue
            label, counts = list(parts.items())[place]
            counts = np.atleast_2d(counts).mean(0)
            axes.stairs(counts / max(counts.sum(), 1e-12), edges, fill=True, color=ACCENT, alpha=0.5)
            axes.set_title(label, loc="left", fontsize=9)
            axes.set_yticks([])
        figure.supxlabel(across, fontsize=10)
        return StudyPicture(figure, f"Histograms of {across}: {', '.join(parts)}")


def surface_paths(
    surface: Height | Mapping[str, Height], x: tuple[float, float], y: tuple[float, float],
    paths: Mapping[str, Array], *, goal: tuple[float, float] | None = None,
) -> StudyPicture:  # fmt: skip
    """The same loss surface side by side, each with the path (points, 2) of one optimizer; or a surface for each path,
    by its label. surface(x, y) of grids; x, y: the ranges shown; goal: marked with a cross, the best point where there
    is one."""
    across, up = np.meshgrid(np.linspace(*x, 121), np.linspace(*y, 121))
    columns = 3 if len(paths) % 3 == 0 else 2
    rows = -(-len(paths) // columns)
    with style():
        figure = Figure(figsize=(2.7 * columns, 2.35 * rows), layout="constrained")
        grid: Any = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes, (label, path) in zip(grid.ravel(), paths.items(), strict=False):
            path = drawable(path)
            height = (surface[label] if isinstance(surface, Mapping) else surface)(across, up)
            # Levels at equal shares of the area: valleys and slopes both have lines.
            levels = np.unique(np.quantile(height, np.linspace(0.02, 0.98, 13)))
            axes.contour(across, up, height, levels, colors=[SOFT], linewidths=0.6, linestyles="solid", alpha=0.6)
            axes.plot(path[:, 0], path[:, 1], color=ACCENT, linewidth=1.4, marker="o", markersize=2.2)
            axes.plot(*path[0], "s", color=INK, markersize=4)
            if goal is not None:
                axes.plot(*goal, "x", color=INK, markersize=6)
            axes.set(xlim=x, ylim=y)
            axes.set_title(label, loc="left", fontsize=9)
        for axes in grid.ravel()[len(paths) :]:
            axes.axis("off")
        return StudyPicture(figure, f"Paths on a loss surface, from the square on: {', '.join(paths)}")


def cloud(groups: Mapping[str, tuple[Array, Array]], across: str, up: str, *, diagonal: bool = False) -> StudyPicture:
    """Points (points,) and (points,) of each label; diagonal: the line on which both numbers are equal."""
    with style():
        figure = Figure(figsize=(SIZE[0], 3.6), layout="constrained")
        axes: Any = figure.subplots()
        for look, (label, (x, y)) in zip(LOOKS, groups.items(), strict=False):
            axes.plot(drawable(x), drawable(y), "o", color=look["color"], markersize=3.5, alpha=0.55, markeredgewidth=0,
                      label=label)  # fmt: skip
        if diagonal:
            axes.axline((0.5, 0.5), slope=1, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
            both = np.concatenate([drawable(part).ravel() for pair in groups.values() for part in pair])
            edge = 0.05 * float(np.nanmax(both) - np.nanmin(both))
            axes.set_xlim(np.nanmin(both) - edge, np.nanmax(both) + edge)
            axes.set_ylim(np.nanmin(both) - edge, np.nanmax(both) + edge)
        axes.grid()
        axes.set_xlabel(across)
        head(axes, up, legend=len(groups) > 1)
        return StudyPicture(figure, f"{up} against {across}: {', '.join(groups)}")
