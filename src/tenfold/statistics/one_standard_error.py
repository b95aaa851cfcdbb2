"""Choosing among candidates whose scores are uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tenfold.errors import BadInput

Array = np.ndarray


def one_standard_error(means: Array, errors: Array, costs: Sequence[tuple[Any, ...]], sign: float) -> int:
    """Index of the cheapest candidate within one standard error of the best (Breiman et al. 1984, section 3.4.3).

    means, errors (candidates,): scores and their standard errors, sign +1 if higher is better, else -1. With b the
    best: the least cost among sign mean >= sign mean_b - error_b. Costs are compared as tuples; of equal costs the
    better mean wins, then the first. A NaN mean is ignored; an unknown error of the best counts as 0.
    """
    signed = sign * np.asarray(means, np.float64)  # higher is better
    if len(signed) != len(errors) or len(signed) != len(costs):
        raise BadInput(
            f"{len(signed)} means, {len(errors)} errors and {len(costs)} costs",
            expected="one of each for every candidate",
        )
    if np.isnan(signed).all():
        raise BadInput("no candidate has a score", expected="at least one finite mean")
    best = int(np.nanargmax(signed))
    threshold = signed[best] - np.nan_to_num(errors[best])
    good_enough = [i for i in range(len(signed)) if signed[i] >= threshold or i == best]
    return min(good_enough, key=lambda i: (costs[i], -signed[i], i))
