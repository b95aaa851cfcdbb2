"""A metric of the user's own, and any metric over several numbers a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from tenfold.errors import BadInput, clipped
from tenfold.statistics.metrics.metric import Array, Metric, weighted_mean

OwnScores = Callable[[Any, Any], Any]  # of targets and predictions of some rows a number a row, larger is better


def own_metric(task: Literal["classification", "regression"], function: OwnScores) -> Metric:
    """The mean of what a function gives for each row, the larger the better.

    function(y, prediction) -> (rows,): y as in `Metric`, prediction (rows, classes) probabilities, or numbers in the
    target's own unit, (rows, 1) or as many as the network gives.
    """
    name = getattr(function, "__name__", "own metric")

    def rows(y: Array, p: Array) -> Array:
        return np.stack([_of_one(y, part) for part in p])

    def _of_one(y: Array, part: Array) -> Array:
        found = function(y, part)
        found = np.asarray(found.detach().cpu().numpy() if hasattr(found, "detach") else found, np.float64)
        if found.shape != (len(y),):
            expected = f"({len(y)},): a number for each row, whose mean is the score"
            raise BadInput(f"metric {clipped(name)} gives {found.shape}", expected=expected)
        return found

    return Metric(
        name=name,
        words=name,
        task=task,
        higher_is_better=True,
        score=lambda y, p: rows(y, p).mean(-1),
        rows=rows,
        weighted=partial(weighted_mean, rows),
        bounds=(-np.inf, np.inf),
        own_function=function,
    )


def over_columns(metric: Metric) -> Metric:
    """The mean of a metric of numbers over several of them: y (rows, k), prediction (trials, rows, k)."""

    def mean(function: Callable[..., Array], y: Array, p: Array, *more: Array) -> Array:
        columns = range(y.shape[1])
        return np.mean([function(y[:, c], p[..., c : c + 1], *more) for c in columns], axis=0)

    return replace(
        metric,
        score=partial(mean, metric.score),
        rows=partial(mean, metric.rows),
        weighted=partial(mean, metric.weighted),
        row_losses=None,
    )
