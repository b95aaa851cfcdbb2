"""Intervals and tests against scipy, numbers worked out by hand, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from tenfold.statistics import intervals
from tenfold.statistics.metrics import METRICS

SCORES = np.array([0.80, 0.90, 0.85, 0.95, 0.75])


def test_standard_error_of_the_mean():
    assert intervals.fold_error(SCORES) == pytest.approx(stats.sem(SCORES), rel=1e-12)
    assert math.isnan(intervals.fold_error(SCORES[:1]))


def test_fold_interval_by_hand():
    """sd = 0.0790569; se = sqrt(1/5 + 1/4) sd = 0.0530330; t(0.975, 4) = 2.7764451: half = 0.1472432."""
    low, high = intervals.fold_interval(SCORES, 5)
    assert (low, high) == pytest.approx((0.85 - 0.1472432, 0.85 + 0.1472432), abs=1e-6)
    assert np.isnan(intervals.fold_interval(SCORES[:1], 5)).all()
    narrow = intervals.fold_interval(SCORES, 5, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_corrected_t_test_by_hand():
    """d = .1 .2 .3 .2 .2: mean 0.2, variance 0.005; t = 0.2 / sqrt((1/5 + 1/4) 0.005) = 4.2163702, 4 degrees."""
    d = np.array([0.1, 0.2, 0.3, 0.2, 0.2])
    p = intervals.corrected_t_test(SCORES + d, SCORES, 5)
    assert p == pytest.approx(2 * stats.t.sf(4.2163702, 4), rel=1e-6)
    assert p == pytest.approx(0.0135, abs=5e-5)
    assert intervals.corrected_t_test(SCORES, SCORES + d, 5) == pytest.approx(p, rel=1e-12)
    naive = stats.ttest_rel(SCORES + d, SCORES).pvalue
    assert naive < p  # without the correction: too sure of itself


def test_corrected_t_test_of_equal_constant_and_missing_differences():
    assert intervals.corrected_t_test(SCORES, SCORES, 5) == 1
    assert intervals.corrected_t_test(np.array([1.0, 2.0]), np.array([0.0, 1.0]), 2) == 0
    assert math.isnan(intervals.corrected_t_test(SCORES, np.where(SCORES > 0.9, np.nan, SCORES), 5))
    assert math.isnan(intervals.corrected_t_test(SCORES[:1], SCORES[1:2], 5))


@pytest.mark.parametrize(("folds", "repeats"), [(5, 1), (5, 10), (10, 1)])
def test_false_positives_are_as_rare_as_they_should_be(folds, repeats):
    """Differences that share 1 / folds of their variance, as Nadeau and Bengio assume of overlapping training parts."""
    rng, draws, n = np.random.default_rng(0), 2000, folds * repeats
    shared = rng.standard_normal((draws, 1)) / math.sqrt(folds)
    d = shared + rng.standard_normal((draws, n)) * math.sqrt(1 - 1 / folds)
    rate = np.mean([intervals.corrected_t_test(one, np.zeros(n), folds) < 0.05 for one in d])
    naive = np.mean(stats.ttest_1samp(d, 0, axis=1).pvalue < 0.05)
    assert abs(rate - 0.05) < 5 * math.sqrt(0.05 * 0.95 / draws)
    assert naive > 2 * rate


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (10, 10), (7, 10), (870, 1000)])
def test_accuracy_interval_is_the_exact_binomial(hits, rows):
    y = np.zeros(rows, int)
    p = np.eye(2)[np.r_[np.zeros(hits, int), np.ones(rows - hits, int)]]
    low, high = intervals.test_interval(METRICS["accuracy"], y, p)
    assert low == pytest.approx(stats.beta.ppf(0.025, hits, rows - hits + 1) if hits else 0)
    assert high == pytest.approx(stats.beta.ppf(0.975, hits + 1, rows - hits) if hits < rows else 1)


def test_bootstrap_interval_of_a_mean_error_is_that_of_the_normal():
    rng = np.random.default_rng(5)
    y, error = np.zeros(400), rng.standard_normal(400)
    low, high = intervals.test_interval(METRICS["mae"], y, error[:, None])
    size = np.abs(error)
    half = 1.96 * size.std(ddof=1) / math.sqrt(400)
    assert (low, high) == pytest.approx((size.mean() - half, size.mean() + half), abs=0.1 * half)
    assert (low, high) == intervals.test_interval(METRICS["mae"], y, error[:, None])  # no draw in passing


def test_bootstrap_interval_survives_draws_with_one_class():
    y = np.array([0, 0, 0, 0, 1])
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]])
    low, high = intervals.test_interval(METRICS["roc_auc"], y, p, draws=200)
    assert 0 <= low <= METRICS["roc_auc"].score(y, p[None])[0] <= high <= 1
