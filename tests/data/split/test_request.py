"""The record of a division: what it refuses, what it says, and that it can be taken along for some rows."""

import numpy as np
import pytest
from sklearn.model_selection import KFold, ShuffleSplit, TimeSeriesSplit

from tenfold.data.split.request import Splits, describe
from tenfold.errors import BadInput

TEN = np.arange(10)
SQUARE = np.zeros((3, 2))
PAIRS = [([0, 1], [2]), ([2], [0])]
GAPPY = np.array(["2024-01-01", "NaT"], "datetime64[D]")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": 1}, "folds is 1"),
        ({"folds": True}, "folds is True"),
        ({"folds": 2.5}, "folds is 2.5"),
        ({"folds": "leave-one-grup-out"}, "folds is 'leave-one-grup-out'"),
        ({"folds": "leave-one-group-out"}, "there are no groups"),
        ({"folds": "leave-one-group-out", "groups": np.zeros(4)}, "all rows are of one group"),
        ({"folds": [0, 1, -2]}, "a fold number is below -1"),
        ({"folds": np.full(3, -1)}, "a fold number is below -1"),
        ({"folds": [([0, 1], [2], [3])]}, "fold 0 is"),
        ({"folds": [3.5]}, "fold 0 is 3.5"),
        ({"folds": [([0, 1], [2]), (np.array([True, False, False]), [1])]}, "fold 1 has a mask of booleans"),
        ({"folds": [([0, 1], [2.0])]}, "fold 0 has an array of type float64"),
        ({"repeats": 0}, "repeats is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"gap": -1, "time": TEN}, "gap is -1"),
        ({"gap": 3}, "a gap of 3 rows without a time"),
        ({"folds": KFold(3), "time": TEN}, "time is given together with folds"),
        ({"groups": SQUARE}, r"groups has shape \(3, 2\)"),
        ({"groups": np.array(["a", None, "b"], object)}, "1 of 3 values of groups are missing, the first in row 1"),
        ({"time": np.array([1.0, 2.0, np.nan])}, "1 of 3 values of time are missing, the first in row 2"),
        ({"time": GAPPY}, "1 of 2 values of time are missing, the first in row 1"),
        ({"time": np.array([1, "b"], object)}, "time holds values of several types"),
        ({"folds": [0, 1, 0], "groups": TEN}, "10 values of groups and 3 values of folds"),
    ],
    ids=str,
)
def test_a_division_that_cannot_be_is_refused(given, message):
    with pytest.raises(BadInput, match=message):
        Splits(**given)


@pytest.mark.parametrize(
    ("splits", "classification", "words"),
    [
        (Splits(), True, "5 stratified folds"),
        (Splits(), False, "5 folds"),
        (Splits(5, 3, TEN, by="patient"), True, "5 stratified folds x 3 repeats, by patient"),
        (Splits(5, 3, TEN), False, "5 folds x 3 repeats, by group"),
        (Splits(4, 2, time=TEN, gap=24, by="hour"), False, "4 folds forward in time x 2 seeds, by hour, 24 rows apart"),
        (Splits("leave-one-group-out", groups=TEN // 2, by="site"), True, "5 folds of one group each, by site"),
        (Splits(TEN % 3 - 1), True, "2 given folds"),
        (Splits([0, 0, -1]), True, "1 given fold"),
        (Splits(PAIRS, 2), True, "2 given folds x 2 seeds"),
        (Splits(ShuffleSplit(3), 2), True, "the folds of ShuffleSplit x 2 repeats"),
        (Splits(TimeSeriesSplit(3), 2), True, "the folds of TimeSeriesSplit x 2 seeds"),
        (Splits(KFold(3), 2), True, "the folds of KFold x 2 seeds"),
    ],
)
def test_a_division_says_what_it_is(splits, classification, words):
    assert describe(splits, classification=classification) == words


def test_one_group_a_row_is_a_warning():
    assert Splits(groups=np.array(list("abcd")), by="id").warnings == (
        "every row has its own value of 'id': the division is as without groups",
    )
    assert Splits(groups=np.array(list("abca"))).warnings == Splits().warnings == ()


def test_groups_of_several_types_are_groups():
    splits = Splits(groups=np.array(["a", 1, "a", 2.5, 1], object))
    assert splits.group_codes.tolist() == [0, 1, 0, 2, 1]
    assert splits.group_count == 3


def test_some_rows_take_their_groups_times_and_fold_numbers_along():
    rows = np.array([3, 1])
    assert Splits(groups=TEN * 2, by="g").take(rows).groups.tolist() == [6, 2]
    assert Splits(time=TEN * 3, gap=1).take(rows).time.tolist() == [9, 3]
    assert Splits(TEN % 4).take(rows).folds.tolist() == [3, 1]
    assert Splits(7, 2, seed=3).take(rows).repeats == 2
    with pytest.raises(BadInput, match="index arrays are of all rows"):
        Splits(PAIRS).take(rows)


def test_a_generator_of_parts_is_read_once():
    splits = Splits((part for part in PAIRS), repeats=2)
    assert [[side.tolist() for side in part] for part in splits.folds] == [[[0, 1], [2]], [[2], [0]]]


@pytest.mark.parametrize("given", [{"groups": TEN}, {"time": TEN}, {"folds": TEN}])
def test_another_number_of_rows_is_refused(given):
    Splits(**given).check_rows(10)
    with pytest.raises(BadInput, match="has 10 values and there are 11 rows"):
        Splits(**given).check_rows(11)
