"""Initial weights: base draws scaled to a variance that the fans decide.

A rule maps a base draw - standard normal or uniform on [-1, 1), the same for every recipe of a fold and a
seed - to weights of shape (fan_in, fan_out). Biases start at zero. `variance(fan_in, fan_out)` is the claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tenfold.rules.record import require, require_number

Draw = Literal["normal", "uniform"]


@dataclass(frozen=True, kw_only=True)
class Zeros:
    """All weights 0. A deep ReLU or tanh network does not learn from it; a linear model does."""

    draw: ClassVar[Draw] = "normal"

    def variance(self, fan_in: int, fan_out: int) -> float:
        """0."""
        return 0.0

    def weights(self, base: Any, fan_in: int, fan_out: int) -> Any:
        """0 * base, shape (fan_in, fan_out)."""
        return base * 0.0


@dataclass(frozen=True, kw_only=True)
class Constant:
    """All weights equal: the units of a layer never differ (until dropout breaks the symmetry)."""

    value: float = 0.1
    draw: ClassVar[Draw] = "normal"

    def __post_init__(self) -> None:
        require_number(self, "value")

    def variance(self, fan_in: int, fan_out: int) -> float:
        """0."""
        return 0.0

    def weights(self, base: Any, fan_in: int, fan_out: int) -> Any:
        """The constant, shape (fan_in, fan_out)."""
        return base * 0.0 + self.value


@dataclass(frozen=True, kw_only=True)
class Normal:
    """w ~ N(0, std^2), whatever the fans: right for one width only."""

    std: float = 0.01
    draw: ClassVar[Draw] = "normal"

    def __post_init__(self) -> None:
        require_number(self, "std")
        require(self.std >= 0, self, "std", ">= 0")

    def variance(self, fan_in: int, fan_out: int) -> float:
        """std^2."""
        return self.std**2

    def weights(self, base: Any, fan_in: int, fan_out: int) -> Any:
        """std * base, shape (fan_in, fan_out)."""
        return base * self.std


@dataclass(frozen=True, kw_only=True)
class LeCun:
    """w ~ N(0, 1 / fan_in): keeps the variance of a linear layer. Source: LeCun et al. 1998.

    The `randn(n) / sqrt(n)` that lecture notes call Xavier. Keras and jax truncate the normal; this does not.
    """

    NAME: ClassVar[str] = "lecun"
    draw: ClassVar[Draw] = "normal"

    def variance(self, fan_in: int, fan_out: int) -> float:
        """1 / fan_in."""
        return 1.0 / fan_in

    def weights(self, base: Any, fan_in: int, fan_out: int) -> Any:
        """base / sqrt(fan_in), shape (fan_in, fan_out)."""
        return base * self.variance(fan_in, fan_out) ** 0.5


@dataclass(frozen=True, kw_only=True)
class Xavier:
    """w ~ U(-b, b) with b = sqrt(6 / (fan_in + fan_out)), so Var = 2 / (fan_in + fan_out).

    A compromise between keeping activations and gradients; for tanh and linear layers. Glorot & Bengio 2010.
    """

    draw: ClassVar[Draw] = "uniform"

    def variance(self, fan_in: int, fan_out: int) -> float:
        """2 / (fan_in + fan_out)."""
        return 2.0 / (fan_in + fan_out)

    def weights(self, base: Any, fan_in: int, fan_out: int) -> Any:
        """base * sqrt(3 Var) for base ~ U(-1, 1), shape (fan_in, fan_out)."""
        return base * (3 * self.variance(fan_in, fan_out)) ** 0.5


@dataclass(frozen=True, kw_only=True)
class He:
    """w ~ N(0, 2 / fan_in): keeps the second moment through ReLU layers. Source: He et al. 2015."""

    draw: ClassVar[Draw] = "normal"

    def variance(self, fan_in: int, fan_out: int) -> float:
        """2 / fan_in."""
        return 2.0 / fan_in

    def weights(self, base: Any, fan_in: int, fan_out: int) -> Any:
        """base * sqrt(2 / fan_in), shape (fan_in, fan_out)."""
        return base * self.variance(fan_in, fan_out) ** 0.5


Initialization = Zeros | Constant | Normal | LeCun | Xavier | He
