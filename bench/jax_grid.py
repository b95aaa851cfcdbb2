"""The peer that compiles: JAX, one program for each structure of a network, a scan over its updates and epochs.

A structure is what a program is compiled for: activation, optimizer, and batches an epoch; learning rate, weights, data
and orders are its arguments. `train_lanes` runs a program lane by lane, on several processes; `train_vmapped` runs it
once for many lanes, in one. Both compile ahead of time, and say how long that took.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import numpy as np

from bench.cases import Case
from bench.contestants import Array, Folds, Task, Trained

BLOCK = 4  # recipes of all folds that are vmapped at once: their states stay in the cache; more at once is slower
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"  # of every process where several run
Lane = tuple[int, int]  # numbers of a setting and of a fold


@dataclass(frozen=True)
class Structure:
    """What one program is compiled for."""

    activation: str
    optimizer: str
    batches: int


@dataclass(frozen=True)
class FoldData:
    """One fold as arguments of a program, padded to the largest fold of the same structure.

    order (epochs, batches, batch size) numbers rows, where the last row stands for none: it has no class in `classes`.
    """

    order: Array
    weight: Array  # (batches,): 1 / rows of the batch
    rows: Array  # (rows + 1, columns)
    classes: Array  # (rows + 1, classes), one-hot
    validation: Array
    labels: Array  # of validation, -1 where padded
    count: Array  # of validation rows

    def arguments(self) -> tuple[Array, ...]:
        """In the order of a program's parameters."""
        return self.order, self.weight, self.rows, self.classes, self.validation, self.labels, self.count


@dataclass(frozen=True)
class Grid:
    """A case as JAX trains it: which lanes have which structure, and everything that they are given."""

    case: Case
    x: Array
    y: Array
    folds: Folds
    seed: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, inputs and outputs included."""
        return self.x.shape[1], *self.case.hidden, int(self.y.max()) + 1

    def batches(self, fold: int) -> int:
        """Updates of an epoch."""
        return -(-len(self.folds[fold][0]) // self.case.batch_size)

    def structures(self) -> dict[Structure, list[Lane]]:
        """The lanes of every structure, by setting and fold. AdamW without weight decay is Adam, and no second one."""
        found: dict[Structure, list[Lane]] = defaultdict(list)
        for number, setting in enumerate(self.case.settings):
            optimizer = "adam" if setting.optimizer == "adamw" else setting.optimizer
            for fold in range(len(self.folds)):
                found[Structure(setting.activation, optimizer, self.batches(fold))].append((number, fold))
        return dict(found)

    def rate(self, setting: int) -> Array:
        """The learning rate."""
        return np.array(self.case.settings[setting].lr, np.float32)

    def weights(self, lane: Lane) -> list[Array]:
        """Xavier weights and zero biases, of every layer in turn."""
        random = np.random.default_rng([self.seed, 0, *lane])
        found: list[Array] = []
        for fan_in, fan_out in pairwise(self.sizes):
            bound = np.float32(np.sqrt(6 / (fan_in + fan_out)))
            found.append((random.random((fan_in, fan_out), np.float32) * 2 - 1) * bound)
            found.append(np.zeros(fan_out, np.float32))
        return found

    def like(self, structure: Structure) -> tuple[int, int]:
        """Rows for training and for validation of the largest fold of a structure."""
        folds = [fold for n, fold in enumerate(self.folds) if self.batches(n) == structure.batches]
        return max(len(train) for train, _ in folds), max(len(validation) for _, validation in folds)

    def fold_data(self, number: int, structure: Structure) -> FoldData:
        """Standardized rows, and an order of its own for every epoch, which the recipes share."""
        from sklearn.preprocessing import StandardScaler

        train, validation = self.folds[number]
        rows, validated = self.like(structure)
        x = np.asarray(StandardScaler().fit(self.x[train]).transform(self.x), np.float32)
        size = self.case.batch_size
        order = np.full((self.case.epochs, structure.batches * size), rows, np.int32)
        random = np.random.default_rng([self.seed, 1, number])
        for epoch in order:
            epoch[: len(train)] = random.permutation(len(train))
        last = len(train) - (structure.batches - 1) * size
        weight = 1 / np.array([size] * (structure.batches - 1) + [last], np.float32)
        classes = np.eye(self.sizes[-1], dtype=np.float32)[self.y[train]]
        labels = np.full(validated, -1, np.int32)
        labels[: len(validation)] = self.y[validation]
        return FoldData(
            order.reshape(self.case.epochs, structure.batches, size),
            weight.astype(np.float32),
            _padded(x[train], rows + 1),
            _padded(classes, rows + 1),
            _padded(x[validation], validated),
            labels,
            np.array(len(validation), np.float32),
        )


def _padded(array: Array, rows: int) -> Array:
    """With rows of zeros at the end."""
    return np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]), array.dtype)])


def network(parameters: list[Any], rows: Any, activation: str) -> Any:
    """Logits (rows, classes)."""
    import jax

    for layer in range(0, len(parameters), 2):
        rows = rows @ parameters[layer] + parameters[layer + 1]
        if layer + 2 < len(parameters):
            rows = getattr(jax.nn, activation)(rows)
    return rows


# One update of one parameter in torch's conventions: (w, g, state, rate, t) to (w, state), t counted from 1. By hand,
# because the compiler then fuses it into one loop a parameter; optax's give the same numbers.
def _sgd(w: Any, g: Any, state: tuple[Any, ...], rate: Any, t: Any) -> tuple[Any, tuple[Any, ...]]:
    return w - rate * g, ()


def _momentum(w: Any, g: Any, state: tuple[Any, ...], rate: Any, t: Any) -> tuple[Any, tuple[Any, ...]]:
    m = 0.9 * state[0] + g
    return w - rate * m, (m,)


def _nesterov(w: Any, g: Any, state: tuple[Any, ...], rate: Any, t: Any) -> tuple[Any, tuple[Any, ...]]:
    m = 0.9 * state[0] + g
    return w - rate * (g + 0.9 * m), (m,)


def _adagrad(w: Any, g: Any, state: tuple[Any, ...], rate: Any, t: Any) -> tuple[Any, tuple[Any, ...]]:
    v = state[0] + g * g
    return w - rate * g / (v**0.5 + 1e-10), (v,)


def _rmsprop(w: Any, g: Any, state: tuple[Any, ...], rate: Any, t: Any) -> tuple[Any, tuple[Any, ...]]:
    v = 0.99 * state[0] + 0.01 * g * g
    return w - rate * g / (v**0.5 + 1e-8), (v,)


def _adam(w: Any, g: Any, state: tuple[Any, ...], rate: Any, t: Any) -> tuple[Any, tuple[Any, ...]]:
    m, v = 0.9 * state[0] + 0.1 * g, 0.999 * state[1] + 0.001 * g * g
    step = rate / (1 - 0.9**t)
    return w - step * m / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8), (m, v)


OPTIMIZERS: dict[str, tuple[Callable[..., Any], int]] = {  # and the number of moments that they keep
    "sgd": (_sgd, 0), "momentum": (_momentum, 1), "nesterov": (_nesterov, 1), "adagrad": (_adagrad, 1),
    "rmsprop": (_rmsprop, 1), "adam": (_adam, 2),
}  # fmt: skip


def training(structure: Structure) -> Callable[..., tuple[Any, Any]]:
    """The function that is compiled: rate, weights and the arguments of `FoldData` to the validation accuracy after
    every epoch (NaN where the outputs are not finite) and the final weights."""
    import jax
    import jax.numpy as jnp

    move, moments = OPTIMIZERS[structure.optimizer]

    def loss(parameters: list[Any], rows: Any, classes: Any, weight: Any) -> Any:
        logits = network(parameters, rows, structure.activation)
        total = jax.nn.logsumexp(logits, 1) * classes.sum(1)  # a row of no class adds 0
        return (total.sum() - (classes * logits).sum()) * weight

    def train(rate: Any, w: Any, order: Any, weight: Any, x: Any, y: Any, validation: Any, labels: Any, n: Any) -> Any:
        def update(carried: Any, batch: Any) -> Any:
            parameters, states, t = carried
            index, share = batch
            gradients = jax.grad(loss)(parameters, x[index], y[index], share)
            t = t + 1
            pairs = [move(*of, rate, t) for of in zip(parameters, gradients, states, strict=True)]
            return ([pair[0] for pair in pairs], [pair[1] for pair in pairs], t), None

        def epoch(carried: Any, rows: Any) -> Any:
            carried, _ = jax.lax.scan(update, carried, (rows, weight))
            logits = network(carried[0], validation, structure.activation)
            accuracy = (logits.argmax(1) == labels).sum() / n
            return carried, jnp.where(jnp.isfinite(logits.sum()), accuracy, jnp.nan)

        begin = (w, [tuple(jnp.zeros_like(one) for _ in range(moments)) for one in w], jnp.zeros((), w[0].dtype))
        carried, curve = jax.lax.scan(epoch, begin, order)
        return curve, carried[0]

    return train


def _shapes(arguments: Any, leading: tuple[int, ...] = ()) -> Any:
    """What the compiler needs to know of arguments, perhaps stacked."""
    import jax

    return jax.tree.map(lambda one: jax.ShapeDtypeStruct((*leading, *one.shape), one.dtype), arguments)


class LaneWorker:
    """A process that trains its share of the lanes, one after another, in the programs that it compiled."""

    def __init__(self, grid: Grid, lanes: dict[Structure, list[Lane]]) -> None:
        self.grid, self.lanes = grid, lanes
        self.programs: dict[Structure, Any] = {}

    def compile(self) -> None:
        """Every program, without what an earlier measurement left."""
        import jax

        jax.clear_caches()
        for structure, lanes in self.lanes.items():
            setting, fold = lanes[0]
            given = self.grid.fold_data(fold, structure).arguments()
            shapes = _shapes((self.grid.rate(setting), self.grid.weights(lanes[0]), *given))
            self.programs[structure] = jax.jit(_curve_only(structure)).lower(*shapes).compile()

    def run(self) -> list[tuple[Lane, float]]:
        """The accuracies after the last epoch."""
        import jax

        curves: list[tuple[Lane, Any]] = []
        for structure, lanes in self.lanes.items():
            used = {fold for _, fold in lanes}
            data = {fold: jax.device_put(self.grid.fold_data(fold, structure).arguments()) for fold in used}
            for lane in lanes:
                given = (self.grid.rate(lane[0]), self.grid.weights(lane), *data[lane[1]])
                curves.append((lane, self.programs[structure](*given)))
        return [(lane, float(np.asarray(curve)[-1])) for lane, curve in curves]


def _curve_only(structure: Structure) -> Callable[..., Any]:
    train = training(structure)
    return lambda *arguments: train(*arguments)[0]


_worker: LaneWorker | None = None  # of this process, between its compilation and its run


def _enter_worker() -> None:
    """One thread a process, and JAX imported before the clock starts."""
    os.environ["XLA_FLAGS"] = ONE_THREAD
    import jax

    import_module("sklearn.preprocessing")
    jax.numpy.zeros(1).block_until_ready()


def _compile(grid: Grid, lanes: dict[Structure, list[Lane]]) -> None:
    global _worker
    _worker = LaneWorker(grid, lanes)
    _worker.compile()


def _run() -> list[tuple[Lane, float]]:
    assert _worker is not None
    return _worker.run()


def shares(structures: dict[Structure, list[Lane]], processes: int) -> list[dict[Structure, list[Lane]]]:
    """The lanes of every process: whole structures where there are many, so that no process compiles another's; else
    every structure in equal parts."""
    if len(structures) < 4 * processes:
        parts = [{s: lanes[n::processes] for s, lanes in structures.items()} for n in range(processes)]
        return [{s: lanes for s, lanes in part.items() if lanes} for part in parts]
    found: list[dict[Structure, list[Lane]]] = [{} for _ in range(processes)]
    for structure, lanes in sorted(structures.items(), key=lambda item: -len(item[1])):
        min(found, key=lambda part: sum(map(len, part.values())))[structure] = lanes
    return found


class Pools:
    """Worker processes of which each can be spoken to by itself; they end with this one."""

    def __init__(self, processes: int) -> None:
        spawn = get_context("spawn")
        self.pools = [ProcessPoolExecutor(1, mp_context=spawn, initializer=_enter_worker) for _ in range(processes)]
        self.of_each(os.getpid, [()] * processes)

    def of_each(self, function: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
        """Results of one call in every process, all at the same time."""
        calls = [pool.submit(function, *given) for pool, given in zip(self.pools, arguments, strict=True)]
        return [call.result() for call in calls]

    def end(self) -> None:
        """End the processes, so that their memory is counted."""
        for pool in self.pools:
            pool.shutdown()


def train_lanes(task: Task, x: Array, y: Array, folds: Folds, *, pools: Pools) -> Trained:
    """Lane by lane: all processes compile, then all run."""
    start = time.perf_counter()
    grid = Grid(task.case, x, y, folds, task.seed)
    parts = shares(grid.structures(), len(pools.pools))
    pools.of_each(_compile, [(grid, part) for part in parts])
    compiling = time.perf_counter() - start
    scores = np.full((len(task.case.settings), len(folds)), np.nan)
    for part in pools.of_each(_run, [()] * len(parts)):
        for lane, score in part:
            scores[lane] = score
    return Trained(scores, compiling)


def train_vmapped(task: Task, x: Array, y: Array, folds: Folds) -> Trained:
    """All lanes of a structure in one program: `BLOCK` recipes of all folds at once, one block after another."""
    import jax

    start = time.perf_counter()
    grid = Grid(task.case, x, y, folds, task.seed)
    jax.clear_caches()
    stacks = [Stack(grid, structure, lanes) for structure, lanes in grid.structures().items()]
    programs = [stack.compile() for stack in stacks]
    compiling = time.perf_counter() - start
    scores = np.full((len(task.case.settings), len(folds)), np.nan)
    for stack, program in zip(stacks, programs, strict=True):
        scores[np.ix_(stack.settings, stack.folds)] = stack.run(program)
    return Trained(scores, compiling)


class Stack:
    """The lanes of one structure as one program: blocks of recipes, the last of which is filled up with the last."""

    def __init__(self, grid: Grid, structure: Structure, lanes: list[Lane]) -> None:
        self.grid, self.structure = grid, structure
        self.settings, self.folds = sorted({setting for setting, _ in lanes}), sorted({fold for _, fold in lanes})
        block = min(BLOCK, len(self.settings))
        self.settings += self.settings[-1:] * (-len(self.settings) % block)
        self.blocks = len(self.settings) // block, block

    def compile(self) -> Any:
        """The program, from the shapes of its arguments alone."""
        import jax

        setting, fold = self.settings[0], self.folds[0]
        shapes = (
            _shapes(self.grid.rate(setting), self.blocks),
            _shapes(self.grid.weights((setting, fold)), (*self.blocks, len(self.folds))),
            *_shapes(self.grid.fold_data(fold, self.structure).arguments(), (len(self.folds),)),
        )
        return jax.jit(partial(_in_blocks, _curve_only(self.structure))).lower(*shapes).compile()

    def run(self, program: Any) -> Array:
        """Accuracies (settings, folds) after the last epoch."""
        rates = np.stack([self.grid.rate(setting) for setting in self.settings]).reshape(self.blocks)
        each = [self.grid.weights((setting, fold)) for setting in self.settings for fold in self.folds]
        leading = (*self.blocks, len(self.folds))
        weights = [np.stack(one).reshape(*leading, *one[0].shape) for one in zip(*each, strict=True)]
        given = [self.grid.fold_data(fold, self.structure).arguments() for fold in self.folds]
        curves = np.asarray(program(rates, weights, *(np.stack(one) for one in zip(*given, strict=True))))
        return curves[..., -1].reshape(len(self.settings), len(self.folds))


def _in_blocks(train: Callable[..., Any], rates: Any, weights: Any, *data: Any) -> Any:
    """Curves (blocks, block, folds, epochs): vmapped over folds, which share nothing, and over the recipes of a block,
    which share the data of a fold."""
    import jax

    of_folds = jax.vmap(train, in_axes=(None, 0, *[0] * len(data)))
    of_block = jax.vmap(of_folds, in_axes=(0, 0, *[None] * len(data)))
    return jax.lax.map(lambda block: of_block(*block, *data), (rates, weights))
