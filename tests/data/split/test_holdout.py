"""The sealed test rows: shares, classes, groups, time, equal rows, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.model_selection import train_test_split

from tenfold.data.feed.randomness import derive_int
from tenfold.data.split.holdout import SMALL_CLASS, hold_out
from tenfold.data.split.request import Splits
from tenfold.errors import BadInput

from ..examples import labels


@given(st.lists(st.integers(1, 40), min_size=2, max_size=5), st.sampled_from([0.1, 0.2, 0.5]), st.integers(0, 3))
def test_sealed_rows_are_a_stratified_share_without_small_classes(counts, share, seed):
    y = labels(counts)
    if sum(count for count in counts if count >= SMALL_CLASS) < 2 or round(share * len(y)) < 1:
        return
    development, test = hold_out(y, share, classification=True, seed=seed)
    assert sorted([*development, *test]) == list(range(len(y)))
    assert (np.diff(development) > 0).all()
    inside, found = np.array(counts), np.bincount(y[test], minlength=len(counts))
    assert (found[inside < SMALL_CLASS] == 0).all()
    assert len(set(development)) + len(test) == len(y)
    if (inside >= SMALL_CLASS).all() and round(share * len(y)) >= len(counts):
        assert len(test) == round(share * len(y))
        assert (np.abs(found - share * inside) <= 1.5).all()
    again = hold_out(y, share, classification=True, seed=seed)[1]
    np.testing.assert_array_equal(test, again)


@pytest.mark.parametrize("share", [0.6, 0.9, 0.99])
def test_a_large_share_is_sealed_or_refused(share):
    """Fewer development rows than classes cannot be stratified; that is no reason to fail without a word."""
    y = labels([5, 5, 5, 5])
    development, test = hold_out(y, share, classification=True, seed=0)
    assert len(development) + len(test) == 20
    assert len(test) == min(round(share * 20), 19)


def test_numbers_are_sealed_at_random():
    y = np.arange(50.0)
    development, test = hold_out(y, 0.2, classification=False, seed=0)
    assert (len(development), len(test)) == (40, 10)
    assert set(test) != set(hold_out(y, 0.2, classification=False, seed=1)[1])


def test_no_share_seals_nothing():
    development, test = hold_out(np.arange(7.0), 0, classification=False, seed=0)
    assert (list(development), len(test)) == (list(range(7)), 0)


@pytest.mark.parametrize("y", [np.array([1.0]), np.array([1.0, 2.0])])
def test_too_few_rows_to_seal_are_refused(y):
    with pytest.raises(BadInput, match="too few to seal"):
        hold_out(y, 0.2, classification=False, seed=0)


@pytest.mark.parametrize("classification", [True, False])
def test_the_plain_share_is_scikit_learns_also_beside_units_of_one_row(classification):
    y = labels([40, 25, 35]) if classification else np.random.default_rng(0).random(100)
    state = derive_int(3, "holdout")
    expected = train_test_split(
        np.arange(100), test_size=20, random_state=state, stratify=y if classification else None
    )[1]
    for copies in (None, np.arange(100)):
        _, test = hold_out(y, 0.2, classification=classification, seed=3, copies=copies)
        np.testing.assert_array_equal(test, np.sort(expected))


@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.2, 0.4]), st.booleans())
def test_whole_groups_are_sealed_near_the_share(seed, share, classification):
    rng = np.random.default_rng(seed)
    groups = rng.integers(30, size=300)
    y = rng.integers(3, size=300) if classification else rng.random(300)
    development, test = hold_out(y, share, classification=classification, seed=seed, splits=Splits(groups=groups))
    assert sorted([*development, *test]) == list(range(300))
    assert not set(groups[development]) & set(groups[test])
    assert abs(len(test) - share * 300) <= np.bincount(groups).max()
    if classification:
        assert set(y[development]) == {0, 1, 2}
        wanted, found = share * np.bincount(y), np.bincount(y[test], minlength=3)
        assert np.abs(found - wanted).max() <= 6


def test_groups_of_one_class_each_are_sealed_by_class_and_two_of_each_stay():
    groups = np.repeat(np.arange(24), 5)
    y = groups // 8  # 8 groups of each class
    _, test = hold_out(y, 0.25, classification=True, splits=Splits(groups=groups))
    assert np.bincount(y[test]).tolist() == [10, 10, 10]
    y = (groups >= 22).astype(int)  # 2 groups of the rare class
    for seed in range(10):
        _, test = hold_out(y, 0.5, classification=True, seed=seed, splits=Splits(groups=groups))
        assert not y[test].any()


@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.3]), st.integers(0, 5), st.integers(5, 100))
def test_the_last_rows_in_time_are_sealed(seed, share, gap, times):
    rng = np.random.default_rng(seed)
    time = rng.integers(times, size=120)
    splits = Splits(time=time, gap=gap)
    development, test = hold_out(rng.random(120), share, classification=False, splits=splits)
    assert time[development].max() < time[test].min()
    assert len(development) + len(test) == 120 - gap
    assert set(np.flatnonzero(time >= time[test].min())) == set(test)
    assert abs(len(test) - share * 120) <= np.bincount(time).max() + gap


def test_distinct_times_are_sealed_to_the_row():
    time = np.random.default_rng(0).permutation(50)
    development, test = hold_out(np.zeros(50), 0.2, classification=False, splits=Splits(time=time, gap=3))
    assert sorted(time[test]) == list(range(40, 50))
    assert sorted(time[development]) == list(range(37))


@given(st.integers(0, 10**6), st.sampled_from([0.2, 0.5]), st.booleans())
def test_equal_rows_are_sealed_together(seed, share, classification):
    rng = np.random.default_rng(seed)
    copies = np.unique(np.r_[np.arange(120), rng.integers(120, size=60)], return_inverse=True)[1]
    y = rng.integers(2, size=180)
    development, test = hold_out(y, share, classification=classification, seed=seed, copies=copies)
    assert sorted([*development, *test]) == list(range(180))
    assert not set(copies[development]) & set(copies[test])
    assert abs(len(test) - share * 180) <= 0.1 * 180


def test_a_heavy_unit_is_weighed():
    copies = np.r_[np.zeros(80, int), np.arange(1, 121)]
    for seed in range(5):
        _, test = hold_out(np.zeros(200), 0.3, classification=False, seed=seed, copies=copies)
        assert len(test) == 60


def test_rows_equal_to_a_sealed_one_are_left_out_where_they_cannot_be_sealed():
    time, copies = np.arange(20), np.arange(20)
    copies[3] = copies[17]
    development, test = hold_out(np.zeros(20), 0.2, classification=False, splits=Splits(time=time), copies=copies)
    assert test.tolist() == [16, 17, 18, 19]
    assert development.tolist() == [0, 1, 2, *range(4, 16)]
    groups = np.arange(20) // 4
    copies = np.where(np.arange(20) % 4 == 0, 0, np.arange(20))  # a row that every group has: joined, all are one
    development, test = hold_out(np.zeros(20), 0.2, classification=False, splits=Splits(groups=groups), copies=copies)
    assert len(test) == 4
    assert len(development) == 12
    assert not set(groups[test]) & set(groups[development])
    assert not set(copies[test]) & set(copies[development])


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (Splits(groups=np.zeros(9)), "all rows are of one group"),
        (Splits(time=np.zeros(9)), "no time comes after 1 rows"),
        (Splits(time=np.arange(9), gap=8), "no time comes after 9 rows"),
        (Splits(time=np.arange(8)), "time has 8 values and there are 9 rows"),
    ],
)
def test_what_cannot_be_sealed_is_refused(splits, message):
    with pytest.raises(BadInput, match=message):
        hold_out(np.zeros(9), 0.2, classification=False, splits=splits)
