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
    """A score of predictions. `score(y, prediction)` -> (trials,).

    Classification: y (rows,) class indices, prediction (trials, rows, classes) probabilities. Regression: y (rows,),
    prediction (trials, rows, 1), both in the target's own unit. higher_is_better tells the sign.
    """

    name: str
    task: str
    higher_is_better: bool
    score: Callable[[Array, Array], Array]
    bounds: tuple[float, float] = (-np.inf, np.inf)  # what a score can be; intervals are cut to it

    @property
    def sign(self) -> float:
        """+1 if higher is better, else -1: sign * score is what selection maximizes."""
        return 1.0 if self.higher_is_better else -1.0


def accuracy(y: Array, p: Array) -> Array:
    """Share of rows whose most probable class is right."""
    return (p.argmax(-1) == y).mean(-1)


def balanced_accuracy(y: Array, p: Array) -> Array:
    """Mean over the classes that occur of the share of their rows that are right."""
    hit = p.argmax(-1) == y  # (trials, rows)
    member = np.eye(p.shape[-1])[y]  # (rows, classes)
    count = member.sum(0)
    return ((hit @ member)[:, count > 0] / count[count > 0]).mean(-1)


def log_loss(y: Array, p: Array) -> Array:
    """Mean of -ln p[class], with p clipped at the precision of its dtype (scikit-learn)."""
    own = np.take_along_axis(p, y[None, :, None], -1)[..., 0].astype(np.float64)
    eps = np.finfo(p.dtype).eps
    return -np.log(np.clip(own, eps, 1 - eps)).mean(-1)


def roc_auc(y: Array, p: Array) -> Array:
    """Area under the ROC curve of the second class; one against the rest, averaged over the classes, if more.

    The probability that a member outranks a non-member: (rank sum - m (m + 1) / 2) / (m (n - m)), ties averaged.
    """
    from scipy.stats import rankdata

    classes = [1] if p.shape[-1] == 2 else [c for c in range(p.shape[-1]) if (y == c).any()]
    areas = []
    for c in classes:
        member = y == c
        inside, outside = member.sum(), (~member).sum()
        if inside == 0 or outside == 0:
            return np.full(len(p), np.nan)
        ranks = rankdata(p[..., c], axis=-1)
        areas.append((ranks[:, member].sum(-1) - inside * (inside + 1) / 2) / (inside * outside))
    return np.mean(areas, axis=0)


def mean_squared_error(y: Array, p: Array) -> Array:
    """Mean of (prediction - y)^2."""
    return ((p[..., 0].astype(np.float64) - y) ** 2).mean(-1)


def root_mean_squared_error(y: Array, p: Array) -> Array:
    """Square root of the mean squared error, in the target's unit."""
    return np.sqrt(mean_squared_error(y, p))


def mean_absolute_error(y: Array, p: Array) -> Array:
    """Mean of |prediction - y|, in the target's unit."""
    return np.abs(p[..., 0].astype(np.float64) - y).mean(-1)


def r2(y: Array, p: Array) -> Array:
    """1 - sum (y - prediction)^2 / sum (y - mean y)^2 over the scored rows; 0 (or 1) for a constant target."""
    spread = ((y - y.mean()) ** 2).mean()
    error = mean_squared_error(y, p)
    if spread == 0:
        return np.where(error == 0, 1.0, 0.0)
    return 1 - error / spread


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "classification", True, accuracy, (0.0, 1.0)),
        Metric("log_loss", "classification", False, log_loss, (0.0, np.inf)),
        Metric("balanced_accuracy", "classification", True, balanced_accuracy, (0.0, 1.0)),
        Metric("roc_auc", "classification", True, roc_auc, (0.0, 1.0)),
        Metric("r2", "regression", True, r2, (-np.inf, 1.0)),
        Metric("rmse", "regression", False, root_mean_squared_error, (0.0, np.inf)),
        Metric("mae", "regression", False, mean_absolute_error, (0.0, np.inf)),
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
