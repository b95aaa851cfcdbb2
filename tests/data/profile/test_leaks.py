"""A feature that gives the answer away is found in small and in lopsided tables, and noise is not."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.metrics import roc_auc_score

from tenfold.data.profile.leaks import BIN_ROWS, BINS, PREDICTIVE, _most_correlation, bins_of, follows, separated_share

from ..examples import number, text


@pytest.mark.parametrize(("rows", "positives"), [(50, 25), (50, 8), (400, 20), (20_000, 40), (50_000, 25_000)])
@pytest.mark.parametrize("seed", range(3))
def test_a_column_that_separates_two_classes_is_found(rows, positives, seed):
    rng = np.random.default_rng(seed)
    y = np.zeros(rows, int)
    y[rng.permutation(rows)[:positives]] = 1
    x = rng.normal(size=rows)
    for leak in (x + 9 * y, -x - 9 * y, x + 20 * y + (rng.random(rows) < 0.003)):
        assert separated_share(number("x", leak), y) >= PREDICTIVE
    assert separated_share(number("x", np.where(y == 1, np.nan, x)), y) == 1  # missing in one class only
    weak = x + 2 * y
    assert roc_auc_score(y, weak) < 0.99
    assert separated_share(number("x", weak), y) < PREDICTIVE
    assert separated_share(number("x", x), y) < 0.8


@pytest.mark.parametrize("classes", [3, 8, 20])
def test_classes_in_order_along_a_column_are_found(classes):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(160) % classes)
    assert separated_share(number("x", 3 * y + rng.uniform(size=160)), y) == 1
    assert separated_share(number("x", rng.uniform(size=160)), y) < 0.5


def test_the_share_is_the_balanced_accuracy_of_a_border():
    """Ten rows below, forty above: two of the ten lie above the border, so a = (0.8 + 1) / 2."""
    x = np.r_[np.arange(8.0), 60, 70, np.arange(20.0, 60)]
    assert separated_share(number("x", x), np.repeat([0, 1], [10, 40])) == pytest.approx(2 * 0.9 - 1)


def test_classes_weigh_alike_whatever_their_numbers_of_rows():
    """375 rows, 5 of the rare class, 8 rows, 12 of the rare class: the border that keeps the rare class whole."""
    y = np.repeat([0, 1, 0, 1], [375, 5, 8, 12])
    assert separated_share(number("x", np.arange(400)), y) == pytest.approx(375 / 383)


def test_what_borders_cannot_separate():
    y = np.arange(60) % 2
    assert separated_share(text("x", ["a", "b"] * 30), y) == 0
    assert separated_share(number("x", np.arange(60)), np.zeros(60, int)) == 0
    assert (
        separated_share(number("x", np.arange(60)), np.r_[np.zeros(53, int), np.ones(7, int)]) == 0
    )  # 7 rows: too few
    assert separated_share(number("x", np.arange(210)), np.arange(210) // 10) == 0  # 21 classes


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_digits])
def test_no_false_alarm_on_bundled_sets(load):
    x, y = load(return_X_y=True)
    assert max(separated_share(number("x", column), y) for column in x.T) < PREDICTIVE


def test_a_rising_curve_is_followed_and_a_noisy_line_is_not():
    x = np.random.default_rng(0).normal(size=60) * 3
    noise = np.random.default_rng(1).normal(size=60)
    assert follows(number("x", x), np.exp(x))
    assert follows(number("x", -x), np.exp(x))
    assert follows(number("x", x), 2 * x + 1e-3 * noise)
    assert not follows(number("x", x), 2 * x + noise)
    assert not follows(number("x", x), x**2)
    assert not follows(number("x", np.where(np.arange(60) < 20, np.nan, x)), x)  # 40 rows are too few


def quantile_bins(values):
    """By numpy's codes of all rows."""
    codes = np.unique(values, return_inverse=True)[1]
    bins = min(BINS, max(1, len(codes) // BIN_ROWS))
    if codes.max() < bins:
        return codes
    edges = np.unique(np.quantile(codes, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, codes, side="right")


@pytest.mark.parametrize("rows", [7, 60, 3001])
@pytest.mark.parametrize("digits", [0, 1, 8])
@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_bins_hold_neighbouring_values_and_missing_cells_are_last(rows, digits, gaps):
    rng = np.random.default_rng(rows + digits)
    values = rng.normal(size=rows).round(digits)
    values[rng.random(rows) < gaps] = np.nan
    np.testing.assert_array_equal(bins_of(number("x", values)), quantile_bins(values))


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.04, 0.06, 0.3, 5.0])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("digits", [1, 9])
def test_ranks_of_many_rows_are_compared_as_scipy_does(noise, sign, digits):
    rng = np.random.default_rng(5)
    x = rng.normal(size=20_000)
    y = np.exp(2 * sign * x) * np.exp(noise * rng.normal(size=len(x)))
    x = x.round(digits)
    exact = abs(spearmanr(x, y).statistic)
    most = _most_correlation(bins_of(number("x", x)), rankdata(y))
    assert exact <= most <= exact + 0.05
    assert follows(number("x", x), y) == (exact >= 0.999)
    gappy = np.where(np.arange(len(x)) % 9 == 0, np.nan, x)
    exact = abs(spearmanr(x[~np.isnan(gappy)], y[~np.isnan(gappy)]).statistic)
    assert follows(number("x", gappy), y, rankdata(y), bins_of(number("x", gappy))) == (exact >= 0.999)
