"""Groups within time: forward in time, and no group on both sides; against what can be written down by hand."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.model_selection import TimeSeriesSplit

import tenfold
from tenfold.data.split.folds import divide_again, divide_rows, make_folds
from tenfold.data.split.holdout import hold_out
from tenfold.data.split.request import Splits, describe
from tenfold.errors import BadInput
from tenfold.problem.from_arrays import understand

HOURS = np.arange(12)
WHO = np.array(list("aabbcddeaffb"))
# validation rows, and what remains of the rows before them
BY_HAND = [([0, 1], [3, 4, 5]), ([2, 3, 4], [6, 7, 8]), ([0, 1, 4, 5, 6, 7, 8], [9, 10, 11])]
WITH_A_GAP = [([0, 1], [3, 4, 5]), ([2, 3, 4], [6, 7, 8]), ([0, 1, 4, 5, 6, 7], [9, 10, 11])]


def parts(folds):
    return [(fold.train.tolist(), fold.validation.tolist()) for fold in folds]


@pytest.mark.parametrize(("gap", "expected"), [(0, BY_HAND), (1, WITH_A_GAP)])
@pytest.mark.parametrize("seed", range(4))
def test_the_folds_are_those_written_down(gap, expected, seed):
    order = np.random.default_rng(seed).permutation(12)  # rows come in any order in a file
    place = np.argsort(order)
    found = make_folds(np.zeros(12), Splits(3, groups=WHO[order], time=HOURS[order], gap=gap), classification=False)
    assert parts(found) == [tuple(sorted(place[rows].tolist()) for rows in part) for part in expected]


def test_the_sealed_rows_are_the_last_and_nothing_of_their_groups_stays():
    splits = Splits(3, groups=WHO, time=HOURS)
    development, test = hold_out(np.zeros(12), 0.25, classification=False, splits=splits)
    assert test.tolist() == [9, 10, 11]
    assert development.tolist() == [0, 1, 4, 5, 6, 7, 8]


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(0, 4), st.integers(1, 12))
def test_every_fold_is_what_the_definition_says(seed, k, gap, stay):
    rng = np.random.default_rng(seed)
    rows = 80
    time = rng.permutation(rows)
    who = (time + rng.integers(0, stay, rows)) // 7  # groups come and go
    found = make_folds(np.zeros(rows), Splits(k, groups=who, time=time, gap=gap), classification=False)
    order = np.argsort(time)
    for fold, (train, validation) in zip(found, TimeSeriesSplit(k, gap=gap).split(order), strict=True):
        assert set(fold.validation) == set(order[validation])
        scored = set(who[fold.validation])
        assert set(fold.train) == {row for row in order[train] if who[row] not in scored}


def test_a_group_that_goes_on_for_ever_leaves_nothing_to_train_on():
    with pytest.raises(BadInput, match="fold 0 has nothing to train on: every group of the 3 rows before"):
        make_folds(np.zeros(12), Splits(3, groups=["a", "b", "c"] * 4, time=HOURS), classification=False)
    with pytest.raises(BadInput, match="every group of the 9 rows before the last 3 goes on into them"):
        hold_out(np.zeros(12), 0.25, classification=False, splits=Splits(3, groups=["a", "b", "c"] * 4, time=HOURS))


def test_what_is_left_out_is_said():
    inputs = understand(np.arange(24.0).reshape(12, 2), HOURS + 0.5).inputs
    notes = divide_rows(inputs, np.zeros(12), Splits(3, groups=WHO, time=HOURS), classification=False).notes
    # 1 of 3, 3 of 6 and 2 of 9 rows
    assert any("33.3% of the rows before the validation rows are not trained on" in note for note in notes)
    apart = divide_rows(inputs, np.zeros(12), Splits(3, groups=HOURS // 3, time=HOURS), classification=False).notes
    assert not any("not trained on" in note for note in apart)
    assert describe(Splits(3, groups=WHO, time=HOURS), classification=False) == (
        "3 folds forward in time, by time, no group on both sides"
    )


def test_some_rows_are_divided_again_in_the_same_way():
    time, who = np.arange(60), np.arange(60) // 4 % 12
    again = divide_again(np.zeros(60), 4, 0, classification=False, units=time, ordered=True, groups=who)
    assert len(again) == 4
    for train, validation in again:
        assert train.max() < validation.min()
        assert not set(who[train]) & set(who[validation])


def test_in_python_each_row_is_predicted_by_a_model_of_earlier_rows_of_others():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3)), rng.normal(size=120)
    time, who = np.arange(120), np.arange(120) // 9
    recipe = tenfold.Recipe.from_dict({"network": {"hidden": [4]}, "epochs": 1})
    found = tenfold.cross_validate(recipe, X, y, folds=3, groups=who, time=time)
    for fold in found.trained.problem.folds:
        assert time[fold.train].max() < time[fold.validation].min()
        assert not set(who[fold.train]) & set(who[fold.validation])
