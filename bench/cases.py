"""The cases that are measured: data, folds, network, and the grid of recipes; the same for every contestant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import numpy as np

Array = np.ndarray
FOLDS = 5
ACTIVATIONS = ("relu", "tanh", "sigmoid", "leaky_relu", "elu")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")


@dataclass(frozen=True)
class Setting:
    """What differs between the recipes of a case."""

    lr: float
    activation: str = "relu"
    optimizer: str = "adam"


@dataclass(frozen=True)
class Case:
    """One grid of recipes on one data set that ships with scikit-learn, over five stratified folds.

    inner: folds of a search inside each fold, 0 for none: what is scored is then what each search chooses. calls: how
    often at most a measurement trains the whole case, its time being the median.
    """

    name: str
    data: str
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    settings: tuple[Setting, ...]
    inner: int = 0
    calls: int = 1

    def load(self) -> tuple[Array, Array]:
        """X float64 (rows, columns) and y int64 (rows,)."""
        from sklearn import datasets

        x, y = getattr(datasets, f"load_{self.data}")(return_X_y=True)
        return x, y.astype(np.int64)

    def folds(self, x: Array, y: Array) -> list[tuple[Array, Array]]:
        """(train, validation) row indices of every fold."""
        from sklearn.model_selection import StratifiedKFold

        return list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y))

    def inner_folds(self, y: Array, folds: list[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
        """The inner folds of every fold's training rows, in turn."""
        from sklearn.model_selection import StratifiedKFold

        found: list[tuple[Array, Array]] = []
        for number, (train, _) in enumerate(folds):
            parts = StratifiedKFold(self.inner, shuffle=True, random_state=number).split(train, y[train])
            found += [(train[inside], train[outside]) for inside, outside in parts]
        return found

    def recipe(self, setting: Setting) -> dict[str, Any]:
        """The setting as a Tenfold recipe."""
        return {
            "preprocess": "standardize",
            "network": {"hidden": list(self.hidden), "activation": setting.activation},
            "init": "xavier",
            "optimizer": {setting.optimizer: {"lr": setting.lr}},
            "decay": "none",
            "weight_decay": 0.0,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
        }

    def picks(self, share: float) -> tuple[int, ...]:
        """Numbers of an evenly spaced share of the recipes, at least one."""
        count = min(len(self.settings), max(1, round(share * len(self.settings))))
        return tuple(int(n) for n in np.linspace(0, len(self.settings) - 1, count).round())

    def only(self, picks: tuple[int, ...], epochs: int | None = None) -> Case:
        """The same case with these recipes, and perhaps fewer epochs (to warm up)."""
        return replace(self, settings=tuple(self.settings[n] for n in picks), epochs=epochs or self.epochs)


def rates(count: int, high: float) -> tuple[Setting, ...]:
    """Learning rates on a logarithmic grid from 1e-4 to `high`."""
    return tuple(Setting(float(lr)) for lr in np.logspace(-4, np.log10(high), count))


def mixed(count: int) -> tuple[Setting, ...]:
    """The same grid of rates, with activations and optimizers in turn."""
    kinds = zip(cycle(ACTIVATIONS), cycle(OPTIMIZERS), strict=False)
    pairs = zip(rates(count, 10**-1.5), islice(kinds, count), strict=True)
    return tuple(replace(rate, activation=activation, optimizer=rule) for rate, (activation, rule) in pairs)


SMALL = ("breast_cancer", (32, 32), 32, 30)  # data, hidden layers, batch size, epochs
CASES = {
    "a": Case("a", *SMALL, rates(48, 10**-1.5)),
    "b": Case("b", "digits", (100, 100), 128, 40, rates(24, 1e-2)),
    "c": Case("c", *SMALL, mixed(48)),
    "one": Case("one", *SMALL, (Setting(1e-3),), calls=5),
    "nested": Case("nested", *SMALL, rates(24, 10**-1.5), inner=5),
    "wide": Case("wide", "digits", (1024, 1024), 128, 20, rates(20, 1e-2)),
}


def case_named(name: str, lanes: int | None = None) -> Case:
    """The case, with as many recipes as give that many lanes (trials) when `lanes` is given."""
    case = CASES[name]
    if lanes is None or name == "one":
        return case
    count = max(1, round(lanes / FOLDS))
    settings = mixed(count) if name == "c" else rates(count, max(s.lr for s in case.settings))
    return replace(case, settings=settings)
