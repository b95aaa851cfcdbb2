"""Cosines and sines of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tenfold.engine.operations.column_map import ColumnMapOp
from tenfold.engine.operations.embedded import EmbeddedOp, column_parameter, columns_of, vector
from tenfold.engine.operations.operation import Arrays, CompiledOp, Flow, Operands, PlannedOp, Site, Slot, Work
from tenfold.rules.embeddings import PBLD, PLR
from tenfold.rules.embeddings.periodic import shifted_waves, waves

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PeriodicOp(EmbeddedOp):
    """Each number becomes itself and cosines of it with a learned phase; or, without phases, cosines and sines."""

    frequencies: int
    phases: bool

    name: ClassVar[str] = "waves"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        """The waves, and the linear map of each column behind them."""
        numbers, passing = columns_of(layer, site)
        if not numbers:
            return []
        phases = isinstance(layer, PBLD)
        wide = 1 + layer.frequencies if phases else 2 * layer.frequencies
        made = ColumnMapOp(numbers, wide, layer.size, passing, int(phases), isinstance(layer, PLR))
        return [PlannedOp(cls(numbers, 1, wide, passing, layer.frequencies, phases), layer), PlannedOp(made, layer)]

    def slots(self) -> list[Slot]:
        kinds = ["embed_frequency", "embed_phase"] if self.phases else ["embed_frequency"]
        return [vector(kind, self.numbers * self.frequencies) for kind in kinds]

    def draw(self, kind: str, layer: Any, rng: np.random.Generator) -> np.ndarray:
        count = self.numbers * self.frequencies
        return rng.uniform(-np.pi, np.pi, count) if kind == "embed_phase" else layer.sigma * rng.normal(size=count)

    def work(self, layer: Any) -> Work:
        # a cosine costs about what three numbers of an activation do
        return Work(units=3 * self.numbers * self.outside, weights=self.parameter_count)

    def compiled(self, layer: Any) -> CompiledOp | None:
        numbers = (self.frequencies, self.phases)
        return CompiledOp("waves", self.entering, self.output_size, self.numbers, numbers=numbers)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        # (L, 1, N, frequencies)
        shape = [column_parameter(lanes, i, self.numbers, self.frequencies)[:, None] for i in range(1 + self.phases)]
        formula = shifted_waves if self.phases else waves
        return self.embed(h, lambda g: formula(g[..., 0], *shape))

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from tenfold.engine.layers import WavesLayer

        shape = (self.numbers, self.frequencies)
        phase = arrays["embed_phase"].reshape(shape) if self.phases else None
        return [WavesLayer(arrays["embed_frequency"].reshape(shape), phase)]
