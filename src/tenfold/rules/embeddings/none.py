"""Numbers as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class NoEmbedding:
    """Every numeric column enters the first layer as the one number that it is.

    Formula: y = x.
    Shapes: x and y (rows, columns).
    Convention: -
    Claim: the first layer sees a line in each column; bends have to be made of units.
    Choose: for pixels, and for columns on which the target depends smoothly.
    Source: -
    """

    NAME: ClassVar[str] = "none"
