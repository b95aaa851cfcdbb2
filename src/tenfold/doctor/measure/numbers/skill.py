"""Skill: how much better than a constant answer, on one scale for classes and for numbers; 1 is perfect."""

from __future__ import annotations

WORST = -1.0  # the least skill of numbers, and that of outputs that are not finite


def class_skill(accuracy: float, chance: float) -> float | None:
    """(accuracy - chance) / (1 - chance) with the share of the commonest class as chance; None for a single class."""
    return (accuracy - chance) / (1 - chance) if chance < 1 else None


def number_skill(residual: float, total: float) -> float | None:
    """R2 = 1 - residual / total of sums of squares, at least WORST; None for a target that is constant."""
    return max(WORST, 1 - residual / total) if total > 0 else None
