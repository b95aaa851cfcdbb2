"""Smooth relatives of the ReLU."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tenfold.rules.activations.base import ActivationRule
from tenfold.rules.initialization import He, Initialization, Xavier

INF = math.inf


def gelu(z: Any, approximate: str) -> Any:
    """z Phi(z), or with "tanh" z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2."""
    from torch.nn import functional

    return functional.gelu(z, approximate=approximate)


def silu(z: Any) -> Any:
    """z s(z), s the sigmoid."""
    from torch.nn import functional

    return functional.silu(z)


def mish(z: Any) -> Any:
    """z tanh(ln(1 + exp(z)))."""
    from torch.nn import functional

    return functional.mish(z)


def softplus(z: Any) -> Any:
    """ln(exp(z) + exp(0)), exact for any z."""
    return z.logaddexp(z.new_zeros(()))


@dataclass(frozen=True, kw_only=True)
class GELU(ActivationRule):
    """Each number times the probability that a standard normal one lies below it.

    Formula: f(z) = z Phi(z); or with approximate: tanh, z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2.
    Shapes: any; every number by itself.
    Options: approximate - none for the exact form, or tanh.
    Convention: exact in torch and Keras; jax approximates by default. They differ by up to 4.7e-4.
    Claim: smooth; smallest value -0.17; saturates to the left.
    Choose: in deep networks with normalization, as transformers do.
    Source: Hendrycks & Gimpel 2016.
    """

    approximate: Literal["none", "tanh"] = "none"

    NAME: ClassVar[str] = "gelu"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"approximate": "none"}, "keras": {"approximate": "none"}, "jax": {"approximate": "tanh"},
    }  # fmt: skip
    formula: ClassVar[Callable[..., Any]] = staticmethod(gelu)
    monotone: ClassVar[bool] = False
    saturates: ClassVar[tuple[bool, bool]] = (True, False)
    rectifier: ClassVar[bool] = True
    judged_gain: ClassVar[float] = 1.53
    suited_init: ClassVar[Initialization] = He(gain="activation")
    torch_functions: ClassVar[tuple[str, ...]] = ("gelu",)
    torch_layer_name: ClassVar[str | None] = "GELU"

    @property
    def native(self) -> str | None:
        """The two forms are two formulas."""
        return "gelu" if self.approximate == "none" else "gelu_tanh"

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest value, near z = -0.752, and infinity."""
        return (-0.169971207480 if self.approximate == "none" else -0.170040750572, INF)

    @property
    def mean(self) -> float:
        """1 / (2 sqrt(pi)) for the exact form."""
        return 1 / (2 * math.sqrt(math.pi)) if self.approximate == "none" else 0.282038588079

    @property
    def second_moment(self) -> float:
        return 0.425221482570 if self.approximate == "none" else 0.425193711033

    @property
    def gain(self) -> float:
        return 1 / math.sqrt(self.second_moment)


@dataclass(frozen=True, kw_only=True)
class SiLU(ActivationRule):
    """Each number times its own sigmoid (also called swish).

    Formula: f(z) = z / (1 + exp(-z)).
    Shapes: any; every number by itself.
    Convention: the same in every library; Keras calls it swish too.
    Claim: smooth; smallest value -0.278; saturates to the left.
    Choose: in deep convolutional networks with normalization.
    Source: Elfwing, Uchibe & Doya 2018; Ramachandran, Zoph & Le 2017.
    """

    NAME: ClassVar[str] = "silu"
    formula: ClassVar[Callable[..., Any]] = staticmethod(silu)
    monotone: ClassVar[bool] = False
    mean: ClassVar[float] = 0.206620964142
    second_moment: ClassVar[float] = 0.355775519817
    gain: ClassVar[float] = 1 / math.sqrt(0.355775519817)
    bounds: ClassVar[tuple[float, float]] = (-0.278464542762, INF)
    saturates: ClassVar[tuple[bool, bool]] = (True, False)
    rectifier: ClassVar[bool] = True
    judged_gain: ClassVar[float] = 1.68
    suited_init: ClassVar[Initialization] = He(gain="activation")
    torch_functions: ClassVar[tuple[str, ...]] = ("silu",)
    torch_layer_name: ClassVar[str | None] = "SiLU"
    native: ClassVar[str | None] = "silu"


@dataclass(frozen=True, kw_only=True)
class Mish(ActivationRule):
    """Each number times the hyperbolic tangent of its softplus.

    Formula: f(z) = z tanh(ln(1 + exp(z))).
    Shapes: any; every number by itself.
    Convention: the same in every library.
    Claim: smooth; smallest value -0.309; saturates to the left.
    Choose: as SiLU, from which it hardly differs.
    Source: Misra 2019.
    """

    NAME: ClassVar[str] = "mish"
    formula: ClassVar[Callable[..., Any]] = staticmethod(mish)
    monotone: ClassVar[bool] = False
    mean: ClassVar[float] = 0.240403888375
    second_moment: ClassVar[float] = 0.452342192376
    gain: ClassVar[float] = 1 / math.sqrt(0.452342192376)
    bounds: ClassVar[tuple[float, float]] = (-0.308843413018, INF)
    saturates: ClassVar[tuple[bool, bool]] = (True, False)
    rectifier: ClassVar[bool] = True
    judged_gain: ClassVar[float] = 1.49
    suited_init: ClassVar[Initialization] = He(gain="activation")
    torch_functions: ClassVar[tuple[str, ...]] = ("mish",)
    torch_layer_name: ClassVar[str | None] = "Mish"
    native: ClassVar[str | None] = "mish"


@dataclass(frozen=True, kw_only=True)
class Softplus(ActivationRule):
    """A smooth ReLU that is positive everywhere; its derivative is the sigmoid.

    Formula: f(z) = ln(1 + exp(z)), f' = 1 / (1 + exp(-z)).
    Shapes: any; every number by itself.
    Convention: exact for any z; torch replaces it by z itself from z = 20 on, which differs by less than 2.1e-9.
    Claim: mean 0.806 under N(0, 1), far from zero-centred; saturates to the left.
    Choose: for outputs that must be positive; in hidden layers ReLU is cheaper and no worse.
    Source: Dugas et al. 2001.
    """

    NAME: ClassVar[str] = "softplus"
    formula: ClassVar[Callable[..., Any]] = staticmethod(softplus)
    monotone: ClassVar[bool] = True
    mean: ClassVar[float] = 0.806059183347
    second_moment: ClassVar[float] = 0.921245908859
    gain: ClassVar[float] = 1 / math.sqrt(0.921245908859)
    bounds: ClassVar[tuple[float, float]] = (0.0, INF)
    saturates: ClassVar[tuple[bool, bool]] = (True, False)
    rectifier: ClassVar[bool] = True
    judged_gain: ClassVar[float] = 1.0
    suited_init: ClassVar[Initialization] = Xavier()
    torch_functions: ClassVar[tuple[str, ...]] = ("softplus",)
    torch_layer_name: ClassVar[str | None] = "Softplus"
    native: ClassVar[str | None] = "softplus"
