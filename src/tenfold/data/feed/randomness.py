"""Randomness is derived, never drawn in passing: a generator for each (seed, purpose, fold, step).

Everything that looks random - folds, initial weights, batch order, dropout masks - comes from here, so all
recipes of a fold see the same numbers, and any trial can be trained again alone, in any order, anywhere.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Purpose = Literal[
    "init",
    "order",
    "dropout",
    "folds",
    "holdout",
    "bias",
    "augment",
    "lsuv",
    "kept",
    "audit",
    "doctor",
    "refit",
    "blend",
    "embedding",
    "target_means",
    "module",
]
_PURPOSES: dict[str, int] = {
    "init": 1, "order": 2, "dropout": 3, "folds": 4, "holdout": 5, "bias": 6, "augment": 7, "lsuv": 8,
    "kept": 9, "audit": 10, "doctor": 11, "refit": 12, "blend": 13, "embedding": 14, "target_means": 20,
    "module": 31,
}  # fmt: skip


def derive(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """The generator of one purpose at one place, for example (fold, epoch): independent of every other one."""
    key = (_PURPOSES[purpose], *place)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


def derive_int(seed: int, purpose: Purpose, *place: int) -> int:
    """A 32-bit integer for a library that wants a `random_state`."""
    return int(derive(seed, purpose, *place).integers(2**32, dtype=np.uint32))
