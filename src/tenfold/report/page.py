"""report.html: one page without scripts, drawn from the data that a run stores about itself."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from tenfold.report import figures
from tenfold.selection.verdict import METRIC_WORDS, number

SHOWN = 20  # recipes in the first table; the rest is folded


def _number(value: Any) -> str:
    """Four digits, or a dash for what is not known."""
    return "–" if value is None or not math.isfinite(value) else number(value)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("tenfold.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = _number
    return environment.get_template("report.html.j2")


def render(data: dict[str, Any]) -> str:
    """The page for what `tenfold.selection.verdict.report_data` gave: the same bytes for the same data."""
    summary = data["summary"]
    best = summary["best"]
    metric = METRIC_WORDS[summary["metric"]]
    drawn: dict[str, Markup] = {}
    finite = [row["mean"] for row in data["leaderboard"] if row["mean"] is not None]
    if best is not None:
        winner = [score for score in data["leaderboard"][0]["scores"] if score is not None]
        test = summary["test"]
        sealed = None if test["score"] is None else (test["interval"][0], test["score"], test["interval"][1])
        rows = [("winner", winner), *((b["name"], b["scores"]) for b in data["baselines"])]
        drawn = {
            "scores": Markup(figures.scores(rows, metric, sealed)),
            "curves": Markup(figures.learning_curves(data["curves"], best["epochs"], metric)),
            "recipes": Markup(figures.all_recipes(finite, best["cv_mean"], metric)),
        }
    return _template().render(**data, metric=metric, best=best, figures=drawn, shown=SHOWN)
