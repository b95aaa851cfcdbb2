"""Which rows each update sees: an epoch deals the shuffled training rows into batches of nearly equal size.

An epoch has ceil(rows / batch_size) updates, and its batches differ in size by one row at most: no row is dropped, none
counts twice, and there is no small batch at the end. An odd number of rows dealt in twos gives one batch of three,
because a single row cannot be normalized; batches of one row occur only with batch size 1. All folds make the same
number of updates, so they advance in lock-step. Batches are padded to a multiple of ALIGN rows of weight 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tenfold.data.feed.randomness import derive
from tenfold.data.split.folds import Fold

Array = np.ndarray
ALIGN = 32  # rows; a lane's block of numbers then never ends inside a vector register, whatever its neighbours


def align(count: int, to: int = ALIGN) -> int:
    """The next multiple of `to`."""
    return -(-count // to) * to


@dataclass(frozen=True)
class Dealing:
    """How many updates an epoch has and how many rows (padding included) each batch has."""

    updates: int
    rows: int

    @staticmethod
    def of(folds: Sequence[Fold], batch_size: int | str) -> Dealing:
        """From the training parts and the recipe's batch size ("full": all rows in one batch)."""
        most = max(len(fold.train) for fold in folds)
        least = min(len(fold.train) for fold in folds)
        size = most if batch_size == "full" else min(int(batch_size), most)
        updates = min(-(-most // size), least if size == 1 else max(1, least // 2))
        return Dealing(updates, align(-(-most // updates)))


def deal(fold: Fold, dealing: Dealing, epoch: int) -> tuple[Array, Array]:
    """Row indices (updates, rows) int64 and weights (updates, rows) float64 of one epoch of one fold.

    A weight is 1 / (rows of that batch), 0 for padding, which repeats the batch's first row.
    """
    train = derive(fold.seed, "order", fold.number, epoch).permutation(fold.train)
    bounds = np.arange(dealing.updates + 1) * len(train) // dealing.updates
    count = np.diff(bounds)[:, None]  # (updates, 1)
    place = np.arange(dealing.rows)[None, :]  # (1, rows)
    real = place < count
    index = bounds[:-1, None] + np.where(real, place, 0)
    return train[index], np.where(real, 1.0 / count, 0.0)
