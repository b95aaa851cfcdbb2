"""Trains one pack up to the next decision of the race; it can resume lanes from earlier packs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tenfold.engine.engines import Engine, make_lanes
from tenfold.engine.lane_failed import LaneFailed
from tenfold.engine.out_of_memory import is_out_of_memory
from tenfold.engine.packs.lane_states import LaneRows, LaneStates, Snapshot
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.rows import Feed
from tenfold.engine.packs.train import train
from tenfold.engine.plan.packing import PackPlan
from tenfold.executors.protocol import JobOrder, Shared, Sharing
from tenfold.problem.problem import Problem
from tenfold.recipe.module import Module
from tenfold.recipe.recipe import Recipe
from tenfold.search.records import EpochRecorder, RecipeRecord
from tenfold.search.so_far import TrialEpoch
from tenfold.search.trial_outcome import Outcome

if TYPE_CHECKING:
    import torch

Array = np.ndarray
TOLD_SECONDS = 0.1  # between two looks for the best score so far
Saved = tuple[dict[str, Array], dict[str, Any]]
# By recipe number and place of the fold: an epoch, and the network after it as `LaneStates.parameters` gives it.
KeptWeights = dict[tuple[int, int], tuple[int, dict[str, Array]]]


@dataclass(frozen=True)
class Message:
    """What a pack emits while it trains: an epoch was trained, a checkpoint, or its end (with all its records).

    paused: the state of lanes that are not trained to their end yet, from which the next stage goes on. weights: of
    lanes whose recipe has its best epoch so far in this stage; they are in memory only. measured: of the trials that
    the epoch has a score of, where somebody wants to know.
    """

    kind: Literal["epoch", "checkpoint", "done"]
    pack: str
    epoch: int
    arrays: dict[str, Array]
    meta: dict[str, Any]
    best: float | None = None  # best fold-mean score of this pack so far
    paused: Saved | None = None
    trained: tuple[int, ...] = ()  # the recipes by number, one a trial, that were trained for an epoch
    weights: KeptWeights = field(default_factory=dict)
    measured: tuple[TrialEpoch, ...] = ()


@dataclass(frozen=True)
class PackJob:
    """One pack to train; a `Job` of an executor.

    until: the epoch at which it pauses. lanes: the states that lanes go on from that earlier packs trained. records:
    of its recipes, as they are before it. saved: its last checkpoint. every: seconds between checkpoints. engine:
    of the run. threads: that compiled lanes share. keep_weights: whether its end brings the weights of best epochs.
    tells_epochs: whether every epoch brings what was measured.
    """

    key: str
    plan: PackPlan
    recipes: Sequence[Recipe] | Mapping[int, Recipe]
    problem: Problem
    feed: Feed
    records: dict[int, RecipeRecord]
    until: int
    lanes: Mapping[tuple[int, int], LaneRows] = field(default_factory=dict)
    recorded_rows: Array | None = None
    epoch_fixed: bool = False
    saved: Saved | None = None
    every: float = 15.0
    engine: Engine = "packs"
    threads: int = 1
    keep_weights: bool = False
    tells_epochs: bool = False

    @property
    def width(self) -> int:
        """Threads that it can use: compiled lanes share them, a pack has one."""
        return len(self.plan.numbers) * len(self.plan.folds) if self.engine == "compiled" else 1

    @property
    def own_code(self) -> Sequence[Any]:
        """The user's own functions in it."""
        networks = [self.recipes[number].network for number in self.plan.numbers]
        own = [f for n in networks if isinstance(n, Module) for f in (n.make_model, n.loss)]
        return [f for f in (*own, *(metric.own_function for metric in self.problem.metrics)) if callable(f)]

    def packed(self, share: Sharing, threads: int) -> SentPack:
        """As it travels: the problem, of which there is one for all packs, is shared, and its rows are made there."""
        rest = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in ("problem", "feed")}
        rest |= {"recipes": {number: self.recipes[number] for number in self.plan.numbers}, "threads": threads}
        return SentPack(rest, share(self.problem), str(self.feed.device), str(self.feed.dtype).removeprefix("torch."))

    def after(self, message: Message) -> PackJob:
        """What goes on from a checkpoint of its own."""
        return replace(self, saved=(message.arrays, message.meta)) if message.kind == "checkpoint" else self

    def __call__(self, emit: Callable[[Message], None], ordered: Callable[[], JobOrder]) -> None:
        """Train to epoch `until`, to the time limit, or until asked to stop; then the last message is a checkpoint."""
        recorder = EpochRecorder(
            self.problem, self.records, recorded_rows=self.recorded_rows, epoch_fixed=self.epoch_fixed
        )
        try:
            self._train(recorder, emit, ordered)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            made = max(record.made for record in recorder.records.values())
            recorder.cut_short(Outcome.OUT_OF_MEMORY, made)
            emit(Message("done", self.key, made, *recorder.arrays(), recorder.best()))

    def _train(self, recorder: EpochRecorder, emit: Callable[[Message], None], ordered: Callable[[], JobOrder]) -> None:
        pack = make_lanes(
            self.plan.lanes(self.recipes),
            self.plan.shape,
            self.feed,
            engine=self.engine,
            threads=self.threads,
            ahead=True,
            with_snapshots=self.keep_weights,
        )
        if self.saved is not None:
            recorder.records = self._restore(pack, self.saved)
        elif self.lanes:
            pack.adopt(self.lanes)
        saved_at = time.monotonic()

        def tick() -> JobOrder:
            nonlocal saved_at
            order = ordered()
            if order == "go on" and time.monotonic() - saved_at > self.every:
                emit(self._checkpoint(pack, recorder))
                saved_at = time.monotonic()
            return order

        told_at, told = 0.0, None

        def best() -> float | None:
            # Nobody reads it more often than ten times a second, and it takes as long as a small epoch; that of the
            # last epoch is the one that stays.
            nonlocal told_at, told
            if told is None or pack.epoch >= self.until or time.monotonic() - told_at > TOLD_SECONDS:
                told_at, told = time.monotonic(), recorder.best()
            return told

        best_so_far: dict[tuple[int, int], tuple[int, Lane, Snapshot]] = {}

        def keep_best() -> None:
            number_of_best = {n for n, record in recorder.records.items() if record.epoch == pack.epoch}
            if not number_of_best or not self.keep_weights:
                return
            for lane, found in zip(pack.lanes, pack.snapshots(), strict=True):
                if lane.number in number_of_best and found is not None:
                    best_so_far[lane.number, lane.fold] = pack.epoch, lane, (found[0].copy(), found[1].copy())

        def failed(error: LaneFailed, epoch: int) -> None:
            """The lanes whose own code fails leave; what the others have is untouched."""
            gone = set(error.lanes) or set(range(len(pack.lanes)))
            for place in gone:
                recorder.fail(pack.lanes[place], epoch, error.note)
            pack.keep([place not in gone for place in range(len(pack.lanes))])

        def evaluated() -> list[Array]:
            while pack.lanes:
                try:
                    return pack.evaluate()
                except LaneFailed as error:
                    failed(error, pack.epoch)
            return []

        def each_epoch() -> None:
            outputs = evaluated()
            if later := pack.made_ahead():
                recorder.look_ahead(pack.lanes, {pack.epoch: outputs, **later})
            bad, trained = pack.bad.cpu().numpy(), tuple(lane.number for lane in pack.lanes)
            stay = recorder.record(pack.epoch, pack.lanes, pack.train_loss(), outputs, bad)
            keep_best()
            measured = self._measured(pack, recorder) if self.tells_epochs else ()
            if not all(stay):
                pack.keep(stay)
            emit(Message("epoch", self.key, pack.epoch, {}, {}, best(), trained=trained, measured=measured))

        def trained_on() -> bool:
            while True:
                try:
                    return train(pack, last=self.until * pack.per_epoch, tick=tick, each_epoch=each_epoch)
                except LaneFailed as error:
                    failed(error, pack.epoch + 1)

        if not trained_on():
            if ordered() == "stop":
                emit(self._checkpoint(pack, recorder))
                return
            recorder.cut_short(Outcome.TIMEOUT, pack.epoch)
            pack.keep([False] * len(pack.lanes))
        paused = pack.state() if pack.lanes else None
        weights = {
            place: (epoch, pack.arrays_of(lane, found))
            for place, (epoch, lane, found) in best_so_far.items()
            if recorder.records[place[0]].epoch == epoch
        }
        pack.keep([False] * len(pack.lanes))
        emit(Message("done", self.key, pack.epoch, *recorder.arrays(), recorder.best(), paused, weights=weights))

    def _measured(self, pack: LaneStates, recorder: EpochRecorder) -> tuple[TrialEpoch, ...]:
        """Of the epoch that was recorded last, without the lanes that diverged in it."""
        found: list[TrialEpoch] = []
        for lane in pack.lanes:
            values = recorder.records[lane.number].curves[:, lane.fold, pack.epoch - 1]
            if np.isfinite(values[2]):
                found.append(TrialEpoch(lane.number, lane.fold, pack.epoch, *map(float, values)))
        return tuple(found)

    def _checkpoint(self, pack: LaneStates, recorder: EpochRecorder) -> Message:
        state, where = pack.state()
        records, meta = recorder.arrays()
        # Copies: the training goes on and changes the records while the main thread writes this message.
        arrays = {**{f"pack.{k}": v for k, v in state.items()}, **{k: v.copy() for k, v in records.items()}}
        return Message("checkpoint", self.key, pack.epoch, arrays, {"pack": where, "book": meta})

    def _restore(self, pack: LaneStates, saved: Saved) -> dict[int, RecipeRecord]:
        arrays, meta = saved
        state = {k.removeprefix("pack."): v for k, v in arrays.items() if k.startswith("pack.")}
        pack.restore(state, meta["pack"])
        return records_of(saved)


def records_of(saved: Saved) -> dict[int, RecipeRecord]:
    """The records of a checkpoint's recipes."""
    arrays, meta = saved
    return EpochRecorder.read({k: v for k, v in arrays.items() if not k.startswith("pack.")}, meta["book"])


def curves_of(message: Message) -> dict[int, RecipeRecord]:
    """The records of a checkpoint without what takes memory: predictions and rows."""
    found = records_of((message.arrays, message.meta))
    return {n: replace(record, out_of_fold=None, rows=None) for n, record in found.items()}


@dataclass(frozen=True)
class SentPack:
    """A `PackJob` in another process. rest: its other fields; problem: gives the problem that all packs share."""

    rest: dict[str, Any]
    problem: Shared
    device: str
    dtype: str

    def __call__(self, emit: Callable[[Message], None], ordered: Callable[[], JobOrder]) -> None:
        """Train it as there."""
        import torch

        problem, recipes = self.problem(), list(self.rest["recipes"].values())
        feed = _feeds.of(problem, recipes, torch.device(self.device), getattr(torch, self.dtype))
        PackJob(**self.rest, problem=problem, feed=feed)(emit, ordered)


class KeptFeeds:
    """The rows of the last problem, made once for all packs that this process trains on them.

    What a recipe gets of them does not depend on the recipes that they were made for.
    """

    def __init__(self) -> None:
        self._problem: Problem | None = None
        self._made: dict[Any, Feed] = {}

    def of(self, problem: Problem, recipes: Sequence[Recipe], device: torch.device, dtype: torch.dtype) -> Feed:
        """Rows for these recipes of one pack."""
        if problem is not self._problem:
            self._problem, self._made = problem, {}
        rules = [recipe.preprocess for recipe in recipes]
        needed = any(rule.needs_scatter for rule in rules), any(rule.needs_quantiles for rule in rules)
        key = recipes[0].integers, recipes[0].categories, needed, device, dtype
        if key not in self._made:
            self._made[key] = problem.feed(recipes, device, dtype)
        return self._made[key]


_feeds = KeptFeeds()
