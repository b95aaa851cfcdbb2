"""Adagrad: a rate for each parameter from the sum of its squared gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.fields import NotNegative, Positive
from tenfold.rules.optimizers.base import SECOND_MOMENT, Coefficients, FirstOrder, Time, constant


@dataclass(frozen=True, kw_only=True)
class Adagrad(FirstOrder):
    """A rate for each parameter, from the sum of its squared gradients.

    Formula: v <- v + g^2; w <- w - lr g / (sqrt(v) + eps), or with eps_inside w <- w - lr g / sqrt(v + eps).
    Shapes: any; every parameter by itself.
    Options: lr - the learning rate; eps - keeps the denominator from 0; eps_inside - whether it stands under the root;
    initial_scale - where v starts.
    Convention: torch: outside, 1e-10, from 0. Keras and optax: inside, 1e-7, from 0.1. torch's lr_decay is the decay
    inverse_time counted in updates.
    Claim: under a constant gradient its steps shrink as lr / sqrt(t), whatever the gradient's size.
    Choose: for rare features (words) and convex problems; in long trainings its rate dies, take rmsprop or adam.
    Source: Duchi, Hazan & Singer 2011.
    """

    eps: Positive = 1e-10
    eps_inside: bool = False
    initial_scale: NotNegative = 0.0

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1e-2, "eps": 1e-10},
        "keras": {"lr": 1e-3, "eps": 1e-7, "eps_inside": True, "initial_scale": 0.1},
        "optax": {"eps": 1e-7, "eps_inside": True, "initial_scale": 0.1},
        "lecture": {"eps": 1e-7},
    }

    def state(self) -> dict[str, float]:
        return {SECOND_MOMENT: self.initial_scale}

    def coefficients(self, time: Time) -> Coefficients:
        """c = d = 1, f = lr."""
        eps, inside = (0.0, self.eps) if self.eps_inside else (self.eps, 0.0)
        return constant(time.t, c=1.0, d=1.0, f=time.rate, eps=eps, inside=inside)
