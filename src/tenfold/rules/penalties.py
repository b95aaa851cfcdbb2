"""What acts on gradients and weights in addition to the loss: penalties, clipping, norms, averages."""

from __future__ import annotations

from typing import Any


def l2_gradient_(gradient: Any, weight: Any, strength: Any) -> None:
    """g <- g + strength * w, in place: adds the gradient of (strength / 2) |w|^2 (torch's `weight_decay`)."""
    gradient.addcmul_(weight, strength)


def l1_gradient_(gradient: Any, weight: Any, strength: Any) -> None:
    """g <- g + strength * sign(w), in place: adds a subgradient of strength * |w|_1; 0 at w = 0 (Tibshirani 1996)."""
    gradient.addcmul_(weight.sign(), strength)


def decoupled_decay_(weight: Any, decaying: Any, rate: Any) -> None:
    """w <- w - rate * decaying, in place, separate from the optimizer's step and its moments.

    decaying: w itself, or w with zeros where nothing decays (biases, normalization); rate: learning rate * strength.
    Source: Loshchilov & Hutter 2019.
    """
    weight.addcmul_(decaying, rate, value=-1)


def clip_factor(norm: Any, limit: Any) -> Any:
    """min(1, limit / (norm + 1e-6)): the factor for a gradient of that global norm (Pascanu et al. 2013).

    The 1e-6 is torch's `clip_grad_norm_`. A limit of infinity leaves gradients as they are.
    """
    return (limit / (norm + 1e-6)).clamp(max=1.0)


def clip_value(gradient: Any, limit: Any) -> Any:
    """Every number of the gradient cut to [-limit, limit] (torch's `clip_grad_value_`); infinity is no limit."""
    return gradient.clamp(min=-limit, max=limit)


def max_norm_factor(norm: Any, limit: Any) -> Any:
    """min(1, limit / norm): the factor for the weights into a unit, which have that norm; 1 at norm 0.

    Source: Srivastava et al. 2014, who take limits of 3 to 4. torch's `renorm` divides by norm + 1e-7.
    """
    return (limit / norm).clamp(max=1.0)


def ema(average: Any, weight: Any, decay: Any) -> Any:
    """decay * average + (1 - decay) * weight: a moving average that starts at 0 (Polyak & Juditsky 1992)."""
    return decay * average + (1 - decay) * weight


def ema_correction(decay: Any, t: int) -> Any:
    """1 / (1 - decay^t): the factor for the average after t updates that makes its weights sum to 1."""
    return 1 / (1 - decay**t)
