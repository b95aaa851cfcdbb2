"""Which rows must stay on one side of a division: equal rows, groups, and groups that share equal rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tenfold.data.columns.codes import are_whole
from tenfold.data.columns.table import Table
from tenfold.data.feed.encode import Inputs

Array = np.ndarray
LEAST_DISTINCT = 0.5  # share of distinct rows under which equal rows may be coincidences
LEAST_UNITS = 20  # distinct rows from which they can be told from copies
NEARLY = 0.95  # share of the distinct rows from which as many values make a column nearly unique
CHANCE = 0.25  # share of the equal rows that chance may explain
CLOSE = 20  # times their number that whole numbers may span and count something
SECONDS_A_DAY = 86400.0
MIX = np.uint64(0x9E3779B97F4A7C15)


def copy_labels(rows: Inputs | Table | Array, *, always: bool = False) -> tuple[Array | None, str]:
    """A label for each row (rows,) int64, equal for rows whose cells are all equal, in order of first appearance.

    None where no row repeats another, and None with a warning where fewer than half of the rows are distinct and their
    numbers do not tell that equal ones are copies (see `are_copies`; not if `always`). The target is not looked at: a
    repeated row with another target leaks as well. Missing cells equal each other.
    """
    columns = cell_columns(rows)
    count = len(columns[0]) if columns else 0
    labels = row_labels(columns) if count else np.zeros(0, np.int64)
    distinct = int(labels.max()) + 1 if count else 0
    if distinct == count:
        return None, ""
    if distinct < LEAST_DISTINCT * count and not always and not are_copies(rows, labels):
        return None, (
            f"only {distinct:,} of {count:,} rows are distinct in their inputs ({distinct / count:.1%}): equal rows "
            "are on both sides of the folds, so a model that remembers rows scores too well"
        )
    return labels, ""


def are_copies(rows: Inputs | Table | Array, labels: Array) -> bool:
    """Whether equal rows are copies of each other, as after oversampling, and not coincidences, as in a table of a few
    discrete columns. labels: of equal rows (see `row_labels`).

    They are copies where a number is nearly unique among the distinct rows, or where chance would make far fewer rows
    equal: that two rows agree in one half of the columns, and in the other half, is counted, and the product of both
    shares is what chance gives for all columns. A column that alone tells the distinct rows apart, but counts closely
    (an age) or is a category, says nothing in either way, and is left out.
    """
    first = np.unique(labels, return_index=True)[1]
    if len(first) < LEAST_UNITS:
        return False
    numbers, categories = _apart(rows)
    others: list[Array] = []
    for column in (*numbers, *categories):
        if len(np.unique(_bits(column[first]))) < NEARLY * len(first):
            others.append(column)
        elif not any(column is category for category in categories) and not _counts(column[first]):
            return True
    agree = [_agreement(half) for half in (others[::2], others[1::2])]
    by_chance = agree[0] * agree[1] * len(labels) ** 2 / 2
    return by_chance < CHANCE * (len(labels) - len(first))


def _agreement(columns: Sequence[Array]) -> float:
    """Share of the pairs of rows, each with itself too, that are equal in these columns."""
    if not columns:
        return 1.0
    shares = np.bincount(row_labels(columns)) / len(columns[0])
    return float((shares**2).sum())


def _apart(rows: Inputs | Table | Array) -> tuple[list[Array], list[Array]]:
    """The columns of numbers and dates (of a date its days only), and those of categories."""
    if isinstance(rows, Table):
        texts = [column.codes for column in rows.columns if column.kind == "text"]
        return [column.values for column in rows.columns if column.kind != "text"], texts
    if isinstance(rows, Inputs):
        numbers = rows.numbers if rows.image is not None else rows.numbers[:, rows.own_flag]
        return cell_columns(numbers), cell_columns(rows.codes)
    return cell_columns(rows), []


def _counts(values: Array) -> bool:
    """Whether the values are whole and close together, as ages, levels and days are."""
    if values.dtype.kind == "M":
        values = values[~np.isnat(values)].astype("datetime64[s]").astype(np.float64) / SECONDS_A_DAY
    values = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if not len(values) or not are_whole(values):
        return not len(values)
    return float(values.max()) - float(values.min()) < CLOSE * len(np.unique(values))


def cell_columns(rows: Inputs | Table | Array) -> list[Array]:
    """The cells as columns of numbers; pixels in bytes eight to a column."""
    if isinstance(rows, Table):
        return [c.codes if c.kind == "text" else c.values for c in rows.columns]
    if isinstance(rows, Inputs):
        given = [] if rows.tensors is None else list(rows.tensors.arrays.values())
        plain = cell_columns(rows.numbers) + cell_columns(rows.codes)
        return plain + [column for array in given for column in cell_columns(_bytes_of_rows(array))]
    matrix = rows.reshape(len(rows), int(np.prod(rows.shape[1:])))
    if matrix.dtype == np.uint8:
        short = -matrix.shape[1] % 8
        matrix = np.ascontiguousarray(np.pad(matrix, ((0, 0), (0, short))) if short else matrix).view(np.uint64)
    return list(matrix.T)


def _bytes_of_rows(array: Array) -> Array:
    """(rows, bytes) of any array (rows, ...)."""
    return np.ascontiguousarray(array.reshape(len(array), -1)).view(np.uint8)


def row_labels(columns: Sequence[Array]) -> Array:
    """A label for each row, equal for rows that are equal in every column, in order of first appearance.

    columns: arrays (rows,) of float64, of integers or of dates.
    """
    hashes = _hashes(columns)
    ordered = np.sort(hashes)
    if (ordered[1:] != ordered[:-1]).all():
        return np.arange(len(hashes))  # no two rows are equal, as in most tables
    # 64-bit hashes instead of sorting whole rows: half a million rows of 20 columns take half a second. Hashes may
    # collide, so every match is compared.
    _, first, label = np.unique(hashes, return_index=True, return_inverse=True)
    leader = first[label]  # (rows,) the first row with the same hash
    copies = np.flatnonzero(leader != np.arange(len(leader)))
    same = np.ones(len(copies), bool)
    for column in columns:
        same &= _bits(column[copies]) == _bits(column[leader[copies]])
    if not same.all():  # a collision: rows that differ have one hash
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


def merge_groups(groups: Array, copies: Array) -> Array:
    """Groups that hold copies of one row become one group (connected components). groups, copies (rows,): codes from 0
    without gaps. Returns (rows,) int64, numbered in the order of their first groups: unchanged without such copies."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count, size = int(groups.max()) + 1, int(groups.max()) + int(copies.max()) + 2
    links = coo_matrix((np.ones(len(groups), bool), (groups, copies + count)), (size, size))
    component = connected_components(links, directed=False)[1][:count]
    _, first, label = np.unique(component, return_index=True, return_inverse=True)
    return np.unique(first[label], return_inverse=True)[1][groups]


def sides_of(groups: Array | None, copies: Array | None, largest: float) -> tuple[Array | None, bool]:
    """A label for each row (rows,), equal for rows that must stay on one side, and whether equal rows do then.

    Groups that share equal rows are merged, unless that makes a group of more than `largest` rows which was not so
    large before: then the groups stay as they are. Copies without groups are numbered anew, by first appearance."""
    if copies is None:
        return groups, True
    _, first, label = np.unique(copies, return_index=True, return_inverse=True)
    copies = np.argsort(np.argsort(first))[label]
    if groups is None:
        return copies, True
    merged = merge_groups(groups, copies)
    small = bool(np.bincount(merged).max() <= max(largest, np.bincount(groups).max()))
    return (merged if small else groups), small


def without_copies(rows: Array, others: Array, copies: Array | None) -> Array:
    """The rows (an index array) that equal none of the others."""
    return rows if copies is None else rows[~np.isin(copies[rows], copies[others])]


def without_groups(rows: Array, others: Array, groups: Array) -> Array:
    """The rows (an index array) of which no other is of the same group. groups (all rows,): codes from 0."""
    return rows[~np.isin(groups[rows], groups[others])]


def majority(y: Array, copies: Array) -> Array:
    """The most frequent class of each set of copies (sets,); of two equally frequent ones the class with fewer rows."""
    classes = np.bincount(y)
    keys, counts = np.unique(copies * len(classes) + y, return_counts=True)
    unit, label = np.divmod(keys, len(classes))
    order = np.lexsort((-classes[label], counts, unit))
    return label[order[np.flatnonzero(np.diff(unit, append=-1))]]
