"""What acts on gradients and weights beside the loss: weight decay and clipping."""

from __future__ import annotations

from typing import Any


def l2_gradient(gradient: Any, weight: Any, strength: Any) -> Any:
    """g + strength * w: the gradient of (strength / 2) |w|^2 added to g (torch's `weight_decay`)."""
    return gradient + strength * weight


def decoupled_decay(weight: Any, lr: Any, strength: Any) -> Any:
    """w (1 - lr * strength), beside the optimizer's step and not through its moments (Loshchilov & Hutter 2019)."""
    return weight * (1 - lr * strength)


def clip_factor(norm: Any, limit: Any) -> Any:
    """min(1, limit / (norm + 1e-6)): what a gradient of that global norm is multiplied by (Pascanu et al. 2013).

    The 1e-6 is torch's `clip_grad_norm_`. A limit of infinity leaves gradients as they are.
    """
    return (limit / (norm + 1e-6)).clamp(max=1.0)
