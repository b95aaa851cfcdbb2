"""Layers that torch lacks, for a trained lane as an ordinary torch module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tenfold.engine.operations.convolution import convolve
from tenfold.engine.plan.size import Image
from tenfold.rules.activations import maxout, maxout_channels
from tenfold.rules.record import numbers


class ActivationLayer(nn.Module):
    """An activation rule as a layer."""

    def __init__(self, rule: Any) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, z: Tensor) -> Tensor:
        """The rule's formula with its own numbers."""
        return type(self.rule).formula(z, *numbers(self.rule))

    def extra_repr(self) -> str:
        return repr(self.rule)


class ParametricLayer(nn.Module):
    """A parametric activation as a layer; mix: one number for every unit or channel."""

    def __init__(self, rule: Any, mix: Tensor) -> None:
        super().__init__()
        self.rule, self.mix = rule, nn.Parameter(mix)

    def forward(self, z: Tensor) -> Tensor:
        """(rows, units) or (rows, channels, H, W), of the same shape."""
        own = self.mix[:, None, None] if z.dim() == 4 else self.mix
        return type(self.rule).formula(z, own, *numbers(self.rule))

    def extra_repr(self) -> str:
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
        return " x ".join(map(str, self.image))


class Conv2d(nn.Conv2d):
    """`convolve` as a layer: what torch's layer of this name computes."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        stride: Any = self.stride
        pad: Any = self.padding
        return convolve(input, self.weight, self.bias, stride[0], pad[0])


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
