"""Tests between two recipes on the same folds, and what such a test cannot see."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def corrected_t_test(one: Array, two: Array, ratio: float) -> float:
    """Two-sided p-value of the corrected resampled t-test (Nadeau & Bengio 2003) on paired fold scores.

    one, two (n,), n folds times repeats; ratio of validation to training rows, 1 / (k - 1) for k folds.
    t = mean(d) / sqrt((1/n + ratio) var(d)), d = one - two, n - 1 degrees of freedom. 1 when the scores are identical.
    """
    from scipy.stats import t

    d = np.asarray(one, np.float64) - np.asarray(two, np.float64)
    n = len(d)
    if n < 2 or not np.isfinite(d).all() or not np.isfinite(ratio):
        return float("nan")
    if np.all(d == d[0]):
        return 1.0 if d[0] == 0 else 0.0
    value = abs(d.mean()) / np.sqrt((1 / n + ratio) * d.var(ddof=1))
    return float(2 * t.sf(value, n - 1))


def detection_power(difference: float, spread: float, n: int, ratio: float, level: float = 0.05) -> float:
    """Probability that the corrected t-test finds a true difference, if d has standard deviation `spread`.

    P(|T| > t(1 - level/2, n - 1)), T noncentral t with n - 1 degrees of freedom and noncentrality
    difference / (sqrt(1/n + ratio) spread). It takes the test's own model as true (Nadeau & Bengio 2003).
    """
    from scipy.stats import nct, t

    critical = t.isf(level / 2, n - 1)
    shift = abs(difference) / (np.sqrt(1 / n + ratio) * spread)
    return float(nct.sf(critical, n - 1, shift) + nct.sf(critical, n - 1, -shift))


def least_difference(one: Array, two: Array, ratio: float, level: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference that `corrected_t_test` would find with that power, at the measured spread of d.

    one, two, ratio: see `corrected_t_test`. The noncentrality at which `detection_power` is power, times
    sqrt(1/n + ratio) sd(d). 0 if all paired differences are the same, NaN if there are fewer than two.
    """
    from scipy.optimize import brentq
    from scipy.stats import t

    d = np.asarray(one, np.float64) - np.asarray(two, np.float64)
    n = len(d)
    if n < 2 or not np.isfinite(d).all() or not np.isfinite(ratio):
        return float("nan")
    if np.all(d == d[0]):
        return 0.0
    spread = float(d.std(ddof=1))
    error = float(np.sqrt(1 / n + ratio)) * spread  # the test's standard error
    most = (4 * float(t.isf(level / 2, n - 1)) + 10) * error  # found with a probability beyond 0.99, by two folds too
    found: Any = brentq(lambda size: detection_power(size, spread, n, ratio, level) - power, 0, most)
    return float(found)
