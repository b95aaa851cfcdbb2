"""Moments of training parts: merged over blocks they equal numpy's on the imputed training rows, and nothing leaks."""

import numpy as np
import pytest
from sklearn.model_selection import KFold, RepeatedKFold, ShuffleSplit, TimeSeriesSplit
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from tenfold.data.encode import fit_encoding, matrix_inputs
from tenfold.data.folds import Fold, make_folds
from tenfold.data.moments import blocks, target_scale, training_moments
from tenfold.rules.preprocessing import Center, MinMax, NoPreprocessing, Standardize

ROWS = 83
SPLITTERS = {
    "k-fold": KFold(5, shuffle=True, random_state=0),
    "leave few out": KFold(40),
    "shuffled": ShuffleSplit(6, test_size=0.3, random_state=1),
    "in time": TimeSeriesSplit(5),
    "repeated": RepeatedKFold(n_splits=3, n_repeats=3, random_state=2),
}
splitters = pytest.mark.parametrize("splitter", SPLITTERS.values(), ids=SPLITTERS)


def table():
    """Sizes from 1e-3 to 1e3, an offset of 1e9, constant columns, missing cells (one column almost empty)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, 8)) * 10 ** np.linspace(-3, 3, 8)
    x[:, 1] = 1e9 + 1e3 * rng.standard_normal(ROWS)
    x[:, 2] = 0.1
    x[:, 3] = -7.0
    x[rng.random(ROWS) < 0.3, 4] = np.nan
    x[rng.random(ROWS) < 0.4, 3] = np.nan
    x[1:, 5] = np.nan
    x[rng.random(ROWS) < 0.2, 1] = np.nan
    return x


def imputed(x, fold):
    """The training rows, missing cells filled with the training rows' median (0 if there is none)."""
    part = x[fold.train]
    median = np.array([np.nanmedian(c) if (~np.isnan(c)).any() else 0.0 for c in part.T])
    return np.where(np.isnan(part), median, part), median


def fitted(x, splitter):
    inputs, folds = matrix_inputs(x), make_folds(np.zeros(len(x)), splitter, classification=False)
    encodings = [fit_encoding(inputs, fold.train) for fold in folds]
    return folds, encodings, training_moments(inputs, folds, encodings)


@splitters
def test_merged_blocks_equal_numpy_on_each_training_part(splitter):
    x = table()
    for fold, encoding, moments in zip(*fitted(x, splitter), strict=True):
        part, median = imputed(x, fold)
        np.testing.assert_array_equal(encoding.medians, median)
        assert (moments.count == len(fold.train)).all()
        np.testing.assert_allclose(moments.mean, part.mean(0), rtol=1e-13, atol=1e-12)
        exact = part.astype(np.longdouble)
        variance = ((exact - exact.mean(0)) ** 2).mean(0)
        np.testing.assert_allclose(moments.squares / moments.count, variance.astype(float), rtol=1e-10, atol=1e-14)
        np.testing.assert_array_equal(moments.minimum, part.min(0))
        np.testing.assert_array_equal(moments.maximum, part.max(0))


@splitters
def test_maps_equal_scikit_learns_scalers(splitter):
    x = table()
    for fold, _, moments in zip(*fitted(x, splitter), strict=True):
        part, _ = imputed(x, fold)
        for rule, scaler in ((Standardize(), StandardScaler()), (MinMax(), MinMaxScaler((-1, 1)))):
            shift, scale = rule.fit(moments)
            expected = scaler.fit(part).transform(part)
            varies = np.ptp(part, axis=0) > 0
            np.testing.assert_allclose(((part - shift) / scale)[:, varies], expected[:, varies], rtol=1e-6, atol=1e-6)
            assert (scale[~varies] == 1).all() or isinstance(rule, MinMax)


def test_imputed_values_that_never_occur_do_not_widen_the_range():
    x = np.array([[5.0], [6.0], [7.0], [8.0]])
    _, _, (moments, _) = fitted(x, KFold(2))
    assert (float(moments.minimum[0]), float(moments.maximum[0])) == (7.0, 8.0)


def test_blocks_are_disjoint_and_make_up_each_training_part():
    folds = make_folds(np.zeros(40), ShuffleSplit(4, test_size=0.4, random_state=0), classification=False)
    parts, members = blocks(folds, 40)
    assert sorted(np.concatenate(parts)) == list(range(40))
    for fold, mine in zip(folds, members, strict=True):
        assert sorted(np.concatenate([parts[b] for b in mine])) == list(fold.train)
    k_fold = make_folds(np.zeros(40), KFold(4), classification=False)
    assert len(blocks(k_fold, 40)[0]) == 4  # one pass over the rows, not one a fold


@pytest.mark.parametrize("factor", [1e16, -1e100])
@splitters
def test_rows_left_out_cannot_touch_moments_and_maps(splitter, factor):
    x = table()
    folds, encodings, before = fitted(x, splitter)
    for f, fold in enumerate(folds[:4]):
        changed = x.copy()
        changed[fold.validation] = (changed[fold.validation] + 1) * factor
        _, new_encodings, after = fitted(changed, splitter)
        np.testing.assert_array_equal(new_encodings[f].medians, encodings[f].medians)
        np.testing.assert_array_equal(new_encodings[f].indicators, encodings[f].indicators)
        for one, two in zip(after[f], before[f], strict=True):
            np.testing.assert_array_equal(one, two)
        for rule in (NoPreprocessing(), Center(), Standardize(), MinMax()):
            for one, two in zip(rule.fit(after[f]), rule.fit(before[f]), strict=True):
                np.testing.assert_array_equal(one, two)


def test_target_scale_is_that_of_the_training_rows():
    y = np.array([1.0, 2.0, 3.0, 1e9])
    assert target_scale(y, Fold(np.array([0, 1, 2]), np.array([3]), 0, 0)) == pytest.approx((2.0, np.sqrt(2 / 3)))
    assert target_scale(np.ones(3), Fold(np.arange(3), np.zeros(0, int), 0, 0)) == (1.0, 1.0)
