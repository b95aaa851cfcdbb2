"""Law 2: a pack equals its trials alone, and both equal plain torch.nn + torch.optim training."""

import dataclasses
import itertools
import typing

import numpy as np
import pytest
import torch
from plain import init_layers, make_pack, run, train_plain
from sklearn.datasets import load_breast_cancer, load_diabetes

from tenfold.data.split.folds import make_folds
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space
from tenfold.rules.activations import Activation
from tenfold.rules.optimizers import SGD, FirstOrderRule
from tenfold.rules.record import rule_name

UPDATES = 60  # `bench.equal` makes 200
FLOAT64, FLOAT32 = torch.float64, torch.float32  # training is in float32
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}  # relative to the largest output
OPTIMIZERS = [
    {"sgd": {"lr": 0.05}}, {"momentum": {"lr": 0.01}}, {"nesterov": {"lr": 0.01}}, {"adagrad": {"lr": 0.01}},
    {"rmsprop": {"lr": 1e-3}}, {"adam": {"lr": 1e-3}}, {"adamw": {"lr": 1e-3}},
]  # fmt: skip
ACTIVATIONS = ["relu", "tanh", "sigmoid", {"leaky_relu": {"slope": 0.1}}, {"elu": {"alpha": 0.7}}]
DECAYS = ["none", {"cosine": {"warmup": 0.1}}, "exponential", {"step": {"every": 4}}, "coslog"]
PREPROCESS = ["standardize", "min_max"]


def mixed_recipes(normalization: str, dropout: float) -> list[Recipe]:
    """Every activation with every optimizer; decay, weight decay, clipping and preprocessing vary along."""

    def recipe(i: int, activation: object, optimizer: object) -> Recipe:
        network = {"hidden": [32, 20], "activation": activation, "normalization": normalization}
        return Recipe.from_dict(
            {
                "network": {**network, "dropout": dropout * (i % 3 > 0)},
                "optimizer": optimizer,
                "decay": DECAYS[i % 5],
                "weight_decay": [0.0, 1e-3, 1e-2][i % 3],
                "rate_factors": [{}, {"bias": 0.1, "first_layer": 2.0, "fan_in": True}][i % 4 == 3],
                "weight_decay_schedule": ["none", "flat_cos"][i % 2],
                "dropout_schedule": ["none", {"linear": 0.5}, "flat_cos"][i % 5 % 3],
                "clip_norm": [None, 0.5][i % 2],
                "preprocess": PREPROCESS[i % 2],
                "init": ["he", "xavier", "lecun"][i % 3],
                "batch_size": 32,
                "epochs": 20,
            }
        )

    pairs = itertools.product(ACTIVATIONS, OPTIMIZERS)
    return [recipe(i, activation, optimizer) for i, (activation, optimizer) in enumerate(pairs)]


@pytest.fixture(scope="module")
def cancer():
    x, y = load_breast_cancer(return_X_y=True)
    y = y.astype(np.int64)
    return x, y, make_folds(y, 5, classification=True, seed=0)  # 455 or 456 training rows: unequal folds


def worst_against_plain(recipes, x, y, folds, dtype, picked):
    pack = make_pack(recipes, x, y, folds, dtype)
    start = init_layers(pack)
    run(pack, UPDATES)
    worst = 0.0
    for lane, outputs in zip(pack.lanes, pack.evaluate(), strict=True):
        if lane.fold not in picked:
            continue
        model, rows = train_plain(
            lane.recipe, x, y, folds[lane.fold], UPDATES,
            shape=pack.shape, layers=start[lane.number, lane.fold], dtype=dtype,
        )  # fmt: skip
        expected = model(rows).detach().numpy()
        worst = max(worst, float(np.abs(outputs - expected).max() / max(1.0, np.abs(expected).max())))
    return worst


@pytest.mark.parametrize(
    ("normalization", "dropout", "dtype"),
    [
        ("none", 0.0, FLOAT64),
        ("none", 0.3, FLOAT32),
        ("batch", 0.3, FLOAT64),
        ("batch", 0.3, FLOAT32),
        pytest.param("none", 0.0, FLOAT32, marks=pytest.mark.slow),
        pytest.param("none", 0.3, FLOAT64, marks=pytest.mark.slow),
        pytest.param("batch", 0.0, FLOAT64, marks=pytest.mark.slow),
        pytest.param("batch", 0.0, FLOAT32, marks=pytest.mark.slow),
    ],
)
def test_pack_equals_plain_torch(cancer, normalization, dropout, dtype):
    x, y, folds = cancer
    recipes = mixed_recipes(normalization, dropout)[::3]  # every activation and optimizer; `bench.equal` has all pairs
    assert worst_against_plain(recipes, x, y, folds, dtype, (4,)) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [pytest.param(FLOAT64, marks=pytest.mark.slow), FLOAT32])
def test_regression_equals_plain_torch(dtype):
    x, y = load_diabetes(return_X_y=True)
    folds = make_folds(y, 3, classification=False, seed=1)
    recipes = mixed_recipes("none", 0.2)[::3]
    assert worst_against_plain(recipes, x, y, folds, dtype, (1,)) <= TOLERANCE[dtype]


@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_lanes_are_bitwise_alone(cancer, normalization):
    """The same trial in packs of 1, 7 and 40, whatever its place and neighbours, has the same bits."""
    x, y, folds = cancer
    recipes = mixed_recipes(normalization, 0.3)
    whole = run(make_pack(recipes, x, y, folds), 30)
    bits = {(lane.number, lane.fold): whole.w[i].clone() for i, lane in enumerate(whole.lanes)}
    outputs = {(lane.number, lane.fold): o for lane, o in zip(whole.lanes, whole.evaluate(), strict=True)}
    keys, rng = sorted(bits), np.random.default_rng(0)
    for size in (1, 1, 1, 7, 7, 40):
        chosen = {keys[i] for i in rng.choice(len(keys), size, replace=False)}
        pack = run(make_pack(recipes, x, y, folds, keep=chosen), 30)
        for i, (lane, out) in enumerate(zip(pack.lanes, pack.evaluate(), strict=True)):
            assert torch.equal(pack.w[i], bits[lane.number, lane.fold]), lane
            np.testing.assert_array_equal(out, outputs[lane.number, lane.fold])


@pytest.mark.parametrize("batch_size", [20, 50, "full"])
@pytest.mark.parametrize("hidden", [[7], [33, 5], []])
def test_bitwise_at_odd_sizes(cancer, batch_size, hidden):
    """Rows are padded to whole vector registers, so odd widths and batches keep the law too."""
    x, y, folds = cancer
    space = {"network": {"hidden": [hidden], "activation": ["sigmoid", "elu", "tanh"]}, "batch_size": batch_size,
             "optimizer": [{"adam": {"lr": {"log_uniform": [1e-3, 0.1]}}}], "epochs": 8}  # fmt: skip
    recipes = Space.from_dict(space).sample(8, seed=0)
    whole = run(make_pack(recipes, x[:, :13], y, folds), 8)
    for i, lane in list(enumerate(whole.lanes))[::5]:
        alone = run(make_pack(recipes, x[:, :13], y, folds, keep={(lane.number, lane.fold)}), 8)
        assert torch.equal(alone.w[0], whole.w[i])


def test_a_diverged_lane_touches_no_neighbour(cancer):
    x, y, folds = cancer
    network = {"hidden": [16]}
    calm = Recipe.from_dict({"network": network, "optimizer": {"adam": {"lr": 1e-3}}})
    wild = Recipe.from_dict({"network": network, "optimizer": {"sgd": {"lr": 1e9}}})
    together = run(make_pack([calm, wild], x, y, folds), 30)
    alone = run(make_pack([calm], x, y, folds), 30)
    bad = together.bad.numpy()
    for i, lane in enumerate(together.lanes):
        assert (bad[i] >= 0) == (lane.number == 1)
        if lane.number == 0:
            j = next(j for j, other in enumerate(alone.lanes) if other.fold == lane.fold)
            assert torch.equal(together.w[i], alone.w[j])


def test_lanes_that_leave_change_nothing_for_the_rest(cancer):
    x, y, folds = cancer
    recipes = mixed_recipes("batch", 0.3)[:10]
    stayed, shrunk = make_pack(recipes, x, y, folds), make_pack(recipes, x, y, folds)
    run(stayed, 40)
    run(shrunk, 17)
    shrunk.keep([lane.number % 3 == 0 for lane in shrunk.lanes])
    run(shrunk, 40)
    for i, lane in enumerate(shrunk.lanes):
        j = next(j for j, o in enumerate(stayed.lanes) if (o.number, o.fold) == (lane.number, lane.fold))
        assert torch.equal(shrunk.w[i], stayed.w[j])


def test_state_goes_on_bitwise(cancer):
    """A pack restored from its saved arrays, at any update, ends with the same bits."""
    x, y, folds = cancer
    recipes = mixed_recipes("batch", 0.3)[::4]
    whole = run(make_pack(recipes, x, y, folds), 40)
    for update in (1, 15, 22):
        first = run(make_pack(recipes, x, y, folds), update)
        arrays, meta = first.state()
        second = make_pack(recipes, x, y, folds)
        second.restore(arrays, meta)
        run(second, 40)
        assert torch.equal(second.w, whole.w)
        assert torch.equal(second.rows["moments"], whole.rows["moments"])
        np.testing.assert_array_equal(second.train_loss(), whole.train_loss())


def test_a_state_taken_while_an_epoch_runs_goes_on_bitwise(cancer):
    """Losses of updates are summed up when they are asked for: a checkpoint in the midst of an epoch has them."""
    x, y, folds = cancer
    calm = mixed_recipes("none", 0.0)
    wild = dataclasses.replace(calm[0], optimizer=SGD(lr=1e9), clip_norm=None)
    recipes = [*calm[::9], wild]
    pack, states = make_pack(recipes, x, y, folds), []

    def tick():
        if pack.update in (4, 9):
            states.append(pack.state())
        return "go on"

    for _ in range(2):
        pack.run_epoch(tick)
    assert len(states) == 2
    step = make_pack(recipes, x, y, folds)
    while step.epoch < 2:
        step.run_epoch(last=step.update + 1)
    assert any(int(at) > 0 for at in step.bad)
    assert torch.equal(step.bad, pack.bad)
    for arrays, meta in states:
        again = make_pack(recipes, x, y, folds)
        again.restore(arrays, meta)
        while again.epoch < 2:
            again.run_epoch()
        assert torch.equal(again.w.nan_to_num(), pack.w.nan_to_num())
        assert torch.equal(again.bad, pack.bad)
        np.testing.assert_array_equal(again.train_loss(), pack.train_loss())


def test_every_first_order_rule_is_bitwise_alone_among_all_others(cancer):
    """All families of optimizers, activations of every kind, losses, averages, plateaus and penalties in one pack."""
    x, y, folds = cancer
    optimizers = [rule_name(rule) for rule in typing.get_args(FirstOrderRule)]
    # Those with parameters of their own have other shapes.
    apart = ("prelu", "maxout", "parametric")
    activations = [rule for rule in typing.get_args(Activation) if rule_name(rule) not in apart]
    recipes = [
        Recipe.from_dict(
            {
                "network": {"hidden": [7, 33], "activation": rule_name(activations[i % len(activations)]),
                            "normalization": "layer", "dropout": 0.2 * (i % 2), "input_dropout": 0.1 * (i % 3 == 0)},
                "optimizer": name, "loss": ["auto", "hinge", {"cross_entropy": {"smoothing": 0.1}}][i % 3],
                "decay": ["plateau", {"linear": {"warmup": 0.2}}, "one_cycle"][i % 3],
                "weight_decay": [0.0, 1e-3][i % 2], "l1": [0.0, 1e-4][i % 2], "max_norm": [None, 2.0][i % 2],
                "clip_value": [None, 0.1][i % 2], "weight_average": [0.0, 0.9][i % 2],
                "init": ["he", "lsuv", {"lecun": {"preset": "torch"}}, {"sparse": 3}][i % 4],
                "preprocess": ["standardize", "whiten_pca", "pca"][i % 3], "batch_size": 50, "epochs": 6,
            }
        )
        for i, name in enumerate(optimizers)
    ]  # fmt: skip
    whole = run(make_pack(recipes, x[:, :13], y, folds), 30)
    outputs = whole.evaluate()
    for i, lane in list(enumerate(whole.lanes))[::3]:
        alone = run(make_pack(recipes, x[:, :13], y, folds, keep={(lane.number, lane.fold)}), 30)
        assert torch.equal(alone.w[0], whole.w[i]), lane
        np.testing.assert_array_equal(alone.evaluate()[0], outputs[i])


@pytest.mark.parametrize(
    "name", ["newton", "lbfgs", *(pytest.param(n, marks=pytest.mark.slow) for n in ("gauss_newton", "hessian_free"))]
)
def test_second_order_lanes_are_bitwise_alone(cancer, name):
    x, y, folds = cancer
    network = {"hidden": [5], "activation": "tanh", "dropout": 0.2}
    recipe = Recipe.from_dict({"network": network, "optimizer": name, "weight_decay": 1e-2, "epochs": 8})
    whole = run(make_pack([recipe], x[:, :9], y, folds), 6)
    assert (whole.bad < 0).all()
    for i, lane in enumerate(whole.lanes):
        alone = run(make_pack([recipe], x[:, :9], y, folds, keep={(0, lane.fold)}), 6)
        assert torch.equal(alone.w[0], whole.w[i])
    half = run(make_pack([recipe], x[:, :9], y, folds), 3)
    again = make_pack([recipe], x[:, :9], y, folds)
    again.restore(*half.state())
    assert torch.equal(run(again, 6).w, whole.w)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_gpu_equals_cpu(cancer, normalization):
    x, y, folds = cancer
    recipes = mixed_recipes(normalization, 0.3)
    cpu = run(make_pack(recipes, x, y, folds), UPDATES)
    gpu = run(make_pack(recipes, x, y, folds, device="cuda"), UPDATES)
    for one, two in zip(cpu.evaluate(), gpu.evaluate(), strict=True):
        assert np.abs(one - two).max() <= 1e-4 * max(1.0, float(np.abs(one).max()))
