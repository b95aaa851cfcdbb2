"""One temperature, by which logits are divided so that the probabilities fit better (Guo et al. 2017)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray
WIDEST = 3.0  # |log T| at most: a temperature beyond it is a sign of predictions that are wrong, not too sure
LEAST_GAIN, LEAST_NATS = 1e-3, 1e-4  # that the log loss must fall by, as a share and as such
LEAST = float(np.finfo(np.float32).eps)  # a probability counts as no less, as in the log loss


def best_temperature(probabilities: Array, y: Array, shares: Array) -> float:
    """The temperature at which the mean of some members has the least log loss; 1 unless that is smaller by a
    thousandth and by 0.0001 at least.

    probabilities (members, rows, classes), y (rows,) class indices, shares (members,) of sum 1. Member m has the
    probabilities p_m^(1/T) / sum over the classes of them, which are softmax(z_m / T) where p_m is softmax(z_m). The
    minimum over log T in [-3, 3] (Brent 1973); of one member it is the only one, because its log loss is convex in 1/T.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    logs = np.log(np.maximum(probabilities.astype(np.float64), LEAST))  # logits, up to a constant a row
    own = np.take_along_axis(logs, y[None, :, None], -1)[..., 0]  # (members, rows)

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        of_the_class = np.exp(own * scale - logsumexp(logs * scale, axis=-1))
        return -float(np.log(np.maximum(shares @ of_the_class, LEAST)).mean())

    found: Any = minimize_scalar(loss, bounds=(-WIDEST, WIDEST), method="bounded", options={"xatol": 1e-5})
    before = loss(0.0)
    return math.exp(found.x) if before - found.fun > max(LEAST_GAIN * before, LEAST_NATS) else 1.0


def after_averaging(temperature: float) -> float:
    """What single networks ask for, for the mean of several such networks. Averaging makes them less sure by itself:
    of a temperature above 1 about half is left to do, on a logarithmic scale; one below 1 stays."""
    return math.sqrt(temperature) if temperature > 1 else temperature
