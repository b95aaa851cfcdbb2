"""What a network has to beat: a dummy, a linear model and boosted trees, scikit-learn's, on the same folds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.data.folds import Fold
from tenfold.selection.problem import Problem

Array = np.ndarray
NAMES = ("dummy", "linear", "boosting")


@dataclass(frozen=True)
class Baseline:
    """Scores of one baseline, one a fold that was run; fewer than all folds when it was cut short."""

    name: str
    scores: tuple[float, ...]
    seconds: float
    folds: int

    @property
    def mean(self) -> float:
        """Mean over the folds that were run."""
        return float(np.mean(self.scores))


def run_baseline(
    problem: Problem, name: str, *, seed: int, budget: float = np.inf, idle: Callable[[], None] = lambda: None
) -> Baseline:
    """One baseline on the folds, in order, as long as its time stays within the budget (seconds); at least one.

    The linear model gets the encoded and standardized inputs, the trees the raw numbers (missing cells included)
    and categories; both are fitted on each fold's training rows only.
    """
    start, scores = time.monotonic(), []
    for number, fold in enumerate(problem.folds):
        spent = time.monotonic() - start
        if scores and spent * (len(scores) + 1) / len(scores) > budget:
            break
        idle()
        scores.append(_score(problem, name, number, fold, seed))
    return Baseline(name, tuple(scores), time.monotonic() - start, len(problem.folds))


def _score(problem: Problem, name: str, number: int, fold: Fold, seed: int) -> float:
    from threadpoolctl import threadpool_limits

    model = _model(problem, name, number, seed)
    x = _inputs(problem, name, number)
    with warnings.catch_warnings(), threadpool_limits(1):  # more threads wait for each other on a busy machine
        warnings.simplefilter("ignore")  # a baseline that has not converged is still a baseline
        model.fit(x[fold.train], problem.y[fold.train])
        if problem.classes:
            prediction = np.zeros((len(fold.validation), problem.outputs))
            prediction[:, model.classes_] = model.predict_proba(x[fold.validation])
        else:
            prediction = model.predict(x[fold.validation])[:, None]
    return float(problem.metric.score(problem.y[fold.validation], prediction[None])[0])


def _model(problem: Problem, name: str, number: int, seed: int) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if name == "dummy":
        return DummyClassifier(strategy="prior") if problem.classes else DummyRegressor()
    if name == "linear":
        return LogisticRegression(max_iter=1000) if problem.classes else Ridge()
    kind = HistGradientBoostingClassifier if problem.classes else HistGradientBoostingRegressor
    numeric = problem.inputs.numbers.shape[1]
    categorical = np.arange(numeric, numeric + len(problem.inputs.sizes))
    options: dict[str, Any] = {"categorical_features": categorical} if len(categorical) else {}
    return kind(random_state=seed, **options)


def _inputs(problem: Problem, name: str, number: int) -> Array:
    encoding = problem.encodings[number]
    if name == "dummy":
        return np.zeros((problem.inputs.rows, 1))
    if name == "linear":
        from tenfold.rules.preprocessing import Standardize

        affine = Standardize().fit(problem.moments[number])
        x = encoding.matrix(problem.inputs)
        x[:, : len(affine.shift)] = (x[:, : len(affine.shift)] - affine.shift) / affine.scale
        return x
    columns = [slots[problem.inputs.codes[:, j]] - slots.min() for j, slots in enumerate(encoding.slots)]
    return np.column_stack([problem.inputs.numbers, *columns])
