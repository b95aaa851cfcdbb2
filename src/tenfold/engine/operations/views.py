"""Views of a row: each is scaled by factors of its own, runs through the same layers, and has a head of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tenfold.engine.operations.operation import (
    Arrays,
    BatchContext,
    Block,
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
    misfit,
    padded,
    rule_blocks,
    size_in_words,
)
from tenfold.recipe.layers import Dropout, Scale, Views
from tenfold.rules.embeddings import EmbeddingLayer
from tenfold.rules.initialization import Fans
from tenfold.rules.views import NATIVE_MEANS

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ViewsOp(NetworkOperation):
    """`count` views of every row of `units` numbers: B rows become count B, those of the first view in front. embedded:
    of that many columns, the first ones, each has become several numbers, which start with one factor."""

    units: int
    count: int
    embedded: int = 0
    size: int = 0  # that each has become

    name: ClassVar[str] = "views"
    columns: ClassVar[Columns] = "kept"  # the factors of padding columns are 0

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        return "row"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        if isinstance(site.size, tuple):
            found = f"views of an image of {size_in_words(site.size)}"
            raise misfit(site.path, found, "views of rows of numbers: of a table, or behind flatten")
        if len(site.path) > 1:
            raise misfit(site.path, "views inside a residual block", "views in front of it")
        if any(isinstance(other, Views) for other in site.before):
            raise misfit(site.path, "views of views", "one layer of views in a network")
        numbers, passing = site.entering.numeric, site.entering.inputs - site.entering.numeric
        others = [layer for layer in site.before if not isinstance(layer, Dropout | Scale)]
        if numbers and others and all(isinstance(layer, EmbeddingLayer) for layer in others):
            return [PlannedOp(cls(site.size, layer.count, numbers, (site.size - passing) // numbers), layer)]
        return [PlannedOp(cls(site.size, layer.count), layer)]

    @property
    def output_size(self) -> int:
        return self.units

    @property
    def views(self) -> int:
        return self.count

    def slots(self) -> list[Slot]:
        return [Slot("view", (self.count, self.units), (self.count, padded(self.units)), by_column=True)]

    def draw(self, kind: str, layer: Any, rng: np.random.Generator) -> np.ndarray:
        # column by column: those of a fold do not depend on how many others have
        if not self.embedded:
            return rng.integers(0, 2, (self.units, self.count)).T * 2.0 - 1.0
        columns = self.embedded + self.units - self.embedded * self.size
        times = [self.size] * self.embedded + [1] * (columns - self.embedded)
        return np.repeat(rng.normal(size=(columns, self.count)), times, 0).T

    def work(self, layer: Any) -> Work:
        return Work(units=self.count * self.output_count, weights=self.parameter_count)

    def compiled(self, layer: Any) -> CompiledOp | None:
        return CompiledOp("views", self.units, self.units, self.count)

    def batch_behind(self, batch: BatchContext) -> BatchContext:
        weight = batch.weight.repeat(1, 1, self.count) / self.count  # (L, 1, count B)
        return batch._replace(weight=weight, rows=[self.count * rows for rows in batch.rows])

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        assert not isinstance(h, list)
        # (L, 1, B, units) (L, count, 1, units) -> (L, count B, units)
        return (h[:, None] * lanes.parameters[0][:, :, None]).flatten(1, 2)

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        import torch

        from tenfold.engine.layers import ViewsLayer

        return [ViewsLayer(torch.from_numpy(np.atleast_2d(arrays["view"])))]


@dataclass(frozen=True)
class HeadsOp(NetworkOperation):
    """The output layer of a network with views: a dense map of its own for each of them.

    Its weights lie side by side, (inputs, count units). In training it puts out the units of every view; else their
    mean, which depends on the link of the loss: a value.
    """

    inputs: int
    units: int
    count: int

    name: ClassVar[str] = "heads"
    is_weight: ClassVar[bool] = True
    columns: ClassVar[Columns] = "ignored"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        """The views that they belong to."""
        return ViewsOp.plan(layer, site)

    @property
    def output_size(self) -> int:
        return self.units

    def slots(self) -> list[Slot]:
        columns, fans = self.count * self.units, Fans(self.inputs, self.units, 1.0)
        weight = Slot("weight", (self.inputs, columns), (padded(self.inputs), padded(columns)), fans, True)
        return [weight, Slot("bias", (1, columns), (1, padded(columns)), fans, True)]

    def work(self, layer: Any) -> Work:
        return Work(products=self.inputs * self.units, units=self.units, weights=self.parameter_count)

    def compiled(self, layer: Any) -> CompiledOp | None:
        return CompiledOp("heads", self.inputs, self.units, self.count, numbers=(NATIVE_MEANS[layer.link],))

    def lane_values(self, layers: Sequence[Any], column: Callable[[Sequence[float]], Tensor]) -> list[Block]:
        return rule_blocks(layers)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        """In training the outputs of all views (L, count B, units); else their means (L, B, units)."""
        import torch

        assert isinstance(h, torch.Tensor)
        h = h.unflatten(1, (self.count, -1))  # (L, count, B, in)
        # The heads of all lanes are one batched product; padded, each begins at an aligned place.
        wide = padded(self.units) - self.units
        weight, bias = (
            torch.nn.functional.pad(part[..., : self.count * self.units].unflatten(2, (self.count, -1)), (0, wide))
            for part in lanes.parameters
        )  # (L, in, count, units), (L, 1, count, units)
        out = torch.baddbmm(
            bias.transpose(1, 2).flatten(0, 1), h.flatten(0, 1), weight.transpose(1, 2).flatten(0, 1)
        ).unflatten(0, (len(h), self.count))[..., : self.units]  # (L, count, B, units)
        if lanes.batch is not None:
            return out.flatten(1, 2)
        parts = out.split([count for count, _ in lanes.values])
        return torch.cat([mean(part) for part, (_, mean) in zip(parts, lanes.values, strict=True)])

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        import torch

        from tenfold.engine.layers import HeadsLayer

        weight = arrays["weight"].reshape(self.inputs, self.count, self.units).transpose(1, 0, 2)
        bias = arrays["bias"].reshape(self.count, 1, self.units)
        own: list[nn.Module] = [HeadsLayer(torch.from_numpy(weight.copy()), torch.from_numpy(bias), layer)]
        return own
