"""Stochastic gradient descent, with momentum, and with Nesterov's momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tenfold.rules.optimizers.update import Coefficients, constant
from tenfold.rules.record import require, require_number


def _check(rule: SGD | Momentum | Nesterov) -> None:
    require_number(rule, "lr")
    require(rule.lr > 0, rule, "lr", "> 0")
    if not isinstance(rule, SGD):
        require_number(rule, "momentum")
        require(0 <= rule.momentum < 1, rule, "momentum", "in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class SGD:
    """w <- w - lr g. On a quadratic of curvature h it diverges iff lr > 2 / h."""

    lr: float = 0.1

    NAME: ClassVar[str] = "sgd"
    decoupled: ClassVar[bool] = False
    moments: ClassVar[tuple[bool, bool]] = (False, False)
    uses_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self)

    def coefficients(self, t: np.ndarray) -> Coefficients:
        """f = 1."""
        return constant(t, f=1.0)


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """m <- momentum m + g; w <- w - lr m (the rate is outside the velocity: torch, optax; Polyak 1964).

    A constant gradient is followed at lr / (1 - momentum). On curvature h it diverges iff lr > 2 (1 + momentum) / h.
    """

    lr: float = 0.01
    momentum: float = 0.9

    decoupled: ClassVar[bool] = False
    moments: ClassVar[tuple[bool, bool]] = (True, False)
    uses_gradient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    def coefficients(self, t: np.ndarray) -> Coefficients:
        """a = momentum, b = e = 1."""
        return constant(t, a=self.momentum, b=1.0, e=1.0)


@dataclass(frozen=True, kw_only=True)
class Nesterov:
    """m <- momentum m + g; w <- w - lr (g + momentum m): the stored w is the look-ahead point (Nesterov 1983,
    in the form of Sutskever et al. 2013 that torch and optax use; the rate is outside the velocity)."""

    lr: float = 0.01
    momentum: float = 0.9

    decoupled: ClassVar[bool] = False
    moments: ClassVar[tuple[bool, bool]] = (True, False)
    uses_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self)

    def coefficients(self, t: np.ndarray) -> Coefficients:
        """a = e = momentum, b = f = 1."""
        return constant(t, a=self.momentum, b=1.0, e=self.momentum, f=1.0)
