"""Where the variation of cross-validated scores comes from, and which differences repeats can detect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenfold.errors import BadInput

Array = np.ndarray


@dataclass(frozen=True)
class Spread:
    """Variation of one recipe's fold scores, in the metric's unit.

    folds: standard deviation of the fold scores within a repeat, pooled over the repeats. It comes from the choice of
    the validation rows, of the training rows, and from the seed of each fold's training. seeds: standard deviation of
    the repeats' means. It comes from how the rows were divided and from the training seeds, averaged over the folds;
    not from the rows themselves, which are the same in every repeat. resolution: the smallest difference of two means
    that repeats of this design can rank, 2 sqrt(2) seeds / sqrt(repeats), two standard errors of a difference of
    independent means; it does not cover other rows. seeds and resolution are NaN with one repeat.
    """

    folds: float
    seeds: float
    resolution: float


def spread(scores: Array) -> Spread:
    """Spread of scores (repeats, folds), where each repeat has its own folds and seeds.

    folds = sqrt(mean over repeats of var(scores of the repeat)), seeds = sd(means of the repeats), all with ddof 1.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2 or 0 in scores.shape:
        raise BadInput(f"scores of shape {scores.shape}", expected="(repeats, folds)", do="scores.reshape(repeats, -1)")
    repeats, folds = scores.shape
    within = float(np.sqrt(scores.var(1, ddof=1).mean())) if folds > 1 else float("nan")
    between = float(scores.mean(1).std(ddof=1)) if repeats > 1 else float("nan")
    return Spread(within, between, float(2 * np.sqrt(2) * between / np.sqrt(repeats)))
