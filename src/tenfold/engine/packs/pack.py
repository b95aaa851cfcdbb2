"""A pack: many trials trained together as one stacked program, and its state between updates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.data.feed.batches import align, deal
from tenfold.engine.module import lane_arrays
from tenfold.engine.operations.operation import BatchContext, Flow, rule_blocks
from tenfold.engine.packs.dropout_masks import DropoutMasks
from tenfold.engine.packs.first_order import FirstOrderStep
from tenfold.engine.packs.forward import Forward
from tenfold.engine.packs.initial_state import (
    initial_moments,
    initial_parameters,
    initial_state,
    lsuv_rows,
    renamed_state,
    unit_variance,
)
from tenfold.engine.packs.lanes import Lane, LaneValues, times
from tenfold.engine.packs.observer import Observer
from tenfold.engine.packs.rows import Ahead, Feed
from tenfold.engine.packs.second_order import SecondOrderStep
from tenfold.engine.plan.shape import Layout, Shape, as_column
from tenfold.recipe.recipe import loss_of
from tenfold.rules.optimizers.base import FIRST_MOMENT
from tenfold.rules.penalties import ema, ema_correction, max_norm_factor
from tenfold.rules.schedules import Plateau, PlateauState, plateau_next

CHUNK_ROWS = 512  # rows evaluated at a time
CHUNK_IMAGES = 128  # images evaluated at a time
LaneRows = tuple[int, dict[str, np.ndarray]]  # updates made, and one lane's row of every array of a pack's state


class EpochPlan(NamedTuple):
    """One epoch: rows, their weights and targets (updates, F, B), real rows (updates, F), and for second-order methods
    the rates (updates, L)."""

    rows: Tensor
    weights: Tensor
    targets: Tensor
    counted: Tensor | None  # targets as rates, where a loss wants them
    counts: np.ndarray
    rates: np.ndarray


class Pack:
    """Lanes of one shape, trained in lock-step on their folds.

    Each lane's numbers are what they would be alone: a lane's row of parameters starts at an aligned place, its
    block of a batch is a multiple of ALIGN rows, and no formula looks across lanes. `lanes` may be reordered.
    """

    def __init__(self, lanes: Sequence[Lane], shape: Shape, feed: Feed, *, schedule_updates: int | None = None) -> None:
        self.schedule_updates = schedule_updates or shape.dealing.updates  # what the schedules call an epoch
        self.lanes = sorted(lanes, key=lambda lane: lane.order)
        self.shape, self.feed, self.layout = shape, feed, Layout.of(shape)
        folds = [f.fold for f in feed.folds]
        widths = [f.encoding.width for f in feed.folds]
        start = initial_parameters(self.lanes, folds, widths, shape, self.layout)
        self.rows: dict[str, Tensor] = {"w": self._tensor(start)}  # all state by lane, (L, ...)
        if shape.second_order is None:
            for name, first in initial_state(self.lanes).items():
                self.rows[name] = self._tensor(np.broadcast_to(first, start.shape).copy())
        if any(lane.recipe.weight_average for lane in self.lanes):
            self.rows["average"] = torch.zeros_like(self.rows["w"])
        self.rows["loss_sum"] = torch.zeros(len(lanes), dtype=torch.float64, device=feed.device)
        self.rows["bad"] = torch.full((len(lanes),), -1, dtype=torch.int64, device=feed.device)
        plateau = [(np.inf, 0.0, 1.0)] * len(lanes)  # best training loss, epochs waited, factor of the rate
        self.rows["plateau"] = torch.tensor(plateau, dtype=torch.float64)
        self.update = 0  # updates made
        self.observer: Observer | None = None  # no part of the state: it sees what this object trains
        self._arrange()
        self.rows["moments"] = self._tensor(initial_moments(self.values, self.layout))
        self._unit_variance()
        if shape.second_order is not None:
            self.rows |= self._second.start(self.w)

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

    # ---- what follows from the lanes ----------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Everything that depends on which lanes are there; called again when lanes leave."""
        device = self.feed.device
        self.values = LaneValues(self.lanes, self.shape, device, self.feed.dtype)
        self.forward = Forward(self.shape, self.layout, self.values)
        keys = [(lane.fold, lane.recipe.preprocess, lane.recipe.augment) for lane in self.lanes]
        groups = sorted(set(keys), key=lambda key: (key[0], repr(key[1:])))
        place = {group: g for g, group in enumerate(groups)}
        self.group_list = [place[key] for key in keys]
        self.group_of = torch.tensor(self.group_list, device=device)
        self.fold_of = torch.tensor([lane.fold for lane in self.lanes], device=device)
        self.groups = self.feed.groups(groups)
        losses = [loss_of(lane.recipe, self.feed.classification) for lane in self.lanes]
        self.losses = rule_blocks(losses)
        counted = torch.tensor([loss.link == "exp" for loss in losses], device=device)
        self.counts = counted[:, None] if bool(counted.any()) else None  # lanes whose target is a rate
        self.leaves = [view.detach().requires_grad_() for view in self.layout.views(self.w)]
        if self.shape.second_order is None:
            self._first = FirstOrderStep(self.lanes, self.layout, self.values, self.rows)
        else:
            self._second = SecondOrderStep(self.shape.second_order, self.layout, self.values.l2, self.w)
        self._epoch: tuple[int, EpochPlan] | None = None
        self._ahead = Ahead(self.feed, self.groups)
        self._losses: list[Tensor] = []
        self._dropout = DropoutMasks(self.lanes, self.shape, self.values, self.feed)

    def keep(self, stay: Sequence[bool]) -> None:
        """Drop the lanes that do not stay: they cost no more time, and nothing changes for the others."""
        index = torch.tensor(np.flatnonzero(stay))
        self.lanes = [lane for lane, kept in zip(self.lanes, stay, strict=True) if kept]
        self.rows = {n: t.detach().index_select(0, index.to(t.device)) for n, t in self.rows.items()}
        if self.lanes:
            self._arrange()

    # ---- time ---------------------------------------------------------------------------------------------------

    @property
    def per_epoch(self) -> int:
        """Updates in an epoch."""
        return self.shape.dealing.updates

    @property
    def epoch(self) -> int:
        """Whole epochs made."""
        return self.update // self.per_epoch

    def _plan_epoch(self, epoch: int) -> EpochPlan:
        if self._epoch is None or self._epoch[0] != epoch:
            dealt = [deal(f.fold, self.shape.dealing, epoch) for f in self.feed.folds]
            rows = torch.from_numpy(np.stack([rows for rows, _ in dealt], 1)).to(self.feed.device)
            weights = np.stack([w for _, w in dealt], 1)
            span = epoch * self.per_epoch, self.per_epoch, self.schedule_updates
            factors, rates = self.rows["plateau"][:, 2].numpy(), np.zeros(0)
            if self.shape.second_order is None:
                self._first.prepare(epoch, self.per_epoch, self.schedule_updates, factors)
            else:
                lanes = zip(self.lanes, factors, strict=True)
                rates = np.stack([times(lane, *span, float(factor))[0] for lane, factor in lanes], 1)
            counted = None if self.counts is None else self.feed.rates(rows)
            real = (weights > 0).sum(2)
            self._epoch = epoch, EpochPlan(rows, self._tensor(weights), self.feed.targets(rows), counted, real, rates)
        return self._epoch[1]

    def run_epoch(self, tick: Callable[[], str] = lambda: "go on", last: int | None = None) -> bool:
        """Go on to the end of the epoch (or to update `last`). False if `tick`, asked before each update, gives
        anything but "go on"."""
        end = (self.epoch + 1) * self.per_epoch
        end = end if last is None else min(end, last)
        plan = self._plan_epoch(self.epoch)
        if self.update % self.per_epoch == 0:
            self.rows["loss_sum"].zero_()
        while self.update < end:
            if tick() != "go on":
                self._settle()
                return False
            step = self.update % self.per_epoch
            if self.shape.second_order is None:
                self._gradient(plan, step)
                self._first.step(self.update)
            else:
                self._advance(plan, step)
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

    # ---- one update ---------------------------------------------------------------------------------------------

    def _inputs(self, x: Tensor, real: Sequence[int] | None = None) -> Flow:
        """Inputs of the groups (G, B, D) for every lane: (L, B, D), or an image tensor a lane, cut to its real rows."""
        if self.shape.image is None:
            return x.index_select(0, self.group_of)
        height, width, channels = self.shape.image
        images = x[..., : height * width * channels].unflatten(2, self.shape.image).permute(0, 1, 4, 2, 3)
        count = real or [images.shape[1]] * len(self.lanes)
        return [images[group][:n] for group, n in zip(self.group_list, count, strict=True)]

    def _targets(self, plan: EpochPlan, step: int) -> Tensor:
        """Targets (L, B) of an update: classes, standardized numbers, or for a loss of rates y / mean."""
        target = plan.targets[step].index_select(0, self.fold_of)
        if self.counts is None or plan.counted is None:
            return target
        return torch.where(self.counts, plan.counted[step].index_select(0, self.fold_of), target)

    def _loss(self, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Mean loss of each lane (L,) for outputs (L, B, C), targets (L, B) and row weights (L, B)."""
        if len(self.losses) == 1:
            return (self.losses[0][1](output, target) * weight).sum(1)
        sizes = [count for count, _ in self.losses]
        parts = zip(output.split(sizes), target.split(sizes), self.losses, strict=True)
        return (torch.cat([formula(o, t) for o, t, (_, formula) in parts]) * weight).sum(1)

    def _batch(self, plan: EpochPlan, step: int) -> tuple[Flow, Tensor, Tensor, BatchContext]:
        """Inputs, targets (L, B), row weights (L, B) and the rest of one training batch."""
        rows, counts = plan.rows[step], plan.counts[step]
        weight = plan.weights[step].index_select(0, self.fold_of)
        real = [int(counts[lane.fold]) for lane in self.lanes]
        scales = self._dropout.scales(self.update, rows.shape[1], real)
        return (
            self._inputs(self._ahead(plan.rows, step, self.update), real),
            self._targets(plan, step),
            weight,
            BatchContext(weight[:, None], real, self.update + 1, scales),
        )

    def _note(self, loss: Tensor) -> None:
        self._losses.append(loss.detach())
        if self.observer is not None:
            self.observer.before(self, loss.detach())

    def _settle(self) -> None:
        """Take up the losses of the updates made since the last time: their sum, and the first that is not finite."""
        if not self._losses:
            return
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
        return self._first.g if self.shape.second_order is None else None

    def _gradient(self, plan: EpochPlan, step: int) -> None:
        """The gradient of each lane's mean loss over its batch."""
        x, target, weight, batch = self._batch(plan, step)
        output = self.forward(x, self.leaves, self.rows["moments"], batch)
        loss = self._loss(output, target, weight)  # (L,)
        self._first.take(torch.autograd.grad(loss.sum(), self.leaves))
        self._note(loss)

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

    def _advance(self, plan: EpochPlan, step: int) -> None:
        """One update of a second-order method on its batch."""
        x, target, weight, batch = self._batch(plan, step)
        with torch.no_grad():
            self._note(self._loss(self.forward(x, self.leaves, self.rows["moments"], batch), target, weight))
        still = BatchContext(batch.weight, batch.rows, batch.update, batch.scales, frozen=True)
        w, state = self._second.advance(
            self.rows, lambda views: self.forward(x, views, self.rows["moments"], still),
            lambda output: self._loss(output, target, weight), self._tensor(plan.rates[step]),
        )  # fmt: skip
        self.rows["w"].copy_(w)
        self.rows |= state

    @torch.no_grad()
    def _unit_variance(self) -> None:
        """Scale the weights of the lanes whose initialization asks for unit variance, on their training rows."""
        if any(lane.recipe.init.unit_variance for lane in self.lanes):
            folds = [f.fold for f in self.feed.folds]
            rows = torch.from_numpy(lsuv_rows(folds)).to(self.feed.device)
            x = self._inputs(self.feed.inputs(rows, self.groups))
            unit_variance(self.forward, self.lanes, x, self.leaves, self.rows["moments"])

    # ---- predictions --------------------------------------------------------------------------------------------

    def shown(self) -> Tensor:
        """The parameters that predict, (L, total): the weights, their average, or the iterate that the optimizer
        reports."""
        w = self.w
        reporting = [lane.optimizer for lane in self.lanes]
        if self.shape.second_order is None and self.update and any(rule.reports for rule in reporting):
            span = self.update - 1, 1, self.schedule_updates
            factors = self.rows["plateau"][:, 2].tolist()
            found = [
                rule.reported(times(lane, *span, factor)[1]) if rule.reports else np.zeros(1)
                for rule, lane, factor in zip(reporting, self.lanes, factors, strict=True)
            ]
            w = w + self._tensor(np.stack(found)) * self.rows[FIRST_MOMENT]
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
            x = self._inputs(self.feed.inputs(torch.from_numpy(index).to(self.feed.device), self.groups))
            pieces.append(self.forward(x, parameters, self.rows["moments"], None).cpu().numpy())
        out = np.concatenate(pieces, 1)  # (L, longest + padding, C)
        return [lane_out[: len(rows[lane.fold])] for lane_out, lane in zip(out, self.lanes, strict=True)]

    # ---- state --------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Everything needed to go on later, bit by bit: arrays and a JSON value."""
        self._settle()
        arrays = {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.rows.items()}
        return arrays, {"update": self.update, "lanes": [[lane.number, lane.fold] for lane in self.lanes]}

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Take up a state that `state` gave: lanes that had left are gone again."""
        there = {(number, fold) for number, fold in meta["lanes"]}
        self.lanes = [lane for lane in self.lanes if (lane.number, lane.fold) in there]
        old = self.rows
        arrays = renamed_state(arrays, old)
        self.rows = {
            name: torch.from_numpy(array.copy()).to(old[name].device, old[name].dtype) for name, array in arrays.items()
        }
        self.update = int(meta["update"])
        self._arrange()

    def adopt(self, saved: Mapping[tuple[int, int], LaneRows]) -> None:
        """Let the lanes, by (recipe number, fold), go on from where other packs of this shape left them.

        A lane takes up its own numbers alone, so it does not matter with whom it was packed before.
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
