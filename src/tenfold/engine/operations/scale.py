"""A learned factor for each number of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tenfold.engine.operations.flatten import flattened
from tenfold.engine.operations.operation import (
    Arrays,
    Columns,
    CompiledOp,
    Flow,
    Needs,
    NetworkOperation,
    Operands,
    PlannedOp,
    Site,
    Slot,
    Work,
    count,
    padded,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ScaleOp(NetworkOperation):
    """Each of `units` numbers times a factor of its own."""

    units: int

    name: ClassVar[str] = "scale"
    columns: ClassVar[Columns] = "kept"  # a factor of a padding column is 0, and of no effect

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        return "row"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        return [*flattened(site.size), PlannedOp(cls(count(site.size)), layer)]

    @property
    def output_size(self) -> int:
        return self.units

    def slots(self) -> list[Slot]:
        return [Slot("scale", (1, self.units), (1, padded(self.units)), by_column=True)]

    def initial_value(self, kind: str, layer: Any) -> float | None:
        return 1.0

    def work(self, layer: Any) -> Work:
        return Work(units=self.units, weights=self.units)

    def compiled(self, layer: Any) -> CompiledOp | None:
        return CompiledOp("scale", self.units, self.units)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        assert not isinstance(h, list)
        return h * lanes.parameters[0]  # (L, B, units) (L, 1, units)

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from tenfold.engine.layers import ScaleLayer

        return [ScaleLayer(arrays["scale"])]
