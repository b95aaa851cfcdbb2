"""RMSE: the square root of the mean squared error, in the target's unit."""

from __future__ import annotations

import numpy as np

from tenfold.statistics.metrics.metric import Array, Metric


def squared_errors(y: Array, p: Array) -> Array:
    """(prediction - y)^2."""
    return (p[..., 0].astype(np.float64) - y) ** 2


def root_mean_squared_error(y: Array, p: Array) -> Array:
    """Square root of the mean squared error, in the target's unit."""
    return np.sqrt(squared_errors(y, p).mean(-1))


def _contributions(y: Array, p: Array) -> Array:
    """RMSE + (e^2 - RMSE^2) / (2 RMSE), written (RMSE + e^2 / RMSE) / 2; 0 where nothing is wrong."""
    square = squared_errors(y, p)
    root = np.sqrt(square.mean(-1, keepdims=True))
    return (root + square / np.where(root == 0, 1, root)) / 2


def _weighted(y: Array, p: Array, w: Array) -> Array:
    """The root of the weighted mean."""
    return np.sqrt(w @ squared_errors(y, p[None])[0] / w.sum(-1))


METRIC = Metric(
    name="rmse",
    words="RMSE",
    task="regression",
    higher_is_better=False,
    score=root_mean_squared_error,
    rows=_contributions,
    weighted=_weighted,
    bounds=(0.0, np.inf),
    row_losses=squared_errors,
    of_mean_loss=np.sqrt,
)
