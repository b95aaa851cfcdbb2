"""Scores of one prediction under many weightings of its rows: what a bootstrap needs, without copying rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tenfold.statistics.metrics import absolute_errors, accuracy_rows, log_loss_rows, squared_errors

Array = np.ndarray


def counts(drawn: Array, units: int) -> Array:
    """How often each unit was drawn: drawn (draws, any) indices below units -> (draws, units) float64."""
    place = drawn + units * np.arange(len(drawn))[:, None]
    return np.bincount(place.ravel(), minlength=len(drawn) * units).reshape(len(drawn), units).astype(np.float64)


def _mean_of(rows: Callable[[Array, Array], Array]) -> Callable[[Array, Array, Array], Array]:
    """The weighted mean of a row-wise loss."""
    return lambda y, p, w: w @ rows(y, p[None])[0] / w.sum(-1)


def _balanced_accuracy(y: Array, p: Array, w: Array) -> Array:
    member = np.eye(p.shape[-1])[y]  # (rows, classes)
    weight = w @ member  # (draws, classes)
    recall = (w @ (member * (p.argmax(-1) == y)[:, None])) / np.where(weight > 0, weight, 1)
    return recall.sum(-1) / (weight > 0).sum(-1)


def _roc_auc(y: Array, p: Array, w: Array) -> Array:
    classes = [1] if p.shape[-1] == 2 else range(p.shape[-1])
    areas = np.stack([_area(y == c, p[:, c], w) for c in classes], -1)  # (draws, classes); NaN: no member drawn
    present = np.stack([w @ (y == c) > 0 for c in classes], -1)
    if len(classes) == 1:
        return areas[:, 0]
    return np.where(present, areas, 0).sum(-1) / present.sum(-1)


def _area(member: Array, score: Array, w: Array) -> Array:
    """AUC of a weighted sample: sum over members of the weight of the others below, ties half, over both totals."""
    order = np.argsort(score)
    _, first, size = np.unique(score[order], return_index=True, return_counts=True)
    w, member = w[:, order], member[order]
    below = np.cumsum(np.pad(w * ~member, ((0, 0), (1, 0))), -1)  # (draws, rows + 1): weight of others before a place
    middle = np.repeat((below[:, first] + below[:, first + size]) / 2, size, -1)
    inside = w * member
    sides = inside.sum(-1) * below[:, -1]
    return np.where(sides > 0, (inside * middle).sum(-1) / np.where(sides > 0, sides, 1), np.nan)


def _rmse(y: Array, p: Array, w: Array) -> Array:
    return np.sqrt(w @ squared_errors(y, p[None])[0] / w.sum(-1))


def _r2(y: Array, p: Array, w: Array) -> Array:
    total, deviation = w.sum(-1), y - y.mean()
    spread = w @ deviation**2 / total - (w @ deviation / total) ** 2
    error = w @ squared_errors(y, p[None])[0] / total
    flat = spread <= 1e-14 * (deviation**2).max()  # one value of y drawn, up to rounding
    return np.where(flat, error == 0, 1 - error / np.where(flat, 1, spread))


WEIGHTED: dict[str, Callable[[Array, Array, Array], Array]] = {
    "accuracy": _mean_of(accuracy_rows),
    "log_loss": _mean_of(log_loss_rows),
    "balanced_accuracy": _balanced_accuracy,
    "roc_auc": _roc_auc,
    "r2": _r2,
    "rmse": _rmse,
    "mae": _mean_of(absolute_errors),
}


def weighted_score(name: str, y: Array, p: Array, weights: Array) -> Array:
    """The metric of that name with weighted rows: y (rows,), p (rows, classes or 1), weights (draws, rows) -> (draws,).

    With whole numbers as weights it is the score of a sample in which each row stands so often. NaN where the score
    is not defined.
    """
    return WEIGHTED[name](y, p, weights)
