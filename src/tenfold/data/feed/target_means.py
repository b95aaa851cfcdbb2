"""Categories of many levels as numbers: the mean target of a level, drawn towards the mean of all rows.

They are fitted inside a fold. A training row gets the means of other training rows (five parts, each with the means of
the other four), or the network would learn to read its own target in them; all other rows get those of the whole
training part. Scikit-learn's TargetEncoder does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tenfold.data.feed.encode import Inputs

Array = np.ndarray
SMOOTH = 10.0  # rows of the mean of all that are added to each level
PARTS = 5  # that the training rows are divided into


class TargetMeans(NamedTuple):
    """Of a category (its place among the codes) the mean targets of each code, table (codes, columns)."""

    category: int
    table: Array


def target_columns(y: Array, classes: int) -> Array:
    """What means are taken of (rows, columns) float64: the number; for two classes whether it is the second, for more
    of them each. classes: how many there are, 0 for a regression."""
    if classes == 0:
        return y[:, None].astype(np.float64)
    return (y[:, None] == np.arange(classes)[1 if classes == 2 else 0 :]).astype(np.float64)


def level_means(codes: Array, size: int, targets: Array) -> Array:
    """Smoothed means (size, columns) of targets (rows, columns) by code: (sum + SMOOTH mean) / (rows + SMOOTH)."""
    mean = targets.mean(0)
    count = np.bincount(codes, minlength=size)[:, None]
    sums = np.stack([np.bincount(codes, column, size) for column in targets.T], 1)
    return (sums + SMOOTH * mean) / (count + SMOOTH)


def fit_target_means(
    inputs: Inputs, targets: Array, train: Array, units: Array | None, rng: np.random.Generator
) -> tuple[tuple[TargetMeans, ...], Array]:
    """The means that the training rows decide, and what every row gets of them (rows, columns). units (rows,): rows of
    one number stay in one part; None: every row for itself."""
    means = tuple(
        TargetMeans(category, level_means(inputs.codes[train, category], inputs.sizes[category], targets[train]))
        for category in inputs.large_categories
    )
    columns = mean_columns(inputs, means)
    together = np.unique(train if units is None else units[train], return_inverse=True)[1]
    part = (rng.permutation(int(together.max()) + 1) % PARTS)[together]
    for number in np.unique(part):
        mine, others = train[part == number], train[part != number]
        if not len(others):
            continue  # all rows belong together
        known = [
            TargetMeans(category, level_means(inputs.codes[others, category], inputs.sizes[category], targets[others]))
            for category, _ in means
        ]
        columns[mine] = mean_columns(inputs.take(mine), known)
    return means, columns


def mean_columns(inputs: Inputs, means: Sequence[TargetMeans]) -> Array:
    """The means (rows, columns) of the levels of these rows."""
    return np.hstack([np.zeros((inputs.rows, 0)), *(table[inputs.codes[:, category]] for category, table in means)])


def with_columns(inputs: Inputs, columns: Array) -> Inputs:
    """The inputs with more numbers, the last ones, which are never missing."""
    count = columns.shape[1]
    return replace(
        inputs,
        numbers=np.hstack([inputs.numbers, columns]),
        names=(*inputs.names, *(f"mean {i}" for i in range(count))),
        own_flag=np.concatenate([inputs.own_flag, np.zeros(count, bool)]),
    )
