"""PL: sines and cosines and a linear map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tenfold.rules.fields import Count, Positive
from tenfold.rules.record import Rule


@dataclass(frozen=True, kw_only=True)
class PL(Rule):
    """Each number becomes a few sums of cosines and sines of it, whose frequencies are learned.

    Formula: y = (cos(2 pi f x), sin(2 pi f x)) W + b, f, W and b of each column its own.
    Shapes: x (rows, columns), f (columns, frequencies), W (columns, 2 frequencies, size), b (columns, size), y (rows,
    columns size), column by column.
    Options: size - numbers that a column becomes; frequencies - of each column, each with a cosine and a sine; sigma -
    of the frequencies at the start: f ~ N(0, sigma^2).
    Convention: W and b ~ U(-1, 1) / sqrt(2 frequencies); no activation behind it. The defaults are those of RealMLP's
    experiments; x itself is not among the numbers. Indicators and levels pass by.
    Claim: RealMLP with it in place of PBLD has 0.7 % more error for classes, 0.5 % for numbers as targets.
    Choose: PBLD rather, which has the number itself and is as cheap.
    Source: Gorishniy, Rubachev & Babenko 2022; Holzmueller, Grinsztajn & Steinwart 2024, table B.1.
    """

    size: Count = 4
    frequencies: Count = 8
    sigma: Positive = 0.1

    NAME: ClassVar[str] = "pl"
    MAIN: ClassVar[str] = "size"
