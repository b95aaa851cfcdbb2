"""The share of a search that is done: it never falls, and counts work, not epochs."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from tenfold import Recipe, Space
from tenfold.data.split.folds import Fold
from tenfold.problem.from_arrays import understand
from tenfold.search.context import SearchContext
from tenfold.search.progress import Progress
from tenfold.search.proposals import proposer
from tenfold.search.racing import Strategy
from tenfold.search.search import SearchPlan, train_all

X, Y = load_iris(return_X_y=True)
# One recipe in three is short and wide, as those with views of the default space for a table are.
MIXED = [
    Recipe.from_dict({"network": {"hidden": [64, 64]}, "epochs": 9, "batch_size": 20, "init": {"normal": i / 10}})
    if i % 3 == 0
    else Recipe.from_dict({"network": {"hidden": [8]}, "epochs": 36, "batch_size": 20, "init": {"normal": i / 10}})
    for i in range(1, 13)
]
FOLDS = tuple(Fold(np.arange(4), np.arange(4, 8), n, 0) for n in range(5))


def shares_of(recipes, plan):
    """The shares that were told of a search."""
    told = []
    context = SearchContext.local("cpu", progress=lambda share, best: told.append(share))
    train_all(understand(X, Y).problem(5), recipes, context, plan)
    return np.array(told)


def test_the_open_part_of_the_share_is_divided_by_what_is_left():
    told = []
    progress = Progress(1.0, lambda share, best: told.append((round(share, 12), best)))
    progress.stage(0.0, 10.0)
    progress.advance(4.0, 0.5)
    # The survivors cost twice of what was expected: 12 are left, not 6.
    progress.stage(4.0, 12.0)
    progress.advance(6.0, 0.4)
    progress.stage(10.0, 5.0)
    progress.advance(5.0, 0.7)
    assert told == [(0.4, 0.5), (0.7, 0.5), (1.0, 0.7)]


def test_a_resumed_stage_goes_on_from_its_share():
    told = []
    progress = Progress(1.0, lambda share, best: told.append(share))
    progress.stage(0.0, 10.0)
    progress.restart(5.0, 0.5)
    progress.stage(5.0, 5.0)
    progress.restart(7.5, None)
    progress.advance(0.5, None)
    assert told == [0.8]


@pytest.mark.parametrize("strategy", ["exhaustive", "halving", "hyperband", "racing"])
def test_the_share_never_falls_and_ends_at_one_though_recipes_differ_in_epochs(strategy):
    told = shares_of(MIXED, SearchPlan(Strategy(strategy)))
    assert (np.diff(told) >= 0).all()
    assert told[-1] == pytest.approx(1.0)
    # No jump at the end, but where those that are left at the last decision are at theirs.
    assert strategy == "halving" or told[-2] > 0.9


def test_rounds_and_an_audit_are_parts_of_the_whole():
    space = Space.from_dict({"network": {"hidden": [[8], [12]]}, "batch_size": 20, "epochs": 9,
                             "optimizer": {"adam": {"lr": {"log_uniform": [1e-3, 1e-1]}}}})  # fmt: skip
    plan = SearchPlan(Strategy("halving"), audit=True)
    told = shares_of(proposer("coarse-to-fine", space, 18, 0), plan)
    assert (np.diff(told) >= 0).all()
    assert told[-1] == pytest.approx(1.0)
    assert np.diff(told).max() < 0.5


def test_expected_epochs_are_those_of_a_race_in_which_all_are_as_likely_to_go_on():
    # 27 recipes of 27 epochs: all make 1, a third make 3, 9 and 27 are made by a ninth and a 27th, but at least three.
    race = Strategy("halving")
    assert [count for _, count in race.entering(FOLDS, 27, 27)] == [27, 9, 3]
    assert race.expected_epochs(FOLDS, 27, 27, 27) == pytest.approx(3 + 6 * 9 / 27 + 18 * 3 / 27)
    # One of 6 epochs is at its end where others are at 9.
    assert race.expected_epochs(FOLDS, 27, 27, 6) == pytest.approx(3 + 3 * 9 / 27)
    for strategy in ("exhaustive", "racing"):
        assert Strategy(strategy).expected_epochs(FOLDS, 27, 27, 6) == pytest.approx(6)
