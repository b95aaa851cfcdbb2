"""Trains one pack up to the next racing decision; can resume lanes from earlier packs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tenfold.engine.packs.pack import LaneRows, Pack
from tenfold.engine.packs.rows import Feed
from tenfold.engine.packs.train import train
from tenfold.engine.plan.packing import PackPlan
from tenfold.executors.protocol import JobOrder
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe
from tenfold.search.records import EpochRecorder, RecipeRecord

Array = np.ndarray
Saved = tuple[dict[str, Array], dict[str, Any]]


@dataclass(frozen=True)
class Message:
    """What a pack under way says: an epoch is made, a checkpoint to keep, or its end (with all its records).

    paused: of a pack that ends before its lanes do, the state that they go on from.
    """

    kind: Literal["epoch", "checkpoint", "done"]
    pack: str
    epoch: int
    arrays: dict[str, Array]
    meta: dict[str, Any]
    best: float | None = None  # best fold-mean score of this pack so far
    paused: Saved | None = None
    trials: int = 0  # that made this epoch


@dataclass(frozen=True)
class PackJob:
    """One pack to train: called with where to say things and whether to stop.

    until: the epoch at which it pauses, None to go on to the end. lanes: where lanes that were trained before go on
    from. records: what is known of its recipes. saved: its last checkpoint. every: seconds between checkpoints.
    """

    key: str
    plan: PackPlan
    recipes: Sequence[Recipe]
    problem: Problem
    feed: Feed
    records: dict[int, RecipeRecord]
    until: int | None = None
    lanes: Mapping[tuple[int, int], LaneRows] = field(default_factory=dict)
    recorded_rows: Array | None = None
    epoch_fixed: bool = False
    saved: Saved | None = None
    every: float = 15.0

    def __call__(self, emit: Callable[[Message], None], ordered: Callable[[], JobOrder]) -> None:
        """Train to the end, to the time limit, or until asked to stop (then the last word is a checkpoint)."""
        pack = Pack(self.plan.lanes(self.recipes), self.plan.shape, self.feed)
        book = EpochRecorder(self.problem, self.records, recorded_rows=self.recorded_rows, epoch_fixed=self.epoch_fixed)
        if self.saved is not None:
            book.records = self._restore(pack, self.saved)
        elif self.lanes:
            pack.adopt(self.lanes)
        saved_at = time.monotonic()

        def tick() -> JobOrder:
            nonlocal saved_at
            order = ordered()
            if order == "go on" and time.monotonic() - saved_at > self.every:
                emit(self._checkpoint(pack, book))
                saved_at = time.monotonic()
            return order

        def each_epoch() -> None:
            bad, made = pack.bad.cpu().numpy(), len(pack.lanes)
            stay = book.record(pack.epoch, pack.lanes, pack.train_loss(), pack.evaluate(), bad)
            if not all(stay):
                pack.keep(stay)
            emit(Message("epoch", self.key, pack.epoch, {}, {}, book.best(), trials=made))

        last = None if self.until is None else self.until * pack.per_epoch
        if not train(pack, last=last, tick=tick, each_epoch=each_epoch):
            if ordered() == "stop":
                emit(self._checkpoint(pack, book))
                return
            book.out_of_time(pack.epoch)
            pack.keep([False] * len(pack.lanes))
        rest = pack.state() if pack.lanes else None
        emit(Message("done", self.key, pack.epoch, *book.arrays(), book.best(), rest))

    def _checkpoint(self, pack: Pack, book: EpochRecorder) -> Message:
        state, where = pack.state()
        records, meta = book.arrays()
        arrays = {**{f"pack.{k}": v for k, v in state.items()}, **{k: v.copy() for k, v in records.items()}}
        return Message("checkpoint", self.key, pack.epoch, arrays, {"pack": where, "book": meta})

    def _restore(self, pack: Pack, saved: Saved) -> dict[int, RecipeRecord]:
        arrays, meta = saved
        state = {k.removeprefix("pack."): v for k, v in arrays.items() if k.startswith("pack.")}
        pack.restore(state, meta["pack"])
        return records_of(saved)


def records_of(saved: Saved) -> dict[int, RecipeRecord]:
    """What a checkpoint knows of its recipes."""
    arrays, meta = saved
    return EpochRecorder.read({k: v for k, v in arrays.items() if not k.startswith("pack.")}, meta["book"])
