"""Linear and ReLU: a few bends in each column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tenfold.rules.fields import Count
from tenfold.rules.record import Rule


@dataclass(frozen=True, kw_only=True)
class LinearReLU(Rule):
    """Each number becomes a few rectified lines of it.

    Formula: y = max(0, x w + b), w and b of each column its own.
    Shapes: x (rows, columns), w and b (columns, size), y (rows, columns size), column by column.
    Options: size - numbers that a column becomes.
    Convention: w and b ~ U(-1, 1) / sqrt(size), as the authors' package. Indicators and levels pass by.
    Claim: a layer of which each unit sees one column: a piecewise linear function of each, with `size` bends.
    Choose: as the simplest embedding to compare others with; PLE, whose bends lie where the rows are, learns faster.
    Source: Gorishniy, Rubachev & Babenko 2022, section 3.
    """

    size: Count = 16

    NAME: ClassVar[str] = "linear_relu"
