"""Pairs of columns that say the same: one value for each value of the other, or a straight line of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tenfold.data.columns.table import Column
from tenfold.formatting import listed, visible

Array = np.ndarray
ROWS = 10_000  # that correlations are taken of
MOST_COLUMNS = 1000  # whose correlations are looked at
STRAIGHT = 1 - 1e-9  # correlation from which two columns are one line but for rounding
REPEATED = 2  # rows that a value has on average, from which columns can be said to match value by value


def same_columns(columns: Sequence[Column]) -> list[tuple[str, str, str]]:
    """Of columns that are used: pairs of names, the earlier one first, and how they are the same, in words. A column
    that matches several is named with the first."""
    found: list[tuple[str, str, str]] = []
    first: dict[bytes, str] = {}
    for column in columns:
        codes = column.codes
        values = int(codes.max(initial=0)) + 1
        if values < 3 or values * REPEATED > len(codes):
            continue  # of two values, or one a row, too many match by chance
        # Numbered by first appearance, columns that match value by value are equal.
        appearance = np.unique(codes, return_index=True)[1]
        canon = np.empty(values, np.int64)
        canon[np.argsort(appearance)] = np.arange(values)
        other = first.setdefault(canon[codes].tobytes(), column.name)
        if other != column.name:
            found.append((other, column.name, "one to one"))
    known = {second for _, second, _ in found}
    return found + [pair for pair in _straight(columns) if pair[1] not in known]


def _straight(columns: Sequence[Column]) -> list[tuple[str, str, str]]:
    names: list[str] = []
    rows: list[Array] = []
    for column in [column for column in columns if column.kind in ("number", "date")][:MOST_COLUMNS]:
        values = column.values[:: max(1, -(-len(column.values) // ROWS))]
        gone = np.isnat(values) if column.kind == "date" else np.isnan(values)
        values = np.where(gone, 0, values.astype(np.int64) if column.kind == "date" else values).astype(np.float64)
        present = values[~gone]
        if len(present) < 3 or len(np.unique(present)) < 3:
            continue
        centred = np.where(gone, 0.0, values - present.mean())
        norm = float(np.linalg.norm(centred))
        # Beside a large mean, differences of a small column are rounding.
        if norm > 1e-9 * max(1.0, float(np.abs(present).max())) * len(present) ** 0.5:
            names.append(column.name)
            rows.append(centred / norm)
    if len(rows) < 2:
        return []
    table = np.stack(rows)
    pairs = np.argwhere(np.triu(np.abs(table @ table.T) >= STRAIGHT, 1))
    found: dict[int, int] = {}
    for i, j in pairs.tolist():
        found.setdefault(j, i)
    return [(names[i], names[j], "a straight line") for j, i in found.items()]


def same_in_words(columns: Sequence[Column], listed_at_most: int) -> str:
    """The pairs in one sentence; "" for none."""
    pairs = same_columns(columns)
    if not pairs:
        return ""
    words = (f"'{visible(one)}' and '{visible(two)}' ({how})" for one, two, how in pairs)
    return f"columns that say the same: {listed(words, listed_at_most)}"
