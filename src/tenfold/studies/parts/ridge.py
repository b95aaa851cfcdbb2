"""Ridge regression on class indicators in closed form: the fastest classifier that has a setting to choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

from tenfold.data.split.folds import make_folds
from tenfold.data.split.request import Splits

Array = np.ndarray


def ridge_classes(x: Array, y: Array, train: Array, test: Array, penalties: Sequence[float] | Array) -> Array:
    """The classes (penalties, rows of test) of linear maps that minimize |X W + b - T|^2 + penalty |W|^2 on the rows
    `train`; T is 1 in the column of the class and else -1.

    x (rows, columns), y (rows,) integers from 0, train and test row numbers. b is not penalized.
    """
    mean = x[train].mean(0)
    targets = np.where(y[train][:, None] == np.arange(y.max() + 1), 1.0, -1.0)
    level = targets.mean(0)
    left, sizes, right = np.linalg.svd(x[train] - mean, full_matrices=False)
    shares = left.T @ (targets - level)
    ahead = (x[test] - mean) @ right.T  # (rows, rank)
    factors = sizes / (sizes**2 + np.asarray(penalties, float)[:, None])  # (penalties, rank)
    return (np.einsum("tr,pr,rc->ptc", ahead, factors, shares, optimize=True) + level).argmax(2)


def ridge_accuracy(x: Array, y: Array, train: Array, test: Array, penalties: Sequence[float] | Array) -> Array:
    """Of `ridge_classes`, the share that is right, (penalties,)."""
    return (ridge_classes(x, y, train, test, penalties) == y[test]).mean(1)


class Estimates(NamedTuple):
    """Accuracies (resamples, penalties) of ridge classifiers of some digits. one: on a fifth of the rows, by the model
    of the others; mean: over five folds, of which that fifth is one; folds: what the models of the folds have on
    all other digits, in the mean; refit: what the model of all rows has there."""

    one: Array
    mean: Array
    folds: Array
    refit: Array


def estimated(seed: int, rows: int, penalties: Sequence[float] | Array, resamples: int) -> Estimates:
    """Draw so many rows of digits again and again, estimate each penalty by one hold-out and by five folds, and see
    what its model really has on the digits that were not drawn."""
    data: Any = load_digits()
    found = []
    for number in range(resamples):
        order = np.random.default_rng((seed, number)).permutation(len(data.data))
        x, y, ahead = data.data[order], data.target[order], np.arange(rows, len(order))
        parts = make_folds(y[:rows], Splits(5, seed=1000 * seed + number), classification=True)
        inside, outside = [], []
        for part in parts:
            both = ridge_classes(x, y, part.train, np.concatenate([part.validation, ahead]), penalties)
            right = both == y[np.concatenate([part.validation, ahead])]
            inside.append(right[:, : len(part.validation)].mean(1))
            outside.append(right[:, len(part.validation) :].mean(1))
        refit = ridge_accuracy(x, y, np.arange(rows), ahead, penalties)
        found.append((inside[0], np.mean(inside, 0), np.mean(outside, 0), refit))
    return Estimates(*(np.array(part) for part in zip(*found, strict=True)))
