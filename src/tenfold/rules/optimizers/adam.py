"""Adam and AdamW: running means of the gradient and of its square, both corrected for starting at zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tenfold.rules.optimizers.update import Coefficients
from tenfold.rules.record import require, require_number


def _check(rule: Adam | AdamW) -> None:
    require_number(rule, "lr", "beta1", "beta2", "eps")
    require(rule.lr > 0, rule, "lr", "> 0")
    require(0 <= rule.beta1 < 1, rule, "beta1", "in [0, 1)")
    require(0 <= rule.beta2 < 1, rule, "beta2", "in [0, 1)")
    require(rule.eps > 0, rule, "eps", "> 0")


def _coefficients(rule: Adam | AdamW, t: np.ndarray) -> Coefficients:
    """m_hat / (sqrt(v_hat) + eps) = (root / (1 - beta1^t)) m / (sqrt(v) + eps root), root = sqrt(1 - beta2^t)."""
    one = np.ones(np.shape(t))
    root = np.sqrt(1 - rule.beta2**t)
    return Coefficients(
        a=rule.beta1 * one,
        b=(1 - rule.beta1) * one,
        c=rule.beta2 * one,
        d=(1 - rule.beta2) * one,
        e=root / (1 - rule.beta1**t),
        f=0 * one,
        eps=rule.eps * root,
    )


@dataclass(frozen=True, kw_only=True)
class Adam:
    """m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
    w <- w - lr m_hat / (sqrt(v_hat) + eps), m_hat = m / (1 - beta1^t), v_hat = v / (1 - beta2^t).

    Algorithm 1 of Kingma & Ba 2015: bias-corrected, eps outside the root. The first step is lr sign(g).
    `weight_decay` of a recipe enters its gradient (L2).
    """

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    decoupled: ClassVar[bool] = False
    moments: ClassVar[tuple[bool, bool]] = (True, True)
    uses_gradient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    def coefficients(self, t: np.ndarray) -> Coefficients:
        """See the module's identity."""
        return _coefficients(self, t)


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay: w <- w (1 - lr weight_decay), then Adam's step (Loshchilov & Hutter 2019).

    The strength is the recipe's `weight_decay`; it is scaled by the decayed rate, as in torch.
    """

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    NAME: ClassVar[str] = "adamw"
    decoupled: ClassVar[bool] = True
    moments: ClassVar[tuple[bool, bool]] = (True, True)
    uses_gradient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    def coefficients(self, t: np.ndarray) -> Coefficients:
        """See the module's identity."""
        return _coefficients(self, t)
