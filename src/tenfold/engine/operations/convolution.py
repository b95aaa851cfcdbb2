"""A convolution of images: a loop over lanes, each with torch's own kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tenfold.engine.operations.maxout import pieces_behind
from tenfold.engine.operations.normalization import keeps_bias
from tenfold.engine.operations.operation import (
    Arrays,
    Flow,
    Needs,
    NetworkOperation,
    Operands,
    PlannedOp,
    Site,
    Slot,
    Work,
)
from tenfold.engine.operations.pooling import window_size
from tenfold.engine.plan.size import Image
from tenfold.rules.initialization import Fans

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ConvOp(NetworkOperation):
    """A convolution from one image size to another (`to` counts the channels without the `pieces` of maxout)."""

    of: Image
    to: Image
    kernel: int
    stride: int
    pad: int
    bias: bool
    pieces: int = 1

    name: ClassVar[str] = "convolution"
    is_weight: ClassVar[bool] = True

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        return "image"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        of, window = site.image(layer), (layer.kernel, layer.stride, layer.pad)
        to = (*window_size(of, *window, site.path), layer.channels)
        return [PlannedOp(cls(of, to, *window, keeps_bias(site.behind), pieces_behind(site.behind)), layer)]

    @property
    def output_size(self) -> Image:
        height, width, channels = self.to
        return height, width, channels * self.pieces

    def slots(self) -> list[Slot]:
        columns, pixels = self.output_size[2], self.kernel * self.kernel
        fans = Fans(self.of[2] * pixels, self.to[2] * pixels, 1.0)
        size = (columns, self.of[2], self.kernel, self.kernel)
        weight = Slot("weight", size, size, fans)
        return [weight, Slot("bias", (1, columns), (1, columns), fans)] if self.bias else [weight]

    def work(self, layer: Any) -> Work:
        out = math.prod(self.output_size)
        products = out * self.of[2] * self.kernel * self.kernel
        return Work(conv_products=products, convs=1, units=out, weights=self.parameter_count)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        weights = lanes.parameters[0].unbind()
        # (L, 1, channels) -> a vector a lane
        biases: Any = [bias[0] for bias in lanes.parameters[1].unbind()] if self.bias else [None] * len(weights)
        # On CPUs a loop over lanes beats a grouped convolution nearly everywhere, and gives every lane the bits that
        # it has alone, which a grouped convolution does not (bench/images.py --lanes).
        return [
            convolve(image, weight, bias, self.stride, self.pad)
            for image, weight, bias in zip(h, weights, biases, strict=True)
        ]

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        import torch

        from tenfold.engine.layers import Conv2d

        weight = arrays["weight"]
        conv = Conv2d(weight.shape[1], weight.shape[0], self.kernel, self.stride, self.pad, bias=self.bias)
        conv.weight.data = torch.from_numpy(weight)
        if conv.bias is not None:
            conv.bias.data = torch.from_numpy(arrays["bias"])
        return [conv]


def convolve(image: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pad: int) -> Tensor:
    """(B, C, H, W) with weight (C', C, k, k) and bias (C',) -> (B, C', H', W'), where H' = (H + 2 pad - k) // stride
    + 1. A convolution as torch has it: the kernel is not flipped."""
    import torch

    # A kernel of one pixel that strides sees the pixels that it lands on and no others, so they are picked first. It
    # is the same product, and it avoids a kernel of oneDNN that writes behind its buffer when it makes the gradient
    # of such a convolution with fewer than 8 input channels, on processors without AVX-512 (uxlfoundation/oneDNN,
    # issue 6035): the process was killed, or another tensor changed.
    if stride > 1 and weight.shape[2:] == (1, 1) and not pad:
        image, stride = image[..., ::stride, ::stride], 1
    return torch.nn.functional.conv2d(image, weight, bias, stride, pad)
