"""RealMLP, all of it at once: its training against a twin in plain torch that knows nothing of Tenfold's operations,
and its network against its authors' own layers."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from plain import make_feed

from tenfold.data.feed.batches import deal
from tenfold.data.feed.randomness import derive
from tenfold.data.split.folds import make_folds
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.solo_lanes import SoloLanes
from tenfold.engine.packs.dropout_masks import updates_per_draw
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.engine.plan.size import Size
from tenfold.recipe.presets import recipe_preset

ROWS, COLUMNS, WIDTH, UPDATES = 150, 4, 12, 30
F64 = torch.float64


def small(task, name="realmlp"):
    """The preset with few units, small batches and few epochs."""
    recipe = recipe_preset(name, task)
    network = dataclasses.replace(recipe.network, hidden=(WIDTH, WIDTH, WIDTH))
    return dataclasses.replace(recipe, network=network, batch_size=16, epochs=5)


def case(task, name="realmlp"):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(ROWS, COLUMNS)) * [1, 5, 0.1, 20] + [0, 3, 1, -50]
    x[:4, 1] *= 40
    score = np.sin(x[:, 0]) + 0.2 * x[:, 1] + 0.1 * rng.normal(size=ROWS)
    y = np.digitize(score, [-0.5, 1.0]).astype(np.int64) if task == "classification" else score
    folds = make_folds(y, 3, classification=task == "classification", seed=0)
    recipe = small(task, name)
    feed = make_feed(x, y, folds, F64)
    shape = Shape.of(recipe, Size(COLUMNS, 3 if task == "classification" else 1, None, COLUMNS), folds)
    lanes = [Lane(recipe, 0, f) for f in range(3)]
    return x, y, folds, recipe, feed, shape, lanes


def robust_clipped(x, train):
    """RealMLP's inputs, from its paper: median, quartiles, x / sqrt(1 + (x / 3)^2)."""
    low, middle, high = np.quantile(x[train], [0.25, 0.5, 0.75], axis=0)
    z = (x - middle) / (high - low)
    return torch.from_numpy(z / np.sqrt(1 + (z / 3) ** 2))


def cosine_log(t):
    return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))


def flat_cosine(t):
    return 1.0 if t < 0.5 else 0.5 * (1 + math.cos(math.pi * (2 * t - 1)))


class Twin:
    """RealMLP-TD by hand. arrays: initial parameters by the number of the operation and their kind."""

    def __init__(self, arrays, task, recipe):
        self.classes, self.recipe = task == "classification", recipe
        self.p = {name: torch.from_numpy(value.copy()).requires_grad_() for name, value in arrays.items()}
        self.kinds = {name: name.split(".")[1] for name in arrays}
        numbers = sorted({int(name.split(".")[0]) for name in arrays})
        self.dense = [n for n in numbers if f"{n}.weight" in arrays]
        self.mix = [n for n in numbers if f"{n}.mix" in arrays]
        self.m = {name: torch.zeros_like(value) for name, value in self.p.items()}
        self.v = {name: torch.zeros_like(value) for name, value in self.p.items()}

    def named(self, kind):
        return next(value for name, value in self.p.items() if self.kinds[name] == kind)

    def forward(self, x, masks=None):
        """x (rows, columns)."""
        f = self.named("embed_frequency").view(COLUMNS, 16)
        phase, weight = self.named("embed_phase").view(COLUMNS, 16), self.named("embed_weight").view(COLUMNS, 16, 3)
        bias = self.named("embed_bias").view(COLUMNS, 3)
        waves = torch.cos(2 * math.pi * x[:, :, None] * f + phase)  # (rows, columns, 16)
        h = torch.cat([x[:, :, None], torch.einsum("rcf,cfo->rco", waves, weight) + bias], 2).flatten(1)
        h = h * self.named("scale")
        for place, number in enumerate(self.dense[:-1]):
            h = h @ self.p[f"{number}.weight"] + self.p[f"{number}.bias"]
            act = torch.selu(h) if self.classes else h * torch.tanh(torch.log1p(torch.exp(h)))
            h = h + (act - h) * self.p[f"{self.mix[place]}.mix"]
            h = h if masks is None else h * masks[place]
        last = self.dense[-1]
        return h @ self.p[f"{last}.weight"] + self.p[f"{last}.bias"]

    def step(self, update, total, x, target, masks):
        out = self.forward(x, masks)
        if self.classes:
            log_p = out.log_softmax(1)
            aim = torch.full_like(log_p, 0.1 / 3)
            aim[torch.arange(len(x)), target] += 0.9
            loss = -(aim * log_p).sum(1).mean()
        else:
            loss = (out[:, 0] - target).square().mean()
        gradients = torch.autograd.grad(loss, list(self.p.values()))
        t = update / total
        rate = (0.04 if self.classes else 0.2) * cosine_log(t)
        with torch.no_grad():
            for (name, w), g in zip(self.p.items(), gradients, strict=True):
                kind = self.kinds[name]
                if kind == "weight":
                    w *= 1 - rate * 0.02 * flat_cosine(t)
                factor = {"weight": 1 / math.sqrt(w.shape[0]), "bias": 0.1, "scale": 6.0, "mix": 0.1}.get(kind, 0.1)
                m, v = self.m[name], self.v[name]
                m += (g - m) * 0.1
                v += (g * g - v) * 0.05
                hat, root = m / (1 - 0.9 ** (update + 1)), (v / (1 - 0.95 ** (update + 1))).sqrt()
                w -= rate * factor * hat / (root + 1e-8)


def masks_at(update, total, rows, fold, numbers):
    """Dropout's factors, from the draws that every recipe of a fold shares."""
    found, rate = [], 0.15 * flat_cosine(update / total)
    for number in numbers:
        block = updates_per_draw(rows * 16)  # twelve units are stored as sixteen
        stream = derive(fold.seed, "dropout", fold.number, update // block, number)
        uniform = stream.random((block, rows, 16), np.float32)[update % block][:, :WIDTH]
        found.append(torch.from_numpy((uniform >= rate) / (1 - rate)))
    return found


@pytest.mark.parametrize("engine", ["packs", "compiled"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_training_equals_its_twin(task, engine):
    if engine == "compiled" and compiled_lanes().missing:
        pytest.skip(compiled_lanes().missing)
    x, y, folds, recipe, feed, shape, lanes = case(task)
    trained = (Pack if engine == "packs" else SoloLanes)(lanes, shape, feed)
    total = shape.dealing.updates * recipe.epochs
    assert total > UPDATES
    twins = [Twin(trained.parameters(i), task, recipe) for i in range(3)]
    dropping = [n for n, op in enumerate(shape.ops) if type(op).__name__ == "DropoutOp"][1:]
    while trained.update < UPDATES:
        trained.run_epoch(last=UPDATES)
    for lane, outputs, twin in zip(trained.lanes, trained.evaluate(), twins, strict=True):
        fold = folds[lane.fold]
        z = robust_clipped(x, fold.train)
        part = y[fold.train]
        target = torch.from_numpy(y if task == "classification" else (y - part.mean()) / part.std())
        for update in range(UPDATES):
            rows, weight = deal(fold, shape.dealing, update // shape.dealing.updates)
            step = update % shape.dealing.updates
            real = weight[step] > 0
            batch = torch.from_numpy(rows[step][real])
            masks = [mask[: len(batch)] for mask in masks_at(update, total, len(real), fold, dropping)]
            twin.step(update, total, z[batch], target[batch], masks)
        expected = twin.forward(z[torch.from_numpy(fold.validation)]).detach().numpy()
        np.testing.assert_allclose(outputs, expected, atol=1e-8)
        assert outputs.std() > 1e-3


def test_the_network_is_that_of_its_authors():
    """The layers of pytabkit, with the weights of the lane and the neural tangent parametrization."""
    nn = pytest.importorskip("pytabkit.models.nn_models.nn")
    activations = pytest.importorskip("pytabkit.models.nn_models.activations")

    def call(layer, x, **fields):
        return layer.forward_cont(type("Layer", (), fields)(), x)

    x, _, folds, _, feed, shape, lanes = case("regression")
    pack = Pack(lanes, shape, feed)
    arrays = {name: torch.from_numpy(value) for name, value in pack.parameters(0).items()}
    kinds = {name.split(".")[1]: value for name, value in arrays.items()}
    z = robust_clipped(x, folds[pack.lanes[0].fold].train)
    h = call(
        nn.PLREmbeddingsLayerCosBias, z, weight_1=kinds["embed_frequency"].view(COLUMNS, 1, 16),
        bias_1=kinds["embed_phase"].view(COLUMNS, 1, 16), weight_2=kinds["embed_weight"].view(COLUMNS, 16, 3),
        bias_2=kinds["embed_bias"].view(COLUMNS, 1, 3), plr_act_name="linear", plr_use_densenet=True,
    )  # fmt: skip
    # theirs has the number itself last; the layer behind sees all of them, so the order is a matter of naming
    made = h[:, : 3 * COLUMNS].unflatten(1, (COLUMNS, 3))
    h = torch.cat([h[:, 3 * COLUMNS :, None], made], 2).flatten(1)
    h = call(nn.ScaleLayer, h, scale=kinds["scale"])
    dense = sorted(int(name.split(".")[0]) for name in arrays if name.endswith(".weight"))
    mixes = sorted(int(name.split(".")[0]) for name in arrays if name.endswith(".mix"))
    for place, number in enumerate(dense):
        weight = arrays[f"{number}.weight"]
        tangent = math.sqrt(len(weight))
        h = call(nn.WeightLayer, h, weight=weight * tangent, factor=1 / tangent)
        h = call(nn.BiasLayer, h, bias=arrays[f"{number}.bias"], factor=1.0)
        if number != dense[-1]:
            mix = arrays[f"{mixes[place]}.mix"]
            h = call(activations.ParametricActivationLayer, h, f=staticmethod(activations.mish), weight=mix)
    validation = folds[pack.lanes[0].fold].validation
    np.testing.assert_allclose(pack.evaluate()[0], h[torch.from_numpy(validation)].numpy(), atol=1e-6)
