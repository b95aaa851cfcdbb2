"""How often a bootstrap drew each unit: rows are weighted by these counts and never copied."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def draw_counts(drawn: Array, units: int) -> Array:
    """How often each unit was drawn: drawn (draws, any) indices below units -> (draws, units) float64."""
    # One bincount for all draws: draw number i counts in places i * units ... (i + 1) * units - 1.
    index = drawn + units * np.arange(len(drawn))[:, None]
    return np.bincount(index.ravel(), minlength=len(drawn) * units).reshape(len(drawn), units).astype(np.float64)
