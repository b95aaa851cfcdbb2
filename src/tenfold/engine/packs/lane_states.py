"""Lanes of one shape and their state between updates, whatever engine trains them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.engine.module import lane_arrays
from tenfold.engine.operations.operation import Flow
from tenfold.engine.packs.batches import PackBatches
from tenfold.engine.packs.forward import Forward
from tenfold.engine.packs.initial_state import (
    DEVIATION_ROWS,
    LSUV_ROWS,
    fit_parameters,
    initial_moments,
    initial_parameters,
    rate_factors,
    renamed_state,
    rows_to_measure,
    unit_deviation,
    unit_variance,
)
from tenfold.engine.packs.lanes import Lane, LaneValues
from tenfold.engine.packs.observer import Observer
from tenfold.engine.packs.rows import Feed
from tenfold.engine.plan.shape import Layout, Shape
from tenfold.rules.penalties import ema_correction
from tenfold.rules.schedules import Plateau, PlateauState, plateau_next

Snapshot = tuple[np.ndarray, np.ndarray]  # of one lane: the parameters (total,) that predict, and the running moments
LaneRows = tuple[int, dict[str, np.ndarray]]  # updates made, and one lane's row of every array of the state


class LaneStates(ABC):
    """Lanes of one shape that make the same number of updates, each on its fold, and all their state.

    rows: the state, one row a lane: parameters "w" (L, layout.total), running "moments", what the optimizers keep, the
    running "average", the sum of the losses of the epoch under way, the first update whose loss was not finite, and
    what plateau schedules watch. Both engines keep the same rows, so each goes on from a checkpoint of the other.
    """

    def __init__(self, lanes: Sequence[Lane], shape: Shape, feed: Feed, *, schedule_updates: int | None = None) -> None:
        self.schedule_updates = schedule_updates or shape.dealing.updates  # what the schedules call an epoch
        self.lanes = sorted(lanes, key=lambda lane: lane.order)
        self.shape, self.feed, self.layout = shape, feed, Layout.of(shape)
        self.update = 0  # updates made
        self.observer: Observer | None = None  # no part of the state: it sees what this object trains
        folds = [f.fold for f in feed.folds]
        widths = [f.encoding.width for f in feed.folds]
        start = initial_parameters(self.lanes, folds, widths, shape, self.layout)
        fit_parameters(self.lanes, feed, shape, self.layout, start)
        self.rows: dict[str, Tensor] = {"w": self._tensor(start)}  # all state by lane, (L, ...)
        if any(lane.recipe.weight_average for lane in self.lanes):
            self.rows["average"] = torch.zeros_like(self.rows["w"])
        self.rows["loss_sum"] = torch.zeros(len(lanes), dtype=torch.float64, device=feed.device)
        self.rows["bad"] = torch.full((len(lanes),), -1, dtype=torch.int64, device=feed.device)
        plateau = [(np.inf, 0.0, 1.0)] * len(lanes)  # best training loss, epochs waited, factor of the rate
        self.rows["plateau"] = torch.tensor(plateau, dtype=torch.float64)
        moments = initial_moments(self.values, self.layout) if self.layout.moments else np.zeros((len(lanes), 0))
        self.rows["moments"] = self._tensor(moments)
        self._begin()
        self._fit_to_rows()

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.feed.device, self.feed.dtype)

    # What only some work needs, made when it is first asked for and anew when lanes leave.

    @cached_property
    def values(self) -> LaneValues:
        """The values of the lanes, operation by operation."""
        return LaneValues(self.lanes, self.shape, self.feed.device, self.feed.dtype)

    @cached_property
    def forward(self) -> Forward:
        """The stacked forward pass."""
        return Forward(self.shape, self.layout, self.values)

    @cached_property
    def batches(self) -> PackBatches:
        """The batches of the lanes, as tensors."""
        return PackBatches(self.lanes, self.shape, self.feed, self.values, self.schedule_updates)

    @cached_property
    def leaves(self) -> list[Tensor]:
        """Views of the rows of w, one a slot: an update in place on a whole row moves the weights of the network."""
        return [view.detach().requires_grad_() for view in self.layout.views(self.w)]

    @cached_property
    def slot_factors(self) -> np.ndarray | None:
        """The factor of the rate of every parameter, (L, slots) float64; None where all are 1."""
        widths = [part.encoding.width for part in self.feed.folds]
        return rate_factors(self.lanes, widths, self.layout)

    def weight_factor(self, lane: int) -> float:
        """The factor of the rate of a lane's weights, the mean over all of them."""
        if self.slot_factors is None:
            return 1.0
        counts = [math.prod(self.layout.slots[i].size) for i in self.layout.weights]
        return float(np.average(self.slot_factors[lane, self.layout.weights], weights=counts))

    @cached_property
    def rates(self) -> Tensor | None:
        """The same number by number, (L, layout.total)."""
        if self.slot_factors is None:
            return None
        rates = torch.ones_like(self.w)
        for slot, column in zip(self.layout.slots, self.slot_factors.T, strict=True):
            rates[:, slot.start : slot.stop] = torch.from_numpy(column).to(rates)[:, None]
        return rates

    @abstractmethod
    def _begin(self) -> None:
        """Make what the updates of the lanes need; called when they change, too."""

    def _arrange(self) -> None:
        """The lanes or their rows have changed."""
        self._forget()
        self._begin()

    def _forget(self) -> None:
        """Leave what was made for lanes that are no longer the same."""
        for name in ("values", "forward", "batches", "leaves", "slot_factors", "rates", "_watched"):
            vars(self).pop(name, None)

    @property
    def bad(self) -> Tensor:
        """The first update whose loss was not finite, (L,); -1 for none."""
        return self.rows["bad"]

    @property
    def w(self) -> Tensor:
        """The parameters, (L, layout.total)."""
        return self.rows["w"]

    @property
    @abstractmethod
    def gradient(self) -> Tensor | None:
        """The gradient of each lane's batch (L, layout.total), between the two calls of an observer; None with
        second-order methods."""

    @property
    def per_epoch(self) -> int:
        """Updates in an epoch."""
        return self.shape.dealing.updates

    @property
    def epoch(self) -> int:
        """Whole epochs made."""
        return self.update // self.per_epoch

    @property
    def _factors(self) -> np.ndarray:
        """What plateau schedules multiply the rates by, (L,)."""
        return self.rows["plateau"][:, 2].numpy()

    @abstractmethod
    def run_epoch(self, tick: Callable[[], str] = lambda: "go on", last: int | None = None) -> bool:
        """Go on to the end of the epoch (or to update `last`). False if `tick`, asked before each update or every 50
        milliseconds, gives anything but "go on"; then the state is that of some earlier update."""

    def train_loss(self) -> np.ndarray:
        """Mean loss of each lane's batches in the epoch just made (in training mode), (L,)."""
        done = (self.update - 1) % self.per_epoch + 1
        return (self.rows["loss_sum"] / done).cpu().numpy()

    @cached_property
    def _watched(self) -> list[int]:
        """The lanes whose schedule watches the training loss."""
        return [i for i, lane in enumerate(self.lanes) if isinstance(lane.recipe.decay, Plateau)]

    def _watch_plateau(self) -> None:
        """Lower the rate of the lanes whose training loss no longer falls, where their schedule watches it."""
        if not self._watched:
            return
        state, losses = self.rows["plateau"], self.train_loss()
        for i in self._watched:
            best, waited, factor = state[i].tolist()
            rule = self.lanes[i].recipe.decay
            assert isinstance(rule, Plateau)
            after = plateau_next(rule, PlateauState(best, int(waited), factor), float(losses[i]))
            state[i] = torch.tensor(after, dtype=torch.float64)

    @torch.no_grad()
    def _fit_to_rows(self) -> None:
        """Fit the weights of the lanes whose initialization asks for it to their training rows."""
        folds = [part.fold for part in self.feed.folds]
        if any(lane.recipe.init.unit_variance for lane in self.lanes):
            rows = rows_to_measure(folds, LSUV_ROWS)
            unit_variance(self.forward, self.lanes, self._inputs_of(rows), self.leaves, self.rows["moments"])
        if any(lane.recipe.init.unit_deviation for lane in self.lanes):
            rows = rows_to_measure(folds, DEVIATION_ROWS)
            real = [min(rows.shape[1], len(folds[lane.fold].train)) for lane in self.lanes]
            x = self._inputs_of(rows, real)
            unit_deviation(self.forward, self.lanes, folds, x, real, self.leaves, self.rows["moments"])

    def _inputs_of(self, rows: np.ndarray, real: Sequence[int] | None = None) -> Flow:
        """The inputs of rows (folds, rows), for every lane; real: how many of them an image network takes."""
        inputs = self.feed.inputs(torch.from_numpy(rows).to(self.feed.device), self.batches.groups)
        return self.batches.inputs(inputs, real)

    def shown(self) -> Tensor:
        """The parameters that predict, (L, total): the weights, their average, or the iterate that the optimizer
        reports."""
        w, average = self._reported(), self.values.average
        if average is None or not self.update:
            return w
        shown = torch.where(average > 0, self.rows["average"] * ema_correction(average, self.update), w)
        for slot in self.layout.slots:
            if not slot.learned:
                shown[:, slot.start : slot.stop] = w[:, slot.start : slot.stop]
        return shown

    @abstractmethod
    def _reported(self) -> Tensor:
        """The weights, or the iterate that the optimizer reports, (L, total)."""

    def evaluate(self) -> list[np.ndarray]:
        """Each lane's outputs on its validation rows in evaluation mode, (rows, C), in the order of `lanes`."""
        return self.predict([f.fold.validation for f in self.feed.folds])

    def made_ahead(self) -> dict[int, list[np.ndarray]]:
        """By epoch, the outputs on the validation rows of later epochs that are made already; each is told once."""
        return {}

    @abstractmethod
    def predict(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs (rows, C) of each lane for the rows of its fold: logits, or standardized predictions."""

    def keep(self, stay: Sequence[bool]) -> None:
        """Drop the lanes that do not stay: they cost no more time, and nothing changes for the others."""
        index = torch.tensor(np.flatnonzero(stay))
        self.lanes = [lane for lane, stays in zip(self.lanes, stay, strict=True) if stays]
        self.rows = {n: t.detach().index_select(0, index.to(t.device)) for n, t in self.rows.items()}
        if self.lanes:
            self._arrange()
        else:
            self._forget()

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Everything needed to go on later, bit by bit: arrays and a JSON value."""
        arrays = {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.rows.items()}
        return arrays, {"update": self.update, "lanes": [[lane.number, lane.fold] for lane in self.lanes]}

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Go on from what `state` returned: lanes that had left by then leave here too."""
        remaining = {(number, fold) for number, fold in meta["lanes"]}
        self.lanes = [lane for lane in self.lanes if (lane.number, lane.fold) in remaining]
        old = self.rows
        arrays = renamed_state(arrays, old)
        self.rows = {
            name: torch.from_numpy(array.copy()).to(old[name].device, old[name].dtype) for name, array in arrays.items()
        }
        self.update = int(meta["update"])
        self._arrange()

    def adopt(self, saved: Mapping[tuple[int, int], LaneRows]) -> None:
        """Let the lanes, by (recipe number, fold), go on from where others of this shape were left.

        Only a lane's own rows are taken over, so it does not matter which lanes it was trained with before.
        """
        for i, lane in enumerate(self.lanes):
            self.update, rows = saved[lane.number, lane.fold]
            # what only a former neighbour's optimizer needed is left behind
            for name, row in renamed_state(rows, self.rows).items():
                self.rows[name][i] = torch.from_numpy(np.asarray(row)).to(self.rows[name])
        self._arrange()

    def parameters(self, lane: int) -> dict[str, np.ndarray]:
        """One lane as arrays by name, "OP.KIND" with OP the number of the operation: weight (in, out), the first cut
        to its fold's input columns, or (channels, channels in, kernel, kernel); bias, gamma, beta, slope (units,);
        running_mean and running_var (units,) of batch normalization."""
        return self.arrays_of(self.lanes[lane], (self.shown().detach()[lane], self.rows["moments"][lane]))

    def snapshots(self) -> Sequence[Snapshot | None]:
        """What each lane predicts with after the epoch that `run_epoch` has come to, see `arrays_of`; None where it
        cannot be had any more. The arrays may change with the next epoch."""
        return list(zip(self.shown().detach().cpu().numpy(), self.rows["moments"].cpu().numpy(), strict=True))

    def arrays_of(self, lane: Lane, snapshot: Snapshot | tuple[Tensor, Tensor]) -> dict[str, np.ndarray]:
        """One of `snapshots` as `parameters` gives it."""
        w, moments = map(torch.as_tensor, snapshot)
        width = self.feed.folds[lane.fold].encoding.width
        return lane_arrays(self.layout, width, w[None], moments)


def lane_rows(state: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> dict[tuple[int, int], LaneRows]:
    """A `state` lane by lane, by (recipe number, fold)."""
    return {
        (number, fold): (int(meta["update"]), {name: array[i] for name, array in state.items()})
        for i, (number, fold) in enumerate(meta["lanes"])
    }


def without_others(
    state: Mapping[str, np.ndarray], meta: Mapping[str, Any], numbers: Collection[int]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A `state` with the lanes of recipes of these numbers alone; the memory of the others is free if nobody else has
    it."""
    stay = [i for i, (number, _) in enumerate(meta["lanes"]) if number in numbers]
    if len(stay) == len(meta["lanes"]):
        return dict(state), dict(meta)
    rows = {name: array[stay] for name, array in state.items()}
    return rows, {**meta, "lanes": [meta["lanes"][i] for i in stay]}
