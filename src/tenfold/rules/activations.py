"""Activation functions: what turns a layer's sum z into its output.

Each record states what is claimed of it and tested: `gain` (torch's 1 for sigmoid and 5/3 for tanh; for the
others 1 / sqrt(E[f(z)^2]), which keeps the second moment under z ~ N(0, 1): He's sqrt(2) for ReLU), `mean` and
`second_moment` under N(0, 1), `bounds` of the output and whether the derivative vanishes (`saturates`) to the
left and to the right.

Formulas are functions of a tensor and of the record's numbers. A pack applies each distinct record to the block
of its lanes that have it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.record import require, require_number

INF = math.inf


def sigmoid(z: Any) -> Any:
    """s(z) = 1 / (1 + exp(-z)); s' = s (1 - s) <= 1/4."""
    return z.sigmoid()


def tanh(z: Any) -> Any:
    """tanh(z) = 2 s(2z) - 1; derivative 1 - tanh^2."""
    return z.tanh()


def relu(z: Any) -> Any:
    """max(0, z), with derivative 0 at z = 0 (torch and jax.nn convention)."""
    return z.relu()


def leaky_relu(z: Any, slope: float) -> Any:
    """z where z > 0, slope * z elsewhere; derivative at 0 is the slope (torch convention)."""
    from torch.nn import functional

    return functional.leaky_relu(z, slope)


def elu(z: Any, alpha: float) -> Any:
    """z where z > 0, alpha (exp(z) - 1) elsewhere (expm1: no cancellation near 0); not max(z, ...)."""
    from torch.nn import functional

    return functional.elu(z, alpha)


@dataclass(frozen=True, kw_only=True)
class Sigmoid:
    """Logistic sigmoid, f(z) = 1 / (1 + exp(-z)). Saturates on both sides; its mean is 1/2, not 0.

    The default choice for gates and probabilities, not for hidden layers of deep networks: each layer
    multiplies the backpropagated gradient by at most 1/4. Source: LeCun et al. 1998, Efficient BackProp.
    """

    formula: ClassVar = staticmethod(sigmoid)
    gain: ClassVar[float] = 1.0
    mean: ClassVar[float] = 0.5
    second_moment: ClassVar[float] = 0.29338
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    saturates: ClassVar[tuple[bool, bool]] = (True, True)


@dataclass(frozen=True, kw_only=True)
class Tanh:
    """Hyperbolic tangent, f(z) = tanh(z): zero-centred, saturates on both sides. Source: LeCun et al. 1998."""

    formula: ClassVar = staticmethod(tanh)
    gain: ClassVar[float] = 5 / 3
    mean: ClassVar[float] = 0.0
    second_moment: ClassVar[float] = 0.39429
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    saturates: ClassVar[tuple[bool, bool]] = (True, True)


@dataclass(frozen=True, kw_only=True)
class ReLU:
    """Rectified linear unit, f(z) = max(0, z). It halves the second moment, hence He's gain sqrt(2).

    A unit that is off on every row has no gradient and stays off (dead). Source: Nair & Hinton 2010.
    """

    NAME: ClassVar[str] = "relu"
    formula: ClassVar = staticmethod(relu)
    gain: ClassVar[float] = math.sqrt(2)
    mean: ClassVar[float] = 0.39894
    second_moment: ClassVar[float] = 0.5
    bounds: ClassVar[tuple[float, float]] = (0.0, INF)
    saturates: ClassVar[tuple[bool, bool]] = (True, False)


@dataclass(frozen=True, kw_only=True)
class LeakyReLU:
    """Leaky ReLU, f(z) = z for z > 0 and slope * z elsewhere: never without a gradient.

    Default slope 0.01 (torch, jax; Keras' layer has 0.3). Source: Maas, Hannun & Ng 2013.
    """

    slope: float = 0.01

    NAME: ClassVar[str] = "leaky_relu"
    formula: ClassVar = staticmethod(leaky_relu)
    bounds: ClassVar[tuple[float, float]] = (-INF, INF)
    saturates: ClassVar[tuple[bool, bool]] = (False, False)

    def __post_init__(self) -> None:
        require_number(self, "slope")

    @property
    def gain(self) -> float:
        """sqrt(2 / (1 + slope^2)) (He et al. 2015)."""
        return math.sqrt(2 / (1 + self.slope**2))

    @property
    def mean(self) -> float:
        """(1 - slope) / sqrt(2 pi)."""
        return (1 - self.slope) / math.sqrt(2 * math.pi)

    @property
    def second_moment(self) -> float:
        """(1 + slope^2) / 2."""
        return (1 + self.slope**2) / 2


@dataclass(frozen=True, kw_only=True)
class ELU:
    """Exponential linear unit, f(z) = z for z > 0 and alpha (exp(z) - 1) elsewhere.

    Continuously differentiable for alpha = 1 (the default); saturates at -alpha. Source: Clevert et al. 2016.
    """

    alpha: float = 1.0

    NAME: ClassVar[str] = "elu"
    formula: ClassVar = staticmethod(elu)
    saturates: ClassVar[tuple[bool, bool]] = (True, False)

    def __post_init__(self) -> None:
        require_number(self, "alpha")
        require(self.alpha >= 0, self, "alpha", ">= 0")

    @property
    def bounds(self) -> tuple[float, float]:
        """(-alpha, infinity)."""
        return (-self.alpha, INF)

    @property
    def gain(self) -> float:
        """1 / sqrt(E[f(z)^2])."""
        return 1 / math.sqrt(self.second_moment)

    @property
    def mean(self) -> float:
        """1 / sqrt(2 pi) + alpha (sqrt(e) Phi(-1) - 1/2)."""
        return 1 / math.sqrt(2 * math.pi) + self.alpha * (_exp_moment(1) - 0.5)

    @property
    def second_moment(self) -> float:
        """1/2 + alpha^2 E[(exp(z) - 1)^2; z < 0]."""
        return 0.5 + self.alpha**2 * (_exp_moment(2) - 2 * _exp_moment(1) + 0.5)


def _exp_moment(k: int) -> float:
    """E[exp(k z); z < 0] for z ~ N(0, 1) = exp(k^2 / 2) Phi(-k)."""
    return math.exp(k * k / 2) * 0.5 * math.erfc(k / math.sqrt(2))


Activation = Sigmoid | Tanh | ReLU | LeakyReLU | ELU
