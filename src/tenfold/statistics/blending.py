"""Greedy blending: which predictions to average with which weights, and what that gains on rows it has not seen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tenfold.errors import BadInput
from tenfold.statistics.metrics import METRICS
from tenfold.statistics.metrics.metric import Metric

Array = np.ndarray
STEPS = 100  # of the greedy selection, at most
# Members that may enter, by rows, log-log between these. With few rows the best of many are chosen for their luck.
ROWS, MEMBERS = (100, 10_000, 100_000), (3, 25, 100)
DIGITS = 12  # to which losses are compared: sums in another order differ by rounding, and equal members must tie
LEAST = float(np.finfo(np.float32).eps)  # a probability of the row's class counts as no less, as in the log loss


def most_members(rows: int) -> int:
    """How many members may enter a blend that is chosen on so many rows: 3 for 100, 25 for 10,000, 100 for 100,000,
    log-log between these (as AutoGluon does), and all for more."""
    if rows > ROWS[-1]:
        return np.iinfo(np.int64).max
    return round(math.exp(np.interp(math.log(max(rows, 1)), np.log(ROWS), np.log(MEMBERS))))


def greedy_counts(
    predictions: Array, y: Array, metric: Metric, *, most: int | None = None, steps: int = STEPS
) -> Array:
    """How often each member is taken, (members,) integers: greedy selection with replacement (Caruana et al. 2004).

    predictions (members, rows, classes or 1), y (rows,): as for the metric. Step s takes the member for which the mean
    of the s - 1 taken before and it has the least loss; of equal ones one that is in already, then the first. The
    counts are those after the step of the least loss, the first of equals. The blend's weights are counts / sum.
    most: different members in the blend, at most; once there are so many, only they are taken again.

    The loss is the mean absolute error for mae, the mean squared error for the other metrics of numbers. For all
    metrics of classes it is the log loss: the number of right rows has many ties and much luck in it.
    """
    if predictions.ndim != 3 or not len(predictions) or predictions.shape[1:2] != y.shape or not len(y):
        shapes = f"predictions of shape {predictions.shape}, y of shape {y.shape}"
        raise BadInput(shapes, expected="(members, rows, classes or 1) and (rows,), at least one of each")
    values = _of_the_class(predictions, y) if metric.task == "classification" else predictions[..., 0] - y
    values = values.astype(np.float64)  # (members, rows): the probability of the row's class, or the error
    counts, total = np.zeros(len(values), np.int64), np.zeros(values.shape[1])
    best, least, size = counts, math.inf, 0.0
    for step in range(1, steps + 1):
        full = most is not None and (counts > 0).sum() >= most
        allowed = np.flatnonzero(counts) if full else np.arange(len(values))
        means = (total + values[allowed]) / step  # (allowed, rows), of the blend with each of them
        if metric.task == "classification":
            loss = -np.log(np.maximum(means, LEAST)).mean(1)
        else:
            loss = np.abs(means).mean(1) if metric.name == "mae" else (means**2).mean(1)
        size = size or float(loss.max()) or 1.0
        loss = np.round(loss / size, DIGITS)
        equal = allowed[loss == loss.min()]
        inside = equal[counts[equal] > 0]
        taken = int((inside if len(inside) else equal)[0])
        counts, total = counts.copy(), total + values[taken]
        counts[taken] += 1
        if loss.min() < least:
            best, least = counts, float(loss.min())
    return best


def blended(predictions: Array, counts: Array) -> Array:
    """The mean of the members, weighted by their counts: (rows, classes or 1), in the dtype of the predictions."""
    used = np.flatnonzero(counts)
    return np.tensordot(counts[used] / counts.sum(), predictions[used], 1).astype(predictions.dtype)


def best_blend(predictions: Array, y: Array, metric: Metric, *, most: int | None = None) -> Array:
    """The counts of the greedy blend of the members that are best on these rows by the metric (see `most_members`).
    most: different members in it, at most."""
    alone = metric.sign * metric.score(y, predictions)  # (members,)
    order = np.argsort(np.where(np.isfinite(alone), -alone, np.inf), kind="stable")[: most_members(len(y))]
    counts = np.zeros(len(predictions), np.int64)
    counts[order] = greedy_counts(predictions[order], y, metric, most=most)
    return counts


def blend_or_best(
    predictions: Array,
    y: Array,
    metric: Metric,
    *,
    units: Array,
    rng: np.random.Generator,
    splits: int,
    most: int | None = None,
) -> tuple[Array, float]:
    """The counts of the blend, or of the best member alone where the blend gains nothing on rows that did not choose
    it; and that gain (see `crossed_gain`).

    Where the metric cannot tell the two apart, their log loss does: of classes, a blend is also taken whose gain is
    within one standard error of none and whose log loss is lower. Accuracy says next to nothing of recipes for a class
    of one row in twenty, and of two that are right equally often the one with better probabilities is wanted.
    """
    counts = best_blend(predictions, y, metric, most=most)
    gains = _crossed_gains(predictions, y, metric, units=units, rng=rng, splits=splits, most=most)
    gain, finer = (float(np.mean(part)) if len(part) else 0.0 for part in gains)
    # Two halves are all rows, so that the error of the mean is that of one gain by the root of 2, however often
    # the rows are halved.
    error = float(np.std(gains[0], ddof=1)) / math.sqrt(2) if len(gains[0]) > 1 else 0.0
    if gain > 0 or (finer > 0 and gain + error >= 0):
        return counts, gain
    alone = np.zeros_like(counts)
    alone[_best_member(predictions, y, metric)] = 1
    return alone, gain


def crossed_gain(
    predictions: Array,
    y: Array,
    metric: Metric,
    *,
    units: Array,
    rng: np.random.Generator,
    splits: int,
    most: int | None = None,
    choosing: int = 0,
) -> float:
    """What blending gains over the best member on rows that did not choose either, positive where it is better.

    The rows are halved so many times, by units (rows,): rows of one unit stay together. On each half the blend and the
    best member are chosen, and scored on the other half; the gain is the mean difference of these scores (0 where none
    is defined). choosing: by so many further halvings of the half the choice "blend or best member" is made there,
    too (see `blend_or_best`), so that the gain is that of the procedure with this choice in it.
    """
    gains = _crossed_gains(
        predictions, y, metric, units=units, rng=rng, splits=splits, most=most, choosing=choosing
    )[0]  # fmt: skip
    return float(np.mean(gains)) if len(gains) else 0.0


def _crossed_gains(
    predictions: Array,
    y: Array,
    metric: Metric,
    *,
    units: Array,
    rng: np.random.Generator,
    splits: int,
    most: int | None,
    choosing: int = 0,
) -> tuple[Array, Array]:
    """The gains of all halves, those that are defined, in the metric; and of classes in the log loss, else none."""
    finer = METRICS["log_loss"] if metric.task == "classification" else None
    names, unit = np.unique(units, return_inverse=True)
    gains: tuple[list[float], list[float]] = ([], [])
    for _ in range(splits if len(names) > 1 else 0):
        first = np.zeros(len(names), bool)
        first[rng.permutation(len(names))[: len(names) // 2]] = True
        for chosen in (first[unit], ~first[unit]):
            part = predictions[:, chosen]
            if choosing:
                how: Any = {"units": units[chosen], "rng": rng, "splits": choosing, "most": most}
                counts = blend_or_best(part, y[chosen], metric, **how)[0]
            else:
                counts = best_blend(part, y[chosen], metric, most=most)
            alone = _best_member(part, y[chosen], metric)
            rest, others = predictions[:, ~chosen], y[~chosen]
            pair = np.stack([blended(rest, counts), rest[alone]])
            for judge, found in zip((metric, finer), gains, strict=True):
                if judge is not None:
                    found.append(judge.sign * float(np.subtract(*judge.score(others, pair))))
    in_metric, in_log_loss = (np.array([gain for gain in found if math.isfinite(gain)]) for found in gains)
    return in_metric, in_log_loss


def _best_member(predictions: Array, y: Array, metric: Metric) -> int:
    alone = metric.sign * metric.score(y, predictions)
    return int(np.where(np.isfinite(alone), alone, -np.inf).argmax())


def _of_the_class(probabilities: Array, y: Array) -> Array:
    """(members, rows) of (members, rows, classes)."""
    return np.take_along_axis(probabilities, y[None, :, None], -1)[..., 0]
