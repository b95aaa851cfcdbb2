"""Law 2 for the user's own modules: a pack equals a plain loop of torch over the same module, by both ways."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from own_modules import Cnn, Lstm, Transformer, TwoInputs, adamw, call, loop_of_torch, mlp, rows_of
from sklearn.datasets import load_diabetes, load_digits, load_iris
from torch import nn

from tenfold import AdamW, Module, Recipe
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.engine.user_modules import skeleton as skeletons
from tenfold.engine.user_modules.making import row_shape
from tenfold.problem.from_arrays import understand

UPDATES = 30
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}  # relative to the largest output


def recipe(network, **options):
    return Recipe(
        network=network, optimizer=AdamW(lr=3e-3), weight_decay=1e-2, batch_size=32, epochs=20, preprocess="none",
        **options,
    )  # fmt: skip


def iris():
    x, y = load_iris(return_X_y=True)
    return x[:128], y[:128]  # folds of 102 and 103 rows


def digits():
    x, y = load_digits(return_X_y=True)
    return x[:99].reshape(-1, 8, 8) / 16.0, y[:99]


def sequences():
    x, y = iris()
    return torch.from_numpy(x).reshape(-1, 2, 2), y


def tokens():
    x, y = iris()
    return torch.from_numpy(x).long(), y


def two_inputs():
    x, y = iris()
    return (torch.from_numpy(x).long(), torch.from_numpy(x[:, :3])), y


def numbers():
    x, y = load_diabetes(return_X_y=True)
    return x[:103], y[:103]


def several():
    x, y = load_diabetes(return_X_y=True)
    return x[:103, 1:], np.stack([y[:103], x[:103, 0]], 1)


CASES = {
    "mlp": (iris, Module(mlp, width=16, rate=0.3, norm=True), True),
    "numbers": (numbers, Module(mlp, width=16), True),
    "several": (several, Module(mlp, width=16), True),
    "cnn": (digits, Module(Cnn, rate=0.2), False),
    "lstm": (sequences, Module(Lstm), False),
    "transformer": (tokens, Module(Transformer, tokens=9, rate=0.2), False),
    "two inputs": (two_inputs, Module(TwoInputs, tokens=9), True),
}


def pack_of(recipes, x, y, dtype, keep=None):
    problem = understand(x, y).problem(5, seed=0)
    shape = Shape.of(recipes[0], problem.size, problem.folds)
    lanes = [Lane(recipe, n, f) for n, recipe in enumerate(recipes) for f in range(5)]
    kept = [lane for lane in lanes if keep is None or (lane.number, lane.fold) in keep]
    return problem, Pack(kept, shape, problem.feed(recipes, torch.device("cpu"), dtype))


def trained(pack, updates=UPDATES):
    while pack.update < updates:
        pack.run_epoch(last=updates)
    return pack


def worst(found, expected):
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))


def handed(x, problem, dtype):
    """X as the loop of a user has it."""
    if problem.inputs.tensors is not None:
        own = [part.to(dtype) if part.is_floating_point() else part for part in (x if isinstance(x, tuple) else (x,))]
        return tuple(own) if isinstance(x, tuple) else own[0]
    rows = torch.from_numpy(problem.inputs.values()).to(dtype)
    return rows.reshape(-1, 1, 8, 8) if problem.inputs.image else rows


@pytest.mark.parametrize("dtype", [torch.float64, pytest.param(torch.float32, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CASES)
def test_a_pack_equals_a_plain_loop(name, dtype):
    data, network, stacked = CASES[name]
    x, y = data()
    problem, pack = pack_of([recipe(network), recipe(network, clip_norm=0.5)], x, y, dtype)
    assert pack.shape.ops[0].skeleton.ways.training == stacked, pack.shape.ops[0].skeleton.why
    trained(pack)
    rows, size = handed(x, problem, dtype), problem.size
    known = {"input_shape": row_shape(size), "outputs": size.outputs}
    target, criterion = torch.from_numpy(problem.y), nn.CrossEntropyLoss()
    for lane, outputs in zip(pack.lanes, pack.evaluate(), strict=True):
        if lane.fold != 4 * lane.number:
            continue
        fold, own, make = problem.folds[lane.fold], lane.recipe, network.make_model
        fields = dict(network.fields) | {
            k: v for k, v in known.items() if k != "input_shape" or make is not Transformer
        }
        if not problem.classes:
            mean, std = problem.scale(lane.fold)
            target, criterion = torch.from_numpy((problem.y - mean) / std).to(dtype), nn.MSELoss()
            target = target if target.dim() == 2 else target[:, None]
        model = loop_of_torch(
            own, lambda make=make, fields=fields: make(**fields), rows, target, fold, pack.shape.dealing, UPDATES,
            adamw(3e-3, 1e-2), criterion, dtype=dtype,
        )  # fmt: skip
        expected = call(model, rows_of(rows, torch.from_numpy(fold.validation))).detach().numpy()
        assert worst(outputs, expected) <= TOLERANCE[dtype]


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_both_ways_give_the_same(name, monkeypatch):
    data, network, _ = CASES[name]
    found = []
    for stacked in (False, True):
        problem, _ = pack_of([recipe(network)], *data(), torch.float64)
        known = skeletons.skeleton(network, problem.size)
        ways = skeletons.Ways(stacked, stacked, False)
        monkeypatch.setattr(skeletons, "skeleton", lambda *_, known=known, ways=ways: replace(known, ways=ways))
        found.append(trained(pack_of([recipe(network)], *data(), torch.float64)[1]).w)
        monkeypatch.undo()
    assert float((found[0] - found[1]).abs().max()) <= 1e-10


def test_a_lane_does_not_depend_on_its_pack_nor_on_a_stop():
    network = Module(mlp, width=16, rate=0.3, norm=True)
    recipes = [recipe(network), recipe(network, clip_norm=0.5), recipe(network, l1=1e-3)]
    whole, alone = (pack_of(recipes, *iris(), torch.float64, keep)[1] for keep in (None, {(1, 3)}))
    place = next(i for i, lane in enumerate(whole.lanes) if (lane.number, lane.fold) == (1, 3))
    stopped = trained(pack_of(recipes, *iris(), torch.float64)[1], 13)
    resumed = pack_of(recipes, *iris(), torch.float64)[1]
    resumed.restore(*stopped.state())
    assert float((trained(whole).w[place] - trained(alone).w[0]).abs().max()) <= 1e-10
    assert torch.equal(trained(resumed).w, whole.w)
