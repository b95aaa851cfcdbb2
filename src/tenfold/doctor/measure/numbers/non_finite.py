"""Numbers that are not finite: how many, and where the first one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class NotFinite:
    """count of `of` values are not finite, nans of them NaN and the others infinite; place: of the first."""

    count: int
    of: int
    nans: int
    place: list[int]

    def words(self) -> str:
        """As a part of a sentence: "1 value of 1800 that is not a number (row 17, column 3)"."""
        values = f"{self.count} value{'' if self.count == 1 else 's'} of {self.of} that {self.what()}"
        return f"{values} ({'' if self.count == 1 else 'the first in '}{self.where()})"

    def what(self) -> str:
        """ "is not a number", "are infinite" and the like."""
        one = "is" if self.count == 1 else "are"
        if self.nans == self.count:
            return f"{one} not {'a number' if self.count == 1 else 'numbers'}"
        return f"{one} {'infinite' if not self.nans else 'not finite'}"

    def where(self) -> str:
        """ "row 17, column 3"; deeper places as an index."""
        row, *rest = self.place or [0]
        if not rest:
            return f"row {row}"
        return f"row {row}, column {rest[0]}" if len(rest) == 1 else f"row {row}, at {rest}"


def not_finite(values: Tensor, *, infinite: bool = True) -> NotFinite | None:
    """What is not finite in a tensor, None for nothing; infinite: whether infinities count (a mask is made of them)."""
    import torch

    values = values.detach()
    if not values.is_floating_point():
        return None
    nan = torch.isnan(values)
    bad = ~torch.isfinite(values) if infinite else nan
    count = int(bad.sum())
    if not count:
        return None
    return NotFinite(count, values.numel(), int(nan.sum()), bad.nonzero()[0].tolist())
