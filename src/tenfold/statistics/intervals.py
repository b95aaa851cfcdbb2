"""Intervals for scores: of a mean over folds, and of one score on sealed test rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from tenfold.statistics.metrics.metric import Metric
from tenfold.statistics.rate_interval import binomial_interval
from tenfold.statistics.resampled import draw_counts

Array = np.ndarray
MOST_WORK = 4e7  # numbers that a bootstrap may look at: one to two seconds for the slowest metric
BATCH = 2e6  # numbers in one temporary array
ROUNDING = 1e-12  # smaller differences of scores are rounding


def fold_error(scores: Array) -> float:
    """Standard error of the mean over folds, sd / sqrt(k) (ddof 1; NaN for a single fold).

    Folds share training rows, so no unbiased estimate exists (Bengio & Grandvalet 2004): this one is a guide.
    """
    scores = np.asarray(scores, np.float64)
    return float(scores.std(ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else float("nan")


def fold_interval(scores: Array, ratio: float, level: float = 0.95) -> tuple[float, float]:
    """mean +- t * se of n fold scores, n - 1 degrees of freedom, se = sqrt(1/n + ratio) sd; NaN for a single one.

    scores (n,): n folds times repeats. ratio: of validation to training rows, 1 / (k - 1) for k folds; the correction
    of Nadeau & Bengio (2003) for training parts that overlap.
    """
    from scipy.stats import t

    scores = np.asarray(scores, np.float64)
    n = len(scores)
    if n < 2:
        return float("nan"), float("nan")
    half = float(t.ppf(0.5 + level / 2, n - 1)) * float(scores.std(ddof=1)) * np.sqrt(1 / n + ratio)
    return float(scores.mean() - half), float(scores.mean() + half)


def mean_interval(
    metric: Metric, scores: Array, ratio: float, y: Array, prediction: Array, units: Array | None = None
) -> tuple[float, float]:
    """95 % interval of the mean of fold scores, cut to the bounds of the metric: `fold_interval`, or where all folds
    have one score and so no spread (such as all rows right), `test_interval` of the out-of-fold predictions.

    y (rows,), prediction (rows, classes or 1), units (rows,): of the rows that have an out-of-fold prediction.
    """
    low, high = fold_interval(scores, ratio)
    if high - low <= ROUNDING * max(1.0, abs(low)):
        mean = float(np.mean(scores))
        ends = test_interval(metric, y, prediction, units=units)
        if np.isfinite(ends).all():
            low, high = min(ends[0], mean), max(ends[1], mean)
    return within(low, high, metric.bounds)


def within(low: float, high: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """The interval cut to the bounds of a metric; an end that differs from a bound by rounding becomes that bound."""

    def cut(end: float) -> float:
        near = (bound for bound in bounds if abs(end - bound) <= ROUNDING)
        return next(near, min(max(end, bounds[0]), bounds[1]))

    return cut(low), cut(high)


def test_interval(
    metric: Metric,
    y: Array,
    prediction: Array,
    level: float = 0.95,
    draws: int = 2000,
    units: Array | None = None,
) -> tuple[float, float]:
    """Interval of one model's score on test rows; y (rows,), prediction (rows, classes or 1).

    units (rows,) integers: rows of one unit belong together and are drawn together. Without them, accuracy has the
    exact binomial interval. Otherwise it is a bootstrap over units with a fixed seed: for means of losses (log loss,
    mean absolute and squared error) the studentized one, for the others BCa with widened levels. Where that takes too
    long: t with the score's influence function. Where all units have the same effect (such as all rows right): `_flat`.
    """
    if metric.counts_hits and units is None:
        return binomial_interval(int(metric.rows(y, prediction[None]).sum()), len(y), level)
    names, unit = np.unique(np.arange(len(y)) if units is None else units, return_inverse=True)
    score = float(metric.score(y, prediction[None])[0])
    if not np.isfinite(score) or len(names) < 2:
        return float("nan"), float("nan")
    effect = np.bincount(unit, metric.rows(y, prediction[None])[0] - score)  # (units,)
    # A bounded score is of size 1; the others have the target's unit, so only a share of the score is "no difference".
    size = 1.0 if np.isfinite(metric.bounds).all() else abs(score)
    if np.abs(effect).max() <= ROUNDING * size:
        return _flat(score, metric.bounds, len(names) if metric.counts_hits else _fewest(y, unit), level)
    # Of losses a draw needs sums of the units only; BCa looks at every row, and once more without each unit.
    work = (draws + len(names)) * len(y) if metric.row_losses is None else draws * len(names)
    if work > MOST_WORK:
        low, high = np.clip(_linear(score, effect, len(y), level), *metric.bounds)
        return float(low), float(high)
    if metric.row_losses is None:
        return _bca(lambda w: metric.weighted(y, prediction, w[:, unit]), len(names), len(y), level, draws)
    loss = np.bincount(unit, metric.row_losses(y, prediction[None])[0])
    low, high = _studentized(loss, np.bincount(unit), level, draws)
    return float(metric.of_mean_loss(low)), float(metric.of_mean_loss(high))


def _fewest(y: Array, unit: Array) -> int:
    """How many units hold the rarest class that occurs."""
    return min(len(np.unique(unit[y == c])) for c in np.unique(y))


def _flat(score: float, bounds: tuple[float, float], k: int, level: float) -> tuple[float, float]:
    """Bounds from k independent units without any difference: with e = (alpha/2)^(1/k), [score e, 1 - (1 - score) e].

    k hits in k tries have probability p^k, so p >= e (Clopper & Pearson 1934). A perfect area needs every one of k
    disjoint pairs ranked right, k the size of the smaller class; perfect recalls need k hits in each class. A score
    without both bounds gets no width: nothing in the data tells one.
    """
    if not np.isfinite(bounds).all():
        return score, score
    e = (0.5 - level / 2) ** (1 / k)
    return score * e, 1 - (1 - score) * e


def _linear(score: float, effect: Array, rows: int, level: float) -> tuple[float, float]:
    """score +- t se over u units, u - 1 degrees of freedom, se^2 = u / (u - 1) sum effect^2 / rows^2 (Hampel 1974)."""
    from scipy.stats import t

    units = len(effect)
    half = float(t.ppf(0.5 + level / 2, units - 1)) * np.sqrt(units / (units - 1) * (effect**2).sum()) / rows
    return float(score - half), float(score + half)


def _studentized(loss: Array, rows: Array, level: float, draws: int) -> tuple[float, float]:
    """Bootstrap-t interval (Efron 1982) of sum loss / sum rows, not below 0; loss, rows (units,) totals of the units.

    mean - q se, q the quantiles of (mean* - mean) / se* over the draws. se^2 = u / (u - 1) sum (loss - mean rows)^2 /
    (sum rows)^2. Losses are skewed, and this covers more often than BCa at the price of a longer upper part.
    """
    units, rng = len(loss), np.random.default_rng(0)
    basis = np.stack([loss, rows, loss**2, loss * rows, rows.astype(np.float64) ** 2], -1)  # (units, 5)

    def moments(sums: Array) -> tuple[Array, Array]:  # (draws, 5) -> mean and standard error (draws,)
        total, size, square, cross, sizes = sums.T
        mean = total / size
        residual = np.maximum(square - 2 * mean * cross + mean**2 * sizes, 0)
        return mean, np.sqrt(units / (units - 1) * residual) / size

    mean, error = moments(basis.sum(0)[None])
    size = max(1, int(BATCH / units))
    batches = [min(size, draws - i) for i in range(0, draws, size)]
    drawn = [moments(draw_counts(rng.integers(units, size=(n, units)), units) @ basis) for n in batches]
    means, errors = (np.concatenate(column) for column in zip(*drawn, strict=True))
    varied = errors > 1e-9 * error  # not the draws that hold one unit only
    # The quantiles change sides: a high t* means that the draw's mean lies above the true one.
    high, low = np.quantile((means[varied] - mean) / errors[varied], [0.5 - level / 2, 0.5 + level / 2])
    return max(0.0, float((mean - low * error)[0])), float((mean - high * error)[0])


def _bca(score: Callable[[Array], Array], units: int, rows: int, level: float, draws: int) -> tuple[float, float]:
    """BCa interval (Efron 1987) of score((draws, units) counts) -> (draws,), levels widened by Hesterberg (2015).

    A normal quantile z becomes sqrt(u / (u - 1)) t_{u-1}. Draws in which the score is undefined (a class is missing)
    are left out; the interval is then a percentile interval.
    """
    from scipy.stats import bootstrap, norm, t

    wide = float(norm.cdf(t.ppf(0.5 + level / 2, units - 1) * np.sqrt(units / (units - 1))))

    def statistic(drawn: Array, axis: int = -1) -> Array:  # drawn (units,) or (draws, units)
        scores = score(draw_counts(np.atleast_2d(drawn), units))
        return scores if drawn.ndim == 2 else scores[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about undefined draws, which are handled below
        result = bootstrap(
            (np.arange(units),),
            statistic,
            n_resamples=draws,
            batch=max(1, int(BATCH / rows)),
            vectorized=True,
            confidence_level=2 * wide - 1,
            rng=np.random.default_rng(0),
        )
    low, high = result.confidence_interval
    if not np.isfinite([low, high]).all():
        low, high = np.nanquantile(result.bootstrap_distribution, [1 - wide, wide])
    return float(low), float(high)
