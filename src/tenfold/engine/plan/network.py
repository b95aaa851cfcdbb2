"""A network on given inputs as a straight list of operations with their sizes: what costs, packs and modules share.

`plan_network` walks the layers once, infers every shape, appends the output layer, flattens where a layer needs a
row, leaves out biases that a batch normalization would remove, and turns a residual block into `Push ... Add`.
An operation is structure only; beside it stands the layer whose numbers (a rate, a slope, an epsilon) are values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tenfold.engine.plan.size import Image, Size
from tenfold.errors import BadInput
from tenfold.recipe.layers import (
    AvgPool,
    ChannelDropout,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Layer,
    MaxPool,
    Residual,
)
from tenfold.recipe.network import Network
from tenfold.rules.activations import Maxout, PReLU
from tenfold.rules.normalization import BatchNorm, GroupNorm, LayerNorm
from tenfold.rules.record import rule_name

FlowSize = int | Image  # of what flows between two operations: units, or an image
SPATIAL = (Conv, MaxPool, AvgPool, GlobalPool, ChannelDropout)  # layers that need an image


@dataclass(frozen=True)
class DenseOp:
    """A dense map of `inputs` numbers to `units` (times `pieces` for maxout)."""

    inputs: int
    units: int
    bias: bool
    pieces: int = 1
    output: bool = False


@dataclass(frozen=True)
class ConvOp:
    """A convolution from one image size to another (`to` counts the channels without the `pieces` of maxout)."""

    of: Image
    to: Image
    kernel: int
    stride: int
    pad: int
    bias: bool
    pieces: int = 1


@dataclass(frozen=True)
class NormalizeOp:
    """Normalization of `features` units or channels; groups: of channels that share moments, 0 for batch norm."""

    size: FlowSize
    groups: int

    @property
    def features(self) -> int:
        """Units or channels, each with its gamma and beta."""
        return _features(self.size)


@dataclass(frozen=True)
class ActivationOp:
    """An activation without parameters: which one is a value."""

    size: FlowSize


@dataclass(frozen=True)
class PReLUOp:
    """PReLU with `count` learned slopes: one, or one for every unit or channel."""

    size: FlowSize
    count: int


@dataclass(frozen=True)
class MaxoutOp:
    """Maxout: the largest of each `pieces` neighbouring units or channels; `size` is that of the result."""

    size: FlowSize
    pieces: int


@dataclass(frozen=True)
class DropoutOp:
    """Dropout of single numbers, or of whole channels; its rate is a value."""

    size: FlowSize
    channels: bool


@dataclass(frozen=True)
class PoolOp:
    """Pooling of windows."""

    of: Image
    to: Image
    kind: Literal["max", "average"]
    window: int
    stride: int


@dataclass(frozen=True)
class GlobalPoolOp:
    """Global pooling: one number a channel."""

    of: Image
    kind: Literal["average", "max"]


@dataclass(frozen=True)
class FlattenOp:
    """An image as a row of numbers, channels first."""

    of: Image


@dataclass(frozen=True)
class ResidualBegin:
    """A residual block begins: its input is remembered."""

    size: FlowSize


@dataclass(frozen=True)
class ResidualEnd:
    """A residual block ends: the remembered input, through `shortcut` where the block changed the shape, is added."""

    shortcut: DenseOp | ConvOp | None


Op = (
    DenseOp
    | ConvOp
    | NormalizeOp
    | ActivationOp
    | PReLUOp
    | MaxoutOp
    | DropoutOp
    | PoolOp
    | GlobalPoolOp
    | FlattenOp
    | ResidualBegin
    | ResidualEnd
)


@dataclass(frozen=True)
class PlannedOp:
    """One operation and the layer that its values come from; gain: of the activation behind a weight layer."""

    op: Op
    layer: Any = None
    gain: float = 1.0


def plan_network(network: Network, size: Size) -> tuple[PlannedOp, ...]:
    """The operations of a network on inputs of this size, in order.

    Raises `BadInput` that names the layer where the shapes do not fit.
    """
    layers = network.sequence()
    flow: FlowSize = size.image if size.image is not None and _wants_images(layers) else size.inputs
    if not isinstance(flow, tuple):
        _check_first(layers)
    steps, flow = _walk(layers, flow, ())
    steps += _flat(flow)
    steps.append(PlannedOp(DenseOp(_count(flow), size.outputs, bias=True, output=True)))
    return tuple(_with_gains(steps))


def _wants_images(layers: Sequence[Layer]) -> bool:
    """Whether the first layer that moves numbers wants an image."""
    first = next(_movers(layers), None)
    return isinstance(first, SPATIAL)


def _movers(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers, those of blocks too, that want an image or a row."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from _movers(layer.layers)
        elif isinstance(layer, (*SPATIAL, Dense, Flatten)):
            yield layer


def _check_first(layers: Sequence[Layer]) -> None:
    """Rows of numbers enter a dense layer first: columns of zeros that pad them must not turn into something else."""
    first = next(((i, layer) for i, layer in enumerate(layers) if not isinstance(layer, Dropout | Flatten)), None)
    if first is not None and not isinstance(first[1], (Dense, *SPATIAL)):
        what = f"{rule_name(first[1])} is the first layer on a row of numbers"
        raise _misfit((first[0],), what, "dense first (and preprocess to scale the inputs)")


def _walk(layers: Sequence[Layer], size: FlowSize, place: tuple[int, ...]) -> tuple[list[PlannedOp], FlowSize]:
    steps: list[PlannedOp] = []
    for i, layer in enumerate(layers):
        here = (*place, i)
        if isinstance(layer, Maxout):
            _check_maxout(layers[:i], here)
        if isinstance(layer, Residual):
            more, size = _residual(layer, size, here)
        else:
            more, size = _one(layer, size, layers[i + 1 :], here)
        steps += more
    return steps, size


def _one(
    layer: Any, size: FlowSize, behind: Sequence[Layer], place: tuple[int, ...]
) -> tuple[list[PlannedOp], FlowSize]:
    """The operations of a layer, and the size behind them."""
    pieces = _pieces(behind)
    bias = not (behind and isinstance(behind[0], BatchNorm))
    match layer:
        case Dense(units=units):
            return [*_flat(size), PlannedOp(DenseOp(_count(size), units, bias, pieces), layer)], units
        case Conv():
            of = _image(size, layer, place)
            to = _window(of, layer.kernel, layer.stride, layer.pad, place)
            to = (*to, layer.channels)
            return [PlannedOp(ConvOp(of, to, layer.kernel, layer.stride, layer.pad, bias, pieces), layer)], to
        case MaxPool() | AvgPool():
            of, stride = _image(size, layer, place), layer.stride or layer.size
            to = (*_window(of, layer.size, stride, 0, place), of[2])
            return [
                PlannedOp(PoolOp(of, to, "max" if isinstance(layer, MaxPool) else "average", layer.size, stride))
            ], to
        case GlobalPool():
            of = _image(size, layer, place)
            return [PlannedOp(GlobalPoolOp(of, layer.of))], of[2]
        case Flatten():
            return _flat(size), _count(size)
        case Dropout() | ChannelDropout():
            channels = isinstance(layer, ChannelDropout)
            return [PlannedOp(DropoutOp(_image(size, layer, place) if channels else size, channels), layer)], size
        case BatchNorm() | LayerNorm() | GroupNorm():
            wide = _widened(size, _pieces(behind))
            return [PlannedOp(NormalizeOp(wide, _groups(layer, wide, place)), layer)], size
        case Maxout(pieces=k):
            return [PlannedOp(MaxoutOp(size, k), layer)], size
        case PReLU(per=per):
            return [PlannedOp(PReLUOp(size, 1 if per == "layer" else _features(size)), layer)], size
        case _:
            return [PlannedOp(ActivationOp(size), layer)], size


def _check_maxout(before: Sequence[Layer], place: tuple[int, ...]) -> None:
    """Maxout stands behind the weight layer whose pieces it compares; a normalization may stand between."""
    norms = BatchNorm | LayerNorm | GroupNorm
    weights = next((layer for layer in reversed(before) if not isinstance(layer, norms)), None)
    if not isinstance(weights, Dense | Conv):
        raise _misfit(place, "maxout without the layer whose pieces it compares", "dense or conv directly before it")


def _residual(block: Residual, size: FlowSize, place: tuple[int, ...]) -> tuple[list[PlannedOp], FlowSize]:
    steps, after = _walk(block.layers, size, place)
    if isinstance(size, tuple) != isinstance(after, tuple):
        raise _misfit(place, "its layers turn an image into a row of numbers", "the same kind at both ends")
    return [PlannedOp(ResidualBegin(size)), *steps, PlannedOp(ResidualEnd(_shortcut(size, after, place)), block)], after


def _shortcut(size: FlowSize, after: FlowSize, place: tuple[int, ...]) -> DenseOp | ConvOp | None:
    if size == after:
        return None
    if not isinstance(size, tuple) or not isinstance(after, tuple):
        return DenseOp(_count(size), _count(after), bias=False)
    stride = -(-size[0] // after[0])
    if _out(size[0], 1, stride, 0) != after[0] or _out(size[1], 1, stride, 0) != after[1]:
        raise _misfit(place, f"its layers turn {_said(size)} into {_said(after)}", "what a single stride makes of it")
    return ConvOp(size, after, 1, stride, 0, bias=False)


def _pieces(behind: Sequence[Layer]) -> int:
    """k if the next activation is maxout of k pieces (a normalization may stand between), else 1."""
    for layer in behind:
        if isinstance(layer, Maxout):
            return layer.pieces
        if not isinstance(layer, BatchNorm | LayerNorm | GroupNorm):
            break
    return 1


def _widened(size: FlowSize, pieces: int) -> FlowSize:
    return (*size[:2], size[2] * pieces) if isinstance(size, tuple) else size * pieces


def _groups(layer: Any, size: FlowSize, place: tuple[int, ...]) -> int:
    if isinstance(layer, BatchNorm):
        return 0
    groups = layer.groups if isinstance(layer, GroupNorm) else 1
    if _features(size) % groups:
        raise _misfit(place, f"{groups} groups of {_features(size)} features", "a number of groups that divides them")
    return groups


def _flat(size: FlowSize) -> list[PlannedOp]:
    return [PlannedOp(FlattenOp(size))] if isinstance(size, tuple) else []


def _count(size: FlowSize) -> int:
    return math.prod(size) if isinstance(size, tuple) else size


def _features(size: FlowSize) -> int:
    return size[2] if isinstance(size, tuple) else size


def _image(size: FlowSize, layer: Any, place: tuple[int, ...]) -> Image:
    if not isinstance(size, tuple):
        raise _misfit(place, f"{rule_name(layer)} needs an image; here is a row of {size} numbers", "data of images, "
                      "and no flatten, dense or global_pool before it")  # fmt: skip
    return size


def _window(of: Image, window: int, stride: int, pad: int, place: tuple[int, ...]) -> tuple[int, int]:
    height, width = _out(of[0], window, stride, pad), _out(of[1], window, stride, pad)
    if height < 1 or width < 1:
        raise _misfit(place, f"a window of {window} x {window} on an image of {_said(of)}", "a smaller window")
    return height, width


def _out(length: int, window: int, stride: int, pad: int) -> int:
    return (length + 2 * pad - window) // stride + 1


def _said(size: FlowSize) -> str:
    return " x ".join(map(str, size)) if isinstance(size, tuple) else f"{size} units"


def _misfit(place: tuple[int, ...], found: str, expected: str) -> BadInput:
    where = "network" + "".join(f".layers[{i}]" for i in place)
    return BadInput(found, where=where, expected=expected)


def _with_gains(steps: Sequence[PlannedOp]) -> list[PlannedOp]:
    """Beside each weight layer the gain of the activation that follows it before the next one; 1 where none does."""
    found, gain = [], 1.0
    for step in reversed(steps):
        if isinstance(step.op, ActivationOp | PReLUOp | MaxoutOp):
            gain = step.layer.gain
        if isinstance(step.op, DenseOp | ConvOp):
            step, gain = PlannedOp(step.op, step.layer, 1.0 if _is_output(step.op) else gain), 1.0
        found.append(step)
    return found[::-1]


def _is_output(op: Op) -> bool:
    return isinstance(op, DenseOp) and op.output


def size_of(op: DropoutOp) -> tuple[int, ...]:
    """The numbers that a dropout draws for one row: (units,), (H, W, C), or (1, 1, C) for whole channels."""
    if not isinstance(op.size, tuple):
        return (op.size,)
    return (1, 1, op.size[2]) if op.channels else op.size


def output_count(op: Op) -> int:
    """The numbers that an operation puts out for one row."""
    match op:
        case DenseOp(_, units, _, pieces):
            return units * pieces
        case ConvOp(_, to, pieces=pieces):
            return math.prod(to) * pieces
        case PoolOp(_, to):
            return math.prod(to)
        case GlobalPoolOp(of):
            return of[2]
        case FlattenOp(of):
            return math.prod(of)
        case ResidualEnd():
            return 0
    return _count(op.size)


def parameter_count(op: Op) -> int:
    """The learned numbers of an operation."""
    match op:
        case DenseOp(inputs, units, bias, pieces):
            return (inputs + bias) * units * pieces
        case ConvOp(of, to, kernel, bias=bias, pieces=pieces):
            return (of[2] * kernel * kernel + bias) * to[2] * pieces
        case NormalizeOp():
            return 2 * op.features
        case PReLUOp(count=learned):
            return learned
        case ResidualEnd(shortcut):
            return 0 if shortcut is None else parameter_count(shortcut)
    return 0


def sees_images(steps: Sequence[PlannedOp]) -> bool:
    """Whether images (rather than rows of numbers) enter the network."""
    first = steps[0].op
    spatial = isinstance(first, ConvOp | PoolOp | GlobalPoolOp | FlattenOp)
    return spatial or isinstance(getattr(first, "size", None), tuple)
