"""Is one recipe better than another on the same folds? A paired test, and the smallest difference it can detect."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def corrected_t_test(first: Array, second: Array, ratio: float) -> float:
    """Two-sided p-value of the corrected resampled t-test (Nadeau & Bengio 2003) on paired fold scores.

    first, second (n,): scores of n folds times repeats. ratio: of validation to training rows, 1 / (k - 1) for k folds.
    t = mean(d) / sqrt((1/n + ratio) var(d)), d = first - second, n - 1 degrees of freedom. 1 for identical scores.
    """
    from scipy.stats import t

    d = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    n = len(d)
    if n < 2 or not np.isfinite(d).all() or not np.isfinite(ratio):
        return float("nan")
    if np.all(d == d[0]):  # no variance to divide by
        return 1.0 if d[0] == 0 else 0.0
    # The plain paired test would have 1/n alone: folds share training rows, so their differences are correlated.
    statistic = abs(d.mean()) / np.sqrt((1 / n + ratio) * d.var(ddof=1))
    return float(2 * t.sf(statistic, n - 1))


def detection_power(difference: float, spread: float, n: int, ratio: float, level: float = 0.05) -> float:
    """Probability that the corrected t-test detects a true difference, if d has standard deviation `spread`.

    P(|T| > t(1 - level/2, n - 1)), T noncentral t with n - 1 degrees of freedom and noncentrality
    difference / (sqrt(1/n + ratio) spread). This assumes the test's own model (Nadeau & Bengio 2003).
    """
    from scipy.stats import nct, t

    critical = t.isf(level / 2, n - 1)
    shift = abs(difference) / (np.sqrt(1 / n + ratio) * spread)
    return float(nct.sf(critical, n - 1, shift) + nct.sf(critical, n - 1, -shift))


def least_difference(first: Array, second: Array, ratio: float, level: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference that `corrected_t_test` would detect with that power, at the measured spread of d.

    first, second, ratio: see `corrected_t_test`. The noncentrality at which `detection_power` is power, times
    sqrt(1/n + ratio) sd(d). 0 if all paired differences are the same, NaN if there are fewer than two.
    """
    from scipy.optimize import brentq
    from scipy.stats import t

    d = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    n = len(d)
    if n < 2 or not np.isfinite(d).all() or not np.isfinite(ratio):
        return float("nan")
    if np.all(d == d[0]):
        return 0.0
    spread = float(d.std(ddof=1))
    error = float(np.sqrt(1 / n + ratio)) * spread  # the test's standard error
    largest = (4 * float(t.isf(level / 2, n - 1)) + 10) * error  # detected with a probability beyond 0.99, from 2 folds
    difference: Any = brentq(lambda size: detection_power(size, spread, n, ratio, level) - power, 0, largest)
    return float(difference)
