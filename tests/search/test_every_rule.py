"""Every rule of every family in one recipe each, cross-validated together: it trains, and beats the dummy where it
must, or fails where the claim says that it fails."""

import typing

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris

import tenfold
from tenfold.recipe import layers
from tenfold.rules import activations, embeddings, initialization, losses, normalization, preprocessing, schedules
from tenfold.rules.optimizers import Optimizer
from tenfold.rules.record import rule_name

NET = {"hidden": [24, 24]}
RATES = {  # learning rates at which a rule learns digits in a few epochs, where its default is too slow for that
    "sgd": 0.1, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.05, "rmsprop": 3e-3, "adadelta": 2.0, "adam": 5e-3,
    "nadam": 5e-3, "amsgrad": 5e-3, "adamw": 5e-3, "lion": 1e-3, "muon": 2e-2,
}  # fmt: skip
SECOND_ORDER = {rule_name(rule) for rule in typing.get_args(Optimizer) if rule.family == "second_order"}


def members(union):
    return {rule_name(rule): rule for rule in typing.get_args(union)}


def digits(image=False):
    x, y = load_digits(return_X_y=True)
    x, y = x[:600], y[:600]
    return (x.reshape(-1, 8, 8), y) if image else (x, y)


def table():
    """Recipes for tables, by a label; all trained on the same folds."""
    base = {"network": NET, "optimizer": {"adam": {"lr": 5e-3}}, "batch_size": 32, "epochs": 10}
    found = {f"activation {name}": {"network": {**NET, "activation": name}} for name in members(activations.Activation)}
    found |= {
        f"preprocess {name}": {"preprocess": name}
        for name, rule in members(preprocessing.Preprocessing).items()
        if not rule.images_only
    }
    found |= {f"init {name}": {"init": name} for name in members(initialization.Initialization)}
    found |= {
        f"normalization {name} {place}": {"network": {**NET, "normalization": name, "normalize": place}}
        for name in members(normalization.Normalization)
        for place in ("before", "after")
    }
    found |= {
        f"optimizer {name}": {"optimizer": {name: {"lr": RATES[name]}}}
        for name in members(Optimizer)
        if name not in SECOND_ORDER
    }
    found |= {f"decay {name}": {"decay": {name: {"warmup": 0.1}}} for name in members(schedules.Decay)}
    found |= {
        f"loss {name}": {"loss": name} for name, rule in members(losses.Loss).items() if rule.task == "classification"
    }
    found |= {f"embedding {name}": {"network": {**NET, "embedding": name}} for name in members(embeddings.Embedding)}
    found |= {
        "scale": {"network": {**NET, "scale": True}},
        "dropout": {"network": {**NET, "dropout": 0.2}},
        "input_dropout": {"network": {**NET, "input_dropout": 0.1}},
        "views": {"network": {**NET, "views": 4}},
        "weight_decay": {"weight_decay": 1e-3},
        "l1": {"l1": 1e-4},
        "elastic": {"l1": 1e-4, "weight_decay": 1e-4},
        "max_norm": {"max_norm": 2.0},
        "clip_norm": {"clip_norm": 1.0},
        "clip_value": {"clip_value": 0.1},
        "weight_average": {"weight_average": 0.9},
        "rates by kind": {"rate_factors": {"bias": 0.1, "fan_in": True}, "optimizer": {"adam": {"lr": 0.03}}},
        "schedules of dropout and decay": {
            "network": {**NET, "dropout": 0.2}, "dropout_schedule": "flat_cos", "weight_decay": 1e-3,
            "weight_decay_schedule": {"linear": 0.1},
        },
        "label smoothing": {"loss": {"cross_entropy": {"smoothing": 0.1}}},
        "one against all": {"loss": {"hinge": {"kind": "one_against_all"}}},
        "prelu a channel": {"network": {**NET, "activation": {"prelu": {"per": "channel"}}}},
        "maxout of 3": {"network": {**NET, "activation": {"maxout": 3}}},
        "restarts": {"decay": {"cosine": {"restarts": 1}}},
        "momentum schedule": {"optimizer": {"momentum": {"lr": 0.03, "momentum_from": 0.5}}},
        "ten layers from normal(1)": {
            "network": {"hidden": [24] * 10}, "init": {"normal": 1.0}, "optimizer": {"sgd": {"lr": 0.05}},
        },
    }  # fmt: skip
    return {label: {**base, **change} for label, change in found.items()}


AT_CHANCE = {"init zeros", "ten layers from normal(1)"}  # these must not learn
WEAK = {"init constant"}  # identical units of a layer: it learns as if it had one


@pytest.fixture(scope="module")
def on_digits():
    recipes = {label: tenfold.Recipe.from_dict(data) for label, data in table().items()}
    x, y = digits()
    result = tenfold.cross_validate(list(recipes.values()), x, y, folds=3, seed=0, device="cpu")
    return dict(zip(recipes, result.table, strict=True)), result


@pytest.mark.parametrize("label", table())
def test_a_rule_trains_on_digits(on_digits, label):
    row = on_digits[0][label]
    if label in AT_CHANCE:
        assert not row["mean"] > 0.3  # or not finite: diverged
        return
    assert row["outcomes"] == {"ok": 3}
    assert np.isfinite(row["scores"]).all()
    assert row["mean"] > (0.15 if label in WEAK else 0.6), row["mean"]  # the dummy has 0.1


def test_out_of_fold_predictions_are_probabilities(on_digits):
    rows, result = on_digits
    for number, label in enumerate(rows):
        if label not in AT_CHANCE:
            np.testing.assert_allclose(result.out_of_fold[number].sum(1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", sorted(SECOND_ORDER))
def test_a_second_order_method_trains_on_iris(name):
    x, y = load_iris(return_X_y=True)
    recipe = tenfold.Recipe.from_dict(
        {"network": {"hidden": [6], "activation": "tanh"}, "optimizer": name, "weight_decay": 1e-2, "epochs": 15}
    )
    assert recipe.batch_size == "full"
    row = tenfold.cross_validate(recipe, x, y, folds=3, seed=0, device="cpu").table[0]
    assert row["outcomes"] == {"ok": 3}
    assert row["mean"] > 0.9


@pytest.mark.parametrize("name", sorted(SECOND_ORDER))
def test_a_network_too_large_for_its_method_is_refused(name):
    rule = members(Optimizer)[name]
    if rule.MOST_PARAMETERS is None:
        pytest.skip("works at any size")
    x, y = load_iris(return_X_y=True)
    recipe = tenfold.Recipe.from_dict({"network": {"hidden": [500, 500]}, "optimizer": name, "epochs": 1})
    with pytest.raises(tenfold.BadInput, match="parameters"):
        tenfold.cross_validate(recipe, x, y, folds=3)


def test_every_loss_for_numbers_trains_on_diabetes():
    x, y = load_diabetes(return_X_y=True)
    names = [name for name, rule in members(losses.Loss).items() if rule.task == "regression"]
    recipes = [
        tenfold.Recipe.from_dict({"network": NET, "loss": name, "optimizer": {"adam": {"lr": 5e-3}}, "epochs": 12})
        for name in names
    ]
    result = tenfold.cross_validate(recipes, x, y, folds=3, seed=0, device="cpu")
    for name, row in zip(names, result.table, strict=True):
        assert row["outcomes"] == {"ok": 3}, name
        assert row["mean"] > 0.3, (name, row["mean"])


def images():
    """Convolutional recipes by a label."""
    front = [{"conv": 8}, "relu", {"max_pool": 2}]
    found = {
        "conv": [*front],
        "avg_pool": [{"conv": 8}, "relu", {"avg_pool": 2}],
        "global_pool": [{"conv": 16}, "batch_norm", "relu", {"max_pool": 2}, {"conv": 24}, "relu", "global_pool"],
        "global max": [{"conv": 16}, "relu", {"max_pool": 2}, {"conv": 16}, "relu", {"global_pool": "max"}],
        "flatten dense": [*front, "flatten", {"dense": 24}, "relu", {"dropout": 0.2}],
        "strided": [{"conv": {"channels": 8, "kernel": 4, "stride": 2, "padding": 1}}, "relu"],
        "channel_dropout": [*front, {"channel_dropout": 0.1}],
        "dropout on images": [*front, {"dropout": 0.1}],
        "residual": [{"conv": 8}, "relu", {"residual": [{"conv": 8}, "relu", {"conv": 8}]}, "relu", {"max_pool": 2}],
        "residual that shrinks": [
            {"conv": 8}, "relu",
            {"residual": [{"conv": {"channels": 12, "stride": 2}}, "batch_norm", "relu", {"conv": 12}]}, "relu",
        ],
        "dense residual": [
            "flatten", "scale", {"dense": 24}, "relu", {"residual": [{"dense": 24}, "relu", {"dense": 24}]},
        ],
        "views": ["flatten", {"views": 4}, {"dense": 24}, "relu"],
    }  # fmt: skip
    found |= {
        f"{next(iter(norm))} in a convolution": [{"conv": 8}, norm, "relu", {"max_pool": 2}]
        for norm in ({"batch_norm": {}}, {"layer_norm": {}}, {"group_norm": 4})
    }
    found |= {
        f"{name} in a convolution": [{"conv": 8}, "batch_norm", name, {"max_pool": 2}]
        for name in members(activations.Activation)
    }
    base = {
        "preprocess": "standardize_channel", "optimizer": {"adamw": {"lr": 1e-2}}, "epochs": 6, "batch_size": 32
    }  # fmt: skip
    recipes = {label: {**base, "network": {"layers": chain}} for label, chain in found.items()}
    plain = recipes["conv"]
    recipes |= {
        f"preprocess {name}": {**plain, "preprocess": name}
        for name, rule in members(preprocessing.Preprocessing).items()
        if rule.images_only or name == "whiten_zca"
    }
    recipes |= {
        "shift": {**plain, "augment": {"shift": 1}},
        "lsuv": {**plain, "init": "lsuv"},
        "orthogonal": {**plain, "init": "orthogonal"},
        "muon": {**plain, "optimizer": {"muon": {"lr": 0.02}}},
        "max_norm": {**plain, "max_norm": 3.0},
        "mlp": {**base, "network": {"hidden": [32]}},
    }
    return recipes


@pytest.fixture(scope="module")
def on_images():
    recipes = {label: tenfold.Recipe.from_dict(data) for label, data in images().items()}
    x, y = digits(image=True)
    return dict(
        zip(
            recipes,
            tenfold.cross_validate(list(recipes.values()), x, y, folds=2, seed=0, device="cpu").table,
            strict=True,
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("label", images())
def test_a_layer_trains_on_images(on_images, label):
    row = on_images[label]
    assert row["outcomes"] == {"ok": 2}
    assert row["mean"] > 0.5, row["mean"]


def test_every_kind_of_layer_is_tried():
    tried = str([recipe["network"] for recipe in (*images().values(), *table().values())])
    union = typing.get_args(layers.Layer)
    for rule in union:
        name = getattr(rule, "LAYER", rule_name(rule))
        assert f"'{name}'" in tried, name
