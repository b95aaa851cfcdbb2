"""Changes of recipes by name: what each one changes and leaves, in words that give the recipe back, and the control."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from tenfold.doctor.causes import CAUSES
from tenfold.doctor.changes.all_changes import CHANGES
from tenfold.doctor.changes.random_change import random_recipe_change
from tenfold.doctor.changes.recipe_changes import changed_recipe, lines, words
from tenfold.engine.plan.network import plan_network
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe

FAULTY = {
    "preprocess": "none", "init": {"normal": {"std": 1.0, "bias": -30.0}}, "loss": "hinge",
    "network": {"hidden": [16, 100, 16, 16], "activation": "sigmoid", "dropout": 0.9, "input_dropout": 0.5},
    "optimizer": {"rmsprop": {"lr": 0.5, "eps": 0.1}}, "weight_decay": 3.0, "l1": 0.1, "max_norm": 0.01,
    "batch_size": 300, "epochs": 5,
}  # fmt: skip
EXPECTED = {
    "standardize_inputs": {"preprocess": "standardize"},
    "reinitialize": {"init": "xavier"},
    "lr_x10": {"optimizer": {"rmsprop": {"lr": 5.0, "eps": 0.1}}},
    "lr_d1000": {"optimizer": {"rmsprop": {"lr": 0.0005, "eps": 0.1}}},
    "adam": {"optimizer": "adam"},
    "epsilon": {"optimizer": {"rmsprop": {"lr": 0.5}}},
    "activation": {"network": {"activation": "relu"}, "init": "he"},
    "loss": {"loss": "auto"},
    "head": {"loss": "auto"},
    "no_dropout": {"network": {"dropout": 0.0, "input_dropout": 0.0}},
    "dropout_02": {"network": {"dropout": 0.2, "input_dropout": 0.2}},
    "no_decay": {"weight_decay": 0.0, "l1": 0.0, "max_norm": None},
    "clip": {"clip_norm": 1.0},
    "smaller_batch": {"batch_size": 32},
    "longer": {"epochs": 20},
    "normalize": {"network": {"normalization": "batch"}},
    "shallower": {"network": {"hidden": [16, 100]}},
    "wider": {"network": {"hidden": [64, 100, 64, 64]}},
}
IMPOSSIBLE = {
    "right_long",
    "standardize_targets", "flip", "mean_loss", "unfreeze", "training_mode", "biases", "balance", "one_batch", "as_is",
}  # fmt: skip


def merged(base, change):
    """Plain data with some fields replaced, those of the network one by one."""
    network = base.get("network", {}) | change.get("network", {})
    return base | change | ({"network": network} if network else {})


@pytest.mark.parametrize("name", EXPECTED)
def test_a_change_changes_what_it_says_and_nothing_else(name):
    assert changed_recipe(Recipe.from_dict(FAULTY), name) == Recipe.from_dict(merged(FAULTY, EXPECTED[name]))


@pytest.mark.parametrize("name", [name for name, change in CHANGES.items() if change.recipe is not None])
def test_the_words_hold_the_lines_that_make_the_change(name):
    recipe = Recipe.from_dict(FAULTY)
    changed = changed_recipe(recipe, name)
    said = words(recipe, name)
    if changed is None:
        assert said == "leave the recipe as it is"
        return
    sentence, _, text = said.partition(":\n")
    assert sentence == CHANGES[name].words
    assert Recipe.from_dict(merged(recipe.to_dict(), yaml.safe_load(text))) == changed


def test_every_change_of_modules_and_every_remedy_is_known_or_impossible():
    wanted = set(CHANGES) | {remedy.change for cause in CAUSES.values() for remedy in cause.remedies}
    assert wanted - {name for name, change in CHANGES.items() if change.recipe is not None} == IMPOSSIBLE
    for name in IMPOSSIBLE - {"as_is"}:
        assert changed_recipe(Recipe.from_dict(FAULTY), name) is None


GAIN_BY_ACTIVATION = {"he": {"gain": "activation"}}
INITS = {
    "sigmoid": "xavier", "tanh": "xavier", "softplus": "xavier", "identity": "xavier", "selu": "lecun",
    "maxout": "lecun", "relu": "he", "leaky_relu": "he", "prelu": "he", "gelu": GAIN_BY_ACTIVATION,
    "silu": GAIN_BY_ACTIVATION, "mish": GAIN_BY_ACTIVATION, "parametric": GAIN_BY_ACTIVATION, "elu": GAIN_BY_ACTIVATION,
}  # fmt: skip


def test_the_initialization_that_suits_each_activation():
    for name, init in INITS.items():
        recipe = Recipe.from_dict({"network": {"hidden": [8], "activation": name}, "init": "zeros"})
        changed = changed_recipe(recipe, "reinitialize")
        assert changed is not None
        assert changed.init == Recipe.from_dict({"init": init}).init, name


def test_a_right_recipe_has_little_to_change():
    right = changed_recipe(Recipe.from_dict(FAULTY), "right")
    assert right is not None
    for name in ("right", "standardize_inputs", "reinitialize", "loss", "no_dropout", "no_decay", "clip", "epsilon"):
        assert changed_recipe(right, name) is None, name
    assert changed_recipe(right, "as_is") is right
    relu = changed_recipe(Recipe.from_dict(FAULTY), "right_relu")
    assert relu is not None
    assert changed_recipe(relu, "activation") is None
    assert changed_recipe(relu, "normalize") is None
    slow = changed_recipe(Recipe.from_dict(FAULTY), "right_slow")
    assert slow is not None
    assert (right.optimizer.lr, slow.optimizer.lr) == (3e-3, 5e-4)


@pytest.mark.parametrize(
    ("activation", "init"),
    [("relu", "he"), ("leaky_relu", "he"), ("tanh", "xavier"), ("selu", "lecun"), ("maxout", "lecun"),
     ("gelu", {"he": {"gain": "activation"}}), ("identity", "xavier")],
)  # fmt: skip
def test_the_initialization_fits_the_activation(activation, init):
    recipe = Recipe.from_dict({"network": {"activation": activation}, "init": "zeros"})
    changed = changed_recipe(recipe, "reinitialize")
    assert changed is not None
    assert changed.init == Recipe.from_dict({"init": init}).init
    assert changed.init.bias == 0


def written(layers, **fields):
    return Recipe.from_dict({"network": {"layers": layers}, **fields})


def test_networks_that_are_written_out():
    block = {"residual": [{"dense": 20}, "tanh", {"dropout": 0.8}, {"dense": 20}]}
    recipe = written([{"dense": 20}, block, "tanh", {"channel_dropout": 0.7}], preprocess="none")
    rectified = changed_recipe(recipe, "activation")
    calm = {"residual": [{"dense": 20}, "relu", {"dropout": 0.8}, {"dense": 20}]}
    assert rectified == written([{"dense": 20}, calm, "relu", {"channel_dropout": 0.7}], preprocess="none")
    kept = {"residual": [{"dense": 20}, "tanh", {"dropout": 0.0}, {"dense": 20}]}
    assert changed_recipe(recipe, "no_dropout") == written([{"dense": 20}, kept, "tanh", {"channel_dropout": 0.0}],
                                                  preprocess="none")  # fmt: skip
    assert changed_recipe(recipe, "shallower") is None
    normed = changed_recipe(recipe, "normalize")
    assert normed is not None
    assert changed_recipe(normed, "normalize") is None
    inside = {"residual": [{"dense": 64}, "tanh", {"dropout": 0.8}, {"dense": 64}]}
    assert changed_recipe(recipe, "wider") == written([{"dense": 64}, inside, "tanh", {"channel_dropout": 0.7}],
                                             preprocess="none")  # fmt: skip


def test_a_network_without_any_activation_gets_some():
    linear = written([{"conv": 8}, {"max_pool": 2}, "flatten", {"dense": 20}])
    changed = changed_recipe(linear, "activation")
    assert changed == written([{"conv": 8}, "relu", {"max_pool": 2}, "flatten", {"dense": 20}, "relu"])
    scaled = changed_recipe(written([{"conv": 8}, "relu"], preprocess="none"), "standardize_inputs")
    assert scaled is not None
    assert scaled.preprocess == Recipe.from_dict({"preprocess": "standardize_channel"}).preprocess
    assert changed_recipe(scaled, "standardize_inputs") is None


def test_second_order_methods_and_single_rows():
    newton = Recipe.from_dict({"optimizer": "lbfgs"})
    assert changed_recipe(newton, "clip") is None
    assert changed_recipe(newton, "smaller_batch") is None
    changed = changed_recipe(newton, "adam")
    assert changed is not None
    assert changed == Recipe()
    lone = Recipe.from_dict({"batch_size": 1})
    normed, larger = changed_recipe(lone, "normalize"), changed_recipe(lone, "larger_batch")
    assert normed is not None
    assert larger is not None
    assert (normed.batch_size, larger.batch_size) == (32, 32)
    assert changed_recipe(Recipe.from_dict({"batch_size": "full"}), "larger_batch") is None
    assert changed_recipe(Recipe.from_dict({"batch_size": 32}), "larger_batch") is None
    muon = changed_recipe(Recipe.from_dict({"optimizer": {"muon": {"lr": 0.02, "adam_lr": 0.3}}}), "lr_d100")
    assert muon is not None
    assert (muon.optimizer.lr, muon.optimizer.adam_lr) == (0.0002, 0.003)


def test_a_random_change_is_one_field_at_the_cost_of_the_recipe():
    recipe = Recipe.from_dict(FAULTY)
    rng = np.random.default_rng(0)
    changes = [random_recipe_change(recipe, rng, rows=300) for _ in range(60)]
    for changed in changes:
        differing = {name for name, value in recipe.to_dict().items() if changed.to_dict()[name] != value}
        assert len(differing) == 1, lines(recipe, changed)
        assert (changed.epochs, changed.batch_size) == (recipe.epochs, recipe.batch_size)
        operations = [[type(s.op) for s in plan_network(r.network, Size(5, 2))] for r in (recipe, changed)]
        assert operations[0] == operations[1]
        assert changed.network.hidden == recipe.network.hidden
    seen = {name for c in changes for name, value in recipe.to_dict().items() if c.to_dict()[name] != value}
    assert seen == {"init", "optimizer", "decay", "weight_decay", "network", "clip_norm"}
    again = [random_recipe_change(recipe, np.random.default_rng(0), rows=300) for _ in range(1)]
    assert again[0] == changes[0]
    newton = Recipe.from_dict({"optimizer": "lbfgs", "network": {"hidden": []}})
    for _ in range(20):
        changed = random_recipe_change(newton, rng)
        assert changed.optimizer == newton.optimizer
        assert changed.network == newton.network


def test_another_optimizer_has_its_rate_for_all_parameters():
    """A factor 1 / sqrt(fan in) belongs to the rate that it came with."""
    recipe = Recipe.from_dict({"optimizer": {"sgd": {"lr": 5.0}}, "rate_factors": {"bias": 0.1, "fan_in": True}})
    changed = changed_recipe(recipe, "adam")
    assert changed is not None
    assert not changed.rate_factors.active
    assert changed_recipe(recipe, "lr_d10").rate_factors == recipe.rate_factors
