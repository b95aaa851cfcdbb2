"""The elementary functions of the compiled lanes against mpmath: within 2 units in the last place, and right at the
ends of the range, at every level of the processor."""

from functools import cache

import mpmath
import numpy as np
import pytest

NAN, INF = np.nan, np.inf
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def exact_sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


# Each with the part of the line where it is asked for: of the exponentials to where they are 0 or infinite.
FUNCTIONS = {
    "exponential": (mpmath.exp, -INF, INF),
    "exponential_up_to_60": (mpmath.exp, -INF, 60),
    "exponential_minus_1": (mpmath.expm1, -INF, INF),
    "exponential_minus_1_up_to_0": (mpmath.expm1, -INF, 0),
    "logarithm": (mpmath.log, 0, INF),
    "logarithm_1_plus": (mpmath.log1p, -1, INF),
    "logarithm_1_plus_0_to_1": (mpmath.log1p, 0, 1),
    "hyperbolic_tangent": (mpmath.tanh, -INF, INF),
    "sigmoid": (exact_sigmoid, -INF, INF),
    "error_function": (mpmath.erf, -INF, INF),
}
# Where one formula or power of two gives way to the next, most of all.
SEAMS = np.array([0.41421356, 0.625, 1, 2, 4, 6, 10, 20, 40, *np.log(2) * np.arange(0.5, 4), 2**-0.5, 2**0.5])


@cache
def points(name, dtype):
    """Of its part of the line: dense near 0 and 1, over the whole range of exp, over all sizes, and at the seams."""
    rng, finite = np.random.default_rng(0), np.finfo(dtype)
    _, low, high = FUNCTIONS[name]
    end = 750 if dtype is np.float64 else 105
    sizes = 2.0 ** rng.uniform(-40, 0, 300)
    seams = np.concatenate([SEAMS, -SEAMS]).astype(dtype)
    all_sizes = 2.0 ** rng.uniform(finite.minexp - finite.nmant, finite.maxexp - 0.001, 300)
    x = np.concatenate([
        rng.uniform(-end, end, 500), rng.uniform(-8, 8, 1500), rng.uniform(-1, 1, 1000), sizes, -sizes, 1 + sizes / 2,
        1 - sizes / 2, sizes - 1, all_sizes, -all_sizes, seams, np.nextafter(seams, dtype(9)),
        [finite.max, finite.tiny],
    ]).astype(dtype)  # fmt: skip
    return x[(low < x) & (x < high)]


@cache
def exact(name, dtype):
    """The function at its points as two numbers of double precision that add up to it; infinite where dtype ends."""
    with mpmath.workprec(160):
        values = [FUNCTIONS[name][0](mpmath.mpf(float(x))) for x in points(name, dtype)]
        beyond = mpmath.mpf(float(np.finfo(dtype).max)) * (1 + mpmath.mpf(float(np.finfo(dtype).eps)) / 4)
        high = np.array([float(v) if abs(v) < beyond else INF * mpmath.sign(v) for v in values], np.float64)
        low = np.array([float(v - h) if np.isfinite(h) else 0.0 for v, h in zip(values, high, strict=True)])
    return high, low


def units(got, high, low):
    """How far off, in units of the last place of the exact number."""
    finite = np.finfo(got.dtype)
    exponent = np.where(np.isfinite(high), np.frexp(high)[1] - 1, finite.maxexp)
    last = np.ldexp(1.0, np.clip(exponent, finite.minexp, finite.maxexp - 1) - finite.nmant)
    with np.errstate(invalid="ignore"):
        off = np.abs((got.astype(np.float64) - high) - low) / last
    off[got == high] = (np.abs(low) / last)[got == high]
    return np.where((np.abs(high) < finite.tiny) & (got == 0), 0, off)  # may be flushed to 0


@DTYPES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_within_two_units_in_the_last_place(level, name, dtype):
    x = points(name, dtype)
    got = level.function(name, level.aligned(x, dtype))[: len(x)]
    off = units(got, *exact(name, dtype))
    assert len(x) > 1000
    assert np.nanmax(off) <= 2, (x[np.nanargmax(off)], got[np.nanargmax(off)])
    assert not np.isnan(off).any()


@DTYPES
def test_the_measure_counts_units(dtype):
    """Three numbers further is three units, and an infinite number is not near the largest one."""
    high = np.array([1.25, -3e-5, 1e30])
    near = high.astype(dtype)
    off = units((near + 3 * np.spacing(near)).astype(dtype), near.astype(np.float64), np.zeros(3))
    np.testing.assert_array_equal(off, 3)
    largest = np.array([np.finfo(dtype).max], dtype)
    assert not units(np.array([INF], dtype), largest.astype(np.float64), np.zeros(1)) <= 2


ENDS = {
    "exponential": [(NAN, NAN), (INF, INF), (-INF, 0), (0, 1), (800, INF), (-800, 0), (1e30, INF), (-1e30, 0)],
    "exponential_up_to_60": [(NAN, NAN), (-INF, 0), (0, 1), (-800, 0), (-1e30, 0)],
    "exponential_minus_1": [(NAN, NAN), (INF, INF), (-INF, -1), (0, 0), (800, INF), (-800, -1), (1e30, INF)],
    "exponential_minus_1_up_to_0": [(NAN, NAN), (-INF, -1), (0, 0), (-800, -1)],
    "logarithm": [(NAN, NAN), (INF, INF), (-INF, NAN), (0, -INF), (-0.0, -INF), (-1, NAN), (-1e-30, NAN), (1, 0)],
    "logarithm_1_plus": [(NAN, NAN), (INF, INF), (-INF, NAN), (0, 0), (-1, -INF), (-1.5, NAN), (-1e30, NAN)],
    "logarithm_1_plus_0_to_1": [(NAN, NAN), (0, 0)],
    "hyperbolic_tangent": [(NAN, NAN), (INF, 1), (-INF, -1), (0, 0), (-800, -1), (1e30, 1)],
    "sigmoid": [(NAN, NAN), (INF, 1), (-INF, 0), (0, 0.5), (-800, 0), (800, 1), (-1e30, 0)],
    "error_function": [(NAN, NAN), (INF, 1), (-INF, -1), (0, 0), (-800, -1), (1e30, 1)],
}


@DTYPES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_right_at_its_ends(level, name, dtype):
    x, expected = np.array(ENDS[name], dtype).T
    for one, value in zip(x, expected, strict=True):
        got = level.function(name, level.aligned(one, dtype))
        np.testing.assert_array_equal(got, value, err_msg=f"{name}({one})")


@DTYPES
@pytest.mark.parametrize("name", ["hyperbolic_tangent", "error_function"])
def test_an_odd_function_is_odd(level, name, dtype):
    x = level.aligned(points(name, dtype), dtype)
    np.testing.assert_array_equal(level.function(name, level.aligned(-x, dtype)), -level.function(name, x))


@DTYPES
def test_a_number_does_not_depend_on_its_neighbours(level, dtype):
    """The same bits alone as between others, infinite and NaN ones included: lanes are reproducible."""
    for name in FUNCTIONS:
        x = level.aligned(np.concatenate([points(name, dtype)[:200], [NAN, INF, -INF, 0]]), dtype)
        together = level.function(name, x)
        alone = [level.function(name, level.aligned(one, dtype))[0] for one in x]
        np.testing.assert_array_equal(together, alone)


def test_an_unknown_name_is_said_to_be_unknown(level):
    with pytest.raises(AssertionError, match="no_such_function"):
        level.function("no_such_function", level.aligned(1, np.float64))
