"""How far numbers have come through the bins of their columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tenfold.engine.operations.column_map import ColumnMapOp
from tenfold.engine.operations.embedded import EmbeddedOp, column_parameter, columns_of, vector
from tenfold.engine.operations.operation import Arrays, CompiledOp, Flow, Operands, PlannedOp, Site, Slot, Work
from tenfold.rules.embeddings.ple import bin_edges, encode_bins

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class BinsOp(EmbeddedOp):
    """Each number becomes one for each of its column's `outside` bins, whose edges are fitted and not learned."""

    name: ClassVar[str] = "bins"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        """The encoding, and the linear map of each column behind it where it has a size."""
        numbers, passing = columns_of(layer, site)
        if not numbers:
            return []
        steps = [PlannedOp(cls(numbers, 1, layer.bins, passing), layer)]
        if layer.size is not None:
            steps.append(PlannedOp(ColumnMapOp(numbers, layer.bins, layer.size, passing, 0, layer.relu), layer))
        return steps

    def slots(self) -> list[Slot]:
        return [vector("embed_edge", self.numbers * (self.outside + 1), learned=False)]

    def fit(self, kind: str, layer: Any, columns: Iterable[np.ndarray], target: np.ndarray) -> np.ndarray:
        aim = target if layer.edges == "target" else None
        return np.concatenate([bin_edges(column, layer.bins, aim) for column in columns])

    def work(self, layer: Any) -> Work:
        return Work(units=self.numbers * self.outside)

    def compiled(self, layer: Any) -> CompiledOp | None:
        return CompiledOp("bins", self.entering, self.output_size, self.numbers, numbers=(self.outside,))

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        edges = column_parameter(lanes, 0, self.numbers, self.outside + 1)[:, None].detach()  # (L, 1, N, bins + 1)
        return self.embed(h, lambda g: encode_bins(g[..., 0], edges))

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from tenfold.engine.layers import BinsLayer

        return [BinsLayer(arrays["embed_edge"].reshape(self.numbers, self.outside + 1))]
