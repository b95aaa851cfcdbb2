"""report.html of a run that is not finished: what is known so far. It reloads itself while the run goes on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tenfold.report import figures, words
from tenfold.report.run_page import COLUMNS, CURVES, SHOWN, board_places, plain_scores
from tenfold.report.svg import drawable
from tenfold.report.template import template


def render_unfinished(data: dict[str, Any]) -> str:
    """The page for what `tenfold.run.unfinished.unfinished_data` gave, and nothing else: the same bytes for the same
    data. Every text of the data is escaped."""
    metric = words.metric(data["about"]["metric"])
    board, low, high = board_places(data["leaderboard"])
    return template("unfinished.html.j2").render(
        **data,
        metric=metric,
        figures=_figures(data, metric),
        board=board,
        strip=(low, high),
        also=[],
        shown=SHOWN,
        columns_shown=COLUMNS,
        command=shlex.quote(data["run"]),
    )


def _figures(data: Mapping[str, Any], metric: str) -> dict[str, list[Markup]]:
    """Scores of the best recipe so far beside the baselines, and its curves: as much as a page may cost that is drawn
    again and again."""
    best, sizes = data["best"], (figures.WIDE, figures.NARROW)
    if best is None or not bool(abs(drawable([best["mean"]])[0]) < float("inf")):
        return {}
    rows = [figures.Row("Best so far", plain_scores(best["scores"]), best["mean"], None, "winner")]
    for baseline in reversed(data["baselines"]):
        if scores := plain_scores(baseline["scores"]):
            name = words.BASELINES.get(baseline["name"], "Other")
            rows.append(figures.Row(name, scores, sum(scores) / len(scores), None, "baseline"))
    drawn = {"scores": [figures.score_figure(rows, metric, width=width) for width in sizes]}
    drawn["curves"] = [
        figures.curve_figure(data["curves"][name], best["epochs"], title.format(metric=metric), name)
        for name, title in CURVES
    ]
    return drawn
