"""Scores of many trials at once. scikit-learn's metrics take one prediction at a time; these take a stack of
them, (trials, rows, classes), and equal scikit-learn's for each (tested)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.errors import BadInput

Array = np.ndarray


@dataclass(frozen=True)
class Metric:
    """A score of predictions. `score(y, prediction)` -> (trials,), `rows(y, prediction)` -> (trials, rows) float64.

    Classification: y (rows,) class indices, prediction (trials, rows, classes) probabilities. Regression: y (rows,),
    prediction (trials, rows, 1), both in the target's own unit. higher_is_better tells the sign.

    rows are the contributions of the rows: their mean is the score, and their spread tells how the score varies with
    the rows that happen to be there. Where the score is no plain mean they are score + influence function (Hampel
    1974), the first-order effect of a row on the score.
    """

    name: str
    words: str  # the name in a sentence
    task: str
    higher_is_better: bool
    score: Callable[[Array, Array], Array]
    rows: Callable[[Array, Array], Array]
    bounds: tuple[float, float] = (-np.inf, np.inf)  # what a score can be; intervals are cut to it

    @property
    def sign(self) -> float:
        """+1 if higher is better, else -1: sign * score is what selection maximizes."""
        return 1.0 if self.higher_is_better else -1.0


def accuracy_rows(y: Array, p: Array) -> Array:
    """1 where the most probable class is right, else 0."""
    return (p.argmax(-1) == y).astype(np.float64)


def accuracy(y: Array, p: Array) -> Array:
    """Share of rows whose most probable class is right."""
    return (p.argmax(-1) == y).mean(-1)


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


def balanced_accuracy_rows(y: Array, p: Array) -> Array:
    """score + n / (C n_c) (hit - recall_c) for a row of class c: n_c of the n rows are of it, C classes occur."""
    hit, count, recall = _recalls(y, p)
    present = count > 0
    share = len(y) / (present.sum() * np.maximum(count, 1))  # (classes,)
    return recall[:, present].mean(-1, keepdims=True) + share[y] * (hit - recall[:, y])


def log_loss_rows(y: Array, p: Array) -> Array:
    """-ln p[class], with p clipped at the precision of its dtype (scikit-learn)."""
    own = np.take_along_axis(p, y[None, :, None], -1)[..., 0].astype(np.float64)
    eps = np.finfo(p.dtype).eps
    return -np.log(np.clip(own, eps, 1 - eps))


def log_loss(y: Array, p: Array) -> Array:
    """Mean of -ln p[class]."""
    return log_loss_rows(y, p).mean(-1)


def _sides(y: Array, p: Array) -> list[tuple[Array, Array]]:
    """(member (rows,), score (trials, rows)) of the second class of two, else of every class that occurs."""
    classes = [1] if p.shape[-1] == 2 else [c for c in range(p.shape[-1]) if (y == c).any()]
    return [(y == c, p[..., c]) for c in classes]


def roc_auc(y: Array, p: Array) -> Array:
    """Area under the ROC curve of the second class; one against the rest, averaged over the classes, if more.

    The probability that a member outranks a non-member: (rank sum - m (m + 1) / 2) / (m (n - m)), ties averaged.
    """
    from scipy.stats import rankdata

    areas = []
    for member, score in _sides(y, p):
        if member.all() or not member.any():
            return np.full(len(p), np.nan)
        areas.append(_area(rankdata(score, axis=-1), member))
    return np.mean(areas, axis=0)


def _area(ranks: Array, member: Array) -> Array:
    inside, outside = member.sum(), (~member).sum()
    return (ranks[:, member].sum(-1) - inside * (inside + 1) / 2) / (inside * outside)


def roc_auc_rows(y: Array, p: Array) -> Array:
    """AUC + n / m (placement - AUC) for each of the m members of the class, with n - m for the others.

    The placement of a member is the share of the others that it outranks, that of another the share of the members
    that outrank it, ties counting half (DeLong, DeLong & Clarke-Pearson 1988). Mean over the classes, if more than two.
    """
    from scipy.stats import rankdata

    parts = []
    for member, score in _sides(y, p):
        if member.all() or not member.any():
            return np.full(p.shape[:2], np.nan)
        ranks, placement = rankdata(score, axis=-1), np.empty(score.shape)
        for side in (member, ~member):
            placement[:, side] = (ranks[:, side] - rankdata(score[:, side], axis=-1)) / (~side).sum()
        area = _area(ranks, member)[:, None]
        placement[:, ~member] = 1 - placement[:, ~member]
        parts.append(area + np.where(member, 1 / member.mean(), 1 / (~member).mean()) * (placement - area))
    return np.mean(parts, axis=0)


def squared_errors(y: Array, p: Array) -> Array:
    """(prediction - y)^2."""
    return (p[..., 0].astype(np.float64) - y) ** 2


def mean_squared_error(y: Array, p: Array) -> Array:
    """Mean of (prediction - y)^2."""
    return squared_errors(y, p).mean(-1)


def root_mean_squared_error(y: Array, p: Array) -> Array:
    """Square root of the mean squared error, in the target's unit."""
    return np.sqrt(mean_squared_error(y, p))


def root_mean_squared_error_rows(y: Array, p: Array) -> Array:
    """RMSE + (e^2 - RMSE^2) / (2 RMSE), written (RMSE + e^2 / RMSE) / 2; 0 where nothing is wrong."""
    square = squared_errors(y, p)
    root = np.sqrt(square.mean(-1, keepdims=True))
    return (root + square / np.where(root == 0, 1, root)) / 2


def absolute_errors(y: Array, p: Array) -> Array:
    """|prediction - y|."""
    return np.abs(p[..., 0].astype(np.float64) - y)


def mean_absolute_error(y: Array, p: Array) -> Array:
    """Mean of |prediction - y|, in the target's unit."""
    return absolute_errors(y, p).mean(-1)


def r2(y: Array, p: Array) -> Array:
    """1 - sum (y - prediction)^2 / sum (y - mean y)^2 over the scored rows; 0 (or 1) for a constant target."""
    spread = ((y - y.mean()) ** 2).mean()
    error = mean_squared_error(y, p)
    if spread == 0:
        return np.where(error == 0, 1.0, 0.0)
    return 1 - error / spread


def r2_rows(y: Array, p: Array) -> Array:
    """1 - e^2 / s + (1 - R2) (d^2 / s - 1): d = y - mean y, s the mean of d^2; the score for a constant target."""
    deviation = (y - y.mean()) ** 2
    spread, score = deviation.mean(), r2(y, p)[:, None]
    if spread == 0:
        return np.repeat(score, len(y), 1)
    return 1 - squared_errors(y, p) / spread + (1 - score) * (deviation / spread - 1)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", "classification", True, accuracy, accuracy_rows, (0.0, 1.0)),
        Metric("log_loss", "log loss", "classification", False, log_loss, log_loss_rows, (0.0, np.inf)),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            "classification",
            True,
            balanced_accuracy,
            balanced_accuracy_rows,
            (0.0, 1.0),
        ),
        Metric("roc_auc", "ROC AUC", "classification", True, roc_auc, roc_auc_rows, (0.0, 1.0)),
        Metric("r2", "R2", "regression", True, r2, r2_rows, (-np.inf, 1.0)),
        Metric(
            "rmse", "RMSE", "regression", False, root_mean_squared_error, root_mean_squared_error_rows, (0.0, np.inf)
        ),
        Metric("mae", "mean absolute error", "regression", False, mean_absolute_error, absolute_errors, (0.0, np.inf)),
    )
}


def metric_for(task: str, name: str | None) -> Metric:
    """The metric of that name, or the task's default (accuracy, R2). A name of the other task is refused."""
    if name is None:
        return METRICS["accuracy" if task == "classification" else "r2"]
    mine = [metric.name for metric in METRICS.values() if metric.task == task]
    if name not in mine:
        raise BadInput(f"metric {name!r} is not one for {task}", expected=f"one of: {', '.join(mine)}")
    return METRICS[name]


def all_scores(task: str, y: Array, p: Array) -> dict[str, Any]:
    """Every metric of the task for a stack of predictions: name -> (trials,)."""
    return {metric.name: metric.score(y, p) for metric in METRICS.values() if metric.task == task}
