"""Preprocessing of numbers against scikit-learn's scalers, and the merging of moments."""

import typing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from tenfold.data.moments import column_moments
from tenfold.rules.preprocessing import Center, MinMax, Moments, NoPreprocessing, Preprocessing, Standardize, merge

ORACLES = {
    NoPreprocessing: lambda r: FunctionTransformer(),
    Center: lambda r: StandardScaler(with_std=False),
    Standardize: lambda r: StandardScaler(),
    MinMax: lambda r: MinMaxScaler((r.low, r.high)),
}
RULES = [member() for member in typing.get_args(Preprocessing)] + [MinMax(low=0.0, high=1.0), MinMax(low=2, high=7)]
rules = pytest.mark.parametrize("rule", RULES, ids=repr)


def table(rows=200, seed=0):
    """Columns of many sizes, one with an offset of 1e6, and two that are constant."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 8)) * 10 ** np.linspace(-4, 4, 8)
    x[:, 3] += 1e6
    x[:, 5] = 0.1
    x[:, 6] = 0.0
    return x


def test_every_preprocessing_has_an_oracle():
    assert set(ORACLES) == set(typing.get_args(Preprocessing))


@rules
def test_equals_scikit_learn_on_rows_not_seen(rule):
    x = table()
    train, rest = x[:150], x[150:]
    shift, scale = rule.fit(column_moments(train))
    expected = ORACLES[type(rule)](rule).fit(train).transform(rest)
    np.testing.assert_allclose((rest - shift) / scale, expected, rtol=1e-9, atol=1e-9)


@rules
def test_what_it_does_to_its_own_rows(rule):
    x = table()
    shift, scale = rule.fit(column_moments(x))
    z, varies = (x - shift) / scale, np.ptp(x, axis=0) > 0
    assert (scale > 0).all()
    assert np.isfinite(z).all()
    if isinstance(rule, Center | Standardize):
        assert np.abs(z.mean(0)).max() <= 1e-9 * max(1, np.ptp(z, axis=0).max())
    if isinstance(rule, Standardize):
        np.testing.assert_allclose(z[:, varies].std(0), 1, rtol=1e-9)
        np.testing.assert_allclose(z[:, ~varies], 0, atol=1e-12)
    if isinstance(rule, MinMax):
        np.testing.assert_allclose(z[:, varies].min(0), rule.low, rtol=1e-9)
        np.testing.assert_allclose(z[:, varies].max(0), rule.high, rtol=1e-9)
        np.testing.assert_allclose(z[:, ~varies], rule.low, rtol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e9, -1e9])
@pytest.mark.parametrize("rows", [1, 37, 5000])
def test_a_constant_column_has_scale_one_whatever_its_offset_and_length(offset, rows):
    x = np.full((rows, 1), 0.1 + offset)
    for rule in RULES:
        assert rule.fit(column_moments(x)).scale == 1, rule


@pytest.mark.parametrize("size", [1e-170, 1e-300, 1e150])
def test_extreme_sizes_give_finite_maps(size):
    x = np.linspace(-1, 1, 50)[:, None] * size
    for rule in RULES:
        shift, scale = rule.fit(column_moments(x))
        assert np.isfinite((x - shift) / scale).all(), rule


floats = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(st.lists(floats, max_size=12), min_size=1, max_size=5))
def test_merged_moments_are_those_of_all_rows(parts):
    rows = np.array([value for part in parts for value in part])[:, None]
    merged = column_moments(np.array(parts[0]).reshape(-1, 1))
    for part in parts[1:]:
        merged = merge(merged, column_moments(np.array(part).reshape(-1, 1)))
    assert merged.count == len(rows)
    if len(rows):
        scale = max(1.0, float(np.abs(rows).max()))
        assert merged.mean == pytest.approx(rows.mean(), rel=1e-12, abs=1e-12 * scale)
        assert merged.squares == pytest.approx(((rows - rows.mean()) ** 2).sum(), rel=1e-10, abs=1e-10 * scale**2)
        assert (merged.minimum, merged.maximum) == (rows.min(), rows.max())


def test_an_empty_part_is_neutral():
    some, none = column_moments(table()), column_moments(np.zeros((0, 8)))
    for merged in (merge(some, none), merge(none, some)):
        for one, two in zip(merged, some, strict=True):
            np.testing.assert_array_equal(one, two)


def test_no_digits_are_lost_to_an_offset():
    x = np.random.default_rng(3).standard_normal((1000, 1)) + 1e9
    merged = merge(column_moments(x[:300]), column_moments(x[300:]))
    exact = (x - 1e9 - (x - 1e9).mean()) ** 2
    assert float(merged.squares[0]) == pytest.approx(float(exact.sum()), rel=1e-7)
    assert isinstance(merged, Moments)
