"""The result of a run, and the files that say it: summary.json and the three tables."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tenfold.selection.baselines import Baseline
from tenfold.selection.outcome import CURVES, Outcome
from tenfold.selection.prepare import Plan, Prepared
from tenfold.selection.search import Trained
from tenfold.statistics.intervals import corrected_t_test, fold_interval
from tenfold.statistics.metrics import all_scores
from tenfold.store.run import Run

LEVEL = 0.05  # below this p-value a difference is called significant


@dataclass(frozen=True)
class TestScore:
    """The one score on the sealed rows: the metric, its 95 % interval, and every metric of the task."""

    rows: int
    score: float
    interval: tuple[float, float]
    scores: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"rows": self.rows, "score": self.score, "interval": list(self.interval), "scores": self.scores}


@dataclass(frozen=True)
class RunResult:
    """Everything that a run found. test: None without sealed rows or without a winner."""

    prepared: Prepared
    plan: Plan
    baselines: list[Baseline]
    trained: Trained
    test: TestScore | None
    seconds: dict[str, float]

    @cached_property
    def ranking(self) -> list[int]:
        """Recipe numbers, best first."""
        return self.trained.ranking()

    @property
    def has_winner(self) -> bool:
        """Whether any recipe has a finite score."""
        return bool(np.isfinite(self.trained.scores(self.ranking[0]).mean()))

    def p_value(self, scores: Iterable[float]) -> float:
        """Corrected resampled t-test of the winner's fold scores against these (NaN if they are not of all folds)."""
        other = np.array(list(scores))
        mine = self.trained.scores(self.ranking[0])
        return corrected_t_test(mine, other, self.plan.folds) if len(other) == len(mine) else float("nan")

    def interval(self) -> tuple[float, float]:
        """95 % interval of the winner's mean over the folds, cut to what the metric can be."""
        low, high = fold_interval(self.trained.scores(self.ranking[0]), self.plan.folds)
        return tuple(np.clip((low, high), *self.trained.problem.metric.bounds).tolist())

    def winner_scores(self) -> dict[str, float]:
        """Every metric of the task on the winner's out-of-fold predictions, all rows pooled."""
        problem = self.trained.problem
        prediction = self.trained.out_of_fold(self.ranking[0])
        rows = np.isfinite(prediction).all(1)
        found = all_scores(problem.task, problem.y[rows], prediction[None, rows])
        return {name: float(value[0]) for name, value in found.items()}

    def warnings(self) -> list[str]:
        """What the reader should know: of the data, of the plan, and of how it went."""
        said = [*self.prepared.card.warnings, *self.plan.notes]
        said += [
            f"the {b.name} baseline was cut short: {len(b.scores)} of {b.folds} folds in {b.seconds:.0f} s"
            for b in self.baselines
            if len(b.scores) < b.folds
        ]
        counts = self.trained.outcomes()
        for outcome in (Outcome.DIVERGED, Outcome.TIMEOUT):
            if number := counts.get(outcome.label):
                said.append(f"{number} of {sum(counts.values())} trials: {outcome.sentence}; try {outcome.remedy}")
        return said

    def summary(self, run: str, opened: int) -> dict[str, Any]:
        """`summary.json`, schema 1; what later versions fill is null."""
        trained, problem, rows = self.trained, self.trained.problem, self.prepared.rows
        best, second = None, None
        if self.has_winner:
            row = trained.row(self.ranking[0])
            best = {
                "recipe": row["recipe"].to_dict(), "cv_mean": row["mean"], "cv_se": row["se"], "corrected": None,
                "interval": list(self.interval()), "epochs": row["epochs"],
                "scores": self.winner_scores(),
            }  # fmt: skip
            if len(self.ranking) > 1 and np.isfinite(trained.scores(self.ranking[1]).mean()):
                row = trained.row(self.ranking[1])
                second = {
                    "recipe": row["recipe"].to_dict(), "cv_mean": row["mean"], "p_value": self.p_value(row["scores"]),
                }  # fmt: skip
        value = {
            "schema": 1, "run": run, "task": problem.task, "metric": problem.metric.name,
            "higher_is_better": problem.metric.higher_is_better,
            "rows": {"development": rows[1], "test": rows[2]}, "folds": self.plan.folds,
            "recipes": len(trained.recipes), "trials": len(trained.recipes) * len(problem.folds),
            "seed": self.prepared.settings.seed, "baselines": {b.name: b.mean for b in self.baselines},
            "positive_class": problem.classes[1] if len(problem.classes) == 2 else None,
            "best": best, "runner_up": second,
            "outcomes": {"ok": 0, "pruned": 0, "diverged": 0} | trained.outcomes(),
            "findings": [], "warnings": self.warnings(),
            "test": {"opened": opened, "score": None, "interval": None} | (self.test.to_dict() if self.test else {}),
            "seconds": self.seconds,
        }  # fmt: skip
        return finite(value)


def finite(value: Any) -> Any:
    """JSON has no NaN: null instead."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def trial_rows(trained: Trained) -> Iterator[tuple[int, int, int, str, float, int, str]]:
    """Every trial as a row of run.db: recipe, fold, seed, outcome, score, epoch, what happened in words."""
    for trial in trained.trials():
        outcome = next(o for o in Outcome if o.label == trial["outcome"])
        key = trial["recipe"], trial["fold"], trial["seed"]
        yield (*key, outcome.label, trial["score"], trial["epoch"], outcome.sentence)


def metric_rows(trained: Trained) -> Iterator[tuple[int, int, int, int, str, float]]:
    """Every point of every curve as a row of run.db: recipe, fold, seed, epoch, name, value."""
    for number, record in sorted(trained.records.items()):
        for f, fold in enumerate(trained.problem.folds):
            for name, curve in zip(CURVES, record.curves[:, f], strict=True):
                for epoch in np.flatnonzero(np.isfinite(curve)):
                    yield number, fold.number, fold.seed, int(epoch) + 1, name, float(curve[epoch])


def run_tables(result: RunResult) -> dict[str, str]:
    """leaderboard.csv, trials.csv, metrics.csv and recipe.yaml: the same bytes for the same run, however often
    it was stopped."""
    trained = result.trained
    folds = range(len(trained.problem.folds))
    board: list[list[Any]] = [
        ["rank", "recipe", "mean", "se", *(f"fold_{f}" for f in folds), "epochs", "outcomes", "settings"]
    ]
    for rank, number in enumerate(result.ranking, 1):
        row = trained.row(number)
        outcomes = " ".join(f"{label}={count}" for label, count in row["outcomes"].items())
        settings = json.dumps(row["recipe"].to_dict(), sort_keys=True)
        board.append([rank, number, row["mean"], row["se"], *row["scores"], row["epochs"], outcomes, settings])
    trials: list[list[Any]] = [["recipe", "fold", "seed", "score", "outcome", "epoch"]]
    trials += [[t[key] for key in trials[0]] for t in trained.trials()]
    metrics: list[list[Any]] = [["recipe", "fold", "seed", "epoch", *CURVES]]
    for number, record in sorted(trained.records.items()):
        for f, fold in enumerate(trained.problem.folds):
            for epoch, values in enumerate(record.curves[:, f].T, 1):
                if np.isfinite(values).any():
                    metrics.append([number, fold.number, fold.seed, epoch, *values])
    files = {"leaderboard.csv": _csv(board), "trials.csv": _csv(trials), "metrics.csv": _csv(metrics)}
    if result.has_winner:
        files["recipe.yaml"] = trained.recipes[result.ranking[0]].to_yaml()
    return files


def _csv(rows: list[list[Any]]) -> str:
    """Rows as CSV; numbers with all their digits, NaN as an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow(["" if isinstance(v, float) and not math.isfinite(v) else _plain(v) for v in row])
    return out.getvalue()


def _plain(value: Any) -> Any:
    return repr(float(value)) if isinstance(value, float | np.floating) else value


def summary_text(result: RunResult, run: Run) -> str:
    """The text of summary.json. opened: this run's openings of its lockbox."""
    return json.dumps(result.summary(run.path.name, len(run.openings())), indent=1, allow_nan=False) + "\n"
