"""Adadelta: steps in the units of the parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.fields import Positive, Share
from tenfold.rules.optimizers.base import SECOND_MOMENT, STEP_MOMENT, Coefficients, FirstOrder, Time, constant


@dataclass(frozen=True, kw_only=True)
class Adadelta(FirstOrder):
    """A rate for each parameter, from running means of its squared gradients and of its squared steps.

    Formula: v <- rho v + (1 - rho) g^2; x = g sqrt(u + eps) / sqrt(v + eps); u <- rho u + (1 - rho) x^2;
    w <- w - lr x.
    Shapes: any; every parameter by itself.
    Options: lr - a factor of the step; rho - the share of v and u that stays; eps - under both roots.
    Convention: the same formula in torch, Keras and optax: u is the mean of x^2, without lr. torch 0.9, 1e-6, lr 1;
    Keras 0.95, 1e-7 and lr 0.001, which learns next to nothing: the paper has lr 1.
    Claim: the first step is lr sqrt(eps / (1 - rho)) sign(g), so it starts slowly: 3e-3 at the defaults; the steps do
    not depend on the scale of the gradient.
    Choose: rarely; where no rate at all shall be chosen. adam is faster.
    Source: Zeiler 2012.
    """

    lr: Positive = 1.0
    rho: Share = 0.9
    eps: Positive = 1e-6

    family: ClassVar[str] = "adadelta"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1.0, "rho": 0.9, "eps": 1e-6},
        "keras": {"lr": 1e-3, "rho": 0.95, "eps": 1e-7},
        "optax": {"rho": 0.9, "eps": 1e-6},
    }

    def state(self) -> dict[str, float]:
        return {SECOND_MOMENT: 0.0, STEP_MOMENT: 0.0}

    def coefficients(self, time: Time) -> Coefficients:
        """c = rho, d = 1 - rho, f = lr, inside = eps."""
        return constant(time.t, c=self.rho, d=1 - self.rho, f=time.rate, eps=0.0, inside=self.eps)
