"""What levels of categories have become: a vector of learned numbers for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tenfold.engine.operations.embedded import column_parameter, vector
from tenfold.engine.operations.operation import (
    Arrays,
    Columns,
    CompiledOp,
    Flow,
    NetworkOperation,
    Operands,
    PlannedOp,
    Site,
    Slot,
    Work,
    padded,
)

if TYPE_CHECKING:
    from torch import nn

LEVEL_SIZE = 8  # numbers of a level


@dataclass(frozen=True)
class LookupOp(NetworkOperation):
    """Behind the first `numbers` columns come those of the embedded categories. Each holds a whole number, a row of the
    tables of all of them, which lie one below the other, and becomes the numbers of that row. tables: the rows of each
    category's table, the first of which is that of rare and unseen levels. `passing` columns behind them, and the
    numbers, stay as they are. No layer is planned as it: it stands in front of all of them."""

    numbers: int
    tables: tuple[int, ...]
    passing: int

    name: ClassVar[str] = "lookup"
    columns: ClassVar[Columns] = "kept"  # those that pass

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        """Of what enters the network."""
        size = site.entering
        return [PlannedOp(cls(size.numeric, size.tables, size.inputs - size.numeric - len(size.tables)), layer)]

    @property
    def entering(self) -> int:
        """Numbers of a row that enter."""
        return self.numbers + len(self.tables) + self.passing

    @property
    def output_size(self) -> int:
        return self.entering + self.more_columns

    @property
    def more_columns(self) -> int:
        return len(self.tables) * (LEVEL_SIZE - 1)

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(self.tables)

    def slots(self) -> list[Slot]:
        return [vector("level", self.rows * LEVEL_SIZE)]

    def draw(self, kind: str, layer: Any, rng: np.random.Generator) -> np.ndarray:
        table = rng.normal(size=(self.rows, LEVEL_SIZE))
        # an unseen level begins in the middle of all others, and stays there where no training row is rare
        table[np.cumsum([0, *self.tables[:-1]])] = 0.0
        return table.ravel()

    def work(self, layer: Any) -> Work:
        return Work(units=len(self.tables) * LEVEL_SIZE, weights=self.parameter_count)

    def compiled(self, layer: Any) -> CompiledOp | None:
        count = len(self.tables)
        return CompiledOp("lookup", self.entering, self.output_size, count, numbers=(self.numbers, LEVEL_SIZE))

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        import torch

        assert isinstance(h, torch.Tensor)
        behind = self.numbers + len(self.tables)
        table = column_parameter(lanes, 0, self.rows, LEVEL_SIZE)  # (L, rows of the tables, size)
        row = h[..., self.numbers : behind].long()  # (L, B, categories)
        row = row + self.rows * torch.arange(len(h), device=h.device)[:, None, None]
        found = table.flatten(0, 1)[row].flatten(-2)  # (L, B, categories size)
        made = torch.cat([h[..., : self.numbers], found, h[..., behind : self.entering]], -1)
        return torch.nn.functional.pad(made, (0, padded(self.output_size) - self.output_size))

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from tenfold.engine.layers import LookupLayer

        return [LookupLayer(arrays["level"].reshape(self.rows, LEVEL_SIZE), self.numbers, len(self.tables))]
