"""From what a network puts out to what people read: probabilities, or numbers in the target's unit.

The one home of the formula. `MeanModule` has it again in torch, because a module holds no numpy.
"""

from __future__ import annotations

import math

import numpy as np

from tenfold.rules.losses import Link

Array = np.ndarray
MOST_LOG_RATE = 300.0  # of a network about to diverge; squares of larger rates overflow
LARGEST = 1e30  # size of a logit of a network about to diverge; the difference of two larger ones overflows


def readable_outputs(
    outputs: Array, link: Link, mean: float, std: float, bounds: tuple[float, float] | None = None
) -> Array:
    """Outputs (..., rows, C) as probabilities by softmax, or in the target's unit (see `in_unit`).

    link: of the recipe's loss. mean, std: of the target over the training rows; bounds: what numbers are cut to. Scores
    of a hinge loss become shares by softmax: their order is right, but they are not calibrated probabilities.
    """
    if link in ("softmax", "scores"):
        from scipy.special import softmax

        return softmax(np.clip(outputs, -LARGEST, LARGEST), axis=-1)
    return in_unit(outputs, link, mean, std, bounds)


def in_unit(outputs: Array, link: Link, mean: float, std: float, bounds: tuple[float, float] | None = None) -> Array:
    """Outputs of a regression network in the target's unit: outputs std + mean, or exp(outputs) mean for counts; cut to
    the bounds, if there are any."""
    outputs = outputs.astype(np.float64)
    found = np.exp(np.minimum(outputs, MOST_LOG_RATE)) * mean if link == "exp" else outputs * std + mean
    return found if bounds is None else np.clip(found, *bounds)


def output_bounds(bounds: tuple[float, float], link: Link, mean: float, std: float) -> tuple[float, float]:
    """Bounds in the target's unit as bounds of the outputs."""
    if link != "exp":
        return (bounds[0] - mean) / std, (bounds[1] - mean) / std
    return math.log(bounds[0] / mean) if bounds[0] > 0 else -math.inf, math.log(bounds[1] / mean)
