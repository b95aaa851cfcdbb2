"""Figures as inline SVG: strokes in the page's own colours (currentColor), the same bytes for the same data."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK = "#010203"  # stands for currentColor while matplotlib draws
ACCENT, QUIET = "#0b7285", "#868e96"
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tenfold",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def to_svg(figure: Figure, label: str) -> str:
    """The figure as an <svg> element with an accessible label; `label` must be plain text of our own."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1)
    prefix = re.sub(r"[^a-z]", "", label.lower())[:16]
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)  # ids stay apart when a page holds several
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _curve(axes: Any, curves: np.ndarray, chosen: int, title: str) -> None:
    epochs = np.arange(1, curves.shape[1] + 1)
    for fold in curves:
        axes.plot(epochs, fold, color=QUIET, linewidth=0.8, alpha=0.8)
    axes.plot(epochs, curves.mean(0), color=ACCENT, linewidth=1.8)
    if chosen:
        axes.axvline(chosen, color=INK, linewidth=0.8, linestyle=":")
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def learning_curves(curves: dict[str, list[list[float]]], chosen: int, metric: str) -> str:
    """Training loss, validation loss and score of the winner: one thin line a fold, the mean in colour, the chosen
    epoch dotted."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 2.6), layout="constrained")
        panels = (("train_loss", "training loss"), ("loss", "validation loss"), ("score", f"validation {metric}"))
        for axes, (name, title) in zip(figure.subplots(1, 3), panels, strict=True):
            values = np.array([[np.nan if v is None else v for v in fold] for fold in curves[name]], float)
            _curve(axes, values, chosen, title)
        return to_svg(figure, "learning curves of the winner, one line a fold")


def scores(rows: Sequence[tuple[str, Sequence[float]]], metric: str, test: tuple[float, float, float] | None) -> str:
    """Fold scores of the winner and the baselines, one row each, means as bars of ink; the test score below."""
    names = [name for name, _ in rows] + (["test set"] if test else [])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 0.42 * len(names) + 0.7), layout="constrained")
        axes = figure.subplots()
        for place, (name, values) in enumerate(rows):
            colour = ACCENT if name == "winner" else QUIET
            axes.plot(values, [place] * len(values), "o", color=colour, markersize=4.5, alpha=0.6)
            if len(values):
                axes.plot([float(np.mean(values))], [place], "|", color=INK, markersize=16, markeredgewidth=2)
        if test:
            low, value, high = test
            axes.plot([low, high], [len(rows)] * 2, color=INK, linewidth=1)
            axes.plot([value], [len(rows)], "D", color=ACCENT, markersize=6)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel(metric)
        return to_svg(figure, "scores of the winner and the baselines, one dot a fold")


def all_recipes(means: Sequence[float], best: float, metric: str) -> str:
    """Mean scores of all recipes as dots on one axis, sorted; the winner in colour."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 1.9), layout="constrained")
        axes = figure.subplots()
        axes.plot(range(1, len(means) + 1), means, "o", color=QUIET, markersize=3.5)
        axes.plot([1], [best], "o", color=ACCENT, markersize=6)
        axes.set_xlabel("rank of the recipe")
        axes.set_ylabel(metric)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        return to_svg(figure, "mean score of every recipe by rank")
