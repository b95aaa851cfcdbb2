"""A pack: many trials trained together as one stacked program, and its state between updates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.data.feed.batches import align
from tenfold.engine.module import lane_arrays
from tenfold.engine.packs.batches import EpochPlan, PackBatches
from tenfold.engine.packs.first_order import FirstOrderStep
from tenfold.engine.packs.forward import Forward
from tenfold.engine.packs.initial_state import (
    initial_moments,
    initial_parameters,
    lsuv_rows,
    renamed_state,
    unit_variance,
)
from tenfold.engine.packs.lanes import Lane, LaneValues
from tenfold.engine.packs.observer import Observer
from tenfold.engine.packs.rows import Feed
from tenfold.engine.packs.second_order import SecondOrderStep
from tenfold.engine.packs.step import BatchLoss, UpdateStep
from tenfold.engine.plan.shape import Layout, Shape, as_column
from tenfold.rules.penalties import ema, ema_correction, max_norm_factor
from tenfold.rules.schedules import Plateau, PlateauState, plateau_next

# Rows and images that are evaluated at a time: they bound the memory of an evaluation, as `packing` estimates it.
CHUNK_ROWS, CHUNK_IMAGES = 512, 128
LaneRows = tuple[int, dict[str, np.ndarray]]  # updates made, and one lane's row of every array of a pack's state


class Pack:
    """Lanes of one shape, trained in lock-step on their folds.

    Each lane's numbers are what they would be alone, bit by bit: no formula looks across lanes, and kernels, which
    choose their path by alignment and length, see the same in any lane: its row of parameters starts at an aligned
    place, and its block of a batch is a multiple of ALIGN rows. `lanes` are sorted, so that equal activations and
    optimizers are neighbours.
    """

    def __init__(self, lanes: Sequence[Lane], shape: Shape, feed: Feed, *, schedule_updates: int | None = None) -> None:
        self.schedule_updates = schedule_updates or shape.dealing.updates  # what the schedules call an epoch
        self.lanes = sorted(lanes, key=lambda lane: lane.order)
        self.shape, self.feed, self.layout = shape, feed, Layout.of(shape)
        self.update = 0  # updates made
        self.observer: Observer | None = None  # no part of the state: it sees what this object trains
        self._losses: list[Tensor] = []  # of the updates since `_settle`, (L,) each
        folds = [f.fold for f in feed.folds]
        widths = [f.encoding.width for f in feed.folds]
        start = initial_parameters(self.lanes, folds, widths, shape, self.layout)
        self.rows: dict[str, Tensor] = {"w": self._tensor(start)}  # all state by lane, (L, ...)
        if any(lane.recipe.weight_average for lane in self.lanes):
            self.rows["average"] = torch.zeros_like(self.rows["w"])
        self.rows["loss_sum"] = torch.zeros(len(lanes), dtype=torch.float64, device=feed.device)
        self.rows["bad"] = torch.full((len(lanes),), -1, dtype=torch.int64, device=feed.device)
        plateau = [(np.inf, 0.0, 1.0)] * len(lanes)  # best training loss, epochs waited, factor of the rate
        self.rows["plateau"] = torch.tensor(plateau, dtype=torch.float64)
        self.values, self.forward, self.batches, self.leaves, self._step = self._arranged()
        self.rows["moments"] = self._tensor(initial_moments(self.values, self.layout))
        self._unit_variance()

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.feed.device, self.feed.dtype)

    @property
    def bad(self) -> Tensor:
        """The first update whose loss was not finite, (L,); -1 for none."""
        return self.rows["bad"]

    @property
    def w(self) -> Tensor:
        """The parameters, (L, layout.total)."""
        return self.rows["w"]

    def _arranged(self) -> tuple[LaneValues, Forward, PackBatches, list[Tensor], UpdateStep]:
        """Everything that depends on which lanes there are."""
        values = LaneValues(self.lanes, self.shape, self.feed.device, self.feed.dtype)
        batches = PackBatches(self.lanes, self.shape, self.feed, values)
        # Views of the rows of w, one a slot: an update in place on a whole row moves the weights of the network.
        leaves = [view.detach().requires_grad_() for view in self.layout.views(self.w)]
        rule, step = self.shape.second_order, None
        if rule is None:
            step = FirstOrderStep(self.lanes, self.layout, values, self.rows, leaves)
        else:
            step = SecondOrderStep(rule, self.lanes, self.layout, values.l2, self.rows, leaves)
        return values, Forward(self.shape, self.layout, values), batches, leaves, step

    def _arrange(self) -> None:
        self.values, self.forward, self.batches, self.leaves, self._step = self._arranged()

    def keep(self, stay: Sequence[bool]) -> None:
        """Drop the lanes that do not stay: they cost no more time, and nothing changes for the others."""
        index = torch.tensor(np.flatnonzero(stay))
        self.lanes = [lane for lane, stays in zip(self.lanes, stay, strict=True) if stays]
        self.rows = {n: t.detach().index_select(0, index.to(t.device)) for n, t in self.rows.items()}
        if self.lanes:
            self._arrange()

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

    def run_epoch(self, tick: Callable[[], str] = lambda: "go on", last: int | None = None) -> bool:
        """Go on to the end of the epoch (or to update `last`). False if `tick`, asked before each update, gives
        anything but "go on"."""
        end = (self.epoch + 1) * self.per_epoch
        end = end if last is None else min(end, last)
        plan = self.batches.plan_epoch(self.epoch)
        self._step.plan_epoch(self.epoch, self.per_epoch, self.schedule_updates, self._factors)
        if self.update % self.per_epoch == 0:
            self.rows["loss_sum"].zero_()
        while self.update < end:
            if tick() != "go on":
                self._settle()
                return False
            self._step.step(self.update, self.batch_loss(plan), self._note)
            self._restrict()
            if self.observer is not None:
                self.observer.after(self)
            self.update += 1
        self._settle()
        if self.update % self.per_epoch == 0:
            self._watch_plateau()
        return True

    def train_loss(self) -> np.ndarray:
        """Mean loss of each lane's batches in the epoch just made (in training mode), (L,)."""
        done = (self.update - 1) % self.per_epoch + 1
        return (self.rows["loss_sum"] / done).cpu().numpy()

    def _watch_plateau(self) -> None:
        """Lower the rate of the lanes whose training loss no longer falls, where their schedule watches it."""
        state, losses = self.rows["plateau"], None
        for i, lane in enumerate(self.lanes):
            if isinstance(lane.recipe.decay, Plateau):
                losses = self.train_loss() if losses is None else losses
                best, waited, factor = state[i].tolist()
                after = plateau_next(lane.recipe.decay, PlateauState(best, int(waited), factor), float(losses[i]))
                state[i] = torch.tensor(after, dtype=torch.float64)

    def batch_loss(self, plan: EpochPlan, update: int | None = None) -> BatchLoss:
        """The loss of the lanes on the batch of an update of this epoch, by default the next one."""
        update = self.update if update is None else update
        batch = self.batches.batch(plan, update % self.per_epoch, update)
        return BatchLoss(
            lambda x, views, context: self.forward(x, views, self.rows["moments"], context),
            lambda output: self.batches.losses(output, batch),
            batch.x,
            batch.context,
        )

    def _note(self, loss: Tensor) -> None:
        self._losses.append(loss.detach())
        if self.observer is not None:
            self.observer.before(self, loss.detach())

    def _settle(self) -> None:
        """Add up the losses of the updates since the last call, and note the first update whose loss is not finite."""
        if not self._losses:
            return
        # Losses are kept as they come and looked at together: starting an operation for each update, or asking a GPU
        # whether a loss is finite, would cost more than the sum.
        losses = torch.stack(self._losses).double()  # (updates, L)
        self._losses.clear()
        before = self.rows["loss_sum"]
        before.copy_(torch.cat([before[None], losses]).cumsum(0)[-1])  # in order: the same bits wherever it was cut
        wrong = ~losses.isfinite()
        first = self.update - len(losses) + wrong.int().argmax(0)
        self.bad.copy_(torch.where((self.bad < 0) & wrong.any(0), first, self.bad))

    @property
    def gradient(self) -> Tensor | None:
        """The gradient of each lane's batch (L, layout.total), until the update; None with second-order methods."""
        return self._step.gradient

    @torch.no_grad()
    def _restrict(self) -> None:
        """What follows an update: the largest norm of a unit's weights, and the running average of all parameters."""
        if self.values.max_norm is not None:
            for i in self.layout.weights:
                leaf = self.leaves[i]
                over = (1,) if leaf.dim() == 3 else (2, 3, 4)  # (L, in, out) or (L, out, in, k, k): inputs of a unit
                norm = torch.linalg.vector_norm(leaf, dim=over, keepdim=True)
                leaf.mul_(max_norm_factor(norm, as_column(self.values.max_norm, leaf)))
        if self.values.average is not None:
            self.rows["average"].copy_(ema(self.rows["average"], self.w, self.values.average))

    @torch.no_grad()
    def _unit_variance(self) -> None:
        """Scale the weights of the lanes whose initialization asks for unit variance, on their training rows."""
        if any(lane.recipe.init.unit_variance for lane in self.lanes):
            folds = [f.fold for f in self.feed.folds]
            rows = torch.from_numpy(lsuv_rows(folds)).to(self.feed.device)
            x = self.batches.inputs(self.feed.inputs(rows, self.batches.groups))
            unit_variance(self.forward, self.lanes, x, self.leaves, self.rows["moments"])

    def shown(self) -> Tensor:
        """The parameters that predict, (L, total): the weights, their average, or the iterate that the optimizer
        reports."""
        w = self._step.shown(self.update, self.schedule_updates, self._factors)
        if self.values.average is not None and self.update:
            correction = ema_correction(self.values.average, self.update)
            w = torch.where(self.values.average > 0, self.rows["average"] * correction, w)
        return w

    @torch.no_grad()
    def evaluate(self) -> list[np.ndarray]:
        """Each lane's outputs on its validation rows in evaluation mode, (rows, C), in the order of `lanes`."""
        parts = [f.fold.validation for f in self.feed.folds]
        return self.predict(parts)

    @torch.no_grad()
    def predict(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs (rows, C) of each lane for the rows of its fold: logits, or standardized predictions."""
        longest = max(len(part) for part in rows)
        chunk = CHUNK_IMAGES if self.shape.image is not None else CHUNK_ROWS
        parameters = self.layout.views(self.shown())
        pieces = []
        for first in range(0, longest, chunk):
            size = align(min(chunk, longest - first))
            index = np.zeros((len(rows), size), np.int64)
            for f, part in enumerate(rows):
                piece = part[first : first + size]
                index[f, : len(piece)] = piece
            x = self.batches.inputs(self.feed.inputs(torch.from_numpy(index).to(self.feed.device), self.batches.groups))
            pieces.append(self.forward(x, parameters, self.rows["moments"], None).cpu().numpy())
        out = np.concatenate(pieces, 1)  # (L, longest + padding, C)
        return [lane_out[: len(rows[lane.fold])] for lane_out, lane in zip(out, self.lanes, strict=True)]

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Everything needed to go on later, bit by bit: arrays and a JSON value."""
        self._settle()
        arrays = {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.rows.items()}
        return arrays, {"update": self.update, "lanes": [[lane.number, lane.fold] for lane in self.lanes]}

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Go on from what `state` returned: lanes that had left by then leave this pack too."""
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
        """Let the lanes, by (recipe number, fold), go on from where other packs of this shape left them.

        Only a lane's own rows are taken over, so it does not matter which lanes it was packed with before.
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
        width = self.feed.folds[self.lanes[lane].fold].encoding.width
        return lane_arrays(self.layout, width, self.shown().detach()[lane, None], self.rows["moments"][lane])


def lane_rows(state: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> dict[tuple[int, int], LaneRows]:
    """A pack's `state` lane by lane, by (recipe number, fold)."""
    return {
        (number, fold): (int(meta["update"]), {name: array[i] for name, array in state.items()})
        for i, (number, fold) in enumerate(meta["lanes"])
    }
