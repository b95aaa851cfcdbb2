"""Evidence: what a record says, as named strengths from 0 (not at all) to 1 (fully), each with a sentence of numbers.

A strength is scale-free wherever the architecture decides what is right: it compares with the same network under a
right initialization on standardized rows, or with short paired trainings of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Evidence:
    """name: as in the table of weights; strength in [0, 1]; layer: the name of an operation where there is one."""

    name: str
    strength: float
    sentence: str
    layer: str = ""


def ramp(value: float | None, low: float, high: float) -> float:
    """0 at low, 1 at high, linear between (low > high turns it round); 0 for what was not measured; NaN counts as 1."""
    if value is None:
        return 0.0
    if math.isnan(value):
        return 1.0
    return min(1.0, max(0.0, (value - low) / (high - low)))


def decades(value: float | None, low: float, high: float) -> float:
    """`ramp` on the logarithm: 0 at low, 1 at high."""
    if value is None or math.isnan(value):
        return 0.0
    return ramp(math.log10(max(value, 1e-300)), math.log10(low), math.log10(high))


def number(value: float) -> str:
    """Three digits, as a person writes them."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e5 else f"{value:.1e}"


def share(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.0f} %"
