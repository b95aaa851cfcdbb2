"""Spaces: what a set is, how it is drawn from, what is refused when it is built."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from tenfold.errors import BadInput
from tenfold.recipe import Recipe, Space
from tenfold.recipe.layers import Conv, Flatten
from tenfold.rules.activations import GELU, ReLU
from tenfold.rules.normalization import BatchNorm
from tenfold.rules.optimizers import Adam, AdamW, Momentum
from tenfold.rules.record import rule_name

from ..examples import MEMBERS, at, changed, place, recipes, refusal

MIXED = """
optimizer:
- adam: {lr: {log_uniform: [1e-4, 1e-2]}}
- momentum: {lr: {log_uniform: [1e-3, 0.1]}, momentum: [0.5, 0.9]}
network:
- {hidden: [8], dropout: {uniform: [0, 0.5]}}
- {hidden: [[16], [16, 16]], activation: [relu, {elu: {uniform: [0.5, 2]}}]}
batch_size: [full, 32]
clip_norm: [null, 1e0]
epochs: {int_log_uniform: [5, 50]}
"""


def faults(data):
    return refusal(Space.from_dict, data)


@settings(max_examples=30, deadline=None)
@given(recipes)
def test_a_recipe_is_a_space_of_size_one(recipe):
    space = Space.from_dict(recipe.to_dict())
    assert space.size == 1
    assert space.sample(5) == [recipe]
    assert Space.from_dict(space.to_dict()) == space == Space.from_yaml(space.to_yaml())


@pytest.mark.parametrize(("path", "rule"), MEMBERS, ids=lambda item: getattr(item, "__name__", ""))
def test_every_rule_is_an_option(path, rule):
    moved = Recipe.from_dict(place(path, changed(rule)))
    written = at_dict(moved.to_dict(), path)
    space = Space.from_dict(place(path, [rule_name(rule), written]))
    assert {at(recipe, path) for recipe in space.sample(5)} == {rule(), changed(rule)}


def at_dict(data, path):
    for part in path:
        data = data[part]
    return data


def test_mixed_space_draws_from_everything_and_round_trips():
    space = Space.from_yaml(MIXED)
    sample = space.sample(300, seed=1)
    assert len(set(sample)) == 300
    assert space.size is None
    assert {type(recipe.optimizer) for recipe in sample} == {Adam, Momentum}
    assert {recipe.network.hidden for recipe in sample} == {(8,), (16,), (16, 16)}
    assert {recipe.batch_size for recipe in sample} == {"full", 32}
    assert {recipe.clip_norm for recipe in sample} == {None, 1.0}
    assert all(isinstance(recipe.epochs, int) and 5 <= recipe.epochs <= 50 for recipe in sample)
    assert all(0 <= recipe.network.dropout <= (0.5 if recipe.network.hidden == (8,) else 0) for recipe in sample)
    assert Space.from_dict(space.to_dict()) == space == Space.from_yaml(space.to_yaml())
    assert Space.from_dict(space.to_dict()).sample(20, seed=1) == sample[:20]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**70))
def test_prefix_property(k, n, seed):
    k, n = sorted((k, n))
    for text in (MIXED, "network: {hidden: [[1], [2], [3]], dropout: [0, 0.1, 0.2]}\nepochs: [1, 2, 3]"):
        space = Space.from_yaml(text)
        sample = space.sample(n, seed)
        assert space.sample(k, seed) == sample[:k]
        assert len(set(sample)) == min(n, space.size or n)


def test_a_space_over_layers():
    space = Space.from_yaml(
        "network:\n  layers:\n"
        "  - [{conv: {channels: [4, 8]}}, batch_norm, relu, flatten, {dropout: {uniform: [0, 0.5]}}]\n"
        "  - [flatten, {dense: {int_log_uniform: [8, 64]}}, [relu, tanh]]\n".replace(
            "[relu, tanh]", "{gelu: [none, tanh]}"
        )
    )
    sample = space.sample(200, seed=2)
    assert len(set(sample)) == len(set(space.sample(300, seed=2)) & set(sample)) == 200
    convs = [r.network.layers for r in sample if isinstance(r.network.layers[0], Conv)]
    dense = [r.network.layers for r in sample if isinstance(r.network.layers[0], Flatten)]
    assert {layers[0] for layers in convs} == {Conv(channels=4), Conv(channels=8)}
    assert all(layers[1:4] == (BatchNorm(), ReLU(), Flatten()) and 0 <= layers[4].rate <= 0.5 for layers in convs)
    assert {layers[2] for layers in dense} == {GELU(), GELU(approximate="tanh")}
    assert {layers[1].units for layers in dense} <= set(range(8, 65))
    assert len(convs) + len(dense) == 200
    assert Space.from_dict(space.to_dict()) == space == Space.from_yaml(space.to_yaml())


def test_seeds_differ():
    space = Space.from_yaml(MIXED)
    assert space.sample(20, seed=0) != space.sample(20, seed=1)


def test_log_uniform_is_log_uniform():
    sample = Space.from_dict({"optimizer": {"adam": {"lr": {"log_uniform": [1e-5, 1e-1]}}}}).sample(1500, seed=3)
    u = [(math.log10(recipe.optimizer.lr) + 5) / 4 for recipe in sample]
    assert stats.kstest(u, "uniform").pvalue > 0.01
    assert all(1e-5 <= recipe.optimizer.lr <= 1e-1 for recipe in sample)
    assert all(recipe.optimizer.lr == float(f"{recipe.optimizer.lr:.4g}") for recipe in sample)


def test_uniform_is_uniform():
    sample = Space.from_dict({"network": {"dropout": {"uniform": [0.1, 0.7]}}}).sample(1500, seed=4)
    assert stats.kstest([(recipe.network.dropout - 0.1) / 0.6 for recipe in sample], "uniform").pvalue > 0.01


def test_int_log_uniform_has_its_probabilities():
    from tenfold.recipe.grammar.nodes import Range, draw

    rng = np.random.default_rng(5)
    counts = Counter(draw(Range("int_log_uniform", 1, 8), rng) for _ in range(8000))
    expected = np.diff(np.log(np.arange(0.5, 9))) / math.log(8.5 / 0.5) * 8000
    assert stats.chisquare([counts[k] for k in range(1, 9)], expected).pvalue > 0.01


def test_a_narrow_range_keeps_its_digits():
    sample = Space.from_dict({"optimizer": {"adam": {"beta2": {"uniform": [0.9990, 0.9995]}}}}).sample(50)
    assert len(sample) == 50
    assert all(0.9990 <= recipe.optimizer.beta2 <= 0.9995 for recipe in sample)


def test_options_are_equally_likely_and_an_inner_list_shares():
    space = Space.from_yaml("optimizer: [adamw, [adam, sgd]]\nweight_decay: {log_uniform: [1e-6, 1e-1]}")
    counts = Counter(type(recipe.optimizer).__name__ for recipe in space.sample(2000, seed=6))
    assert stats.chisquare([counts["AdamW"], counts["Adam"], counts["SGD"]], [1000, 500, 500]).pvalue > 0.01


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", 1),
        ("epochs: [3]", 1),
        ("epochs: [3, 3]", 1),
        ("epochs: {int_log_uniform: [3, 7]}", 5),
        ("epochs: [{int_log_uniform: [3, 7]}, 7, 8]", 6),
        ("init: [{normal: [0.01, 0.1]}, he]", 3),
        ("init: {normal: {std: [0.01, 0.1]}}", 2),
        ("init: [zeros, {constant: 0}, {constant: 0.0}]", 2),
        ("optimizer: [adam, {adam: {lr: [1e-3, 1e-2]}}]", 2),
        ("optimizer: {adam: [{lr: 0.1}, {lr: 0.2, beta1: [0.5, 0.6]}]}", 3),
        ("network: {hidden: [32, 64]}", 1),
        ("network: {hidden: []}", 1),
        ("network: {hidden: [[], [32], [32, 64]]}", 3),
        ("network: {hidden: [{int_log_uniform: [2, 4]}, 8]}", 3),
        ("network: [{hidden: [3]}, {hidden: [[3], [4]]}]", 2),
        ("- {epochs: 3}\n- {epochs: [3, 4], init: [he, xavier]}", 4),
        ("epochs: {int_log_uniform: [1, 100000]}", 100000),
        ("weight_decay: {uniform: [0, 1]}", None),
        ("init: [he, {normal: {uniform: [0, 1]}}]", None),
        ("augment: {flip: [true, false], shift: [0, 1, 2]}", 6),
        ("rate_factors: {bias: [0.1, 1], fan_in: [true, false]}", 4),
        ("rate_factors: {scale: {log_uniform: [2, 10]}}", None),
        ("dropout_schedule: [none, flat_cos, {flat_cos: [0.2, 0.5]}]", 3),
        ("network: {activation: [{parametric: [mish, selu]}, relu]}", 3),
        ("augment: [{shift: 0}, {flip: false}, {flip: [true, false], shift: 1}]", 3),
        ("network: {activation: {gelu: [none, tanh]}}", 2),
        ("init: {he: {gain: [activation, 1, 1.0]}}", 2),
        ("optimizer: {adam: {preset: [torch, keras], lr: [0.1, 0.01]}}", 4),
        ("network: {layers: []}", 1),
        ("network: {layers: [relu]}", 1),
        ("network: {layers: [[], [{dense: 3}, relu], [{dense: [3, 4]}]]}", 4),
        ("network: {layers: [{conv: [8, 16]}, relu, {conv: {channels: [8, 16], kernel: [1, 3]}}]}", 8),
        ("network: {layers: [{residual: [{conv: [8, 16]}]}, {residual: {layers: [[relu], [tanh], []]}}]}", 6),
        ("network: {layers: [{dropout: {uniform: [0, 0.5]}}]}", None),
        ("network: [{hidden: [3]}, {layers: [{dense: 3}, relu]}, {layers: [{dense: [3, 4]}, relu]}]", 3),
    ],
)
def test_size(text, size):
    space = Space.from_yaml(text)
    assert space.size == size
    n = 12
    assert len(set(space.sample(n))) == len(space.sample(n)) == min(n, size or n)
    assert Space.from_yaml(space.to_yaml()) == space


def test_a_rare_recipe_of_a_small_space_is_found():
    text = "epochs: [1, [2, [3, [4, [5, [6, [7, [8, [9, [10, [11, [12, [13, [14, [15, 16]]]]]]]]]]]]]]]"
    sample = Space.from_yaml(text).sample(100)
    assert sorted(recipe.epochs for recipe in sample) == list(range(1, 17))
    assert Space.from_yaml(text).sample(15) == sample[:15]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"optimizer": {"adam": {"lr": {"uniform": [2, 1]}}}}, "optimizer.adam.lr: uniform: low must be below high"),
        ({"optimizer": {"adam": {"lr": {"uniform": [1, 1]}}}}, "low must be below high"),
        ({"optimizer": {"adam": {"lr": {"log_uniform": [0, 1]}}}}, "log_uniform: low must be above 0"),
        ({"optimizer": {"adam": {"lr": {"uniform": [0, 1]}}}}, "optimizer.adam.lr: must be > 0; got 0.0"),
        ({"optimizer": {"adam": {"beta1": [0.9, 1.5]}}}, "optimizer.adam.beta1: must be in [0, 1); got 1.5"),
        ({"optimizer": {"adam": {"lr": {"uniform": [1]}}}}, "uniform: found a list of 1; expected two numbers"),
        ({"optimizer": {"adam": {"lr": {"uniform": ["a", 2]}}}}, "expected two numbers"),
        ({"optimizer": {"adam": {"lr": {"unifrm": [1, 2]}}}}, "or one of uniform, log_uniform"),
        ({"optimizer": {"adam": {"lr": []}}}, "an empty list; a choice needs an option"),
        ({"optimizer": {"uniform": [1, 2]}}, "optimizer.uniform: unknown name"),
        ({"optimizer": ["adam", {"sgdd": 1}]}, "optimizer[1].sgdd: unknown name; nearest: sgd"),
        ({"epochs": {"uniform": [1, 5]}}, "a whole number is expected; use int_log_uniform"),
        ({"epochs": {"int_log_uniform": [0, 5]}}, "low and high must be whole numbers from 1"),
        ({"epochs": {"int_log_uniform": [1.5, 5]}}, "low and high must be whole numbers from 1"),
        ({"epochs": [3, 0]}, "epochs: must be >= 1; got 0"),
        ({"network": {"hidden": [[3], 4]}}, "network.hidden[0]: found a list; expected a whole number"),
        ({"network": {"hidden": [[3], [0]]}}, "network.hidden: must be units, each >= 1; got (0,)"),
        ({"network": {"dropout": {"uniform": [0, 1]}}}, "network.dropout: must be in [0, 1); got 1.0"),
        ({"network": [{"dropout": 0.1}, {"dropot": 0.1}]}, "network[1].dropot: unknown field; nearest: dropout"),
        (
            {"preprocess": {"min_max": {"low": [0, 2], "high": [1, 3]}}},
            "preprocess.min_max.low: must be below high (1.0)",
        ),
        ({"preprocess": {"min_max": {"low": {"uniform": [0, 2]}, "high": [3, 1]}}}, "must be below high (1.0)"),
        ([], "found an empty list"),
        ({"augment": {"flip": [True, 1]}}, "augment.flip[1]: found 1; expected true or false"),
        ({"augment": {"flip": []}}, "an empty list; a choice needs an option; expected true or false"),
        ({"network": {"layers": [["relu"], "tanh"]}}, "network.layers[0]: found a list; expected a layer"),
        ({"network": {"layers": [["relu"], ["tahn"]]}}, "network.layers[1][0].tahn: unknown name; nearest: tanh"),
        ({"network": {"layers": [{"conv": {"kernel": [3, 4]}}]}}, "network.layers[0].conv.kernel: must be odd"),
        (
            {"network": {"layers": [{"dropout": {"uniform": [0, 1]}}]}},
            "layers[0].dropout.rate: must be in [0, 1); got 1",
        ),
        ({"network": [{"hidden": []}, {"layers": [], "dropout": 0}]}, "network[1].dropout: does not go with layers"),
        ({"optimizer": {"adam": {"preset": ["torch", "kers"]}}}, "optimizer.adam.preset: found the text 'kers'"),
        ({"optimizer": ["adam", "lbfgs"], "batch_size": [32, "full"]}, "batch_size: must be full for lbfgs"),
        (
            {"network": {"normalization": ["none", "batch"]}, "batch_size": [8, 1]},
            "batch_size: must be >= 2 with batch norm",
        ),
        (
            {"network": {"layers": [["relu"], ["flatten", {"dense": [3, 4]}, "batch_norm"]]}, "batch_size": [8, 1]},
            "batch_size: must be >= 2 with batch norm",
        ),
    ],
)
def test_one_fault(data, expected):
    message = faults(data)
    assert expected in message
    assert "faults" not in message


def test_all_faults_of_all_branches_with_places():
    with pytest.raises(BadInput) as caught:
        Space.from_yaml(
            "optimizer:\n- {adam: {lr: {uniform: [1, 0]}}}\n- {momentum: {momentum: [0.5, 1.5]}}\nepoch: 3\n"
        )
    assert str(caught.value).splitlines() == [
        "3 faults",
        "  2:11 optimizer[0].adam.lr: uniform: low must be below high; got [1, 0]",
        "  3:15 optimizer[1].momentum.momentum: must be in [0, 1); got 1.5",
        "  4:8 epoch: unknown field; nearest: epochs; one of: preprocess, integers, categories, augment, network, "
        "init, loss, optimizer, decay, rate_factors, weight_decay, weight_decay_schedule, dropout_schedule, l1, "
        "max_norm, clip_norm, clip_value, weight_average, clip_predictions, batch_size, epochs",
    ]


def test_records_may_stand_in_a_space():
    space = Space.from_dict({"optimizer": [Adam(lr=0.1), AdamW()], "network": Recipe().network})
    assert {recipe.optimizer for recipe in space.sample(9)} == {Adam(lr=0.1), AdamW()}
    assert Space.from_dict([Recipe(), Recipe(epochs=3)]).size == 2
    layers = Space.from_dict({"network": {"layers": [[Conv(), "relu"], [ReLU()]]}})
    assert {recipe.network.layers for recipe in layers.sample(9)} == {(Conv(), ReLU()), (ReLU(),)}


@pytest.mark.parametrize(("n", "seed"), [(-1, 0), (1, -1)])
def test_negative_numbers_are_refused(n, seed):
    with pytest.raises(BadInput):
        Space.from_dict({}).sample(n, seed)


def test_a_space_with_a_pair_that_no_recipe_may_have_is_refused_when_it_is_built():
    with pytest.raises(BadInput, match=r"clip_norm.*absent with lbfgs"):
        Space.from_dict({"optimizer": ["adam", "lbfgs"], "clip_norm": [None, 1.0], "batch_size": "full"})


def test_a_space_prints_as_what_builds_it():
    space = Space.from_yaml(MIXED)
    assert eval(repr(space), {"Space": Space}) == space


FIRST = {"epochs": 7, "network": {"hidden": [3]}}, {"epochs": 8, "optimizer": {"adam": {"lr": 0.25}}}
WITH_FIRST = {"first": list(FIRST), "epochs": {"int_log_uniform": [10, 20]}}


def test_recipes_to_be_tried_first_come_first_and_once():
    space = Space.from_dict(WITH_FIRST)
    assert list(space.first) == [Recipe.from_dict(recipe) for recipe in FIRST]
    drawn = space.sample(6, seed=3)
    assert drawn[:2] == list(space.first)
    assert len(set(drawn)) == 6
    assert drawn[2:] == Space.from_dict({"epochs": {"int_log_uniform": [10, 20]}}).sample(4, seed=3)
    assert space.sample(1, seed=3) == drawn[:1]
    assert [r.epochs for r in space.sample(100)[2:]].count(7) == 0
    assert len(space.sample(100)) == space.size == 13


def test_a_space_with_first_recipes_comes_back_from_its_text():
    space = Space.from_dict(WITH_FIRST)
    assert Space.from_yaml(space.to_yaml()) == space
    assert Space.from_dict(space.to_dict()) == space
    assert "# recipes that are tried before any other" in space.to_yaml()
    inside = Space.from_dict({"first": [{"epochs": 12}], "epochs": [12, 13]})
    assert inside.size == 2
    assert len(inside.sample(5)) == 2


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ({"epochs": 3}, "first: found a mapping"),
        ([{"epoch": 3}], r"first\[0\].epoch: unknown field; nearest: epochs"),
        ([{}, {"epochs": [3, 4]}], r"first\[1\].epochs: found a list, a choice that only a space may hold"),
    ],
)
def test_a_wrong_first_recipe_is_named(first, message):
    with pytest.raises(BadInput, match=message):
        Space.from_dict({"first": first, "epochs": 5})


def test_faults_of_first_recipes_and_of_the_sets_are_told_together():
    with pytest.raises(BadInput) as caught:
        Space.from_dict({"first": [{"epoch": 3}], "epochs": [5, -1]})
    assert "first[0].epoch" in str(caught.value)
    assert "epochs" in str(caught.value).replace("first[0].epoch", "")
    assert "2 faults" in str(caught.value)
