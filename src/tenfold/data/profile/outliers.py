"""Numbers so far from the others that standardizing would leave nothing of these."""

from __future__ import annotations

import numpy as np

from tenfold.data.columns.numbers import spell_number
from tenfold.data.columns.table import Column, Table

# Widths of the middle half from the median, from which a number is far: in a million lognormal numbers (sigma 1.5) none
# is. Where half of the numbers are equal there is no width, and columns that are mostly 0 are common.
FAR, FAR_FROM_EQUAL = 1e3, 1e9
SAMPLE = 10_000  # numbers that the quartiles are taken of
LEAST = 20


def far_values(table: Table, column: Column) -> str:
    """The number farthest from the others, where it is and how far, in words; "" where none is far."""
    if column.kind != "number":
        return ""
    values = column.values
    present = values[~np.isnan(values)]
    if len(present) < LEAST:
        return ""
    low, middle, high = np.quantile(present[:: -(-len(present) // SAMPLE)], (0.25, 0.5, 0.75))
    width, least = (high - low, FAR) if high > low else (max(1.0, abs(middle)), FAR_FROM_EQUAL)
    if max(present.max() - middle, middle - present.min()) < least * width:
        return ""
    away = np.nan_to_num(np.abs(values - middle) / width, nan=0.0)
    row, count = int(np.argmax(away)), int((away >= least).sum())
    line = f"row {row + 1}" if table.lines is None else f"line {int(table.lines[row])}"
    more = f", and {count - 1} more" if count > 1 else ""
    times = "times the width of the middle half" if high > low else "times the median"
    return (
        f"{spell_number(values[row])} on {line} is {away[row]:.2g} {times} from the median{more}: beside it the others "
        "are all alike to a network; if it is wrong, leave the cell empty, else preprocess: robust_clip, or give its "
        "logarithm"
    )
