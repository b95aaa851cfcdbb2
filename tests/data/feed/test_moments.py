"""Moments of training parts: merged over blocks they equal numpy's on the imputed training rows, and nothing leaks."""

import typing

import numpy as np
import pytest
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.model_selection import KFold, RepeatedKFold, ShuffleSplit, TimeSeriesSplit
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from tenfold.data.feed import moments as module
from tenfold.data.feed.encode import fit_encoding, matrix_inputs, pixel_inputs
from tenfold.data.feed.moments import block_moments, row_blocks, target_scale, training_moments, training_quantiles
from tenfold.data.split.folds import Fold, make_folds
from tenfold.rules.preprocessing import (
    PCA,
    MinMax,
    Preprocessing,
    Standardize,
    StandardizeChannel,
    WhitenPCA,
    apply_affine,
)

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


def complete():
    """Correlated columns with offsets and one that is constant; no missing cells."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((ROWS, 8)) @ rng.standard_normal((8, 8)) + 10 ** np.arange(8.0) / 1e4
    x[:, 2] = 0.1
    return x


def pixels():
    return np.random.default_rng(5).integers(0, 256, (ROWS, 3, 2, 2), dtype=np.uint8)


def fitted(x, splitter, *, scatter=False):
    inputs = matrix_inputs(x) if x.ndim == 2 else pixel_inputs(x)
    folds = make_folds(np.zeros(len(x)), splitter, classification=False)
    encodings = [fit_encoding(inputs, fold.train) for fold in folds]
    moments = training_moments(inputs, folds, encodings, scatter=scatter)
    quantiles = training_quantiles(inputs, folds)
    return folds, encodings, [m._replace(quantiles=q) for m, q in zip(moments, quantiles, strict=True)]


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
            shift, scale = rule.fit(moments)[:2]
            expected = scaler.fit(part).transform(part)
            varies = np.ptp(part, axis=0) > 0
            np.testing.assert_allclose(((part - shift) / scale)[:, varies], expected[:, varies], rtol=1e-6, atol=1e-6)
            assert (scale[~varies] == 1).all() or isinstance(rule, MinMax)


def test_imputed_values_that_never_occur_do_not_widen_the_range():
    x = np.array([[5.0, 1.0], [6.0, np.nan], [7.0, 3.0], [8.0, np.nan]])
    _, _, (moments, _) = fitted(x, KFold(2))
    np.testing.assert_array_equal(moments.minimum, [7.0, 3.0])
    np.testing.assert_array_equal(moments.maximum, [8.0, 3.0])
    np.testing.assert_array_equal(moments.count, [2, 2])


def test_blocks_are_disjoint_and_make_up_each_training_part():
    folds = make_folds(np.zeros(40), ShuffleSplit(4, test_size=0.4, random_state=0), classification=False)
    parts, members = row_blocks(folds, 40)
    assert sorted(np.concatenate(parts)) == list(range(40))
    for fold, mine in zip(folds, members, strict=True):
        assert sorted(np.concatenate([parts[b] for b in mine])) == list(fold.train)
    k_fold = make_folds(np.zeros(40), KFold(4), classification=False)
    assert len(row_blocks(k_fold, 40)[0]) == 4  # one pass over the rows, not one a fold


@pytest.mark.parametrize("factor", [1e16, -1e100])
@splitters
def test_rows_left_out_cannot_touch_moments_and_maps(splitter, factor):
    x = table()
    folds, encodings, before = fitted(x, splitter, scatter=True)
    for f, fold in enumerate(folds[:4]):
        changed = x.copy()
        changed[fold.validation] = (changed[fold.validation] + 1) * factor
        _, new_encodings, after = fitted(changed, splitter, scatter=True)
        np.testing.assert_array_equal(new_encodings[f].medians, encodings[f].medians)
        np.testing.assert_array_equal(new_encodings[f].indicators, encodings[f].indicators)
        same_bits(after[f], before[f])


def same_bits(after, before):
    """Moments of all rows but one fold's, and every map that is fitted on them."""
    for one, two in zip(after, before, strict=True):
        np.testing.assert_array_equal(one, two)
    for rule in [member() for member in typing.get_args(Preprocessing)]:
        if rule.images_only and before.image is None:
            continue
        for one, two in zip(rule.fit(after), rule.fit(before), strict=True):
            np.testing.assert_array_equal(one, two)


@splitters
def test_pixels_left_out_cannot_touch_moments_and_maps(splitter):
    x = pixels()
    folds, _, before = fitted(x, splitter, scatter=True)
    for f, fold in enumerate(folds[:2]):
        changed = x.copy()
        changed[fold.validation] = 255 - changed[fold.validation]
        same_bits(fitted(changed, splitter, scatter=True)[2][f], before[f])


# The scatter


@splitters
@pytest.mark.parametrize("gaps", [False, True])
def test_scatter_equals_numpys_on_each_training_part(splitter, gaps):
    x = table() if gaps else complete()
    if gaps:
        x[:, 1] -= 1e9
    for fold, _, moments in zip(*fitted(x, splitter, scatter=True), strict=True):
        part, _ = imputed(x, fold)
        centred = part - part.mean(0)
        sizes = np.linalg.norm(np.where(np.ptp(part, axis=0) > 0, centred, part), axis=0)
        error = np.abs(moments.scatter - centred.T @ centred)
        assert (error <= 1e-10 * np.outer(sizes, sizes)).all()
        np.testing.assert_allclose(np.diag(moments.scatter), moments.squares, rtol=1e-10, atol=1e-18)


@splitters
def test_principal_components_equal_scikit_learns_on_each_training_part(splitter):
    x = complete()
    for fold, _, moments in zip(*fitted(x, splitter, scatter=True), strict=True):
        part = x[fold.train]
        pca = SklearnPCA(0.99, svd_solver="full").fit(part)
        expected = pca.transform(x)
        z = apply_affine(PCA().fit(moments), x)[:, : expected.shape[1]]
        np.testing.assert_allclose(z, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
        std = np.sqrt(pca.explained_variance_ * (1 - 1 / len(part)))
        z = apply_affine(WhitenPCA(epsilon=0.0).fit(moments), x)[:, : len(std)]
        np.testing.assert_allclose(z, expected / std, rtol=1e-10, atol=1e-9)


def test_scatter_is_merged_over_blocks_where_it_can_be(monkeypatch):
    """One pass over complete rows in k folds; each training part by itself where cells are missing or blocks many."""
    passes = []
    direct = module.imputed_scatter
    monkeypatch.setattr(module, "imputed_scatter", lambda *given: passes.append(given) or direct(*given))
    fitted(complete(), SPLITTERS["k-fold"], scatter=True)
    fitted(table(), SPLITTERS["k-fold"])
    assert not passes
    fitted(table(), SPLITTERS["k-fold"], scatter=True)
    assert len(passes) == 5
    fitted(complete(), SPLITTERS["shuffled"], scatter=True)
    assert len(passes) == 11


def test_no_scatter_unless_asked_for():
    assert all(moments.scatter is None for moments in fitted(complete(), SPLITTERS["k-fold"])[2])


# Quantiles


@splitters
@pytest.mark.parametrize("x", [table(), pixels()], ids=["table", "pixels"])
def test_quantiles_equal_numpys_on_the_cells_of_each_training_part(splitter, x):
    values = x.reshape(ROWS, -1) / 255 if x.dtype == np.uint8 else x
    for fold, _, moments in zip(*fitted(x, splitter), strict=True):
        for column, found in enumerate(moments.quantiles.T):
            cells = values[fold.train, column]
            cells = cells[~np.isnan(cells)]
            expected = np.quantile(cells, np.arange(1001) / 1000) if len(cells) else np.zeros(1001)
            np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13 * np.abs(expected).max())
            assert found[0] == min(cells, default=0.0)
            assert found[-1] == max(cells, default=0.0)


def test_a_column_is_sorted_once_for_all_folds(monkeypatch):
    sorts = []
    argsort = np.argsort
    monkeypatch.setattr(np, "argsort", lambda *given, **how: sorts.append(given) or argsort(*given, **how))
    inputs = matrix_inputs(complete())
    folds = make_folds(np.zeros(ROWS), KFold(5), classification=False)
    sorts.clear()
    training_quantiles(inputs, folds)
    assert len(sorts) == 8


@pytest.mark.parametrize("share", [0.0, 0.0004, 0.25, 0.3333, 0.5, 1.0])
def test_a_quantile_at_any_share_lies_between_its_neighbours(share):
    x = np.random.default_rng(0).standard_normal((2001, 1))
    (_, _, moments) = fitted(x, KFold(2))
    for fold, m in zip(make_folds(np.zeros(2001), KFold(2), classification=False), moments, strict=True):
        assert m.quantile(share)[0] == pytest.approx(np.quantile(x[fold.train], share), abs=1e-3)


# Images


@splitters
def test_moments_of_bytes_are_those_of_their_values(splitter):
    x = pixels()
    flat = x.reshape(ROWS, -1) / 255
    for fold, _, moments in zip(*fitted(x, splitter, scatter=True), strict=True):
        part = flat[fold.train]
        assert moments.image == (3, 2, 2)
        np.testing.assert_allclose(moments.mean, part.mean(0), rtol=1e-13)
        np.testing.assert_allclose(moments.squares, part.var(0) * len(part), rtol=1e-10)
        np.testing.assert_allclose(moments.scatter, np.cov(part.T, bias=True) * len(part), rtol=1e-10, atol=1e-10)
        np.testing.assert_array_equal(moments.minimum, part.min(0))
        np.testing.assert_array_equal(moments.maximum, part.max(0))
        shift, scale = StandardizeChannel().fit(moments)[:2]
        channels = part.reshape(-1, 2)
        np.testing.assert_allclose(shift, np.tile(channels.mean(0), 6), rtol=1e-12)
        np.testing.assert_allclose(scale, np.tile(channels.std(0), 6), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 1000, 8 * 12 * 10])
def test_moments_do_not_depend_on_the_size_of_chunks(monkeypatch, size):
    inputs, rows = pixel_inputs(pixels()), np.arange(3, 80)
    whole = block_moments(inputs, rows, scatter=True)
    scatter = module.imputed_scatter(inputs, rows, np.zeros(12), whole.mean)
    monkeypatch.setattr(module, "CHUNK", size)
    for one, two in zip(block_moments(inputs, rows, scatter=True)[:7], whole[:7], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(module.imputed_scatter(inputs, rows, np.zeros(12), whole.mean), scatter, atol=1e-12)
    np.testing.assert_allclose(scatter, whole.scatter, rtol=1e-12, atol=1e-12)


def test_target_scale_is_that_of_the_training_rows():
    y = np.array([1.0, 2.0, 3.0, 1e9])
    assert target_scale(y, Fold(np.array([0, 1, 2]), np.array([3]), 0, 0)) == pytest.approx((2.0, np.sqrt(2 / 3)))
    assert target_scale(np.ones(3), Fold(np.arange(3), np.zeros(0, int), 0, 0)) == (1.0, 1.0)
