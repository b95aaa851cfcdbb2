"""An activation that is mixed with the identity, unit by unit, in shares that are learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tenfold.rules.activations.base import ActivationRule
from tenfold.rules.activations.bounded import Tanh
from tenfold.rules.activations.rectified import ELU, SELU, LeakyReLU, ReLU
from tenfold.rules.activations.smooth import GELU, Mish, SiLU, Softplus
from tenfold.rules.initialization import Initialization
from tenfold.rules.record import numbers

MIXED: dict[str, Any] = {
    "mish": Mish(), "selu": SELU(), "silu": SiLU(), "gelu": GELU(), "elu": ELU(), "relu": ReLU(),
    "leaky_relu": LeakyReLU(), "softplus": Softplus(), "tanh": Tanh(),
}  # fmt: skip


def parametric(z: Any, mix: Any, of: str = "mish") -> Any:
    """a f(z) + (1 - a) z, f the activation `of`; mix: a, broadcasts. Where a is 1 it is f to the last bit."""
    rule = MIXED[of]
    return type(rule).formula(z, *numbers(rule)) * mix + z * (1 - mix)


@dataclass(frozen=True, kw_only=True)
class Parametric(ActivationRule):
    """An activation mixed with the identity, in a share that each unit learns.

    Formula: y = a f(z) + (1 - a) z, a a parameter that starts at 1; dy/da = f(z) - z.
    Shapes: z (..., units) or (rows, channels, H, W); a has one number for every unit or channel.
    Options: of - the activation f, with its defaults.
    Convention: RealMLP's; weight decay does not act on a, there it does. rate_factors: {parametric: 0.1} is its rate.
    Claim: f itself where training starts, and whatever f is at the start is true of it there: gain, moments, bounds. A
    unit with a = 0 is linear.
    Choose: for tables with rate_factors, of: mish for numbers (5 % less error there) and of: selu for classes (0.5 %).
    Source: Holzmueller, Grinsztajn & Steinwart 2024, section 3.
    """

    of: Literal["mish", "selu", "silu", "gelu", "elu", "relu", "leaky_relu", "softplus", "tanh"] = "mish"

    formula: ClassVar[Callable[..., Any]] = staticmethod(parametric)
    learned: ClassVar[bool] = True
    start: ClassVar[float] = 1.0
    # A trace sees the function that is mixed.
    torch_functions: ClassVar[tuple[str, ...]] = ()
    torch_layer_name: ClassVar[str | None] = None
    # An operation of engine/native/source/network.h, since it learns parameters.
    native: ClassVar[str | None] = "parametric"

    @property
    def mixed(self) -> Any:
        """The activation f."""
        return MIXED[self.of]

    @property
    def monotone(self) -> bool:
        return self.mixed.monotone

    @property
    def gain(self) -> float:
        return self.mixed.gain

    @property
    def mean(self) -> float:
        return self.mixed.mean

    @property
    def second_moment(self) -> float:
        return self.mixed.second_moment

    @property
    def bounds(self) -> tuple[float, float]:
        return self.mixed.bounds

    @property
    def saturates(self) -> tuple[bool, bool]:
        return self.mixed.saturates

    @property
    def rectifier(self) -> bool:
        return self.mixed.rectifier

    @property
    def judged_gain(self) -> float:
        return self.mixed.judged_gain

    @property
    def suited_init(self) -> Initialization:
        return self.mixed.suited_init
