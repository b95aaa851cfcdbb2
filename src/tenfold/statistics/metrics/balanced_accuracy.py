"""Balanced accuracy: the mean recall of the classes that occur."""

from __future__ import annotations

import numpy as np

from tenfold.statistics.metrics.metric import Array, Metric


def _recalls(y: Array, p: Array) -> tuple[Array, Array, Array]:
    """hit (trials, rows); rows of each class and the share of them that is right (trials, classes), 0 if none."""
    hit = p.argmax(-1) == y
    member = np.eye(p.shape[-1])[y]  # (rows, classes)
    count = member.sum(0)
    return hit, count, (hit @ member) / np.maximum(count, 1)


def balanced_accuracy(y: Array, p: Array) -> Array:
    """Mean over the classes that occur of the share of their rows that are right."""
    _, count, recall = _recalls(y, p)
    return recall[:, count > 0].mean(-1)


def _contributions(y: Array, p: Array) -> Array:
    """score + n / (C n_c) (hit - recall_c) for a row of class c: n_c of the n rows are of it, C classes occur."""
    hit, count, recall = _recalls(y, p)
    present = count > 0
    share = len(y) / (present.sum() * np.maximum(count, 1))  # (classes,)
    return recall[:, present].mean(-1, keepdims=True) + share[y] * (hit - recall[:, y])


def _weighted(y: Array, p: Array, w: Array) -> Array:
    """The mean over the classes that a draw holds."""
    member = np.eye(p.shape[-1])[y]  # (rows, classes)
    weight = w @ member  # (draws, classes)
    recall = (w @ (member * (p.argmax(-1) == y)[:, None])) / np.where(weight > 0, weight, 1)
    return recall.sum(-1) / (weight > 0).sum(-1)


METRIC = Metric(
    name="balanced_accuracy",
    words="balanced accuracy",
    task="classification",
    higher_is_better=True,
    score=balanced_accuracy,
    rows=_contributions,
    weighted=_weighted,
    bounds=(0.0, 1.0),
)
