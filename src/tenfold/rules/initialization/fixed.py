"""Initial weights whose scale does not depend on the width of the layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tenfold.rules.fields import Count, NotNegative
from tenfold.rules.initialization.base import Fans, Initial


@dataclass(frozen=True, kw_only=True)
class Zeros(Initial):
    """All weights 0.

    Formula: w = 0.
    Shapes: W (inputs, units).
    Options: bias - a number, normal, or like_weights (0); zero_last - nothing more here.
    Convention: the same in every library.
    Claim: a ReLU or tanh network with a hidden layer does not move: the first layer's gradient is exactly 0, and the
    last's too, except its bias. A linear model learns.
    Choose: for linear models only; for an output layer that starts silent take zero_last of another rule.
    Source: LeCun et al. 1998.
    """

    def variance(self, fans: Fans) -> float:
        return 0.0

    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        return np.zeros_like(base)


@dataclass(frozen=True, kw_only=True)
class Constant(Initial):
    """All weights equal.

    Formula: w = value.
    Shapes: W (inputs, units).
    Options: value - of every weight; bias - a number, normal, or like_weights (the value); zero_last - whether the
    output layer's weights start at 0.
    Convention: the same in every library.
    Claim: Var[w] = 0; the units of a layer compute the same and get the same gradient, so they never differ, until
    dropout breaks the symmetry.
    Choose: to show why weights are drawn.
    Source: Rumelhart, Hinton & Williams 1986.
    """

    value: float = 0.1

    MAIN: ClassVar[str] = "value"

    def variance(self, fans: Fans) -> float:
        return 0.0

    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        return np.full_like(base, self.value)


@dataclass(frozen=True, kw_only=True)
class Normal(Initial):
    """Normal with one standard deviation for all layers, whatever their width.

    Formula: w ~ N(0, std^2).
    Shapes: W (inputs, units).
    Options: std - standard deviation; bias - a number, like_weights or normal; zero_last - whether the output layer's
    weights start at 0.
    Convention: std is a standard deviation, as in all libraries. Their defaults are 1 (torch's normal_), 0.05 (Keras)
    and 0.01 (jax; small random numbers in lecture notes).
    Claim: Var[w] = std^2. In ten tanh layers of 500 units 0.01 shrinks the outputs to 3e-7 (each layer by 0.22), and 1
    saturates more than 90 % of the units.
    Choose: for two or three layers; deeper, a rule that knows the fans.
    Source: Krizhevsky, Sutskever & Hinton 2012 (0.01).
    """

    std: NotNegative = 0.01

    MAIN: ClassVar[str] = "std"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"std": 1.0}, "keras": {"std": 0.05}, "jax": {"std": 0.01}, "flax": {"std": 0.01},
        "cs231n": {"std": 0.01}, "lecture": {"std": 0.01},
    }  # fmt: skip

    def variance(self, fans: Fans) -> float:
        return self.std**2

    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        return base * self.std


@dataclass(frozen=True, kw_only=True)
class UniformWithin(Initial):
    """Uniform on one interval around 0 for all layers, whatever their width.

    Formula: w ~ U(-bound, bound).
    Shapes: W (inputs, units).
    Options: bound - half the width of the interval; bias - a number, like_weights or normal; zero_last - whether the
    output layer's weights start at 0.
    Convention: Keras' RandomUniform (0.05). torch's uniform_ is on [0, 1) and jax's on [0, 0.01), both off centre.
    Claim: Var[w] = bound^2 / 3, and no weight is beyond the bound.
    Choose: to reproduce older work; else a rule that knows the fans.
    Source: Glorot & Bengio 2010 (the heuristic that they replace).
    """

    bound: NotNegative = 0.05

    NAME: ClassVar[str] = "uniform_within"
    MAIN: ClassVar[str] = "bound"
    draw: ClassVar[str] = "uniform"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"keras": {"bound": 0.05}}

    def variance(self, fans: Fans) -> float:
        return self.bound**2 / 3

    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        return base * self.bound


@dataclass(frozen=True, kw_only=True)
class Sparse(Initial):
    """Each unit is connected to few inputs, by normal weights; all other weights start at 0.

    Formula: w ~ N(0, std^2) for `connections` inputs of each unit, chosen at random, else w = 0.
    Shapes: W (inputs, units); of a convolution inputs = channels in * kernel^2. Weights at 0 train like all others.
    Options: connections - of a unit, all inputs where there are fewer; std - standard deviation of a weight that is not
    0; bias - a number, normal, or like_weights (normal with std); zero_last - whether the output layer's weights start
    at 0.
    Convention: connections are counted for each unit, as in the paper, which has 15 with std 1; torch's sparse_ (std
    0.01) takes the share of zeros, for each input.
    Claim: each unit has exactly k = min(connections, inputs) weights that are not 0; Var[w] = std^2 k / inputs, so the
    size of a unit's sum does not depend on the width. The connections of 5 are among those of 10.
    Choose: to keep units different with few large weights, std near gain / sqrt(connections); else he.
    Source: Martens 2010.
    """

    connections: Count = 10
    std: NotNegative = 0.01

    MAIN: ClassVar[str] = "connections"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"cs231n": {"connections": 10, "std": 0.01}}

    @property
    def draw(self) -> str:  # type: ignore[override]
        """sparse_10: the base draw of 10 connections."""
        return f"sparse_{int(self.connections)}"

    def variance(self, fans: Fans) -> float:
        """std^2 min(connections, fan_in) / fan_in, over all weights."""
        return self.std**2 * min(self.connections, fans.fan_in) / fans.fan_in

    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        return base * self.std
