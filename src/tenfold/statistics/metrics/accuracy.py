"""Accuracy: the share of rows whose most probable class is right."""

from __future__ import annotations

from functools import partial

import numpy as np

from tenfold.statistics.metrics.metric import Array, Metric, weighted_mean


def hits(y: Array, p: Array) -> Array:
    """1 where the most probable class is right, else 0."""
    return (p.argmax(-1) == y).astype(np.float64)


def accuracy(y: Array, p: Array) -> Array:
    """Share of rows whose most probable class is right."""
    return (p.argmax(-1) == y).mean(-1)


METRIC = Metric(
    name="accuracy",
    words="accuracy",
    task="classification",
    higher_is_better=True,
    score=accuracy,
    rows=hits,
    weighted=partial(weighted_mean, hits),
    bounds=(0.0, 1.0),
    counts_hits=True,
)
