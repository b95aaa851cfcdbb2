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
    best: the least cost among sign mean >= sign mean_b - error_b; costs are compared as tuples, equal ones by their
    mean, then by their place. A NaN mean is out; an unknown error of the best counts as 0.
    """
    gain = sign * np.asarray(means, np.float64)
    if len(gain) != len(errors) or len(gain) != len(costs):
        raise BadInput(
            f"{len(gain)} means, {len(errors)} errors and {len(costs)} costs", expected="one of each a candidate"
        )
    if np.isnan(gain).all():
        raise BadInput("no candidate has a score", expected="at least one finite mean")
    best = int(np.nanargmax(gain))
    least = gain[best] - np.nan_to_num(errors[best])
    near = [i for i in range(len(gain)) if gain[i] >= least or i == best]
    return min(near, key=lambda i: (costs[i], -gain[i], i))
