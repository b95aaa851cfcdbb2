"""The base draws that recipes share, and the base class of the rules of initialization."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from tenfold.rules.record import Rule

CUT = 2.0  # a truncated normal ends here, in standard deviations of the normal before it is cut


class Fans(NamedTuple):
    """What a layer's weights connect, and the gain of the activation that follows (1.0 for the output layer).

    Of a convolution: fan_in = channels in * kernel^2, fan_out = channels * kernel^2; of a maxout of k pieces fan_out is
    the number of its units, not of its k * units columns.
    """

    fan_in: int
    fan_out: int
    gain: float = 1.0


def base_draw(kind: str, rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Random numbers (rows, columns) float64 of one kind, the same whatever the recipe.

    normal, truncated: mean 0, variance 1; uniform: on [-1, 1); orthogonal: orthonormal columns (rows, where there are
    fewer of them) times sqrt(max(rows, columns)), so again variance 1; sparse_10: standard normal, all but 10 of each
    column 0.
    """
    size = (rows, columns)
    if kind == "normal":
        return rng.standard_normal(size)
    if kind == "uniform":
        return rng.uniform(-1.0, 1.0, size)
    if kind == "truncated":
        return truncated(rng.random(size))
    if kind == "orthogonal":
        return orthogonal(rng.standard_normal(size))
    name, _, connections = kind.partition("_")
    if name == "sparse" and connections.isdigit():
        return sparse(rng.standard_normal(size), rng.random(size), int(connections))
    raise ValueError(f"base draw {kind!r}")


def truncated(share: np.ndarray) -> np.ndarray:
    """The standard normal cut at +-2 and divided by its standard deviation, 0.87962566; share: uniform on [0, 1)."""
    # By the inverse of the distribution and not by drawing again: each weight takes exactly one number of the stream.
    from scipy.special import ndtr, ndtri

    below, inside = ndtr(-CUT), ndtr(CUT) - ndtr(-CUT)
    density = math.exp(-(CUT**2) / 2) / math.sqrt(2 * math.pi)
    std = math.sqrt(1 - 2 * CUT * density / inside)
    return ndtri(below + share * inside) / std


def orthogonal(normal: np.ndarray) -> np.ndarray:
    """Q of normal = QR with R's diagonal positive: uniform among such matrices (Mezzadri 2007); times sqrt(longest)."""
    rows, columns = normal.shape
    q, r = np.linalg.qr(normal if rows >= columns else normal.T)
    # QR leaves the signs of R's diagonal open; as LAPACK chooses them, Q would not be uniform.
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return (q if rows >= columns else q.T) * math.sqrt(max(rows, columns))


def sparse(normal: np.ndarray, keys: np.ndarray, connections: int) -> np.ndarray:
    """normal where a key is among the smallest `connections` of its column, else 0."""
    # Sorting the order again gives the rank of each key. The weights of 5 connections are thus among those of 10.
    rank = keys.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return np.where(rank < connections, normal, 0.0)


@dataclass(frozen=True, kw_only=True)
class Initial(Rule, ABC):
    """Base of the rules of initialization: the biases, and whether the output layer starts at zero.

    unit_variance: the engine rescales each layer in turn with `lsuv_factor`; unit_deviation: it does so unit by unit,
    as `DataDriven` says.
    """

    bias: float | Literal["like_weights", "normal"] = 0.0
    zero_last: bool = False

    draw: ClassVar[str] = "normal"
    unit_variance: ClassVar[bool] = False
    unit_deviation: ClassVar[bool] = False

    def draw_of(self, kind: str) -> str:
        """The base draw of a weight or of a bias."""
        return "normal" if kind == "bias" and self.bias == "normal" else self.draw

    def silent(self, kind: str, *, output: bool) -> bool:
        """Whether a weight or a bias starts at 0 whatever the draw: of the output layer, where that is to be silent."""
        return output and self.zero_last and (kind == "weight" or self.bias == "normal")

    def weights(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        """The weights (rows, columns) from a base draw of that shape."""
        return self.scaled(base, fans)

    def biases(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        """The biases (columns,) from one row of a base draw: a constant, the draw, or scaled as the weights are."""
        if self.bias == "normal":
            return base
        return self.scaled(base, fans) if self.bias == "like_weights" else np.full_like(base, self.bias)

    @abstractmethod
    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        """The rule itself: a base draw, scaled."""

    @abstractmethod
    def variance(self, fans: Fans) -> float | None:
        """What is claimed of the weights' variance; None where the fans do not decide it."""
