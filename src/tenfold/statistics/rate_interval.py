"""Intervals for counted events."""

from __future__ import annotations


def binomial_interval(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a probability after count events in total tries (Clopper & Pearson 1934); (0, 1) after none.

    Its ends are quantiles of Beta(count, total - count + 1) and Beta(count + 1, total - count). It covers at least as
    often as the level, usually more.
    """
    from scipy.stats import binomtest

    if total == 0:
        return 0.0, 1.0
    exact = binomtest(count, total).proportion_ci(level, method="exact")
    return float(exact.low), float(exact.high)
