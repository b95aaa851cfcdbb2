"""Moments of every training part from one pass over the rows.

Rows that belong to the same training parts form a block (for k-fold: a fold). Moments are taken once for each block and
merged, for each training part, over the blocks that it consists of: added, never subtracted. The total minus a fold
would leak by rounding (a validation row of 1e16 moves the last bits of the others' sums) and cancel digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from tenfold.data.columns.in_threads import for_each
from tenfold.data.feed.encode import Encoding, Inputs
from tenfold.data.split.folds import Fold
from tenfold.rules.preprocessing import Moments, merge
from tenfold.rules.preprocessing.moments import INTERVALS

Array = np.ndarray
CHUNK = 1 << 25  # bytes of float64 values that are looked at together
MANY = 4  # blocks a fold from which on merging their scatters costs more than it saves


def row_blocks(folds: Sequence[Fold], rows: int) -> tuple[list[Array], list[list[int]]]:
    """Disjoint blocks of rows, and for each fold the numbers of the blocks that its training part consists of."""
    member = np.zeros((rows, len(folds)), bool)
    of_row = np.zeros(rows, np.int64)
    for f, fold in enumerate(folds):
        member[fold.train, f] = True
        of_row = np.unique(2 * of_row + member[:, f], return_inverse=True)[1]
    parts = [np.flatnonzero(of_row == b) for b in range(int(of_row.max()) + 1)]
    return parts, [[b for b, part in enumerate(parts) if member[part[0], f]] for f in range(len(folds))]


def column_moments(values: Array, *, scatter: bool = False) -> Moments:
    """Moments of the non-missing cells of each column of values (rows, columns); with their scatter if asked for, which
    takes values without missing cells."""
    present = ~np.isnan(values)
    count = present.sum(0).astype(np.float64)
    filled = np.where(present, values, 0.0)
    mean = filled.sum(0) / np.maximum(count, 1)
    centred = np.where(present, values - mean, 0.0)
    return Moments(
        count,
        mean,
        (centred * centred).sum(0),
        np.where(present, values, np.inf).min(0, initial=np.inf),
        np.where(present, values, -np.inf).max(0, initial=-np.inf),
        centred.T @ centred if scatter else None,
    )


def _chunks(inputs: Inputs, rows: Array) -> list[Array]:
    """The rows in pieces whose float64 values take CHUNK bytes; at least one piece."""
    size = max(1, CHUNK // (8 * max(1, inputs.numbers.shape[1])))
    return [rows[start : start + size] for start in range(0, max(1, len(rows)), size)]


def block_moments(inputs: Inputs, rows: Array, *, scatter: bool = False) -> Moments:
    """Moments of the numeric columns of some rows, in one pass, a chunk of rows at a time."""
    pieces = (column_moments(inputs.values(piece), scatter=scatter) for piece in _chunks(inputs, rows))
    return reduce(merge, pieces)._replace(image=inputs.image)


def moments_beside(moments: Moments, more: Moments) -> Moments:
    """The moments of the columns of two parts of a table, without a scatter."""
    count, mean, squares, minimum, maximum = (np.concatenate(both) for both in zip(moments[:5], more[:5], strict=True))
    return Moments(count, mean, squares, minimum, maximum)


def imputed_scatter(inputs: Inputs, rows: Array, medians: Array, mean: Array) -> Array:
    """Sum over the rows of (x - mean)(x - mean)^T, missing cells filled with the medians; a chunk at a time."""
    total = np.zeros((len(mean), len(mean)))
    for piece in _chunks(inputs, rows):
        values = inputs.values(piece)
        centred = np.where(np.isnan(values), medians, values) - mean
        total += centred.T @ centred
    return total


def training_moments(
    inputs: Inputs, folds: Sequence[Fold], encodings: Sequence[Encoding], scatter: bool = False
) -> list[Moments]:
    """Moments of the imputed numeric columns for the training part of every fold: missing cells count as the median.

    The scatter, if asked for, is merged over the blocks like the other moments. It is taken over the training part
    itself where merging is impossible (each part imputes other values) or slower (far more blocks than folds). Which
    of the two is decided by the rows of that part: a missing cell elsewhere changes no bit.
    """
    parts, members = row_blocks(folds, inputs.rows)
    numbers = inputs.numbers
    complete = [numbers.dtype.kind == "u" or not np.isnan(numbers[rows]).any() for rows in parts]
    few = scatter and len(parts) <= MANY * len(folds)
    shared = [few and all(complete[b] for b in own) for own in members]
    users: list[list[int]] = [[] for _ in parts]
    for f, own in enumerate(members):
        for b in own:
            users[b].append(f)
    none = parts[0][:0]
    merged = [block_moments(inputs, none, scatter=share) for share in shared]  # of no rows: neutral
    for rows, using in zip(parts, users, strict=True):
        block = block_moments(inputs, rows, scatter=any(shared[f] for f in using))
        for f in using:
            merged[f] = merge(merged[f], block if shared[f] else block._replace(scatter=None))
    result: list[Moments] = []
    for f, (fold, encoding, present) in enumerate(zip(folds, encodings, merged, strict=True)):
        no_gap = all(complete[b] for b in members[f])
        moments = present if no_gap else _impute(present, encoding.medians, len(fold.train))
        if scatter and not shared[f]:
            total = imputed_scatter(inputs, fold.train, encoding.medians, moments.mean)
            moments = moments._replace(scatter=total)
        result.append(moments)
    return result


def training_quantiles(inputs: Inputs, folds: Sequence[Fold]) -> list[Array]:
    """Quantiles (INTERVALS + 1, numeric columns) of the training part of every fold, missing cells left out; 0 where a
    column has no other. One sort of a column serves all folds: the rows of a part are in order in it."""
    columns = inputs.numbers.shape[1]
    member = np.zeros((len(folds), inputs.rows), bool)
    for f, fold in enumerate(folds):
        member[f, fold.train] = True
    result = [np.zeros((INTERVALS + 1, columns)) for _ in folds]

    def decide(column: int) -> None:
        values = np.ascontiguousarray(inputs.numbers[:, column])
        values = values / 255.0 if values.dtype == np.uint8 else values
        order = np.argsort(values, kind="stable")
        order = order[: len(values) - np.isnan(values).sum()]  # missing cells are sorted to the end
        for f in range(len(folds)):
            ordered = values[order[member[f, order]]]
            if len(ordered):
                result[f][:, column] = quantiles_of(ordered)

    for_each(decide, range(columns), inputs.rows)
    return result


def quantiles_of(ordered: Array) -> Array:
    """Quantiles (INTERVALS + 1,) of values in rising order, between two of them by a straight line."""
    below, behind = np.divmod(np.arange(INTERVALS + 1) * (len(ordered) - 1), INTERVALS)  # exact: whole numbers
    low, high = ordered[below], ordered[np.minimum(below + 1, len(ordered) - 1)]
    return low + (high - low) * (behind / INTERVALS)


def _impute(present: Moments, medians: Array, rows: int) -> Moments:
    """The moments of all rows from those of the cells that are present: the other cells are the medians."""
    return merge(present, Moments(rows - present.count, medians, np.zeros_like(present.mean), medians, medians))


def target_scale(y: Array, fold: Fold) -> tuple[Any, Any]:
    """Mean and standard deviation (ddof 0; 1 if constant) of a regression target over a training part; of several
    numbers (rows, k) those of each, (k,)."""
    part = y[fold.train]
    if y.ndim == 2:
        deviation = part.std(0)
        return part.mean(0), np.where(deviation > 0, deviation, 1.0)
    std = float(part.std())
    return float(part.mean()), std if std > 0 else 1.0
