"""One pack from its first update (or its last checkpoint) to its end, and the book that is kept of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tenfold.engine.feed import Feed
from tenfold.engine.lanes import Lane
from tenfold.engine.pack import Order, Pack
from tenfold.engine.planner import PackPlan
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.losses import Link
from tenfold.selection.outcome import CURVES, Outcome
from tenfold.selection.problem import Problem
from tenfold.statistics.metrics import METRICS

Array = np.ndarray


@dataclass
class RecipeRecord:
    """What is known of one recipe.

    curves (3, folds, epochs): training loss (the recipe's), validation loss (log loss, or root mean squared error in
    the target's unit) and score (the metric), NaN where not measured. out_of_fold: for each fold its predictions
    (validation rows, classes or 1) at the best epoch of the fold-mean curve.
    """

    curves: Array
    outcomes: list[Outcome | None]
    ended: list[int]  # update at which each fold's trial diverged, or epoch at which it ended
    epoch: int = 0  # the best epoch, counted from 1; 0: none
    out_of_fold: list[Array | None] | None = None

    def scores(self) -> Array:
        """Score of each fold at the chosen epoch; NaN for a trial that diverged."""
        if self.epoch == 0:
            return np.full(len(self.outcomes), np.nan)
        diverged = np.array([outcome is Outcome.DIVERGED for outcome in self.outcomes])
        return np.where(diverged, np.nan, self.curves[2, :, self.epoch - 1])

    def arrays(self, prefix: str) -> tuple[dict[str, Array], dict[str, Any]]:
        """As arrays and a JSON value."""
        arrays = {f"{prefix}.curves": self.curves}
        for fold, part in enumerate(self.out_of_fold or []):
            if part is not None:
                arrays[f"{prefix}.oof.{fold}"] = part
        outcomes = [outcome.name if outcome else None for outcome in self.outcomes]
        return arrays, {"outcomes": outcomes, "ended": self.ended, "epoch": self.epoch}

    @staticmethod
    def of(arrays: dict[str, Array], meta: dict[str, Any], prefix: str) -> RecipeRecord:
        """The inverse of `arrays`."""
        outcomes = [Outcome[name] if name else None for name in meta["outcomes"]]
        parts = [arrays.get(f"{prefix}.oof.{fold}") for fold in range(len(outcomes))]
        return RecipeRecord(
            arrays[f"{prefix}.curves"], outcomes, list(meta["ended"]), int(meta["epoch"]),
            parts if any(part is not None for part in parts) else None,
        )  # fmt: skip


class Book:
    """The records of a pack's recipes, and how an epoch's results enter them."""

    def __init__(self, problem: Problem, records: dict[int, RecipeRecord]) -> None:
        self.problem, self.records = problem, records
        self._loss = METRICS["log_loss" if problem.classes else "rmse"]

    @staticmethod
    def new(problem: Problem, recipes: Sequence[Recipe], numbers: Sequence[int]) -> Book:
        """Empty records."""
        folds = len(problem.folds)
        return Book(
            problem,
            {
                n: RecipeRecord(np.full((len(CURVES), folds, recipes[n].epochs), np.nan), [None] * folds, [0] * folds)
                for n in numbers
            },
        )

    def record(
        self, epoch: int, lanes: Sequence[Lane], train_loss: Array, outputs: Sequence[Array], bad: Array
    ) -> list[bool]:
        """Enter epoch (from 1) of these lanes; returns which lanes go on."""
        predictions: dict[tuple[int, int], Array] = {}
        by_fold: dict[tuple[int, Link], list[int]] = {}
        classification = bool(self.problem.classes)
        for i, lane in enumerate(lanes):
            if bad[i] >= 0 or not np.isfinite(outputs[i]).all():
                self._diverged(lane, int(bad[i]))
            else:
                self.records[lane.number].curves[0, lane.fold, epoch - 1] = train_loss[i]
                by_fold.setdefault((lane.fold, loss_of(lane.recipe, classification).link), []).append(i)
        for (fold, link), members in by_fold.items():
            y = self.problem.y[self.problem.folds[fold].validation]
            stack = self.problem.readable(np.stack([outputs[i] for i in members]), fold, link)
            loss, score = self._loss.score(y, stack), self.problem.metric.score(y, stack)
            for place, i in enumerate(members):
                curves = self.records[lanes[i].number].curves
                curves[1:, fold, epoch - 1] = loss[place], score[place]
                predictions[lanes[i].number, fold] = stack[place]
        for number in sorted({lane.number for lane in lanes}):
            self._choose(number, epoch, predictions)
        return [self._goes_on(lane, epoch) for lane in lanes]

    def _diverged(self, lane: Lane, update: int) -> None:
        record = self.records[lane.number]
        record.outcomes[lane.fold], record.ended[lane.fold] = Outcome.DIVERGED, max(update, 0)
        record.epoch, record.out_of_fold = 0, None  # the folds that are left choose their epoch among those to come

    def _choose(self, number: int, epoch: int, predictions: dict[tuple[int, int], Array]) -> None:
        """Keep this epoch and its predictions if it is the best so far on the mean over the folds still there."""
        record = self.records[number]
        mean = _fold_means(record.curves[2], record.outcomes)
        if not np.isfinite(mean[epoch - 1]):
            return
        sign = self.problem.metric.sign
        if record.epoch == 0 or sign * mean[epoch - 1] > sign * mean[record.epoch - 1]:
            record.epoch = epoch
            found = (predictions.get((number, fold)) for fold in range(len(self.problem.folds)))
            record.out_of_fold = [None if part is None else part.copy() for part in found]

    def _goes_on(self, lane: Lane, epoch: int) -> bool:
        record = self.records[lane.number]
        if record.outcomes[lane.fold] is None and epoch >= lane.recipe.epochs:
            record.outcomes[lane.fold], record.ended[lane.fold] = Outcome.OK, epoch
        return record.outcomes[lane.fold] is None

    def best(self) -> float | None:
        """The best fold-mean score so far among the recipes that have not diverged."""
        means = [float(record.scores().mean()) for record in self.records.values() if record.epoch]
        finite = [mean for mean in means if np.isfinite(mean)]
        return max(finite, key=lambda mean: self.problem.metric.sign * mean) if finite else None

    def out_of_time(self, epoch: int) -> None:
        """Trials that are still under way end here."""
        for record in self.records.values():
            for fold, outcome in enumerate(record.outcomes):
                if outcome is None:
                    record.outcomes[fold], record.ended[fold] = Outcome.TIMEOUT, epoch

    def arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """All records as arrays and a JSON value."""
        arrays: dict[str, Array] = {}
        meta: dict[str, Any] = {}
        for number, record in self.records.items():
            mine, meta[str(number)] = record.arrays(f"r{number}")
            arrays.update(mine)
        return arrays, meta

    @staticmethod
    def of(problem: Problem, arrays: dict[str, Array], meta: dict[str, Any]) -> Book:
        """The inverse of `arrays`."""
        return Book(problem, {int(n): RecipeRecord.of(arrays, value, f"r{n}") for n, value in meta.items()})


def _fold_means(scores: Array, outcomes: Sequence[Outcome | None]) -> Array:
    """Mean over the folds that did not diverge, epoch by epoch: (epochs,)."""
    alive = [fold for fold, outcome in enumerate(outcomes) if outcome is not Outcome.DIVERGED]
    return scores[alive].mean(0) if alive else np.full(scores.shape[1], np.nan)


@dataclass(frozen=True)
class Message:
    """What a pack under way says: an epoch is made, a checkpoint to keep, or its end (with all its records)."""

    kind: Literal["epoch", "checkpoint", "done"]
    pack: int
    epoch: int
    arrays: dict[str, Array]
    meta: dict[str, Any]
    best: float | None = None  # best fold-mean score of this pack so far


Saved = tuple[dict[str, Array], dict[str, Any]]


@dataclass(frozen=True)
class PackJob:
    """One pack to train: called with where to say things and whether to stop. `every`: seconds between checkpoints."""

    index: int
    plan: PackPlan
    recipes: Sequence[Recipe]
    problem: Problem
    feed: Feed
    saved: Saved | None = None
    every: float = 15.0
    out_of_time: Callable[[], bool] = lambda: False

    def __call__(self, emit: Callable[[Message], None], stopping: Callable[[], bool]) -> None:
        """Train to the end, to the time limit, or until asked to stop (then the last word is a checkpoint)."""
        pack = Pack(self.plan.lanes(self.recipes, len(self.problem.folds)), self.plan.shape, self.feed)
        book = Book.new(self.problem, self.recipes, self.plan.numbers)
        if self.saved is not None:
            book = self._restore(pack, self.saved)
        last = time.monotonic()

        def tick() -> Order:
            nonlocal last
            if stopping() or self.out_of_time():
                return "stop"
            if time.monotonic() - last > self.every:
                emit(self._checkpoint(pack, book))
                last = time.monotonic()
            return "go on"

        while pack.lanes:
            if not pack.run_epoch(tick):
                if not self.out_of_time():
                    emit(self._checkpoint(pack, book))
                    return
                book.out_of_time(pack.epoch)
                break
            bad = pack.bad.cpu().numpy()
            stay = book.record(pack.epoch, pack.lanes, pack.train_loss(), pack.evaluate(), bad)
            if not all(stay):
                pack.keep(stay)
            emit(Message("epoch", self.index, pack.epoch, {}, {}, book.best()))
        emit(Message("done", self.index, pack.epoch, *book.arrays()))

    def _checkpoint(self, pack: Pack, book: Book) -> Message:
        state, where = pack.state()
        records, meta = book.arrays()
        arrays = {**{f"pack.{k}": v for k, v in state.items()}, **{k: v.copy() for k, v in records.items()}}
        return Message("checkpoint", self.index, pack.epoch, arrays, {"pack": where, "book": meta})

    def _restore(self, pack: Pack, saved: Saved) -> Book:
        arrays, meta = saved
        state = {k.removeprefix("pack."): v for k, v in arrays.items() if k.startswith("pack.")}
        pack.restore(state, meta["pack"])
        return Book.of(self.problem, {k: v for k, v in arrays.items() if not k.startswith("pack.")}, meta["book"])
