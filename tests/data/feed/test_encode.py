"""Encoding: medians, missing indicators, levels and unknown slots, dates; each decided by the training rows alone."""

import numpy as np
import pytest

from tenfold.data.columns.conform import conform
from tenfold.data.columns.schema import decide_schema
from tenfold.data.columns.table import Column, Table
from tenfold.data.columns.target import read_target
from tenfold.data.feed.encode import MAX_LEVELS, Inputs, date_parts, fit_encoding, make_inputs, matrix_inputs

from ..examples import number, text


def coded(codes, size, numbers=None):
    """Inputs with one category of `size` codes (the last two: missing, unseen)."""
    codes = np.array(codes)[:, None]
    numbers = np.zeros((len(codes), 0)) if numbers is None else numbers
    names = tuple(f"x{i}" for i in range(numbers.shape[1]))
    return Inputs(numbers, codes, names, (size,), ("c",), np.ones(len(names), bool))


def all_rows(inputs):
    return np.arange(inputs.rows)


def typed(rows=60, **columns):
    """Inputs of a table with a target, and its schema."""
    target = text("y", ["a", "b"] * (rows // 2))
    table = Table("t", "t.csv", (*columns.values(), target))
    features = table.drop("y")
    schema = decide_schema(features, read_target(table, "y"))
    return make_inputs(conform(features, schema)[0], schema), schema


def test_missing_cells_become_the_training_median_with_an_indicator():
    x = np.array([[1.0, 5.0], [np.nan, 6.0], [3.0, 7.0], [100.0, 8.0], [np.nan, np.nan]])
    inputs = matrix_inputs(x)
    encoding = fit_encoding(inputs, np.array([0, 1, 2]))  # column 1 has no gap among these rows
    assert encoding.medians.tolist() == [2.0, 6.0]
    assert encoding.indicators.tolist() == [0]
    got = encoding.matrix(inputs)
    assert got.shape == (5, encoding.width) == (5, 3)
    np.testing.assert_array_equal(got[:, 0], [1, 2, 3, 100, 2])
    np.testing.assert_array_equal(got[:, 2], [0, 1, 0, 0, 1])
    assert got[4, 1] == 6.0  # missing for the first time in a scored row: the training median as well


def test_medians_are_known_though_no_training_row_has_a_gap():
    inputs = matrix_inputs(np.array([[10.0, 5.0], [20.0, 6.0], [30.0, 7.0], [np.nan, 9.0]]))
    encoding = fit_encoding(inputs, np.arange(3))
    assert encoding.width == 2
    np.testing.assert_array_equal(encoding.matrix(inputs)[3], [20, 9])


def test_a_column_without_a_value_is_zero():
    inputs = matrix_inputs(np.array([[np.nan, 1.0], [np.nan, 2.0], [9.0, 3.0]]))
    encoding = fit_encoding(inputs, np.array([0, 1]))
    np.testing.assert_array_equal(encoding.matrix(inputs)[:2, 0], [0, 0])
    assert encoding.indicators.tolist() == [0]


def test_a_slice_or_some_rows_are_rows_of_the_whole():
    x = np.random.default_rng(0).standard_normal((20, 3))
    x[::4, 1] = np.nan
    inputs = matrix_inputs(x)
    encoding = fit_encoding(inputs, all_rows(inputs))
    whole = encoding.matrix(inputs)
    np.testing.assert_array_equal(encoding.matrix(inputs, slice(3, 9)), whole[3:9])
    np.testing.assert_array_equal(encoding.matrix(inputs, np.array([7, 2])), whole[[7, 2]])
    np.testing.assert_array_equal(encoding.matrix(inputs.take(np.array([7, 2]))), whole[[7, 2]])


def test_levels_have_a_column_and_the_rest_shares_the_unknown_slot():
    codes = [0] * 5 + [1] * 4 + [2] + [3] * 3 + [4]  # of 5 codes: levels 0, 1, 2, then missing (3) and unseen (4)
    inputs = coded(codes, 5)
    encoding = fit_encoding(inputs, all_rows(inputs))
    got = encoding.matrix(inputs)
    assert encoding.width == 4
    assert (got.sum(1) == 1).all()
    slot = got.argmax(1)
    assert slot.tolist() == [0] * 5 + [1] * 4 + [3] + [2] * 3 + [3]  # a rare level and an unseen value: the last slot


def test_levels_that_the_training_rows_lack_are_unknown():
    inputs = coded([0, 0, 0, 1, 1, 1, 2, 2, 2], 5)
    encoding = fit_encoding(inputs, np.arange(6))
    assert encoding.width == 3
    assert encoding.matrix(inputs).argmax(1).tolist() == [0] * 3 + [1] * 3 + [2] * 3


def test_unseen_values_have_no_column_of_their_own_however_many():
    inputs = coded([0] * 5 + [2] * 50, 3)  # codes: level 0, missing 1, unseen 2
    assert fit_encoding(inputs, all_rows(inputs)).width == 2


@pytest.mark.parametrize(("rows", "kept"), [(40, 2), (1000, 5), (100_000, 10)])
def test_what_counts_as_rare_grows_with_the_rows(rows, kept):
    """At least 0.5 % of the training rows, between 2 and 10."""
    codes = np.r_[np.zeros(rows - 2 * kept + 1, int), np.ones(kept, int), np.full(kept - 1, 2)]
    inputs = coded(codes, 5)
    encoding = fit_encoding(inputs, all_rows(inputs))
    assert encoding.width == 3
    assert encoding.slots[0].tolist() == [0, 1, 2, 2, 2]


def test_at_most_so_many_levels_the_most_frequent_ones():
    sizes = np.r_[np.full(MAX_LEVELS + 20, 30), 3, 3]
    sizes[5] = 29
    codes = np.repeat(np.arange(len(sizes)), sizes)
    inputs = coded(codes, len(sizes))
    encoding = fit_encoding(inputs, all_rows(inputs))
    assert encoding.width == MAX_LEVELS + 1
    assert encoding.slots[0][5] == MAX_LEVELS
    assert (np.bincount(encoding.slots[0][:-2])[:MAX_LEVELS] == 1).all()


def test_folds_may_be_narrower_than_others():
    inputs = coded([0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 1], 5, numbers=np.r_[np.nan, np.arange(10.0)][:, None])
    wide, narrow = fit_encoding(inputs, all_rows(inputs)), fit_encoding(inputs, np.arange(1, 6))
    assert (wide.width, narrow.width) == (1 + 1 + 3 + 1, 1 + 0 + 2 + 1)
    for encoding in (wide, narrow):
        got = encoding.matrix(inputs)
        assert got.shape == (11, encoding.width)
        assert (got[:, -(encoding.width - 1 - len(encoding.indicators)) :].sum(1) == 1).all()


def test_columns_of_a_table_and_values_that_the_schema_lacks():
    values = ["red", "green", None] * 20
    inputs, schema = typed(c=text("c", values), n=number("n", np.arange(60) % 23 + 0.5))
    assert inputs.names == ("n",)
    assert inputs.categories == ("c",)
    levels = next(column for column in schema.columns if column.name == "c").levels
    assert inputs.sizes == (len(levels) + 2,)
    assert set(inputs.codes[2::3, 0]) == {len(levels)}  # missing: the code behind the levels
    new = Table("t", "t.csv", (text("c", ["blue", "red", None]), number("n", [1.0, np.nan, 3.0])))
    fresh = make_inputs(conform(new, schema)[0], schema)
    assert fresh.codes[:, 0].tolist() == [len(levels) + 1, levels.index("red"), len(levels)]
    encoding = fit_encoding(inputs, all_rows(inputs))
    rows = encoding.matrix(fresh)
    assert rows[0, encoding.width - 1] == 1  # the unknown slot
    assert rows[1, 0] == np.median(np.arange(60) % 23 + 0.5)


def test_parts_of_dates():
    stamps = np.array(["1970-01-01", "2024-02-29T06:00:00", "1969-12-31T12:00:00", "NaT"], "datetime64[s]")
    parts = date_parts(stamps)
    assert list(parts) == ["days", "year_sin", "year_cos", "week_sin", "week_cos", "day_sin", "day_cos"]
    np.testing.assert_allclose(parts["days"][:3], [0, 19782.25, -0.5])
    np.testing.assert_allclose(parts["day_sin"][:3], [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(parts["day_cos"][:3], [1, 0, -1], atol=1e-9)
    for part in parts.values():
        assert np.isnan(part[3])
    for period in ("year", "week", "day"):
        np.testing.assert_allclose((parts[f"{period}_sin"] ** 2 + parts[f"{period}_cos"] ** 2)[:3], 1)


def test_the_parts_of_a_date_share_one_missing_indicator():
    stamps = np.datetime64("2024-01-01T00:00:00", "s") + np.arange(60) * np.timedelta64(3601 * 7, "s")
    stamps[5] = np.datetime64("NaT")
    inputs, _ = typed(when=Column("when", "date", stamps.astype("datetime64[s]")))
    assert inputs.names[0] == "when.days"
    encoding = fit_encoding(inputs, all_rows(inputs))
    assert [inputs.names[i] for i in encoding.indicators] == ["when.days"]
    assert np.isfinite(encoding.matrix(inputs)).all()


def test_rows_left_out_decide_nothing():
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((50, 3))
    numbers[rng.random((50, 3)) < 0.2] = np.nan
    inputs = coded(rng.integers(6, size=50), 8, numbers)
    train, rest = np.arange(35), np.arange(35, 50)
    before = fit_encoding(inputs, train)
    changed = coded(inputs.codes[:, 0].copy(), 8, inputs.numbers * 1.0)
    changed.numbers[rest] = 1e16
    changed.codes[rest] = 7
    after = fit_encoding(changed, train)
    np.testing.assert_array_equal(before.medians, after.medians)
    np.testing.assert_array_equal(before.indicators, after.indicators)
    np.testing.assert_array_equal(before.slots[0], after.slots[0])
    np.testing.assert_array_equal(before.matrix(inputs, train), after.matrix(changed, train))
