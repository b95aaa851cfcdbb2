"""Preprocessing against scikit-learn, scipy and numpy, what each rule claims, and the merging of moments."""

import typing

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.linalg import fractional_matrix_power
from scipy.stats import norm
from sklearn import decomposition
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, QuantileTransformer, RobustScaler, StandardScaler

from tenfold.data.feed.moments import column_moments, quantiles_of
from tenfold.errors import BadInput
from tenfold.rules.preprocessing import (
    PCA,
    Affine,
    Center,
    CenterChannel,
    CenterImage,
    MinMax,
    Moments,
    NoPreprocessing,
    Preprocessing,
    QuantileNormal,
    RobustClip,
    Standardize,
    StandardizeChannel,
    WhitenPCA,
    WhitenZCA,
    apply_affine,
    merge,
    undo,
)
from tenfold.rules.record import preset

IMAGE = (4, 3, 2)


def sklearn(make):
    return lambda rule, train, rest: make(rule).fit(train).transform(rest)


def by_components(rule, train, rest):
    """scikit-learn's PCA, on standardized columns if the rule says so; whitened by n, not n - 1; zeros behind."""
    if rule.standardize:
        scaler = StandardScaler().fit(train)
        train, rest = scaler.transform(train), scaler.transform(rest)
    keep = rule.components if rule.components is not None else rule.variance
    pca = decomposition.PCA(keep, svd_solver="full").fit(train)
    z = pca.transform(rest)
    if isinstance(rule, WhitenPCA):
        z /= np.sqrt(pca.explained_variance_ * (1 - 1 / len(train)) + rule.epsilon)
    return np.pad(z, ((0, 0), (0, train.shape[1] - z.shape[1])))


def by_matrix_power(rule, train, rest):
    scale = train.std(0) if rule.standardize else 1.0
    cov = np.cov((train / scale).T, bias=True) + rule.epsilon * np.eye(train.shape[1])
    return (rest - train.mean(0)) / scale @ fractional_matrix_power(cov, -0.5)


def by_quartiles(rule, train, rest):
    """scikit-learn's RobustScaler, and the limit; as RealMLP's, half the range where the quartiles are equal."""
    scaler = RobustScaler().fit(train)
    same = np.subtract(*np.quantile(train, [0.75, 0.25], axis=0)) == 0
    half = np.where(np.ptp(train, axis=0) > 0, np.ptp(train, axis=0) / 2, 1.0)
    z = (rest - scaler.center_) / np.where(same, half, scaler.scale_)
    return z / np.sqrt(1 + (z / rule.limit) ** 2)


def by_normal_line(rule, train, rest):
    """numpy's interpolation between the distinct quantiles of a column at the normal quantiles of their shares."""
    out = np.zeros_like(rest)
    for column in range(rest.shape[1]):
        quantiles = np.quantile(train[:, column], np.arange(1001) / 1000)
        knots, inverse = np.unique(quantiles, return_inverse=True)
        share = np.bincount(inverse, np.arange(1001) / 1000) / np.bincount(inverse)
        out[:, column] = np.interp(rest[:, column], knots, norm.ppf(np.clip(share, 1e-7, 1 - 1e-7)))
    return out


def by_axes(axes, *, std):
    """Moments of images (rows, height, width, channels) over these axes."""

    def oracle(rule, train, rest):
        train, rest = train.reshape(-1, *IMAGE), rest.reshape(-1, *IMAGE)
        return ((rest - train.mean(axes)) / (train.std(axes) if std else 1.0)).reshape(len(rest), -1)

    return oracle


ORACLES = {
    NoPreprocessing: sklearn(lambda r: FunctionTransformer()),
    Center: sklearn(lambda r: StandardScaler(with_std=False)),
    Standardize: sklearn(lambda r: StandardScaler()),
    MinMax: sklearn(lambda r: MinMaxScaler((r.low, r.high))),
    RobustClip: by_quartiles,
    QuantileNormal: by_normal_line,
    PCA: by_components,
    WhitenPCA: by_components,
    WhitenZCA: by_matrix_power,
    CenterImage: by_axes(0, std=False),
    CenterChannel: by_axes((0, 1, 2), std=False),
    StandardizeChannel: by_axes((0, 1, 2), std=True),
}
RULES = [
    *(member() for member in typing.get_args(Preprocessing)),
    MinMax(low=0.0, high=1.0),
    MinMax(low=2, high=7),
    RobustClip(limit=0.5),
    RobustClip(limit=1e4),
    PCA(variance=0.8),
    PCA(components=5),
    PCA(variance=None),
    PCA(standardize=True),
    WhitenPCA(epsilon=0.0, variance=None),
    WhitenPCA(components=3, epsilon=0.1),
    WhitenPCA(standardize=True),
    WhitenZCA(epsilon=0.0),
    WhitenZCA(epsilon=0.5),
    WhitenZCA(epsilon=0.0, standardize=True),
]
rules = pytest.mark.parametrize("rule", RULES, ids=repr)
ROTATES = (PCA, WhitenPCA, WhitenZCA)
ALONE = [rule for rule in RULES if not rule.needs_scatter and not rule.images_only]


def moments(x, image=None):
    ordered = np.sort(x, axis=0)
    quantiles = np.stack([quantiles_of(column) for column in ordered.T], 1) if x.size else np.zeros((1001, x.shape[1]))
    return column_moments(x, scatter=True)._replace(image=image, quantiles=quantiles)


def table(rows=200, seed=0):
    """Columns of many sizes, one with an offset of 1e6, and two that are constant."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 8)) * 10 ** np.linspace(-4, 4, 8)
    x[:, 3] += 1e6
    x[:, 5] = 0.1
    x[:, 6] = 0.0
    return x


def mixed(rows=200, columns=24, seed=0):
    """Correlated columns of full rank with an offset: variances of the axes from about 1e-3 to 1e3."""
    rng = np.random.default_rng(seed)
    sizes = 10 ** np.linspace(-1.5, 1.5, columns)
    turn, _ = np.linalg.qr(rng.standard_normal((columns, columns)))
    return rng.standard_normal((rows, columns)) * sizes @ turn + rng.standard_normal(columns)


def digits(rows=None):
    x = load_digits().data / 16
    return x[np.random.default_rng(0).permutation(len(x))[:rows]]


def covariance(z):
    return np.cov(z.T, bias=True)


def test_every_preprocessing_has_an_oracle():
    assert set(ORACLES) == set(typing.get_args(Preprocessing))


@rules
def test_equals_the_oracle_on_rows_not_seen(rule):
    x = mixed()
    train, rest = x[:150], x[150:]
    z = apply_affine(rule.fit(moments(train, IMAGE)), rest)
    expected = ORACLES[type(rule)](rule, train, rest)
    np.testing.assert_allclose(z, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("rule", ALONE, ids=repr)
def test_equals_scikit_learn_on_columns_of_all_sizes(rule):
    x = table()
    train, rest = x[:150], x[150:]
    z = apply_affine(rule.fit(moments(train)), rest)
    np.testing.assert_allclose(z, ORACLES[type(rule)](rule, train, rest), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", ALONE, ids=repr)
def test_what_it_does_to_its_own_rows(rule):
    x = table()
    affine = rule.fit(moments(x))
    z, varies = apply_affine(affine, x), np.ptp(x, axis=0) > 0
    assert (affine.scale > 0).all()
    assert np.isfinite(z).all()
    if isinstance(rule, NoPreprocessing):
        np.testing.assert_array_equal(z, x)
    if isinstance(rule, Center | Standardize):
        assert np.abs(z.mean(0)).max() <= 1e-9 * max(1, np.ptp(z, axis=0).max())
    if isinstance(rule, Standardize):
        np.testing.assert_allclose(z[:, varies].std(0), 1, rtol=1e-9)
        np.testing.assert_allclose(z[:, ~varies], 0, atol=1e-12)
    if isinstance(rule, MinMax):
        np.testing.assert_allclose(z[:, varies].min(0), rule.low, rtol=1e-9)
        np.testing.assert_allclose(z[:, varies].max(0), rule.high, rtol=1e-9)
        np.testing.assert_allclose(z[:, ~varies], rule.low, rtol=1e-9)


# The limit


def test_a_limit_bounds_every_input_and_keeps_the_order():
    x = np.random.default_rng(2).standard_cauchy((500, 3)) * [1e-3, 1.0, 1e6]
    affine = RobustClip().fit(moments(x))
    far = np.concatenate([x, [[1e300] * 3, [-1e300] * 3, [3e38] * 3]])
    z = apply_affine(affine, far)
    assert (np.abs(z) <= 3).all()
    np.testing.assert_array_equal(z[500:502], [[3.0] * 3, [-3.0] * 3])
    assert (np.diff(np.sort(far, axis=0), axis=0) >= 0).all()
    for column in range(3):
        assert (np.diff(z[np.argsort(far[:, column]), column]) >= 0).all()


def test_a_quarter_of_outliers_does_not_move_the_scale_of_the_others():
    x = np.random.default_rng(2).standard_normal((400, 1))
    moved = x.copy()
    moved[np.argsort(x[:, 0])[-80:]] *= 1e6
    for one, two in zip(RobustClip().fit(moments(x)), RobustClip().fit(moments(moved)), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_third_of_the_limit_is_bent_by_five_percent():
    affine = Affine(np.zeros(1), np.ones(1), limit=np.full(1, 3.0))
    assert apply_affine(affine, np.array([[1.0]]))[0, 0] == pytest.approx(0.9487, abs=1e-4)


def test_a_column_with_equal_quartiles_is_divided_by_half_its_range():
    x = np.zeros((100, 2))
    x[:3, 0], x[3:5, 0] = 5.0, -1.0
    affine = RobustClip().fit(moments(x))
    np.testing.assert_array_equal(affine.shift, [0.0, 0.0])
    np.testing.assert_array_equal(affine.scale, [3.0, 1.0])


# Ranks


def quantile_transformer(train):
    return QuantileTransformer(n_quantiles=1001, output_distribution="normal", subsample=None).fit(train)


def test_ranks_equal_scikit_learns_at_the_quantiles():
    x = np.random.default_rng(1).standard_cauchy((1001, 3)) * [1e-3, 1.0, 1e5]
    z = apply_affine(QuantileNormal().fit(moments(x)), x)
    np.testing.assert_allclose(z, quantile_transformer(x).transform(x), rtol=1e-9, atol=1e-9)
    assert np.abs(z).max() == pytest.approx(5.199, abs=1e-3)
    other = np.random.default_rng(2).standard_cauchy((4000, 3)) * [1e-3, 1.0, 1e5]
    ours, theirs = (f(other) for f in (lambda r: apply_affine(QuantileNormal().fit(moments(x)), r),
                                       quantile_transformer(x).transform))  # fmt: skip
    middle = np.abs(theirs) < 2.3  # where their line, drawn in shares, is nearly straight in z
    np.testing.assert_allclose(ours[middle], theirs[middle], atol=2e-3)


def test_equal_values_get_the_middle_of_their_shares():
    x = np.repeat([0.0, 1.0, 2.0, 7.0], [300, 200, 101, 400])[:, None]
    affine = QuantileNormal().fit(moments(x))
    z = apply_affine(affine, np.array([[0.0], [1.0], [2.0], [7.0], [-5.0], [9.0], [4.5]]))[:, 0]
    expected = norm.ppf([0.1495, 0.3995, 0.55, 0.8005])
    np.testing.assert_allclose(z[:4], expected, atol=1e-9)
    np.testing.assert_allclose(z[4:6], expected[[0, 3]], atol=1e-9)
    np.testing.assert_allclose(z[6], expected[2:].mean(), atol=1e-9)
    inner = quantile_transformer(x).transform(x)[300:601, 0]
    np.testing.assert_allclose(apply_affine(affine, x)[300:601, 0], inner, atol=1e-9)


def test_a_rising_function_of_a_column_gives_the_same_ranks():
    x = np.random.default_rng(3).normal(size=(1001, 2))
    one, two = (apply_affine(QuantileNormal().fit(moments(part)), part) for part in (x, np.exp(3 * x)))
    np.testing.assert_allclose(one, two, atol=1e-9)


def test_values_that_differ_by_a_rounding_have_one_rank():
    x = np.cos(2 * np.pi * (np.arange(700) % 7) / 7)[:, None]  # the place of a day in the week
    assert len(np.unique(x)) > 4
    z = apply_affine(QuantileNormal().fit(moments(x)), x)[:7, 0]
    np.testing.assert_allclose(z, [z[0], z[1], z[2], z[3], z[3], z[2], z[1]], atol=1e-9)
    expected = norm.ppf([0.8571 + 0.0714, 0.7143, 0.4286, 0.1429])
    np.testing.assert_allclose(z[:4], expected, atol=1e-2)  # of 1,001 quantiles, not of 700 rows


def test_a_rule_of_quantiles_needs_them():
    for rule in [rule for rule in RULES if rule.needs_quantiles]:
        with pytest.raises(ValueError, match="quantiles"):
            rule.fit(column_moments(mixed()))


def test_mean_and_std_of_the_training_rows_are_exact():
    z = apply_affine(Standardize().fit(moments(mixed())), mixed())
    assert np.abs(z.mean(0)).max() <= 1e-12
    assert np.abs(z.std(0) - 1).max() <= 1e-12


def test_centring_takes_the_largest_eigenvalue_of_the_curvature_away():
    x = digits()
    before, after = (np.linalg.norm(z, 2) ** 2 for z in (x, apply_affine(Center().fit(moments(x)), x)))
    assert before / after == pytest.approx(15, rel=0.05)


@pytest.mark.parametrize("offset", [0.0, 1e9, -1e9])
@pytest.mark.parametrize("rows", [1, 37, 5000])
def test_a_constant_column_has_scale_one_whatever_its_offset_and_length(offset, rows):
    x = np.full((rows, 1), 0.1 + offset)
    for rule in RULES:
        affine = rule.fit(moments(x, (1, 1, 1)))
        assert affine.scale == 1, rule
        assert (affine.rotation is not None) == isinstance(rule, ROTATES), rule
        if affine.rotation is not None:
            assert affine.rotation == 0, rule


def test_a_column_that_varies_by_rounding_alone_is_constant():
    x = np.array([[0.1 + 0.2], [0.3], [0.3]])
    assert np.ptp(x) > 0
    for rule in RULES:
        assert rule.fit(moments(x, (1, 1, 1))).scale == 1, rule


@pytest.mark.parametrize("size", [1e-170, 1e-300, 1e150])
def test_extreme_sizes_give_finite_maps(size):
    x = np.linspace(-1, 1, 50)[:, None] * size
    for rule in RULES:
        assert np.isfinite(apply_affine(rule.fit(moments(x, (1, 1, 1))), x)).all(), rule


def test_no_columns_give_maps():
    x = np.zeros((5, 0))
    for rule in [rule for rule in RULES if not rule.images_only]:
        affine = rule.fit(moments(x))
        assert apply_affine(affine, x).shape == x.shape, rule
        assert affine.kept == 0


# Round trips


@rules
def test_undo_gives_the_rows_back_or_their_projection(rule):
    x = mixed()
    affine = rule.fit(moments(x, IMAGE))
    back = undo(affine, apply_affine(affine, x))
    expected = x
    if affine.kept < x.shape[1]:
        assert isinstance(rule, PCA | WhitenPCA)
        *_, axes = np.linalg.svd((x - x.mean(0)) / affine.scale)
        axes = axes[: affine.kept]
        expected = x.mean(0) + (x - x.mean(0)) / affine.scale @ axes.T @ axes * affine.scale
        assert np.abs(back - x).max() > 1e-3
    np.testing.assert_allclose(back, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(apply_affine(affine, back), apply_affine(affine, x), rtol=1e-9, atol=1e-9)


def test_the_map_without_rotation_is_column_by_column():
    affine = Affine(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    np.testing.assert_array_equal(apply_affine(affine, np.array([[3.0, 10.0]])), [[1.0, 2.0]])
    np.testing.assert_array_equal(undo(affine, np.array([[1.0, 2.0]])), [[3.0, 10.0]])
    assert affine.kept == 2


# Principal components


def test_components_are_uncorrelated_with_falling_variances():
    for x in (mixed(), digits()):
        cov = covariance(apply_affine(PCA(variance=None).fit(moments(x)), x))
        spectrum = np.diag(cov)
        assert np.abs(cov - np.diag(spectrum)).max() <= 1e-12 * max(1, spectrum[0])
        assert (np.diff(spectrum) <= 1e-12).all()
        np.testing.assert_allclose(spectrum.sum(), covariance(x).trace(), rtol=1e-12)


def test_a_share_of_variance_keeps_the_fewest_components_that_hold_it():
    x = digits()
    variances = np.sort(np.linalg.eigvalsh(covariance(x)))[::-1]
    for share in (0.1, 0.5, 0.8, 0.95, 0.99):
        kept = PCA(variance=share).fit(moments(x)).kept
        assert kept == decomposition.PCA(share).fit(x).n_components_
        assert variances[: kept - 1].sum() < share * variances.sum() <= variances[:kept].sum()
    assert PCA(variance=0.95).fit(moments(x)).kept in (28, 29)
    assert PCA(variance=1.0).fit(moments(x)).kept == PCA(variance=None).fit(moments(x)).kept == 61


def test_components_win_over_variance_and_end_at_the_rank():
    x = mixed(rows=10)
    assert PCA(components=4, variance=0.999).fit(moments(x)).kept == 4
    assert PCA(components=1000).fit(moments(x)).kept == 9
    assert PCA(variance=None).fit(moments(x)).kept == 9
    assert WhitenPCA(components=4).fit(moments(x)).kept == 4


def test_kept_components_stand_in_front_of_zeros():
    x = mixed()
    for rule in (PCA(components=5), WhitenPCA(components=5)):
        affine = rule.fit(moments(x))
        z = apply_affine(affine, x)
        assert z.shape == x.shape
        assert (z[:, 5:] == 0).all()
        assert (z[:, :5].std(0) > 0).all()
        assert affine.kept == 5


def test_signs_make_the_largest_loading_positive():
    x = mixed()
    rotation = PCA(variance=None).fit(moments(x)).rotation
    largest = np.abs(rotation).argmax(0)
    assert (rotation[largest, np.arange(24)] > 0).all()
    np.testing.assert_array_equal(rotation, PCA(variance=None).fit(moments(x)).rotation)


def test_the_unit_of_a_column_matters_unless_standardized():
    x = mixed()
    scaled = x * np.where(np.arange(24) == 7, 1e6, 1.0)
    first = PCA(components=1).fit(moments(scaled)).rotation[:, 0]
    assert abs(first[7]) > 1 - 1e-6
    one, two = (apply_affine(PCA(standardize=True).fit(moments(part)), part) for part in (x, scaled))
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-150, 1e-9, 1e9])
def test_what_is_a_null_direction_does_not_depend_on_the_unit_of_all_columns(unit):
    x = mixed()
    one, two = (PCA().fit(moments(part)) for part in (x, x * unit))
    np.testing.assert_allclose(apply_affine(one, x), apply_affine(two, x * unit) / unit, rtol=1e-9, atol=1e-9)
    assert (np.abs(one.rotation).sum(0) > 0).sum() == (np.abs(two.rotation).sum(0) > 0).sum() > 1


# Whitening


def white(z):
    return np.abs(covariance(z) - np.eye(z.shape[1])).max()


def test_whitened_rows_have_the_identity_as_covariance_on_the_kept_rank():
    mild = mixed()[:, :8]
    for x, rank in ((mild, 8), (digits(1000), 60), (digits(), 61)):
        affine = WhitenPCA(epsilon=0.0, variance=None).fit(moments(x))
        assert affine.kept == rank
        variances = np.sort(np.linalg.eigvalsh(covariance(x)))[::-1]
        condition = variances[0] / variances[rank - 1]  # about 30, 2e5 and 3e5: rounding grows with it
        assert white(apply_affine(affine, x)[:, :rank]) <= max(1e-12, np.finfo(float).eps * condition)
    assert white(apply_affine(WhitenZCA(epsilon=0.0).fit(moments(mild)), mild)) <= 1e-12


def test_whitening_like_scikit_learns_own_test():
    """Its test_whitening: 100 x 80 of rank 50, columns of different variances; 30 components, whitened."""
    rng = np.random.RandomState(0)
    x = rng.randn(100, 50) @ np.diag(np.linspace(10.0, 1.0, 50)) @ rng.randn(50, 80)
    x[:, :50] *= 3
    for keep in (30, 50):
        z = apply_affine(WhitenPCA(epsilon=0.0, components=keep).fit(moments(x)), x)[:, :keep]
        expected = decomposition.PCA(keep, whiten=True, svd_solver="full").fit_transform(x) * np.sqrt(100 / 99)
        np.testing.assert_allclose(np.abs(z), np.abs(expected), rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(z.std(0), 1, rtol=1e-12)
    assert WhitenPCA(epsilon=0.0, components=80).fit(moments(x)).kept == 50


def test_epsilon_shrinks_each_direction_by_its_variance():
    x = mixed()
    spectrum = np.sort(np.linalg.eigvalsh(covariance(x)))[::-1]
    z = apply_affine(WhitenPCA(epsilon=0.3, variance=None).fit(moments(x)), x)
    np.testing.assert_allclose(z.var(0), spectrum / (spectrum + 0.3), rtol=1e-9)


@pytest.mark.parametrize("epsilon", [0.0, 1e-5, 1.0])
@pytest.mark.parametrize("kind", [WhitenPCA, WhitenZCA])
def test_directions_in_which_the_training_rows_do_not_vary_are_not_amplified(kind, epsilon):
    x = mixed()
    x[:, 3] = 0.1  # constant
    x[:, 5] = x[:, 4]  # two columns that are equal
    rule = kind(epsilon=epsilon) if kind is WhitenZCA else kind(epsilon=epsilon, variance=None)
    affine = rule.fit(moments(x))
    changed = x.copy()
    changed[:, 3] += 1.0
    changed[:, 4] += 1.0
    changed[:, 5] -= 1.0
    np.testing.assert_allclose(apply_affine(affine, changed), apply_affine(affine, x), atol=1e-9)
    assert np.linalg.matrix_rank(affine.rotation, tol=1e-6) == 22


def test_zca_is_the_white_map_closest_to_the_rows():
    x = digits()[:, digits().std(0) > 0.05]
    zca, pca = (r.fit(moments(x)) for r in (WhitenZCA(epsilon=0.0), WhitenPCA(epsilon=0.0, variance=None)))
    assert np.abs(zca.rotation - zca.rotation.T).max() <= 1e-12
    centred = x - x.mean(0)

    def likeness(rotation):
        return np.trace(centred.T @ (centred @ rotation))  # sum of covariances of z_j with x_j, times rows

    best = likeness(zca.rotation)
    assert best > likeness(pca.rotation)
    for seed in range(20):
        turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal(zca.rotation.shape))
        assert likeness(zca.rotation @ turn) < best

    def correlation(affine):
        z = apply_affine(affine, x)
        return np.mean([np.corrcoef(x[:, j], z[:, j])[0, 1] for j in range(x.shape[1])])

    assert correlation(zca) > 0.75
    assert abs(correlation(pca)) < 0.2


def test_whitening_with_few_rows_and_a_small_epsilon_hurts_what_is_learnt():
    x, y = load_digits().data / 16, load_digits().target
    order = np.random.default_rng(0).permutation(len(x))
    few, rest = order[:50], order[1000:]

    def accuracy(rule):
        z = apply_affine(rule.fit(moments(x[few])), x)
        return LogisticRegression(C=1e6, max_iter=500).fit(z[few], y[few]).score(z[rest], y[rest])

    assert accuracy(Center()) == pytest.approx(0.82, abs=0.03)
    assert accuracy(WhitenZCA(epsilon=1e-8)) == pytest.approx(0.35, abs=0.05)
    assert accuracy(WhitenZCA()) > accuracy(WhitenZCA(epsilon=1e-8)) + 0.3


def test_presets_are_the_defaults_of_libraries():
    x = mixed()
    assert preset(MinMax, "sklearn") == MinMax(low=0.0, high=1.0)
    assert preset(PCA, "cs231n").components == 100  # its X_rot_reduced is (rows, 100)
    expected = decomposition.PCA().fit_transform(x)
    np.testing.assert_allclose(apply_affine(preset(PCA, "sklearn").fit(moments(x)), x), expected, rtol=1e-9, atol=1e-9)
    expected = decomposition.PCA(whiten=True).fit_transform(x) * np.sqrt(200 / 199)
    np.testing.assert_allclose(
        apply_affine(preset(WhitenPCA, "sklearn").fit(moments(x)), x), expected, rtol=1e-9, atol=1e-9
    )
    centred = x - x.mean(0)  # the lecture's code
    u, s, _ = np.linalg.svd(centred.T @ centred / len(x))
    z = apply_affine(preset(WhitenPCA, "cs231n").fit(moments(x)), x)
    np.testing.assert_allclose(np.abs(z), np.abs(centred @ u / np.sqrt(s + 1e-5)), rtol=1e-9, atol=1e-9)
    _, s, vt = np.linalg.svd(centred / np.sqrt(len(x)), full_matrices=False)  # Keras' legacy ImageDataGenerator
    keras = centred @ ((vt.T / np.sqrt(s**2 + 1e-6)) @ vt)
    np.testing.assert_allclose(apply_affine(preset(WhitenZCA, "keras").fit(moments(x)), x), keras, rtol=1e-9, atol=1e-9)


def test_components_need_the_scatter():
    for rule in [rule for rule in RULES if rule.needs_scatter]:
        with pytest.raises(ValueError, match="scatter"):
            rule.fit(column_moments(mixed()))


# Images


def test_channels_have_mean_zero_and_std_one_and_dead_pixels_are_left_alone():
    x = np.abs(mixed(rows=500)).reshape(-1, *IMAGE)
    x[:, 0, 0] = 0.0
    x[..., 1] += 1e6
    x[7, 0, 0, 0] = 1e-3  # a pixel that varies once
    flat = x.reshape(500, -1)
    z = apply_affine(StandardizeChannel().fit(moments(flat, IMAGE)), flat).reshape(x.shape)
    assert np.abs(z.mean((0, 1, 2))).max() <= 1e-9
    np.testing.assert_allclose(z.std((0, 1, 2)), 1, rtol=1e-9)
    assert np.abs(apply_affine(Standardize().fit(moments(flat)), flat)[7, 0]) > 20
    assert np.abs(z[7, 0, 0, 0]) < 2
    z = apply_affine(CenterChannel().fit(moments(flat, IMAGE)), flat).reshape(x.shape)
    assert np.abs(z.mean((0, 1, 2))).max() <= 1e-9
    z = apply_affine(CenterImage().fit(moments(flat, IMAGE)), flat).reshape(x.shape)
    assert np.abs(z.mean(0)).max() <= 1e-8


def test_a_constant_channel_has_scale_one():
    x = np.abs(mixed()).reshape(-1, *IMAGE)
    x[..., 1] = 0.1
    affine = StandardizeChannel().fit(moments(x.reshape(200, -1), IMAGE))
    assert (affine.scale.reshape(IMAGE)[..., 1] == 1).all()
    assert (affine.scale.reshape(IMAGE)[..., 0] == affine.scale[0]).all()
    assert affine.scale[0] == pytest.approx(x[..., 0].std(), rel=1e-12)


def test_rules_for_images_refuse_tables():
    for rule in [rule for rule in RULES if rule.images_only]:
        with pytest.raises(BadInput, match="is for images"):
            rule.fit(moments(mixed()))


# Merging


floats = st.floats(-1e6, 1e6, allow_nan=False)
pairs = st.lists(st.tuples(floats, floats), max_size=12)


@given(st.lists(pairs, min_size=1, max_size=5))
def test_merged_moments_are_those_of_all_rows(parts):
    rows = np.array([value for part in parts for value in part]).reshape(-1, 2)
    merged = moments(np.array(parts[0]).reshape(-1, 2))
    for part in parts[1:]:
        merged = merge(merged, moments(np.array(part).reshape(-1, 2)))
    assert (merged.count == len(rows)).all()
    if len(rows):
        scale = max(1.0, float(np.abs(rows).max()))
        centred = rows - rows.mean(0)
        np.testing.assert_allclose(merged.mean, rows.mean(0), rtol=1e-12, atol=1e-12 * scale)
        np.testing.assert_allclose(merged.squares, (centred**2).sum(0), rtol=1e-10, atol=1e-10 * scale**2)
        np.testing.assert_allclose(merged.scatter, centred.T @ centred, rtol=1e-10, atol=1e-10 * scale**2)
        np.testing.assert_array_equal(merged.scatter, merged.scatter.T)
        np.testing.assert_array_equal(merged.minimum, rows.min(0))
        np.testing.assert_array_equal(merged.maximum, rows.max(0))


def test_an_empty_part_is_neutral():
    some, none = moments(table(), (2, 2, 2)), moments(np.zeros((0, 8)))
    some = some._replace(quantiles=None)  # of two parts together they are others
    for merged in (merge(some, none), merge(none, some)):
        for one, two in zip(merged, some, strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_part_without_scatter_has_no_merged_scatter():
    assert merge(moments(mixed()), column_moments(mixed())).scatter is None


def test_no_digits_are_lost_to_an_offset():
    x = np.random.default_rng(3).standard_normal((1000, 1)) + 1e9
    merged = merge(moments(x[:300]), moments(x[300:]))
    exact = (x - 1e9 - (x - 1e9).mean()) ** 2
    assert float(merged.squares[0]) == pytest.approx(float(exact.sum()), rel=1e-7)
    assert float(merged.scatter[0, 0]) == pytest.approx(float(exact.sum()), rel=1e-7)
    assert isinstance(merged, Moments)
