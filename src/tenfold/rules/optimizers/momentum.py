"""Gradient descent with momentum (the heavy ball), and with Nesterov's momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from tenfold.rules.fields import Positive, Share, Within
from tenfold.rules.optimizers.base import FIRST_MOMENT, Array, Coefficients, FirstOrder, Time, constant


@dataclass(frozen=True, kw_only=True)
class Velocity(FirstOrder):
    """What momentum and Nesterov's momentum share: the velocity m, and how its momentum changes with time."""

    lr: Positive = 0.01
    momentum: Share = 0.9
    rate_inside: bool = False
    momentum_from: Share | None = None
    momentum_ramp: Annotated[float, Within(gt=0, le=1, note="a share of the training")] = 0.5

    def state(self) -> dict[str, float]:
        return {FIRST_MOMENT: 0.0}

    def momentum_at(self, time: Time) -> Array:
        """The schedule's momentum, or the rule's, which rises linearly from `momentum_from` where that is given."""
        if time.momentum is not None:
            return time.momentum
        first = self.momentum if self.momentum_from is None else self.momentum_from
        return first + (self.momentum - first) * np.minimum(time.share / self.momentum_ramp, 1.0)


@dataclass(frozen=True, kw_only=True)
class Momentum(Velocity):
    """Gradient descent with a velocity that remembers past gradients (the heavy ball).

    Formula: m <- momentum m + g; w <- w - lr m. With rate_inside: m <- momentum m + lr g; w <- w - m.
    Shapes: any; every parameter by itself.
    Options: lr - the learning rate; momentum - the share of the velocity that stays; rate_inside - whether the velocity
    holds the rate; momentum_from - where the momentum begins, to rise linearly to `momentum` (null: it is constant);
    momentum_ramp - the share of the training over which it rises.
    Convention: rate outside the velocity: torch, optax. Inside: Keras, scikit-learn, CS231n, the usual lecture summary.
    The iterates are equal while the rate is constant; once it decays, a velocity with the rate inside goes on at the
    old rate for some 1 / (1 - momentum) updates. No dampening.
    Claim: a constant gradient is followed at lr / (1 - momentum), ten times lr at 0.9. On curvature h it diverges iff
    lr > 2 (1 + momentum) / h. It stays at a saddle for 132 updates where sgd stays for 662.
    Choose: with a decay, for networks of images; lower lr by 1 - momentum when you come from SGD.
    Source: Polyak 1964; Sutskever et al. 2013.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1e-3},
        "keras": {"lr": 1e-2, "rate_inside": True},
        "optax": {"rate_inside": False},
        "sklearn": {"lr": 1e-3, "momentum": 0.9, "rate_inside": True},
        "cs231n": {"lr": 1e-2, "momentum": 0.9, "rate_inside": True},
        "lecture": {"momentum": 0.9, "rate_inside": True},
    }

    def coefficients(self, time: Time) -> Coefficients:
        """a = momentum; b = 1, e = lr, or with the rate inside b = lr, e = 1."""
        b, e = (time.rate, 1.0) if self.rate_inside else (1.0, time.rate)
        return constant(time.t, a=self.momentum_at(time), b=b, e=e)


@dataclass(frozen=True, kw_only=True)
class Nesterov(Velocity):
    """Momentum whose gradient is taken where the velocity is about to lead.

    Formula: m <- momentum m + g; w <- w - lr (g + momentum m), the gradient taken at w. With rate_inside: m <- momentum
    m + lr g; w <- w - (lr g + momentum m).
    Shapes: any; every parameter by itself.
    Options: lr - the learning rate; momentum - the share of the velocity that stays; rate_inside - whether the velocity
    holds the rate; form - rewritten or look_ahead: which point predicts; momentum_from - where the momentum begins, to
    rise linearly to `momentum` (null: it is constant); momentum_ramp - the share of the training over which it rises.
    Convention: the stored w is the look-ahead point y = x - momentum lr m of Nesterov's iterate x, as in torch, optax,
    Keras, scikit-learn and CS231n. form: look_ahead trains the same way and predicts with x = w + momentum lr m. The
    rate is outside the velocity in torch and optax, inside in the others. The lecture summary prints the look-ahead
    and the rewritten lines one below the other: they are two ways of saying one update, not four steps of it.
    Claim: look-ahead and rewritten are the same sequence of points (exact at a constant rate, and with rate_inside at
    any rate). On curvature h it diverges iff lr > 2 (1 + momentum) / ((1 + 2 momentum) h).
    Choose: in place of momentum, at the same price; its gain is small but it is steadier at a high momentum.
    Source: Nesterov 1983; Sutskever et al. 2013.
    """

    form: Literal["rewritten", "look_ahead"] = "rewritten"

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1e-3},
        "keras": {"lr": 1e-2, "rate_inside": True},
        "optax": {"rate_inside": False},
        "sklearn": {"lr": 1e-3, "momentum": 0.9, "rate_inside": True},
        "cs231n": {"lr": 1e-2, "momentum": 0.9, "rate_inside": True},
        "lecture": {"momentum": 0.9, "rate_inside": True},
    }

    @property
    def reports(self) -> bool:
        """Whether the plain iterate predicts."""
        return self.form == "look_ahead"

    def reported(self, time: Time) -> Array | None:
        """x = w + momentum lr m, or with the rate inside w + momentum m."""
        if not self.reports:
            return None
        return self.momentum_at(time) * (1.0 if self.rate_inside else time.rate)

    def coefficients(self, time: Time) -> Coefficients:
        """a = momentum, f = lr; b = 1, e = lr momentum, or with the rate inside b = lr, e = momentum."""
        momentum = self.momentum_at(time)
        b, e = (time.rate, momentum) if self.rate_inside else (1.0, time.rate * momentum)
        return constant(time.t, a=momentum, b=b, e=e, f=time.rate)
