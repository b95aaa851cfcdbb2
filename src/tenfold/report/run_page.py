"""report.html: one page without scripts, drawn from the data that a run stores about itself."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from tenfold.report import figures, words
from tenfold.report.diagnosis_page import findings_section
from tenfold.report.svg import drawable
from tenfold.report.template import template
from tenfold.search.trial_outcome import Outcome

SHOWN = 20  # recipes in the first table; the rest is folded away
COLUMNS = 40  # columns of the data card, likewise
STRIP = (4.0, 116.0)  # where a strip plot of 120 units begins and ends
CURVES = (("train_loss", "Training loss"), ("loss", "Validation loss"), ("score", "Validation {metric}"))


def render(data: dict[str, Any]) -> str:
    """The whole of report.html for what `tenfold.run.report_data.report_data` gave, and nothing else: the same
    bytes for the same data. Optional in data: "versions" (name to version) and "settings" (what `fit` was asked for).

    Every text of the data is escaped; None and NaN print as a dash. Raises KeyError if a part of the data is missing.
    """
    summary = data["summary"]
    metric = words.metric(summary["metric"])
    board, low, high = board_places(data["leaderboard"])
    seen = set(data["card"]["warnings"])
    return template("report.html.j2").render(
        **{"versions": {}, "tested": [], "others": [], **data},
        metric=metric,
        best=summary["best"],
        headline=words.run_headline(data, metric),
        figures=_figures(data, metric),
        left_out=_left_out(data),
        board=board,
        strip=(low, high),
        shown=SHOWN,
        columns_shown=COLUMNS,
        warnings=[line for line in summary["warnings"] if line not in seen],
        outcomes=_outcomes(summary["outcomes"]),
        findings=findings_section(summary.get("findings") or []),
        metric_words=words.metric,
        also=_also(data["leaderboard"]),
        baselines_named=words.BASELINES,
        fit=words.fit_command(data),
        run=shlex.quote(summary["run"]),
        repeats=summary["repeats"],
        tried=words.tried(summary),
    )


def _finite_means(data: Mapping[str, Any]) -> list[float]:
    return [row["mean"] for row in data["leaderboard"] if words.is_finite_number(row["mean"])]


def _left_out(data: Mapping[str, Any]) -> int:
    best, means = data["summary"]["best"], _finite_means(data)
    return figures.score_range(means, best["cv_mean"])[2] if _can_draw(best) else 0


def _can_draw(best: Mapping[str, Any] | None) -> bool:
    """Whether there is a winner with a score that an axis can hold."""
    return best is not None and bool(np.isfinite(drawable([best["cv_mean"]]))[0])


def _score_rows(data: Mapping[str, Any]) -> list[figures.Row]:
    best, test = data["summary"]["best"], data["summary"]["test"]
    first = data["leaderboard"][0]
    rows = [figures.Row("Winner", plain_scores(first["scores"]), best["cv_mean"], _pair(best["interval"]), "winner")]
    for baseline in reversed(data["baselines"]):
        scores = plain_scores(baseline["scores"])
        if not baseline["scores"]:
            continue  # there was no time for it
        mean = sum(scores) / len(scores) if scores else float("nan")
        rows.append(figures.Row(words.BASELINES.get(baseline["name"], "Other"), scores, mean, None, "baseline"))
    if words.is_finite_number(test["score"]):
        rows.append(figures.Row("Sealed test", (), test["score"], _pair(test["interval"]), "test"))
    return rows


def plain_scores(values: Sequence[float | None]) -> tuple[float, ...]:
    """Those that are finite numbers."""
    return tuple(value for value in values if value is not None and words.is_finite_number(value))


def _pair(values: Sequence[float | None] | None) -> tuple[float, float] | None:
    plain = plain_scores(values or ())
    return (plain[0], plain[1]) if len(plain) == 2 else None


def _figures(data: Mapping[str, Any], metric: str) -> dict[str, list[Markup]]:
    """Every figure, as (wide, narrow), or as panels; none without a winner."""
    best, means = data["summary"]["best"], _finite_means(data)
    if not _can_draw(best):
        return {}
    rows = _score_rows(data)
    sizes = (figures.WIDE, figures.NARROW)
    drawn = {"scores": [figures.score_figure(rows, metric, width=width) for width in sizes]}
    drawn["curves"] = [
        figures.curve_figure(data["curves"][name], best["epochs"], title.format(metric=metric), name)
        for name, title in CURVES
    ]
    if len(means) > 2:
        lines = [(row.label, row.mean) for row in rows if row.kind == "baseline"]
        drawn["recipes"] = [
            figures.recipes_figure(means, best["cv_mean"], lines, metric, width=width) for width in sizes
        ]
    return drawn


def board_places(rows: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], float | None, float | None]:
    """The leaderboard with places on a common strip for its fold scores, and the two ends of that strip.

    The strip spans the first 20 recipes; a score beyond an end sits on it, marked as being outside.
    """
    seen = [score for row in rows[:SHOWN] for score in plain_scores(row["scores"])]
    if not seen:
        return [{**row, "dots": [], "mark": None} for row in rows], None, None
    low, high = min(seen), max(seen)
    start, end = STRIP

    def place(score: float) -> tuple[float, bool]:
        share = (score - low) / (high - low) if high > low else 0.5
        return round(start + (end - start) * min(max(share, 0.0), 1.0), 1), not 0 <= share <= 1

    return (
        [
            {
                **row,
                "dots": [place(score) for score in plain_scores(row["scores"])],
                "mark": place(row["mean"]) if words.is_finite_number(row["mean"]) else None,
            }
            for row in rows
        ],
        low,
        high,
    )


def _also(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the metrics that are reported besides the one that selected; a run of before has none."""
    return list(rows[0].get("metrics", {}))[1:] if rows else []


def _outcomes(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """How trials ended: label, number, sentence and remedy, for those that occurred."""
    words_of = {outcome.label: outcome for outcome in Outcome}
    return [
        {
            "label": label,
            "count": number,
            "sentence": words_of[label].sentence if label in words_of else None,
            "remedy": words_of[label].remedy or None if label in words_of else None,
        }
        for label, number in counts.items()
        if number
    ]
