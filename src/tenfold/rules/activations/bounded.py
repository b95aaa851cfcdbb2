"""Activations that are bounded on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.activations.base import ActivationRule
from tenfold.rules.initialization import Initialization, Xavier


def sigmoid(z: Any) -> Any:
    """s(z) = 1 / (1 + exp(-z)); s' = s (1 - s) <= 1/4."""
    return z.sigmoid()


def tanh(z: Any) -> Any:
    """tanh(z) = 2 s(2z) - 1; derivative 1 - tanh^2."""
    return z.tanh()


@dataclass(frozen=True, kw_only=True)
class Sigmoid(ActivationRule):
    """The logistic sigmoid: a smooth step from 0 to 1.

    Formula: f(z) = 1 / (1 + exp(-z)), f' = f (1 - f).
    Shapes: any; every number by itself.
    Convention: the same in every library; in float32 it is exactly 1 from about z = 17 on.
    Claim: saturates on both sides (f'(10) < 5e-5) and f' <= 1/4, so the backpropagated gradient shrinks at least
    fourfold in every layer; its mean under N(0, 1) is 1/2, not 0. Gain 1 (torch).
    Choose: for gates and probabilities; not for hidden layers of deep networks.
    Source: LeCun et al. 1998, Efficient BackProp.
    """

    formula: ClassVar[Callable[..., Any]] = staticmethod(sigmoid)
    monotone: ClassVar[bool] = True
    gain: ClassVar[float] = 1.0
    mean: ClassVar[float] = 0.5
    second_moment: ClassVar[float] = 0.293379035858
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    saturates: ClassVar[tuple[bool, bool]] = (True, True)
    rectifier: ClassVar[bool] = False
    judged_gain: ClassVar[float] = 1.0
    slope_scale: ClassVar[float] = 0.25
    suited_init: ClassVar[Initialization] = Xavier()
    torch_functions: ClassVar[tuple[str, ...]] = ("sigmoid", "sigmoid_")
    torch_layer_name: ClassVar[str | None] = "Sigmoid"
    native: ClassVar[str | None] = "sigmoid"


@dataclass(frozen=True, kw_only=True)
class Tanh(ActivationRule):
    """The hyperbolic tangent: a smooth step from -1 to 1.

    Formula: f(z) = tanh(z) = 2 s(2z) - 1 with s the sigmoid, f' = 1 - f^2.
    Shapes: any; every number by itself.
    Convention: the same in every library.
    Claim: zero-centred, saturates on both sides. Gain 5/3 (torch): at it, tanh layers neither shrink nor grow.
    Choose: for shallow networks, for second-order methods, where a smooth function is wanted; with lecun or xavier.
    Source: LeCun et al. 1998, Efficient BackProp.
    """

    formula: ClassVar[Callable[..., Any]] = staticmethod(tanh)
    monotone: ClassVar[bool] = True
    gain: ClassVar[float] = 5 / 3
    mean: ClassVar[float] = 0.0
    second_moment: ClassVar[float] = 0.394294490398
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    saturates: ClassVar[tuple[bool, bool]] = (True, True)
    rectifier: ClassVar[bool] = False
    judged_gain: ClassVar[float] = 1.1
    suited_init: ClassVar[Initialization] = Xavier()
    torch_functions: ClassVar[tuple[str, ...]] = ("tanh", "tanh_")
    torch_layer_name: ClassVar[str | None] = "Tanh"
    native: ClassVar[str | None] = "tanh"
