"""The convolution of one network's images, in packs and in modules.

A kernel of one pixel that strides sees the pixels that it lands on and no others, so they are picked first. It is the
same product, and it keeps clear of a kernel of oneDNN that writes behind its buffer when it makes the gradient of such
a convolution with fewer than 8 input channels, on processors without AVX-512 (uxlfoundation/oneDNN, issue 6035): the
process was killed, or another tensor changed.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional


def convolve(image: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pad: int) -> Tensor:
    """(B, C, H, W) with weight (C', C, k, k) and bias (C',) -> (B, C', H', W'), where H' = (H + 2 pad - k) // stride
    + 1. A convolution as torch has it: the kernel is not flipped."""
    if stride > 1 and weight.shape[2:] == (1, 1) and not pad:
        image, stride = image[..., ::stride, ::stride], 1
    return functional.conv2d(image, weight, bias, stride, pad)


class Conv2d(nn.Conv2d):
    """`convolve` as a layer: what torch's layer of this name computes."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        stride: Any = self.stride
        pad: Any = self.padding
        return convolve(input, self.weight, self.bias, stride[0], pad[0])
