"""Rows that nearly repeat another, columns that name groups: found where planted, silent elsewhere."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from tenfold.data.columns.schema import decide_schema
from tenfold.data.columns.table import Column, Table
from tenfold.data.columns.target import read_target
from tenfold.data.feed.encode import Inputs, matrix_inputs, pixel_inputs
from tenfold.data.profile.card import make_card
from tenfold.data.profile.near_repeats import ALIKE, NEAR, group_share, near_share

from ..examples import number, text

RNG = np.random.default_rng(0)


def near_twin(x):
    """By all distances between standardized rows, one column after another; equal rows count once."""
    x = np.unique(x, axis=0)
    low, high = np.quantile(x, [0.25, 0.75], axis=0)
    x = x / np.minimum(x.std(0), (high - low) / 1.349)
    distance = np.abs(x[:, None] - x[None]).max(2)
    np.fill_diagonal(distance, np.inf)
    return (distance.min(1) <= NEAR).mean()


@pytest.mark.parametrize("copies", [0, 3, 10, 60])
@pytest.mark.parametrize("jitter", [1e-5, 5e-4, 1e-2])
def test_the_share_is_that_of_all_distances(copies, jitter):
    x = np.random.default_rng(copies).normal(size=(300, 4)) * [1, 100, 1e-3, 7] + 5
    x[:copies] = x[100 : 100 + copies] + jitter * np.random.default_rng(1).normal(size=(copies, 4)) * x.std(0)
    x[250:260] = x[240:250]  # equal rows are another matter
    assert near_share(matrix_inputs(x)) == pytest.approx(near_twin(x), abs=1e-12)


def test_categories_and_gaps_must_be_equal():
    x = RNG.normal(size=(200, 3))
    x[100:] = x[:100] + 1e-6
    codes = np.repeat([[0], [1]], 100, axis=0)
    plain = matrix_inputs(x)
    inputs = Inputs(plain.numbers, codes, plain.names, (4,), ("c",), plain.own_flag)
    assert near_share(plain) == 1
    assert near_share(inputs) == 0
    x[100:, 0] = np.nan
    assert near_share(matrix_inputs(x)) == 0
    x[:100, 0] = 0  # one number, or none
    assert near_share(matrix_inputs(x)) == 0
    x[:100, 0] = np.nan
    assert near_share(matrix_inputs(x)) == 1


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_rows_that_lie_densely_are_no_repetitions(columns):
    x = RNG.normal(size=(20_000, columns))
    assert near_share(matrix_inputs(x)) == 0
    assert near_share(matrix_inputs(np.hstack([x, np.exp(x), x**3]))) == 0
    assert near_share(matrix_inputs(RNG.lognormal(sigma=3, size=(5000, columns)))) == 0


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_digits, load_diabetes])
def test_no_near_repetitions_in_bundled_sets(load):
    assert near_share(matrix_inputs(load().data)) < 0.005


def test_images_and_small_or_discrete_tables_are_silent():
    images = RNG.random((50, 4, 4, 1))
    images[25:] = images[:25] + 1e-9
    assert near_share(matrix_inputs(images.reshape(50, -1))) == 1
    assert near_share(pixel_inputs(images)) == 0
    assert near_share(matrix_inputs(np.ones((2, 2)))) == 0
    assert near_share(matrix_inputs(np.ones((30, 2)))) == 0
    assert near_share(matrix_inputs(RNG.integers(3, size=(500, 2)))) == 0


def test_twenty_thousand_rows():
    x = RNG.normal(size=(20_000, 20))
    x[:700] = x[-700:] + 1e-5
    share = near_share(matrix_inputs(x))
    assert share == pytest.approx(0.07, abs=0.012)


def grouped(groups, rows, spread, seed=0):
    """Numbers of a name for each row and six measurements: one centre a group, and noise."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(groups), rows)
    return of, rng.normal(size=(groups, 6))[of] * spread + rng.normal(size=(len(of), 6))


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0])
def test_the_share_is_that_of_the_groups_variance(spread):
    of, x = grouped(200, 10, spread)
    names = text("who", [f"p{n}" for n in of])
    assert group_share(names, matrix_inputs(x)) == pytest.approx(spread**2 / (1 + spread**2), abs=0.05)
    numbers = number("who", of * 7.0)
    expected = spread**2 / (1 + spread**2)
    assert group_share(numbers, matrix_inputs(x)) == pytest.approx(expected, abs=0.05)


def test_what_does_not_name_groups():
    of, x = grouped(40, 10, 3.0)
    inputs = matrix_inputs(x)
    rows = len(of)
    for column in (
        text("noise", [f"p{n}" for n in RNG.permutation(of)]),
        text("few", [f"p{n % 9}" for n in of]),
        text("unique", [f"p{n}" for n in range(rows)]),
        number("decimals", of + 0.5),
        Column("flag", "boolean", of % 2.0),
    ):
        assert group_share(column, inputs) < 0.05
    often = np.r_[np.arange(100), of[:300] + 100]  # most values have one row
    x = RNG.normal(size=(140, 6))[often] * 3 + RNG.normal(size=(400, 6))
    assert group_share(text("who", [f"p{n}" for n in often]), matrix_inputs(x)) == 0
    counts = RNG.geometric(0.1, rows)  # the larger, the rarer
    drawn = np.sort(counts)
    centres = RNG.normal(size=(drawn.max() + 1, 6)) * 3
    alike = centres[drawn] + RNG.normal(size=(rows, 6))
    assert group_share(text("who", [f"p{n}" for n in drawn]), matrix_inputs(alike)) > 0.5
    assert group_share(number("pixels", drawn * 1.0), matrix_inputs(alike)) == 0
    year = number("year", 1980.0 + of)
    trend = of[:, None] * np.linspace(0.5, 1.5, 6) + RNG.normal(size=(rows, 6))
    assert group_share(year, matrix_inputs(trend)) == 0
    assert group_share(number("who", of * 1.0), matrix_inputs(x[:, :2])) == 0


def card_of(of, x, y, **options):
    columns = [Column(f"x{j}", "number", np.ascontiguousarray(v)) for j, v in enumerate(x.T)]
    names = text("mouse", [f"m{n}" for n in of])
    table = Table("t", "memory", (names, *columns, number("y", y)))
    target = read_target(table, "y")
    inputs = table.drop("y")
    return make_card(inputs, decide_schema(inputs, target), target.values, **options).warnings


def test_the_card_names_the_column_once_and_is_silent_where_groups_are_given():
    of, x = grouped(40, 10, 3.0)
    warnings = card_of(of, x, of % 2.0)
    assert len(warnings) == 1
    assert "column 'mouse' seems to name what several rows are of (40 values, 10 rows of the median one" in warnings[0]
    assert warnings[0].endswith("to score on new ones, give --groups mouse")
    assert not any("mouse" in w for w in card_of(RNG.permutation(of), x, of % 2.0))
    assert not any("seems to name" in w for w in card_of(of, x, of % 2.0, grouped=True))
    assert ALIKE == 0.3


def test_the_card_warns_of_near_repetitions_from_one_percent():
    of, x = np.zeros(400, int), RNG.normal(size=(400, 5))
    x[:3] = x[-3:] + 1e-6
    y = RNG.integers(2, size=400).astype(float)
    found = [w for w in card_of(of, x, y) if "nearly repeat" in w]
    assert found == [
        "1.5% of the rows nearly repeat another row (every number within a thousandth of its column's deviation, all "
        "categories equal): rows of one thing? give --groups"
    ]
    assert not any("nearly repeat" in w for w in card_of(of, x, y, grouped=True))
    x[:2] = RNG.normal(size=(2, 5))
    assert not any("nearly repeat" in w for w in card_of(of, x, y))
