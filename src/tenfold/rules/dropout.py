"""Inverted dropout: drop units at random in training, scale the rest, do nothing at prediction."""

from __future__ import annotations

from typing import Any


def dropout_scale(uniform: Any, rate: Any) -> Any:
    """The factor of each unit: 0 where uniform < rate, 1 / (1 - rate) elsewhere; all 0 at rate 1.

    uniform: draws from [0, 1), any shape; rate: probability of DROPPING a unit, broadcasts. The mean of the
    factor is 1 (for rate < 1), so prediction uses the network as it is. The same draw with a higher rate
    drops a superset of the units. Source: Srivastava et al. 2014.
    """
    # At rate 1 nothing is kept, and 0 / 1e-30 is 0 where 0 / 0 would be NaN.
    kept = uniform >= rate
    return kept / (1 - rate).clamp(min=1e-30)
