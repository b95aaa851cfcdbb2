"""Law 2 for networks written out layer by layer: a pack equals plain torch, and each trial alone, bit by bit."""

import typing

import numpy as np
import pytest
import torch
from plain import init_layers, make_pack, run, train_plain
from sklearn.datasets import load_digits

from tenfold.data.feed.encode import pixel_inputs
from tenfold.data.feed.randomness import derive
from tenfold.data.split.folds import make_folds
from tenfold.engine.module import build_module
from tenfold.engine.operations import OPERATIONS
from tenfold.engine.operations.operation import BatchContext
from tenfold.engine.packs.initial_state import DEVIATION_ROWS, rows_to_measure
from tenfold.engine.plan.network import plan_network
from tenfold.engine.plan.size import Size
from tenfold.recipe import Layers
from tenfold.recipe.recipe import Recipe
from tenfold.rules.embeddings import EmbeddingLayer

UPDATES = {torch.float64: 12, torch.float32: 5}  # a rounding that decides a ReLU's side would part two runs
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-3}  # group norm of nearly constant pixels magnifies roundings
NETWORKS = {
    "conv": [{"conv": 8}, "relu", {"max_pool": 2}],
    "conv batch norm": [
        {"conv": 6}, "batch_norm", "relu", {"max_pool": 2}, {"conv": 10}, "batch_norm", "tanh", "global_pool",
    ],
    "norm behind the activation": [
        {"conv": 6}, "elu", "batch_norm", {"avg_pool": 2}, {"dense": 20}, "relu", "batch_norm",
    ],
    "layer and group norm": [
        {"conv": 8}, {"group_norm": 2}, "gelu", {"conv": 8}, "layer_norm", "relu", {"avg_pool": 2}, "flatten",
        {"dense": 12}, "layer_norm", "tanh", {"dense": 12}, {"group_norm": 3}, "relu",
    ],
    "residual": [
        {"conv": 6}, "relu", {"residual": [{"conv": 6}, "batch_norm", "relu", {"conv": 6}]}, "relu",
        {"residual": [{"conv": {"channels": 9, "stride": 2}}, "relu", {"conv": 9}]}, {"global_pool": "max"},
    ],
    "dense residual": [
        "flatten", "scale", {"dense": 20}, "relu", {"residual": [{"dense": 20}, "tanh", {"dense": 20}]},
        {"residual": [{"dense": 12}, "relu"]},
    ],
    "prelu": [{"conv": 6}, "prelu", {"conv": 6}, {"prelu": {"per": "channel"}}, "flatten", {"dense": 9}, "prelu",
              {"dense": 9}, {"prelu": {"per": "channel"}}],
    "parametric": [{"conv": 6}, {"parametric": "mish"}, {"conv": 6}, {"parametric": "selu"}, "flatten", {"dense": 9},
                   {"parametric": "silu"}],
    "maxout": [{"conv": 5}, "batch_norm", {"maxout": 3}, {"max_pool": 2}, {"dense": 7}, {"maxout": 2}],
    "odd strides": [
        {"conv": {"channels": 5, "kernel": 4, "stride": 2, "padding": 1}}, "silu",
        {"max_pool": {"size": 3, "stride": 1}},
    ],
    "views": ["flatten", {"views": 3}, {"dropout": 0.1}, {"dense": 20}, "batch_norm", "relu", {"dropout": 0.3}],
    "views behind an image": [{"conv": 4}, "relu", {"max_pool": 2}, "flatten", {"views": 2}, {"dense": 9}, "relu"],
    "dropout": [{"conv": 8}, "relu", {"channel_dropout": 0.3}, {"conv": 6}, "relu", {"dropout": 0.2}, {"max_pool": 2},
                {"dense": 16}, "relu", {"dropout": 0.4}],
}  # fmt: skip
# One network of each kind is tried alone in the fast suite; these resemble one of the others.
SLOW = ("conv batch norm", "layer and group norm", "dense residual", "maxout", "dropout")
VARIED = [
    {"optimizer": {"sgd": {"lr": 0.05}}, "init": "he"},
    {"optimizer": {"nesterov": {"lr": 0.02}}, "weight_decay": 1e-3, "clip_norm": 0.5},
    {"optimizer": {"adam": {"lr": 3e-3}}, "l1": 1e-4, "init": "xavier", "preprocess": "standardize"},
    {"optimizer": {"adamw": {"lr": 3e-3}}, "weight_decay": 1e-2, "max_norm": 1.5, "init": "orthogonal"},
    {"optimizer": {"amsgrad": {"lr": 3e-3}}, "clip_value": 0.01},
    {"optimizer": {"adadelta": {"lr": 1.0}}, "decay": {"cosine": {"warmup": 0.1}}, "init": "lecun"},
]


def test_a_network_has_every_operation():
    planned = {
        type(step.op)
        for layers in NETWORKS.values()
        for step in plan_network(Layers(layers=layers), Size(64, 10, (8, 8, 1)))
    }
    on_tables = {OPERATIONS[layer] for layer in typing.get_args(EmbeddingLayer)}  # test_embeddings.py has them
    assert set(OPERATIONS.values()) - on_tables <= planned


def recipes(layers):
    base = {"network": {"layers": layers}, "preprocess": "standardize_channel", "batch_size": 32, "epochs": 6}
    return [Recipe.from_dict({**base, **varied}) for varied in VARIED]


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    y = y[:203].astype(np.int64)  # unequal folds
    return pixel_inputs(x[:203].reshape(-1, 8, 8, 1)), y, make_folds(y, 3, classification=True, seed=0)


@pytest.mark.parametrize(
    "dtype",
    [pytest.param(torch.float64, id="float64"), pytest.param(torch.float32, id="float32", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_equals_plain_torch(digits, name, dtype):
    x, y, folds = digits
    found = recipes(NETWORKS[name])
    found = found if dtype is torch.float64 else found[:-1]  # Adadelta divides roundings by roundings at first
    pack = make_pack(found, x, y, folds, dtype)
    start = init_layers(pack)
    run(pack, UPDATES[dtype])
    for lane, outputs in zip(pack.lanes, pack.evaluate(), strict=True):
        if lane.fold != 2:
            continue
        model, rows = train_plain(
            lane.recipe, x, y, folds[2], UPDATES[dtype], shape=pack.shape, layers=start[lane.number, 2], dtype=dtype
        )
        expected = model(rows).detach().numpy()
        assert np.abs(outputs - expected).max() <= TOLERANCE[dtype] * max(1.0, np.abs(expected).max()), lane


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in NETWORKS])
def test_a_lane_is_bitwise_alone(digits, name):
    x, y, folds = digits
    found = recipes(NETWORKS[name])
    whole = run(make_pack(found, x, y, folds), 10)
    outputs = whole.evaluate()
    for i, lane in list(enumerate(whole.lanes))[::4]:
        alone = run(make_pack(found, x, y, folds, keep={(lane.number, lane.fold)}), 10)
        assert torch.equal(alone.w[0], whole.w[i])
        np.testing.assert_array_equal(alone.evaluate()[0], outputs[i])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_module_predicts_what_the_pack_predicts(digits, name):
    x, y, folds = digits
    pack = run(make_pack(recipes(NETWORKS[name])[2:4], x, y, folds, torch.float64), 12)
    for i, (lane, outputs) in enumerate(zip(pack.lanes, pack.evaluate(), strict=True)):
        module = build_module(pack.shape.steps(lane.recipe), pack.parameters(i), pack.shape.image)
        rows = torch.from_numpy(folds[lane.fold].validation)[None].repeat(len(folds), 1)
        inputs = pack.feed.inputs(rows, pack.batches.groups)[pack.batches.group_list[i]]
        np.testing.assert_allclose(module(inputs).detach().numpy(), outputs, rtol=1e-9, atol=1e-9)


def test_a_saved_state_goes_on_bitwise(digits):
    """Averages, plateaus and three rows of optimizer state are part of it."""
    x, y, folds = digits
    found = [
        Recipe.from_dict(
            {**recipe.to_dict(), "weight_average": 0.9, "decay": {"plateau": {"patience": 1, "drop": 0.5}}}
        )
        for recipe in recipes(NETWORKS["conv batch norm"])
    ]
    whole = run(make_pack(found, x, y, folds), 30)
    first = run(make_pack(found, x, y, folds), 17)
    second = make_pack(found, x, y, folds)
    second.restore(*first.state())
    run(second, 30)
    for name, rows in whole.rows.items():
        assert torch.equal(second.rows[name], rows), name
    for one, two in zip(whole.evaluate(), second.evaluate(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_augmented_lanes_share_draws_and_change_nothing_for_others(digits):
    x, y, folds = digits
    plain, moved = recipes(NETWORKS["conv"])[0], recipes(NETWORKS["conv"])[0].to_dict()
    moved = Recipe.from_dict({**moved, "augment": {"flip": True, "shift": 1}})
    together = run(make_pack([plain, moved], x, y, folds), 12)
    alone = run(make_pack([plain], x, y, folds), 12)
    rows = {(lane.number, lane.fold): together.w[i] for i, lane in enumerate(together.lanes)}
    for i, lane in enumerate(alone.lanes):
        assert torch.equal(alone.w[i], rows[0, lane.fold])
        assert not torch.equal(alone.w[i], rows[1, lane.fold])


def test_lsuv_gives_every_layer_unit_variance(digits):
    x, y, folds = digits
    layers = [{"conv": 6}, "relu", {"conv": 6}, "relu", {"max_pool": 2}, {"dense": 20}, "tanh"]
    recipe = Recipe.from_dict({"network": {"layers": layers}, "init": "lsuv", "preprocess": "standardize_channel"})
    pack = make_pack([recipe], x, y, folds, torch.float64)
    rows = torch.from_numpy(np.stack([fold.train[:128] for fold in folds]))
    for slot in (s for s in pack.layout.slots if s.kind == "weight"):

        def look(sums, slot=slot):
            for z in sums:
                z = z if isinstance(sums, list) else z[:, : slot.matrix[1]]
                assert 0.6 < float(z.detach().var()) < 1.6  # measured on other rows than it was set on

        x = pack.batches.inputs(pack.feed.inputs(rows, pack.batches.groups))
        pack.forward(x, pack.leaves, pack.rows["moments"], None, until=(slot.op, look))


@pytest.mark.parametrize("kind", ["rows", "images"])
def test_data_driven_gives_every_unit_deviation_one_and_a_kink_among_the_rows(digits, kind):
    """Against the formula in numpy, layer by layer."""
    x, y, folds = digits
    layers = [{"dense": 9}, "relu", {"dense": 8}, "batch_norm", "tanh", {"dense": 7}, {"parametric": "mish"}]
    if kind == "images":
        layers = [{"conv": 6}, "relu", {"conv": 6}, "relu", {"max_pool": 2}, {"dense": 20}, "tanh"]
    network, others = {"layers": layers}, {"preprocess": "standardize_channel"}
    recipe = Recipe.from_dict({"network": network, "init": "data_driven", **others})
    silent = Recipe.from_dict({"network": network, "init": {"data_driven": {"zero_last": True}}, **others})
    plain = Recipe.from_dict({"network": network, "init": {"data_driven": {"bias_rows": 0, "bias": 0.5}}, **others})
    pack = make_pack([recipe, silent, plain], x, y, folds, torch.float64)
    measured = rows_to_measure(folds, DEVIATION_ROWS)
    real = [min(measured.shape[1], len(folds[lane.fold].train)) for lane in pack.lanes]
    inputs = pack.batches.inputs(pack.feed.inputs(torch.from_numpy(measured), pack.batches.groups), real)
    biases = {slot.op: i for i, slot in enumerate(pack.layout.slots) if slot.kind == "bias"}
    for layer, number in enumerate(pack.layout.weights):
        slot = pack.layout.slots[number]

        def look(sums, slot=slot, layer=layer):
            for i, lane in enumerate(pack.lanes):
                z = sums[i].detach()
                z = z.movedim(1, -1).flatten(0, -2) if z.dim() == 4 else z[: real[i], : slot.matrix[1]]
                z = z.numpy()
                if lane.number == 1 and slot.output:
                    assert (z == 0).all()
                    continue
                alive = z.std(0) > 0
                np.testing.assert_allclose(z.std(0)[alive], 1, rtol=1e-9)
                if slot.op not in biases:
                    continue
                bias = pack.leaves[biases[slot.op]][i, 0, : z.shape[1]].detach().numpy()
                if lane.number == 2:
                    assert (bias == 0.5).all()
                    continue
                fold = folds[lane.fold]
                rng = derive(fold.seed, "bias", fold.number, layer)
                chosen = rng.integers(0, len(z), (5, z.shape[1]))
                shares = rng.exponential(size=(5, z.shape[1]))
                without = z - bias
                expected = -(np.take_along_axis(without, chosen, 0) * shares / shares.sum(0)).sum(0)
                np.testing.assert_allclose(bias, expected, atol=1e-9)
                assert (z.min(0)[alive] < 0).all()
                assert (z.max(0)[alive] > 0).all()

        rows = max(len(part) for part in inputs)
        weight = torch.zeros(len(pack.lanes), 1, rows, dtype=torch.float64)
        for i, count in enumerate(real):
            weight[i, :, :count] = 1 / count
        batch = BatchContext(weight, real, 1, {}, frozen=True)
        pack.forward(inputs, pack.leaves, pack.rows["moments"], batch, until=(slot.op, look))


def test_data_driven_takes_all_views_and_every_head_its_own(digits):
    x, y, folds = digits
    recipe = Recipe.from_dict({"network": {"hidden": [12, 9], "views": 3}, "init": "data_driven"})
    pack = make_pack([recipe], x, y, folds, torch.float64)
    measured = rows_to_measure(folds, DEVIATION_ROWS)
    inputs = pack.batches.inputs(pack.feed.inputs(torch.from_numpy(measured), pack.batches.groups))
    real = [min(measured.shape[1], len(folds[lane.fold].train)) for lane in pack.lanes]
    weight = torch.zeros(len(pack.lanes), 1, measured.shape[1], dtype=torch.float64)
    for i, count in enumerate(real):
        weight[i, :, :count] = 1 / count
    batch = BatchContext(weight, real, 1, {}, frozen=True)
    for number in pack.layout.weights:
        slot = pack.layout.slots[number]

        def look(sums, slot=slot):
            for i, count in enumerate(real):
                z = sums[i].detach().unflatten(0, (3, -1))[:, :count]  # (views, rows, units)
                z = z if slot.output else z[..., : slot.size[1]].flatten(0, 1)[None]
                np.testing.assert_allclose(z.std(1, correction=0).numpy(), 1, rtol=1e-9)

        pack.forward(inputs, pack.leaves, pack.rows["moments"], batch, until=(slot.op, look))


def test_data_driven_does_not_depend_on_neighbours(digits):
    x, y, folds = digits
    recipe = {"network": {"hidden": [12, 9]}, "init": "data_driven"}
    both = [Recipe.from_dict(recipe), Recipe.from_dict({**recipe, "init": "he"})]
    together, alone = make_pack(both, x, y, folds), make_pack(both[:1], x, y, folds)
    rows = {lane.fold: together.w[i] for i, lane in enumerate(together.lanes) if lane.number == 0}
    for i, lane in enumerate(alone.lanes):
        assert torch.equal(alone.w[i], rows[lane.fold])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", NETWORKS)
def test_gpu_equals_cpu(digits, name):
    x, y, folds = digits
    cpu, gpu = (run(make_pack(recipes(NETWORKS[name]), x, y, folds, device=d), 12) for d in ("cpu", "cuda"))
    for one, two in zip(cpu.evaluate(), gpu.evaluate(), strict=True):
        assert np.abs(one - two).max() <= 1e-3 * max(1.0, float(np.abs(one).max()))
