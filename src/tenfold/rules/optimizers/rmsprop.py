"""RMSProp: a rate for each parameter from a running mean of its squared gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tenfold.rules.fields import NotNegative, Positive, Share
from tenfold.rules.optimizers.base import (
    SECOND_MOMENT,
    Coefficients,
    FirstOrder,
    Time,
    constant,
)


@dataclass(frozen=True, kw_only=True)
class RMSProp(FirstOrder):
    """A rate for each parameter, from a running mean of its squared gradients.

    Formula: v <- rho v + (1 - rho) g^2; w <- w - lr g / (sqrt(v) + eps), or with eps_inside w <- w - lr g / sqrt(v +
    eps). With bias_correction v / (1 - rho^t) stands in place of v.
    Shapes: any; every parameter by itself.
    Options: lr - the learning rate; rho - the share of v that stays; eps - keeps the denominator from 0; eps_inside -
    whether it stands under the root; bias_correction - of v, for starting at 0; initial_scale - where v starts.
    Convention: torch: rho 0.99, eps 1e-8 outside. Keras: 0.9, 1e-7 inside, which floors the denominator at 3.2e-4: a
    coordinate whose gradients are smaller hardly moves. optax: 0.9, 1e-8 inside. No momentum, not centred.
    Claim: uncorrected, the first step is lr / sqrt(1 - rho): 3.2 lr at 0.9, 10 lr at 0.99; corrected it is lr. Under a
    constant gradient the steps go to lr. It stays at a saddle for 5 updates where sgd stays for 662.
    Choose: where adam's momentum does harm (small batches of a drifting problem); otherwise adam.
    Source: Tieleman & Hinton 2012, lecture 6.5.
    """

    lr: Positive = 0.001
    rho: Share = 0.99
    eps: Positive = 1e-8
    eps_inside: bool = False
    bias_correction: bool = False
    initial_scale: NotNegative = 0.0

    NAME: ClassVar[str] = "rmsprop"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1e-2, "rho": 0.99, "eps": 1e-8},
        "keras": {"lr": 1e-3, "rho": 0.9, "eps": 1e-7, "eps_inside": True},
        "optax": {"rho": 0.9, "eps": 1e-8, "eps_inside": True},
        "cs231n": {"lr": 1e-2, "rho": 0.99, "eps": 1e-8},
        "lecture": {"eps": 1e-7},
    }

    def state(self) -> dict[str, float]:
        return {SECOND_MOMENT: self.initial_scale}

    def coefficients(self, time: Time) -> Coefficients:
        """c = rho, d = 1 - rho, f = lr; corrected, numerator and denominator are both times root = sqrt(1 - rho^t)."""
        root = np.sqrt(1 - self.rho**time.t) if self.bias_correction else np.ones(np.shape(time.t))
        eps, inside = (0.0, self.eps * root**2) if self.eps_inside else (self.eps * root, 0.0)
        return constant(time.t, c=self.rho, d=1 - self.rho, f=time.rate * root, eps=eps, inside=inside)
