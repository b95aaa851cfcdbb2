"""A trained lane as an ordinary torch module that takes encoded, preprocessed rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.engine.packs.convolution import Conv2d
from tenfold.engine.plan.network import (
    ActivationOp,
    ConvOp,
    DenseOp,
    DropoutOp,
    FlattenOp,
    GlobalPoolOp,
    MaxoutOp,
    NormalizeOp,
    PlannedOp,
    PoolOp,
    PReLUOp,
    ResidualBegin,
    ResidualEnd,
)  # fmt: skip
from tenfold.engine.plan.shape import Layout
from tenfold.engine.plan.size import Image
from tenfold.rules.activations import maxout, maxout_channels
from tenfold.rules.normalization import BatchNorm
from tenfold.rules.record import numbers

Arrays = Mapping[str, np.ndarray]


class ActivationLayer(nn.Module):
    """An activation rule as a layer."""

    def __init__(self, rule: Any) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, z: Tensor) -> Tensor:
        """The rule's formula with its own numbers."""
        return type(self.rule).formula(z, *numbers(self.rule))

    def extra_repr(self) -> str:
        """The rule."""
        return repr(self.rule)


class MaxoutLayer(nn.Module):
    """The largest of each `pieces` neighbouring units or channels."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, z: Tensor) -> Tensor:
        """(rows, units * pieces) -> (rows, units), or the same of channels."""
        return maxout_channels(z, self.pieces) if z.dim() == 4 else maxout(z, self.pieces)

    def extra_repr(self) -> str:
        """The number of pieces."""
        return f"pieces={self.pieces}"


class ImageLayer(nn.Module):
    """Rows of pixels, channel last, as images (rows, channels, height, width)."""

    def __init__(self, image: Image) -> None:
        super().__init__()
        self.image = image

    def forward(self, x: Tensor) -> Tensor:
        """(rows, H W C) -> (rows, C, H, W)."""
        return x.unflatten(1, self.image).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        """Height, width, channels."""
        return " x ".join(map(str, self.image))


class GlobalMaxLayer(nn.Module):
    """The largest value of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(rows, C, H, W) -> (rows, C, 1, 1)."""
        return x.amax((2, 3), keepdim=True)


class ResidualLayer(nn.Module):
    """Layers with their input added to their output."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """f(x) + s(x)."""
        return self.body(x) + self.shortcut(x)


def lane_arrays(layout: Layout, width: int, w: Tensor, moments: Tensor) -> dict[str, np.ndarray]:
    """One lane's parameters by name, as `Pack.parameters` says. w: its row (1, layout.total); moments: its running
    moments (layout.moment_total,); width: the input columns of its fold."""
    found: dict[str, np.ndarray] = {}
    for slot, view in zip(layout.slots, layout.views(w), strict=True):
        array = slot.real(view)[0].cpu().numpy().copy()
        array = array[:width] if slot.first else array
        found[f"{slot.op}.{slot.kind}"] = array if slot.kind == "weight" else array[0]
    row = moments.cpu().numpy()
    for number, (mean, var, _) in layout.moments.items():
        units = found[f"{number}.gamma"].size
        found[f"{number}.running_mean"] = row[mean : mean + units].copy()
        found[f"{number}.running_var"] = row[var : var + units].copy()
    return found


def build_module(steps: Sequence[PlannedOp], arrays: Arrays, image: Image | None) -> nn.Sequential:
    """The network in evaluation mode. steps: of the recipe on its inputs; arrays: `Pack.parameters`; image: the size
    of what enters the network where that is an image. The module takes preprocessed rows, (rows, columns)."""
    dtype = torch.from_numpy(next(iter(arrays.values()))).dtype
    stack: list[list[nn.Module]] = [[ImageLayer(image)] if image is not None else []]
    for number, step in enumerate(steps):
        mine = {name.split(".", 1)[1]: array for name, array in arrays.items() if name.startswith(f"{number}.")}
        if isinstance(step.op, ResidualBegin):
            stack.append([])
        elif isinstance(step.op, ResidualEnd):
            shortcut = nn.Identity() if step.op.shortcut is None else _weights(step.op.shortcut, mine)
            body = nn.Sequential(*stack.pop())
            stack[-1].append(ResidualLayer(body, shortcut))
        else:
            stack[-1] += _modules(step, mine)
    return nn.Sequential(*stack[0]).to(dtype).eval()


def _modules(step: PlannedOp, mine: Arrays) -> list[nn.Module]:
    """The torch layers of one operation."""
    match step.op:
        case DenseOp() | ConvOp():
            return [_weights(step.op, mine)]
        case NormalizeOp():
            return [_norm(step.op, step.layer, mine)]
        case ActivationOp():
            return [ActivationLayer(step.layer)]
        case PReLUOp(count=count):
            prelu = nn.PReLU(count)
            prelu.weight.data = torch.from_numpy(mine["slope"])
            return [prelu]
        case MaxoutOp(pieces=pieces):
            return [MaxoutLayer(pieces)]
        case DropoutOp(channels=channels):
            rate = step.layer.rate
            return [nn.Dropout2d(rate) if channels else nn.Dropout(rate)] if rate else []
        case PoolOp(kind=kind, window=window, stride=stride):
            return [nn.MaxPool2d(window, stride) if kind == "max" else nn.AvgPool2d(window, stride)]
        case GlobalPoolOp(kind=kind):
            return [nn.AdaptiveAvgPool2d(1) if kind == "average" else GlobalMaxLayer(), nn.Flatten()]
        case FlattenOp():
            return [nn.Flatten()]
    raise AssertionError(step.op)


def _weights(op: DenseOp | ConvOp, mine: Arrays) -> nn.Module:
    weight = mine["weight"]
    if isinstance(op, DenseOp):
        layer: Any = nn.Linear(*weight.shape, bias=op.bias)
        layer.weight.data = torch.from_numpy(np.ascontiguousarray(weight.T))
    else:
        layer = Conv2d(weight.shape[1], weight.shape[0], op.kernel, op.stride, op.pad, bias=op.bias)
        layer.weight.data = torch.from_numpy(weight)
    if op.bias:
        layer.bias.data = torch.from_numpy(mine["bias"])
    return layer


def _norm(op: NormalizeOp, rule: Any, mine: Arrays) -> nn.Module:
    image, features = isinstance(op.size, tuple), op.features
    if op.groups:
        norm: Any = nn.GroupNorm(op.groups, features, eps=rule.eps)
    else:
        keep = rule.keep if isinstance(rule, BatchNorm) and rule.average == "exponential" else None
        momentum = None if keep is None else 1 - keep
        norm = (nn.BatchNorm2d if image else nn.BatchNorm1d)(features, eps=rule.eps, momentum=momentum)
        for name in ("running_mean", "running_var"):
            setattr(norm, name, torch.from_numpy(mine[name]))
    norm.weight.data = torch.from_numpy(mine["gamma"])
    norm.bias.data = torch.from_numpy(mine["beta"])
    return norm


def with_dropout(module: nn.Module) -> nn.Module | None:
    """A copy in evaluation mode whose dropout layers alone are in training mode; None where it has none."""
    copy = deepcopy(module).eval()
    layers = [part for part in copy.modules() if isinstance(part, nn.Dropout | nn.Dropout2d)]
    for part in layers:
        part.train()
    return copy if layers else None
