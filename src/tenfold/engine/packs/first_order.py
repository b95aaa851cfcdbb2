"""One update of the first-order methods of a pack: penalties, clipping, decay and the optimizers, in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.engine.operations.operation import Slot
from tenfold.engine.packs.lanes import Lane, LaneValues, by_update, coefficient_table
from tenfold.engine.plan.shape import Layout
from tenfold.rules.optimizers.update import UPDATES, Coefficients, Flat, Matrix, Need
from tenfold.rules.penalties import clip_factor, clip_value, decoupled_decay_, l1_gradient_, l2_gradient_
from tenfold.rules.schedules import Plateau

CHUNK_BYTES = 1_400_000  # optimizer state worked on at a time: about what a core's second-level cache holds
AHEAD = 64  # updates whose coefficients are computed at once, or an epoch's


class Chunk(NamedTuple):
    """Neighbouring lanes of one family of optimizers, whose state fits a cache."""

    part: slice
    family: str
    state: Flat


class FirstOrderStep:
    """The gradient of every lane, and what is done with it. rows: the pack's state, "w" and what optimizers keep."""

    def __init__(self, lanes: Sequence[Lane], layout: Layout, values: LaneValues, rows: Mapping[str, Tensor]) -> None:
        self.lanes, self.layout, self.values = lanes, layout, values
        self._first, self._numbers = 0, list[list[tuple[Coefficients, Tensor]]]()  # by chunk and update
        self._needs: list[Need] = []  # by chunk
        w = rows["w"]
        self.g = torch.zeros_like(w)  # zeros between the slots stay: a norm over a row is that of its gradient
        scratch = torch.empty_like(w)
        self.gradients = [slot.real(v) for v, slot in zip(layout.views(self.g), layout.slots, strict=True)]
        self.penalized = torch.zeros_like(w[:1])  # (1, total): 1 where a weight is
        for i in layout.weights:
            layout.slots[i].real(layout.views(self.penalized)[i]).fill_(1)
        self._matrices = [_matrix(layout.slots[i]) for i in layout.weights]
        self.chunks: list[Chunk] = []
        for part in chunks(lanes, max(1, CHUNK_BYTES // (5 * w.element_size() * layout.total))):
            rules = [lane.optimizer for lane in lanes[part]]
            state = {name: rows[name][part] for rule in rules for name in rule.state()}
            self.chunks.append(Chunk(part, rules[0].family, Flat(w[part], self.g[part], state, scratch[part])))

    def prepare(self, epoch: int, per_epoch: int, schedule_updates: int, factors: np.ndarray) -> None:
        """Compute the coefficients of an epoch, and of some that follow where epochs are short and no plateau changes
        the rates in between. factors (L,): of plateau schedules."""
        first = epoch * per_epoch
        if self._numbers and 0 <= first - self._first < len(self._numbers[0]):
            return
        recipes = [lane.recipe for lane in self.lanes]
        alone = any(isinstance(recipe.decay, Plateau) for recipe in recipes)
        left = min(recipe.epochs for recipe in recipes) - epoch
        count = per_epoch * (1 if alone else max(1, min(left, AHEAD // per_epoch)))
        table = coefficient_table(self.lanes, first, count, schedule_updates, factors)
        columns = torch.from_numpy(table).to(self.g)[..., None]  # (updates, 10, L, 1)
        self._first = first
        self._numbers = [by_update(columns[:, :, chunk.part]) for chunk in self.chunks]
        # (updates, 10, lanes) -> one array a coefficient; the last column is the decoupled decay
        by_name = [Coefficients(*np.moveaxis(table[:, :-1, chunk.part], 1, 0)) for chunk in self.chunks]
        self._needs = [Need.of(k, self._matrices) for k in by_name]

    def take(self, gradients: Sequence[Tensor]) -> None:
        """Take up the gradients of the parameters, one (L, *stored) a slot."""
        for view, gradient, slot in zip(self.gradients, gradients, self.layout.slots, strict=True):
            view.copy_(slot.real(gradient))

    @torch.no_grad()
    def step(self, update: int) -> None:
        """Clip, penalize, decay and update every lane, a chunk at a time."""
        values = self.values
        if values.clip_value is not None:
            self.g.copy_(clip_value(self.g, values.clip_value))
        if values.clip is not None:
            self.g.mul_(clip_factor(self.g.norm(dim=1, keepdim=True), values.clip))
        for chunk, numbers, need in zip(self.chunks, self._numbers, self._needs, strict=True):
            k, decay = numbers[update - self._first]
            self._shrink(chunk, decay)
            UPDATES[chunk.family](chunk.state, k, need)

    def _shrink(self, chunk: Chunk, decay: Tensor) -> None:
        """Penalties and decoupled decay, of weights and not of biases; decay (lanes, 1): rate times strength."""
        values, w, g = self.values, chunk.state.w, chunk.state.g
        if values.l2 is None and values.l1 is None and not values.decoupled:
            return
        weights = torch.mul(w, self.penalized, out=chunk.state.scratch)
        if values.l2 is not None:
            l2_gradient_(g, weights, values.l2[chunk.part])
        if values.l1 is not None:
            l1_gradient_(g, weights, values.l1[chunk.part])
        if values.decoupled:
            decoupled_decay_(w, weights, decay)


def chunks(lanes: Sequence[Lane], size: int) -> list[slice]:
    """Runs of at most `size` neighbouring lanes whose optimizers are of one family."""
    found, first = [], 0
    for i in range(1, len(lanes) + 1):
        ended = i == len(lanes) or lanes[i].optimizer.family != lanes[first].optimizer.family
        if ended or i - first == size:
            found.append(slice(first, i))
            first = i
    return found


def _matrix(slot: Slot) -> Matrix:
    """A weight as the matrix that Muon orthogonalizes."""
    if len(slot.size) == 2:
        stored, size = (slot.stored[0], slot.stored[1]), (slot.size[0], slot.size[1])
        return Matrix(slot.start, slot.stop, stored, size, slot.output)
    shape = slot.matrix[1], slot.matrix[0]
    return Matrix(slot.start, slot.stop, shape, shape, slot.output, rows_are_units=True)
