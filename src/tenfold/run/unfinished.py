"""Everything that the page of a run that is not finished shows, as plain data; neither the data nor the model is needed
for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tenfold._version import __version__
from tenfold.checks.baselines import NAMES
from tenfold.formatting import in_utc, number
from tenfold.jsonable import jsonable
from tenfold.problem.from_file import Prepared
from tenfold.recipe.recipe import Recipe
from tenfold.run.plan import RunPlan
from tenfold.search.so_far import SoFar
from tenfold.search.trial_outcome import CURVES
from tenfold.statistics.intervals import fold_error
from tenfold.statistics.metrics import METRICS
from tenfold.store.run_directory import Run

if TYPE_CHECKING:
    from tenfold.search.records import RecipeRecord

ABOUT, DRAWN = "about", "drawn"  # the facts of a run that its page is drawn from, and what it said when last drawn
MOST_ROWS = 100  # recipes of the leaderboard that such a page shows
RELOAD = 20  # seconds between two looks of a browser at the page of a run that goes on


@dataclass(frozen=True)
class Status:
    """Where a run stands. time: of the look, or of the stop, in seconds since 1970. share: of the training that is
    done. step: what is done now, if that is not the search. seconds: that the run has taken."""

    state: Literal["running", "stopped", "ended"]
    time: float
    share: float | None = None
    step: str | None = None
    seconds: float | None = None


def about(prepared: Prepared, plan: RunPlan) -> dict[str, Any]:
    """What a page says of a run before there is any result, as JSON."""
    problem = prepared.problem
    return jsonable({
        "name": prepared.name, "source": prepared.source, "target": prepared.target, "card": prepared.card.to_dict(),
        "why_task": plan.why_task, "settings": prepared.settings.to_dict(), "task": problem.task,
        "metric": problem.metric.name, "higher_is_better": problem.metric.higher_is_better, "folds": plan.folds,
        "repeats": len(problem.folds) // plan.folds, "division": prepared.division,
        "rows": {"development": prepared.rows[1], "test": prepared.rows[2]}, "recipes": plan.trials,
        "strategy": plan.search.strategy.name,
    })  # fmt: skip


def status_of(run: Run) -> Status:
    """Of a run that is not finished and that no process is working on: stopped, or ended without a word."""
    diary = run.events()
    when, what, _ = diary[-1] if diary else (0.0, "", None)
    drawn = run.get(DRAWN) or {}
    return Status("stopped" if what == "stopped" else "ended", when, share=drawn.get("share"))


def unfinished_data(run: Run, status: Status, so_far: SoFar | None = None) -> dict[str, Any]:
    """What the page shows. so_far: what is known of the search; by default what is stored of it."""
    if so_far is None:
        # it imports torch, which a command that is about to refuse its data does without
        from tenfold.run.stored_search import stored_so_far

        so_far = stored_so_far(run)
    facts, found = run.get(ABOUT), so_far
    records, sign = dict(found.records or {}), 1 if facts["higher_is_better"] else -1
    order = _order(records, sign)
    baselines = [
        {"name": name, "scores": stored["scores"], "seconds": stored["seconds"]}
        for name in NAMES if (stored := run.get(f"baseline.{name}")) is not None
    ]  # fmt: skip
    board = [
        {**_row(records[n], found.recipes[n]), "rank": rank, "number": n} for rank, n in enumerate(order[:MOST_ROWS], 1)
    ]
    best = board[0] if board and np.isfinite(board[0]["mean"]) else None
    curves = {} if best is None else dict(zip(CURVES, records[order[0]].curves.tolist(), strict=True))
    word = METRICS[facts["metric"]].words if facts["metric"] in METRICS else facts["metric"]
    counts = _counts(records, facts["recipes"])
    return {
        **{name: facts[name] for name in ("name", "source", "target", "card", "why_task", "settings")},
        "about": facts,
        "run": run.path.name,
        "status": status,
        "reload": RELOAD if status.state == "running" else None,
        "lines": [_state_line(run, status, counts), *_best_line(best, facts, word), *_baseline_line(baselines, word)],
        "counts": counts,
        "best": best,
        "baselines": baselines,
        "leaderboard": board,
        "curves": curves,
        "rungs": [
            {"epoch": r.epoch, "folds": r.folds, "entered": len(r.entered), "kept": len(r.kept)} for r in found.race
        ],
        "versions": {"tenfold": __version__} | {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
    }


def _order(records: dict[int, RecipeRecord], sign: int) -> list[int]:
    """The recipes that have been trained for an epoch: those still in the race or at their end by their mean so far,
    then those that were dropped, then those that diverged."""

    def place(n: int) -> tuple[bool, bool, float, int]:
        mean, dropped = records[n].mean(), records[n].dropped > 0
        finite = bool(np.isfinite(mean))
        return not finite, dropped, -sign * mean if finite else 0.0, n

    return sorted((n for n, record in records.items() if record.made or record.finished), key=place)


def _row(record: RecipeRecord, recipe: Recipe) -> dict[str, Any]:
    scores = record.scores()
    labels = [outcome.label if outcome else "under way" for outcome in record.outcomes]
    return {
        "recipe": recipe.describe(), "mean": record.mean(), "se": fold_error(scores),
        "scores": [float(score) for score in scores], "epochs": record.epoch, "made": record.made,
        "outcomes": {label: labels.count(label) for label in dict.fromkeys(labels)},
    }  # fmt: skip


def _counts(records: dict[int, RecipeRecord], recipes: int) -> dict[str, int]:
    """How many recipes came how far."""
    dropped = sum(record.dropped > 0 for record in records.values())
    ended = sum(record.finished and not record.dropped for record in records.values())
    begun = sum(record.made > 0 and not record.finished for record in records.values())
    waiting = max(0, recipes - dropped - ended - begun)
    return {"trained to the end": ended, "dropped by the race": dropped, "under way": begun, "not begun": waiting}


def _state_line(run: Run, status: Status, counts: dict[str, int]) -> str:
    when = "is done" if status.state == "running" else "was done when this page was last drawn on the way"
    share = "" if status.share is None else f"{status.share:.0%} of the training {when}"
    seen = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    where = f"recipes: {seen}" if seen else ""
    state = "; ".join(part for part in (status.step or "", share, where) if part)
    go_on = f"`tenfold resume {shlex.quote(str(run.path))}` goes on from there"
    match status.state:
        case "running":
            return f"Not finished: {state}."
        case "stopped":
            return f"Not finished: it was stopped at {in_utc(status.time)}; {go_on}. {_sentence(state)}"
        case "ended":
            why = "no process is working on it, and none has said why: it was killed, or failed"
            return f"Not finished: {why}; {go_on}. {_sentence(state)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _best_line(best: dict[str, Any] | None, facts: dict[str, Any], word: str) -> list[str]:
    if best is None:
        return []
    error = f" +- {number(best['se'])}" if np.isfinite(best["se"]) else ""
    over = f"{facts['folds']} folds" + (f" x {facts['repeats']} seeds" if facts["repeats"] > 1 else "")
    score = f"{word} {number(best['mean'])}{error} over {over}"
    return [f"Best so far: {best['recipe']}, epoch {best['epochs']}: {score}, not corrected for having been picked."]


def _baseline_line(baselines: list[dict[str, Any]], word: str) -> list[str]:
    means = {b["name"]: float(np.mean([np.nan if s is None else s for s in b["scores"] or [None]])) for b in baselines}
    parts = [f"{name} {number(mean)}" for name, mean in means.items() if np.isfinite(mean)]
    return [f"Baselines on the same folds: {word} {', '.join(parts)}."] if parts else []
