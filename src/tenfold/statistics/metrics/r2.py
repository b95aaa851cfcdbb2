"""R2: the share of the target's variance that the predictions explain."""

from __future__ import annotations

import numpy as np

from tenfold.statistics.metrics.metric import Array, Metric
from tenfold.statistics.metrics.rmse import squared_errors


def r2(y: Array, p: Array) -> Array:
    """1 - sum (y - prediction)^2 / sum (y - mean y)^2 over the scored rows; 0 (or 1) for a constant target."""
    spread = ((y - y.mean()) ** 2).mean()
    error = squared_errors(y, p).mean(-1)
    if spread == 0:
        return np.where(error == 0, 1.0, 0.0)
    return 1 - error / spread


def _contributions(y: Array, p: Array) -> Array:
    """1 - e^2 / s + (1 - R2) (d^2 / s - 1): d = y - mean y, s the mean of d^2; the score for a constant target."""
    deviation = (y - y.mean()) ** 2
    spread, score = deviation.mean(), r2(y, p)[:, None]
    if spread == 0:
        return np.repeat(score, len(y), 1)
    return 1 - squared_errors(y, p) / spread + (1 - score) * (deviation / spread - 1)


def _weighted(y: Array, p: Array, w: Array) -> Array:
    """R2 of the drawn rows, against the mean of the drawn targets; as `r2` where all of them are equal."""
    total, deviation = w.sum(-1), y - y.mean()
    spread = w @ deviation**2 / total - (w @ deviation / total) ** 2
    error = w @ squared_errors(y, p[None])[0] / total
    flat = spread <= 1e-14 * (deviation**2).max()  # one value of y drawn, up to rounding
    return np.where(flat, error == 0, 1 - error / np.where(flat, 1, spread))


METRIC = Metric(
    name="r2",
    words="R2",
    task="regression",
    higher_is_better=True,
    score=r2,
    rows=_contributions,
    weighted=_weighted,
    bounds=(-np.inf, 1.0),
)
