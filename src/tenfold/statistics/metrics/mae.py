"""Mean absolute error, in the target's unit."""

from __future__ import annotations

from functools import partial

import numpy as np

from tenfold.statistics.metrics.metric import Array, Metric, weighted_mean


def absolute_errors(y: Array, p: Array) -> Array:
    """|prediction - y|."""
    return np.abs(p[..., 0].astype(np.float64) - y)


def mean_absolute_error(y: Array, p: Array) -> Array:
    """Mean of |prediction - y|, in the target's unit."""
    return absolute_errors(y, p).mean(-1)


METRIC = Metric(
    name="mae",
    words="mean absolute error",
    task="regression",
    higher_is_better=False,
    score=mean_absolute_error,
    rows=absolute_errors,
    weighted=partial(weighted_mean, absolute_errors),
    bounds=(0.0, np.inf),
    row_losses=absolute_errors,
)
