"""Lion: the sign of a momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.fields import Positive, Share
from tenfold.rules.optimizers.base import FIRST_MOMENT, Coefficients, FirstOrder, Time, constant


@dataclass(frozen=True, kw_only=True)
class Lion(FirstOrder):
    """Steps of one size in every coordinate: the sign of a momentum that leans on the newest gradient.

    Formula: w <- w - lr sign(beta1 m + (1 - beta1) g); m <- beta2 m + (1 - beta2) g.
    Shapes: any; every parameter by itself.
    Options: lr - the size of every step; beta1 - the share of m in the direction; beta2 - the share of m that stays.
    Convention: weight_decay is decoupled: w <- w (1 - lr weight_decay) before the step; optax has it at 1e-3 by
    default, the paper takes three to ten times adamw's. The same formula in optax and Keras; torch has no Lion.
    Claim: every coordinate whose gradient is not 0 moves by exactly lr; the scale of the gradient does not matter.
    Choose: for large batches, to save adam's second moment; lr three to ten times smaller than adam's.
    Source: Chen et al. 2023, Symbolic discovery of optimization algorithms.
    """

    lr: Positive = 1e-4
    beta1: Share = 0.9
    beta2: Share = 0.99

    family: ClassVar[str] = "lion"
    decoupled: ClassVar[bool] = True
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "keras": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.99},
        "optax": {"beta1": 0.9, "beta2": 0.99},
    }

    def state(self) -> dict[str, float]:
        return {FIRST_MOMENT: 0.0}

    def coefficients(self, time: Time) -> Coefficients:
        """e = beta1, f = 1 - beta1 inside the sign, s = lr; a = beta2, b = 1 - beta2."""
        beta1 = self.beta1 if time.momentum is None else time.momentum
        return constant(time.t, a=self.beta2, b=1 - self.beta2, e=beta1, f=1 - beta1, s=time.rate)
