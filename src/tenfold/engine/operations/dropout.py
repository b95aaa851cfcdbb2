"""Dropout of single numbers, or of whole channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tenfold.engine.operations.operation import (
    Arrays,
    Columns,
    CompiledOp,
    Flow,
    Needs,
    Operands,
    PlannedOp,
    Site,
    Sized,
    Work,
    padded,
)
from tenfold.recipe.layers import ChannelDropout
from tenfold.rules.dropout import dropout_scale

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class DropoutOp(Sized):
    """Dropout of single numbers, or of whole channels; its rate is a value."""

    channels: bool

    name: ClassVar[str] = "dropout"
    columns: ClassVar[Columns] = "kept"

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        return "image" if isinstance(layer, ChannelDropout) else None

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        channels = isinstance(layer, ChannelDropout)
        return [PlannedOp(cls(site.image(layer) if channels else site.size, channels), layer)]

    @property
    def draws(self) -> tuple[int, ...]:
        """The numbers that it draws for one row: (padded units,), (H, W, C), or (1, 1, C) for whole channels."""
        if not isinstance(self.size, tuple):
            return (padded(self.size),)
        return (1, 1, self.size[2]) if self.channels else self.size

    def work(self, layer: Any) -> Work:
        return Work(dropped=self.output_count if layer.rate > 0 else 0)

    def compiled(self, layer: Any) -> CompiledOp | None:
        if isinstance(self.size, tuple):
            return None
        return CompiledOp("dropout", self.size, self.size, stored=padded(self.size), numbers=(layer.rate,))

    def lane_values(self, layers: Sequence[Any], column: Callable[[Sequence[float]], Tensor]) -> Tensor | None:
        """Rates (L, 1, 1); None if no lane drops anything."""
        rates = [layer.rate for layer in layers]
        return column(rates)[:, :, None] if any(rate > 0 for rate in rates) else None

    def row_factors(self, uniform: Tensor, rates: Tensor, dtype: torch.dtype) -> Tensor:
        """What multiplies the rows of a batch (L, B, units), from the draws of each lane's fold, of that shape."""
        return dropout_scale(uniform, rates).to(dtype)

    def image_factors(
        self, uniform: Tensor, rates: Tensor, folds: Sequence[int], counts: Sequence[int], dtype: torch.dtype
    ) -> list[Tensor]:
        """What multiplies the images of each lane, from the draws (F, B, H, W, C) of every fold; folds and counts (of
        real images) of the lanes."""
        images = uniform.permute(0, 1, 4, 2, 3)  # (F, B, C, H, W)
        return [
            dropout_scale(images[fold][:count], rate[0, 0]).to(dtype)
            for fold, count, rate in zip(folds, counts, rates, strict=True)
        ]

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        scale = lanes.scale
        if scale is None:
            return h
        if isinstance(h, list):
            return [image * factors for image, factors in zip(h, scale, strict=True)]
        assert not isinstance(scale, list)
        return h * scale

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from torch import nn

        if not layer.rate:
            return []
        return [nn.Dropout2d(layer.rate) if self.channels else nn.Dropout(layer.rate)]
