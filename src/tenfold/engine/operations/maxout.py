"""Maxout: the largest of neighbouring maps of the weight layer in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tenfold.engine.operations.operation import (
    Arrays,
    CompiledOp,
    Flow,
    Operands,
    PlannedOp,
    Site,
    Sized,
    misfit,
    padded,
)
from tenfold.recipe.layers import Conv, Dense
from tenfold.rules.activations import Maxout, maxout, maxout_channels
from tenfold.rules.normalization import NormLayer

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MaxoutOp(Sized):
    """Maxout: the largest of each `pieces` neighbouring units or channels; `size` is that of the result."""

    pieces: int

    name: ClassVar[str] = "maxout"
    is_activation: ClassVar[bool] = True

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        weights = next((other for other in reversed(site.before) if not isinstance(other, NormLayer)), None)
        if not isinstance(weights, Dense | Conv):
            found = "maxout without the layer whose pieces it compares"
            raise misfit(site.path, found, "dense or conv directly before it")
        size, pieces = site.size, layer.pieces
        size = (size[0], size[1], size[2] // pieces) if isinstance(size, tuple) else size // pieces
        return [PlannedOp(cls(size, pieces), layer)]

    def compiled(self, layer: Any) -> CompiledOp | None:
        if isinstance(self.size, tuple):
            return None
        return CompiledOp("maxout", self.size * self.pieces, self.size, self.pieces)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        import torch

        if isinstance(h, list):
            return [maxout_channels(image, self.pieces) for image in h]
        assert isinstance(self.size, int)
        y = maxout(h[..., : self.size * self.pieces], self.pieces)  # (L, B, units)
        return torch.nn.functional.pad(y, (0, padded(self.size) - self.size))

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from tenfold.engine.layers import MaxoutLayer

        return [MaxoutLayer(self.pieces)]


def pieces_behind(layers: Sequence[Any]) -> int:
    """k if the next activation is maxout of k pieces, else 1."""
    following = next((layer for layer in layers if not isinstance(layer, NormLayer)), None)
    return following.pieces if isinstance(following, Maxout) else 1
