"""A pruner of Optuna around a plain loop of torch.nn and torch.optim: one process of a search that shares a journal."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Setting:
    """One recipe of the grid."""

    hidden: tuple[int, ...]
    activation: str
    dropout: float
    lr: float


@dataclass(frozen=True)
class Work:
    """What a process is to do: until so many seconds have passed, with which pruner, on which journal."""

    journal: str
    pruner: str
    task: str
    seed: int
    number: int
    seconds: float
    epochs: int
    batch_size: int


@dataclass(frozen=True)
class Part:
    """A fold, encoded: tensors of its training and validation rows, and the target's mean and std (0, 1 for classes).

    x (rows, columns) float32; y (rows,) int64, or float32 scaled; truth (validation rows,) in the target's own unit.
    """

    x: Any
    y: Any
    x_validation: Any
    truth: Array
    scale: tuple[float, float]


def front(x: Any) -> Any:
    """Standardized numbers with medians for missing cells, and indicators of categories: fitted on training rows."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if isinstance(x, np.ndarray):
        return StandardScaler()
    numbers = list(x.select_dtypes("number").columns)
    rest = [name for name in x.columns if name not in numbers]
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), rest),
    )


def optuna_worker(
    work: Work, grid: dict[str, list[Any]], x: Any, y: Array, folds: list[tuple[Array, Array]], barrier: Any
) -> float:
    """Train recipes that Optuna proposes until the time is up; seconds from when all processes are ready."""
    import optuna
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # the Wilcoxon pruner is experimental
    y = np.unique(y, return_inverse=True)[1] if work.task == "classification" else y.astype(np.float64)
    parts = [encoded(work.task, x, y, *fold) for fold in folds]
    outputs = int(y.max()) + 1 if work.task == "classification" else 1
    next(curve(work, Setting(*(values[0] for values in grid.values())), parts[0], outputs))  # warm
    barrier.wait()
    start = time.perf_counter()
    deadline = start + work.seconds
    study = optuna.create_study(
        study_name="rival", storage=_storage(work.journal), load_if_exists=True, direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=1_000 * work.seed + work.number), pruner=_pruner(work.pruner),
    )  # fmt: skip

    def objective(trial: Any) -> float:
        setting = chosen(grid, {name: trial.suggest_categorical(name, list(range(len(v)))) for name, v in grid.items()})
        torch.manual_seed(work.seed)
        curves = [curve(work, setting, part, outputs) for part in parts]
        walk = _by_epoch if work.pruner == "median" else _by_fold
        return walk(trial, curves, deadline)

    study.optimize(objective, timeout=work.seconds)
    return time.perf_counter() - start


def _by_epoch(trial: Any, curves: list[Iterator[float]], deadline: float) -> float:
    """All folds an epoch at a time, the fold mean reported; the best of it is the value."""
    import optuna

    best = -np.inf
    for epoch, scores in enumerate(_in_time(zip(*curves, strict=True), deadline)):
        best = max(best, float(np.mean(scores)))
        trial.report(float(np.mean(scores)), epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return best


def _by_fold(trial: Any, curves: list[Iterator[float]], deadline: float) -> float:
    """Fold after fold to its end, its score reported: what the Wilcoxon pruner compares."""
    import optuna

    whole = []
    for fold, one in enumerate(curves):
        whole.append(list(_in_time(one, deadline)))
        trial.report(whole[-1][-1], fold)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(whole, 0).max())


def _in_time(steps: Any, deadline: float) -> Iterator[Any]:
    """The steps, until the time is up: then the trial ends as pruned, and what it reported remains."""
    import optuna

    for step in steps:
        if time.perf_counter() > deadline:
            raise optuna.TrialPruned
        yield step


def chosen(grid: dict[str, list[Any]], places: dict[str, int]) -> Setting:
    """The setting at these places of the grid."""
    return Setting(**{name: values[places[name]] for name, values in grid.items()})


def standing(journal: str, grid: dict[str, list[Any]]) -> tuple[Setting | None, int]:
    """The best finished trial, else the one with the best report, else None; and how many were begun."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials = optuna.load_study(study_name="rival", storage=_storage(journal)).get_trials()
    values = {trial.number: trial.value for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE} or {
        trial.number: max(trial.intermediate_values.values()) for trial in trials if trial.intermediate_values
    }
    if not values:
        return None, len(trials)
    best = max(values, key=lambda number: values[number])
    return chosen(grid, next(trial.params for trial in trials if trial.number == best)), len(trials)


def _storage(journal: str) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(journal))


def _pruner(name: str) -> Any:
    from optuna.pruners import MedianPruner, WilcoxonPruner

    return MedianPruner() if name == "median" else WilcoxonPruner()


def encoded(task: str, x: Any, y: Array, train: Array, validation: Array) -> Part:
    """One fold; the preprocessing and the target's scale are those of its training rows."""
    import torch

    rows = (lambda n: x[n]) if isinstance(x, np.ndarray) else (lambda n: x.iloc[n])
    fitted = front(x).fit(rows(train))
    both = (torch.tensor(np.asarray(fitted.transform(rows(n)), np.float32)) for n in (train, validation))
    scale = (0.0, 1.0) if task == "classification" else (float(y[train].mean()), float(y[train].std()))
    kind = torch.int64 if task == "classification" else torch.float32
    target = torch.tensor((y[train] - scale[0]) / scale[1]).to(kind)
    x_train, x_validation = both
    return Part(x_train, target, x_validation, y[validation], scale)


def network(inputs: int, setting: Setting, outputs: int) -> Any:
    """Linear layers with He's weights and zero biases, activation and dropout after each but the last."""
    from torch import nn

    kinds = {"relu": nn.ReLU, "tanh": nn.Tanh, "elu": nn.ELU}
    layers: list[Any] = []
    for fan_in, fan_out in pairwise((inputs, *setting.hidden, outputs)):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, kinds[setting.activation](), nn.Dropout(setting.dropout)]
    return nn.Sequential(*layers[:-2])


def curve(work: Work, setting: Setting, part: Part, outputs: int) -> Iterator[float]:
    """Validation score after every epoch: accuracy, or R2."""
    import torch
    from sklearn.metrics import r2_score
    from torch import nn

    classes = work.task == "classification"
    model = network(part.x.shape[1], setting, outputs if classes else 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=setting.lr)
    criterion = nn.CrossEntropyLoss() if classes else nn.MSELoss()
    for _ in range(work.epochs):
        model.train()
        for batch in torch.randperm(len(part.x)).split(work.batch_size):
            optimizer.zero_grad()
            output = model(part.x[batch])
            criterion(output if classes else output[:, 0], part.y[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            output = model(part.x_validation).numpy()
        if classes:
            yield float((output.argmax(1) == part.truth).mean())
        else:
            mean, std = part.scale
            yield float(r2_score(part.truth, np.nan_to_num(output[:, 0] * std + mean)))
