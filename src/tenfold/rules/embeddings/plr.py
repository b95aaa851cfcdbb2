"""PLR: sines and cosines, a linear map, and ReLU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.fields import Count, Positive
from tenfold.rules.record import Rule


@dataclass(frozen=True, kw_only=True)
class PLR(Rule):
    """Each number becomes rectified sums of cosines and sines of it, whose frequencies are learned.

    Formula: y = max(0, (cos(2 pi f x), sin(2 pi f x)) W + b), f, W and b of each column its own.
    Shapes: x (rows, columns), f (columns, frequencies), W (columns, 2 frequencies, size), b (columns, size), y (rows,
    columns size), column by column.
    Options: size - numbers that a column becomes; frequencies - of each column, each with a cosine and a sine; sigma -
    of the frequencies at the start: f ~ N(0, sigma^2).
    Convention: W and b ~ U(-1, 1) / sqrt(2 frequencies). The defaults are those of the authors' package (not lite: each
    column has a map of its own); preset realmlp has those of RealMLP's experiments. Indicators and levels pass by.
    Claim: of all embeddings of its paper it lost least often to boosted trees; sigma decides, and has to be searched.
    Choose: where there is time to search sigma, from 0.01 to 1; else PBLD or PLE, which depend less on it.
    Source: Gorishniy, Rubachev & Babenko 2022.
    """

    size: Count = 24
    frequencies: Count = 48
    sigma: Positive = 0.01

    NAME: ClassVar[str] = "plr"
    MAIN: ClassVar[str] = "size"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"realmlp": {"size": 4, "frequencies": 8, "sigma": 0.1}}
