"""Lanes that are trained by compiled code, each alone, on as many threads as there are.

A lane is trained for many updates at a time outside the interpreter's lock, all epochs that end in between are
evaluated, and their results are handed out epoch by epoch. How many updates that are depends on the clock and changes
no bit.
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

from tenfold.engine.native.lane_data import shared_source
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.network import CompiledNetwork, compiled_network
from tenfold.engine.native.records import (
    AHEAD_BYTES,
    AHEAD_EPOCHS,
    GRADIENT,
    MOVE,
    DrawsRecord,
    PredictionRecord,
    RuleRecord,
    TrainingRecord,
    address,
)
from tenfold.engine.native.threads import run_side_by_side, usable_cores
from tenfold.engine.operations.dropout import DropoutOp
from tenfold.engine.packs.dropout_masks import updates_per_draw
from tenfold.engine.packs.first_order import add_optimizer_rows, reported_share, reported_weights
from tenfold.engine.packs.lane_states import LaneStates, Snapshot
from tenfold.engine.packs.lanes import Lane, coefficient_table, trend
from tenfold.engine.packs.observer import Observer
from tenfold.engine.packs.rows import Feed
from tenfold.engine.plan.shape import Shape
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.optimizers.base import FIRST_MOMENT, LARGEST_SECOND_MOMENT, SECOND_MOMENT, STEP_MOMENT
from tenfold.rules.schedules import NoDecay

AHEAD_SECONDS = 0.2  # that lanes are trained before their results are looked at, about
AHEAD_GROWTH = 4  # times as much as the last time, at most
FIRST_PACE = 4e9  # multiplications a second, low: the first updates tell the true pace
THIRD_MOMENTS = LARGEST_SECOND_MOMENT, STEP_MOMENT  # no optimizer keeps both


class EpochResult(NamedTuple):
    """What the lanes had after `update` updates: outputs on their validation rows and mean training losses (L,), None
    in the middle of an epoch; of each lane its parameters and running moments, None where they were not kept."""

    update: int
    outputs: list[np.ndarray] | None
    losses: np.ndarray | None
    snapshots: tuple[Snapshot | None, ...] | None = None

    def of(self, places: Sequence[int]) -> EpochResult:
        """The same for some of the lanes."""
        outputs = None if self.outputs is None else [self.outputs[i] for i in places]
        losses = None if self.losses is None else self.losses[list(places)]
        snapshots = None if self.snapshots is None else tuple(self.snapshots[i] for i in places)
        return EpochResult(self.update, outputs, losses, snapshots)


class SoloLanes(LaneStates):
    """Lanes of one shape that compiled code trains, each by itself; see `LaneStates`.

    threads: that train them, default all cores. scored: whether every epoch is evaluated on the validation rows. ahead:
    whether several epochs may be made before the first of them is looked at; while others wait, losses and outputs are
    those of the epoch that `run_epoch` has come to, but state and parameters cannot be asked for. with_snapshots:
    whether `snapshots` of each of these epochs can be.
    """

    def __init__(
        self, lanes: Sequence[Lane], shape: Shape, feed: Feed, *, schedule_updates: int | None = None,
        threads: int | None = None, scored: bool = True, ahead: bool = False, with_snapshots: bool = False,
    ) -> None:  # fmt: skip
        self.threads, self.scored, self.ahead = threads or usable_cores(), scored, ahead
        self.with_snapshots = with_snapshots
        self._last = 0  # updates that were made the last time
        self._ready: deque[EpochResult] = deque()  # epochs that are made, but not looked at yet
        self._told = False  # whether `made_ahead` has told them
        self._now = EpochResult(0, None, None)  # that which `update` has come to
        self._gradient: Tensor | None = None
        self._networks: dict[Recipe, CompiledNetwork] = {}
        self._known: dict[Any, Any] = {}  # what lanes share of the updates under way
        self.double = feed.dtype == torch.float64
        self.shared = shared_source(feed)
        products = zip(shape.ops, shape.views, strict=False)
        weights = sum(views * int(np.prod(slot.size)) for op, views in products for slot in op.slots())
        # of a lane: seconds of compiled code that an update takes, at first a guess
        self.pace = 6 * weights * shape.dealing.rows / FIRST_PACE
        super().__init__(lanes, shape, feed, schedule_updates=schedule_updates)

    def _begin(self) -> None:
        add_optimizer_rows(self.lanes, self.rows)

    def _forget(self) -> None:
        super()._forget()
        # They point to each other: without this, all that they hold would stay until Python looks for such circles.
        vars(self).pop("_work", None)
        self._known.clear()

    @cached_property
    def _work(self) -> list[LaneWork]:
        return [LaneWork(self, i) for i in range(len(self.lanes))]

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
            if self.observer is not None and self.observer.looks_at(self, self.update):
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
        some = int(AHEAD_SECONDS * self.threads / (self.pace * len(self.lanes)))
        some = min(some, AHEAD_GROWTH * max(self._last, self.per_epoch))  # the first pace is a guess
        if self.observer is not None:
            stop = min(self.update + max(1, some), end)
            return next((u for u in range(self.update + 1, stop) if self.observer.looks_at(self, u)), stop)
        if some < end - self.update or self._watched or not self.ahead:
            return min(self.update + max(1, some), end)
        ends = [lane.recipe.epochs * self.per_epoch for lane in self.lanes]
        limits = [stop for stop in ends if stop >= end] + ([] if last is None else [last])
        scored = sum(len(part.fold.validation) for part in self.feed.folds) * self.shape.outputs
        waiting = (
            scored + self.layout.total * len(self.feed.folds) * self.with_snapshots
        )  # numbers of an epoch, by lane
        epochs = AHEAD_BYTES * len(self.feed.folds) // max(1, waiting * self.w.element_size() * len(self.lanes))
        epochs = min(max(1, epochs), AHEAD_EPOCHS)
        later = end + min(epochs - 1, (some - (end - self.update)) // self.per_epoch) * self.per_epoch
        return max(end, min([later, *limits]))

    def _advance(self, stop: int, tick: Callable[[], str]) -> bool:
        """Train all lanes to update `stop`; if that was stopped they are where they were."""
        rows = {name: tensor.clone() for name, tensor in self.rows.items()}
        work = self._work
        self._known.clear()
        for piece in work:
            piece.prepare(rows, stop)
        if not run_side_by_side([piece.run for piece in work], self.threads, tick):
            return False
        if self.observer is not None:
            self._tell(self.observer, stop)
        self._last = stop - self.update
        seconds = sum(piece.seconds for piece in work)
        self.pace = max(1e-7, seconds / ((stop - self.update) * len(work)))
        self.rows = rows
        epochs = range(self.update // self.per_epoch + 1, stop // self.per_epoch + 1)
        if not epochs and stop % self.per_epoch:
            self.update = stop
            self._now = EpochResult(stop, None, None)
            return True
        self._told = False
        for place, epoch in enumerate(epochs):
            outputs = [piece.outputs[place] for piece in work] if self.scored else None
            losses = np.array([piece.epoch_losses[place] for piece in work])
            snapshots = tuple(piece.snapshot(place) for piece in work) if self.with_snapshots else None
            self._ready.append(EpochResult(epoch * self.per_epoch, outputs, losses, snapshots))
        if stop % self.per_epoch:
            self._ready.append(EpochResult(stop, None, None))
        return True

    def _tell(self, observer: Observer, stop: int) -> None:
        """Tell the observer the losses of updates that are made, of which it wants nothing else."""
        losses = torch.from_numpy(np.stack([piece.losses for piece in self._work])).to(self.feed.dtype)  # (L, updates)
        begun = self.update
        for self.update in range(begun, stop):
            observer.before(self, losses[:, self.update - begun])
            observer.after(self)
        self.update = begun

    def _observed_update(self) -> None:
        """One update of all lanes, whose gradients and weights the observer sees."""
        assert self.observer is not None
        self._gradient = torch.zeros_like(self.w)
        work = self._work
        self._known.clear()
        for piece in work:
            piece.prepare(self.rows, self.update + 1, GRADIENT, self._gradient)
        run_side_by_side([piece.run for piece in work], self.threads)
        losses = torch.tensor([piece.losses[0] for piece in work], dtype=torch.float64).to(self.feed.dtype)
        self.observer.before(self, losses)
        for piece in work:
            piece.prepare(self.rows, self.update + 1, MOVE, self._gradient)
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

    def _reported(self) -> Tensor:
        self._check_settled()
        return reported_weights(self.lanes, self.rows, self.update, self.schedule_updates, self._factors, self.rates)

    def coefficients(self, lane: Lane, i: int, first: int, stop: int) -> np.ndarray:
        """The coefficients of updates first .. stop - 1 of a lane, (updates, 11); all folds of a recipe share them."""
        factor = float(self._factors[i])

        def make() -> np.ndarray:
            table = coefficient_table([lane], first, stop - first, self.schedule_updates, np.array([factor]))
            return np.ascontiguousarray(table[:, :, 0])

        return self.known((lane.number, factor), make)

    def dropout_trend(self, lane: Lane, first: int, stop: int) -> np.ndarray | None:
        """What multiplies the rates of dropout at updates first .. stop - 1 of a lane; None where that is always 1."""
        schedule = lane.recipe.dropout_schedule
        if schedule == NoDecay():
            return None
        key = "trend", lane.number
        return self.known(key, lambda: trend(lane, schedule, first, stop - first, self.schedule_updates))

    def known(self, key: Any, make: Callable[[], Any]) -> Any:
        """Something that several lanes need for the updates under way, made for the first of them."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def reported(self, lane: Lane, i: int, updates: Sequence[int]) -> np.ndarray | None:
        """The share of the first moment that is added to the weights that predict after so many updates each; None
        where these are the weights themselves."""
        if not lane.optimizer.reports or not updates:
            return None
        factor = float(self._factors[i])
        return np.array([reported_share(lane, update, self.schedule_updates, factor) for update in updates])

    def evaluate(self) -> list[np.ndarray]:
        if self._now.update == self.update and self._now.outputs is not None:
            return self._now.outputs
        return super().evaluate()

    def made_ahead(self) -> dict[int, list[np.ndarray]]:
        told, self._told = self._told, True
        if told:
            return {}
        return {r.update // self.per_epoch: r.outputs for r in self._ready if r.outputs is not None}

    def snapshots(self) -> Sequence[Snapshot | None]:
        if not self._ready:
            return super().snapshots()
        return self._now.snapshots or [None] * len(self.lanes)

    def predict(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        shown = self.shown().contiguous()
        dtype = np.float64 if self.double else np.float32
        outputs = [np.empty((len(rows[lane.fold]), self.shape.outputs), dtype) for lane in self.lanes]
        index = [np.ascontiguousarray(part, np.int64) for part in rows]
        # they are needed until all work has ended
        sources = [self.shared.source(lane.fold, lane.recipe.preprocess) for lane in self.lanes]
        function, moments = compiled_lanes().function("predict"), self.rows["moments"]

        def piece(i: int) -> Callable[[ctypes.c_int32], int]:
            lane = self.lanes[i]
            part = index[lane.fold]
            record = PredictionRecord(
                self.network(lane.recipe).record, sources[i].record, _row(shown, i), _row(moments, i), address(part),
                len(part), address(outputs[i]), None,
            )  # fmt: skip

            def work(stop: ctypes.c_int32) -> int:
                record.stop = ctypes.pointer(stop)
                return function(ctypes.addressof(record), int(self.double))

            return work

        run_side_by_side([piece(i) for i in range(len(self.lanes))], self.threads)
        return outputs

    def keep(self, stay: Sequence[bool]) -> None:
        places = [i for i, stays in enumerate(stay) if stays]
        self._ready = deque(result.of(places) for result in self._ready)
        self._now = self._now.of(places)
        super().keep(stay)

    def _check_settled(self) -> None:
        # Lanes that have all diverged have stopped where they are, and nobody goes on to look at their last epochs.
        assert not self._ready or bool((self.rows["bad"] >= 0).all()), "the lanes are ahead of the epoch looked at"

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        self._check_settled()
        return super().state()

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        super().restore(arrays, meta)
        self._now = EpochResult(self.update, None, None)


def _row(rows: Tensor, i: int) -> int:
    """Where the numbers of a lane lie; 0 where it has none."""
    return rows.data_ptr() + i * rows.stride(0) * rows.element_size() if rows.numel() else 0


class LaneWork:
    """What compiled code needs to train one lane: a record that is filled in once, but for the updates to make."""

    def __init__(self, lanes: SoloLanes, i: int) -> None:
        lane, compiled = lanes.lanes[i], compiled_lanes()
        recipe, shape, part = lane.recipe, lanes.shape, lanes.feed.folds[lane.fold]
        self.lanes, self.lane, self.place, self.seconds = lanes, lane, i, 0.0
        self.losses = self.epoch_losses = self.outputs = np.zeros(0)
        loss = loss_of(recipe, lanes.feed.classification)
        state = recipe.optimizer.state()
        # the field of the record, and the row of state that it points to
        self._rows = {"w": "w", "loss_sum": "loss_sum", "bad": "bad", "moments": "moments"}
        self._rows |= {name: name for name in (FIRST_MOMENT, SECOND_MOMENT) if name in state}
        self._rows |= dict(zip(["third_moment"], (name for name in THIRD_MOMENTS if name in state), strict=False))
        self._rows |= {"average": "average"} if recipe.weight_average else {}
        self._network = lanes.network(recipe)
        # What these predict with is computed of more than the parameters, by torch with other bits than here.
        self._snapshots = lanes.with_snapshots and not (recipe.weight_average or lane.optimizer.reports)
        self._epoch_w = self._epoch_moments = np.zeros((0, 0))
        self._validation = lanes.validation[lane.fold] if lanes.scored else lanes.validation[lane.fold][:0]
        self._train, self._double = compiled.function("train"), int(lanes.double)
        self._dtype = np.float64 if lanes.double else np.float32
        self._kept: tuple[Any, ...] = ()  # what the record points to
        self._rate_factors = None if lanes.slot_factors is None else np.ascontiguousarray(lanes.slot_factors[i])
        self.record = TrainingRecord(
            network=self._network.record,
            target=lanes.shared.target_record(lane.fold, rates=loss.link == "exp"),
            rule=RuleRecord(
                compiled.number("family", recipe.optimizer.family), None,
                None if self._rate_factors is None else address(self._rate_factors), recipe.l1,
                _limit(recipe.clip_norm), _limit(recipe.clip_value), _limit(recipe.max_norm), recipe.weight_average,
                bool(recipe.optimizer.decoupled and recipe.weight_decay),
            ),
            loss=compiled.number("loss", str(loss.native)),
            batch=shape.dealing.rows, train_rows=len(part.fold.train), per_epoch=lanes.per_epoch,
            validation=address(self._validation), validation_rows=len(self._validation),
        )  # fmt: skip
        self.record.loss_numbers[: len(loss.native_numbers)] = loss.native_numbers

    def prepare(
        self, rows: dict[str, Tensor], stop: int, phases: int = GRADIENT | MOVE, gradient: Tensor | None = None
    ) -> None:
        """From where the lanes are to update `stop`. rows: the state, which is changed; gradient (L, total): where the
        phase GRADIENT leaves it and the phase MOVE finds it, if they are asked for one by one."""
        lanes, lane, record, i = self.lanes, self.lane, self.record, self.place
        first, per_epoch = lanes.update, lanes.per_epoch
        begun = first // per_epoch
        epochs = stop // per_epoch - begun if gradient is None else 0
        self.losses, self.epoch_losses = np.full(stop - first, np.nan), np.full(max(1, epochs), np.nan)
        self.outputs = np.full((max(1, epochs), len(self._validation), lanes.shape.outputs), np.nan, self._dtype)
        kept = epochs if self._snapshots else 0
        self._epoch_w = np.zeros((kept, lanes.layout.total), self._dtype)
        self._epoch_moments = np.zeros((kept, lanes.layout.moment_total), self._dtype)
        preprocess, shared, dealing = lane.recipe.preprocess, lanes.shared, lanes.shape.dealing
        source = lanes.known(("source", lane.fold, preprocess), lambda: shared.source(lane.fold, preprocess))
        made_in = range(begun, (stop - 1) // per_epoch + 1)
        orders, addresses = lanes.known(
            ("orders", lane.fold), lambda: _addressed([shared.order(lane.fold, dealing, epoch) for epoch in made_in])
        )
        coefficients = lanes.coefficients(lane, i, first, stop)  # (updates, 11)
        dropout_trend = lanes.dropout_trend(lane, first, stop)
        reported = lanes.reported(lane, i, [(begun + 1 + epoch) * per_epoch for epoch in range(epochs)])
        draws, states = lanes.known(
            ("draws", lane.fold, self._network.dropping), lambda: self._draw_records(first, stop)
        )
        self._kept = rows, gradient, source, orders, coefficients, dropout_trend, reported, states
        record.source, record.rule.coefficients, record.draws = source.record, address(coefficients), draws
        record.orders = addresses
        record.dropout_trend = None if dropout_trend is None else address(dropout_trend)
        record.first, record.last, record.phases = first, stop, phases
        for field, name in self._rows.items():
            setattr(record, field, _row(rows[name], i))
        record.gradient = None if gradient is None else _row(gradient, i)
        record.losses, record.epoch_losses = address(self.losses), address(self.epoch_losses)
        record.reported = None if reported is None else address(reported)
        record.outputs = address(self.outputs) if epochs else None
        record.epoch_w = address(self._epoch_w) if self._epoch_w.size else None
        record.epoch_moments = address(self._epoch_moments) if self._epoch_moments.size else None

    def snapshot(self, place: int) -> Snapshot | None:
        """The parameters and running moments after one of the epochs that were made; None where they are not kept."""
        if not len(self._epoch_w):
            return None
        return self._epoch_w[place], self._epoch_moments[place]

    def _draw_records(self, first: int, stop: int) -> tuple[Any, list[np.ndarray]]:
        """Where the generators of every dropout begin, and the arrays that hold it."""
        states: list[np.ndarray] = []
        records = (DrawsRecord * max(1, len(self._network.dropping)))()
        for place, number in enumerate(self._network.dropping):
            op = self.lanes.shape.ops[number]
            assert isinstance(op, DropoutOp)
            shape = self.lanes.shape
            updates = updates_per_draw(shape.views[number] * shape.dealing.rows * op.draws[0])
            blocks = first // updates, (stop - 1) // updates + 1
            states.append(self.lanes.shared.draw_states(self.lane.fold, number, *blocks))
            records[place] = DrawsRecord(address(states[-1]), updates, blocks[0])
        return records, states

    def run(self, stop: ctypes.c_int32) -> int:
        """Do it; `stop` is looked at while it runs."""
        self.record.stop = ctypes.pointer(stop)
        begun = time.thread_time()
        found = self._train(ctypes.addressof(self.record), self._double)
        self.seconds = time.thread_time() - begun
        return found


def _addressed(arrays: list[np.ndarray]) -> tuple[list[np.ndarray], Any]:
    """The arrays, and a C array of where they lie."""
    return arrays, (ctypes.c_void_p * len(arrays))(*map(address, arrays))


def _limit(value: float | None) -> float:
    return np.inf if value is None else value
