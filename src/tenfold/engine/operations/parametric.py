"""A parametric activation, whose share in its output is learned unit by unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tenfold.engine.operations.operation import (
    Arrays,
    Block,
    CompiledOp,
    Flow,
    Operands,
    PlannedOp,
    Site,
    Sized,
    Slot,
    features,
    rule_blocks,
    stored_width,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ParametricOp(Sized):
    """A parametric activation with one number for every unit or channel; which activation it mixes is a value."""

    name: ClassVar[str] = "parametric activation"
    is_activation: ClassVar[bool] = True

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        return [PlannedOp(cls(site.size), layer)]

    def slots(self) -> list[Slot]:
        return [Slot("mix", (1, features(self.size)), (1, stored_width(self.size)))]

    def initial_value(self, kind: str, layer: Any) -> float | None:
        return layer.start

    def compiled(self, layer: Any) -> CompiledOp | None:
        if isinstance(self.size, tuple):
            return None
        mixed = layer.mixed
        return CompiledOp("parametric", self.size, self.size, mixed.native, numbers=(mixed.native_number,))

    def lane_values(self, layers: Sequence[Any], column: Callable[[Sequence[float]], Tensor]) -> list[Block]:
        return rule_blocks(layers)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        import torch

        blocks: list[Block] = lanes.values
        mix = lanes.parameters[0]  # (L, 1, stored)
        if isinstance(h, list):
            formulas = [formula for count, formula in blocks for _ in range(count)]
            mixes = mix[:, 0, : features(self.size), None, None].unbind()
            return [formula(image, own) for formula, image, own in zip(formulas, h, mixes, strict=True)]
        if len(blocks) == 1:
            return blocks[0][1](h, mix)
        counts = [count for count, _ in blocks]
        parts = zip(h.split(counts), mix.split(counts), blocks, strict=True)
        return torch.cat([formula(part, own) for part, own, (_, formula) in parts])

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        import torch

        from tenfold.engine.layers import ParametricLayer

        return [ParametricLayer(layer, torch.from_numpy(arrays["mix"]))]
