"""A linear map of its own for the numbers that each column has become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tenfold.engine.operations.embedded import EmbeddedOp, column_parameter, columns_of, vector
from tenfold.engine.operations.operation import Arrays, CompiledOp, Flow, Operands, PlannedOp, Site, Slot, Work

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ColumnMapOp(EmbeddedOp):
    """The last `inside - kept` numbers of each column are mapped to `outside - kept`; relu: and rectified."""

    kept: int
    relu: bool

    name: ClassVar[str] = "linear map of each column"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        """Of numbers as they enter."""
        numbers, passing = columns_of(layer, site)
        return [PlannedOp(cls(numbers, 1, layer.size, passing, 0, True), layer)] if numbers else []

    @property
    def taken(self) -> int:
        """Numbers of a column that are mapped."""
        return self.inside - self.kept

    @property
    def made(self) -> int:
        """Numbers that they become."""
        return self.outside - self.kept

    def slots(self) -> list[Slot]:
        weights = self.numbers * self.taken * self.made
        return [vector("embed_weight", weights), vector("embed_bias", self.numbers * self.made)]

    def draw(self, kind: str, layer: Any, rng: np.random.Generator) -> np.ndarray:
        # one number becomes many: as in a layer whose inputs are as many
        fan_in = self.made if self.taken == 1 else self.taken
        count = self.numbers * self.made * (self.taken if kind == "embed_weight" else 1)
        return rng.uniform(-1, 1, count) / np.sqrt(fan_in)

    def work(self, layer: Any) -> Work:
        products = self.numbers * self.taken * self.made
        return Work(products=products, units=self.numbers * self.made, weights=self.parameter_count)

    def compiled(self, layer: Any) -> CompiledOp | None:
        numbers = (self.inside, self.outside, self.kept, self.relu)
        return CompiledOp("column_map", self.entering, self.output_size, self.numbers, numbers=numbers)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        import torch

        weight = column_parameter(lanes, 0, self.numbers, self.taken, self.made)  # (L, N, in, out)
        bias = column_parameter(lanes, 1, self.numbers, self.made)[:, None]  # (L, 1, N, out)

        def mapped(g: Tensor) -> Tensor:
            kept, taken = g[..., : self.kept], g[..., self.kept :]  # (L, B, N, in)
            # A product's last bits depend on how each of its matrices is aligned: both are filled up to whole vectors.
            short, wide = -self.taken % 8, -self.made % 8
            left = torch.nn.functional.pad(taken, (0, short)).transpose(1, 2).flatten(0, 1)  # (L N, B, in)
            right = torch.nn.functional.pad(weight, (0, wide, 0, short)).flatten(0, 1)  # (L N, in, out)
            product = left.bmm(right).unflatten(0, (-1, self.numbers)).transpose(1, 2)[..., : self.made]
            z = product + bias
            return torch.cat([kept, z.relu() if self.relu else z], -1)

        return self.embed(h, mapped)

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from tenfold.engine.layers import ColumnMapLayer

        weight = arrays["embed_weight"].reshape(self.numbers, self.taken, self.made)
        bias = arrays["embed_bias"].reshape(self.numbers, self.made)
        return [ColumnMapLayer(weight, bias, kept=self.kept, relu=self.relu)]
