"""The contestants. Each trains every setting of a case on every fold, and is measured in a process of its own.

Only the training is timed, not imports and data: each contestant first trains two settings for two epochs, which
also starts the worker processes of those that have some.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

from bench.cases import Case, Setting
from bench.machine import peak_memory

Array = np.ndarray
Folds = list[tuple[Array, Array]]
ENOUGH = 3.0  # seconds of one measurement, after which a case is not trained once more


@dataclass(frozen=True)
class Task:
    """What a contestant is to do. jobs: worker processes of those that use some; seed: of weights and batches."""

    contestant: str
    case: Case
    seed: int
    jobs: int
    device: str


@dataclass(frozen=True)
class Trained:
    """What a contestant hands back. scores: validation accuracy after the last epoch, (settings, folds), NaN if
    diverged. compiling: the seconds of it in which programs were compiled."""

    scores: Array
    compiling: float = 0.0


@dataclass(frozen=True)
class Measured:
    """What came of it, and how long it took, compiling included. scores: as in `Trained`, or (1, folds) of what the
    searches inside the folds chose."""

    seconds: float
    scores: Array
    memory: dict[str, float]
    note: str = ""
    compiling: float = 0.0


class Unsupported(Exception):
    """The contestant cannot do this case."""


Train = Callable[[Task, Array, Array, Folds], Trained]


@dataclass(frozen=True)
class Contestant:
    """How a contestant is made ready and measured.

    prepare: the function that trains, what is to be said about it, and what ends its processes. share: of the recipes
    that it trains by default, as some take long. environment: variables of its process, None for those that must not
    be set. given_inner: whether the inner folds of a nested case are handed to it as further folds.
    """

    prepare: Callable[[Task, Array, Array, Folds], tuple[Train, str, Callable[[], None]]]
    share: float = 1.0
    environment: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    given_inner: bool = False


def measure(task: Task) -> Measured:
    """Warm up, then train and time. Raises `Unsupported`."""
    x, y = task.case.load()
    folds = task.case.folds(x, y)
    contestant = CONTESTANTS[task.contestant]
    if task.case.inner and contestant.given_inner:
        folds = [*folds, *task.case.inner_folds(y, folds)]
    try:
        train, note, end = contestant.prepare(task, x, y, folds)
    except ModuleNotFoundError as error:
        raise Unsupported(f"{error.name} is not installed; `make bench` installs it") from None
    warm = task.case.only(task.case.picks(2 / len(task.case.settings)), epochs=2)
    train(replace(task, case=warm), x, y, folds)
    found: list[tuple[float, Trained]] = []
    while not found or (len(found) < task.case.calls and sum(seconds for seconds, _ in found) < ENOUGH):
        start = time.perf_counter()
        trained = train(task, x, y, folds)
        found.append((time.perf_counter() - start, trained))
    end()
    memory = peak_memory() | _device_memory(task.device)
    scores = found[0][1].scores
    scores = chosen(scores, task.case.inner) if task.case.inner else scores
    compiling = median(trained.compiling for _, trained in found)
    return Measured(median(seconds for seconds, _ in found), scores, memory, note, compiling)


def chosen(scores: Array, inner: int) -> Array:
    """Of a nested case, the scores (1, outer folds) of what was chosen. scores (settings, folds): of the outer folds
    and then of all inner ones; or of the outer folds alone, where one winner is chosen on them, as a plain search does.
    """
    outer = scores.shape[1] // (1 + inner)
    if not outer:  # no inner folds
        return scores[[int(np.nanargmax(scores.mean(1)))]]
    inside = scores[:, outer:].reshape(len(scores), outer, inner).mean(2)
    return scores[np.nanargmax(inside, 0), np.arange(outer)][None]


def _nothing() -> None:
    pass


def _tenfold(task: Task, x: Array, y: Array, folds: Folds) -> tuple[Train, str, Callable[[], None]]:
    return train_tenfold, "", _end_workers


def _sklearn(dtype: str) -> Callable[[Task, Array, Array, Folds], tuple[Train, str, Callable[[], None]]]:
    def prepare(task: Task, x: Array, y: Array, folds: Folds) -> tuple[Train, str, Callable[[], None]]:
        kernels = _start_workers(task.jobs, "sklearn.neural_network")
        return partial(train_sklearn, dtype=dtype), f"{task.jobs} processes; {kernels}", _end_workers

    return prepare


def _torch(task: Task, x: Array, y: Array, folds: Folds) -> tuple[Train, str, Callable[[], None]]:
    from bench.torch_loop import best_threads, train_serially

    threads = best_threads(task, x, y, folds)
    return partial(train_serially, threads=threads), f"{threads} threads", _nothing


def _skorch(task: Task, x: Array, y: Array, folds: Folds) -> tuple[Train, str, Callable[[], None]]:
    from bench.skorch_net import train_skorch

    _start_workers(task.jobs, "bench.skorch_net")
    return train_skorch, f"{task.jobs} processes", _end_workers


def _jax_lanes(task: Task, x: Array, y: Array, folds: Folds) -> tuple[Train, str, Callable[[], None]]:
    from bench.jax_grid import Pools, train_lanes

    pools = Pools(task.jobs)
    return partial(train_lanes, pools=pools), f"{task.jobs} processes of one thread", pools.end


def _jax_vmap(task: Task, x: Array, y: Array, folds: Folds) -> tuple[Train, str, Callable[[], None]]:
    from bench.jax_grid import train_vmapped

    return train_vmapped, "one process, all threads", _nothing


OWN_KERNELS = {"OPENBLAS_CORETYPE": None, "OPENBLAS_L2_SIZE": None}  # OpenBLAS chooses, as for anyone
OWN_FLAGS = {
    "XLA_FLAGS": None, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": None, "JAX_COMPILATION_CACHE_DIR": None,
}  # fmt: skip
CONTESTANTS = {
    "tenfold": Contestant(_tenfold, environment={"TENFOLD_ENGINE": None}),
    "packs": Contestant(_tenfold, environment={"TENFOLD_ENGINE": "packs"}),
    "sklearn_float32": Contestant(_sklearn("float32"), environment=OWN_KERNELS),
    "sklearn_float64": Contestant(_sklearn("float64"), environment=OWN_KERNELS),
    "torch": Contestant(_torch, share=0.25, given_inner=True),
    "skorch": Contestant(_skorch, share=0.25, given_inner=True),
    "jax_lanes": Contestant(_jax_lanes, environment=OWN_FLAGS, given_inner=True),
    "jax_vmap": Contestant(_jax_vmap, environment=OWN_FLAGS, given_inner=True),
}


def train_tenfold(task: Task, x: Array, y: Array, folds: Folds) -> Trained:
    """Everything from recipes to scores: reading, planning, training, validation after every epoch, bookkeeping."""
    from tenfold import Recipe, cross_validate, nested_cross_validate

    recipes = [Recipe.from_dict(task.case.recipe(setting)) for setting in task.case.settings]
    if task.case.inner:
        nested = nested_cross_validate(
            recipes, x, y, folds=folds, inner=task.case.inner, seed=task.seed, device=task.device
        )
        return Trained(np.array([nested.scores]))
    result = cross_validate(recipes, x, y, folds=folds, seed=task.seed, device=task.device)
    if len(result.table) != len(recipes):
        raise RuntimeError(f"{len(result.table)} rows of the table for {len(recipes)} recipes")
    ends = [trial["curve"][-1] if trial["outcome"] == "ok" else np.nan for trial in result.trials]
    return Trained(np.reshape(ends, (len(recipes), len(folds))))


def train_sklearn(task: Task, x: Array, y: Array, folds: Folds, *, dtype: str) -> Trained:
    """GridSearchCV over a pipeline of StandardScaler and MLPClassifier, without its early stopping and refit. Both keep
    the type of X."""
    from sklearn.neural_network import MLPClassifier

    case = task.case
    options: dict[str, Any] = {
        "hidden_layer_sizes": case.hidden, "solver": "adam", "batch_size": case.batch_size, "max_iter": case.epochs,
        "tol": 0.0, "n_iter_no_change": case.epochs + 1, "alpha": 0.0, "random_state": task.seed,
    }  # fmt: skip
    mlp = MLPClassifier(**options)
    return grid_scores(
        mlp, [_sklearn_parameters(setting) for setting in case.settings], task, x.astype(dtype), y, folds
    )


def _sklearn_parameters(setting: Setting) -> dict[str, Any]:
    if (setting.activation, setting.optimizer) != ("relu", "adam"):
        raise Unsupported("MLPClassifier has neither leaky ReLU and ELU nor Adagrad, RMSProp and AdamW")
    return {"learning_rate_init": setting.lr}


def grid_scores(
    estimator: Any, parameters: list[dict[str, Any]], task: Task, x: Array, y: Array, folds: Folds
) -> Trained:
    """Accuracies of an estimator behind a StandardScaler in GridSearchCV."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    grid = [{f"net__{name}": [value] for name, value in one.items()} for one in parameters]
    pipeline = Pipeline([("scale", StandardScaler()), ("net", estimator)])
    options: dict[str, Any] = {"n_jobs": task.jobs, "refit": False, "error_score": "raise"}
    search = GridSearchCV(pipeline, grid, cv=folds, **options)
    search.fit(x, y)
    return Trained(np.stack([search.cv_results_[f"split{fold}_test_score"] for fold in range(len(folds))], 1))


def _start_workers(jobs: int, module: str) -> str:
    """Start joblib's worker processes, each with the module imported. Returns the BLAS kernels that they use."""
    from joblib import Parallel, delayed

    found: Any = Parallel(n_jobs=jobs)(delayed(_import_and_wait)(module) for _ in range(jobs))
    return ", ".join(sorted({kernel for kernels in found for kernel in kernels}))


def _import_and_wait(module: str) -> list[str]:
    """Import, and be busy for long enough that every other worker gets a task of its own. Returns its BLAS kernels."""
    from threadpoolctl import threadpool_info

    import_module(module)
    time.sleep(2.0)
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return [
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}, "
        f"{library['num_threads']} thread{'s' * (library['num_threads'] > 1)}"
        for library in libraries
    ]


def _end_workers() -> None:
    """End joblib's worker processes, so that their memory is counted."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def _device_memory(device: str) -> dict[str, float]:
    if not device.startswith("cuda"):
        return {}
    import torch

    return {"device_mb": round(torch.cuda.max_memory_allocated(device) / 2**20, 1)}
