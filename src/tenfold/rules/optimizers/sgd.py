"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.fields import Positive
from tenfold.rules.optimizers.base import Coefficients, FirstOrder, Time, constant


@dataclass(frozen=True, kw_only=True)
class SGD(FirstOrder):
    """Stochastic gradient descent.

    Formula: w <- w - lr g.
    Shapes: any; every parameter by itself.
    Options: lr - the learning rate.
    Convention: the same in every library; only the default of lr differs.
    Claim: on a quadratic of curvature h it diverges iff lr > 2 / h, and a coordinate changes its sign at every update
    iff lr h > 1. From y = 1e-6 on the saddle x^2 - y^2, at lr 0.01, it stays within 0.5 for 662 updates.
    Choose: as the baseline; momentum costs next to nothing more.
    Source: Robbins & Monro 1951.
    """

    lr: Positive = 0.1

    NAME: ClassVar[str] = "sgd"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1e-3}, "keras": {"lr": 1e-2}, "sklearn": {"lr": 1e-3}, "cs231n": {"lr": 1e-2},
    }  # fmt: skip

    def coefficients(self, time: Time) -> Coefficients:
        """f = lr."""
        return constant(time.t, f=time.rate)
