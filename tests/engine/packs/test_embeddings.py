"""Embeddings of numbers and the scaling layer: a pack equals a plain torch twin that is written without the product's
formulas, each trial alone bit by bit, and the module that is made of it. Folds have different columns."""

import math

import numpy as np
import pytest
import torch
from mixed_table import COLUMNS, ROWS, table
from plain import make_pack, run
from torch import nn

from tenfold.data.feed.batches import deal
from tenfold.data.feed.encode import Inputs, pixel_inputs
from tenfold.engine.module import build_module
from tenfold.errors import BadInput
from tenfold.recipe.recipe import Recipe

NETWORKS = {
    "scale": {"hidden": [9], "scale": True},
    "pbld": {"hidden": [9, 5], "embedding": {"pbld": {"frequencies": 5}}, "scale": True, "activation": "tanh"},
    "pl": {"hidden": [9], "embedding": {"pl": {"frequencies": 3, "size": 5, "sigma": 0.4}}, "activation": "tanh"},
    "plr": {"hidden": [9], "embedding": {"plr": {"frequencies": 3, "size": 2, "sigma": 0.4}}, "scale": True},
    "ple": {"hidden": [9], "embedding": {"ple": 6}, "scale": True},
    "ple with a map": {"hidden": [9], "embedding": {"ple": {"bins": 9, "size": 3}}, "activation": "tanh"},
    "ple by the target": {
        "hidden": [9],
        "embedding": {"ple": {"bins": 5, "size": 2, "relu": False, "edges": "target"}},
    },
    "ple behind a scale": {"layers": [{"dropout": 0.1}, "scale", {"ple": 4}, {"dense": 7}, "relu"]},
    "linear_relu": {"hidden": [9], "embedding": {"linear_relu": 3}},
    "behind a scale": {"layers": [{"dropout": 0.2}, "scale", {"pbld": 3}, "scale", {"dense": 7}, "relu"]},
}
UPDATES = 15
networks = pytest.mark.parametrize("name", NETWORKS)


def recipes(network):
    base = {"network": network, "batch_size": 32, "epochs": 9}
    varied = [
        {"optimizer": {"adam": {"lr": 1e-2}}},
        {"optimizer": {"adamw": {"lr": 1e-2}}, "weight_decay": 0.05},
        {"optimizer": {"momentum": {"lr": 0.02}}, "preprocess": "min_max", "clip_norm": 0.5},
    ]
    return [Recipe.from_dict({**base, **more}) for more in varied]


class Twin(nn.Module):
    """The network of a recipe on a table, written from the papers; its parameters are copied from a lane."""

    def __init__(self, recipe, arrays, numbers):
        super().__init__()
        self.layers = recipe.network.sequence()
        self.numbers = numbers
        self.own = nn.ParameterDict({name.replace(".", "_"): torch.tensor(a.copy()) for name, a in arrays.items()})

    def forward(self, x):
        number, n = 0, self.numbers
        take = lambda kind: self.own[f"{number}_{kind}"]  # noqa: E731
        for layer in self.layers:
            kind = type(layer).__name__
            if kind == "Scale":
                x = x * take("scale")
            elif kind == "PLE":
                edges = take("embed_edge").view(n, -1)
                z = [torch.cat([encoded(x[:, j], edges[j])], 1) for j in range(n)]
                if layer.size is not None:
                    number += 1
                    bias, weight = take("embed_bias").view(n, -1), take("embed_weight").view(n, z[0].shape[1], -1)
                    z = [z[j] @ weight[j] + bias[j] for j in range(n)]
                    z = [torch.relu(m) for m in z] if layer.relu else z
                x = torch.cat([*z, x[:, n:]], 1)
            elif kind in ("PBLD", "PL", "PLR", "LinearReLU"):
                parts, rest = x[:, :n], x[:, n:]
                if kind != "LinearReLU":
                    f = take("embed_frequency").view(n, -1)
                    if kind == "PBLD":
                        p = take("embed_phase").view(n, -1)
                        z = [torch.cos(2 * math.pi * parts[:, j, None] * f[j] + p[j]) for j in range(n)]
                    else:
                        angle = [2 * math.pi * parts[:, j, None] * f[j] for j in range(n)]
                        z = [torch.cat([torch.cos(a), torch.sin(a)], 1) for a in angle]
                    number += 1
                else:
                    z = [parts[:, j, None] for j in range(n)]
                bias = take("embed_bias").view(n, -1)
                weight = take("embed_weight").view(n, z[0].shape[1], -1)
                made = [z[j] @ weight[j] + bias[j] for j in range(n)]
                if kind in ("PLR", "LinearReLU"):
                    made = [torch.relu(m) for m in made]
                if kind == "PBLD":
                    made = [torch.cat([parts[:, j, None], made[j]], 1) for j in range(n)]
                x = torch.cat([*made, rest], 1)
            elif kind == "Dense":
                x = x @ take("weight") + take("bias")
            elif kind == "Dropout":
                pass
            else:
                x = {"ReLU": torch.relu, "Tanh": torch.tanh}[kind](x)
            number += 1
        return x @ take("weight") + take("bias")


def encoded(x, edges):
    """The bins of one column, one by one, as the paper has them."""
    inner, made = edges.unique(), []
    for t in range(len(edges) - 1):
        low, high = edges[t], edges[t + 1]
        if low == high:
            made.append(torch.zeros_like(x))
            continue
        e = (x - low) / (high - low)
        e = e if low == inner[0] else torch.where(e < 0, 0.0, e)
        made.append(e if high == inner[-1] else torch.where(e > 1, 1.0, e))
    return torch.stack(made, 1)


def optimizer(recipe, model):
    for name, p in model.named_parameters():
        p.requires_grad_("edge" not in name)
    weights = [p for name, p in model.named_parameters() if name.endswith("_weight") and "embed" not in name]
    others = [p for p in model.parameters() if p.requires_grad and not any(p is w for w in weights)]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    rule = recipe.optimizer
    if type(rule).__name__ == "Momentum":
        return torch.optim.SGD(groups, lr=rule.lr, momentum=rule.momentum)
    return {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}[type(rule).__name__](groups, lr=rule.lr)


def lane_rows(pack, i, rows):
    index = torch.from_numpy(rows)[None].repeat(len(pack.feed.folds), 1)
    width = pack.feed.folds[pack.lanes[i].fold].encoding.width
    return pack.feed.inputs(index, pack.batches.groups)[pack.batches.group_list[i]][:, :width]


@networks
def test_a_pack_equals_a_twin_in_plain_torch(name):
    inputs, y, folds = table()
    found = recipes(NETWORKS[name])
    if "layers" in NETWORKS[name]:  # without its dropout, whose masks are the product's
        found = recipes({"layers": NETWORKS[name]["layers"][1:]})
    pack = make_pack(found, inputs, y, folds, torch.float64)
    assert len({part.encoding.width for part in pack.feed.folds}) > 1
    twins = [Twin(lane.recipe, pack.parameters(i), COLUMNS) for i, lane in enumerate(pack.lanes)]
    run(pack, UPDATES)
    for i, (lane, outputs) in enumerate(zip(pack.lanes, pack.evaluate(), strict=True)):
        if (lane.number + lane.fold) % 3:  # each recipe and each fold once
            continue
        fold, twin = folds[lane.fold], twins[i]
        steps = optimizer(lane.recipe, twin)
        for update in range(UPDATES):
            epoch, step = divmod(update, pack.per_epoch)
            rows, weight = deal(fold, pack.shape.dealing, epoch)
            batch = rows[step][weight[step] > 0]
            loss = nn.functional.cross_entropy(twin(lane_rows(pack, i, batch)), torch.from_numpy(y[batch]))
            steps.zero_grad()
            loss.backward()
            if lane.recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(twin.parameters(), lane.recipe.clip_norm)
            steps.step()
        expected = twin(lane_rows(pack, i, fold.validation)).detach().numpy()
        np.testing.assert_allclose(outputs, expected, rtol=1e-10, atol=1e-10)


@networks
def test_a_lane_is_bitwise_alone(name):
    inputs, y, folds = table()
    found = recipes(NETWORKS[name])
    whole = run(make_pack(found, inputs, y, folds), 12)
    outputs = whole.evaluate()
    for i, lane in list(enumerate(whole.lanes))[::4]:
        alone = run(make_pack(found, inputs, y, folds, keep={(lane.number, lane.fold)}), 12)
        assert torch.equal(alone.w[0], whole.w[i])
        np.testing.assert_array_equal(alone.evaluate()[0], outputs[i])


@networks
def test_the_module_predicts_what_the_pack_predicts(name):
    inputs, y, folds = table()
    pack = run(make_pack(recipes(NETWORKS[name]), inputs, y, folds, torch.float64), 12)
    for i, (lane, outputs) in enumerate(zip(pack.lanes, pack.evaluate(), strict=True)):
        width = pack.feed.folds[lane.fold].encoding.width
        size = pack.shape.size._replace(inputs=width)
        steps = pack.shape.of_network(lane.recipe, size, pack.shape.dealing).steps(lane.recipe)
        module = build_module(steps, pack.parameters(i), None)
        rows = lane_rows(pack, i, folds[lane.fold].validation)
        np.testing.assert_allclose(module(rows).detach().numpy(), outputs, rtol=1e-9, atol=1e-9)
        # the doctor's measures are told in the order of the parameters
        sizes = [p.numel() for p in module.parameters()]
        assert sizes == [pack.parameters(i)[f"{s.op}.{s.kind}"].size for s in pack.layout.slots if s.learned]


@networks
def test_a_saved_state_goes_on_bitwise(name):
    inputs, y, folds = table()
    found = recipes(NETWORKS[name])
    whole = run(make_pack(found, inputs, y, folds), 20)
    first = run(make_pack(found, inputs, y, folds), 11)
    second = make_pack(found, inputs, y, folds)
    second.restore(*first.state())
    assert torch.equal(run(second, 20).w, whole.w)


def test_what_pads_a_narrower_fold_stays_zero():
    inputs, y, folds = table()
    pack = run(make_pack(recipes(NETWORKS["pbld"]), inputs, y, folds), 12)
    widths = [part.encoding.width for part in pack.feed.folds]
    for slot, view in zip(pack.layout.slots, pack.layout.views(pack.w), strict=True):
        for i, lane in enumerate(pack.lanes):
            lacking = max(widths) - widths[lane.fold]
            if slot.kind == "scale" and lacking:
                assert not view[i, 0, slot.size[1] - lacking :].any()
            if slot.first and slot.kind == "weight" and lacking:
                assert not view[i, slot.size[0] - lacking :].any()


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "lion"},
        {"optimizer": {"adadelta": {"lr": 1.0}}},
        {"optimizer": "nesterov", "l1": 0.1, "weight_decay": 0.1},
        {"optimizer": "adamw", "weight_average": 0.9, "weight_decay": 1.0},
        {"optimizer": "newton", "network": {"hidden": [], "embedding": {"ple": 2}}},
        {"optimizer": "lbfgs", "network": {"hidden": [3], "embedding": {"ple": {"bins": 3, "size": 2}}}},
    ],
    ids=str,
)
def test_edges_are_not_learned(changes):
    inputs, y, folds = table()
    changes = {"network": NETWORKS["ple"], "epochs": 3, **changes}
    pack = make_pack([Recipe.from_dict(changes)], inputs, y, folds)
    (slot,) = [slot for slot in pack.layout.slots if not slot.learned]
    before = pack.w[:, slot.start : slot.stop].clone()
    run(pack, 3)
    assert torch.equal(pack.w[:, slot.start : slot.stop], before)
    assert torch.equal(pack.shown()[:, slot.start : slot.stop], before)
    assert not torch.equal(pack.w, make_pack([Recipe.from_dict(changes)], inputs, y, folds).w)


def test_edges_are_of_the_training_rows_of_a_fold():
    """As they enter the network: filled and preprocessed."""
    inputs, y, folds = table()
    recipe = recipes(NETWORKS["ple"])[2]
    pack = make_pack([recipe], inputs, y, folds, torch.float64)
    for i, lane in enumerate(pack.lanes):
        rows = lane_rows(pack, i, folds[lane.fold].train)[:, :COLUMNS].numpy()
        edges = pack.parameters(i)["1.embed_edge"].reshape(COLUMNS, 7)
        for column, found in zip(rows.T, edges, strict=True):
            np.testing.assert_allclose(
                np.unique(found), np.unique(np.quantile(column, np.linspace(0, 1, 7))), atol=1e-12
            )


def test_without_numbers_an_embedding_is_nothing():
    _, y, folds = table()
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (ROWS, 2))
    inputs = Inputs(np.zeros((ROWS, 0)), codes, (), (5, 5), ("k", "l"), np.zeros(0, bool))
    embedded = run(make_pack(recipes({"hidden": [5], "embedding": "pbld"}), inputs, y, folds), 6)
    plain = run(make_pack(recipes({"hidden": [5]}), inputs, y, folds), 6)
    assert torch.equal(embedded.w, plain.w)


def test_images_are_refused():
    pixels = pixel_inputs(np.zeros((ROWS, 3, 2, 1), np.uint8))
    _, y, folds = table()
    for network in ({"hidden": [4], "embedding": "ple"}, {"layers": ["pbld", {"dense": 4}]}):
        with pytest.raises(BadInput, match="here are images"):
            make_pack([Recipe.from_dict({"network": network})], pixels, y, folds)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"dense": 4}, "pbld"], "pbld stands behind dense"),
        (["pbld", "plr"], "plr stands behind pbld"),
        ([{"dense": 3}, {"residual": ["linear_relu"]}], "linear_relu stands in a residual block"),
    ],
)
def test_an_embedding_stands_in_front(layers, message):
    inputs, y, folds = table()
    with pytest.raises(BadInput, match=message):
        make_pack([Recipe.from_dict({"network": {"layers": layers}})], inputs, y, folds)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@networks
def test_gpu_equals_cpu(name):
    inputs, y, folds = table()
    cpu, gpu = (run(make_pack(recipes(NETWORKS[name]), inputs, y, folds, device=d), 12) for d in ("cpu", "cuda"))
    for one, two in zip(cpu.evaluate(), gpu.evaluate(), strict=True):
        assert np.abs(one - two).max() <= 1e-3 * max(1.0, float(np.abs(one).max()))
