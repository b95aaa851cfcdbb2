"""Rows that must stand on one side of a division: equal rows, groups, and groups joined by equal rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tenfold.data.columns.table import Table
from tenfold.data.feed.encode import Inputs

Array = np.ndarray
LEAST_DISTINCT = 0.5  # share of distinct rows under which equal rows are a warning only
MIX = np.uint64(0x9E3779B97F4A7C15)


def duplicate_units(rows: Inputs | Table | Array, *, always: bool = False) -> tuple[Array | None, str]:
    """A label for each row (rows,) int64, equal for rows whose cells are all equal, in order of first appearance.

    None where no row repeats another, and None with a warning where fewer than half of the rows are distinct (not if
    `always`). The target is not looked at: a repeated row with another target leaks as well. Missing cells equal each
    other.
    """
    columns = _columns(rows)
    count = len(columns[0]) if columns else 0
    units = row_units(columns) if count else np.zeros(0, np.int64)
    distinct = int(units.max()) + 1 if count else 0
    if distinct == count:
        return None, ""
    if distinct < LEAST_DISTINCT * count and not always:
        return None, (
            f"only {distinct:,} of {count:,} rows are distinct in their inputs ({distinct / count:.1%}): equal rows "
            "stand on both sides of the folds, so a model that remembers rows scores too well"
        )
    return units, ""


def _columns(rows: Inputs | Table | Array) -> list[Array]:
    """The cells as columns of numbers; pixels in bytes eight to a column."""
    if isinstance(rows, Table):
        return [text_codes(c.values) if c.kind == "text" else c.values for c in rows.columns]
    if isinstance(rows, Inputs):
        return _columns(rows.numbers) + _columns(rows.codes)
    matrix = rows.reshape(len(rows), int(np.prod(rows.shape[1:])))
    if matrix.dtype == np.uint8:
        short = -matrix.shape[1] % 8
        matrix = np.ascontiguousarray(np.pad(matrix, ((0, 0), (0, short))) if short else matrix).view(np.uint64)
    return list(matrix.T)


def text_codes(values: Array) -> Array:
    """One integer for each distinct text (rows,) int64, in order of first appearance; missing cells share one."""
    index = {value: code for code, value in enumerate(dict.fromkeys(values))}
    return np.fromiter(map(index.__getitem__, values), np.int64, len(values))


def row_units(columns: Sequence[Array]) -> Array:
    """A label for each row, equal for rows that are equal in every column, in order of first appearance.

    columns: arrays (rows,) of float64, of integers or of dates. By 64-bit hashes, and every match is compared.
    """
    _, first, label = np.unique(_hashes(columns), return_index=True, return_inverse=True)
    leader = first[label]  # (rows,) the first row with the same hash
    copies = np.flatnonzero(leader != np.arange(len(leader)))
    same = np.ones(len(copies), bool)
    for column in columns:
        same &= _bits(column[copies]) == _bits(column[leader[copies]])
    if not same.all():  # rows that differ have one hash
        mixed = np.flatnonzero(np.isin(leader, leader[copies[~same]]))
        cells = np.stack([_bits(column[mixed]) for column in columns], 1)
        _, first, label = np.unique(cells, axis=0, return_index=True, return_inverse=True)
        leader[mixed] = mixed[first[label.reshape(-1)]]
    return np.unique(leader, return_inverse=True)[1]


def _hashes(columns: Sequence[Array]) -> Array:
    """A 64-bit hash of each row (rows,)."""
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        mixed ^= _bits(column)
        mixed *= MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _bits(column: Array) -> Array:
    """The bits of each value (rows,) uint64: one pattern for both zeros, one for all missing numbers."""
    if column.dtype.kind == "f":
        values = column.astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        return values.view(np.uint64)
    return column.astype(np.int64).view(np.uint64) if column.dtype != np.uint64 else column


def joined(groups: Array, units: Array) -> Array:
    """Groups that have rows of one unit in common are one group (connected components). groups, units (rows,): codes
    from 0 without gaps; (rows,) int64, numbered in the order of their first groups, so without common units as they
    are."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count, size = int(groups.max()) + 1, int(groups.max()) + int(units.max()) + 2
    links = coo_matrix((np.ones(len(groups), bool), (groups, units + count)), (size, size))
    component = connected_components(links, directed=False)[1][:count]
    _, first, label = np.unique(component, return_index=True, return_inverse=True)
    return np.unique(first[label], return_inverse=True)[1][groups]


def tied(groups: Array | None, units: Array | None, largest: float) -> tuple[Array | None, bool]:
    """What stands on one side (rows,), and whether equal rows do then: groups joined by equal rows, unless that makes
    a group of more than `largest` rows that was none before; then the groups alone. Units alone are numbered anew, in
    order of first appearance."""
    if units is None:
        return groups, True
    _, first, label = np.unique(units, return_index=True, return_inverse=True)
    units = np.argsort(np.argsort(first))[label]
    if groups is None:
        return units, True
    both = joined(groups, units)
    whole = bool(np.bincount(both).max() <= max(largest, np.bincount(groups).max()))
    return (both if whole else groups), whole


def without_copies(rows: Array, others: Array, units: Array | None) -> Array:
    """The rows (an index array) that equal none of the others."""
    return rows if units is None else rows[~np.isin(units[rows], units[others])]


def majority(y: Array, units: Array) -> Array:
    """The most frequent class of each unit (units,); of two equally frequent ones the class with fewer rows."""
    classes = np.bincount(y)
    keys, counts = np.unique(units * len(classes) + y, return_counts=True)
    unit, label = np.divmod(keys, len(classes))
    order = np.lexsort((-classes[label], counts, unit))
    return label[order[np.flatnonzero(np.diff(unit, append=-1))]]
