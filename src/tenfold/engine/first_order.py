"""One update of the first-order methods of a pack: penalties, clipping, decay and the optimizers, in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tenfold.engine.lanes import Lane, LaneValues, by_update
from tenfold.engine.shape import Layout, Slot, as_column
from tenfold.rules.optimizers.update import UPDATES, Coefficients, Flat, Matrix, Need
from tenfold.rules.penalties import clip_factor, clip_value, decoupled_decay, l1_gradient, l2_gradient

CHUNK_BYTES = 1_400_000  # optimizer state worked on at a time: about what a core's second-level cache holds
Updates = list[tuple[Coefficients, Tensor]]  # coefficients and decoupled decay, one a chunk or one an update


class Chunk(NamedTuple):
    """Neighbouring lanes of one family of optimizers, whose state fits a cache."""

    part: slice
    family: str
    state: Flat
    need: Need


class FirstOrderStep:
    """The gradient of every lane, and what is done with it. rows: the pack's state, "w" and what optimizers keep."""

    def __init__(self, lanes: Sequence[Lane], layout: Layout, values: LaneValues, rows: Mapping[str, Tensor]) -> None:
        self.layout, self.values = layout, values
        w = rows["w"]
        self.g = torch.zeros_like(w)  # zeros between the slots stay: a norm over a row is that of its gradient
        scratch = torch.empty_like(w)
        self.gradients = [slot.real(v) for v, slot in zip(layout.views(self.g), layout.slots, strict=True)]
        matrices = [_matrix(layout.slots[i]) for i in layout.weights]
        self.chunks: list[Chunk] = []
        for part in chunks(lanes, max(1, CHUNK_BYTES // (5 * w.element_size() * layout.total))):
            rules = [lane.optimizer for lane in lanes[part]]
            m, v, u = (
                rows[name][part] if any(rule.moments[i] for rule in rules) else None for i, name in enumerate("mvu")
            )
            need = Need(any(r.uses_gradient for r in rules), any(r.uses_inside for r in rules), matrices)
            self.chunks.append(Chunk(part, rules[0].family, Flat(w[part], self.g[part], m, v, u, scratch[part]), need))

    def coefficients(self, table: Tensor) -> list[Updates]:
        """For each chunk the coefficients of every update, from a table (updates, 10, L, 1)."""
        return [by_update(table[:, :, chunk.part]) for chunk in self.chunks]

    def take(self, gradients: Sequence[Tensor]) -> None:
        """Take up the gradients of the parameters, one (L, *stored) a slot."""
        for view, gradient, slot in zip(self.gradients, gradients, self.layout.slots, strict=True):
            view.copy_(slot.real(gradient))

    @torch.no_grad()
    def step(self, parameters: Sequence[Tensor], coefficients: Updates) -> None:
        """Clip, penalize, decay and update every lane, a chunk at a time; parameters: one view (L, *stored) a slot."""
        values = self.values
        if values.clip_value is not None:
            self.g.copy_(clip_value(self.g, values.clip_value))
        if values.clip is not None:
            self.g.mul_(clip_factor(self.g.norm(dim=1, keepdim=True), values.clip))
        for i in self.layout.weights if values.l2 is not None or values.l1 is not None else ():
            gradient, weight = self.gradients[i], self.layout.slots[i].real(parameters[i])
            if values.l2 is not None:
                gradient.copy_(l2_gradient(gradient, weight, as_column(values.l2, weight)))
            if values.l1 is not None:
                gradient.copy_(l1_gradient(gradient, weight, as_column(values.l1, weight)))
        if values.decoupled:
            lr_decay = torch.cat([decay for _, decay in coefficients])[:, :, None]  # (L, 1, 1), rate times strength
            for i in self.layout.weights:
                weight = parameters[i]
                weight.copy_(decoupled_decay(weight, 1.0, as_column(lr_decay, weight)))
        for chunk, (k, _) in zip(self.chunks, coefficients, strict=True):
            UPDATES[chunk.family](chunk.state, k, chunk.need)


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
