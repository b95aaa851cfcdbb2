"""Moments of every training part from one pass over the rows.

Rows that belong to the same training parts form a block (for k-fold: a fold). Moments are taken once for each
block and merged, for each training part, over the blocks that it consists of: added, never subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from tenfold.data.encode import Encoding, Inputs
from tenfold.data.folds import Fold
from tenfold.rules.preprocessing import Moments, merge

Array = np.ndarray


def blocks(folds: Sequence[Fold], rows: int) -> tuple[list[Array], list[list[int]]]:
    """Disjoint blocks of rows, and for each fold the numbers of the blocks that its training part consists of."""
    member = np.zeros((rows, len(folds)), bool)
    of_row = np.zeros(rows, np.int64)
    for f, fold in enumerate(folds):
        member[fold.train, f] = True
        of_row = np.unique(2 * of_row + member[:, f], return_inverse=True)[1]
    parts = [np.flatnonzero(of_row == b) for b in range(int(of_row.max()) + 1)]
    return parts, [[b for b, part in enumerate(parts) if member[part[0], f]] for f in range(len(folds))]


def column_moments(values: Array) -> Moments:
    """Moments of the non-missing cells of each column of values (rows, columns)."""
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
    )


def training_moments(inputs: Inputs, folds: Sequence[Fold], encodings: Sequence[Encoding]) -> list[Moments]:
    """Moments of the imputed numeric columns for the training part of every fold: missing cells count as the median."""
    parts, members = blocks(folds, inputs.rows)
    of_block = [column_moments(inputs.numbers[rows]) for rows in parts]
    found: list[Moments] = []
    for fold, encoding, mine in zip(folds, encodings, members, strict=True):
        present = reduce(merge, (of_block[b] for b in mine))
        gaps = len(fold.train) - present.count
        imputed = Moments(gaps, encoding.medians, np.zeros_like(present.mean), encoding.medians, encoding.medians)
        merged = merge(present, imputed)
        none = gaps == 0  # an imputed value that never occurs does not widen the range
        found.append(
            merged._replace(
                minimum=np.where(none, present.minimum, merged.minimum),
                maximum=np.where(none, present.maximum, merged.maximum),
            )
        )
    return found


def target_scale(y: Array, fold: Fold) -> tuple[float, float]:
    """Mean and standard deviation (ddof 0; 1 if constant) of a regression target over a training part."""
    part = y[fold.train]
    std = float(part.std())
    return float(part.mean()), std if std > 0 else 1.0
