"""Learning-rate decay: the factor of the base rate at each update, in closed form.

`factor(update, per_epoch, total)` takes the number of updates already made (0, 1, ...; a numpy array), the
updates in an epoch and the updates of the whole training. Rates that speak of time count it in EPOCHS,
continuously: t = update / per_epoch. All start at 1 (or rise to it, with warm-up).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tenfold.rules.record import require, require_number

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class NoDecay:
    """factor = 1."""

    NAME: ClassVar[str] = "none"

    def factor(self, update: Array, per_epoch: int, total: int) -> Array:
        """1 at every update."""
        return np.ones(np.shape(update))


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """factor = exp(-k t), t in epochs. A k that is too large freezes the training before it has arrived."""

    k: float = 0.05

    def __post_init__(self) -> None:
        require_number(self, "k")
        require(self.k >= 0, self, "k", ">= 0")

    def factor(self, update: Array, per_epoch: int, total: int) -> Array:
        """exp(-k update / per_epoch)."""
        return np.exp(-self.k * np.asarray(update) / per_epoch)


@dataclass(frozen=True, kw_only=True)
class InverseTime:
    """factor = 1 / (1 + k t), t in epochs (Robbins & Monro 1951)."""

    k: float = 0.1

    def __post_init__(self) -> None:
        require_number(self, "k")
        require(self.k >= 0, self, "k", ">= 0")

    def factor(self, update: Array, per_epoch: int, total: int) -> Array:
        """1 / (1 + k update / per_epoch)."""
        return 1.0 / (1.0 + self.k * np.asarray(update) / per_epoch)


@dataclass(frozen=True, kw_only=True)
class Step:
    """factor = drop^floor(t / every), t in epochs: the rate falls to `drop` of itself every `every` epochs."""

    drop: float = 0.1
    every: int = 10

    def __post_init__(self) -> None:
        require_number(self, "drop", "every")
        require(0 < self.drop <= 1, self, "drop", "in (0, 1]")
        require(self.every >= 1, self, "every", ">= 1 (epochs)")

    def factor(self, update: Array, per_epoch: int, total: int) -> Array:
        """drop^floor(update / (every per_epoch))."""
        return self.drop ** np.floor(np.asarray(update) / (self.every * per_epoch))


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Linear warm-up over the share `warmup` of the training, then half a cosine down to `end`.

    With W = round(warmup * total) updates of warm-up: (u + 1) / (W + 1) for u < W, then
    end + (1 - end) (1 + cos(pi (u - W) / (total - W))) / 2. Source: Loshchilov & Hutter 2017; Goyal et al. 2017.
    """

    warmup: float = 0.05
    end: float = 0.0

    def __post_init__(self) -> None:
        require_number(self, "warmup", "end")
        require(0 <= self.warmup < 1, self, "warmup", "in [0, 1), a share of the training")
        require(0 <= self.end <= 1, self, "end", "in [0, 1], a share of the rate")

    def factor(self, update: Array, per_epoch: int, total: int) -> Array:
        """Rises to 1 at update W and ends next to `end`."""
        update = np.asarray(update, dtype=np.float64)
        rise = min(round(self.warmup * total), total - 1)
        fall = self.end + (1 - self.end) * (1 + np.cos(np.pi * (update - rise) / (total - rise))) / 2
        return np.where(update < rise, (update + 1) / (rise + 1), fall)


Decay = NoDecay | Exponential | InverseTime | Step | Cosine
