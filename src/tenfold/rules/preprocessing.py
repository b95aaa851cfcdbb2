"""Preprocessing of numeric inputs as x -> (x - shift) / scale, fitted on the training rows of a fold.

`fit` takes the moments of the training rows (never the rows that are scored) and returns shift and scale,
shape (columns,). A constant column gets scale 1. Divisors are population moments (ddof 0, as scikit-learn).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tenfold.rules.record import require, require_number

Array = np.ndarray


class Moments(NamedTuple):
    """Moments of the rows of one part, each of shape (columns,): count, mean, centred sum of squares, range."""

    count: Array
    mean: Array
    squares: Array  # sum of (x - mean)^2
    minimum: Array
    maximum: Array


class Affine(NamedTuple):
    """x -> (x - shift) / scale, column by column."""

    shift: Array
    scale: Array


def merge(one: Moments, two: Moments) -> Moments:
    """Moments of two parts together, from their moments alone (Chan, Golub & LeVeque 1983): adds, never subtracts
    a part from a total, so a training part's moments cannot carry a rounding trace of the rows left out."""
    count = one.count + two.count
    safe = np.maximum(count, 1)
    delta = two.mean - one.mean
    mean = np.where(one.count == 0, two.mean, one.mean + delta * (two.count / safe))
    squares = (
        one.squares + two.squares + np.where(one.count * two.count == 0, 0.0, delta**2 * one.count * two.count / safe)
    )
    return Moments(count, mean, squares, np.minimum(one.minimum, two.minimum), np.maximum(one.maximum, two.maximum))


def _nonzero(scale: Array, moments: Moments) -> Array:
    """Scale 1 where a column is constant up to rounding: by its range, since a sum of many rows is not exact."""
    size = np.maximum(np.abs(moments.minimum), np.abs(moments.maximum))
    varies = moments.maximum - moments.minimum > 10 * np.finfo(np.float64).eps * size
    return np.where(varies & (scale > 0), scale, 1.0)


@dataclass(frozen=True, kw_only=True)
class NoPreprocessing:
    """x as it is."""

    NAME: ClassVar[str] = "none"

    def fit(self, moments: Moments) -> Affine:
        """shift 0, scale 1."""
        return Affine(np.zeros_like(moments.mean), np.ones_like(moments.mean))


@dataclass(frozen=True, kw_only=True)
class Center:
    """x - mean: removes the large eigenvalue that a common offset adds to the curvature."""

    def fit(self, moments: Moments) -> Affine:
        """shift mean, scale 1."""
        return Affine(moments.mean, np.ones_like(moments.mean))


@dataclass(frozen=True, kw_only=True)
class Standardize:
    """(x - mean) / std, std with ddof 0."""

    def fit(self, moments: Moments) -> Affine:
        """shift mean, scale std (1 for a constant column)."""
        std = np.sqrt(moments.squares / np.maximum(moments.count, 1))
        return Affine(moments.mean, _nonzero(std, moments))


@dataclass(frozen=True, kw_only=True)
class MinMax:
    """The training rows' range to [low, high]; default [-1, 1], which is centred for a symmetric column."""

    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require_number(self, "low", "high")
        require(self.low < self.high, self, "low", f"below high ({self.high})")

    def fit(self, moments: Moments) -> Affine:
        """scale = range / (high - low), shift = minimum - low * scale."""
        scale = _nonzero((moments.maximum - moments.minimum) / (self.high - self.low), moments)
        return Affine(moments.minimum - self.low * scale, scale)


Preprocessing = NoPreprocessing | Center | Standardize | MinMax
