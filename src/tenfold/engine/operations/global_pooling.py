"""Global pooling: one number a channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tenfold.engine.operations.flatten import stacked
from tenfold.engine.operations.operation import Arrays, Flow, Needs, NetworkOperation, Operands, PlannedOp, Site, Work
from tenfold.engine.plan.size import Image

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class GlobalPoolOp(NetworkOperation):
    """Global pooling: one number a channel."""

    of: Image
    kind: Literal["average", "max"]

    name: ClassVar[str] = "global pooling"

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        return "image"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        return [PlannedOp(cls(site.image(layer), layer.of))]

    @property
    def output_size(self) -> int:
        return self.of[2]

    def work(self, layer: Any) -> Work:
        return Work(units=math.prod(self.of))

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        average = self.kind == "average"
        return stacked([image.mean((2, 3)) if average else image.amax((2, 3)) for image in h], lanes.batch)

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from torch import nn

        from tenfold.engine.layers import GlobalMaxLayer

        return [nn.AdaptiveAvgPool2d(1) if self.kind == "average" else GlobalMaxLayer(), nn.Flatten()]
