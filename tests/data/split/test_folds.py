"""Divisions of rows: partitions, class counts, groups, scikit-learn's splitters, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)

from tenfold.data.feed.randomness import derive_int
from tenfold.data.split.folds import make_folds, usable_folds
from tenfold.data.split.request import Splits
from tenfold.data.split.together import copy_labels
from tenfold.errors import BadInput

from ..examples import labels

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


def test_the_smallest_class_is_counted_in_groups_or_distinct_rows():
    y, groups = np.repeat([0, 1], 30), np.r_[np.arange(30), np.repeat([0, 1, 2], 10)]
    note = "3 folds instead of 5: the smallest class has rows in 3 groups"
    assert usable_folds(y, 5, classification=True, groups=groups) == (3, note)
    assert usable_folds(y, 5, classification=False, groups=groups) == (5, "")
    copies = np.r_[np.arange(30), np.repeat([30, 31], 15)]
    note = "2 folds instead of 5: the smallest class has 2 distinct rows"
    assert usable_folds(y, 5, classification=True, copies=copies) == (2, note)
    assert usable_folds(y, 5, classification=True, copies=np.arange(60)) == (5, "")


@pytest.mark.parametrize(
    ("groups", "copies", "message"),
    [
        (np.arange(20) // 5, None, "4 development groups are fewer than 5 folds"),
        (np.where(np.arange(20) < 10, 0, np.arange(20)), None, "a class is in a single group"),
        (None, np.arange(20) // 5, "4 development distinct rows are fewer than 5 folds"),
        (None, np.where(np.arange(20) < 10, 0, np.arange(20)), "all development rows of a class are equal"),
    ],
)
def test_too_few_groups_or_distinct_rows_are_refused(groups, copies, message):
    with pytest.raises(BadInput, match=message) as caught:
        usable_folds(np.repeat([0, 1], 10), 5, classification=True, groups=groups, copies=copies)
    assert caught.value.do


def parts(folds):
    return [(fold.train.tolist(), fold.validation.tolist()) for fold in folds]


def expected_parts(splitter, y, groups=None):
    found = splitter.split(np.zeros(len(y)), y, groups)
    return [(sorted(map(int, train)), sorted(map(int, validation))) for train, validation in found]


Y = labels([25, 20, 15])
GROUPS = np.random.default_rng(1).permutation(np.arange(60) // 5)
NAMES = np.array([f"p{g}" for g in GROUPS])


@pytest.mark.parametrize("copies", [None, np.arange(60), 99 - np.arange(60)], ids=["", "one row each", "any labels"])
@pytest.mark.parametrize(
    ("classification", "groups", "kind"),
    [
        (True, None, StratifiedKFold),
        (False, None, KFold),
        (True, GROUPS, StratifiedGroupKFold),
        (True, NAMES, StratifiedGroupKFold),
        (False, GROUPS, GroupKFold),
        (False, NAMES, GroupKFold),
    ],
)
def test_a_number_of_folds_is_scikit_learns_repeat_after_repeat(classification, groups, kind, copies):
    folds = make_folds(Y, Splits(4, 3, groups, seed=11), classification=classification, copies=copies)
    for repeat in range(3):
        splitter = kind(4, shuffle=True, random_state=derive_int(11, "folds", repeat))
        assert parts(folds[4 * repeat : 4 * repeat + 4]) == expected_parts(splitter, Y, groups)


@pytest.mark.parametrize("gap", [0, 1, 4])
def test_folds_forward_in_time_are_scikit_learns_over_the_sorted_rows(gap):
    time = np.random.default_rng(2).permutation(60) * 1.5
    order = np.argsort(time)
    folds = make_folds(Y * 1.0, Splits(5, 2, time=time, gap=gap, seed=3), classification=False)
    expected = [
        (sorted(order[train].tolist()), sorted(order[validation].tolist()))
        for train, validation in TimeSeriesSplit(5, gap=gap).split(order)
    ]
    assert parts(folds) == expected * 2
    assert [fold.seed for fold in folds] == [3] * 5 + [4] * 5


@pytest.mark.parametrize(
    "splitter",
    [
        KFold(4, shuffle=True, random_state=0), RepeatedKFold(n_splits=3, n_repeats=2, random_state=1), LeaveOneOut(),
        RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=1), LeaveOneGroupOut(), LeavePGroupsOut(2),
        StratifiedShuffleSplit(4, test_size=0.25, random_state=5), GroupShuffleSplit(4, random_state=6),
        StratifiedGroupKFold(3), GroupKFold(4, shuffle=True, random_state=3), TimeSeriesSplit(3, gap=2),
    ],
    ids=lambda s: type(s).__name__,
)  # fmt: skip
def test_more_splitters_go_through_index_for_index(splitter):
    with_groups = "Group" in type(splitter).__name__
    folds = make_folds(Y, Splits(splitter, groups=NAMES if with_groups else None), classification=False)
    assert parts(folds) == expected_parts(splitter, Y, NAMES if with_groups else None)


def test_words_and_fold_numbers_are_splitters_too():
    found = make_folds(Y, Splits("leave-one-group-out", 2, NAMES, seed=5), classification=True)
    assert parts(found) == expected_parts(LeaveOneGroupOut(), Y, NAMES) * 2
    assert [fold.seed for fold in found] == [5] * 12 + [6] * 12
    numbers = np.arange(60) % 4 - 1
    for splits in (numbers, numbers.tolist()):
        assert parts(make_folds(Y, splits, classification=True)) == expected_parts(PredefinedSplit(numbers), Y)


def test_a_random_splitter_without_a_seed_has_a_derived_one_and_repeats_divide_again():
    free, fixed = ShuffleSplit(2, test_size=0.3), ShuffleSplit(2, test_size=0.3, random_state=4)
    one, two = (make_folds(Y, Splits(free, 2, seed=9), classification=True) for _ in range(2))
    assert parts(one) == parts(two)
    assert len({tuple(fold.validation) for fold in one}) == 4
    assert free.random_state is None
    again = make_folds(Y, Splits(fixed, 2), classification=True)
    assert parts(again[:2]) == expected_parts(fixed, Y)
    assert len({tuple(fold.validation) for fold in again}) == 4
    plain = make_folds(Y, Splits(KFold(3), 2), classification=True)
    assert parts(plain[:3]) == parts(plain[3:])


@pytest.mark.parametrize(
    ("y", "splits", "message"),
    [
        (np.repeat([0, 1], 6), KFold(2), "fold 0 has no row of class 0"),
        (np.repeat([0, 1], 6), Splits(3, time=np.arange(12)), "fold 0 has no row of class 1"),
        (np.repeat([0, 1], 6), Splits("leave-one-group-out", groups=np.arange(12) < 4), "fold 0 has no row of class 1"),
        (np.zeros(12), Splits(5, groups=np.arange(12) // 3), "GroupKFold cannot divide 12 rows"),
        (np.zeros(12), Splits(5, time=np.arange(12) // 3), "4 distinct times are too few for 5 folds"),
        (np.zeros(12), Splits(5, time=np.arange(12), gap=8), "TimeSeriesSplit cannot divide 12 rows"),
        (np.zeros(12), Splits(GroupKFold(3)), "GroupKFold cannot divide 12 rows: The 'groups'"),
        (np.zeros(12), [([0, 1], [12])], "fold 0 has a row outside 0 to 11"),
        (np.zeros(12), [([-1, 1], [2])], "fold 0 has a row outside 0 to 11"),
        (np.zeros(12), [([1, 1], [2])], "fold 0 has a row twice"),
        (np.zeros(12), Splits(groups=np.arange(11)), "groups has 11 values and there are 12 rows"),
    ],
)  # fmt: skip
def test_divisions_that_cannot_be_are_refused_with_a_remedy(y, splits, message):
    with pytest.raises(BadInput, match=message):
        make_folds(y, splits, classification=len(np.unique(y)) > 1)


def test_a_seed_beside_a_splits_is_refused():
    with pytest.raises(BadInput, match="next to a Splits"):
        make_folds(Y, Splits(), classification=True, seed=1)


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(0, 6), st.integers(12, 90))
def test_training_rows_are_earlier_than_validation_rows_by_the_gap(seed, k, gap, times):
    time = np.random.default_rng(seed).integers(times, size=150)
    folds = make_folds(time * 0.5, Splits(k, time=time, gap=gap), classification=False)
    assert len(folds) == k
    last = None
    for fold in folds:
        assert time[fold.train].max() < time[fold.validation].min()
        between = (time <= time[fold.validation].min()).sum() - (time == time[fold.validation].min()).sum()
        assert between - len(fold.train) == gap
        assert last is None or time[last].max() < time[fold.validation].min()
        last = fold.validation
    assert np.isin(np.flatnonzero(time == time.max()), folds[-1].validation).all()


@pytest.mark.parametrize("sizes", [[95, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 95], [1, 1, 95, 1, 1, 1]])
def test_uneven_times_give_one_fold_each_where_there_is_no_choice(sizes):
    time = np.repeat(np.arange(6), sizes)
    folds = make_folds(np.zeros(100), Splits(5, time=time), classification=False)
    assert [set(time[fold.validation]) for fold in folds] == [{1}, {2}, {3}, {4}, {5}]


def some_copies(seed, rows, copies):
    """Labels of equal rows: `rows` distinct ones and `copies` of some of them, shuffled; first appearances count up."""
    rng = np.random.default_rng(seed)
    of = rng.permutation(np.r_[np.arange(rows), rng.integers(rows, size=copies)])
    _, first, copies = np.unique(of, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[copies]


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(0, 60), st.booleans())
def test_equal_rows_stand_on_one_side_in_even_folds(seed, k, copies, classification):
    copies = some_copies(seed, 60, copies)
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=len(copies)) if classification else rng.random(len(copies))
    folds = make_folds(y, k, classification=classification, copies=copies, seed=seed % 7)
    assert sorted(np.concatenate([fold.validation for fold in folds])) == list(range(len(y)))
    for fold in folds:
        assert sorted([*fold.train, *fold.validation]) == list(range(len(y)))
        assert not set(copies[fold.train]) & set(copies[fold.validation])
        assert abs(len(fold.validation) - len(y) / k) <= 0.4 * len(y) / k
    if classification:
        share = [y[fold.validation].mean() for fold in folds]
        assert np.ptp(share) <= 0.35


@pytest.mark.parametrize("classification", [True, False])
def test_a_heavy_unit_does_not_make_its_fold_larger_than_need_be(classification):
    """30 % of 1,000 rows are equal: their fold is those alone, the other folds share the rest evenly."""
    y = labels([500, 500]) if classification else np.arange(1000.0)
    copies = np.r_[np.zeros(300, int), np.arange(1, 701)]
    sizes = [len(fold.validation) for fold in make_folds(y, 5, classification=classification, copies=copies)]
    assert max(sizes) <= 310
    assert min(sizes) >= 165
    y, copies = y[280:330], copies[280:330]  # 20 equal rows and 30 others
    again = make_folds(y, Splits(5, 2), classification=classification, copies=copies)
    assert any(set(a.validation) != set(b.validation) for a, b in zip(again[:5], again[5:], strict=True))


@given(st.integers(0, 10**6), st.booleans())
def test_no_group_and_no_unit_stands_on_both_sides(seed, classification):
    rng = np.random.default_rng(seed)
    groups, copies = rng.integers(30, size=150), some_copies(seed, 145, 5)
    y = rng.integers(2, size=150)
    folds = make_folds(y, Splits(4, groups=groups, seed=2), classification=classification, copies=copies)
    assert sorted(np.concatenate([fold.validation for fold in folds])) == list(range(150))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.validation])
        assert not set(copies[fold.train]) & set(copies[fold.validation])


def test_a_row_that_every_group_has_joins_no_groups_and_is_left_out_of_training():
    groups, y = np.arange(100) // 5, np.arange(100) % 2
    copies = np.where(np.arange(100) % 5 == 0, 0, np.arange(100))
    folds = make_folds(y, Splits(4, groups=groups), classification=True, copies=copies)
    assert parts(folds) != parts(make_folds(y, Splits(4, groups=groups), classification=True))
    for fold, plain in zip(folds, make_folds(y, Splits(4, groups=groups), classification=True), strict=True):
        np.testing.assert_array_equal(fold.validation, plain.validation)
        np.testing.assert_array_equal(fold.train, plain.train[copies[plain.train] != 0])


@pytest.mark.parametrize(
    "splits",
    [
        Splits(3, time=np.arange(40)), Splits(np.arange(40) % 3), Splits(KFold(4)),
        Splits([(range(20), range(20, 40))]), Splits("leave-one-group-out", groups=np.arange(40) // 8),
    ],
)  # fmt: skip
def test_given_divisions_leave_copies_out_of_training(splits):
    copies = some_copies(0, 30, 10)
    plain = make_folds(np.zeros(40), splits, classification=False)
    folds = make_folds(np.zeros(40), splits, classification=False, copies=copies)
    left = 0
    for fold, before in zip(folds, plain, strict=True):
        np.testing.assert_array_equal(fold.validation, before.validation)
        outside = [row for row in before.train if copies[row] in set(copies[before.validation])]
        assert sorted([*fold.train, *outside]) == before.train.tolist()
        left += len(outside)
    assert left > 0


def nearest_neighbour_score(x, y, folds):
    from sklearn.neighbors import KNeighborsClassifier

    scores = [
        KNeighborsClassifier(1).fit(x[fold.train], y[fold.train]).score(x[fold.validation], y[fold.validation])
        for fold in folds
    ]
    return np.mean(scores)


def test_duplicated_rows_with_random_labels_score_at_chance():
    """Standard error of the mean of 10 x 300 rows that are 150 pairs: 0.013; without copies a copy stands in the
    training part with probability 0.8, so 0.8 + 0.2 / 2 = 0.9 is expected."""
    with_copies, without = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x, y, of = rng.normal(size=(150, 5)), rng.integers(2, size=150), rng.permutation(np.arange(300) % 150)
        x, y = x[of], y[of]
        copies, warning = copy_labels(x)
        assert warning == ""
        with_copies.append(
            nearest_neighbour_score(x, y, make_folds(y, 5, classification=True, seed=seed, copies=copies))
        )
        without.append(nearest_neighbour_score(x, y, make_folds(y, 5, classification=True, seed=seed)))
    assert abs(np.mean(with_copies) - 0.5) <= 0.05
    assert np.mean(without) > 0.8
