"""The result of a run, and the files that say it: summary.json and the three tables."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.checks.baselines import Baseline
from tenfold.jsonable import jsonable
from tenfold.model.final import short_folds
from tenfold.problem.from_file import Prepared
from tenfold.recipe.spaces.range_edges import border_warnings
from tenfold.run.lockbox import Ledger, TestScore
from tenfold.run.plan import RunPlan
from tenfold.search.leaderboard import csv_rows, leaderboard_row
from tenfold.search.nested import Nested
from tenfold.search.results import SearchResults
from tenfold.search.trial_outcome import CURVES, Outcome
from tenfold.statistics.corrected_t_test import corrected_t_test
from tenfold.statistics.intervals import fold_error, mean_interval
from tenfold.statistics.metrics import all_scores
from tenfold.statistics.rate_interval import binomial_interval

if TYPE_CHECKING:
    from tenfold.model.model import Model
    from tenfold.search.blended import Blend

LEVEL = 0.05  # below this p-value a difference is called significant


@dataclass(frozen=True)
class RunResult:
    """Everything that a run found. apart: scores of the linear baseline on rows divided at random and as asked for;
    nested: of a nested cross-validation; comparison: of the ways to keep the winner; model: see `what_predicts`;
    findings: of recipes that failed; test: None without sealed rows, without a winner, or while they stay sealed."""

    prepared: Prepared
    plan: RunPlan
    baselines: list[Baseline]
    trained: SearchResults
    seconds: dict[str, float]
    apart: dict[str, float | None] | None = None
    nested: Nested | None = None
    comparison: dict[str, Any] | None = None
    model: dict[str, Any] | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    test: TestScore | None = None
    ledger: Ledger = field(default_factory=Ledger)

    @cached_property
    def ranking(self) -> list[int]:
        """Recipe numbers, best first."""
        return self.trained.ranking()

    @property
    def has_winner(self) -> bool:
        """Whether any recipe has a finite score."""
        return self.trained.has_winner

    @property
    def ratio(self) -> float:
        """Validation rows over training rows."""
        return self.trained.problem.ratio

    def p_value(self, scores: Iterable[float]) -> float:
        """Corrected resampled t-test of the winner's fold scores against these (NaN if they are not of all folds)."""
        other = np.array(list(scores))
        mine = self.trained.scores(self.ranking[0])
        return corrected_t_test(mine, other, self.ratio) if len(other) == len(mine) else float("nan")

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the winner's mean over the folds, cut to what the metric can be."""
        problem, best = self.trained.problem, self.ranking[0]
        prediction = self.trained.out_of_fold(best)
        rows = np.isfinite(prediction).all(1)
        units = None if problem.units is None else problem.units[rows]
        scores = self.trained.scores(best)
        return mean_interval(problem.metric, scores, self.ratio, problem.y[rows], prediction[rows], units)

    @cached_property
    def ties(self) -> list[int]:
        """The recipes trained to the end that the winner is not significantly ahead of, best first."""
        others = [n for n in self.ranking[1:] if self.trained.complete(n) and np.isfinite(self.trained.mean(n))]
        return [n for n in others if not self.p_value(self.trained.scores(n)) < LEVEL]

    def winner_scores(self) -> dict[str, float]:
        """Every metric of the task on the winner's out-of-fold predictions, all rows pooled."""
        problem = self.trained.problem
        prediction = self.trained.out_of_fold(self.ranking[0])
        rows = np.isfinite(prediction).all(1)
        found = all_scores(problem.task, problem.y[rows], prediction[None, rows])
        return {name: float(value[0]) for name, value in found.items()}

    def metrics(self, number: int) -> dict[str, dict[str, float]]:
        """Of the metrics that are reported, by name: mean and standard error over the folds."""
        means, scores = self.trained.metric_means(number), self.trained.metric_scores(number)
        return {name: {"mean": means[name], "se": fold_error(scores[name])} for name in means}

    def cost(self, number: int) -> float:
        """Seconds that the cost model gives a recipe's training up to its chosen epoch."""
        return self.trained.problem.cost(self.trained.recipes[number], self.trained.records[number].epoch)[1]

    @cached_property
    def borders(self) -> list[str]:
        """Values of the winner at the border of their range, and what to try."""
        if self.plan.space is None or not self.has_winner:
            return []
        return border_warnings(self.plan.space, self.trained.recipes[self.ranking[0]])

    def warnings(self) -> list[str]:
        """Warnings of the data card, of the plan, and of the run itself."""
        lines = list(dict.fromkeys((*self.prepared.card.warnings, *self.prepared.warnings)))
        lines += [*self.plan.notes, *self.borders]
        lines += [f"the {b.name} baseline was cut short: {b.cut} ({b.seconds:.1f} s)" for b in self.baselines if b.cut]
        counts = self.trained.outcomes()
        for outcome in (Outcome.DIVERGED, Outcome.FAILED, Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT):
            if number := counts.get(outcome.label):
                lines.append(f"{number} of {sum(counts.values())} trials: {outcome.sentence}; try {outcome.remedy}")
        lines += self.trained.notes
        if len(self.ledger.sentences) > 1 or self.ledger.opened > 1:
            lines += [f"sealed test rows: {sentence}" for sentence in self.ledger.sentences]
        return lines

    def racing(self) -> dict[str, Any] | None:
        """What racing saved, and its risk; None if nothing was dropped."""
        if not self.trained.race:
            return None
        made, all_epochs = self.trained.epochs()
        found: dict[str, Any] = {
            "strategy": self.plan.search.strategy.name, "epochs": made, "epochs_of_all": all_epochs,
            "rungs": [
                {"round": r.round, "epoch": r.epoch, "folds": r.folds, "entered": len(r.entered), "kept": len(r.kept)}
                for r in self.trained.race
            ],
            "audit": None,
        }  # fmt: skip
        if self.trained.audit and self.has_winner:
            wrong, total = self.trained.audited()
            interval = list(binomial_interval(wrong, total))
            found["audit"] = {"trained": total, "wrong": wrong, "rate": wrong / total, "interval": interval}
        return found

    def _best(self) -> dict[str, Any]:
        trained, corrected = self.trained, self.trained.correction
        row, spread = leaderboard_row(trained, self.ranking[0]), trained.spread(self.ranking[0])
        return {
            "recipe": row["recipe"].to_dict(), "cv_mean": row["mean"], "cv_se": row["se"],
            "corrected": corrected.score if corrected else None, "interval": list(self.interval),
            "corrected_interval": self._corrected_interval(),
            "spread": {"folds": spread.folds, "seeds": spread.seeds, "resolution": spread.resolution},
            "metrics": self.metrics(self.ranking[0]), "epochs": row["epochs"],
            "scores": self.winner_scores(), "not_distinguishable": len(self.ties),
            "borders": self.borders, "kept": self.kept, "model": self.model,
        }  # fmt: skip

    def _corrected_interval(self) -> list[float] | None:
        """The bootstrap interval; the t interval of the mean where all draws are equal (all rows right, say)."""
        corrected = self.trained.correction
        if corrected is None:
            return None
        low, high = corrected.interval
        return list(self.interval) if low == high else [low, high]

    @property
    def kept(self) -> str:
        """The final model: refit, refits, ensemble or blend."""
        keep = self.prepared.settings.keep
        if keep == "blend" and self.model and len(self.model["recipes"]) == 1:
            return "refits" if short_folds(self.trained.problem) else "ensemble"
        return str(self.comparison["choice"]) if keep == "both" and self.comparison else keep

    def _second(self) -> dict[str, Any] | None:
        if len(self.ranking) < 2 or not np.isfinite(self.trained.mean(self.ranking[1])):
            return None
        row = leaderboard_row(self.trained, self.ranking[1])
        p, metrics = self.p_value(row["scores"]), self.metrics(self.ranking[1])
        return {"recipe": row["recipe"].to_dict(), "cv_mean": row["mean"], "p_value": p, "metrics": metrics}

    def summary(self, run: str) -> dict[str, Any]:
        """`summary.json`, schema 1; fields reserved for later versions are null."""
        trained, problem, rows = self.trained, self.trained.problem, self.prepared.rows
        settings = self.prepared.settings
        value = {
            "schema": 1,
            "run": run,
            "task": problem.task,
            "metric": problem.metric.name,
            "higher_is_better": problem.metric.higher_is_better,
            "rows": {"development": rows[1], "test": rows[2]},
            "folds": self.plan.folds,
            "repeats": len(problem.folds) // self.plan.folds,
            "division": self.prepared.division,
            "recipes": len(trained.recipes),
            "begun": len(trained.begun),
            "trials": len(trained.recipes) * len(problem.folds),
            "seed": settings.seed,
            "baselines": {b.name: b.mean for b in self.baselines},
            "baseline_metrics": {
                b.name: {problem.metric.name: b.mean} | {name: _mean(scores) for name, scores in b.also.items()}
                for b in self.baselines
            },
            "positive_class": problem.classes[1] if len(problem.classes) == 2 else None,
            "best": self._best() if self.has_winner else None,
            "runner_up": self._second() if self.has_winner else None,
            "outcomes": {"ok": 0, "pruned": 0, "diverged": 0} | trained.outcomes(),
            "random_split": self.apart,
            "racing": self.racing(),
            "nested": self.nested.to_dict() if self.nested else None,
            "keep": self.comparison,
            "findings": self.findings,
            "warnings": self.warnings(),
            "test": test_summary(self.test, self.ledger),
            "seconds": self.seconds,
        }
        return jsonable(value)


def what_predicts(model: Model, trained: SearchResults, blend: Blend | None) -> dict[str, Any]:
    """Of the final model: how many networks of which recipes, each with its share, their size in bytes and the
    temperature; the mean score over the folds and the corrected score of what is kept: of a blend, else of the winner
    alone. gain: see `Blend`."""
    best = trained.best()
    numbers, shares = ((best,), (1.0,)) if blend is None else (blend.numbers, blend.shares)
    corrected = trained.correction if blend is None else blend.corrected
    return {
        "networks": len(model.members), "bytes": model.size, "temperature": model.temperature,
        "recipes": [
            {"number": n, "share": share, "epochs": trained.records[n].epoch, "recipe": trained.recipes[n].to_dict()}
            for n, share in zip(numbers, shares, strict=True)
        ],
        "cv_mean": trained.mean(best) if blend is None else blend.mean,
        "corrected": corrected.score if corrected else None,
        "corrected_interval": list(corrected.interval) if corrected else None,
        "gain": blend.gain if blend is not None and len(numbers) > 1 else None,
    }  # fmt: skip


def test_summary(test: TestScore | None, ledger: Ledger) -> dict[str, Any]:
    """The part of `summary.json` about the sealed rows. opened: this run's openings."""
    found: dict[str, Any] = {"opened": ledger.opened, "score": None, "interval": None}
    return found | (test.to_dict() if test else {}) | {"ledger": list(ledger.sentences)}


def run_tables(result: RunResult) -> dict[str, str]:
    """leaderboard.csv, trials.csv, metrics.csv and recipe.yaml: the same bytes for the same run, however often
    it was stopped."""
    trained = result.trained
    also = [metric.name for metric in trained.problem.also]
    trials: list[list[Any]] = [["recipe", "fold", "seed", "score", *also, "outcome", "epoch"]]
    trials += [[({**t["metrics"], **t})[key] for key in trials[0]] for t in trained.trials()]
    metrics: list[list[Any]] = [["recipe", "fold", "seed", "epoch", *CURVES]]
    for number, record in sorted(trained.records.items()):
        for f, fold in enumerate(trained.problem.folds):
            for epoch, values in enumerate(record.curves[:, f].T, 1):
                if np.isfinite(values).any():
                    metrics.append([number, fold.number, fold.seed, epoch, *values])
    files = {"leaderboard.csv": _csv(csv_rows(trained)), "trials.csv": _csv(trials), "metrics.csv": _csv(metrics)}
    if result.has_winner:
        files["recipe.yaml"] = trained.recipes[result.ranking[0]].to_yaml()
    return files


def _mean(scores: Iterable[float]) -> float:
    values = list(scores)
    return float(np.mean(values)) if values else math.nan


def _csv(rows: list[list[Any]]) -> str:
    """Rows as CSV; numbers with all their digits, NaN as an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow(["" if isinstance(v, float) and not math.isfinite(v) else _plain(v) for v in row])
    return out.getvalue()


def _plain(value: Any) -> Any:
    return repr(float(value)) if isinstance(value, float | np.floating) else value
