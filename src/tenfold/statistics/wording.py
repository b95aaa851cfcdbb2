"""How a score is printed, wherever it is."""

from __future__ import annotations


def number(value: float) -> str:
    """Four digits that matter."""
    return f"{value:.4f}" if 1e-3 < abs(value) < 10 else f"{value:.4g}"
