"""Warnings of a best recipe at the border of its space: when, in which words, and how far to look."""

import re

import pytest

from tenfold.engine.plan.size import Size
from tenfold.problem.default_space import default_space
from tenfold.recipe import Recipe, Space
from tenfold.recipe.spaces.range_edges import border_warnings


def optimizer(name, **fields):
    return {"optimizer": {name: fields}}


def network(**fields):
    return {"network": fields}


def warned(space, recipe, *near):
    return border_warnings(Space.from_dict(space), Recipe.from_dict(recipe), [Recipe.from_dict(one) for one in near])


LR = optimizer("adam", lr={"log_uniform": [1e-3, 0.3]})
LISTED = optimizer("adam", lr=[0.1, 1e-3, 1e-2])


@pytest.mark.parametrize(
    ("space", "recipe", "sentence"),
    [
        (
            LR,
            optimizer("adam", lr=0.28),
            "learning rate 0.28 is at the upper end of its range [0.001, 0.3]: try up to 3",
        ),
        (
            LR,
            optimizer("adam", lr=0.001),
            "learning rate 0.001 is at the lower end of its range [0.001, 0.3]: try down to 0.0001",
        ),
        (LISTED, optimizer("adam", lr=0.1), "learning rate 0.1 is the largest of 0.001, 0.01, 0.1: try up to 1"),
        (
            LISTED,
            optimizer("adam", lr=1e-3),
            "learning rate 0.001 is the smallest of 0.001, 0.01, 0.1: try down to 0.0001",
        ),
        (
            network(dropout={"uniform": [0.1, 0.5]}),
            network(dropout=0.49),
            "dropout 0.49 is at the upper end of its range [0.1, 0.5]: try up to 0.7",
        ),
        (
            network(dropout={"uniform": [0.3, 0.5]}),
            network(dropout=0.305),
            "dropout 0.305 is at the lower end of its range [0.3, 0.5]: try down to 0.2",
        ),
        (
            network(dropout=[0.1, 0.2, 0.3]),
            network(dropout=0.3),
            "dropout 0.3 is the largest of 0.1, 0.2, 0.3: try up to 0.4",
        ),
        (
            {"epochs": {"int_log_uniform": [5, 50]}},
            {"epochs": 50},
            "epochs 50 is at the upper end of its range [5, 50]: try up to 500",
        ),
        (
            {"batch_size": [32, 64, 128, "full"]},
            {"batch_size": 128},
            "batch size 128 is the largest of 32, 64, 128: try up to 256",
        ),
        (
            {"weight_decay": [0, 1e-4, 1e-3]},
            {"weight_decay": 1e-3},
            "weight decay 0.001 is the largest of 0, 0.0001, 0.001: try up to 0.01",
        ),
        (
            network(hidden=[{"int_log_uniform": [8, 64]}, 9]),
            network(hidden=[64, 9]),
            "hidden layer 1: units 64 is at the upper end of its range [8, 64]: try up to 500",
        ),
        (
            network(layers=["flatten", {"dense": [8, 16, 32]}]),
            network(layers=["flatten", {"dense": 32}]),
            "layer 2: units of dense 32 is the largest of 8, 16, 32: try up to 64",
        ),
        (
            {"decay": {"cosine": {"warmup": {"uniform": [0.02, 0.2]}}}},
            {"decay": {"cosine": {"warmup": 0.2}}},
            "warmup of cosine 0.2 is at the upper end of its range [0.02, 0.2]: try up to 0.3",
        ),
    ],
)
def test_one_sentence(space, recipe, sentence):
    assert warned(space, recipe) == [sentence]


@pytest.mark.parametrize(
    ("space", "recipe"),
    [
        (LR, optimizer("adam", lr=0.2)),  # 7 % of the width from the end
        (LR, optimizer("adam", lr=0.0014)),  # 6 %
        (LISTED, optimizer("adam", lr=0.01)),
        (optimizer("adam", lr=[1e-3, 1e-2]), optimizer("adam", lr=1e-2)),  # two numbers have no inside
        ({"clip_norm": [None, 1, 5]}, {"clip_norm": 5}),
        ({"batch_size": [32, 64, 128, "full"]}, {"batch_size": "full"}),
        (network(activation=["relu", "tanh"]), network(activation="tanh")),
        (network(hidden=[[8], [16], [32]]), network(hidden=[32])),
        ({"augment": {"flip": [True, False]}}, {"augment": {"flip": True}}),
        ({"epochs": 5}, {"epochs": 5}),
    ],
)
def test_nothing_to_say_inside(space, recipe):
    assert warned(space, recipe) == []


@pytest.mark.parametrize(
    ("space", "recipe"),
    [
        (network(dropout={"uniform": [0, 0.5]}), network(dropout=0.01)),
        (network(dropout=[0, 0.2, 0.4]), network(dropout=0)),
        ({"weight_decay": {"uniform": [0, 0.1]}}, {"weight_decay": 0}),
        ({"epochs": {"int_log_uniform": [1, 50]}}, {"epochs": 1}),
        ({"decay": {"step": {"drop": {"uniform": [0.1, 1]}}}}, {"decay": {"step": {"drop": 1}}}),
        (network(layers=[{"conv": {"kernel": [1, 3, 5]}}]), network(layers=[{"conv": {"kernel": 1}}])),
    ],
)
def test_nothing_to_say_where_the_field_itself_ends(space, recipe):
    assert warned(space, recipe) == []


@pytest.mark.parametrize(
    ("space", "recipe", "number"),
    [
        (optimizer("momentum", momentum={"uniform": [0.5, 0.95]}), optimizer("momentum", momentum=0.95), 0.98),
        (optimizer("momentum", momentum=[0.9, 0.95, 0.99]), optimizer("momentum", momentum=0.99), 0.995),
        (network(dropout=[0, 0.25, 0.5]), network(dropout=0.5), 0.75),
        (network(dropout={"uniform": [0.05, 0.5]}), network(dropout=0.05), 0),
        ({"decay": {"step": {"drop": {"uniform": [0.1, 0.9]}}}}, {"decay": {"step": {"drop": 0.9}}}, 1),
        ({"epochs": {"int_log_uniform": [3, 50]}}, {"epochs": 3}, 1),
        ({"weight_average": {"uniform": [0.9, 0.999]}}, {"weight_average": 0.999}, 0.9995),
    ],
)
def test_never_past_what_the_field_admits(space, recipe, number):
    (sentence,) = warned(space, recipe)
    tried = float(sentence.split()[-1])
    assert tried == pytest.approx(number, rel=6e-4)
    ((path, value),) = recipe.items()
    Recipe.from_dict({path: _replaced(value, tried)})  # admitted


def _replaced(value, new):
    return {name: _replaced(inner, new) for name, inner in value.items()} if isinstance(value, dict) else new


def test_what_all_options_allow_together_counts():
    dropout = network(dropout=[0, {"uniform": [0.05, 0.5]}])
    assert warned(dropout, network(dropout=0.05)) == []
    assert warned(dropout, network(dropout=0.5)) == [
        "dropout 0.5 is at the upper end of its range [0, 0.5]: try up to 0.7"
    ]
    low, high = {"adam": {"lr": {"log_uniform": [1e-3, 1e-2]}}}, {"adam": {"lr": 0.1}}
    rates = {"optimizer": [low, [high, {"sgd": {"lr": 9}}]]}
    assert warned(rates, optimizer("adam", lr=0.01)) == []
    assert warned(rates, optimizer("adam", lr=0.1)) == [
        "learning rate 0.1 is at the upper end of its range [0.001, 0.1]: try up to 1"
    ]
    unwritten = [{"weight_decay": {"uniform": [0.1, 0.2]}}, {"epochs": 3}]  # the other option has none
    assert warned(unwritten, {"weight_decay": 0.1}) == []


def test_recipes_about_as_good_are_counted_where_they_compare():
    near = [optimizer("adam", lr=lr) for lr in (0.27, 0.3, 0.01)] + [optimizer("sgd", lr=0.3), network(layers=[])]
    best = optimizer("adam", lr=0.28)
    space = {"optimizer": [LR["optimizer"], {"sgd": 0.3}], "network": [network(layers=[])["network"], {}]}
    assert warned(space, best, *near) == [
        "learning rate 0.28 is at the upper end of its range [0.001, 0.3]; so are 2 of 4 recipes about as good: "
        "try up to 3"
    ]
    assert warned(space, best, near[2]) == [
        "learning rate 0.28 is at the upper end of its range [0.001, 0.3]; none of 1 about as good is: try up to 3"
    ]
    layers = [network(layers=[{"dense": units}]) for units in (8, 16, 32)]
    space = network(layers=[{"dense": [8, 16, 32]}])
    assert warned(space, layers[2], layers[2], network(layers=[]), network(hidden=[32])) == [
        "layer 1: units of dense 32 is the largest of 8, 16, 32; so are 1 of 1 recipes about as good: try up to 64"
    ]


def test_every_recipe_of_the_default_space_can_be_judged():
    space = default_space(Size(9, 3), rows=900, task="classification")
    said = [sentence for recipe in space.sample(200) for sentence in border_warnings(space, recipe)]
    words = {re.split(r" [\d.e-]+ is at the (?:lower|upper) end of its range ", sentence)[0] for sentence in said}
    assert words == {"learning rate", "weight decay", "dropout", "sigma of pbld", "bins of ple"}
    assert all(re.search(r": try (up|down) to [\d.e-]+$", sentence) for sentence in said)
