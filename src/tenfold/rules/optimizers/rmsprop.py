"""RMSProp: a rate for each parameter from a running mean of its squared gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tenfold.rules.optimizers.update import Coefficients, constant
from tenfold.rules.record import require, require_number


@dataclass(frozen=True, kw_only=True)
class RMSProp:
    """v <- rho v + (1 - rho) g^2; w <- w - lr g / (sqrt(v) + eps), eps outside the root (torch convention).

    v is not bias-corrected: the first step is lr / sqrt(1 - rho), ten times lr at rho = 0.99 (torch's default).
    Source: Tieleman & Hinton 2012.
    """

    lr: float = 0.001
    rho: float = 0.99
    eps: float = 1e-8

    NAME: ClassVar[str] = "rmsprop"
    decoupled: ClassVar[bool] = False
    moments: ClassVar[tuple[bool, bool]] = (False, True)
    uses_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number(self, "lr", "rho", "eps")
        require(self.lr > 0, self, "lr", "> 0")
        require(0 <= self.rho < 1, self, "rho", "in [0, 1)")
        require(self.eps > 0, self, "eps", "> 0")

    def coefficients(self, t: np.ndarray) -> Coefficients:
        """c = rho, d = 1 - rho, f = 1."""
        return constant(t, c=self.rho, d=1 - self.rho, f=1.0, eps=self.eps)
