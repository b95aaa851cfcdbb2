"""What a network has to beat: a dummy, a linear model and boosted trees, scikit-learn's, on the same folds."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tenfold.data.feed.encode import Inputs
from tenfold.data.split.folds import Fold, make_folds, usable_folds
from tenfold.problem.problem import Problem

Array = np.ndarray
NAMES = ("dummy", "linear", "boosting")
PIXELS = 256  # numbers of an image that the baselines see: more cost minutes, and win little on so few rows
ROWS = 4096  # images that are averaged at a time
ALWAYS = 1.0  # second that a linear model of one fold may take, however little time there is
ENOUGH = 100  # iterations of a linear model that are worth having
COLUMN_SECONDS = 3e-4  # that trees take for looking at a column, at the least


@dataclass(frozen=True)
class Baseline:
    """Scores of one baseline, one a fold that was run; fewer than all folds when it was cut short, none when there was
    no time for a single one. also: by name, those of the metrics that are reported besides."""

    name: str
    scores: tuple[float, ...]
    seconds: float
    folds: int
    also: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Mean over the folds that were run; NaN for none."""
        return float(np.mean(self.scores)) if self.scores else float("nan")

    @property
    def cut(self) -> str:
        """How far it got, in words; "" where all folds were run."""
        if len(self.scores) == self.folds:
            return ""
        return f"{len(self.scores)} of {self.folds} folds, out of time"


def run_baseline(
    problem: Problem,
    name: str,
    *,
    seed: int,
    budget: float = np.inf,
    strict: bool = False,
    idle: Callable[[], None] = lambda: None,
) -> Baseline:
    """One baseline on the folds, in order, as long as its time stays within the budget (seconds); at least one, unless
    the budget is strict and one of the trees would be over it, or a linear one over it and over a second.

    The linear model gets the encoded and standardized inputs, the trees the raw numbers (missing cells included)
    and categories; both are fitted on each fold's training rows only. Images come averaged down to `coarse_size`,
    tensors as the numbers of each row side by side, evenly thinned to 256.
    """
    start, scores = time.monotonic(), list[dict[str, float]]()
    options = _affordable(problem, name, seed, budget) if strict else {}
    if options is None:
        return Baseline(name, (), time.monotonic() - start, len(problem.folds))
    begun = time.monotonic()
    for number, fold in enumerate(problem.folds):
        spent = time.monotonic() - begun
        if scores and (begun - start) + spent * (len(scores) + 1) / len(scores) > budget:
            break
        idle()
        scores.append(_score(problem, name, number, fold, seed, options))
    by_metric = {metric.name: tuple(score[metric.name] for score in scores) for metric in problem.metrics}
    selects = by_metric.pop(problem.metric.name)
    return Baseline(name, selects, time.monotonic() - start, len(problem.folds), by_metric)


def baseline_seconds(problem: Problem) -> float:
    """Seconds that all baselines are likely to take on all folds.

    From what was measured for scikit-learn on one core (bench/loads.py): trees look at each column for half a
    millisecond; each of their leaves, of which 25 rows make one, sorts into 255 bins a column, and each level reads all
    rows; those of one class among many stop early; a linear model reads all rows about a hundred times.
    """
    rows, folds = max(len(fold.train) for fold in problem.folds), len(problem.folds)
    columns, outputs = problem.inputs.numbers.shape[1] + len(problem.inputs.sizes), problem.outputs
    columns = columns if problem.inputs.tensors is None else flat_tensors(problem.inputs.take(slice(1))).shape[1]
    trees, columns = (50, min(columns, PIXELS)) if problem.inputs.image is not None else (100, columns)
    leaves, outputs = min(31.0, rows / 25), outputs if outputs > 2 else 1
    growing = leaves * (1.5e-4 + 1.5e-6 * columns) * max(0.5, 1 - (outputs - 1) / 50) + 5e-9 * rows * columns
    linear = 1e-9 * rows * max(problem.width, columns) * outputs * (100 if problem.classes else 10)
    return folds * (5e-4 * columns + trees * outputs * growing + linear)


def random_split(problem: Problem, *, seed: int) -> float:
    """The linear baseline's mean score with the same rows divided at random, whatever belongs together: what a division
    by group or in time is held against."""
    classification = bool(problem.classes)
    folds, _ = usable_folds(problem.y, problem.divisions, classification=classification)
    parts = make_folds(problem.y, folds, classification=classification, seed=seed)
    apart = replace(problem, folds=parts, units=None, ordered=False)
    return run_baseline(apart, "linear", seed=seed).mean


def _affordable(problem: Problem, name: str, seed: int, budget: float) -> dict[str, Any] | None:
    """How a model of the first fold is to be set up so that it stays within the budget; None where it cannot."""
    from threadpoolctl import threadpool_limits

    model = _model(problem, name, 0, seed)
    most = getattr(model, "max_iter", None)
    if name == "dummy" or most is None:
        return {}
    if name == "boosting" and COLUMN_SECONDS * problem.inputs.numbers.shape[1] > budget:
        return None
    fold, begun, spent = problem.folds[0], time.monotonic(), list[float]()
    x = _inputs(problem, name, 0, fold)[fold.train]
    budget = budget if name == "boosting" else max(budget, ALWAYS)
    making, few = time.monotonic() - begun, (1, 1 + most // 10) if name == "boosting" else (1, 4)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for some in few:
            begun = time.monotonic()
            model.set_params(max_iter=some).fit(x, problem.y[fold.train])
            spent.append(time.monotonic() - begun)
            if making + sum(spent) > budget:
                return None
    each = max(spent[1] - spent[0], 1e-6) / (few[1] - few[0])
    fitting = int((budget - making - spent[0]) / each)
    # Trees are made to the last one; a linear model is about done after a hundred iterations.
    return None if fitting < (most if name == "boosting" else ENOUGH) else {"max_iter": min(most, fitting)}


def _score(
    problem: Problem, name: str, number: int, fold: Fold, seed: int, options: dict[str, Any]
) -> dict[str, float]:
    from threadpoolctl import threadpool_limits

    model = _model(problem, name, number, seed).set_params(**options)
    x = _inputs(problem, name, number, fold)
    with warnings.catch_warnings(), threadpool_limits(1):  # more threads wait for each other on a busy machine
        warnings.simplefilter("ignore")  # a baseline that has not converged is still a baseline
        model.fit(x[fold.train], problem.y[fold.train])
        if problem.classes:
            prediction = np.zeros((len(fold.validation), problem.outputs))
            prediction[:, model.classes_] = model.predict_proba(x[fold.validation])
        else:
            prediction = model.predict(x[fold.validation])[:, None]
    y = problem.y[fold.validation]
    return {metric.name: float(metric.score(y, prediction[None])[0]) for metric in problem.metrics}


def _model(problem: Problem, name: str, number: int, seed: int) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if name == "dummy":
        return DummyClassifier(strategy="prior") if problem.classes else DummyRegressor()
    images = problem.inputs.image is not None
    if name == "linear":
        return LogisticRegression(max_iter=200 if images else 1000) if problem.classes else Ridge()
    kind = HistGradientBoostingClassifier if problem.classes else HistGradientBoostingRegressor
    if images:  # half the trees and fewer bins than by default: as accurate on these pixels in a third of the time
        return kind(random_state=seed, max_iter=50, learning_rate=0.2, max_bins=31)
    numeric = problem.inputs.numbers.shape[1]
    categorical = np.arange(numeric, numeric + len(problem.inputs.sizes))
    options: dict[str, Any] = {"categorical_features": categorical} if len(categorical) else {}
    return kind(random_state=seed, **options)


def _inputs(problem: Problem, name: str, number: int, fold: Fold) -> Array:
    if name == "dummy":
        return np.zeros((problem.inputs.rows, 1))
    if problem.inputs.image is not None or problem.inputs.tensors is not None:
        x = coarse_pixels(problem.inputs) if problem.inputs.image is not None else flat_tensors(problem.inputs)
        std = x[fold.train].std(0)
        return x if name == "boosting" else (x - x[fold.train].mean(0)) / np.where(std > 0, std, 1.0)
    encoding = problem.encodings[number]
    if name == "linear":
        from tenfold.rules.preprocessing import Standardize

        affine = Standardize().fit(problem.moments[number])
        x = encoding.matrix(problem.inputs)
        x[:, : len(affine.shift)] = (x[:, : len(affine.shift)] - affine.shift) / affine.scale
        return x
    columns = [slots[problem.inputs.codes[:, j]] - slots.min() for j, slots in enumerate(encoding.slots)]
    return np.column_stack([problem.inputs.numbers, *columns])


def coarse_size(image: tuple[int, int, int]) -> tuple[int, int, int]:
    """(height, width, channels) of images averaged over the smallest squares that leave at most 256 numbers."""
    side = _side(image)
    return -(-image[0] // side), -(-image[1] // side), image[2]


def _side(image: tuple[int, int, int]) -> int:
    height, width, channels = image
    sides = range(1, max(height, width) + 1)
    fitting = (side for side in sides if -(-height // side) * -(-width // side) * channels <= PIXELS)
    return next(fitting, max(height, width))


def coarse_pixels(inputs: Inputs) -> Array:
    """The images of these inputs (rows, pixels), averaged over the squares of `coarse_size`; smaller at the edges."""
    assert inputs.image is not None
    height, width, _ = inputs.image
    side = _side(inputs.image)
    down, right = np.arange(0, height, side), np.arange(0, width, side)
    area = np.diff(down, append=height)[:, None, None] * np.diff(right, append=width)[:, None]
    out = np.empty((inputs.rows, math.prod(coarse_size(inputs.image))))
    for first in range(0, inputs.rows, ROWS):
        rows = slice(first, first + ROWS)
        x = inputs.values(rows).reshape(-1, *inputs.image)
        sums = np.add.reduceat(np.add.reduceat(x, down, axis=1), right, axis=2)
        out[rows] = (sums / area).reshape(len(x), -1)
    return out


def flat_tensors(inputs: Inputs) -> Array:
    """The numbers of each row of the tensors of these inputs, (rows, at most 256) float64: evenly thinned."""
    assert inputs.tensors is not None
    x = np.column_stack([array.reshape(inputs.rows, -1) for array in inputs.tensors.arrays.values()]).astype(np.float64)
    return x[:, :: -(-x.shape[1] // PIXELS)] if x.shape[1] > PIXELS else x
