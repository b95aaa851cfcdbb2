"""Adagrad: a rate for each parameter from the sum of its squared gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tenfold.rules.optimizers.update import Coefficients, constant
from tenfold.rules.record import require, require_number


@dataclass(frozen=True, kw_only=True)
class Adagrad:
    """v <- v + g^2; w <- w - lr g / (sqrt(v) + eps), v starting at 0, eps outside the root (torch convention).

    With a constant gradient its steps shrink as lr / sqrt(t). Source: Duchi, Hazan & Singer 2011.
    """

    lr: float = 0.01
    eps: float = 1e-10

    decoupled: ClassVar[bool] = False
    moments: ClassVar[tuple[bool, bool]] = (False, True)
    uses_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_number(self, "lr", "eps")
        require(self.lr > 0, self, "lr", "> 0")
        require(self.eps > 0, self, "eps", "> 0")

    def coefficients(self, t: np.ndarray) -> Coefficients:
        """c = d = f = 1."""
        return constant(t, c=1.0, d=1.0, f=1.0, eps=self.eps)
