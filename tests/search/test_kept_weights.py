"""The networks that a search had at its best epochs make the final model; trained again they have the same bits."""

from importlib import import_module

import numpy as np
import pytest
from sklearn.datasets import load_iris

import tenfold
from tenfold import Space
from tenfold.model.refit import fold_ensemble
from tenfold.problem.from_arrays import understand
from tenfold.search.context import SearchContext
from tenfold.search.racing import Strategy
from tenfold.search.search import SearchPlan, train_all

X, Y = load_iris(return_X_y=True)
SPACE = Space.from_dict({
    "network": {"hidden": [[4], [6]], "activation": ["tanh", "relu"], "normalization": ["none", "batch"]},
    "optimizer": [{"adam": {"lr": {"log_uniform": [1e-2, 0.1]}}}, {"nesterov": {"lr": {"log_uniform": [1e-2, 0.3]}}}],
    "weight_average": [0.0, 0.9], "batch_size": 32, "epochs": 12,
})  # fmt: skip


@pytest.mark.parametrize("engine", ["compiled", "packs"])
@pytest.mark.parametrize("strategy", ["exhaustive", "halving", "racing"])
def test_they_are_those_of_training_again(engine, strategy):
    problem = understand(X, Y).problem(3, seed=5)
    context = SearchContext.local("cpu", engine=engine)
    found = train_all(problem, SPACE.sample(6, seed=5), context, SearchPlan(Strategy(strategy)))
    known = {n: found.weights_of(n) for n in found.records}
    assert sum(weights is not None for weights in known.values()) >= 2
    early = 0
    for number, weights in known.items():
        epoch, recipe = found.records[number].epoch, found.recipes[number]
        early += weights is not None and epoch < recipe.epochs
        again = fold_ensemble(problem, recipe, epoch, engine=engine)
        if weights is None:
            continue
        kept = fold_ensemble(problem, recipe, epoch, weights=weights)
        for one, two in zip(kept.members, again.members, strict=True):
            assert (one.epochs, one.updates, one.recipe) == (two.epochs, two.updates, two.recipe)
            assert one.weights.keys() == two.weights.keys()
            for name, array in two.weights.items():
                np.testing.assert_array_equal(one.weights[name], array)
        np.testing.assert_array_equal(kept.predict_proba(X), again.predict_proba(X))
    assert early > 0


def test_nothing_is_trained_for_an_ensemble_or_a_blend(monkeypatch):
    """As long as the same session searched."""
    found = tenfold.search(SPACE, X, Y, trials=6, folds=3, strategy="halving", metric="log_loss", device="cpu")
    assert found.trained.winner().weights is not None

    def never(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("tenfold.model.refit.train_lanes", never)
    assert len(found.refit("ensemble").members) == 3
    found.refit("blend")


def test_large_networks_are_not_kept(monkeypatch):
    monkeypatch.setattr(import_module("tenfold.search.search"), "MOST_KEPT_WEIGHTS", 100)
    problem = understand(X, Y).problem(3)
    found = train_all(problem, SPACE.sample(3, seed=1), SearchContext.local("cpu"))
    assert found.weights == {}
