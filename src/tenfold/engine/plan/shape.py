"""What splits packs, and where each parameter of a lane lies in its row of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tenfold.data.feed.batches import ALIGN, Dealing, align
from tenfold.data.feed.tensors import TensorShapes
from tenfold.data.split.folds import Fold
from tenfold.engine.operations.operation import NetworkOperation, PlannedOp, Slot, views_before
from tenfold.engine.operations.user_module import ModuleOp
from tenfold.engine.plan.network import entering_image, plan_network, plan_recipe
from tenfold.engine.plan.size import Image, Size
from tenfold.recipe.recipe import Recipe


@dataclass(frozen=True)
class Shape:
    """The structure that all lanes of a pack share; everything else about a trial is a value.

    image: the size of what enters the network where that is an image, None where it is a row of numbers, of which the
    first `numbers` are no indicators or levels. tables: see `Size`.
    second_order: the optimizer where it is of second order, None for all others, which mix freely.
    """

    inputs: int
    image: Image | None
    outputs: int
    ops: tuple[NetworkOperation, ...]
    dealing: Dealing
    second_order: Any = None
    numbers: int | None = None
    tensors: TensorShapes | None = None
    tables: tuple[int, ...] = ()

    @property
    def size(self) -> Size:
        """What enters and leaves the network."""
        return Size(self.inputs, self.outputs, self.image, self.numbers, tensors=self.tensors, tables=self.tables)

    @staticmethod
    def of(recipe: Recipe, size: Size, folds: Sequence[Fold]) -> Shape:
        """The shape of a recipe that is trained on these folds."""
        return Shape.of_network(recipe, size, Dealing.of(folds, recipe.batch_size))

    @staticmethod
    def of_network(recipe: Recipe, size: Size, dealing: Dealing) -> Shape:
        """The shape of a recipe that is trained on batches dealt so."""
        size = size.of(recipe)
        steps = plan_network(recipe.network, size)
        second = recipe.optimizer if recipe.optimizer.family == "second_order" else None
        enters = entering_image(recipe.network, size)
        ops = tuple(step.op for step in steps)
        return Shape(size.inputs, enters, size.outputs, ops, dealing, second, size.numbers, size.tensors, size.tables)

    @property
    def is_module(self) -> bool:
        """Whether the network is a user's module."""
        return isinstance(self.ops[0], ModuleOp)

    @property
    def views(self) -> tuple[int, ...]:
        """See `views_before`."""
        return tuple(views_before(self.ops))

    def steps(self, recipe: Recipe) -> tuple[PlannedOp, ...]:
        """The operations with the values of a recipe of this shape."""
        return plan_recipe(recipe, self.size)


@dataclass(frozen=True)
class Layout:
    """All parameters of a lane in one row of `total` numbers, each starting at a multiple of ALIGN.

    inputs: columns that enter, of the widest fold.
    moments: for each batch normalization (by the number of its operation) the start of its running mean and of its
    running variance, and their length, in a row of `moment_total` numbers.
    """

    slots: tuple[Slot, ...]
    total: int
    moments: dict[int, tuple[int, int, int]]
    moment_total: int
    inputs: int
    module: ModuleOp | None = None  # the user's own, where that is the network

    @property
    def weights(self) -> list[int]:
        """The numbers of the slots that hold weights."""
        return [i for i, slot in enumerate(self.slots) if slot.is_weight]

    def slots_of(self, width: int) -> Sequence[Slot]:
        """The slots with their sizes on a fold that has so many input columns."""
        if self.module is not None:
            places = zip(self.slots, self.module.slots_of(width), strict=True)
            return [replace(slot, size=own.size) for slot, own in places]
        return [slot.cut(self.inputs - width) for slot in self.slots]

    def views(self, flat: Any) -> list[Any]:
        """One view (L, *stored) for each slot of rows (L, total)."""
        return [flat[:, s.start : s.stop].view(len(flat), *s.stored) for s in self.slots]

    @staticmethod
    def of(shape: Shape) -> Layout:
        """Operation by operation: the weight and its bias, gamma and beta, slopes."""
        slots: list[Slot] = []
        moments: dict[int, tuple[int, int, int]] = {}
        start, moment_start, seen_weight, entering = 0, 0, False, shape.inputs
        for number, op in enumerate(shape.ops):
            for slot in op.slots():
                # rows of numbers enter the first weight of all; that of a convolution has no rows of input columns
                of_columns = (slot.kind == "weight" and slot.size[0] == entering) or slot.by_column
                first = of_columns and not seen_weight and len(slot.size) == 2
                seen_weight = seen_weight or slot.kind == "weight"
                slots.append(replace(slot, op=number, start=start, first=first))
                start = align(slots[-1].stop)  # a kernel may choose its path by how its operands are aligned
            entering += op.more_columns
            width = op.moment_width
            if width:
                moments[number] = (moment_start, moment_start + align(width), width)
                moment_start += 2 * align(width)
        module = shape.ops[0] if isinstance(shape.ops[0], ModuleOp) else None
        return Layout(tuple(slots), max(start, ALIGN), moments, moment_start, shape.inputs, module)


def as_column(column: Any, like: Any) -> Any:
    """A column (L, 1, 1) with as many dimensions as a weight (L, in, out) or (L, out, in, k, k)."""
    return column.reshape(-1, *[1] * (like.dim() - 1))
