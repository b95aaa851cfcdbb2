"""Equal rows and joined groups, against plain twins that compare everything with everything."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tenfold.data.columns.table import Column, Table
from tenfold.data.feed.encode import Inputs, matrix_inputs, pixel_inputs
from tenfold.data.split import together
from tenfold.data.split.together import copy_labels, majority, merge_groups, row_labels, sides_of, without_copies

from ..examples import number, text


def twin_labels(rows):
    """Labels in order of first appearance, from a dictionary of the cells."""
    index = {}
    return [index.setdefault(tuple("nan" if v != v else v for v in row), len(index)) for row in rows]


def with_codes(numbers, codes):
    count = codes.shape[1]
    names = tuple(f"c{j}" for j in range(count))
    plain = matrix_inputs(numbers)
    return Inputs(plain.numbers, codes, plain.names, (9,) * count, names, plain.own_flag)


cells = st.lists(st.tuples(*[st.sampled_from([0.0, -0.0, 1.5, np.nan, -3e300])] * 2, st.integers(0, 2)), min_size=1)


@given(cells, st.booleans())
def test_labels_are_those_of_a_dictionary_also_where_all_hashes_collide(rows, collide):
    columns = [np.array([row[j] for row in rows]) for j in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        if collide:
            patch.setattr(together, "_hashes", lambda columns: np.zeros(len(columns[0]), np.uint64))
        assert row_labels(columns).tolist() == twin_labels(rows)


@given(st.integers(0, 10**6))
def test_some_colliding_hashes(seed):
    rows = np.random.default_rng(seed).integers(4, size=(60, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "_hashes", lambda columns: (columns[0] % 2).astype(np.uint64))
        assert row_labels(list(rows.T)).tolist() == twin_labels(rows.tolist())


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.uint8])
def test_a_matrix_of_any_numbers(dtype):
    rows = np.random.default_rng(0).integers(200, size=(40, 11)).astype(dtype)
    rows = rows[np.r_[np.arange(40), [3, 3, 17]]]
    found, warning = copy_labels(rows)
    assert warning == ""
    assert found is not None
    assert found.tolist() == [*range(40), 3, 3, 17]


def test_numbers_and_categories_count_and_missing_cells_are_equal():
    numbers = np.array([[1.0, np.nan], [1.0, np.nan], [1.0, np.nan], [2.0, 0.0], [2.0, -0.0]])
    codes = np.array([[0], [1], [0], [2], [2]])
    assert copy_labels(with_codes(numbers, codes))[0].tolist() == [0, 1, 0, 2, 2]
    assert copy_labels(with_codes(np.zeros((5, 0)), codes))[0].tolist() == [0, 1, 0, 2, 2]


def test_images_are_equal_in_all_pixels_or_not():
    pixels = np.random.default_rng(0).integers(256, size=(6, 5, 5, 3), dtype=np.uint8)  # 75 bytes: 10 words
    pixels[4] = pixels[1]
    pixels[5] = pixels[2]
    pixels[5, 4, 4, 2] ^= 1
    for images in (pixel_inputs(pixels), pixel_inputs(pixels / 255.0), pixels):
        assert copy_labels(images)[0].tolist() == [0, 1, 2, 3, 1, 4]


def test_a_table_by_all_its_columns():
    words = ["a", None, "a", None, "b"]
    day = np.array(["2024-01-01", "NaT", "2024-01-01", "NaT", "2024-01-01"], "datetime64[s]")
    columns = text("t", words), Column("d", "date", day), number("n", [1.0, np.nan, 1.0, np.nan, 1.0])
    assert copy_labels(Table("t", "memory", columns))[0].tolist() == [0, 1, 0, 1, 2]


def test_no_copies_give_no_units_and_too_many_a_warning():
    assert copy_labels(np.arange(6.0)[:, None]) == (None, "")
    assert copy_labels(np.zeros((0, 3))) == (None, "")
    half = np.arange(10.0)[:, None] // 2
    assert copy_labels(half)[0].tolist() == (np.arange(10) // 2).tolist()
    found, warning = copy_labels(np.r_[half, half[:1]])
    assert found is None
    assert warning.startswith("only 5 of 11 rows are distinct in their inputs (45.5%)")


def continuous(rng, rows):
    return rng.normal(size=(rows, 8))


def rounded(rng, rows):
    return rng.integers(12, size=(rows, 8)) / 4


def counted(rng, rows):
    return np.c_[np.arange(rows), rounded(rng, rows)]


def bits(rng, rows):
    return rng.integers(2, size=(rows, 60))


def few_bits(rng, rows):
    return rng.integers(2, size=(rows, 20))


def levels(rng, rows):
    return rng.integers(5, size=(rows, 6))


def tenths(rng, rows):
    return rng.normal(size=(rows, 4)).round(1)


def sparse_whole(rng, rows):
    return rng.choice(10**6, size=(rows, 1), replace=False)


def with_gaps(rng, rows):
    x = continuous(rng, rows)
    return np.where(rng.random(x.shape) < 0.3, np.nan, x)


@pytest.mark.parametrize(
    "make", [continuous, rounded, counted, bits, few_bits, levels, tenths, sparse_whole, with_gaps]
)
@pytest.mark.parametrize("times", [3, 7])
def test_rows_that_all_stand_several_times_are_copies_where_their_numbers_are_nearly_unique(make, times):
    x = make(np.random.default_rng(times), 150).astype(np.float64)
    order = np.random.default_rng(1).permutation(150 * times)
    labels, warning = copy_labels(np.tile(x, (times, 1))[order])
    assert warning == ""
    assert len(np.unique(labels)) == len(np.unique(x, axis=0))
    table = Table(
        "t",
        "memory",
        (*(number(f"n{j}", c) for j, c in enumerate(np.tile(x, (times, 1)).T)), text("t", ["u"] * 150 * times)),
    )
    assert copy_labels(table)[1] == ""


def few_levels(rng, rows):
    return rng.integers(5, size=(rows, 3))


def an_age(rng, rows):
    return rng.integers(20, 80, size=(rows, 1))


def an_age_and_what_follows_from_it(rng, rows):
    age = rng.integers(20, 80, size=rows)
    return np.c_[age, 2024 - age, age // 20]


def alike_answers(rng, rows):
    leaning = rng.random((rows, 1)) < 0.5
    return (rng.random((rows, 12)) < np.where(leaning, 0.85, 0.15)).astype(int)


def mostly_nothing(rng, rows):
    return np.where(rng.random((rows, 1)) < 0.7, 0, rng.poisson(0.3, (rows, 10)))


@pytest.mark.parametrize("rows", [400, 2000])
@pytest.mark.parametrize("make", [few_levels, an_age, an_age_and_what_follows_from_it, alike_answers, mostly_nothing])
def test_equal_rows_of_a_few_discrete_columns_are_a_warning(make, rows):
    x = make(np.random.default_rng(0), rows).astype(np.float64)
    labels, warning = copy_labels(x)
    assert labels is None
    assert "rows are distinct in their inputs" in warning


def test_equal_rows_of_categories_and_of_days_are_a_warning():
    rng = np.random.default_rng(0)
    towns = rng.integers(60, size=1000)
    day = np.datetime64("2024-01-01", "s") + (towns * 86400).astype("m8[s]")
    table = Table("t", "memory", (text("town", [f"town {t}" for t in towns]), Column("d", "date", day)))
    assert copy_labels(table)[0] is None


def test_half_a_million_rows_of_twenty_columns():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500_000, 20))
    rows[-1000:] = rows[:1000]
    found, _ = copy_labels(matrix_inputs(rows))
    assert found.max() == 498_999
    np.testing.assert_array_equal(found[-1000:], np.arange(1000))


def twin_merged(groups, copies):
    """Joins two groups at a time, until nothing changes; the group with the lower number gives the label."""
    label = dict(zip(groups, groups, strict=True))
    for _ in groups:
        for unit in set(copies):
            together = {label[g] for g, u in zip(groups, copies, strict=True) if u == unit}
            label = {g: min(together) if of in together else of for g, of in label.items()}
    rank = {of: n for n, of in enumerate(sorted(set(label.values())))}
    return [rank[label[g]] for g in groups]


@given(st.integers(0, 10**6), st.integers(1, 25))
def test_groups_with_a_row_in_common_are_one(seed, distinct):
    rng = np.random.default_rng(seed)
    groups = np.unique(rng.integers(8, size=20), return_inverse=True)[1]
    copies = np.unique(rng.integers(distinct, size=20), return_inverse=True)[1]
    assert merge_groups(groups, copies).tolist() == twin_merged(groups.tolist(), copies.tolist())


def test_groups_without_a_row_in_common_stay():
    groups = np.array([2, 0, 1, 2])
    assert merge_groups(groups, np.arange(4)).tolist() == [2, 0, 1, 2]
    assert merge_groups(np.arange(4), np.array([0, 1, 0, 1])).tolist() == [0, 1, 0, 1]


def test_groups_are_not_joined_into_one_that_is_too_large():
    groups, copies = np.arange(12) // 3, np.array([0, 1, 2, 0, 3, 4, 5, 6, 7, 8, 9, 10])
    sides, whole = sides_of(groups, copies, 6)
    assert (sides.tolist(), whole) == ([0] * 6 + [1] * 3 + [2] * 3, True)
    sides, whole = sides_of(groups, copies, 5)
    assert (sides.tolist(), whole) == (groups.tolist(), False)
    assert sides_of(None, None, 5) == (None, True)
    assert sides_of(groups, None, 1)[0] is groups
    assert sides_of(None, np.array([7, 3, 7, 9]), 1)[0].tolist() == [0, 1, 0, 2]


def test_rows_without_copies_among_others():
    copies = np.array([0, 1, 0, 2, 1, 3])
    assert without_copies(np.array([0, 1, 3]), np.array([2, 5]), copies).tolist() == [1, 3]
    assert without_copies(np.array([0, 1, 3]), np.array([2, 5]), None).tolist() == [0, 1, 3]


def test_the_most_frequent_class_of_a_unit_and_the_rarer_one_of_two():
    y, copies = np.array([0, 0, 1, 0, 0, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 1, 2, 2, 3, 3])
    assert majority(y, copies).tolist() == [0, 0, 2, 1]
