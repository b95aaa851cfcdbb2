"""Decisions of a space: their paths, and the way from a recipe to them and back."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from tenfold.errors import BadInput
from tenfold.recipe import Recipe, Space
from tenfold.recipe.grammar.nodes import Range, draw
from tenfold.recipe.spaces.decisions import build, build_with, decisions_of, locate, number_at, share_of

from ..examples import SPACES, recipes


@pytest.mark.parametrize("name", SPACES)
def test_a_recipe_is_found_and_built_again(name):
    space = SPACES[name]
    known = {place.path for place in decisions_of(space)}
    assert len(known) == len(decisions_of(space))
    for recipe in space.sample(100, seed=1):
        found = locate(space, recipe)
        assert found is not None
        assert set(found) <= known
        assert build(space, found) == recipe


@settings(max_examples=20, deadline=None)
@given(recipes)
def test_a_recipe_alone_leaves_nothing_to_decide(recipe):
    space = Space.from_dict(recipe.to_dict())
    assert decisions_of(space) == []
    assert locate(space, recipe) == {}
    assert build(space, {}) == recipe


def test_paths():
    assert [place.path for place in decisions_of(SPACES["MIXED"])] == [
        "network", "network[0].dropout", "network[1].hidden", "network[1].hidden[1][0]", "network[1].activation",
        "network[1].activation.elu.alpha", "optimizer", "optimizer[0].adam.lr", "optimizer[1]",
        "optimizer[1].momentum.lr", "optimizer[1].momentum.momentum", "optimizer[2].adam.beta1", "epochs",
    ]  # fmt: skip
    assert [place.path for place in decisions_of(SPACES["LAYERS"])] == [
        "network.layers", "network.layers[0][0].conv.channels", "network.layers[1][0].dense.units",
        "network.layers[1][1].residual.layers", "loss",
    ]  # fmt: skip
    assert [place.path for place in decisions_of(SPACES["WHOLE"])] == [
        "recipe", "recipe[0].epochs", "recipe[1].augment.flip", "recipe[1].epochs",
    ]  # fmt: skip


def test_only_decisions_on_the_way_are_there():
    recipe = Recipe(network={"hidden": [16], "activation": "relu"}, optimizer="lbfgs", epochs=7)
    assert locate(SPACES["MIXED"], recipe) == {
        "network": 1, "network[1].hidden": 0, "network[1].activation": 0,
        "optimizer": 1, "optimizer[1]": 1, "epochs": 7,
    }  # fmt: skip


def test_of_several_options_it_is_the_first():
    assert locate(SPACES["WHOLE"], Recipe(epochs=4)) == {"recipe": 0, "recipe[0].epochs": 1}
    assert locate(SPACES["WHOLE"], Recipe(epochs=5)) == {
        "recipe": 1,
        "recipe[1].epochs": 5,
        "recipe[1].augment.flip": 1,
    }
    assert locate(Space.from_dict({"epochs": [3, 3]}), Recipe(epochs=3)) == {"epochs": 0}


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 4}, {"epochs": 51}, {"l1": 0.1}, {"optimizer": "sgd"}, {"batch_size": 32}, {"clip_norm": 1.0},
     {"optimizer": {"adam": {"lr": 0.5, "beta1": 0.7}}}, {"network": {"hidden": [16, 16, 16]}},
     {"network": {"layers": ["relu"]}}, {"network": {"hidden": [2, 16]}}],
)  # fmt: skip
def test_a_stranger_is_not_found(changes):
    own = {"network": {"hidden": [16]}, "optimizer": {"adam": {"lr": 0.001}}, "batch_size": "full", "epochs": 5}
    assert locate(SPACES["MIXED"], Recipe.from_dict(own)) is not None
    assert locate(SPACES["MIXED"], Recipe.from_dict(own | changes)) is None


@pytest.mark.parametrize("change", [{"epochs": None}, {"epochs": 4}, {"optimizer": 3}, {"optimizer": -1}])
def test_a_wrong_decision_is_refused(change):
    found = locate(SPACES["MIXED"], SPACES["MIXED"].sample(1)[0])
    wrong = {path: value for path, value in (found | change).items() if value is not None}
    with pytest.raises(BadInput, match=f"{next(iter(change))}: the decision .*\n.*one of the space's"):
        build(SPACES["MIXED"], wrong)


def test_follow_asks_from_the_root_down():
    asked = []
    build_with(SPACES["MIXED"], lambda place: asked.append(place.path) or place.at(0.99))
    assert asked == ["network", "network[1].hidden", "network[1].hidden[1][0]", "network[1].activation",
                     "network[1].activation.elu.alpha", "optimizer", "optimizer[2].adam.beta1", "epochs"]  # fmt: skip


def test_numbers_lie_where_their_distribution_has_them():
    for share in np.linspace(0, 1, 41):
        uniform = stats.uniform(2, 5).ppf(share)
        assert math.isclose(number_at(Range("uniform", 2, 7), share), uniform, rel_tol=5e-4)
        log = stats.loguniform(1e-4, 10).ppf(share)
        assert math.isclose(number_at(Range("log_uniform", 1e-4, 10), share), log, rel_tol=5e-4)
    mass = np.log((np.arange(3, 10) + 0.5) / (np.arange(3, 10) - 0.5)) / math.log(9.5 / 2.5)  # P(k), k = 3 ... 9
    shares = (np.arange(10_000) + 0.5) / 10_000
    counts = np.bincount([number_at(Range("int_log_uniform", 3, 9), share) for share in shares])[3:]
    assert np.abs(counts / 10_000 - mass).max() <= 1e-4  # a share at each border


@pytest.mark.parametrize(
    "span", [Range("uniform", -1, 3), Range("log_uniform", 1e-5, 3), Range("int_log_uniform", 1, 80)]
)
def test_a_share_is_the_inverse_and_agrees_with_draw(span):
    for seed in range(200):
        number = draw(span, np.random.default_rng(seed))
        assert number == number_at(span, np.random.default_rng(seed).random())
        assert 0 <= share_of(span, number) <= 1
        assert math.isclose(number_at(span, share_of(span, number)), number, rel_tol=1e-3)
