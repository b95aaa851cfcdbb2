"""An activation without parameters, and the same together with the max pooling behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from tenfold.engine.operations.operation import (
    Arrays,
    Block,
    CompiledOp,
    Flow,
    Operands,
    PlannedOp,
    Site,
    Sized,
    rule_blocks,
)
from tenfold.engine.operations.pooling import PoolOp

if TYPE_CHECKING:
    from torch import Tensor, nn


class ActivationValues(NamedTuple):
    """Runs of neighbouring lanes that share an activation, with its function; whether it is monotone, lane by lane."""

    blocks: list[Block]
    monotone: list[bool]

    def by_lane(self) -> list[Callable[..., Tensor]]:
        """The function of each lane."""
        return [formula for count, formula in self.blocks for _ in range(count)]


@dataclass(frozen=True)
class ActivationOp(Sized):
    """An activation without parameters: which one is a value."""

    name: ClassVar[str] = "activation"
    is_activation: ClassVar[bool] = True

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        return [PlannedOp(cls(site.size), layer)]

    def compiled(self, layer: Any) -> CompiledOp | None:
        if layer.native is None or isinstance(self.size, tuple):
            return None
        return CompiledOp("activation", self.size, self.size, layer.native, numbers=(layer.native_number,))

    def lane_values(self, layers: Sequence[Any], column: Callable[[Sequence[float]], Tensor]) -> ActivationValues:
        return ActivationValues(rule_blocks(layers), [layer.monotone for layer in layers])

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        import torch

        values: ActivationValues = lanes.values
        if isinstance(h, list):
            return [formula(image) for image, formula in zip(h, values.by_lane(), strict=True)]
        if len(values.blocks) == 1:
            return values.blocks[0][1](h)
        parts = h.split([count for count, _ in values.blocks])
        return torch.cat([formula(part) for part, (_, formula) in zip(parts, values.blocks, strict=True)])

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from tenfold.engine.layers import ActivationLayer

        return [ActivationLayer(layer)]


@dataclass(frozen=True)
class PooledActivationOp(ActivationOp):
    """An activation of images and the max pooling behind it, as `Forward` runs the two (it is never planned).

    A monotone activation commutes with the maximum, value and gradient, and then has a quarter of the numbers to
    work on.
    """

    pool: PoolOp

    name: ClassVar[str] = "activation with max pooling"

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        values, pool = lanes.values, self.pool.pool
        by_lane = zip(h, values.by_lane(), values.monotone, strict=True)
        return [formula(pool(image)) if monotone else pool(formula(image)) for image, formula, monotone in by_lane]
