"""Numbers far from all others are named; columns that are only wide are not."""

import numpy as np
import pytest

from tenfold.data.columns.table import Column, Table
from tenfold.data.profile.outliers import far_values

RNG = np.random.default_rng(5)


def said(values: np.ndarray, lines: np.ndarray | None = None) -> str:
    column = Column("c", "number", values)
    return far_values(Table("t", "t.csv", (column,), lines=lines), column)


@pytest.mark.parametrize("far", [1e20, -1e20, 1e6])
def test_one_huge_cell_is_named_with_its_place_and_how_far_it_is(far: float) -> None:
    values = RNG.normal(size=400)
    values[[3, 7]] = np.nan, far
    text = said(values, np.arange(2, 402))
    assert text.startswith(f"{far:.0f} on line 9 is ".replace("e+", "e")) or f"{far!r} on line 9 is " in text
    assert "more" not in text


def test_several_are_counted() -> None:
    values = np.concatenate([RNG.normal(size=100), [1e9, 1e12, 1e10]])
    assert "1000000000000 on row 102" in said(values)
    assert "and 2 more" in said(values)


@pytest.mark.parametrize(
    "values",
    [
        RNG.normal(size=400),
        RNG.lognormal(sigma=1.5, size=100_000),
        RNG.standard_cauchy(size=100) * 3,
        np.r_[np.zeros(300), RNG.uniform(1, 99999, 40)],
        np.r_[np.zeros(30), np.full(30, np.nan), 1.0],
        RNG.integers(0, 2, 200) * 1.0,
        np.array([1.0, 1e30]),
        1e12 + RNG.normal(size=50),
    ],
)
def test_wide_columns_are_not_named(values: np.ndarray) -> None:
    assert said(values) == ""


def test_a_huge_cell_among_equal_ones_is_named() -> None:
    assert "on row 31" in said(np.r_[np.zeros(30), 1e20])
