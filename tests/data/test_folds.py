"""Divisions of rows: partitions, class counts, groups, scikit-learn's splitters, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, ShuffleSplit, StratifiedKFold, TimeSeriesSplit

from tenfold.data.folds import SMALL_CLASS, hold_out, make_folds, usable_folds
from tenfold.data.randomness import derive_int
from tenfold.errors import BadInput


def labels(counts, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


counted = st.lists(st.integers(5, 30), min_size=2, max_size=4)


@given(counted, st.integers(2, 5), st.integers(0, 5))
def test_stratified_folds_are_a_partition_with_even_classes(counts, k, seed):
    y = labels(counts)
    folds = make_folds(y, k, classification=True, seed=seed)
    assert len(folds) == k
    assert sorted(np.concatenate([fold.validation for fold in folds])) == list(range(len(y)))
    for number, fold in enumerate(folds):
        assert (fold.number, fold.seed) == (number, seed)
        assert sorted([*fold.train, *fold.validation]) == list(range(len(y)))
        assert (np.diff(fold.train) > 0).all()
        assert (np.diff(fold.validation) > 0).all()
    per_class = np.array([np.bincount(y[fold.validation], minlength=len(counts)) for fold in folds])
    assert (np.ptp(per_class, axis=0) <= 1).all()


@given(st.integers(2, 60), st.integers(2, 5), st.integers(0, 3))
def test_folds_of_numbers_are_scikit_learns_and_of_equal_size(rows, k, seed):
    y = np.arange(rows) * 0.5
    if rows < k:
        return
    folds = make_folds(y, k, classification=False, seed=seed)
    expected = list(KFold(k, shuffle=True, random_state=derive_int(seed, "folds", 0)).split(y))
    for fold, (train, validation) in zip(folds, expected, strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.validation, validation)
    assert np.ptp([len(fold.validation) for fold in folds]) <= 1


def test_seeds_differ_and_repeat():
    y = labels([30, 30])
    one, two, other = (make_folds(y, 3, classification=True, seed=seed) for seed in (0, 0, 1))
    assert all((a.validation == b.validation).all() for a, b in zip(one, two, strict=True))
    assert any(set(a.validation) != set(b.validation) for a, b in zip(one, other, strict=True))


def test_repeats_are_other_partitions_with_other_seeds():
    y = labels([20, 20])
    folds = make_folds(y, 4, classification=True, seed=7, repeats=3)
    assert [(fold.number, fold.seed) for fold in folds] == [(n, 7 + r) for r in range(3) for n in range(4)]
    for r in range(3):
        assert sorted(np.concatenate([f.validation for f in folds[4 * r : 4 * r + 4]])) == list(range(40))
    assert len({tuple(fold.validation) for fold in folds}) == 12


@pytest.mark.parametrize("classification", [True, False])
def test_no_group_stands_on_both_sides(classification):
    rng = np.random.default_rng(0)
    groups = rng.integers(15, size=120)
    y = rng.integers(3, size=120) if classification else rng.random(120)
    folds = make_folds(y, 4, classification=classification, groups=groups)
    assert sorted(np.concatenate([fold.validation for fold in folds])) == list(range(120))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.validation])


@pytest.mark.parametrize(
    "splitter",
    [
        KFold(3), StratifiedKFold(4, shuffle=True, random_state=1), ShuffleSplit(5, test_size=0.3, random_state=2),
        TimeSeriesSplit(4), PredefinedSplit(np.arange(60) % 3 - 1), GroupKFold(3),
    ],
    ids=lambda s: type(s).__name__,
)  # fmt: skip
def test_scikit_learns_splitters_go_through_index_for_index(splitter):
    y, groups = labels([30, 30]), np.arange(60) // 6 if isinstance(splitter, GroupKFold) else None
    expected = list(splitter.split(np.zeros(60), y, groups))
    folds = make_folds(y, splitter, classification=True, groups=groups)
    assert len(folds) == len(expected)
    for fold, (train, validation) in zip(folds, expected, strict=True):
        assert list(fold.train) == sorted(train)
        assert list(fold.validation) == sorted(validation)


def test_a_list_of_parts_goes_through():
    folds = make_folds(np.zeros(6), [([4, 0, 1], [2]), ([2, 3], [5, 4])], classification=False)
    assert [(f.train.tolist(), f.validation.tolist()) for f in folds] == [([0, 1, 4], [2]), ([2, 3], [4, 5])]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "the splitter gave no folds"),
        ([([0, 1], [2]), ([0, 1], [1, 2])], "fold 1 trains on rows that it is scored on"),
        ([([], [2])], "fold 0 has 0 training and 1 validation rows"),
        ([([0, 1], [])], "fold 0 has 2 training and 0 validation rows"),
    ],
)
def test_parts_that_are_no_folds_are_refused(parts, message):
    with pytest.raises(BadInput, match=message):
        make_folds(np.zeros(4), parts, classification=False)


# ---- how many folds ---------------------------------------------------------------------------------------------


def test_the_smallest_class_lowers_the_number_of_folds_aloud():
    folds, note = usable_folds(labels([30, 3]), 5, classification=True)
    assert folds == 3
    assert note == "3 folds instead of 5: the smallest class has 3 development rows"
    assert usable_folds(labels([30, 5]), 5, classification=True) == (5, "")
    assert usable_folds(np.arange(5.0), 5, classification=False) == (5, "")


@pytest.mark.parametrize(
    ("y", "folds", "classification", "message"),
    [
        (np.arange(9.0), 1, False, "folds is 1"),
        (np.arange(4.0), 5, False, "4 development rows are fewer than 5 folds"),
        (np.array([0, 0, 0, 0, 0, 1]), 5, True, "a class has a single member"),
    ],
)
def test_what_cannot_be_folded_is_refused(y, folds, classification, message):
    with pytest.raises(BadInput, match=message) as caught:
        usable_folds(y, folds, classification=classification)
    assert caught.value.do


# ---- the sealed rows --------------------------------------------------------------------------------------------


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
