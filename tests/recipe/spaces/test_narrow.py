"""Narrowed spaces: smaller, valid, and with every leader in them."""

import math

import pytest

from tenfold.engine.plan.size import Size
from tenfold.errors import BadInput
from tenfold.problem.default_space import default_space, image_space
from tenfold.recipe import Recipe, Space
from tenfold.recipe.spaces.decisions import locate
from tenfold.recipe.spaces.narrow import narrow

from ..examples import SPACES


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("leading", [1, 2, 5])
@pytest.mark.parametrize("shrink", [0.05, 0.25, 0.5])
def test_it_is_a_part_of_the_space_around_the_leaders(name, leading, shrink):
    space = SPACES[name]
    leaders = space.sample(leading, seed=leading)
    smaller = narrow(space, leaders, shrink)
    assert all(locate(smaller, leader) is not None for leader in leaders)
    assert all(locate(space, recipe) is not None for recipe in smaller.sample(40))
    assert Space.from_dict(smaller.to_dict()) == smaller


def tree(text, *leaders, **options):
    return narrow(Space.from_yaml(text), [Recipe.from_dict(leader) for leader in leaders], **options).to_dict()


def adam(lr):
    return {"optimizer": {"adam": {"lr": lr}}}


def test_a_logarithmic_range_keeps_a_quarter_of_its_width_around_one_leader():
    text = "optimizer: {adam: {lr: {log_uniform: [1e-5, 1e-1]}}}"  # four decades, so half a decade on either side
    assert tree(text, adam(1e-3)) == adam({"log_uniform": [3.162e-4, 3.162e-3]})


def test_the_hull_is_widened_within_the_old_ends():
    log, plain = "optimizer: {adam: {lr: {log_uniform: [1e-5, 1e-1]}}}", "network: {dropout: {uniform: [0, 0.8]}}"
    assert tree(log, adam(1e-5), adam(1e-3)) == adam({"log_uniform": [1e-5, 3.162e-3]})
    assert tree(log, adam(2e-2)) == adam({"log_uniform": [6.325e-3, 6.325e-2]})
    assert tree(log, adam(5e-2)) == adam({"log_uniform": [1.581e-2, 1e-1]})
    rates = [{"network": {"dropout": rate}} for rate in (0.3, 0.4)]
    assert tree(plain, *rates, shrink=0.5) == {"network": {"dropout": {"uniform": [0.1, 0.6]}}}
    assert tree(plain, rates[0], shrink=0.5) == {"network": {"dropout": {"uniform": [0.1, 0.5]}}}  # half of the width


def test_whole_numbers():
    text = "epochs: {int_log_uniform: [2, 200]}"
    (low, high) = tree(text, {"epochs": 20})["epochs"]["int_log_uniform"]
    assert low < 20 < high
    width = math.log((high + 0.5) / (low - 0.5)) / math.log(200.5 / 1.5)
    assert 0.2 < width < 0.3
    assert tree("epochs: {int_log_uniform: [4, 5]}", {"epochs": 5}, shrink=0.01) == {"epochs": 5}


def test_choices_keep_what_leaders_have():
    text = (
        "network: {activation: [relu, tanh, {elu: {uniform: [1, 5]}}], dropout: [0.0, {uniform: [0.1, 0.5]}]}\n"
        "init: [he, lecun]"
    )
    assert tree(text, {"network": {"activation": {"elu": 2}}}) == {
        "network": {"activation": {"elu": {"alpha": {"uniform": [1.5, 2.5]}}}, "dropout": 0.0},
        "init": "he",
    }
    tanh = {"network": {"activation": "tanh", "dropout": 0.3}}
    assert tree(text, tanh, {"network": {"dropout": 0.4}, "init": "lecun"}) == {
        "network": {"activation": ["relu", "tanh"], "dropout": {"uniform": [0.25, 0.45]}},
        "init": ["he", "lecun"],
    }


def test_listed_numbers_keep_their_neighbours():
    text = "epochs: [10, 20, 40, 80, 160]\nclip_norm: [null, 1, 5]\nnetwork: {hidden: [[8], [16], [32]]}"
    kept = tree(text, {"epochs": 20, "network": {"hidden": [16]}})
    assert kept == {"epochs": [10, 20, 40], "clip_norm": None, "network": {"hidden": [16]}}
    assert tree(text, {"epochs": 160, "network": {"hidden": [16]}})["epochs"] == [80, 160]
    both = tree(text, {"epochs": 20, "network": {"hidden": [16]}}, {"epochs": 80, "network": {"hidden": [8]}})
    assert both["epochs"] == [10, 20, 40, 80, 160]
    assert both["network"] == {"hidden": [[8], [16]]}


def test_a_leader_with_more_digits_than_the_rounded_ends_stays_inside():
    for lr in (0.0031234999, 0.0031230001):
        kept = tree("optimizer: {adam: {lr: {log_uniform: [1e-5, 1e-1]}}}", adam(lr), shrink=1e-7)
        low, high = kept["optimizer"]["adam"]["lr"]["log_uniform"]
        assert low <= lr <= high


def test_it_can_be_repeated_until_nothing_is_left():
    space = image_space(Size(784, 10, (28, 28, 1)), rows=5000)
    leader = space.sample(1, seed=5)[0]
    for _ in range(60):
        space = narrow(space, [leader])
    assert locate(space, leader) is not None
    assert Space.from_dict(space.to_dict()) == space


def test_what_is_refused():
    space = default_space(Size(5, 2), rows=500, task="classification")
    with pytest.raises(BadInput, match="0 of 0 leaders"):
        narrow(space, [])
    with pytest.raises(BadInput, match="1 of 2 leaders that the space does not hold"):
        narrow(space, [*space.sample(1), Recipe(epochs=1)])
    for shrink in (0, 0.6, -1):
        with pytest.raises(BadInput, match="shrink"):
            narrow(space, space.sample(1), shrink)
