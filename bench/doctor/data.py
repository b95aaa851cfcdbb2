"""Data: what ships with scikit-learn, and drawn ones; standardized with the moments of the training rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor

from bench.doctor.case import Data

Array = np.ndarray
HELD_OUT = 0.3


def _split(x: Array, y: Array, seed: int, *, floor: int = 0) -> tuple[Array, Array, Array, Array]:
    order = np.random.default_rng(1000 + seed).permutation(len(x))
    cut = max(int(len(x) * HELD_OUT), floor)
    held, train = order[:cut], order[cut:]
    return x[train], y[train], x[held], y[held]


def _wrap(parts: tuple[Array, Array, Array, Array], task: str) -> Data:
    """As tensors; classes int64 (n,), otherwise float32 (n, 1)."""
    x, y, u, v = parts
    kind = torch.float32 if x.dtype.kind == "f" else torch.int64

    def target(values: Array) -> Tensor:
        return torch.tensor(values, dtype=torch.int64) if task == "classes" else _column(values)

    held, wanted = torch.tensor(u, dtype=kind), target(v)
    return Data(torch.tensor(x, dtype=kind), target(y), held, wanted, held, wanted)


def _column(values: Array) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1)


def standardized(parts: tuple[Array, Array, Array, Array], task: str) -> Data:
    """Columns, and targets that are numbers, with the training rows' mean and standard deviation."""
    x, y, u, v = parts
    mean, std = x.mean(0), x.std(0) + 1e-8
    x, u = (x - mean) / std, (u - mean) / std
    if task == "numbers":
        centre, scale = y.mean(), y.std()
        y, v = (y - centre) / scale, (v - centre) / scale
    return _wrap((x, y, u, v), task)


def bundled(name: str, task: str, rows: int | None = None) -> Any:
    """A table of scikit-learn; rows: of the training set, the others are held out."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return standardized(_split(x.astype(np.float64), y, seed, floor=len(x) - rows if rows else 0), task)

    return make


def digits(*, flat: bool, unit: bool, rows: int = 1797) -> Any:
    """8x8 digits: (n, 64) or (n, 1, 8, 8); unit: pixels in [0, 1], otherwise one mean and one scale for all."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        x, y = datasets.load_digits(return_X_y=True)
        x = x[:rows].astype(np.float64) / 16 if unit else (x[:rows].astype(np.float64) - 4.88) / 6.02
        return _wrap(_split(x if flat else x.reshape(-1, 1, 8, 8), y[:rows], seed), "classes")

    return make


def moons(rows: int = 700, noise: float = 0.2) -> Any:
    """Two half moons."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        x, y = datasets.make_moons(rows, noise=noise, random_state=seed)
        return standardized(_split(x, y, seed), "binary")

    return make


def spirals(rows: int = 900, classes: int = 3, turns: float = 0.8) -> Any:
    """Interleaved spirals."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        draw = np.random.default_rng(seed)
        y = np.arange(rows) % classes
        t = np.sqrt(draw.uniform(0.05, 1.0, rows))
        angle = 2 * np.pi * (y / classes + turns * t) + draw.normal(0, 0.08, rows)
        return standardized(_split(np.c_[t * np.cos(angle), t * np.sin(angle)], y, seed), "classes")

    return make


def clusters(
    rows: int, columns: int, classes: int, task: str, *, informative: int = 8, sep: float = 1.5, rare: float = 0.0,
    flip: float = 0.01,
) -> Any:  # fmt: skip
    """Clusters at the corners of a cube; rare: share of class 1 of two."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        x, y = datasets.make_classification(
            rows, columns, n_informative=informative, n_redundant=2, n_classes=classes, n_clusters_per_class=2,
            class_sep=sep, flip_y=flip, weights=[1 - rare] if rare else None, random_state=17,
        )  # fmt: skip
        return standardized(_split(x, y, seed), task)

    return make


def friedman(rows: int = 700, noise: float = 1.0, number: int = 1) -> Any:
    """Friedman's first function of 5 of 10 inputs, or his second or third of 4."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        x, y = getattr(datasets, f"make_friedman{number}")(rows, noise=noise, random_state=seed)
        return standardized(_split(x, y, seed), "numbers")

    return make


def waves_sum(rows: int = 800, columns: int = 6, noise: float = 0.1) -> Any:
    """y = sin(2 x0) + x1 x2 + |x3| + noise, other columns idle."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        draw = np.random.default_rng(seed)
        x = draw.normal(size=(rows, columns))
        y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + np.abs(x[:, 3]) + draw.normal(0, noise, rows)
        return standardized(_split(x, y, seed), "numbers")

    return make


def shapes(rows: int = 900, side: int = 12, noise: float = 0.15) -> Any:
    """Grey images (n, 1, side, side) of a disc, a square, a cross or a ring somewhere, in about [0, 1]."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        draw = np.random.default_rng(seed)
        y = np.arange(rows) % 4
        grid = np.arange(side)
        x = draw.normal(0, noise, (rows, 1, side, side))
        for i, kind in enumerate(y):
            r = draw.uniform(2.2, 3.6)
            u, v = (grid - draw.uniform(3.6, side - 4.6) for _ in range(2))
            a, b = np.abs(u)[:, None], np.abs(v)[None, :]
            length = np.hypot(a, b)
            mask = (length <= r, np.maximum(a, b) <= r * 0.9, (np.minimum(a, b) < 0.8) & (length <= r + 0.5),
                    np.abs(length - r) < 0.75)[kind]  # fmt: skip
            x[i, 0] += mask * draw.uniform(0.7, 1.0)
        return _wrap(_split(x, y, seed), "classes")

    return make


def sequences(rows: int = 600, times: int = 14, *, task: str = "classes") -> Any:
    """(n, times, 2): noisy waves. classes: sine, square or saw; numbers: the wave's frequency."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        draw = np.random.default_rng(seed)
        kind = np.arange(rows) % 3
        rate = draw.uniform(0.8, 2.4, rows)
        phase = draw.uniform(0, 2 * np.pi, rows)[:, None] + 2 * np.pi * rate[:, None] * np.linspace(0, 1, times)
        saw = 2 * ((phase / (2 * np.pi)) % 1) - 1
        wave = np.choose(kind[:, None], [np.sin(phase), np.sign(np.sin(phase)), saw])
        if task == "numbers":
            wave = np.sin(phase)
        x = np.stack([wave, np.cos(phase) if task == "numbers" else np.gradient(wave, axis=1)], 2)
        x = x + draw.normal(0, 0.1, x.shape)
        x, y = (x - x.mean()) / x.std(), kind if task == "classes" else (rate - rate.mean()) / rate.std()
        return _wrap(_split(x, y, seed), task)

    return make


def tokens(rows: int = 900, places: int = 12, words: int = 60, classes: int = 4) -> Any:
    """(n, places) numbers of words; a third of a text's words come from its topic."""

    @lru_cache(maxsize=2)
    def make(seed: int) -> Data:
        draw = np.random.default_rng(seed)
        y = np.arange(rows) % classes
        size = words // (classes + 1)
        topic = y[:, None] * size + draw.integers(0, size, (rows, places))
        x = np.where(draw.uniform(size=(rows, places)) < 0.33, topic, draw.integers(0, words, (rows, places)))
        return _wrap(_split(x.astype(np.int64), y, seed), "classes")

    return make
