"""Recipes in Python and as plain data: what is accepted, what it becomes, what is refused."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings

from tenfold.errors import BadInput
from tenfold.recipe import MLP, Recipe
from tenfold.rules.activations import ELU, ReLU
from tenfold.rules.initialization import Constant, Normal
from tenfold.rules.optimizers import SGD, Adam, AdamW, Nesterov
from tenfold.rules.record import rule_name
from tenfold.rules.schedules import Cosine

from .unions import MEMBERS, at, changed, place, recipes


def faults(data):
    with pytest.raises(BadInput) as caught:
        Recipe.from_dict(data)
    return str(caught.value)


def test_defaults_are_the_documented_ones():
    assert Recipe().to_dict() == {
        "preprocess": "standardize",
        "network": {"hidden": [128, 128], "activation": "relu", "normalization": "none", "dropout": 0.0},
        "init": "he",
        "loss": "auto",
        "optimizer": "adam",
        "decay": "none",
        "weight_decay": 0.0,
        "clip_norm": None,
        "batch_size": 64,
        "epochs": 40,
    }


@pytest.mark.parametrize(("path", "rule"), MEMBERS, ids=lambda item: getattr(item, "__name__", ""))
def test_every_rule_by_name_and_by_fields(path, rule):
    name = rule_name(rule)
    assert at(Recipe.from_dict(place(path, name)), path) == rule()
    assert at(Recipe.from_dict(place(path, {name: None})), path) == rule()
    assert at(Recipe.from_dict(place(path, {name: {}})), path) == rule()
    moved = changed(rule)
    fields = dataclasses.asdict(moved)
    recipe = Recipe.from_dict(place(path, {name: fields}))
    assert at(recipe, path) == moved
    assert (moved != rule()) == bool(fields)
    assert Recipe.from_dict(recipe.to_dict()) == recipe == Recipe.from_yaml(recipe.to_yaml())
    assert Recipe.from_dict(place(path, moved)) == recipe
    if len(fields) == 1:
        (number,) = fields.values()
        assert Recipe.from_dict(place(path, {name: number})) == recipe
    if len(fields) > 1:
        assert "its fields" in faults(place(path, {name: 0.5}))


@settings(max_examples=60, deadline=None)
@given(recipes)
def test_round_trips(recipe):
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert Recipe.from_yaml(recipe.to_yaml()).key() == recipe.key()
    assert recipe.describe()


def test_written_in_python():
    assert Recipe(network=MLP(activation="relu")) == Recipe.from_dict({"network": {"activation": "relu"}})
    assert Recipe(init={"constant": 0.3}).init == Constant(value=0.3)
    assert Recipe(init={"normal": 0.02}).init == Normal(std=0.02)
    assert Recipe(optimizer={"adamw": {"lr": 0.01}}).optimizer == AdamW(lr=0.01)
    assert Recipe(network={"hidden": (3,), "activation": {"elu": 2}}).network == MLP(
        hidden=(3,), activation=ELU(alpha=2)
    )
    assert MLP(hidden=[5, 6]).hidden == (5, 6)


def test_numbers_are_normalized():
    recipe = Recipe.from_dict(
        {
            "epochs": "1e2",
            "weight_decay": 1,
            "optimizer": {"adam": {"lr": "1e-3"}},
            "network": {"hidden": np.array([4]).tolist()},
        }
    )
    assert (recipe.epochs, recipe.weight_decay, recipe.optimizer) == (100, 1.0, Adam())
    assert isinstance(recipe.epochs, int)
    assert isinstance(recipe.weight_decay, float)
    loose = Recipe(optimizer=SGD(lr=1), epochs=np.int64(3), weight_decay=np.float32(0.5))  # type: ignore[arg-type]
    assert json.dumps(loose.to_dict()) == json.dumps(
        Recipe(optimizer=SGD(lr=1.0), epochs=3, weight_decay=0.5).to_dict()
    )


def test_key_depends_on_the_values_only():
    assert Recipe().key() == Recipe.from_dict({"optimizer": {"adam": {"lr": 0.001}}}).key() == "f9315b259225"
    keys = {Recipe(optimizer=Adam(lr=lr), epochs=n).key() for lr in (0.1, 0.01, 0.1 + 1e-17 + 1e-15) for n in (1, 2)}
    assert len(keys) == 6
    assert Recipe(optimizer=Adam(lr=0.01)).key() != Recipe(optimizer=AdamW(lr=0.01)).key()


def test_describe():
    recipe = Recipe(network=MLP(normalization="batch"), decay="cosine")
    assert recipe.describe() == "128-128 ReLU, He, batch norm, Adam at 0.001, cosine"
    assert Recipe(network=MLP(hidden=()), init={"normal": 0.05}, optimizer=Nesterov(lr=0.25)).describe() == (
        "linear, Normal 0.05, Nesterov at 0.25"
    )
    loud = Recipe(network=MLP(dropout=0.2), weight_decay=1e-4, clip_norm=1, preprocess="min_max", decay="inverse_time")
    assert loud.describe() == (
        "128-128 ReLU, He, Adam at 0.001, inverse time, dropout 0.2, weight decay 0.0001, "
        "gradients clipped at 1, min max inputs"
    )


def test_all_faults_at_once():
    message = faults(
        {
            "optimizer": {"adam": {"lr": -1, "beta1": 2, "speed": 3}},
            "network": {"hidden": [8, 0], "dropout": 1, "actvation": "relu"},
            "init": "hee",
            "epochs": 0,
            "optimiser": "adam",
        }
    )
    for part in (
        "9 faults",
        "optimizer.adam.lr: must be > 0; got -1.0",
        "optimizer.adam.beta1: must be in [0, 1); got 2.0",
        "optimizer.adam.speed: unknown field",
        "network.hidden: must be units, each >= 1; got (8, 0)",
        "network.dropout: must be in [0, 1); got 1.0",
        "network.actvation: unknown field; nearest: activation; one of: hidden, activation,",
        "init.hee: unknown name; nearest: he; one of: zeros, constant,",
        "epochs: must be >= 1; got 0",
        "optimiser: unknown field; nearest: optimizer",
    ):
        assert part in message
    assert len(message.splitlines()) <= 12


def test_many_faults_stay_within_twelve_lines():
    message = faults({f"wrong{i}": 1 for i in range(40)})
    assert message.startswith("40 faults\n")
    assert message.endswith("and 30 more")
    assert len(message.splitlines()) == 12


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"optimizer": "adamm"}, "optimizer.adamm: unknown name; nearest: adam; one of: sgd, momentum"),
        ({"optimizer": {"Adam": {}}}, "optimizer.Adam: unknown name; nearest: adam"),
        ({"optimizer": {"adam": {}, "sgd": {}}}, "expected one name with its fields"),
        ({"optimizer": {}}, "optimizer: found an empty mapping"),
        ({"optimizer": 3}, "optimizer: found 3; expected one of sgd"),
        ({"optimizer": None}, "optimizer: found nothing; expected one of sgd"),
        ({"optimizer": Adam}, "found the class Adam (write Adam())"),
        ({"optimizer": ReLU()}, "optimizer: found a ReLU"),
        ({"optimizer": ["adam", "sgd"]}, "a choice that only a space may hold"),
        ({"optimizer": {"adam": {"lr": {"uniform": [1, 2]}}}}, "a range, which only a space may hold"),
        ({"optimizer": {"adam": {"lr": True}}}, "lr: found true (a boolean); expected a number"),
        ({"optimizer": {"adam": {"lr": "0.1"}}}, "lr: found the text '0.1'; expected a number"),
        ({"optimizer": {"adam": {"lr": float("nan")}}}, "lr: found nan; expected a number"),
        ({"optimizer": {"adam": {"lr": 10**400}}}, "lr: found 1"),
        ({"network": {"activation": {"relu": 3}}}, "it has no fields"),
        ({"network": "mlp"}, "network: found the text 'mlp'; expected a mapping with hidden, activation"),
        ({"network": {"hidden": 64}}, "network.hidden: found 64; expected a list of whole numbers"),
        ({"network": {"hidden": [[64]]}}, "network.hidden[0]: found a list"),
        ({"network": {"hidden": [2.5]}}, "network.hidden[0]: found 2.5; expected a whole number"),
        ({"batch_size": "half"}, "batch_size: found the text 'half'; expected a whole number or full"),
        ({"batch_size": 0}, "batch_size: must be >= 1, or full; got 0"),
        ({"epochs": 2.5}, "epochs: found 2.5; expected a whole number"),
        ({"clip_norm": 0}, "clip_norm: must be > 0, or null; got 0.0"),
        ({"weight_decay": -1}, "weight_decay: must be >= 0; got -1.0"),
        ({"preprocess": {"min_max": {"low": 2}}}, "preprocess.min_max.low: must be below high (1.0); got 2"),
        ({3: 4}, "3: unknown field"),
        ([1], "found a list"),
        ("adam", "found the text 'adam'; expected a mapping with preprocess"),
    ],
)
def test_one_fault(data, expected):
    message = faults(data)
    assert expected in message
    assert "faults" not in message


def test_faults_in_python_name_the_record():
    with pytest.raises(BadInput, match=r"^MLP: activation\.reluu: unknown name; nearest: relu"):
        MLP(activation="reluu")
    with pytest.raises(BadInput, match=r"^Recipe\.epochs must be >= 1"):
        Recipe(epochs=0)


def test_recipes_are_hashable_and_frozen():
    assert len({Recipe(), Recipe.from_dict({}), Recipe(epochs=3)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().epochs = 3  # type: ignore[misc]


def test_torch_is_not_imported():
    code = "import sys, tenfold.recipe; tenfold.recipe.Recipe(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_cosine_fields():
    assert Recipe(decay={"cosine": {"warmup": 0.2}}).decay == Cosine(warmup=0.2)
