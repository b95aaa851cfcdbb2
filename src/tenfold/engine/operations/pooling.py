"""Pooling of windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tenfold.engine.operations.operation import (
    Arrays,
    Flow,
    Needs,
    NetworkOperation,
    Operands,
    PlannedOp,
    Site,
    Work,
    misfit,
    size_in_words,
)
from tenfold.engine.plan.size import Image
from tenfold.recipe.layers import MaxPool

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class PoolOp(NetworkOperation):
    """Pooling of windows."""

    of: Image
    to: Image
    kind: Literal["max", "average"]
    window: int
    stride: int

    name: ClassVar[str] = "pooling"

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        return "image"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        of, stride = site.image(layer), layer.stride or layer.size
        to = (*window_size(of, layer.size, stride, 0, site.path), of[2])
        return [PlannedOp(cls(of, to, "max" if isinstance(layer, MaxPool) else "average", layer.size, stride))]

    @property
    def output_size(self) -> Image:
        return self.to

    def work(self, layer: Any) -> Work:
        return Work(units=math.prod(self.of))

    def pool(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H', W')."""
        import torch

        functional = torch.nn.functional
        pool = functional.max_pool2d if self.kind == "max" else functional.avg_pool2d
        return pool(image, self.window, self.stride)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        return [self.pool(image) for image in h]

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from torch import nn

        pool = nn.MaxPool2d if self.kind == "max" else nn.AvgPool2d
        return [pool(self.window, self.stride)]


def window_size(of: Image, window: int, stride: int, pad: int, path: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of what a window that strides over an image leaves. Raises `BadInput` if that is nothing."""
    height, width = window_count(of[0], window, stride, pad), window_count(of[1], window, stride, pad)
    if height < 1 or width < 1:
        raise misfit(path, f"a window of {window} x {window} on an image of {size_in_words(of)}", "a smaller window")
    return height, width


def window_count(length: int, window: int, stride: int, pad: int) -> int:
    """Places of a window along a length that is padded on both sides."""
    return (length + 2 * pad - window) // stride + 1
