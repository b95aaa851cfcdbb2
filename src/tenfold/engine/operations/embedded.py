"""What the operations of embeddings share: they act on the first columns of a row, and the others pass by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tenfold.engine.operations.operation import (
    Columns,
    Flow,
    Needs,
    NetworkOperation,
    Operands,
    Site,
    Slot,
    misfit,
    padded,
)
from tenfold.recipe.layers import Dropout, Scale
from tenfold.rules.record import rule_name

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class EmbeddedOp(NetworkOperation):
    """An operation on `numbers` columns, which are `inside` numbers wide when they enter and `outside` when they leave;
    `passing` others behind them stay as they are."""

    numbers: int
    inside: int
    outside: int
    passing: int

    columns: ClassVar[Columns] = "kept"  # those that pass

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        return "row"

    @property
    def entering(self) -> int:
        """Numbers of a row that enter."""
        return self.numbers * self.inside + self.passing

    @property
    def output_size(self) -> int:
        return self.numbers * self.outside + self.passing

    @property
    def more_columns(self) -> int:
        return self.output_size - self.entering

    def embed(self, h: Flow, of_columns: Callable[[Tensor], Tensor]) -> Tensor:
        """The rows h (L, B, entering) with what `of_columns` makes of their numbers, (L, B, numbers, inside) -> (L, B,
        numbers, outside)."""
        import torch

        assert isinstance(h, torch.Tensor)
        wide = self.numbers * self.inside
        made = of_columns(h[..., :wide].unflatten(-1, (self.numbers, self.inside))).flatten(-2)
        rows = torch.cat([made, h[..., wide : self.entering]], -1)
        return torch.nn.functional.pad(rows, (0, padded(self.output_size) - self.output_size))


def vector(kind: str, count: int, *, learned: bool = True) -> Slot:
    """The slot of a parameter of all columns, side by side."""
    return Slot(kind, (1, count), (1, padded(count)), learned=learned)


def column_parameter(lanes: Operands, slot: int, *shape: int) -> Tensor:
    """A parameter of that shape of all lanes, (L, *shape), as it lies in `vector`."""
    count = 1
    for size in shape:
        count *= size
    return lanes.parameters[slot][:, 0, :count].unflatten(-1, shape)


def columns_of(layer: Any, site: Site) -> tuple[int, int]:
    """The numeric columns of what enters an embedding, and the others. Raises `BadInput` where it cannot stand."""
    name = rule_name(layer)
    if site.entering.image is not None:
        raise misfit(
            site.path, f"{name} embeds the numeric columns of a table; here are images", "a table, or no embedding"
        )
    others: Sequence[Any] = [other for other in site.before if not isinstance(other, Dropout | Scale)]
    if len(site.path) > 1 or others:
        behind = f"behind {rule_name(others[0])}" if others else "in a residual block"
        raise misfit(site.path, f"{name} stands {behind}", "the embedding in front of all layers but dropout and scale")
    return site.entering.numeric, site.entering.inputs - site.entering.numeric
