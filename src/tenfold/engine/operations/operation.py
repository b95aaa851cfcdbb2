"""What every operation of a planned network is: its parameters, sizes and cost, and what it does to stacked lanes.

An operation is structure only. Next to it in the plan is the layer whose numbers (a rate, a slope, an epsilon) are
values, which may differ from lane to lane. Nothing here or in the files of the operations imports torch before
tensors come in: plans and costs are made without it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np

from tenfold.data.feed.batches import align
from tenfold.engine.plan.size import Image, Size
from tenfold.errors import BadInput
from tenfold.rules.initialization import Fans
from tenfold.rules.record import numbers, rule_name

if TYPE_CHECKING:
    from torch import Tensor, nn

FlowSize = int | Image  # of what flows between two operations: units, or an image
# What flows: rows (L, B, units), units padded; or images, one tensor (rows, channels, height, width) a lane.
Flow: TypeAlias = "Tensor | list[Tensor]"
Block = tuple[int, Callable[..., Any]]  # so many neighbouring lanes, and the function of all of them
Arrays = Mapping[str, np.ndarray]  # of one network, by kind
Needs = Literal["image", "row"] | None  # what a layer must get; None where it takes both
Columns = Literal["ignored", "kept", "changed"]
MATRICES = "weight", "view"  # the kinds of slots that are not one vector
Walk = Callable[[Sequence[Any], FlowSize, tuple[int, ...], Size], "tuple[list[PlannedOp], FlowSize]"]


def count(size: FlowSize) -> int:
    """The numbers of one row."""
    return math.prod(size) if isinstance(size, tuple) else size


def features(size: FlowSize) -> int:
    """Units, or channels."""
    return size[2] if isinstance(size, tuple) else size


def size_in_words(size: FlowSize) -> str:
    """9 x 8 x 3, or 64 units."""
    return " x ".join(map(str, size)) if isinstance(size, tuple) else f"{size} units"


def padded(units: int) -> int:
    """A width with units of weight 0 added, to a multiple of 4; of 16 up to 48 units.

    A matrix product's last bits depend on whether each lane's matrices start at a multiple of 16 bytes, and so,
    without padding, on the lane's place in the pack. Narrow ones run up to twice as fast at multiples of 16.
    """
    return align(units, 16 if units <= 48 else 4)


def stored_width(size: FlowSize) -> int:
    """The stored length of a vector with a number for each feature: padded where rows of numbers flow."""
    return features(size) if isinstance(size, tuple) else padded(size)


@dataclass(frozen=True)
class Slot:
    """One parameter of a lane: its kind (its name within the operation), its size and the size in which it is stored;
    what lies outside `size` is 0 and stays 0. Then where it is: its operation (a number) and where it starts in the
    lane's row, which `Layout` fills in.

    A dense weight is (inputs, units), a convolution's (channels, channels in, kernel, kernel), the factors of views are
    (views, units), all others (1, units).

    by_column: it has a number for each unit that enters. learned: whether it is learned, or fitted to the training rows
    when a lane starts (`NetworkOperation.fit`) and stays as it is.
    """

    kind: str
    size: tuple[int, ...]
    stored: tuple[int, ...]
    fans: Fans | None = None  # of a weight or its bias, gain 1
    output: bool = False
    op: int = 0
    start: int = 0
    first: bool = False  # its rows, or where it is no weight its numbers, are the network's input columns
    by_column: bool = False
    learned: bool = True
    own: Literal["", "weight", "other"] = ""  # of a user's module, as torch stores it; whether decay acts on it
    rate: float = 1.0  # factor of its learning rate

    @property
    def is_weight(self) -> bool:
        """Whether penalties act on it."""
        return self.kind == "weight" or self.own == "weight"

    @property
    def stop(self) -> int:
        """One past its last number."""
        return self.start + math.prod(self.stored)

    @property
    def matrix(self) -> tuple[int, int]:
        """(rows, columns) that an initialization draws: inputs of a unit, units."""
        return (self.size[0], self.size[1]) if len(self.size) == 2 else (math.prod(self.size[1:]), self.size[0])

    def cut(self, lacking: int) -> Slot:
        """The same where a fold lacks so many of the input columns, the last ones."""
        if not self.first or not lacking:
            return self
        rows, columns = self.size
        size = (rows - lacking, columns) if self.kind == "weight" else (rows, columns - lacking)
        return replace(self, size=size, fans=self.fans and self.fans._replace(fan_in=size[0]))

    @property
    def is_vector(self) -> bool:
        """Whether it is a number for each unit or channel, (1, units): among arrays by name it is (units,)."""
        return self.kind not in MATRICES and not self.own

    def real(self, view: Any) -> Any:
        """A view (lanes, *stored) without its padding, (lanes, *size)."""
        if self.own:
            return view[(slice(None), *map(slice, self.size))]
        return view[:, : self.size[0], : self.size[1]] if len(self.size) == 2 else view


@dataclass(frozen=True)
class Work:
    """What a network, or one operation of it, does for one row, and what it learns."""

    products: int = 0  # multiplications of dense maps, forward
    conv_products: int = 0  # of convolutions
    convs: int = 0
    units: int = 0  # numbers that dense maps, convolutions and pools put out or take in
    normalized: int = 0  # numbers that are normalized
    dropped: int = 0  # numbers that can be dropped
    weights: int = 0  # learned numbers

    def of_views(self, count: int) -> Work:
        """The same for that many views of a row, which learn the same numbers."""
        return Work(**{name: value * (1 if name == "weights" else count) for name, value in vars(self).items()})

    def __add__(self, other: Work) -> Work:
        return Work(*(mine + more for mine, more in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class PlannedOp:
    """One operation and the layer that its values come from; gain: of the activation behind a weight layer."""

    op: NetworkOperation
    layer: Any = None
    gain: float = 1.0


class CompiledOp(NamedTuple):
    """What the compiled lanes take an operation for; see `Operation` in native/source/interface.h.

    kind: its name there, in small letters. inputs, outputs: units. option: a whole number, or the name of an
    activation. stored: the numbers that a dropout draws for each row. numbers: at most four.
    """

    kind: str
    inputs: int
    outputs: int
    option: int | str = 0
    stored: int = 0
    numbers: tuple[float, ...] = ()


class Site(NamedTuple):
    """Where a layer is: the size of what enters it, the layers before and behind it in its block, its path of numbers
    from the outermost list of layers; walk: plans the layers of a block that begins with such a size; entering: the
    size of what enters the network."""

    size: FlowSize
    before: Sequence[Any]
    behind: Sequence[Any]
    path: tuple[int, ...]
    walk: Walk
    entering: Size

    def image(self, layer: Any) -> Image:
        """The size of the image that enters. Raises `BadInput` where a row of numbers does."""
        if not isinstance(self.size, tuple):
            found = f"{rule_name(layer)} needs an image; here is a row of {self.size} numbers"
            raise misfit(self.path, found, "data of images, and no flatten, dense or global_pool before it")
        return self.size


def misfit(path: tuple[int, ...], found: str, expected: str) -> BadInput:
    """The error that names the layer which does not fit."""
    where = "network" + "".join(f".layers[{i}]" for i in path)
    return BadInput(found, where=where, expected=expected)


class BatchContext(NamedTuple):
    """What a training batch has besides its inputs; None stands for evaluation.

    weight (L, 1, B): 1 / rows for real rows, 0 for padding; rows: real rows of each lane; update: its number from 1;
    scales: for each dropout that drops something the factors, (L, B, units) or one tensor a lane; frozen: leave the
    running moments of batch normalization as they are; draws: of user's modules.
    """

    weight: Tensor
    rows: Sequence[int]
    update: int
    scales: Mapping[int, Flow]
    frozen: bool = False
    draws: Any = None


class Operands(NamedTuple):
    """What the lanes bring to one operation: its parameters, one view (L, *stored) a slot; what `lane_values` made of
    their layers; views (L, 1, features) of its running means and variances, if it has any; the training batch; in
    training the factors of a dropout; the inputs of the residual blocks that are open."""

    parameters: Sequence[Tensor]
    values: Any
    moments: tuple[Tensor, Tensor] | None
    batch: BatchContext | None
    scale: Flow | None
    remembered: list[Flow]


class NetworkOperation(ABC):
    """One operation of a network.

    name: in words. is_weight: whether its products are what an initialization scales; is_activation: whether its
    layer has a gain. columns: what it does with columns of zeros that pad the inputs of a table: they have no effect
    (ignored), stay zeros (kept), or turn into something else (changed), so that it cannot come first.
    """

    name: ClassVar[str]
    is_weight: ClassVar[bool] = False
    is_activation: ClassVar[bool] = False
    columns: ClassVar[Columns] = "changed"

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        """What its layer needs to get."""
        return None

    @classmethod
    @abstractmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        """The operations of a layer. Raises `BadInput` that names the layer where it does not fit."""

    @property
    @abstractmethod
    def output_size(self) -> FlowSize | None:
        """What it puts out; None where that is what enters it."""

    @property
    def output_count(self) -> int:
        """The numbers that it puts out for one row; 0 where it changes those that enter."""
        return 0 if self.output_size is None else count(self.output_size)

    def slots(self) -> list[Slot]:
        """Its parameters."""
        return []

    @property
    def parameter_count(self) -> int:
        """Its learned numbers."""
        return sum(math.prod(slot.size) for slot in self.slots() if slot.learned)

    @property
    def more_columns(self) -> int:
        """By how many columns it widens a row of a table, in front of those that pad a narrower fold's."""
        return 0

    @property
    def moment_width(self) -> int:
        """The length of its running mean and of its running variance; 0 if it has none."""
        return 0

    def initial_value(self, kind: str, layer: Any) -> float | None:
        """Where its parameter of that kind starts; None if the recipe's initialization draws it."""
        return None

    def draw(self, kind: str, layer: Any, rng: np.random.Generator) -> np.ndarray | None:
        """Where its parameter of that kind starts, drawn from a generator that all recipes of a fold share, (...,
        units); None if it is not drawn so."""
        return None

    def fit(self, kind: str, layer: Any, columns: Iterable[np.ndarray], target: np.ndarray) -> np.ndarray | None:
        """Where its parameter of that kind starts, (units,), decided by the training rows: by their numeric columns,
        each (rows,) as they enter, and the target (rows,), classes or numbers; None for one that is learned."""
        return None

    @property
    def views(self) -> int:
        """The rows that it makes of one."""
        return 1

    def batch_behind(self, batch: BatchContext) -> BatchContext:
        """The batch as the operations behind it have it."""
        return batch

    def work(self, layer: Any) -> Work:
        """What it does for one row that enters it."""
        return Work(weights=self.parameter_count)

    def compiled(self, layer: Any) -> CompiledOp | None:
        """What the compiled lanes take it for, with the numbers of its layer; None where they do not know it: then its
        network is trained in packs."""
        return None

    def lane_values(self, layers: Sequence[Any], column: Callable[[Sequence[float]], Tensor]) -> Any:
        """The numbers of its layers, one a lane, as `forward` takes them. column: makes a tensor (L, 1)."""
        return None

    @abstractmethod
    def forward(self, h: Flow, lanes: Operands) -> Flow:
        """What it makes of what flows through all lanes."""

    @abstractmethod
    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        """The torch layers that do the same for one network; arrays: its parameters and running moments by kind."""

    def extend(self, stack: list[list[nn.Module]], layer: Any, arrays: Arrays) -> None:
        """Put its torch layers behind those there are; stack: a list for the network and for each open block."""
        stack[-1] += self.modules(layer, arrays)


@dataclass(frozen=True)
class Sized(NetworkOperation):
    """An operation that puts out numbers of `size`."""

    size: FlowSize

    @property
    def output_size(self) -> FlowSize:
        return self.size


def views_before(ops: Sequence[NetworkOperation]) -> list[int]:
    """Of how many views what enters each operation is, and at the end what leaves the last one in training."""
    counts = [1]
    for op in ops:
        counts.append(counts[-1] * op.views)
    return counts


def rule_blocks(rules: Sequence[Any]) -> list[Block]:
    """(lanes, formula with the rule's numbers behind its tensors) for each run of neighbouring lanes with one rule."""
    blocks: list[Block] = []
    for rule, run in groupby(rules):
        formula, values = type(rule).formula, numbers(rule)
        blocks.append((len(list(run)), lambda *tensors, formula=formula, values=values: formula(*tensors, *values)))
    return blocks
