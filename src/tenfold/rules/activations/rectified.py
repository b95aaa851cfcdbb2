"""Activations that are linear to the right of zero."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tenfold.rules.activations.base import ActivationRule
from tenfold.rules.fields import NotNegative
from tenfold.rules.initialization import He, Initialization, LeCun, Xavier

INF = math.inf
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def relu(z: Any) -> Any:
    """max(0, z), with derivative 0 at z = 0 (torch and jax.nn convention)."""
    return z.relu()


def leaky_relu(z: Any, slope: float) -> Any:
    """z where z > 0, slope * z elsewhere; derivative at 0 is the slope (torch convention)."""
    from torch.nn import functional

    return functional.leaky_relu(z, slope)


def prelu(z: Any, slope: Any) -> Any:
    """max(0, z) + slope min(0, z); slope is a tensor that broadcasts. Derivative at 0: the slope (torch convention); in
    the slope: min(0, z)."""
    return z.where(z > 0, slope * z)


def elu(z: Any, alpha: float) -> Any:
    """z where z > 0, alpha (exp(z) - 1) elsewhere (expm1: no cancellation near 0); not max(z, ...)."""
    from torch.nn import functional

    return functional.elu(z, alpha)


def selu(z: Any) -> Any:
    """SCALE z where z > 0, SCALE ALPHA (exp(z) - 1) elsewhere."""
    from torch.nn import functional

    return functional.selu(z)


def identity(z: Any) -> Any:
    """z."""
    return z


@dataclass(frozen=True, kw_only=True)
class ReLU(ActivationRule):
    """The rectified linear unit: passes what is positive.

    Formula: f(z) = max(0, z).
    Shapes: any; every number by itself.
    Convention: the derivative at 0 is 0, as in torch and jax.nn; a maximum with 0 would give 1/2.
    Claim: it halves the second moment (not the standard deviation, which falls to 0.584), hence He's gain sqrt(2).
    A unit that is off on every row has no gradient and stays off (dead); that takes a rate far too high.
    Choose: as the default, with he. Where units die, a lower rate helps, a bias of 0.01 does not.
    Source: Nair & Hinton 2010.
    """

    NAME: ClassVar[str] = "relu"
    formula: ClassVar[Callable[..., Any]] = staticmethod(relu)
    monotone: ClassVar[bool] = True
    gain: ClassVar[float] = math.sqrt(2)
    mean: ClassVar[float] = 1 / math.sqrt(2 * math.pi)
    second_moment: ClassVar[float] = 0.5
    bounds: ClassVar[tuple[float, float]] = (0.0, INF)
    saturates: ClassVar[tuple[bool, bool]] = (True, False)
    rectifier: ClassVar[bool] = True
    judged_gain: ClassVar[float] = math.sqrt(2)
    suited_init: ClassVar[Initialization] = He()
    torch_functions: ClassVar[tuple[str, ...]] = ("relu", "relu_")
    torch_layer_name: ClassVar[str | None] = "ReLU"
    native: ClassVar[str | None] = "relu"


class _Slope(ActivationRule, ABC):
    """What follows from the slope to the left of zero."""

    rectifier: ClassVar[bool] = True
    judged_gain: ClassVar[float] = math.sqrt(2)
    suited_init: ClassVar[Initialization] = He()

    @property
    @abstractmethod
    def _slope(self) -> float: ...

    @property
    def gain(self) -> float:
        """sqrt(2 / (1 + slope^2)) (He et al. 2015)."""
        # A product of huge numbers is infinite; a power of them would be an error.
        return math.sqrt(2 / (1 + self._slope * self._slope))

    @property
    def mean(self) -> float:
        return (1 - self._slope) / math.sqrt(2 * math.pi)

    @property
    def second_moment(self) -> float:
        return (1 + self._slope * self._slope) / 2

    @property
    def bounds(self) -> tuple[float, float]:
        """Below it has no end for a positive slope, and ends at 0 for one that is not."""
        return (-INF if self._slope > 0 else 0.0, INF)

    @property
    def saturates(self) -> tuple[bool, bool]:
        """To the left only where the slope is 0."""
        return (self._slope == 0, False)

    @property
    def monotone(self) -> bool:
        """For slopes that are not negative."""
        return self._slope >= 0


@dataclass(frozen=True, kw_only=True)
class LeakyReLU(_Slope):
    """A ReLU that lets a little of what is negative pass.

    Formula: f(z) = max(0, z) + slope min(0, z).
    Shapes: any; every number by itself.
    Options: slope - of the negative side.
    Convention: slope 0.01 and the slope as derivative at 0 (torch); jax has 1 at 0, Keras' layer slope 0.3. The
    usual lecture summary's max(slope z, z) is the same only for slopes up to 1.
    Claim: never without a gradient: a unit whose bias was set to -30 recovers, a ReLU unit never does.
    Choose: where ReLU units die; otherwise it makes little difference.
    Source: Maas, Hannun & Ng 2013.
    """

    slope: float = 0.01

    NAME: ClassVar[str] = "leaky_relu"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"slope": 0.01}, "jax": {"slope": 0.01}, "keras": {"slope": 0.3},
    }  # fmt: skip
    formula: ClassVar[Callable[..., Any]] = staticmethod(leaky_relu)
    torch_functions: ClassVar[tuple[str, ...]] = ("leaky_relu", "leaky_relu_")
    torch_layer_name: ClassVar[str | None] = "LeakyReLU"
    native: ClassVar[str | None] = "leaky_relu"

    @property
    def _slope(self) -> float:
        return self.slope

    @property
    def native_number(self) -> float:
        return self.slope


@dataclass(frozen=True, kw_only=True)
class PReLU(_Slope):
    """A leaky ReLU whose slope is learned.

    Formula: f(z) = max(0, z) + a min(0, z), a a parameter; df/da = min(0, z).
    Shapes: z (..., units) or (rows, channels, H, W); a has one number, or one for every unit or channel.
    Options: start - where the slope begins; per - layer for one slope a layer, channel for one a unit or channel.
    Convention: start 0.25 and no weight decay on the slope (the paper, torch). Keras starts at 0 with a slope for
    every element, flax at 0.01 with one slope.
    Claim: the slope may grow past 1, so it is written with max and min, not as max(a z, z). Gain as leaky ReLU's.
    Choose: for large data sets; it adds almost no parameters.
    Source: He et al. 2015.
    """

    start: float = 0.25
    per: Literal["layer", "channel"] = "layer"

    NAME: ClassVar[str] = "prelu"
    MAIN: ClassVar[str] = "start"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"start": 0.25, "per": "layer"},
        "keras": {"start": 0.0, "per": "channel"},
        "flax": {"start": 0.01, "per": "layer"},
    }
    formula: ClassVar[Callable[..., Any]] = staticmethod(prelu)
    learned: ClassVar[bool] = True
    torch_functions: ClassVar[tuple[str, ...]] = ("prelu",)
    torch_layer_name: ClassVar[str | None] = None
    # An operation of engine/native/source/network.h, since it learns parameters.
    native: ClassVar[str | None] = "prelu"

    @property
    def _slope(self) -> float:
        return self.start


@dataclass(frozen=True, kw_only=True)
class ELU(ActivationRule):
    """A ReLU whose negative side falls smoothly to -alpha.

    Formula: f(z) = z for z > 0, alpha (exp(z) - 1) elsewhere.
    Shapes: any; every number by itself.
    Options: alpha - minus the limit to the left.
    Convention: with expm1, exact near 0; alpha 1 in every library. The usual lecture summary's
    max(alpha (exp(z) - 1), z) is exp(z) - 1 everywhere and explodes to the right.
    Claim: continuously differentiable for alpha = 1; saturates at -alpha; its mean is less than half of ReLU's.
    Choose: for networks of moderate depth without normalization.
    Source: Clevert, Unterthiner & Hochreiter 2016.
    """

    alpha: NotNegative = 1.0

    NAME: ClassVar[str] = "elu"
    formula: ClassVar[Callable[..., Any]] = staticmethod(elu)
    monotone: ClassVar[bool] = True
    saturates: ClassVar[tuple[bool, bool]] = (True, False)
    rectifier: ClassVar[bool] = True
    judged_gain: ClassVar[float] = 1.25
    suited_init: ClassVar[Initialization] = He(gain="activation")
    torch_functions: ClassVar[tuple[str, ...]] = ("elu", "elu_")
    torch_layer_name: ClassVar[str | None] = "ELU"
    native: ClassVar[str | None] = "elu"

    @property
    def bounds(self) -> tuple[float, float]:
        return (-self.alpha, INF)

    @property
    def native_number(self) -> float:
        return self.alpha

    @property
    def gain(self) -> float:
        return 1 / math.sqrt(self.second_moment)

    @property
    def mean(self) -> float:
        """1 / sqrt(2 pi) + alpha (sqrt(e) Phi(-1) - 1/2)."""
        return 1 / math.sqrt(2 * math.pi) + self.alpha * (_exp_moment(1) - 0.5)

    @property
    def second_moment(self) -> float:
        """1/2 + alpha^2 E[(exp(z) - 1)^2; z < 0]."""
        return 0.5 + self.alpha * self.alpha * (_exp_moment(2) - 2 * _exp_moment(1) + 0.5)


@dataclass(frozen=True, kw_only=True)
class SELU(ActivationRule):
    """An ELU scaled so that mean 0 and variance 1 are a fixed point of deep networks.

    Formula: f(z) = 1.0507 z for z > 0, 1.0507 * 1.6733 (exp(z) - 1) elsewhere.
    Shapes: any; every number by itself.
    Convention: the constants to all digits, as in every library. torch's calculate_gain recommends 3/4, which trades
    the fixed point for stability; the gain here is the one of the paper, 1.
    Claim: mean 0 and second moment 1 under N(0, 1).
    Choose: for deep networks of dense layers without normalization, with lecun.
    Source: Klambauer et al. 2017.
    """

    NAME: ClassVar[str] = "selu"
    formula: ClassVar[Callable[..., Any]] = staticmethod(selu)
    monotone: ClassVar[bool] = True
    gain: ClassVar[float] = 1.0
    mean: ClassVar[float] = 0.0
    second_moment: ClassVar[float] = 1.0
    bounds: ClassVar[tuple[float, float]] = (-SELU_ALPHA * SELU_SCALE, INF)
    saturates: ClassVar[tuple[bool, bool]] = (True, False)
    rectifier: ClassVar[bool] = True
    judged_gain: ClassVar[float] = 1.0
    suited_init: ClassVar[Initialization] = LeCun()
    torch_functions: ClassVar[tuple[str, ...]] = ("selu", "selu_")
    torch_layer_name: ClassVar[str | None] = "SELU"
    native: ClassVar[str | None] = "selu"


@dataclass(frozen=True, kw_only=True)
class Identity(ActivationRule):
    """No activation: layers stay linear.

    Formula: f(z) = z.
    Shapes: any.
    Convention: the same in every library.
    Claim: a network of such layers is a linear map of its inputs, whatever its depth.
    Choose: to see what the nonlinearity is worth, and for bottlenecks.
    Source: -
    """

    formula: ClassVar[Callable[..., Any]] = staticmethod(identity)
    monotone: ClassVar[bool] = True
    gain: ClassVar[float] = 1.0
    mean: ClassVar[float] = 0.0
    second_moment: ClassVar[float] = 1.0
    bounds: ClassVar[tuple[float, float]] = (-INF, INF)
    saturates: ClassVar[tuple[bool, bool]] = (False, False)
    rectifier: ClassVar[bool] = False
    judged_gain: ClassVar[float] = 1.0
    suited_init: ClassVar[Initialization] = Xavier()
    torch_functions: ClassVar[tuple[str, ...]] = ()
    torch_layer_name: ClassVar[str | None] = None
    native: ClassVar[str | None] = "identity"


def _exp_moment(k: int) -> float:
    """E[exp(k z); z < 0] for z ~ N(0, 1) = exp(k^2 / 2) Phi(-k)."""
    return math.exp(k * k / 2) * 0.5 * math.erfc(k / math.sqrt(2))
