"""PReLU, whose slopes are learned."""

from __future__ import annotations

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
    Slot,
    features,
    padded,
)
from tenfold.rules.activations import prelu

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PReLUOp(Sized):
    """PReLU with `count` learned slopes: one, or one for every unit or channel."""

    count: int

    name: ClassVar[str] = "PReLU"
    is_activation: ClassVar[bool] = True

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        return [PlannedOp(cls(site.size, 1 if layer.per == "layer" else features(site.size)), layer)]

    def slots(self) -> list[Slot]:
        stored = self.count if isinstance(self.size, tuple) else padded(self.count)
        return [Slot("slope", (1, self.count), (1, stored))]

    def initial_value(self, kind: str, layer: Any) -> float | None:
        return layer.start

    def compiled(self, layer: Any) -> CompiledOp | None:
        return None if isinstance(self.size, tuple) else CompiledOp("prelu", self.size, self.size, self.count)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        slope = lanes.parameters[0]  # (L, 1, stored)
        if isinstance(h, list):
            slopes = slope[:, 0, : self.count, None, None].unbind()
            return [prelu(image, slopes) for image, slopes in zip(h, slopes, strict=True)]
        return prelu(h, slope[..., :1] if self.count == 1 else slope)

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        import torch

        module = torch.nn.PReLU(self.count)
        module.weight.data = torch.from_numpy(arrays["slope"])
        return [module]
