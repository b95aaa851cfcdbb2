"""Nested cross-validation: what each outer fold's inner folds choose is scored on rows that had no part in it."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

import tenfold
from tenfold import BadInput, Recipe, Space
from tenfold.problem.from_arrays import understand
from tenfold.search.context import SearchContext
from tenfold.search.nested import inner_problem, nested, nested_result
from tenfold.search.search import SearchPlan, train_all

X, Y = load_iris(return_X_y=True)
SPACE = Space.from_dict(
    {"network": {"hidden": [[4], [8]], "activation": ["relu", "tanh"]}, "batch_size": 20, "epochs": 5,
     "optimizer": {"adam": {"lr": [1e-3, 3e-2]}}}
)  # fmt: skip


def test_inner_folds_partition_the_training_part_of_their_outer_fold():
    problem = understand(X, Y).problem(3)
    inside = inner_problem(problem, 4, 0)
    assert len(inside.folds) == 12
    for o, outer in enumerate(problem.folds):
        parts = inside.folds[4 * o : 4 * o + 4]
        np.testing.assert_array_equal(np.sort(np.concatenate([part.validation for part in parts])), outer.train)
        for part in parts:
            np.testing.assert_array_equal(np.union1d(part.train, part.validation), outer.train)
            assert np.bincount(problem.y[part.validation]).min() >= 8  # stratified
    assert len({(fold.number, fold.seed) for fold in (*inside.folds, *problem.folds)}) == 15


def test_each_pick_is_scored_outside_where_it_had_no_part():
    recipes = SPACE.sample(6, seed=1)
    problem = understand(X, Y).problem(3)
    found = nested(problem, recipes, SearchContext.local("cpu"), inner=4)
    plain = tenfold.cross_validate(recipes, X, Y, folds=3)
    for o, pick in enumerate(found.picks):
        trial = next(t for t in plain.trials if (t["recipe"], t["fold"]) == (pick.recipe, o))
        assert pick.outer == trial["curve"][pick.epoch - 1]
    assert found.score == pytest.approx(np.mean(found.scores))
    assert found.flat == max(line["mean"] for line in plain.table)


def test_the_choice_is_the_best_mean_over_the_inner_folds():
    recipes, problem = SPACE.sample(6, seed=1), understand(X, Y).problem(3)
    outer = train_all(problem, recipes, SearchContext.local("cpu"), SearchPlan())
    inner = train_all(inner_problem(problem, 4, 0), recipes, SearchContext.local("cpu"), SearchPlan())
    for o, pick in enumerate(nested_result(outer, inner).picks):
        curves = np.stack(
            [inner.records[n].curves[2, 4 * o : 4 * o + 4].mean(0) for n in range(6)]
        )  # (recipes, epochs)
        assert pick.inner == curves.max()
        first = np.unravel_index(curves.argmax(), curves.shape)
        assert (pick.recipe, pick.epoch - 1) == tuple(int(i) for i in first)


def test_a_space_or_recipes_and_groups():
    groups = np.arange(150) // 5
    found = tenfold.nested_cross_validate(SPACE, X, Y, trials=3, folds=3, inner=3, groups=groups)
    assert len(found.picks) == 3
    for fold in inner_problem(found.outer.problem, 3, 0).folds:
        assert not set(groups[fold.train]) & set(groups[fold.validation])
    one = tenfold.nested_cross_validate(Recipe.from_dict({"epochs": 2}), X, Y, folds=2, inner=2)
    assert [pick.recipe for pick in one.picks] == [0, 0]
    assert set(one.to_dict()) == {"score", "se", "interval", "scores", "recipes", "epochs"}


def test_refusals():
    with pytest.raises(BadInput, match="inner folds"):
        tenfold.nested_cross_validate(SPACE, X, Y, trials=2, inner=1)
    rare = np.where(np.arange(150) < 3, 1, 0)
    with pytest.raises(BadInput, match="into 3 inner folds"):
        tenfold.nested_cross_validate(SPACE, X, rare, trials=2, folds=3, inner=3)
