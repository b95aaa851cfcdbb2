"""PBLD: cosines with a learned phase, a linear map, and the number itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from tenfold.rules.fields import Count, Positive, Within
from tenfold.rules.record import Rule


@dataclass(frozen=True, kw_only=True)
class PBLD(Rule):
    """Each number becomes itself and a few sums of cosines of it, whose frequencies and phases are learned.

    Formula: y = (x, cos(2 pi f x + p) W + b), f, p, W and b of each column its own.
    Shapes: x (rows, columns), f and p (columns, frequencies), W (columns, frequencies, size - 1), b (columns,
    size - 1), y (rows, columns size), column by column.
    Options: size - numbers that a column becomes, x itself among them; frequencies - cosines of each column; sigma - of
    the frequencies at the start: f ~ N(0, sigma^2).
    Convention: p ~ U(-pi, pi), W and b ~ U(-1, 1) / sqrt(frequencies), no activation behind it, as in RealMLP
    (periodic, bias, linear, densenet). Indicators and levels pass by. RealMLP learns it at a tenth of the rate:
    rate_factors: {embedding: 0.1}.
    Claim: at sigma 0.1 and standardized columns most cosines make less than a turn over the range: a few smooth bends.
    The larger sigma, the sharper they are, and the easier it overfits.
    Choose: with a scaling layer and robust inputs for tables, above all for numbers as targets: RealMLP loses 21 %
    there without it and 2 % for classes. Try sigma from 0.05 to 0.5.
    Source: Holzmueller, Grinsztajn & Steinwart 2024, section 3; Gorishniy, Rubachev & Babenko 2022.
    """

    size: Annotated[int, Within(ge=2)] = 4
    frequencies: Count = 16
    sigma: Positive = 0.1

    NAME: ClassVar[str] = "pbld"
    MAIN: ClassVar[str] = "size"
