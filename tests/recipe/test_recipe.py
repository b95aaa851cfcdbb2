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
from tenfold.recipe.grammar.field_kinds import kinds
from tenfold.recipe.layers import Conv, Flatten, MaxPool, Residual
from tenfold.recipe.network import Layers
from tenfold.rules.activations import ELU, GELU, ReLU
from tenfold.rules.initialization import Constant, Normal
from tenfold.rules.normalization import BatchNorm
from tenfold.rules.optimizers import SGD, Adam, AdamW, Nesterov
from tenfold.rules.record import main_field, preset, rule_name
from tenfold.rules.schedules import Cosine

from .examples import LAYER, MEMBERS, RULES, at, changed, place, recipes, refusal


def faults(data):
    return refusal(Recipe.from_dict, data)


def test_defaults_are_the_documented_ones():
    assert Recipe().to_dict() == {
        "preprocess": "standardize",
        "integers": "numbers",
        "categories": "one_hot",
        "augment": {"flip": False, "shift": 0},
        "network": {
            "hidden": [128, 128],
            "activation": "relu",
            "normalization": "none",
            "normalize": "before",
            "dropout": 0.0,
            "input_dropout": 0.0,
            "embedding": "none",
            "scale": False,
            "views": 1,
        },
        "init": "he",
        "loss": "auto",
        "optimizer": "adam",
        "decay": "none",
        "rate_factors": {
            "bias": 1.0,
            "scale": 1.0,
            "embedding": 1.0,
            "parametric": 1.0,
            "first_layer": 1.0,
            "fan_in": False,
            "categories": 1.0,
        },
        "weight_decay": 0.0,
        "weight_decay_schedule": "none",
        "dropout_schedule": "none",
        "l1": 0.0,
        "max_norm": None,
        "clip_norm": None,
        "clip_value": None,
        "weight_average": 0.0,
        "clip_predictions": False,
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
    assert recipe.key() != Recipe.from_dict(place(path, name)).key() or not fields
    main = main_field(rule)
    if main is not None:
        short = at(Recipe.from_dict(place(path, {name: fields[main]})), path)
        assert getattr(short, main) == fields[main]
    elif fields:
        assert "its fields" in faults(place(path, {name: 0.5}))


@pytest.mark.parametrize("rule", LAYER.rules, ids=lambda rule: rule.__name__)
def test_every_layer_by_name_and_by_fields(rule):
    name, moved, main = LAYER.name(rule), changed(rule), main_field(rule)
    for written in (name, {name: None}, {name: {}}, rule()):
        assert layers_of([written]) == (rule(),)
    fields = {field.name: getattr(moved, field.name) for field in dataclasses.fields(rule)}
    recipe = Recipe.from_dict({"network": {"layers": ["flatten", {name: fields}]}})
    assert recipe.network.layers == (Flatten(), moved)
    assert (moved != rule()) == bool(fields)
    assert Recipe.from_dict(recipe.to_dict()) == recipe == Recipe.from_yaml(recipe.to_yaml())
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))).key() == recipe.key()
    assert hash(Recipe.from_dict(recipe.to_dict())) == hash(recipe)
    if main is not None:
        (short,) = layers_of([{name: fields[main]}])
        assert getattr(short, main) == fields[main]


def layers_of(written):
    return Recipe.from_dict({"network": {"layers": written}}).network.layers


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_field_of_every_rule_can_change(rule):
    """So that the tests above mean what they say: no field stays at its default."""
    default, moved = rule(), changed(rule)
    same = [name for name in kinds(rule) if getattr(moved, name) == getattr(default, name)]
    assert same == []


@pytest.mark.parametrize("rule", [rule for rule in RULES if getattr(rule, "PRESETS", None)], ids=lambda r: r.__name__)
def test_presets_fill_in_fields_and_are_written_out(rule):
    path = next(path for path, one in MEMBERS if one is rule)
    for library, fields in rule.PRESETS.items():
        recipe = Recipe.from_dict(place(path, {rule_name(rule): {"preset": library}}))
        assert at(recipe, path) == rule(**fields) == preset(rule, library)
        assert "preset" not in recipe.to_yaml()
        assert Recipe.from_dict(recipe.to_dict()) == recipe


@settings(max_examples=60, deadline=None)
@given(recipes)
def test_round_trips(recipe):
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert Recipe.from_yaml(recipe.to_yaml()).key() == recipe.key()
    assert recipe.describe()


def test_presets():
    adam = Recipe.from_dict({"optimizer": {"adam": {"preset": "keras", "lr": "1e-2"}}}).optimizer
    assert adam == preset(Adam, "keras", lr=0.01)
    assert adam.lr == 0.01
    assert adam != Adam(lr=0.01)
    assert "optimizer.adam.preset: found the text 'kers'; expected one of " in faults(
        {"optimizer": {"adam": {"preset": "kers"}}}
    )
    assert "preset: found a list of 1; expected one of" in faults({"optimizer": {"adam": {"preset": ["keras"]}}})
    assert "network.activation.relu.preset: unknown field" in faults(
        {"network": {"activation": {"relu": {"preset": "torch"}}}}
    )


def test_layers_in_short_and_in_full():
    short = [{"conv": 16}, "batch_norm", {"gelu": "tanh"}, {"max_pool": 2}, {"residual": [{"conv": 8}, "relu"]}]
    conv = {"conv": {"channels": 16, "kernel": 3, "stride": 1, "padding": "same"}}
    full = [conv, {"batch_norm": {}}, {"gelu": {"approximate": "tanh"}}, {"max_pool": {"size": 2, "stride": None}}]
    full.append({"residual": {"layers": [{"conv": {"channels": 8}}, "relu"]}})
    records = (
        Conv(channels=16),
        BatchNorm(),
        GELU(approximate="tanh"),
        MaxPool(),
        Residual(layers=(Conv(channels=8), ReLU())),
    )
    assert layers_of(short) == layers_of(full) == layers_of(records) == records
    assert Layers(layers=short) == Layers(layers=records)
    assert Recipe(network={"layers": short}) == Recipe(network=Layers(layers=records))
    assert isinstance(Recipe(network={"layers": []}).network, Layers)
    assert Recipe(network={"layers": []}) != Recipe(network=MLP(hidden=()))


def test_the_batch_is_full_for_second_order():
    assert Recipe().batch_size == Recipe(optimizer="sgd").batch_size == 64
    assert Recipe(optimizer="lbfgs").batch_size == "full" == Recipe.from_yaml("optimizer: newton").batch_size
    assert Recipe(optimizer="hessian_free", batch_size=256).batch_size == 256
    assert Recipe(optimizer="hessian_free").batch_size == "full"
    for name in ("lbfgs", "newton", "gauss_newton"):
        assert f"batch_size: must be full for {name}" in faults({"optimizer": name, "batch_size": 64})


def test_batch_norm_needs_two_rows_where_it_has_nothing_else():
    one = {"batch_size": 1}
    flat = [
        ["flatten", "batch_norm"],
        [{"dense": 3}, {"residual": ["batch_norm"]}],
        ["global_pool", "relu", "batch_norm"],
    ]
    for layers in flat:
        assert "batch_size: must be >= 2 with batch norm" in faults({"network": {"layers": layers}, **one})
    assert "batch_size: must be >= 2" in faults({"network": {"normalization": "batch"}, **one})
    images = ["conv", "batch_norm", {"residual": ["batch_norm"]}, "flatten", "layer_norm"]
    for good in ({"layers": images}, {"normalization": "layer"}, {"hidden": [], "normalization": "batch"}):
        assert Recipe.from_dict({"network": good, **one}).batch_size == 1


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
    assert Recipe().key() == Recipe.from_dict({"optimizer": {"adam": {"lr": 0.001}}}).key() == "5634c3a45199"
    keys = {Recipe(optimizer=Adam(lr=lr), epochs=n).key() for lr in (0.1, 0.01, 0.1 + 1e-17 + 1e-15) for n in (1, 2)}
    assert len(keys) == 6
    assert Recipe(weight_decay=-0.0).key() == Recipe(l1=-0.0).key() == Recipe().key()
    layers = (
        [{"conv": 8}, "relu"],
        [{"conv": 9}, "relu"],
        ["relu", {"conv": 8}],
        [{"conv": 8}, {"residual": ["relu"]}],
        [],
    )
    assert len({Recipe(network={"layers": one}).key() for one in layers}) == 5
    assert Recipe(optimizer=Adam(lr=0.01)).key() != Recipe(optimizer=AdamW(lr=0.01)).key()


def test_describe():
    recipe = Recipe(network=MLP(normalization="batch"), decay="cosine")
    assert recipe.describe() == "128-128 ReLU, He, batch norm, Adam at 0.001, cosine"
    assert Recipe(network=MLP(hidden=()), init={"normal": 0.05}, optimizer=Nesterov(lr=0.25)).describe() == (
        "linear, Normal 0.05, Nesterov at 0.25"
    )
    assert Recipe(preprocess="none").describe().endswith("Adam at 0.001, raw inputs")
    loud = Recipe(network=MLP(dropout=0.2), weight_decay=1e-4, clip_norm=1, preprocess="min_max", decay="inverse_time")
    assert loud.describe() == (
        "128-128 ReLU, He, Adam at 0.001, inverse time, dropout 0.2, weight decay 0.0001, "
        "gradients clipped at 1, min max inputs"
    )


def test_describe_layers_and_the_rest():
    layers = [
        {"conv": 16},
        "batch_norm",
        "relu",
        {"conv": 32},
        "batch_norm",
        "relu",
        "flatten",
        "dense",
        {"dropout": 0.3},
    ]
    loud = Recipe(
        network={"layers": layers}, augment={"flip": True, "shift": 2}, l1=1e-3, max_norm=3, clip_norm=1,
        clip_value=0.5, weight_average=0.999, loss="hinge", init={"he": {"distribution": "uniform", "zero_last": True}},
    )  # fmt: skip
    assert loud.describe() == (
        "conv 16-32, dense 64, ReLU, He zero last uniform, batch norm, Adam at 0.001, hinge loss, dropout 0.3, "
        "L1 0.001, norms up to 3, gradients clipped at 1 and 0.5, weights averaged at 0.999, mirror images, "
        "shifts up to 2"
    )
    block = Recipe(
        network={"layers": [{"conv": 8}, {"residual": [{"conv": 8}, "tanh", {"conv": 8}]}, "relu", "global_pool"]}
    )
    assert block.describe() == "conv 8, residual (conv 8-8), Tanh, ReLU, He, Adam at 0.001"
    assert Recipe(network={"layers": []}).describe() == "linear, He, Adam at 0.001"
    behind = MLP(normalization="layer", normalize="after", input_dropout=0.1, dropout=0.5)
    assert Recipe(network=behind).describe() == (
        "128-128 ReLU, He, layer norm after, Adam at 0.001, dropout 0.5, input dropout 0.1"
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


def test_faults_in_many_layers():
    message = faults({"network": {"layers": ["relu", {"conv": {"stride": 0}}, "rellu"], "hidden": [3]}, "epochs": 0})
    assert message.splitlines() == [
        "4 faults",
        "  network.layers[1].conv.stride: must be >= 1; got 0",
        f"  network.layers[2].rellu: unknown name; nearest: relu; one of: {', '.join(LAYER.names)}",
        "  network.hidden: does not go with layers; leave one out",
        "  epochs: must be >= 1; got 0",
    ]


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
        ({"l1": -1}, "l1: must be >= 0; got -1.0"),
        ({"max_norm": 0}, "max_norm: must be > 0, or null; got 0.0"),
        ({"clip_value": -1}, "clip_value: must be > 0, or null; got -1.0"),
        ({"weight_average": 1}, "weight_average: must be in [0, 1); got 1.0"),
        ({"batch_size": None}, "batch_size: found nothing; expected a whole number or full"),
        ({"augment": {"flip": 1}}, "augment.flip: found 1; expected true or false"),
        ({"augment": {"flip": "yes"}}, "augment.flip: found the text 'yes'; expected true or false"),
        ({"augment": {"flip": {"uniform": [0, 1]}}}, "augment.flip: found a mapping (uniform); expected true or false"),
        ({"augment": {"shift": -1}}, "augment.shift: must be >= 0; got -1"),
        ({"augment": {"turn": 1}}, "augment.turn: unknown field; one of: flip, shift"),
        ({"augment": True}, "augment: found true (a boolean); expected a mapping with flip, shift"),
        ({"network": {"normalize": "behind"}}, "normalize: found the text 'behind'; expected one of before, after"),
        (
            {"network": {"activation": {"gelu": {"approximate": "tan"}}}},
            "gelu.approximate: found the text 'tan'; expected one of none",
        ),
        ({"network": {"activation": {"gelu": 3}}}, "gelu: found 3; expected one of none, tanh"),
        ({"network": {"activation": {"gelu": ["none"]}}}, "found a list, a choice that only a space may hold"),
        ({"init": {"he": {"gain": "activaton"}}}, "gain: found the text 'activaton'; expected a number or activation"),
        ({"network": {"layers": "relu"}}, "network.layers: found the text 'relu'; expected a list of layers, such as"),
        ({"network": {"layers": ["rel"]}}, "network.layers[0].rel: unknown name; nearest: relu; one of: dense, conv"),
        ({"network": {"layers": [{"covn": 3}]}}, "network.layers[0].covn: unknown name; nearest: conv"),
        ({"network": {"layers": [3]}}, "network.layers[0]: found 3; expected one of dense, conv"),
        (
            {"network": {"layers": [["relu"]]}},
            "network.layers[0]: found a list; expected a layer (a choice is a list of",
        ),
        ({"network": {"layers": ["batch"]}}, "network.layers[0].batch: unknown name; nearest: batch_norm"),
        (
            {"network": {"layers": [{"conv": 1, "relu": 2}]}},
            "network.layers[0]: found a mapping (conv, relu); expected one",
        ),
        (
            {"network": {"layers": [{"conv": {"kernel": 2}}]}},
            "layers[0].conv.kernel: must be odd where padding is same",
        ),
        (
            {"network": {"layers": [{"conv": {"padding": "sam"}}]}},
            "found the text 'sam'; expected a whole number or same",
        ),
        ({"network": {"layers": [{"conv": "big"}]}}, "network.layers[0].conv: found the text 'big'"),
        ({"network": {"layers": [{"flatten": 1}]}}, "network.layers[0].flatten: found 1; expected nothing here"),
        ({"network": {"layers": [{"residual": "relu"}]}}, "residual: found the text 'relu'; expected a list of"),
        ({"network": {"layers": [{"residual": [{"conv": 0}]}]}}, "layers[0].residual[0].conv.channels: must be >="),
        ({"network": {"layers": [], "dropout": 0.1}}, "network.dropout: does not go with layers; leave one out"),
        ({"network": {"hidden": [3], "layer": []}}, "network.layer: unknown field; nearest: layers; one of: hidden"),
        ({"network": Flatten()}, "network: found a Flatten"),
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
    with pytest.raises(BadInput, match=r"^Layers: layers\[1\]\.reluu: unknown name; nearest: relu"):
        Layers(layers=("relu", "reluu"))
    with pytest.raises(BadInput, match=r"^Conv: kernel: found 2\.5; expected a whole number"):
        Conv(kernel=2.5)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"^Residual: layers\[0\]: found a list"):
        Residual(layers=[["relu"]])
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
