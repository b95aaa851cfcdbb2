"""The record of each recipe (curves, outcomes, out-of-fold predictions), and how the results of an epoch enter it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tenfold.engine.packs.lanes import Lane
from tenfold.errors import BadInput, clipped
from tenfold.problem.problem import Problem
from tenfold.recipe.module import Module, function_name
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.losses import Link
from tenfold.search.trial_outcome import CURVES, Outcome, is_broken
from tenfold.statistics.metrics import METRICS
from tenfold.statistics.metrics.own import over_columns

Array = np.ndarray
TIE = 1e-10  # scores that differ by less than this share of their size are equal: their sums are rounded


@dataclass
class RecipeRecord:
    """What was measured of one recipe.

    curves (3, folds, epochs): training loss (the recipe's), validation loss (log loss, or root mean squared error in
    the target's unit) and score (the metric), NaN where not measured. out_of_fold: for each fold its predictions
    (validation rows, classes or 1) at the best epoch of the fold-mean curve. rows (epochs, recorded rows) float32:
    what each row contributes to the score at every epoch, averaged over the folds that score it (see `Metric.rows`).
    """

    curves: Array
    outcomes: list[Outcome | None]
    ended: list[int]  # update at which each fold's trial diverged, or epoch at which it ended
    epoch: int = 0  # the best epoch, counted from 1; 0: none
    out_of_fold: list[Array | None] | None = None
    rows: Array | None = None
    dropped: int = 0  # the epoch at which racing dropped it; 0: it did not
    note: str = ""  # why a trial ended without a score, where the user's own code is the reason

    def scores(self) -> Array:
        """Score of each fold at the chosen epoch; NaN for a trial that diverged or was not run."""
        if self.epoch == 0:
            return np.full(len(self.outcomes), np.nan)
        broken = np.array(list(map(is_broken, self.outcomes)))
        return np.where(broken, np.nan, self.curves[2, :, self.epoch - 1])

    def mean(self) -> float:
        """Mean score over the folds that were begun: all of them, unless racing dropped it before; NaN if one
        diverged."""
        begun = np.isfinite(self.curves[2, :, 0])
        if any(map(is_broken, self.outcomes)) or not begun.any():
            return float("nan")
        return float(self.scores()[begun].mean())

    def mean_scores(self) -> Array:
        """Mean score over the folds that were begun after each epoch that all of them made, (epochs,)."""
        begun = self.curves[2][np.isfinite(self.curves[2, :, 0])]
        return begun[:, np.isfinite(begun).all(0)].mean(0) if len(begun) else np.zeros(0)

    @property
    def made(self) -> int:
        """Epochs of which some fold has a score."""
        return int(np.isfinite(self.curves[2]).any(0).sum())

    @property
    def measured(self) -> int:
        """Epochs that were trained and scored, summed over the folds."""
        return int(np.isfinite(self.curves[2]).sum())

    @property
    def finished(self) -> bool:
        """Whether every trial ended by itself."""
        return None not in self.outcomes

    @property
    def cut_short(self) -> bool:
        """Whether the time limit or a lack of memory ended a trial."""
        return Outcome.TIMEOUT in self.outcomes or Outcome.OUT_OF_MEMORY in self.outcomes

    def drop(self, epoch: int) -> None:
        """Racing ends it here; what it has reached stays."""
        self.dropped = epoch
        self.end(Outcome.PRUNED, epoch)

    def end(self, outcome: Outcome, epoch: int) -> None:
        """Trials that are still under way end here."""
        for fold, before in enumerate(self.outcomes):
            if before is None:
                self.outcomes[fold], self.ended[fold] = outcome, epoch

    def arrays(self, prefix: str) -> tuple[dict[str, Array], dict[str, Any]]:
        """As arrays and a JSON value."""
        arrays = {f"{prefix}.curves": self.curves}
        if self.rows is not None:
            arrays[f"{prefix}.rows"] = self.rows
        for fold, part in enumerate(self.out_of_fold or []):
            if part is not None:
                arrays[f"{prefix}.oof.{fold}"] = part
        outcomes = [outcome.name if outcome else None for outcome in self.outcomes]
        meta = {"outcomes": outcomes, "ended": self.ended, "epoch": self.epoch, "dropped": self.dropped}
        return arrays, {**meta, "note": self.note} if self.note else meta

    @staticmethod
    def of(arrays: dict[str, Array], meta: dict[str, Any], prefix: str) -> RecipeRecord:
        """The inverse of `arrays`."""
        outcomes = [Outcome[name] if name else None for name in meta["outcomes"]]
        parts = [arrays.get(f"{prefix}.oof.{fold}") for fold in range(len(outcomes))]
        return RecipeRecord(
            arrays[f"{prefix}.curves"], outcomes, list(meta["ended"]), int(meta["epoch"]),
            parts if any(part is not None for part in parts) else None,
            arrays.get(f"{prefix}.rows"), int(meta["dropped"]), meta.get("note", ""),
        )  # fmt: skip


class _Reading(NamedTuple):
    """How the outputs of a lane are read: the link of its loss, and whether numbers are cut to the training range."""

    link: Link
    clip: bool


def _reading(lane: Lane, problem: Problem) -> _Reading:
    return _Reading(loss_of(lane.recipe, bool(problem.classes)).link, lane.recipe.clip_predictions)


class _LaneScore(NamedTuple):
    """What one lane's outputs come to at one epoch; see `RecipeRecord`."""

    predictions: Array
    loss: float
    score: float
    rows: Array | None


_Scored = dict[tuple[int, int], _LaneScore]  # by recipe number and fold


class EpochRecorder:
    """The records of a pack's recipes, and how an epoch's results enter them.

    recorded_rows: the rows (indices) whose contributions are recorded. epoch_fixed: the epochs were chosen on other
    folds and stay.
    """

    def __init__(
        self, problem: Problem, records: dict[int, RecipeRecord], *, recorded_rows: Array | None = None,
        epoch_fixed: bool = False,
    ) -> None:  # fmt: skip
        self.problem, self.records, self.epoch_fixed = problem, records, epoch_fixed
        self._loss = METRICS["log_loss" if problem.classes else "rmse"]
        if problem.y.ndim > 1:
            # of a target of any shape only the user's own metric says how far off a prediction is
            self._loss = over_columns(self._loss) if problem.y.ndim == 2 else problem.metric
        self._recorded: list[tuple[Array, Array]] | None = None
        self._share = np.zeros(0)
        self._ahead: dict[int, _Scored] = {}  # by epoch, what `look_ahead` has scored
        if recorded_rows is not None:
            self._recorded = [_places(recorded_rows, fold.validation) for fold in problem.folds]
            self._share = 1.0 / np.maximum(problem.times_scored[recorded_rows], 1)

    @staticmethod
    def new(
        problem: Problem, recipes: Sequence[Recipe], numbers: Sequence[int], recorded_rows: Array | None = None
    ) -> dict[int, RecipeRecord]:
        """Empty records."""
        folds = len(problem.folds)
        return {
            n: RecipeRecord(
                np.full((len(CURVES), folds, recipes[n].epochs), np.nan), [None] * folds, [0] * folds,
                rows=None if recorded_rows is None else np.zeros((recipes[n].epochs, len(recorded_rows)), np.float32),
            )
            for n in numbers
        }  # fmt: skip

    def record(
        self, epoch: int, lanes: Sequence[Lane], train_loss: Array, outputs: Sequence[Array], bad: Array
    ) -> list[bool]:
        """Enter epoch (from 1) of these lanes; returns which lanes go on."""
        predictions: dict[tuple[int, int], Array] = {}
        by_fold: dict[tuple[int, _Reading], list[int]] = {}
        known = self._ahead.pop(epoch, {})
        for i, lane in enumerate(lanes):
            if bad[i] >= 0 or not ((lane.number, lane.fold) in known or np.isfinite(outputs[i]).all()):
                self._diverged(lane, int(bad[i]))
            else:
                self.records[lane.number].curves[0, lane.fold, epoch - 1] = train_loss[i]
                if (lane.number, lane.fold) not in known:
                    by_fold.setdefault((lane.fold, _reading(lane, self.problem)), []).append(i)
        for (fold, reading), members in by_fold.items():
            numbers = [lanes[i].number for i in members]
            known |= zip(
                [(n, fold) for n in numbers],
                self._scored(fold, reading, [outputs[i] for i in members], epoch),
                strict=True,
            )
        for lane in lanes:
            record, found = self.records[lane.number], known.get((lane.number, lane.fold))
            if found is not None and not is_broken(record.outcomes[lane.fold]):
                self._enter(record, epoch, lane.fold, found)
                predictions[lane.number, lane.fold] = found.predictions
        for number in sorted({lane.number for lane in lanes}):
            self._choose(number, epoch, predictions)
        return [self._goes_on(lane, epoch) for lane in lanes]

    def look_ahead(self, lanes: Sequence[Lane], epochs: Mapping[int, Sequence[Array]]) -> None:
        """Score the outputs of these lanes at several epochs (from 1) at once, for `record` to enter epoch by epoch:
        starting the arithmetic takes longer than doing it."""
        by_fold: dict[tuple[int, _Reading], list[tuple[int, Lane, Array]]] = {}
        for epoch, outputs in epochs.items():
            self._ahead[epoch] = {}
            for lane, out in zip(lanes, outputs, strict=True):
                if np.isfinite(out).all():
                    by_fold.setdefault((lane.fold, _reading(lane, self.problem)), []).append((epoch, lane, out))
        for (fold, reading), members in by_fold.items():
            scored = self._scored(fold, reading, [m[2] for m in members], members[0][0])
            for (epoch, lane, _), found in zip(members, scored, strict=True):
                self._ahead[epoch][lane.number, fold] = found

    def _scored(self, fold: int, reading: _Reading, outputs: Sequence[Array], epoch: int) -> list[_LaneScore]:
        """Predictions, loss, score and the rows' contributions of outputs on a fold, (rows, C) each."""
        if self.problem.metric.name in METRICS:
            return self._scores(fold, reading, outputs)
        try:
            return self._scores(fold, reading, outputs)
        except Exception as error:  # the user's own metric
            found = error.found if isinstance(error, BadInput) else f"{type(error).__name__}: {clipped(error, 200)}"
            rows = self.problem.folds[fold]
            raise BadInput(
                f"the metric {clipped(self.problem.metric.name)} fails: {found}",
                where=f"fold {rows.number}, epoch {epoch}, y and prediction of its {len(rows.validation)} rows",
                expected="a number for each row", do="call it on a few rows yourself",
            ) from error  # fmt: skip

    def _scores(self, fold: int, reading: _Reading, outputs: Sequence[Array]) -> list[_LaneScore]:
        y, metric = self.problem.y[self.problem.folds[fold].validation], self.problem.metric
        stack = self.problem.readable(np.stack(outputs), fold, reading.link, clip=reading.clip)
        loss, score = self._loss.score(y, stack), metric.score(y, stack)
        rows = None if self._recorded is None else metric.rows(y, stack)
        return [
            _LaneScore(part, float(loss[i]), float(score[i]), None if rows is None else rows[i])
            for i, part in enumerate(stack)
        ]

    def _enter(self, record: RecipeRecord, epoch: int, fold: int, found: _LaneScore) -> None:
        record.curves[1:, fold, epoch - 1] = found.loss, found.score
        if found.rows is not None and self._recorded is not None and record.rows is not None:
            to, of = self._recorded[fold]
            # A row that several folds score (repeats) gets the mean of its contributions.
            record.rows[epoch - 1, to] += found.rows[of] * self._share[to]

    def fail(self, lane: Lane, epoch: int, note: str) -> None:
        """The user's own code has raised an error in this epoch (from 1) of a trial."""
        record = self.records[lane.number]
        record.outcomes[lane.fold], record.ended[lane.fold] = Outcome.FAILED, epoch
        record.note = record.note or f"fold {self.problem.folds[lane.fold].number}, epoch {epoch}: {note}"
        record.epoch, record.out_of_fold = 0, None

    def _diverged(self, lane: Lane, update: int) -> None:
        record = self.records[lane.number]
        network = lane.recipe.network
        if isinstance(network, Module) and network.loss is not None and not record.note:
            where = f"fold {self.problem.folds[lane.fold].number}, update {max(update, 0)}"
            what = f"its loss {function_name(network.loss)}" if update >= 0 else "an output"
            record.note = f"{where}: {what} is not a finite number"
        record.outcomes[lane.fold], record.ended[lane.fold] = Outcome.DIVERGED, max(update, 0)
        # The epoch so far was chosen with this fold in the mean: the others choose theirs among the epochs to come.
        record.epoch, record.out_of_fold = 0, None

    def _choose(self, number: int, epoch: int, predictions: dict[tuple[int, int], Array]) -> None:
        """Remember this epoch and its predictions if no epoch so far is better on the mean over the folds still there.
        Of equal ones the last is taken: labels change in steps, and probabilities get better in between."""
        record = self.records[number]
        found = {fold: part for (n, fold), part in predictions.items() if n == number}
        if self.epoch_fixed:
            if epoch == record.epoch and record.out_of_fold is not None:
                record.out_of_fold = [
                    found[f].copy() if f in found else part for f, part in enumerate(record.out_of_fold)
                ]
            return
        mean = _fold_means(record.curves[2], record.outcomes)
        if not np.isfinite(mean[epoch - 1]):
            return
        sign = self.problem.metric.sign
        best = mean[record.epoch - 1] if record.epoch else mean[epoch - 1]
        if sign * (mean[epoch - 1] - best) >= -TIE * abs(best):
            record.epoch = epoch
            parts = (found.get(fold) for fold in range(len(self.problem.folds)))
            record.out_of_fold = [None if part is None else part.copy() for part in parts]

    def _goes_on(self, lane: Lane, epoch: int) -> bool:
        record = self.records[lane.number]
        if record.outcomes[lane.fold] is None and epoch >= lane.recipe.epochs:
            record.outcomes[lane.fold], record.ended[lane.fold] = Outcome.OK, epoch
        return record.outcomes[lane.fold] is None

    def best(self) -> float | None:
        """The best fold-mean score so far among the recipes that have not diverged."""
        means = [record.mean() for record in self.records.values() if record.epoch]
        finite = [mean for mean in means if np.isfinite(mean)]
        return max(finite, key=lambda mean: self.problem.metric.sign * mean) if finite else None

    def cut_short(self, outcome: Outcome, epoch: int) -> None:
        """Trials that are still under way end here."""
        for record in self.records.values():
            record.end(outcome, epoch)

    def arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """All records as arrays and a JSON value."""
        arrays: dict[str, Array] = {}
        meta: dict[str, Any] = {}
        for number, record in self.records.items():
            mine, meta[str(number)] = record.arrays(f"r{number}")
            arrays.update(mine)
        return arrays, meta

    @staticmethod
    def read(arrays: dict[str, Array], meta: dict[str, Any]) -> dict[int, RecipeRecord]:
        """The inverse of `arrays`."""
        return {int(n): RecipeRecord.of(arrays, value, f"r{n}") for n, value in meta.items()}


def _places(recorded_rows: Array, validation: Array) -> tuple[Array, Array]:
    """Positions of the recorded rows that a fold scores: in `recorded_rows`, and in its validation part."""
    _, to, of = np.intersect1d(recorded_rows, validation, assume_unique=True, return_indices=True)
    return to, of


def _fold_means(scores: Array, outcomes: Sequence[Outcome | None]) -> Array:
    """Mean over the folds that were begun and did not diverge, epoch by epoch: (epochs,)."""
    begun = np.isfinite(scores)[:, 0]
    alive = [f for f, outcome in enumerate(outcomes) if not is_broken(outcome) and begun[f]]
    return scores[alive].mean(0) if alive else np.full(scores.shape[1], np.nan)
