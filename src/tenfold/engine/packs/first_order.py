"""One update of the first-order methods of a pack: penalties, clipping, decay and the optimizers, in place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.engine.operations.operation import Slot
from tenfold.engine.packs.lanes import Lane, LaneValues, UpdateNumbers, by_update, coefficient_table, times
from tenfold.engine.packs.step import BatchLoss
from tenfold.engine.plan.shape import Layout
from tenfold.rules.optimizers.base import FIRST_MOMENT
from tenfold.rules.optimizers.update import UPDATES, Coefficients, Flat, Matrix, Need
from tenfold.rules.penalties import clip_factor, clip_value, decoupled_decay_, l1_gradient_, l2_gradient_
from tenfold.rules.schedules import Plateau

# Bytes that an update works on at a time: about what a core's second-level cache holds. Two threads with chunks of
# 0.5 MB took 2.2 to 2.6 s, of 0.9 MB 2.0 to 2.2 s, of 1.4 MB 1.8 to 1.9 s.
CHUNK_BYTES = 1_400_000
# Updates whose coefficients are computed at once, or an epoch's: starting an operation costs 2 to 3 microseconds,
# whatever its size, so it is started once for many updates.
UPDATES_AHEAD = 64


class Chunk(NamedTuple):
    """Neighbouring lanes of one family of optimizers, whose state fits into a cache together."""

    part: slice
    family: str
    state: Flat


class FirstOrderStep:
    """The gradient of every lane, and what is done with it; an `UpdateStep`.

    rows: the pack's state: "w", of which `leaves` are one view (L, *stored) a slot, and what the optimizers keep.
    rates: the factors of the rates (L, layout.total), None where all are 1.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        layout: Layout,
        values: LaneValues,
        rows: dict[str, Tensor],
        leaves: Sequence[Tensor],
        rates: Tensor | None = None,
    ) -> None:
        self.lanes, self.layout, self.values, self.rows, self.leaves = lanes, layout, values, rows, leaves
        self.rates = rates
        self._first, self._numbers = 0, list[list[UpdateNumbers]]()  # by chunk and update
        self._needs: list[Need] = []  # by chunk
        w = rows["w"]
        add_optimizer_rows(lanes, rows)
        # UpdateNumbers between the slots must be 0 and stay 0: clipping takes the norm over the whole row.
        self.g = torch.zeros_like(w)
        scratch = torch.empty_like(w)
        self._gradients = [slot.real(v) for v, slot in zip(layout.views(self.g), layout.slots, strict=True)]
        self.penalized = torch.zeros_like(w[:1])  # (1, total): 1 where a weight is
        for i in layout.weights:
            layout.slots[i].real(layout.views(self.penalized)[i]).fill_(1)
        self._matrices = [_matrix(layout.slots[i]) for i in layout.weights]
        self.chunks: list[Chunk] = []
        # parameters, gradient, two rows of state and scratch go through the cache together
        for part in chunks(lanes, max(1, CHUNK_BYTES // (5 * w.element_size() * layout.total))):
            rules = [lane.optimizer for lane in lanes[part]]
            state = {name: rows[name][part] for rule in rules for name in rule.state()}
            factors = None if rates is None else rates[part]
            flat = Flat(w[part], self.g[part], state, scratch[part], factors)
            self.chunks.append(Chunk(part, rules[0].family, flat))

    @property
    def gradient(self) -> Tensor:
        return self.g

    def plan_epoch(self, epoch: int, per_epoch: int, schedule_updates: int, factors: np.ndarray) -> None:
        """Compute the coefficients of an epoch, and of some that follow where epochs are short and no plateau changes
        the rates in between."""
        first = epoch * per_epoch
        if self._numbers and 0 <= first - self._first < len(self._numbers[0]):
            return
        recipes = [lane.recipe for lane in self.lanes]
        watched = any(isinstance(recipe.decay, Plateau) for recipe in recipes)
        left = min(recipe.epochs for recipe in recipes) - epoch
        count = per_epoch * (1 if watched else max(1, min(left, UPDATES_AHEAD // per_epoch)))
        table = coefficient_table(self.lanes, first, count, schedule_updates, factors)
        columns = torch.from_numpy(table).to(self.g)[..., None]  # (updates, 11, L, 1)
        self._first = first
        self._numbers = [by_update(columns[:, :, chunk.part]) for chunk in self.chunks]
        # (updates, 11, lanes) -> one array a coefficient; the last two columns are the decays
        by_name = [Coefficients(*np.moveaxis(table[:, :-2, chunk.part], 1, 0)) for chunk in self.chunks]
        self._needs = [Need.of(k, self._matrices) for k in by_name]

    def step(self, update: int, batch: BatchLoss, note: Callable[[Tensor], None]) -> None:
        note(self.differentiate(batch))
        self.move(update)

    def differentiate(self, batch: BatchLoss) -> Tensor:
        """Take up the gradient of each lane's mean loss over its batch; returns the losses (L,)."""
        loss = batch.losses(batch.outputs(self.leaves))
        # lanes do not see each other, so the gradient of the sum holds each lane's own
        gradients = torch.autograd.grad(loss.sum(), self.leaves, materialize_grads=True)
        for view, gradient, slot in zip(self._gradients, gradients, self.layout.slots, strict=True):
            view.copy_(slot.real(gradient))
        return loss

    @torch.no_grad()
    def move(self, update: int) -> None:
        """Clip, penalize, decay and update every lane, a chunk at a time."""
        values = self.values
        if values.clip_value is not None:
            self.g.copy_(clip_value(self.g, values.clip_value))
        if values.clip is not None:
            # In a module, zeros beside what a fold really has lie among its numbers: they must not change the bits.
            exact = self.g.dtype if self.layout.module is None else torch.float64
            norm = self.g.norm(dim=1, keepdim=True, dtype=exact).to(self.g.dtype)
            self.g.mul_(clip_factor(norm, values.clip))
        for chunk, numbers, need in zip(self.chunks, self._numbers, self._needs, strict=True):
            now = numbers[update - self._first]
            self._shrink(chunk, now)
            UPDATES[chunk.family](chunk.state, now.k, need)

    def shown(self, update: int, schedule_updates: int, factors: np.ndarray) -> Tensor:
        """The weights, or for a rule that reports another iterate that one."""
        return reported_weights(self.lanes, self.rows, update, schedule_updates, factors, self.rates)

    def _shrink(self, chunk: Chunk, now: UpdateNumbers) -> None:
        """Penalties and decoupled decay, of weights and not of biases."""
        values, w, g = self.values, chunk.state.w, chunk.state.g
        if values.l2 is None and values.l1 is None and not values.decoupled:
            return
        weights = torch.mul(w, self.penalized, out=chunk.state.scratch)
        if values.l2 is not None:
            l2_gradient_(g, weights, now.l2)
        if values.l1 is not None:
            l1_gradient_(g, weights, values.l1[chunk.part])
        if values.decoupled:
            decoupled_decay_(w, weights, now.decay)


def reported_weights(
    lanes: Sequence[Lane],
    rows: Mapping[str, Tensor],
    update: int,
    schedule_updates: int,
    factors: np.ndarray,
    rates: Tensor | None,
) -> Tensor:
    """The weights after so many updates, or for a rule that reports another iterate that one, (L, layout.total).

    rows: the state; factors (L,): of plateau schedules; rates (L, layout.total): factors of the rates, if any is not 1.
    """
    w = rows["w"]
    if not update or not any(lane.optimizer.reports for lane in lanes):
        return w
    pairs = zip(lanes, factors.tolist(), strict=True)
    share = np.array([[reported_share(lane, update, schedule_updates, factor)] for lane, factor in pairs])
    ahead = torch.from_numpy(share).to(w) * rows[FIRST_MOMENT]
    return w + (ahead if rates is None else ahead * rates)


def reported_share(lane: Lane, update: int, schedule_updates: int, factor: float) -> float:
    """The share of the first moment that is added to the weights that predict after so many updates; mostly 0. factor:
    of a plateau schedule."""
    rule = lane.optimizer
    if not rule.reports:
        return 0.0
    return float(rule.reported(times(lane, update - 1, 1, schedule_updates, factor)[1])[0])


def add_optimizer_rows(lanes: Sequence[Lane], rows: dict[str, Tensor]) -> None:
    """Add the rows of state that the optimizers of these lanes keep, where they are missing."""
    for name, start in initial_rows(lanes).items():
        if name not in rows:
            rows[name] = torch.empty_like(rows["w"]).copy_(torch.from_numpy(start))


def initial_rows(lanes: Sequence[Lane]) -> dict[str, np.ndarray]:
    """Where the rows of state that any lane's optimizer keeps start, by name, (lanes, 1) each."""
    states = [lane.optimizer.state() for lane in lanes]
    names = dict.fromkeys(name for state in states for name in state)
    return {name: np.array([[state.get(name, 0.0)] for state in states]) for name in names}


def chunks(lanes: Sequence[Lane], size: int) -> list[slice]:
    """Runs of at most `size` neighbouring lanes whose optimizers are of one family."""
    runs, first = [], 0
    for i in range(1, len(lanes) + 1):
        ended = i == len(lanes) or lanes[i].optimizer.family != lanes[first].optimizer.family
        if ended or i - first == size:
            runs.append(slice(first, i))
            first = i
    return runs


def _matrix(slot: Slot) -> Matrix:
    """A weight as the matrix that Muon orthogonalizes."""
    if slot.own:
        shape = slot.size[0], math.prod(slot.size[1:])
        return Matrix(slot.start, slot.stop, shape, shape, slot.output, rows_are_units=True)
    if len(slot.size) == 2:
        stored, size = (slot.stored[0], slot.stored[1]), (slot.size[0], slot.size[1])
        return Matrix(slot.start, slot.stop, stored, size, slot.output)
    shape = slot.matrix[1], slot.matrix[0]
    return Matrix(slot.start, slot.stop, shape, shape, slot.output, rows_are_units=True)
