"""Adam and its relatives: a running mean of the gradient over the root of a running mean of its square."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from tenfold.rules.fields import NotNegative, Positive, Share
from tenfold.rules.optimizers.base import (
    FIRST_MOMENT,
    LARGEST_SECOND_MOMENT,
    SECOND_MOMENT,
    Array,
    Coefficients,
    FirstOrder,
    Time,
    constant,
)


@dataclass(frozen=True, kw_only=True)
class TwoMeans(FirstOrder):
    """What Adam and its relatives share: m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2.

    `root` is sqrt(1 - beta2^t): m_hat / (sqrt(v_hat) + eps) = m root / (1 - beta1^t) / (sqrt(v) + eps root).
    """

    lr: Positive = 1e-3
    beta1: Share = 0.9
    beta2: Share = 0.999
    eps: Positive = 1e-8

    def state(self) -> dict[str, float]:
        return {FIRST_MOMENT: 0.0, SECOND_MOMENT: 0.0}

    def beta1_at(self, time: Time) -> Array:
        """beta1, or what a schedule puts in its place."""
        return self.beta1 * np.ones(np.shape(time.t)) if time.momentum is None else time.momentum

    def root(self, time: Time) -> Array:
        """sqrt(1 - beta2^t)."""
        return np.sqrt(1 - self.beta2**time.t)

    def means(self, time: Time, **others: Any) -> Coefficients:
        """The coefficients of the two means, with the others."""
        beta1 = self.beta1_at(time)
        return constant(time.t, a=beta1, b=1 - beta1, c=self.beta2, d=1 - self.beta2, **others)


@dataclass(frozen=True, kw_only=True)
class BiasCorrected(TwoMeans):
    """What Adam, AdamW and AMSGrad share: both means corrected for starting at 0, or not, and where eps stands."""

    bias_correction: bool = True
    eps_form: Literal["outside", "hat"] = "outside"

    def coefficients(self, time: Time) -> Coefficients:
        """e = lr root / (1 - beta1^t), eps root, or eps alone in the form hat; uncorrected e = lr and eps."""
        if not self.bias_correction:
            return self.means(time, e=time.rate, eps=self.eps)
        root = self.root(time)
        eps = self.eps * root if self.eps_form == "outside" else self.eps
        return self.means(time, e=time.rate * root / (1 - self.beta1_at(time) ** time.t), eps=eps)


@dataclass(frozen=True, kw_only=True)
class Adam(BiasCorrected):
    """The mean of the gradient over the root of the mean of its square, both corrected for starting at zero.

    Formula: m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2; w <- w - lr m_hat / (sqrt(v_hat) + eps),
    m_hat = m / (1 - beta1^t), v_hat = v / (1 - beta2^t).
    Shapes: any; every parameter by itself.
    Options: lr - the learning rate; beta1, beta2 - the shares of m and v that stay; eps - keeps the denominator from 0;
    bias_correction - whether m and v are corrected; eps_form - outside, or hat: eps is added to the root of the
    uncorrected v.
    Convention: epsilon outside the root, bias-corrected: Algorithm 1; torch and optax. Keras and scikit-learn: hat,
    Keras with 1e-7. The usual lecture summary leaves the correction out, with beta2 = 0.995 and eps = 1e-7: its first
    step is then not lr. weight_decay enters the gradient (L2). A schedule that moves beta1 corrects with the beta1 of
    the update, as torch does.
    Claim: the first step is lr sign(g), whatever the gradient's size. Uncorrected, with beta2 = 0.999, the first step
    is 3.16 lr, and under a constant gradient the largest is 6.57 lr at the twelfth. It stays at a saddle for 43
    updates where sgd stays for 662.
    Choose: the default. At a tuned rate momentum may generalize better on images; with weight decay take adamw.
    Source: Kingma & Ba 2015.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1e-3, "eps": 1e-8},
        "keras": {"lr": 1e-3, "eps": 1e-7, "eps_form": "hat"},
        "optax": {"eps": 1e-8},
        "sklearn": {"lr": 1e-3, "eps": 1e-8, "eps_form": "hat"},
        "cs231n": {"lr": 1e-3, "eps": 1e-8},
        "lecture": {"beta1": 0.9, "beta2": 0.995, "eps": 1e-7, "bias_correction": False},
    }


@dataclass(frozen=True, kw_only=True)
class AdamW(BiasCorrected):
    """Adam with decoupled weight decay.

    Formula: w <- w (1 - lr weight_decay), then Adam's step.
    Shapes: any; every parameter by itself; only weights shrink, not biases and normalization.
    Options: lr - the learning rate; beta1, beta2 - the shares of m and v that stay; eps - keeps the denominator from 0;
    bias_correction - whether m and v are corrected; eps_form - outside, or hat: eps is added to the root of the
    uncorrected v.
    Convention: the strength is the recipe's weight_decay, times the decayed rate, as in torch, optax and Keras. Their
    defaults are 1e-2 (torch), 4e-3 (Keras), 1e-4 (optax); here 0. Keras' eps is 1e-7 in the form hat.
    Claim: equal to adam without weight decay; with it, not: L2 goes through v, which divides it by the gradient's size.
    Choose: wherever adam and weight decay go together.
    Source: Loshchilov & Hutter 2019.
    """

    NAME: ClassVar[str] = "adamw"
    decoupled: ClassVar[bool] = True
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1e-3, "eps": 1e-8},
        "keras": {"lr": 1e-3, "eps": 1e-7, "eps_form": "hat"},
        "optax": {"eps": 1e-8},
    }


@dataclass(frozen=True, kw_only=True)
class AMSGrad(BiasCorrected):
    """Adam that divides by the root of the largest v so far: a rate never grows again.

    Formula: m, v as adam; u <- max(u, v); w <- w - lr m_hat / (sqrt(u / (1 - beta2^t)) + eps). With of: corrected,
    u <- max(u, v / (1 - beta2^t)); w <- w - lr m_hat / (sqrt(u) + eps).
    Shapes: any; every parameter by itself.
    Options: lr - the learning rate; beta1, beta2 - the shares of m and v that stay; eps - keeps the denominator from 0;
    bias_correction - whether m and v are corrected; eps_form - outside, or hat: eps is added to the root of the
    uncorrected u; of - raw or corrected: of which v the largest is taken.
    Convention: raw: torch, and Keras with eps 1e-7 in the form hat. corrected: optax. The paper corrects nothing
    (bias_correction: false). With of: corrected the two forms of eps are one.
    Claim: on the example of Reddi et al. (gradient 1010 at every 101st update, else -10, on [-1, 1]) adam goes towards
    the worst point, 1, amsgrad towards the best, -1.
    Choose: where adam's loss climbs again late in the training; usually no different.
    Source: Reddi, Kale & Kumar 2018.
    """

    of: Literal["raw", "corrected"] = "raw"

    NAME: ClassVar[str] = "amsgrad"
    family: ClassVar[str] = "amsgrad"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1e-3, "eps": 1e-8},
        "keras": {"lr": 1e-3, "eps": 1e-7, "eps_form": "hat"},
        "optax": {"eps": 1e-8, "of": "corrected"},
    }

    def state(self) -> dict[str, float]:
        return {**super().state(), LARGEST_SECOND_MOMENT: 0.0}

    def coefficients(self, time: Time) -> Coefficients:
        """As adam's with s = 1; of the corrected v: s = 1 / (1 - beta2^t), e = lr / (1 - beta1^t), eps alone."""
        if self.of == "raw" or not self.bias_correction:
            return super().coefficients(time)
        e = time.rate / (1 - self.beta1_at(time) ** time.t)
        return self.means(time, e=e, eps=self.eps, s=1 / (1 - self.beta2**time.t))


@dataclass(frozen=True, kw_only=True)
class NAdam(TwoMeans):
    """Adam with Nesterov's momentum: the newest gradient counts once more.

    Formula: m, v as adam; mu_t = beta1 (1 - 0.5 * 0.96^(momentum_decay t)), P_t = mu_1 ... mu_t;
    w <- w - lr (mu_{t+1} m / (1 - P_{t+1}) + (1 - mu_t) g / (1 - P_t)) / (sqrt(v / (1 - beta2^t)) + eps).
    Shapes: any; every parameter by itself.
    Options: lr - the learning rate; beta1, beta2 - the shares of m and v that stay; eps - keeps the denominator from 0;
    momentum_decay - how fast mu_t rises from beta1 / 2 to beta1 (null: mu_t = beta1 from the start).
    Convention: torch has momentum_decay 0.004, so mu_t rises over some 10,000 updates; Keras 1, over a hundred; optax
    null. torch keeps P_t in float32. A schedule that moves beta1 replaces it in mu_t and in all of P_t.
    Claim: the first step is lr sign(g) (1 + mu_2 (1 - beta1) / (1 - P_2)): 1.06 lr with 0.004, with null 1.47 lr.
    Choose: where adam works and you want a little more speed at the beginning; then lower lr.
    Source: Dozat 2016.
    """

    momentum_decay: NotNegative | None = 0.004

    NAME: ClassVar[str] = "nadam"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 2e-3, "eps": 1e-8, "momentum_decay": 0.004},
        "keras": {"lr": 1e-3, "eps": 1e-7, "momentum_decay": 1.0},
        "optax": {"eps": 1e-8, "momentum_decay": None},
    }

    def risen(self, t: Array) -> Array:
        """mu_t / beta1."""
        return np.ones(np.shape(t)) if self.momentum_decay is None else 1 - 0.5 * 0.96 ** (self.momentum_decay * t)

    def coefficients(self, time: Time) -> Coefficients:
        """e = lr root mu_{t+1} / (1 - P_{t+1}), f = lr root (1 - mu_t) / (1 - P_t), eps root."""
        t, beta1, root = time.t, self.beta1_at(time), self.root(time)
        last = int(np.max(t, initial=0)) + 1
        product = np.cumprod(self.risen(np.arange(1.0, last + 1)))  # P_t / beta1^t
        now, then = (product[np.asarray(at, np.int64) - 1] * beta1**at for at in (t, t + 1))
        e = time.rate * root * beta1 * self.risen(t + 1) / (1 - then)
        f = time.rate * root * (1 - beta1 * self.risen(t)) / (1 - now)
        return self.means(time, e=e, f=f, eps=self.eps * root)
