"""The verdict of a run in about six lines, and everything that the report shows, as plain data."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from tenfold._version import __version__
from tenfold.selection.outcome import Outcome
from tenfold.selection.summary import LEVEL, RunResult
from tenfold.store.run import Run

METRIC_WORDS = {
    "accuracy": "accuracy", "log_loss": "log loss", "balanced_accuracy": "balanced accuracy", "roc_auc": "ROC AUC",
    "r2": "R2", "rmse": "RMSE", "mae": "mean absolute error",
}  # fmt: skip

SIMPLER = {"linear": "Linear models", "boosting": "Boosted trees"}  # what the verdict sends a reader to


def number(value: float) -> str:
    """Four digits that matter."""
    return f"{value:.4f}" if 1e-3 < abs(value) < 10 else f"{value:.4g}"


def verdict(result: RunResult) -> list[str]:
    """What a person needs to know: the winner, its score, the baselines, the runner-up, what failed, the test."""
    if not result.has_winner:
        counts = ", ".join(f"{count} {label}" for label, count in result.trained.outcomes().items())
        return [f"No recipe has a score: {counts}.", f"Try {Outcome.DIVERGED.remedy}."]
    trained, metric = result.trained, result.trained.problem.metric
    best = result.ranking[0]
    row = trained.row(best)
    low, high = result.interval()
    spread = f" [{number(low)}, {number(high)}]" if np.isfinite(low) else ""
    word = METRIC_WORDS[metric.name]
    tried = len(trained.recipes)
    picked = f"; not yet corrected for having picked the best of {tried}" if tried > 1 else ""
    lines = [
        f"Winner: {row['recipe'].describe()}, {row['epochs']} epoch{'s' if row['epochs'] != 1 else ''}.",
        f"{word[0].upper()}{word[1:]} {number(row['mean'])}{spread} over {result.plan.folds} folds "
        f"(95 % interval{picked}).",
        _baseline_line(result, float(row["mean"])),
    ]
    if len(result.ranking) > 1:
        lines.append(_runner_up_line(result))
    failed = [o for o in (Outcome.DIVERGED, Outcome.TIMEOUT) if trained.outcomes().get(o.label)]
    total = len(trained.recipes) * len(trained.problem.folds)
    lines += [f"{trained.outcomes()[o.label]} of {total} trials: {o.sentence}. Try {o.remedy}." for o in failed]
    if result.test is not None:
        test = result.test
        lines.append(
            f"Sealed test set, {test.rows} rows, opened once: {number(test.score)} "
            f"[{number(test.interval[0])}, {number(test.interval[1])}]."
        )
    return lines


def _baseline_line(result: RunResult, mean: float) -> str:
    sign = result.trained.problem.metric.sign
    parts = []
    for baseline in result.baselines:
        p = result.p_value(baseline.scores)
        better = sign * mean > sign * baseline.mean
        sure = "" if np.isnan(p) else ("significantly " if p < LEVEL else "")
        tie = "" if np.isnan(p) or p < LEVEL else f", not distinguishable, p = {p:.2f}"
        side = "better" if better else "as good" if mean == baseline.mean else "worse"
        than = "as" if side == "as good" else "than"
        parts.append(f"{sure}{side} {than} {baseline.name} ({number(baseline.mean)}{tie})")
    best = max(result.baselines, key=lambda baseline: sign * baseline.mean)
    honest = ""
    if best.name in SIMPLER and sign * best.mean > sign * mean:
        sure = result.p_value(best.scores) < LEVEL
        honest = f" {SIMPLER[best.name]} " + ("win here" if sure else "are ahead here, if not distinguishably")
        honest += ": use them unless you need a network."
    return "It is " + ", ".join(parts) + "." + honest


def _runner_up_line(result: RunResult) -> str:
    row = result.trained.row(result.ranking[1])
    if not np.isfinite(row["mean"]):
        return "No other recipe has a score."
    p = result.p_value(row["scores"])
    sure = (
        "not known"
        if np.isnan(p)
        else (f"significant, p = {p:.2g}" if p < LEVEL else f"not distinguishable, p = {p:.2f}")
    )
    return f"Runner-up: {row['recipe'].describe()}: {number(row['mean'])} ({sure})."


def report_data(result: RunResult, run: Run) -> dict[str, Any]:
    """What report.html shows, as JSON: it can be drawn again without the data."""
    trained = result.trained
    board = []
    for rank, recipe in enumerate(result.ranking, 1):
        row = trained.row(recipe)
        board.append({**row, "rank": rank, "number": recipe, "recipe": row["recipe"].describe()})
    curves: dict[str, Any] = {}
    if result.has_winner:
        record = trained.records[result.ranking[0]]
        names = ("train_loss", "loss", "score")
        curves = {name: record.curves[i].tolist() for i, name in enumerate(names)}
    openings = [
        {"time": o.time, "times": o.times, "rows_sha": o.rows_sha, "model_sha": o.model_sha} for o in run.openings()
    ]
    best = trained.recipes[result.ranking[0]]
    return {
        "summary": result.summary(run.path.name, len(openings)),
        "verdict": verdict(result),
        "card": result.prepared.card.to_dict(),
        "name": result.prepared.name,
        "source": result.prepared.source,
        "target": result.prepared.target,
        "why_task": result.plan.why_task,
        "baselines": [{"name": b.name, "scores": list(b.scores), "seconds": b.seconds} for b in result.baselines],
        "leaderboard": board,
        "curves": curves,
        "recipe_yaml": best.to_yaml() if result.has_winner else "",
        "ledger": openings,
        "settings": result.prepared.settings.to_dict(),
        "versions": {"tenfold": __version__} | {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
    }
