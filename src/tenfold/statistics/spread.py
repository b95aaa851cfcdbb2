"""Where the variation of cross-validated scores comes from, and what repeats can tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenfold.errors import BadInput

Array = np.ndarray


@dataclass(frozen=True)
class Spread:
    """Variation of one recipe's fold scores, in the metric's unit.

    folds: standard deviation of the fold scores within a repeat, pooled over the repeats. It holds the choice of the
    validation rows, of the training rows, and the seed of each fold's training. seeds: standard deviation of the
    repeats' means. It holds the luck of the division and of the training seeds, averaged over the folds; not the luck
    of the rows themselves, which are the same in every repeat. NaN with one repeat, as resolution: the smallest
    difference of two means that repeats of this design can rank, 2 sqrt(2) seeds / sqrt(repeats) - two standard errors
    of a difference of independent means; it says nothing about other rows.
    """

    folds: float
    seeds: float
    resolution: float


def spread(scores: Array) -> Spread:
    """Spread of scores (repeats, folds), where each repeat has a division and seeds of its own.

    folds = sqrt(mean over repeats of var(scores of the repeat)), seeds = sd(means of the repeats), all with ddof 1.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2 or 0 in scores.shape:
        raise BadInput(f"scores of shape {scores.shape}", expected="(repeats, folds)", do="scores.reshape(repeats, -1)")
    repeats, folds = scores.shape
    within = float(np.sqrt(scores.var(1, ddof=1).mean())) if folds > 1 else float("nan")
    between = float(scores.mean(1).std(ddof=1)) if repeats > 1 else float("nan")
    return Spread(within, between, float(2 * np.sqrt(2) * between / np.sqrt(repeats)))
