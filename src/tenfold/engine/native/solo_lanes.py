"""Lanes that are trained by compiled code, each alone, on as many threads as there are.

A lane is trained for many updates at a time outside the interpreter's lock, all epochs that end in between are evaluated,
and their results are handed out epoch by epoch. How many updates that are depends on the clock and changes no bit.
"""

from __future__ import annotations

import ctypes
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.network import CompiledNetwork, compiled_network
from tenfold.engine.native.records import (
    GRADIENT,
    MOVE,
    DrawsRecord,
    PredictionRecord,
    RuleRecord,
    TrainingRecord,
    address,
)
from tenfold.engine.native.source import RowSource, shared_source
from tenfold.engine.native.threads import run_side_by_side, usable_cores
from tenfold.engine.operations.dropout import DropoutOp
from tenfold.engine.packs.dropout_masks import updates_per_draw
from tenfold.engine.packs.first_order import initial_rows, reported_share
from tenfold.engine.packs.lane_states import LaneStates
from tenfold.engine.packs.lanes import Lane, coefficient_table
from tenfold.engine.packs.rows import Feed
from tenfold.engine.plan.shape import Shape
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.optimizers.base import FIRST_MOMENT, LARGEST_SECOND_MOMENT, SECOND_MOMENT, STEP_MOMENT
from tenfold.rules.penalties import ema_correction

AHEAD_SECONDS = 0.2  # that lanes are trained before their results are looked at, about
AHEAD_BYTES = 32 << 20  # of outputs that wait to be looked at, at most
FIRST_PACE = 4e9  # multiplications a second, low: the first updates tell the true pace
THIRD_MOMENTS = LARGEST_SECOND_MOMENT, STEP_MOMENT  # no optimizer keeps both


class EpochResult(NamedTuple):
    """What the lanes had after `update` updates: outputs on their validation rows and mean training losses (L,), None in
    the middle of an epoch."""

    update: int
    outputs: list[np.ndarray] | None
    losses: np.ndarray | None

    def of(self, places: Sequence[int]) -> EpochResult:
        """The same for some of the lanes."""
        outputs = None if self.outputs is None else [self.outputs[i] for i in places]
        return self._replace(outputs=outputs, losses=None if self.losses is None else self.losses[list(places)])


class SoloLanes(LaneStates):
    """Lanes of one shape that compiled code trains, each by itself; see `LaneStates`.

    threads: that train them, default all cores. scored: whether every epoch is evaluated on the validation rows.
    """

    def __init__(
        self, lanes: Sequence[Lane], shape: Shape, feed: Feed, *, schedule_updates: int | None = None,
        threads: int | None = None, scored: bool = True,
    ) -> None:  # fmt: skip
        self.threads, self.scored = threads or usable_cores(), scored
        self._ready: deque[EpochResult] = deque()  # epochs that are made, but not looked at yet
        self._now = EpochResult(0, None, None)  # that which `update` has come to
        self._gradient: Tensor | None = None
        self._networks: dict[Recipe, CompiledNetwork] = {}
        self._double = feed.dtype == torch.float64
        self._shared = shared_source(feed)
        weights = sum(int(np.prod(slot.size)) for slot in shape.ops for slot in slot.slots())
        self._pace = 6 * weights * shape.dealing.rows / FIRST_PACE  # seconds of an update of one lane
        super().__init__(lanes, shape, feed, schedule_updates=schedule_updates)

    def _begin(self) -> None:
        for name, start in initial_rows(self.lanes).items():
            if name not in self.rows:
                self.rows[name] = torch.empty_like(self.w).copy_(torch.from_numpy(start))

    @property
    def bad(self) -> Tensor:
        """The first update whose loss was not finite, (L,); -1 for none so far."""
        bad = self.rows["bad"]
        return torch.where(bad < self.update, bad, -1) if self._ready else bad

    @property
    def gradient(self) -> Tensor | None:
        return self._gradient

    def run_epoch(self, tick: Callable[[], str] = lambda: "go on", last: int | None = None) -> bool:
        end = (self.epoch + 1) * self.per_epoch
        end = end if last is None else min(end, last)
        while not self._ready and self.update < end:
            if tick() != "go on":
                return False
            if self.observer is not None:
                self._observed_update()
            elif not self._advance(self._next_stop(end, last), tick):
                return False
        if self._ready:
            self._now = self._ready.popleft()
            self.update = self._now.update
        if self.update % self.per_epoch == 0:
            self._watch_plateau()
        return True

    def _next_stop(self, end: int, last: int | None) -> int:
        """The update to go on to: some part of this epoch, or the end of this or of a later one."""
        some = int(AHEAD_SECONDS * self.threads / (self._pace * len(self.lanes)))
        if some < end - self.update or self._watched:
            return min(self.update + max(1, some), end)
        ends = [lane.recipe.epochs * self.per_epoch for lane in self.lanes]
        limits = [stop for stop in ends if stop >= end] + ([] if last is None else [last])
        scored = sum(len(part.fold.validation) for part in self.feed.folds) * self.shape.outputs * self.w.element_size()
        epochs = max(1, int(AHEAD_BYTES * len(self.feed.folds) / max(1, scored * len(self.lanes))))
        later = end + min(epochs - 1, (some - (end - self.update)) // self.per_epoch) * self.per_epoch
        return max(end, min([later, *limits]))

    def _advance(self, stop: int, tick: Callable[[], str]) -> bool:
        """Train all lanes to update `stop`; if that was stopped they are where they were."""
        begun = time.monotonic()
        rows = {name: tensor.clone() for name, tensor in self.rows.items()}
        work = [LaneWork(self, rows, i, stop, GRADIENT | MOVE) for i in range(len(self.lanes))]
        if not run_side_by_side([piece.run for piece in work], self.threads, tick):
            return False
        made = stop - self.update
        self._pace = (time.monotonic() - begun) * min(self.threads, len(work)) / (made * len(work))
        self.rows = rows
        epochs = range(self.update // self.per_epoch + 1, stop // self.per_epoch + 1)
        if not epochs and stop % self.per_epoch:
            self.update = stop
            self._now = EpochResult(stop, None, None)
            return True
        for place, epoch in enumerate(epochs):
            outputs = [piece.outputs[place] for piece in work] if self.scored else None
            losses = np.array([piece.epoch_losses[place] for piece in work])
            self._ready.append(EpochResult(epoch * self.per_epoch, outputs, losses))
        if stop % self.per_epoch:
            self._ready.append(EpochResult(stop, None, None))
        return True

    def _observed_update(self) -> None:
        """One update of all lanes, whose gradients and weights the observer sees."""
        assert self.observer is not None
        self._gradient = torch.zeros_like(self.w)
        work = [LaneWork(self, self.rows, i, self.update + 1, GRADIENT, self._gradient) for i in range(len(self.lanes))]
        run_side_by_side([piece.run for piece in work], self.threads)
        losses = torch.tensor([piece.losses[0] for piece in work], dtype=torch.float64).to(self.feed.dtype)
        self.observer.before(self, losses)
        work = [LaneWork(self, self.rows, i, self.update + 1, MOVE, self._gradient) for i in range(len(self.lanes))]
        run_side_by_side([piece.run for piece in work], self.threads)
        self.observer.after(self)
        self.update += 1
        self._now = EpochResult(self.update, None, None)

    def network(self, recipe: Recipe) -> CompiledNetwork:
        """The network of a recipe of this shape."""
        if recipe not in self._networks:
            self._networks[recipe] = compiled_network(
                self.shape.steps(recipe), self.layout, self.shape.inputs, self.shape.outputs
            )
        return self._networks[recipe]

    @cached_property
    def validation(self) -> list[np.ndarray]:
        """The validation rows of each fold."""
        return [np.ascontiguousarray(part.fold.validation, np.int64) for part in self.feed.folds]

    def train_loss(self) -> np.ndarray:
        if self._now.update == self.update and self._now.losses is not None:
            return self._now.losses
        return super().train_loss()

    def shown(self) -> Tensor:
        w = self.w
        if not self.update:
            return w
        shares = np.array([self._reported(lane, i, self.update) for i, lane in enumerate(self.lanes)])
        if shares.any():
            w = w + torch.from_numpy(shares[:, None]).to(w) * self.rows[FIRST_MOMENT]
        average = self.values.average
        if average is not None:
            w = torch.where(average > 0, self.rows["average"] * ema_correction(average, self.update), w)
        return w

    def _reported(self, lane: Lane, i: int, update: int) -> float:
        """The share of the first moment that is added to the weights that predict after so many updates."""
        return reported_share(lane, update, self.schedule_updates, float(self._factors[i]))

    def evaluate(self) -> list[np.ndarray]:
        if self._now.update == self.update and self._now.outputs is not None:
            return self._now.outputs
        return super().evaluate()

    def predict(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        shown = self.shown().contiguous()
        dtype = np.float64 if self._double else np.float32
        outputs = [np.empty((len(rows[lane.fold]), self.shape.outputs), dtype) for lane in self.lanes]
        index, sources = [np.ascontiguousarray(part, np.int64) for part in rows], list[RowSource]()

        def piece(i: int) -> Callable[[ctypes.c_int32], int]:
            lane = self.lanes[i]
            sources.append(source := self._shared.source(lane.fold, lane.recipe.preprocess))
            part, moments = index[lane.fold], self.rows["moments"]
            record = PredictionRecord(
                self.network(lane.recipe).record, source.record, _row(shown, i), _row(moments, i), address(part),
                len(part), address(outputs[i]), None,
            )  # fmt: skip

            def work(stop: ctypes.c_int32) -> int:
                record.stop = ctypes.pointer(stop)
                return compiled_lanes().function("predict")(ctypes.addressof(record), int(self._double))

            return work

        run_side_by_side([piece(i) for i in range(len(self.lanes))], self.threads)
        del sources  # whose arrays were needed until here
        return outputs

    def keep(self, stay: Sequence[bool]) -> None:
        places = [i for i, stays in enumerate(stay) if stays]
        self._ready = deque(result.of(places) for result in self._ready)
        self._now = self._now.of(places)
        super().keep(stay)

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        super().restore(arrays, meta)
        self._now = EpochResult(self.update, None, None)


def _row(rows: Tensor, i: int) -> int:
    """Where the numbers of a lane lie; 0 where it has none."""
    return rows.data_ptr() + i * rows.stride(0) * rows.element_size() if rows.numel() else 0


class LaneWork:
    """The updates of one lane up to `stop`, and all that compiled code needs for them.

    rows: the state, which is changed. phases: GRADIENT, MOVE or both; gradient (L, total): where the one leaves and the
    other finds it.
    """

    def __init__(
        self, lanes: SoloLanes, rows: dict[str, Tensor], i: int, stop: int, phases: int, gradient: Tensor | None = None
    ) -> None:
        lane, first = lanes.lanes[i], lanes.update
        recipe, fold, per_epoch = lane.recipe, lanes.feed.folds[lane.fold].fold, lanes.per_epoch
        shared, shape = lanes._shared, lanes.shape
        classification = lanes.feed.classification
        loss = loss_of(recipe, classification)
        state = recipe.optimizer.state()
        third = next((name for name in THIRD_MOMENTS if name in state), None)
        begun = first // per_epoch
        self.losses = np.full(stop - first, np.nan)
        epochs = stop // per_epoch - begun if phases & MOVE and gradient is None else 0
        self.epoch_losses = np.full(max(1, epochs), np.nan)
        validation = lanes.validation[lane.fold] if lanes.scored else lanes.validation[lane.fold][:0]
        dtype = np.float64 if lanes._double else np.float32
        self.outputs = np.full((max(1, epochs), len(validation), shape.outputs), np.nan, dtype)
        self._double = int(lanes._double)
        self._source: RowSource = shared.source(lane.fold, recipe.preprocess)
        self._network = lanes.network(recipe)
        orders = [shared.order(lane.fold, shape.dealing, epoch) for epoch in range(begun, (stop - 1) // per_epoch + 1)]
        factor = float(lanes._factors[i])
        table = coefficient_table([lane], first, stop - first, lanes.schedule_updates, np.array([factor]))
        self._coefficients = np.ascontiguousarray(table[:, :, 0])  # (updates, 10)
        self._reported = None
        if recipe.optimizer.reports and epochs:
            ends = [(begun + 1 + epoch) * per_epoch for epoch in range(epochs)]
            self._reported = np.array([lanes._reported(lane, i, end) for end in ends])
        self._draws, self._states = self._draw_records(lanes, lane.fold, first, stop)
        self._kept: tuple[Any, ...] = (validation, orders, rows, gradient, lanes.feed)
        coupled = 0.0 if recipe.optimizer.decoupled else recipe.weight_decay
        self.record = TrainingRecord(
            network=self._network.record,
            source=self._source.record,
            target=shared.target_record(lane.fold, rates=loss.link == "exp"),
            rule=RuleRecord(
                compiled_lanes().number("family", recipe.optimizer.family), address(self._coefficients), coupled,
                recipe.l1, _limit(recipe.clip_norm), _limit(recipe.clip_value), _limit(recipe.max_norm),
                recipe.weight_average, bool(recipe.optimizer.decoupled and recipe.weight_decay),
            ),
            loss=compiled_lanes().number("loss", loss.native),
            draws=self._draws,
            orders=(ctypes.c_void_p * len(orders))(*map(address, orders)),
            batch=shape.dealing.rows, train_rows=len(fold.train), per_epoch=per_epoch, first=first, last=stop,
            phases=phases, w=_row(rows["w"], i), moments=_row(rows["moments"], i),
            first_moment=_row(rows[FIRST_MOMENT], i) if FIRST_MOMENT in state else None,
            second_moment=_row(rows[SECOND_MOMENT], i) if SECOND_MOMENT in state else None,
            third_moment=None if third is None else _row(rows[third], i),
            average=_row(rows["average"], i) if recipe.weight_average else None,
            gradient=None if gradient is None else _row(gradient, i),
            losses=address(self.losses), loss_sum=_row(rows["loss_sum"], i), bad=_row(rows["bad"], i),
            validation=address(validation), validation_rows=len(validation),
            reported=None if self._reported is None else address(self._reported),
            outputs=address(self.outputs) if epochs else None, epoch_losses=address(self.epoch_losses),
        )  # fmt: skip
        numbers = loss.native_numbers
        self.record.loss_numbers[: len(numbers)] = numbers

    def _draw_records(self, lanes: SoloLanes, fold: int, first: int, stop: int) -> tuple[Any, list[np.ndarray]]:
        """Where the generators of every dropout begin, and the arrays that hold it."""
        states: list[np.ndarray] = []
        records = (DrawsRecord * max(1, len(self._network.dropping)))()
        for place, number in enumerate(self._network.dropping):
            op = lanes.shape.ops[number]
            assert isinstance(op, DropoutOp)
            updates = updates_per_draw(lanes.shape.dealing.rows * op.draws[0])
            blocks = first // updates, (stop - 1) // updates + 1
            states.append(lanes._shared.draw_states(fold, number, *blocks))
            records[place] = DrawsRecord(address(states[-1]), updates, blocks[0])
        return records, states

    def run(self, stop: ctypes.c_int32) -> int:
        """Do it; `stop` is looked at while it runs."""
        self.record.stop = ctypes.pointer(stop)
        return compiled_lanes().function("train")(ctypes.addressof(self.record), self._double)


def _limit(value: float | None) -> float:
    return np.inf if value is None else value
