"""Intervals for scores: of a mean over folds, and of one score on sealed test rows."""

from __future__ import annotations

import numpy as np

from tenfold.statistics.metrics import Metric

Array = np.ndarray


def fold_error(scores: Array) -> float:
    """Standard error of the mean over folds, sd / sqrt(k) (ddof 1; NaN for a single fold).

    Folds share training rows, so no unbiased estimate exists (Bengio & Grandvalet 2004): it is a guide.
    """
    scores = np.asarray(scores, np.float64)
    return float(scores.std(ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else float("nan")


def fold_interval(scores: Array, folds: int, level: float = 0.95) -> tuple[float, float]:
    """mean +- t * se of n fold scores, n - 1 degrees of freedom, se = sqrt(1/n + 1/(folds - 1)) sd.

    The second term is the correction of Nadeau & Bengio (2003) for overlapping training parts: validation rows
    over training rows is 1 / (folds - 1). n is folds times repeats.
    """
    from scipy.stats import t

    scores = np.asarray(scores, np.float64)
    n = len(scores)
    if n < 2 or folds < 2:
        return float("nan"), float("nan")
    half = float(t.ppf(0.5 + level / 2, n - 1)) * float(scores.std(ddof=1)) * np.sqrt(1 / n + 1 / (folds - 1))
    return float(scores.mean() - half), float(scores.mean() + half)


def test_interval(
    metric: Metric, y: Array, prediction: Array, level: float = 0.95, draws: int = 2000
) -> tuple[float, float]:
    """Interval of a score on test rows: exact binomial (Clopper & Pearson 1934) for accuracy, else the percentile
    bootstrap over rows with a fixed seed. y (rows,), prediction (rows, classes or 1)."""
    if metric.name == "accuracy":
        from scipy.stats import binomtest

        hits = int((prediction.argmax(-1) == y).sum())
        exact = binomtest(hits, len(y)).proportion_ci(level, method="exact")
        return float(exact.low), float(exact.high)
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(draws):
        rows = rng.integers(len(y), size=len(y))
        scores.append(metric.score(y[rows], prediction[None, rows])[0])
    low, high = np.nanquantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def corrected_t_test(one: Array, two: Array, folds: int) -> float:
    """Two-sided p-value of the corrected resampled t-test (Nadeau & Bengio 2003) on paired fold scores.

    t = mean(d) / sqrt((1/n + 1/(folds - 1)) var(d)), n - 1 degrees of freedom, n = folds times repeats.
    1 when the scores are identical.
    """
    from scipy.stats import t

    d = np.asarray(one, np.float64) - np.asarray(two, np.float64)
    n = len(d)
    if n < 2 or folds < 2 or not np.isfinite(d).all():
        return float("nan")
    if np.all(d == d[0]):
        return 1.0 if d[0] == 0 else 0.0
    value = abs(d.mean()) / np.sqrt((1 / n + 1 / (folds - 1)) * d.var(ddof=1))
    return float(2 * t.sf(value, n - 1))
