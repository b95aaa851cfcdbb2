"""A lane that compiled code trains is the lane that a pack trains: the same weights, moments, losses and outputs."""

import typing

import numpy as np
import pytest
import torch
from plain import make_feed

from tenfold.data.split.folds import Fold
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.network import only_packs_know
from tenfold.engine.native.solo_lanes import SoloLanes
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe
from tenfold.rules.activations import Activation
from tenfold.rules.optimizers import FirstOrderRule, Muon

pytestmark = pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)

ROWS, COLUMNS, LONG = 130, 7, (200, 200)
ACTIVATIONS = [
    "sigmoid", "tanh", "relu", {"leaky_relu": {"slope": 0.2}}, "prelu", {"prelu": {"per": "channel"}}, "elu",
    {"maxout": {"pieces": 3}}, "gelu", {"gelu": {"approximate": "tanh"}}, "silu", "selu", "mish", "softplus",
    "parametric", {"parametric": "selu"}, {"parametric": "leaky_relu"}, "identity",
]  # fmt: skip
OPTIMIZERS = [
    {"sgd": {"lr": 0.05}}, {"momentum": {"lr": 0.01}}, {"nesterov": {"lr": 0.02}},
    {"nesterov": {"lr": 0.02, "form": "look_ahead"}}, {"adagrad": {"lr": 0.05}}, {"rmsprop": {"lr": 1e-3}},
    {"rmsprop": {"lr": 1e-3, "eps_inside": True, "bias_correction": True}}, {"adadelta": {"lr": 1.0}},
    {"adam": {"lr": 3e-3}}, {"nadam": {"lr": 3e-3}}, {"amsgrad": {"lr": 3e-3}}, {"adamw": {"lr": 3e-3}},
    {"lion": {"lr": 3e-4}},
]  # fmt: skip
NETWORKS = {
    "no hidden layer": {"hidden": []},
    "one unit": {"hidden": [1]},
    "odd widths": {"hidden": [13, 5]},
    "wider than a register": {"hidden": [70, 33]},
    "batch before": {"hidden": [12, 9], "normalization": "batch"},
    "batch, cumulative": {
        "layers": [{"dense": 9}, {"batch_norm": {"average": "cumulative", "unbiased": False}}, "relu"]
    },
    "batch behind": {"layers": [{"dense": 9}, "relu", "batch_norm", {"dense": 8}, "tanh"]},
    "layer": {"hidden": [12, 9], "normalization": "layer"},
    "group": {"hidden": [12, 8], "normalization": {"group": {"groups": 2}}},
    "dropout": {"hidden": [12, 9], "dropout": 0.3},
    "dropout of inputs": {"layers": [{"dropout": 0.2}, {"dense": 9}, "relu", {"dropout": 0.5}, {"dense": 6}, "relu"]},
    "residual": {"layers": [{"dense": 9}, {"residual": ["relu", {"dense": 9}, "relu", {"dense": 9}]}, "relu"]},
    "residual with a shortcut": {
        "layers": [
            {"dense": 8},
            {"residual": [{"dense": 9}, "relu", {"dense": 5}]},
            "relu",
            {"residual": [{"dense": 6}, "tanh"]},
        ]
    },
    "scale": {"hidden": [12], "scale": True},
    "scale inside": {"layers": [{"dense": 9}, "tanh", "scale", {"dense": 5}, "relu"]},
    "pbld": {"hidden": [12, 9], "embedding": "pbld", "scale": True, "activation": "mish"},
    "ple": {"hidden": [12], "embedding": {"ple": 7}, "dropout": 0.1, "input_dropout": 0.1},
    "ple with a map": {"hidden": [12], "embedding": {"ple": {"bins": 20, "size": 3}}, "activation": "tanh"},
    "ple behind a scale": {"layers": ["scale", {"ple": 5}, {"dense": 7}, "relu"]},
    "pl": {"hidden": [12], "embedding": {"pl": {"frequencies": 3, "size": 5}}},
    "plr": {"hidden": [12], "embedding": {"plr": {"frequencies": 19, "size": 18, "sigma": 0.3}}},
    "linear_relu": {"hidden": [12], "embedding": "linear_relu", "dropout": 0.1, "input_dropout": 0.1},
    "embedding behind a scale": {"layers": ["scale", {"pbld": 3}, {"dense": 7}, "relu"]},
    "waves behind a scale": {
        "layers": ["scale", {"plr": {"frequencies": 2, "size": 3}}, "scale", {"dense": 7}, "relu"]
    },
    "lines behind a scale": {"layers": ["scale", {"linear_relu": 3}, {"dense": 7}, "tanh"]},
    "views": {"hidden": [12, 9], "views": 5},
    "views, batch, dropout": {
        "hidden": [12, 9],
        "views": 3,
        "normalization": "batch",
        "dropout": 0.3,
        "input_dropout": 0.1,
    },
    "views of a linear model": {"hidden": [], "views": 2},
    "views behind a layer": {
        "layers": [
            {"dropout": 0.1},
            {"dense": 20},
            "batch_norm",
            "tanh",
            {"views": 4},
            {"residual": [{"dense": 20}, "relu"]},
            {"dropout": 0.2},
            "layer_norm",
            {"dense": 6},
            "prelu",
        ]
    },
    "views behind an embedding": {"hidden": [12], "embedding": "pbld", "scale": True, "views": 3, "input_dropout": 0.1},
    "one view": {"layers": [{"views": 1}, {"dense": 9}, "relu"]},
    "residual in residual": {
        "layers": [{"dense": 6}, {"residual": [{"dense": 6}, {"residual": ["relu", {"dense": 6}]}, {"dropout": 0.1}]}]
    },
}
OTHERS = {
    "smoothing": {"loss": {"cross_entropy": {"smoothing": 0.1}}},
    "hinge": {"loss": "hinge", "optimizer": {"adam": {"lr": 1e-3}}},
    "one against all": {"loss": {"hinge": {"kind": "one_against_all"}}, "optimizer": {"adam": {"lr": 1e-3}}},
    "l2": {"weight_decay": 0.01},
    "l1": {"l1": 1e-3},
    "decoupled": {"optimizer": {"adamw": {"lr": 3e-3}}, "weight_decay": 0.05},
    "max norm": {"max_norm": 0.8},
    "clipped norm": {"clip_norm": 0.1},
    "clipped values": {"clip_value": 0.01},
    "average": {"weight_average": 0.95},
    "plateau": {"decay": {"plateau": {"patience": 1}}},
    "one cycle": {"decay": "one_cycle"},
    "cosine": {"decay": {"cosine": {"warmup": 0.1}}},
    "whitened": {"preprocess": "whiten_pca"},
    "clipped inputs": {"preprocess": {"robust_clip": {"limit": 1.5}}},
    "ranks": {"preprocess": "quantile_normal"},
    "full batch": {"batch_size": "full"},
    "batches of one": {"batch_size": 1, "optimizer": {"sgd": {"lr": 1e-3}}},
    "unit variance": {"init": "lsuv"},
    "rates by kind": {
        "network": {"hidden": [12, 9], "activation": "prelu"},
        "rate_factors": {"bias": 0.1, "parametric": 0.3, "first_layer": 0.5, "fan_in": True},
    },
    "decoupled, with rates and a schedule": {
        "optimizer": {"adamw": {"lr": 0.02}},
        "weight_decay": 0.05,
        "weight_decay_schedule": "flat_cos",
        "rate_factors": {"bias": 0.1, "fan_in": True},
        "decay": "coslog",
    },
    "l2 with a schedule": {"weight_decay": 0.01, "weight_decay_schedule": {"linear": 0.1}},
    "dropout with a schedule": {
        "network": {"hidden": [12, 9], "dropout": 0.3},
        "dropout_schedule": {"flat_cos": 0.1},
        "epochs": 6,
    },
    "what is reported, with rates": {
        "optimizer": {"nesterov": {"lr": 0.02, "form": "look_ahead"}},
        "rate_factors": {"bias": 0.1, "fan_in": True},
    },
    "zeros": {"init": "zeros"},
    "data driven": {"init": "data_driven"},
}
VIEWS = {"network": {"hidden": [12, 9], "views": 4}}
REGRESSION = [{"loss": loss} for loss in ("squared", "absolute", {"huber": {"delta": 0.5}}, "poisson")]


def data(classes):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, COLUMNS)) * np.arange(1, COLUMNS + 1) + 5
    score = np.sin(x[:, 0]) + 0.3 * x[:, 1] - 0.1 * x[:, 2] + 0.1 * rng.normal(size=ROWS)
    if not classes:
        return x, np.exp(score - score.mean())
    return x, np.digitize(score, np.quantile(score, np.arange(1, classes) / classes)).astype(np.int64)


def folds():
    order = np.random.default_rng(5).permutation(ROWS)
    parts = [order[:41], order[41:86], order[86:]]
    return [
        Fold(np.sort(np.concatenate(parts[:k] + parts[k + 1 :])), np.sort(part), k, 11) for k, part in enumerate(parts)
    ]


def recipe_of(**changes):
    plain = {"network": {"hidden": [12, 9]}, "optimizer": {"adam": {"lr": 3e-3}}, "batch_size": 16, "epochs": 30}
    return Recipe.from_dict({**plain, **changes})


def both(recipe, dtype, classes=3, **options):
    """The recipe on three unequal folds, by a pack and by compiled code."""
    x, y = data(classes)
    parts = folds()
    feed = make_feed(x, y, parts, dtype, scatter=recipe.preprocess.needs_scatter)
    size = Size(COLUMNS, classes or 1)
    assert only_packs_know(recipe, size, classification=bool(classes)) == ""
    shape = Shape.of(recipe, size, parts)
    lanes = [Lane(recipe, 0, fold) for fold in range(len(parts))]
    return Pack(lanes, shape, feed), SoloLanes(lanes, shape, feed, threads=2, **options)


def train_to(lanes, last):
    """Outputs and mean losses after every epoch, and the outputs at the end."""
    seen = []
    while lanes.update < last:
        assert lanes.run_epoch(last=last)
        if lanes.update % lanes.per_epoch == 0:
            seen.append((lanes.train_loss(), *lanes.evaluate()))
    return seen, lanes.evaluate()


def compare(recipe, classes=3, updates=(60, 30)):
    """updates: in float64, and in float32."""
    for dtype, tolerance, few in zip((torch.float64, torch.float32), (1e-10, 1e-4), updates, strict=True):
        pack, solo = both(recipe, dtype, classes)
        with np.errstate(all="ignore"):
            by_pack, by_solo = train_to(pack, few), train_to(solo, few)
        (epochs, outputs), (solo_epochs, solo_outputs) = by_pack, by_solo
        assert len(epochs) == few // pack.per_epoch
        for epoch, solo_epoch in zip([*epochs, outputs], [*solo_epochs, solo_outputs], strict=True):
            for expected, found in zip(epoch, solo_epoch, strict=True):
                close(found, expected, tolerance)
        assert pack.rows.keys() == solo.rows.keys()
        for name in pack.rows:
            close(real(solo, name), real(pack, name), tolerance, name)


def real(lanes, name):
    """A row of state without what pads it."""
    row, layout = lanes.rows[name].detach(), lanes.layout
    if name == "moments":
        widths = {number: lanes.shape.ops[number].size for number in layout.moments}
        parts = [row[:, at : at + widths[n]] for n, (*starts, _) in layout.moments.items() for at in starts]
        return np.concatenate([part.numpy() for part in parts], 1) if parts else np.zeros((len(row), 0))
    if row.shape[1:] != (layout.total,):
        return row.numpy()
    views = zip(layout.views(row), layout.slots, strict=True)
    return np.concatenate([slot.real(view).flatten(1).numpy() for view, slot in views], 1)


def close(found, expected, tolerance, name=""):
    """Relative to the largest number of the array."""
    scale = max(1.0, float(np.abs(expected).max(initial=0.0, where=np.isfinite(expected))))
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=tolerance, err_msg=name)


def name_of(part):
    return part if isinstance(part, str) else repr(part)


def test_every_rule_is_tried():
    tried = [recipe_of(optimizer=optimizer).optimizer for optimizer in OPTIMIZERS]
    assert {type(rule) for rule in tried} == set(typing.get_args(FirstOrderRule)) - {Muon}
    networks = [recipe_of(network={"hidden": [3], "activation": activation}).network for activation in ACTIVATIONS]
    tried = [network.activation for network in networks]
    assert {type(rule) for rule in tried} == set(typing.get_args(Activation))


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=name_of)
def test_activations(activation):
    compare(recipe_of(network={"hidden": [12, 9], "activation": activation}))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name_of)
def test_optimizers(optimizer):
    compare(recipe_of(optimizer=optimizer))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name_of)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=name_of)
def test_activations_with_optimizers(activation, optimizer):
    compare(recipe_of(network={"hidden": [12, 9], "activation": activation}, optimizer=optimizer), updates=LONG)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name_of)
def test_optimizers_with_rates_by_kind(optimizer):
    compare(recipe_of(optimizer=optimizer, rate_factors={"bias": 0.1, "first_layer": 2, "fan_in": True}))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_networks(network):
    compare(recipe_of(network=network))


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_everything_else_of_a_recipe(changes):
    compare(recipe_of(**changes))


@pytest.mark.parametrize("changes", REGRESSION, ids=name_of)
def test_losses_of_numbers(changes):
    compare(recipe_of(**changes), classes=0)
    # The slope of an absolute error jumps at 0: a rounding decides it, and Adam makes a whole step of that.
    steady = {"optimizer": {"sgd": {"lr": 0.05}}} if changes.get("loss") == "absolute" else {}
    compare(recipe_of(**{**changes, **VIEWS, **steady}), classes=0)


OF_VIEWS = [
    "smoothing", "hinge", "clipped norm", "max norm", "full batch", "unit variance", "dropout with a schedule",
    "what is reported, with rates",
]  # fmt: skip


@pytest.mark.parametrize("name", OF_VIEWS)
def test_everything_else_of_views(name):
    changes = {"optimizer": {"sgd": {"lr": 0.05}}, **OTHERS[name]}
    changes["network"] = {**changes.get("network", {}), **VIEWS["network"]}
    changes["optimizer"] = {"sgd": {"lr": 0.05}} if name == "hinge" else changes["optimizer"]
    compare(recipe_of(**changes), classes=11 if name == "smoothing" else 3)
