"""What splits packs, and where each parameter of a lane lies in its row of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tenfold.data.feed.batches import ALIGN, Dealing, align
from tenfold.data.split.folds import Fold
from tenfold.engine.plan.network import (
    ConvOp,
    DenseOp,
    NormalizeOp,
    Op,
    PlannedOp,
    PReLUOp,
    ResidualEnd,
    plan_network,
    sees_images,
)  # fmt: skip
from tenfold.engine.plan.size import Image, Size
from tenfold.recipe.recipe import Recipe
from tenfold.rules.initialization import Fans

SlotKind = Literal["weight", "bias", "gamma", "beta", "slope"]


def padded(units: int) -> int:
    """A width with units of weight 0 added, to a multiple of 4; of 16 up to 48 units.

    A matrix product's last bits depend on whether each lane's matrices start at a multiple of 16 bytes, and so,
    without padding, on the lane's place in the pack. Narrow ones run up to twice as fast at multiples of 16.
    """
    return align(units, 16 if units <= 48 else 4)


@dataclass(frozen=True)
class Shape:
    """The structure that all lanes of a pack share; everything else about a trial is a value.

    image: the size of what enters the network where that is an image, None where it is a row of numbers.
    second_order: the optimizer where it is of second order, None for all others, which mix freely.
    """

    inputs: int
    image: Image | None
    outputs: int
    ops: tuple[Op, ...]
    dealing: Dealing
    second_order: Any = None

    @staticmethod
    def of(recipe: Recipe, size: Size, folds: Sequence[Fold]) -> Shape:
        """The shape of a recipe that is trained on these folds."""
        steps = plan_network(recipe.network, size)
        second = recipe.optimizer if recipe.optimizer.family == "second_order" else None
        enters = size.image if sees_images(steps) else None
        dealing = Dealing.of(folds, recipe.batch_size)
        return Shape(size.inputs, enters, size.outputs, tuple(step.op for step in steps), dealing, second)

    def steps(self, recipe: Recipe) -> tuple[PlannedOp, ...]:
        """The operations with the values of a recipe of this shape."""
        return plan_network(recipe.network, Size(self.inputs, self.outputs, self.image))


@dataclass(frozen=True)
class Slot:
    """One parameter of a lane: its operation (a number), its kind, where it starts in the lane's row, its shape, and
    the shape in which it is stored; what lies outside `size` is 0 and stays 0.

    A dense weight is (inputs, units), a convolution's (channels, channels in, kernel, kernel), all others (1, units).
    """

    op: int
    kind: SlotKind
    start: int
    size: tuple[int, ...]
    stored: tuple[int, ...]
    fans: Fans | None = None  # of a weight or its bias, gain 1
    first: bool = False  # its rows are the network's input columns
    output: bool = False

    @property
    def stop(self) -> int:
        """One past its last number."""
        return self.start + math.prod(self.stored)

    @property
    def matrix(self) -> tuple[int, int]:
        """(rows, columns) that an initialization draws: inputs of a unit, units."""
        return (self.size[0], self.size[1]) if len(self.size) == 2 else (math.prod(self.size[1:]), self.size[0])

    def real(self, view: Any) -> Any:
        """A view (lanes, *stored) without its padding, (lanes, *size)."""
        return view[:, : self.size[0], : self.size[1]] if len(self.size) == 2 else view


@dataclass(frozen=True)
class Layout:
    """All parameters of a lane in one row of `total` numbers, each starting at a multiple of ALIGN.

    moments: for each batch normalization (by the number of its operation) the start of its running mean and of its
    running variance, and their length, in a row of `moment_total` numbers.
    """

    slots: tuple[Slot, ...]
    total: int
    moments: dict[int, tuple[int, int, int]]
    moment_total: int

    @property
    def weights(self) -> list[int]:
        """The numbers of the slots that hold weights."""
        return [i for i, slot in enumerate(self.slots) if slot.kind == "weight"]

    def views(self, flat: Any) -> list[Any]:
        """One view (L, *stored) for each slot of rows (L, total)."""
        return [flat[:, s.start : s.stop].view(len(flat), *s.stored) for s in self.slots]

    @staticmethod
    def of(shape: Shape) -> Layout:
        """Operation by operation: the weight and its bias, gamma and beta, slopes."""
        slots: list[Slot] = []
        moments: dict[int, tuple[int, int, int]] = {}
        start, moment_start, seen_weight = 0, 0, False
        for number, op in enumerate(shape.ops):
            for slot in _slots(number, op, shape):
                first = slot.kind == "weight" and not seen_weight and slot.size[0] == shape.inputs
                seen_weight = seen_weight or slot.kind == "weight"
                slots.append(Slot(**{**slot.__dict__, "start": start, "first": first and len(slot.size) == 2}))
                start = align(slots[-1].stop)
            if isinstance(op, NormalizeOp) and op.groups == 0:
                width = _width(op.features, op.size)
                moments[number] = (moment_start, moment_start + align(width), width)
                moment_start += 2 * align(width)
        return Layout(tuple(slots), max(start, ALIGN), moments, moment_start)


def _width(features: int, size: Any) -> int:
    """The stored length of a vector of features: padded where rows of numbers flow, exact for images."""
    return features if isinstance(size, tuple) else padded(features)


def _slots(number: int, op: Op, shape: Shape) -> list[Slot]:
    """The parameters of one operation, not placed yet."""
    weighty = op.shortcut if isinstance(op, ResidualEnd) else op
    match weighty:
        case DenseOp(inputs, units, bias, pieces, output):
            columns = units * pieces
            fans = Fans(inputs, units, 1.0)
            weight = Slot(
                number, "weight", 0, (inputs, columns), (padded(inputs), padded(columns)), fans, output=output
            )
            vector = Slot(number, "bias", 0, (1, columns), (1, padded(columns)), fans, output=output)
            return [weight, vector] if bias else [weight]
        case ConvOp(of, to, kernel, bias=bias, pieces=pieces):
            columns, rows = to[2] * pieces, of[2] * kernel * kernel
            fans = Fans(rows, to[2] * kernel * kernel, 1.0)
            size = (columns, of[2], kernel, kernel)
            weight = Slot(number, "weight", 0, size, size, fans)
            return [weight, Slot(number, "bias", 0, (1, columns), (1, columns), fans)] if bias else [weight]
        case NormalizeOp():
            stored = (1, _width(weighty.features, weighty.size))
            return [Slot(number, kind, 0, (1, weighty.features), stored) for kind in ("gamma", "beta")]
        case PReLUOp(size, count):
            return [Slot(number, "slope", 0, (1, count), (1, _width(count, size)))]
    return []


def as_column(column: Any, like: Any) -> Any:
    """A column (L, 1, 1) with as many dimensions as a weight (L, in, out) or (L, out, in, k, k)."""
    return column.reshape(-1, *[1] * (like.dim() - 1))
