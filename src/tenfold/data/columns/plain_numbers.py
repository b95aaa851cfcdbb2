"""A column of plain numbers, which a reader parsed in compiled code: no cell of it is a Python string."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tenfold.data.columns.numbers import MarkEvidence

if TYPE_CHECKING:
    from tenfold.data.columns.cells import Cells

Array = np.ndarray
# What every rule of the kinds would take for a number with a decimal point, and nothing else: no thousands separators,
# no blanks, no leading zeros. In the syntax that Python and DuckDB share.
PLAIN_NUMBER = r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
# With a decimal comma these are whole numbers in groups of three.
GROUPED_BY_POINTS = r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:[eE][+-]?[0-9]+)?"


@dataclass(frozen=True)
class PlainNumbers:
    """A column whose cells are plain numbers or missing, and have more distinct spellings than a column remembers.

    values (rows,): float64, NaN for missing, none of them infinite or beyond the exact integers. marker and marked: how
    missing cells are spelled that are not empty, in one way only, and how many there are. evidence: on the decimal
    point (see `decide_mark`), never "both". cells: makes the cells, for a kind that looks at how they are spelled.
    """

    name: str
    values: Array
    marker: str
    marked: int
    evidence: MarkEvidence
    cells: Callable[[], Cells]
