"""The contestants. Each trains every setting of a case on every fold, and is measured in a process of its own.

Only the training is timed, not imports and data: each contestant first trains two settings for two epochs, which
also starts the worker processes of those that have some.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from bench.cases import Case, Setting
from bench.machine import peak_memory

Array = np.ndarray
Folds = list[tuple[Array, Array]]


@dataclass(frozen=True)
class Task:
    """What a contestant is to do. jobs: worker processes of those that use some; seed: of weights and batches."""

    contestant: str
    case: Case
    seed: int
    jobs: int
    device: str


@dataclass(frozen=True)
class Measured:
    """What came of it. scores: validation accuracy after the last epoch, (settings, folds), NaN if diverged."""

    seconds: float
    scores: Array
    memory: dict[str, float]
    note: str = ""


class Unsupported(Exception):
    """The contestant cannot do this case."""


Train = Callable[[Task, Array, Array, Folds], Array]


def measure(task: Task) -> Measured:
    """Warm up, then train and time. Raises `Unsupported`."""
    x, y = task.case.load()
    folds = task.case.folds(x, y)
    train, note = _prepare(task, x, y, folds)
    warm = task.case.only(task.case.picks(2 / len(task.case.settings)), epochs=2)
    train(Task(task.contestant, warm, task.seed, task.jobs, task.device), x, y, folds)
    start = time.perf_counter()
    scores = train(task, x, y, folds)
    seconds = time.perf_counter() - start
    _end_workers()
    return Measured(seconds, scores, peak_memory() | _device_memory(task.device), note)


def _prepare(task: Task, x: Array, y: Array, folds: Folds) -> tuple[Train, str]:
    """The function that trains, and what is to be said about it."""
    if task.contestant == "torch":
        from bench.torch_loop import best_threads, train_serially

        threads = best_threads(task, x, y, folds)
        return partial(train_serially, threads=threads), f"{threads} threads"
    if task.contestant == "skorch":
        from bench.skorch_net import train_skorch

        _start_workers(task.jobs, "bench.skorch_net")
        return train_skorch, f"{task.jobs} processes"
    if task.contestant == "sklearn":
        _start_workers(task.jobs, "sklearn.neural_network")
        return train_sklearn, f"{task.jobs} processes"
    return train_tenfold, ""


def train_tenfold(task: Task, x: Array, y: Array, folds: Folds) -> Array:
    """Everything from recipes to scores: reading, planning, training, validation after every epoch, bookkeeping."""
    from tenfold import Recipe, cross_validate

    recipes = [Recipe.from_dict(task.case.recipe(setting)) for setting in task.case.settings]
    result = cross_validate(recipes, x, y, folds=folds, seed=task.seed, device=task.device)
    if len(result.table) != len(recipes):
        raise RuntimeError(f"{len(result.table)} rows of the table for {len(recipes)} recipes")
    ends = [trial["curve"][-1] if trial["outcome"] == "ok" else np.nan for trial in result.trials]
    return np.reshape(ends, (len(recipes), len(folds)))


def train_sklearn(task: Task, x: Array, y: Array, folds: Folds) -> Array:
    """GridSearchCV over a pipeline of StandardScaler and MLPClassifier, without its early stopping and refit."""
    from sklearn.neural_network import MLPClassifier

    case = task.case
    options: dict[str, Any] = {
        "hidden_layer_sizes": case.hidden, "solver": "adam", "batch_size": case.batch_size, "max_iter": case.epochs,
        "tol": 0.0, "n_iter_no_change": case.epochs + 1, "alpha": 0.0, "random_state": task.seed,
    }  # fmt: skip
    mlp = MLPClassifier(**options)
    return grid_scores(mlp, [_sklearn_parameters(setting) for setting in case.settings], task, x, y, folds)


def _sklearn_parameters(setting: Setting) -> dict[str, Any]:
    if (setting.activation, setting.optimizer) != ("relu", "adam"):
        raise Unsupported("MLPClassifier has neither leaky ReLU and ELU nor Adagrad, RMSProp and AdamW")
    return {"learning_rate_init": setting.lr}


def grid_scores(
    estimator: Any, parameters: list[dict[str, Any]], task: Task, x: Array, y: Array, folds: Folds
) -> Array:
    """Accuracies (settings, folds) of an estimator behind a StandardScaler in GridSearchCV."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    grid = [{f"net__{name}": [value] for name, value in one.items()} for one in parameters]
    pipeline = Pipeline([("scale", StandardScaler()), ("net", estimator)])
    options: dict[str, Any] = {"n_jobs": task.jobs, "refit": False, "error_score": "raise"}
    search = GridSearchCV(pipeline, grid, cv=folds, **options)
    search.fit(x, y)
    return np.stack([search.cv_results_[f"split{fold}_test_score"] for fold in range(len(folds))], 1)


def _start_workers(jobs: int, module: str) -> None:
    """Start joblib's worker processes, each with the module imported."""
    from joblib import Parallel, delayed

    Parallel(n_jobs=jobs)(delayed(_import_and_wait)(module) for _ in range(jobs))


def _import_and_wait(module: str) -> None:
    """Import, and be busy for long enough that every other worker gets a task of its own."""
    import_module(module)
    time.sleep(2.0)


def _end_workers() -> None:
    """End joblib's worker processes, so that their memory is counted."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def _device_memory(device: str) -> dict[str, float]:
    if not device.startswith("cuda"):
        return {}
    import torch

    return {"device_mb": round(torch.cuda.max_memory_allocated(device) / 2**20, 1)}
