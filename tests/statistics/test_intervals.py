"""Intervals against scipy, numbers worked out by hand, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from tenfold.statistics import intervals
from tenfold.statistics.metrics import METRICS
from tenfold.statistics.rate_interval import binomial_interval

SCORES = np.array([0.80, 0.90, 0.85, 0.95, 0.75])


def test_standard_error_of_the_mean():
    assert intervals.fold_error(SCORES) == pytest.approx(stats.sem(SCORES), rel=1e-12)
    assert math.isnan(intervals.fold_error(SCORES[:1]))


def test_fold_interval_by_hand():
    """sd = 0.0790569; se = sqrt(1/5 + 1/4) sd = 0.0530330; t(0.975, 4) = 2.7764451: half = 0.1472432."""
    low, high = intervals.fold_interval(SCORES, 1 / 4)
    assert (low, high) == pytest.approx((0.85 - 0.1472432, 0.85 + 0.1472432), abs=1e-6)
    assert np.isnan(intervals.fold_interval(SCORES[:1], 1 / 4)).all()
    narrow = intervals.fold_interval(SCORES, 1 / 4, level=0.5)
    assert low < narrow[0] < narrow[1] < high
    assert intervals.fold_interval(SCORES, 0) == pytest.approx(stats.ttest_1samp(SCORES, 0).confidence_interval(0.95))


def test_folds_that_scored_alike_leave_the_width_to_the_rows():
    """50 rows all right: the exact interval, low = 0.025^(1/50) = 0.928872."""
    y = np.arange(50) % 2
    perfect = np.eye(2)[y]
    low, high = intervals.mean_interval(METRICS["accuracy"], np.ones(5), 1 / 4, y, perfect)
    assert (low, high) == pytest.approx((0.025 ** (1 / 50), 1))
    assert high == 1.0
    wrong = perfect.copy()
    wrong[:10] = wrong[:10, ::-1]
    low, high = intervals.mean_interval(METRICS["accuracy"], np.full(5, 0.8), 1 / 4, y, wrong)
    assert (low, high) == binomial_interval(40, 50)
    pairs = np.arange(50) // 2
    assert intervals.mean_interval(METRICS["accuracy"], np.ones(5), 1 / 4, y, perfect, pairs)[0] < 0.9
    usual = intervals.mean_interval(METRICS["accuracy"], SCORES - 0.2, 1 / 4, y, wrong)
    assert usual == intervals.fold_interval(SCORES - 0.2, 1 / 4)


def test_an_end_that_rounding_keeps_from_a_bound_is_the_bound():
    assert intervals.within(-0.1, 0.9999999999999997, (0.0, 1.0)) == (0.0, 1.0)
    assert intervals.within(3e-16, 1.2, (0.0, 1.0)) == (0.0, 1.0)
    assert intervals.within(-4.0, 0.5, (-np.inf, 1.0)) == (-4.0, 0.5)
    assert np.isnan(intervals.within(np.nan, np.nan, (0.0, 1.0))).all()


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (10, 10), (7, 10), (870, 1000)])
def test_accuracy_interval_is_the_exact_binomial(hits, rows):
    y = np.zeros(rows, int)
    p = np.eye(2)[np.r_[np.zeros(hits, int), np.ones(rows - hits, int)]]
    low, high = intervals.test_interval(METRICS["accuracy"], y, p)
    assert low == pytest.approx(stats.beta.ppf(0.025, hits, rows - hits + 1) if hits else 0)
    assert high == pytest.approx(stats.beta.ppf(0.975, hits + 1, rows - hits) if hits < rows else 1)
    assert (low, high) == binomial_interval(hits, rows)


def test_binomial_interval_of_nothing_and_its_level():
    assert binomial_interval(0, 0) == (0, 1)
    assert binomial_interval(0, 20)[1] == pytest.approx(1 - 0.025 ** (1 / 20))
    wide, narrow = binomial_interval(3, 20, level=0.99), binomial_interval(3, 20, level=0.5)
    assert wide[0] < narrow[0] < 3 / 20 < narrow[1] < wide[1]


def drawn(name, rows, seed):
    """y, prediction of a middling model."""
    rng = np.random.default_rng(seed)
    if METRICS[name].task == "regression":
        y = rng.standard_normal(rows)
        return y, (y + 0.5 * rng.standard_normal(rows))[:, None]
    y = rng.choice(3, rows, p=[0.5, 0.3, 0.2])
    p = np.exp(rng.standard_normal((rows, 3)) + 1.3 * np.eye(3)[y])
    return y, p / p.sum(1, keepdims=True)


SLOW = [name for name in METRICS if name != "accuracy"]


@pytest.mark.parametrize("name", SLOW)
def test_many_rows_make_every_interval_the_normal_one(name):
    """Of 2,000 rows: score +- 1.96 sd of the row contributions / sqrt(rows), ends within a sixth of the half-width."""
    y, p = drawn(name, 2000, 1)
    metric = METRICS[name]
    rows = metric.rows(y, p[None])[0]
    half = 1.96 * rows.std() / math.sqrt(len(y))
    expected = (rows.mean() - half, rows.mean() + half)
    for draws in (600, 10**6):  # the bootstrap, and the interval without one
        assert intervals.test_interval(metric, y, p, draws=draws) == pytest.approx(expected, abs=half / 6)


@pytest.mark.parametrize("name", [*SLOW, "accuracy"])
def test_rows_that_are_copies_count_once(name):
    """Every row five times, as one unit: the interval is that of the rows themselves, with the same draws."""
    y, p = drawn(name, 80, 2)
    once = intervals.test_interval(METRICS[name], y, p, draws=500, units=np.arange(80)[::-1])
    again = intervals.test_interval(
        METRICS[name], np.repeat(y, 5), np.repeat(p, 5, 0), draws=500, units=np.repeat(np.arange(80)[::-1], 5)
    )
    assert again == pytest.approx(once, rel=1e-6)
    alone = intervals.test_interval(METRICS[name], np.tile(y, 5), np.tile(p, (5, 1)), draws=500)
    assert alone[1] - alone[0] < 0.6 * (once[1] - once[0])
    assert once == intervals.test_interval(METRICS[name], y, p, draws=500, units=np.arange(80)[::-1])  # a fixed seed


@pytest.mark.parametrize("name", SLOW)
def test_coverage_of_sixty_rows(name):
    """200 samples, 200 draws each; at least 90 %, and not all."""
    truth = METRICS[name].score(*(lambda y, p: (y, p[None]))(*drawn(name, 200_000, 99)))[0]
    found = [intervals.test_interval(METRICS[name], *drawn(name, 60, seed), draws=200) for seed in range(200)]
    assert 0.90 <= np.mean([low <= truth <= high for low, high in found]) < 1


@pytest.mark.parametrize("name", ["balanced_accuracy", "roc_auc"])
def test_a_perfect_score_is_no_certainty(name):
    """7 rows of the rarer class, all right: at least 0.025^(1/7); a worst score likewise; groups count as one row."""
    y = np.r_[np.zeros(13, int), np.ones(7, int)]
    right = np.eye(2)[y]
    assert intervals.test_interval(METRICS[name], y, right) == pytest.approx((0.025 ** (1 / 7), 1))
    assert intervals.test_interval(METRICS[name], y, 1 - right) == pytest.approx((0, 1 - 0.025 ** (1 / 7)))
    groups = np.r_[np.arange(13), 20 + np.arange(7) // 4]
    assert intervals.test_interval(METRICS[name], y, right, units=groups) == pytest.approx((0.025 ** (1 / 2), 1))
    assert intervals.test_interval(METRICS["accuracy"], y, right, units=groups)[0] == pytest.approx(0.025 ** (1 / 15))
    assert intervals.test_interval(METRICS["mae"], np.zeros(4), np.ones((4, 1))) == (1, 1)
    assert intervals.test_interval(METRICS["mae"], np.zeros(4), np.zeros((4, 1))) == (0, 0)


@pytest.mark.parametrize("name", ["rmse", "mae"])
def test_the_unit_of_the_target_is_the_unit_of_the_interval(name):
    y, p = drawn(name, 50, 3)
    low, high = intervals.test_interval(METRICS[name], y, p, draws=200)
    tiny = intervals.test_interval(METRICS[name], 1e-15 * y, 1e-15 * p, draws=200)
    assert tiny == pytest.approx((1e-15 * low, 1e-15 * high), rel=1e-9)


def test_an_interval_without_draws_stays_in_bounds():
    y, p = drawn("roc_auc", 60, 4)
    p[0:58] = np.eye(3)[y[:58]]
    assert intervals.test_interval(METRICS["roc_auc"], y, p, draws=10**6)[1] == 1


def test_draws_with_one_class_and_scores_that_are_undefined():
    y = np.array([0, 0, 0, 0, 1])
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]])
    low, high = intervals.test_interval(METRICS["roc_auc"], y, p, draws=200)
    assert 0 <= low <= METRICS["roc_auc"].score(y, p[None])[0] <= high <= 1
    assert np.isnan(intervals.test_interval(METRICS["roc_auc"], np.zeros(5, int), p)).all()
    assert np.isnan(intervals.test_interval(METRICS["roc_auc"], y, p, units=np.zeros(5, int))).all()
