"""From images to rows: where lanes are stacked again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tenfold.engine.operations.operation import (
    Arrays,
    BatchContext,
    Columns,
    Flow,
    FlowSize,
    Needs,
    NetworkOperation,
    Operands,
    PlannedOp,
    Site,
    padded,
)
from tenfold.engine.plan.size import Image

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class FlattenOp(NetworkOperation):
    """An image as a row of numbers, channels first."""

    of: Image

    name: ClassVar[str] = "image as a row"
    columns: ClassVar[Columns] = "kept"

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        return "row"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        return flattened(site.size)

    @property
    def output_size(self) -> int:
        return math.prod(self.of)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        return stacked([image.flatten(1) for image in h], lanes.batch)

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from torch import nn

        return [nn.Flatten()]


def flattened(size: FlowSize) -> list[PlannedOp]:
    """What makes a row of such an input: nothing if it is one."""
    return [PlannedOp(FlattenOp(size))] if isinstance(size, tuple) else []


def stacked(rows: Sequence[Tensor], batch: BatchContext | None) -> Tensor:
    """Rows (rows, units) of each lane as (L, B, padded units). Images flow without the rows that pad a batch: in
    training rows of zeros pad it again."""
    import torch

    width = rows[0].shape[1]
    length = len(rows[0]) if batch is None else batch.weight.shape[2]
    return torch.stack(
        [torch.nn.functional.pad(x, (0, padded(width) - width, 0, length - len(x))) for x in rows]
    )  # fmt: skip
