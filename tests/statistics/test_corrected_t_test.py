"""Paired tests against scipy, numbers worked out by hand, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from tenfold.statistics.corrected_t_test import corrected_t_test, detection_power, least_difference

SCORES = np.array([0.80, 0.90, 0.85, 0.95, 0.75])
D = np.array([0.1, 0.2, 0.3, 0.2, 0.2])


def test_corrected_t_test_by_hand():
    """d = .1 .2 .3 .2 .2: mean 0.2, variance 0.005; t = 0.2 / sqrt((1/5 + 1/4) 0.005) = 4.2163702, 4 degrees."""
    p = corrected_t_test(SCORES + D, SCORES, 1 / 4)
    assert p == pytest.approx(2 * stats.t.sf(4.2163702, 4), rel=1e-6)
    assert p == pytest.approx(0.0135, abs=5e-5)
    assert corrected_t_test(SCORES, SCORES + D, 1 / 4) == pytest.approx(p, rel=1e-12)
    assert stats.ttest_rel(SCORES + D, SCORES).pvalue == pytest.approx(corrected_t_test(SCORES + D, SCORES, 0))


def test_corrected_t_test_of_equal_constant_and_missing_differences():
    assert corrected_t_test(SCORES, SCORES, 1 / 4) == 1
    assert corrected_t_test(np.array([1.0, 2.0]), np.array([0.0, 1.0]), 1) == 0
    assert math.isnan(corrected_t_test(SCORES, np.where(SCORES > 0.9, np.nan, SCORES), 1 / 4))
    assert math.isnan(corrected_t_test(SCORES[:1], SCORES[1:2], 1 / 4))
    assert math.isnan(corrected_t_test(SCORES, SCORES + D, math.nan))


@pytest.mark.parametrize(("folds", "repeats"), [(5, 1), (5, 10), (10, 1)])
def test_false_positives_are_as_rare_as_they_should_be(folds, repeats):
    """Differences that share 1 / folds of their variance, as Nadeau and Bengio assume of overlapping training parts."""
    rng, draws, n = np.random.default_rng(0), 2000, folds * repeats
    shared = rng.standard_normal((draws, 1)) / math.sqrt(folds)
    d = shared + rng.standard_normal((draws, n)) * math.sqrt(1 - 1 / folds)
    rate = np.mean([corrected_t_test(one, np.zeros(n), 1 / (folds - 1)) < 0.05 for one in d])
    naive = np.mean(stats.ttest_1samp(d, 0, axis=1).pvalue < 0.05)
    assert abs(rate - 0.05) < 5 * math.sqrt(0.05 * 0.95 / draws)
    assert naive > 2 * rate


def test_least_difference_without_correction_is_what_a_paired_t_test_needs():
    """Effect size 0.8 at 10 pairs, power 0.8 needs d = 0.9960 (Cohen 1988; G*Power 3.1: 0.996)."""
    d = np.arange(10.0)
    one = d / d.std(ddof=1)
    assert least_difference(one, np.zeros(10), 0) == pytest.approx(0.9960, abs=2e-3)


@pytest.mark.parametrize(("n", "ratio"), [(2, 1.0), (3, 0.5), (5, 0.25), (15, 0.25), (100, 1 / 9)])
def test_least_difference_is_found_as_often_as_it_says(n, ratio):
    """Draws from the test's own model: independent parts and one that is shared, of variances 1 and ratio n/(1+ratio n)
    as seen by the variance estimate; 40,000 tests, tolerance 5 standard errors."""
    rng, draws = np.random.default_rng(n), 40_000
    base = rng.standard_normal(n)
    size = least_difference(base, np.zeros(n), ratio)
    spread = base.std(ddof=1)
    noise = rng.standard_normal((draws, n)) + math.sqrt(ratio) * rng.standard_normal((draws, 1))
    d = size + spread * noise
    t = d.mean(1) / np.sqrt((1 / n + ratio) * d.var(1, ddof=1))
    found = np.mean(2 * stats.t.sf(np.abs(t), n - 1) < 0.05)
    assert found == pytest.approx(0.8, abs=5 * math.sqrt(0.16 / draws))
    assert detection_power(size, spread, n, ratio) == pytest.approx(0.8, abs=1e-6)
    assert detection_power(0, spread, n, ratio) == pytest.approx(0.05, abs=1e-9)


def test_least_difference_of_little_or_odd_data():
    assert least_difference(SCORES, SCORES - 0.5, 1 / 4) == pytest.approx(0, abs=1e-9)
    assert least_difference(SCORES, SCORES, 1 / 4) == 0
    assert math.isnan(least_difference(SCORES[:1], SCORES[:1], 1 / 4))
    assert math.isnan(least_difference(SCORES, SCORES * np.nan, 1 / 4))
    small, large = (least_difference(SCORES + D, SCORES, 1 / 4, power=power) for power in (0.5, 0.9))
    assert 0 < small < large
    assert least_difference(SCORES + 3 * D, SCORES, 1 / 4, power=0.5) == pytest.approx(3 * small)
