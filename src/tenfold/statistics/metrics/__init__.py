"""Scores of many trials at once. scikit-learn's metrics take one prediction at a time; these take a stack of
them, (trials, rows, classes), and equal scikit-learn's for each (tested). One file a metric, and one line here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tenfold.errors import BadInput
from tenfold.statistics.metrics import accuracy, balanced_accuracy, log_loss, mae, r2, rmse, roc_auc
from tenfold.statistics.metrics.metric import Array, Metric

LOPSIDED = 0.9  # share of the largest class from which accuracy is not the default
ENOUGH = 5  # rows of a class in a fold, from which its ROC AUC is one
# In the order in which tables of scores have them.
METRICS: dict[str, Metric] = {
    module.METRIC.name: module.METRIC for module in (accuracy, log_loss, balanced_accuracy, roc_auc, r2, rmse, mae)
}


def metric_for(task: str, name: str | None) -> Metric:
    """The metric of that name, or the task's default (accuracy, R2). A name of the other task is refused."""
    if name is None:
        return METRICS["accuracy" if task == "classification" else "r2"]
    names = [metric.name for metric in METRICS.values() if metric.task == task]
    if name not in names:
        raise BadInput(f"metric {name!r} is not one for {task}", expected=f"one of: {', '.join(names)}")
    return METRICS[name]


def metric_of_lopsided(y: Array, held_out: Sequence[Array]) -> Metric | None:
    """The default metric where one class has at least 90 % of the rows, None where none has: naming that class always
    is right so often that accuracy says next to nothing of two recipes.

    ROC AUC for two classes, where each fold holds at least 5 rows of either out; else log loss, which is defined for
    any rows. y (rows,): class numbers; held_out: those of each fold's validation rows.
    """
    counts = np.bincount(y)
    if counts.max() < LOPSIDED * len(y):
        return None
    even = all(np.bincount(part, minlength=2).min() >= ENOUGH for part in held_out)
    return METRICS["roc_auc" if len(counts) == 2 and even else "log_loss"]


def metrics_for(task: str, chosen: str | None, names: Sequence[str]) -> tuple[Metric, ...]:
    """The metric that selects, then those that are reported besides. chosen: its name, by default the first of names,
    else the task's default. Raises `BadInput` for a name that is not one of the task, or is there twice."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise BadInput(f"metric {twice!r} is named twice", expected="each metric once")
    first = metric_for(task, chosen if chosen is not None else next(iter(names), None))
    return (first, *(metric_for(task, name) for name in names if name != first.name))


def all_scores(task: str, y: Array, p: Array) -> dict[str, Any]:
    """Every metric of the task for a stack of predictions: name -> (trials,)."""
    return {metric.name: metric.score(y, p) for metric in METRICS.values() if metric.task == task}


__all__ = ["METRICS", "Metric", "all_scores", "metric_for", "metric_of_lopsided", "metrics_for"]
