"""What goes through a network against plain autograd written by hand, and against mean-field theory."""

import copy
import itertools
import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tenfold.doctor.measure.numbers.pipeline import Pipeline
from tenfold.doctor.measure.numbers.propagation import QUANTILES, by_units, outputs_of, probe, quantiles
from tenfold.doctor.measure.numbers.rows import RowBatch

NUMBERS = Pipeline(nn.MSELoss(), "", (2,), "numbers", 0)


def drawn(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def looked(model, rows, pipeline=NUMBERS, joined=True):
    parts = rows if isinstance(rows, list) else [rows]
    return probe(model, parts, pipeline, "start", 0, joined=joined)


def dense(activation, seed=0):
    model = nn.Sequential(nn.Linear(5, 6), activation, nn.Linear(6, 2))
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.copy_(drawn(*parameter.shape, seed=seed + number, scale=0.7))
    return model


DERIVATIVES = {
    "relu": (nn.ReLU, lambda z: (z > 0).double()),
    "relu in place": (lambda: nn.ReLU(inplace=True), lambda z: (z > 0).double()),
    "sigmoid": (nn.Sigmoid, lambda z: torch.sigmoid(z) * (1 - torch.sigmoid(z))),
    "tanh": (nn.Tanh, lambda z: 1 - torch.tanh(z) ** 2),
    "leaky": (lambda: nn.LeakyReLU(0.1), lambda z: torch.where(z > 0, 1.0, 0.1)),
    "softplus": (nn.Softplus, torch.sigmoid),
    "silu": (nn.SiLU, lambda z: torch.sigmoid(z) * (1 + z * (1 - torch.sigmoid(z)))),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_numbers_of_every_layer_are_those_of_plain_autograd(name):
    make, derivative = DERIVATIVES[name]
    model, x, y = dense(make()), drawn(32, 5, seed=9), drawn(32, 2, seed=8)
    w1, b1, w2, b2 = (p.detach().double().requires_grad_() for p in model.parameters())
    z = x.double() @ w1.T + b1  # (rows, 6)
    a = copy.deepcopy(model[1]).double()(z.clone())  # (rows, 6)
    out = a @ w2.T + b2  # (rows, 2)
    loss = ((out - y.double()) ** 2).mean()
    gradients = torch.autograd.grad(loss, [z, a, out, w1, w2])
    found = looked(model, RowBatch((x,), {}, y))
    slope = derivative(z.detach())
    w1, b1, w2, b2 = (p.detach() for p in (w1, b1, w2, b2))
    for layer, value, gradient in zip(found.layers, (z, a, out), gradients[:3], strict=True):
        value = value.detach()
        expected = {
            "mean": value.mean(), "std": value.std(), "rms": value.square().mean().sqrt(),
            "gradient": 32 * gradient.square().mean().sqrt(),
        }  # fmt: skip
        for what, number in expected.items():
            assert getattr(layer, what) == pytest.approx(float(number), rel=1e-5), what
        assert layer.quantiles == pytest.approx(np.quantile(value.numpy(), QUANTILES), rel=1e-4, abs=1e-6)
        sizes = np.quantile(32 * gradient.abs().numpy(), QUANTILES)
        assert layer.gradient_quantiles == pytest.approx(sizes, rel=1e-4, abs=1e-6)
    first, middle, last = found.layers
    assert middle.derivative == pytest.approx(float(slope.mean()), rel=1e-5)
    assert middle.derivative_square == pytest.approx(float(slope.square().mean()), rel=1e-5)
    assert first.derivative is None
    assert middle.weight_rms is None
    for layer, weight, bias, gradient in ((first, w1, b1, gradients[3]), (last, w2, b2, gradients[4])):
        assert layer.weight_rms == pytest.approx(float(weight.square().mean().sqrt()), rel=1e-6)
        assert layer.bias_rms == pytest.approx(float(bias.square().mean().sqrt()), rel=1e-6)
        assert layer.weight_gradient == pytest.approx(float(gradient.square().mean().sqrt()), rel=1e-5)
    assert found.train_loss == pytest.approx(float(loss.detach()), rel=1e-6)
    assert found.eval_loss == found.train_loss


class Squashed(nn.Module):
    """Sigmoid in place, through a method: the layer before it must keep what it put out."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(5, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = self.one(x)
        h.sigmoid_()
        return self.two(h)


def test_an_activation_through_a_method_in_place_has_the_numbers_of_one_that_is_not():
    plain = dense(nn.Sigmoid())
    model = Squashed()
    model.load_state_dict(dict(zip(model.state_dict(), plain.state_dict().values(), strict=True)))
    rows = RowBatch((drawn(32, 5, seed=9),), {}, drawn(32, 2, seed=8))
    assert looked(model, rows).layers == looked(plain, rows).layers


def planted(activation):
    """Identity weights: unit j of the hidden layer sees column j alone."""
    model = nn.Sequential(nn.Linear(8, 8), activation, nn.Linear(8, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(8))
        model[0].bias.zero_()
    return model


def test_dead_units_are_those_off_on_all_rows():
    x = drawn(64, 8)
    x[:, 2], x[:, 5] = -x[:, 2].abs() - 0.1, -x[:, 5].abs() - 0.1
    x[1:, 6] = -x[1:, 6].abs() - 0.1
    x[0, 6] = 1.0  # alive on one row
    found = looked(planted(nn.ReLU()), RowBatch((x,), {}, drawn(64, 2)))
    assert found.layers[1].dead == 2 / 8
    assert found.layers[1].dead_units == [0, 0, 1, 0, 0, 1, 0, 0]
    assert found.layers[1].unvarying == 2 / 8
    assert found.layers[0].unvarying == 0.0
    assert found.layers[1].saturated is None


def test_saturated_entries_have_a_derivative_under_a_twentieth_of_the_largest():
    x = drawn(64, 8, scale=3.0)
    found = looked(planted(nn.Sigmoid()), RowBatch((x,), {}, drawn(64, 2)))
    s = torch.sigmoid(x.double())
    assert found.layers[1].saturated == pytest.approx(float((s * (1 - s) < 0.05 / 4).double().mean()))
    found = looked(planted(nn.Tanh()), RowBatch((x,), {}, drawn(64, 2)))
    assert found.layers[1].saturated == pytest.approx(float((1 - torch.tanh(x.double()) ** 2 < 0.05).double().mean()))
    x[:, 3] = 40.0
    found = looked(planted(nn.Tanh()), RowBatch((x,), {}, drawn(64, 2)))
    assert found.layers[1].dead_units == [0, 0, 0, 1, 0, 0, 0, 0]


def test_identical_units_are_counted_among_those_that_vary():
    x = drawn(64, 8)
    x[:, 1], x[:, 2], x[:, 7] = x[:, 0], x[:, 0], 3.0
    found = looked(planted(nn.Tanh()), RowBatch((x,), {}, drawn(64, 2)))
    assert found.layers[0].identical == pytest.approx(3 / 7)
    assert found.layers[1].identical == pytest.approx(3 / 7)
    assert found.layers[0].unvarying == 1 / 8
    assert looked(planted(nn.Tanh()), RowBatch((drawn(64, 8),), {}, drawn(64, 2))).layers[1].identical == 0.0


def test_convolutions_have_channels_as_units():
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 0.0, 1.0]).reshape(3, 1, 1, 1))
        model[0].bias.copy_(torch.tensor([0.0, -1.0, 0.0]))
    found = looked(model, RowBatch((drawn(16, 1, 4, 4),), {}, drawn(16, 2)))
    assert found.layers[1].dead_units == [0, 1, 0]
    assert found.layers[0].unvarying == pytest.approx(1 / 3)
    assert found.layers[0].identical == 1.0  # both that vary
    images = torch.arange(24).reshape(2, 3, 2, 2)
    assert torch.equal(by_units(images, True)[:, 1], images[:, 1].flatten())
    assert torch.equal(by_units(images[:, :, 0], False), images[:, :, 0].reshape(-1, 2))
    assert by_units(torch.arange(3), False).shape == (3, 1)


def gaussian(function):
    """E[f(z)] over z ~ N(0, 1) by the rule of rectangles."""
    z, step = np.linspace(-10, 10, 20_000, retstep=True)
    return float((np.exp(-(z**2) / 2) * function(z)).sum() * step / math.sqrt(2 * math.pi))


def logistic(z):
    return 1 / (1 + np.exp(-z))


MEAN_FIELD = {  # name: (activation, weights' std times sqrt(width), f, f'^2)
    "sigmoid": (nn.Sigmoid, 1.0, logistic, lambda z: (logistic(z) * (1 - logistic(z))) ** 2),
    "tanh": (nn.Tanh, 1.5, np.tanh, lambda z: (1 - np.tanh(z) ** 2) ** 2),
    "relu": (nn.ReLU, math.sqrt(2), lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
}


@pytest.mark.parametrize("name", MEAN_FIELD)
def test_gradients_grow_by_layer_as_mean_field_theory_says(name):
    """chi = sigma_w^2 E[f'(z)^2], z ~ N(0, q), q = sigma_w^2 E[f(z)^2] (notes of Schoenholz et al. 2017)."""
    make, scale, f, slope_square = MEAN_FIELD[name]
    depth, width = 8, 512
    layers = []
    for number in range(depth):
        linear = nn.Linear(width, width)
        with torch.no_grad():
            linear.weight.copy_(drawn(width, width, seed=number, scale=scale / math.sqrt(width)))
            linear.bias.zero_()
        layers += [linear, make()]
    model = nn.Sequential(*layers, nn.Linear(width, 2))
    found = looked(model, RowBatch((drawn(128, width, seed=77),), {}, drawn(128, 2)))
    q = 1.0
    for _ in range(100):
        q = scale**2 * gaussian(lambda z, q=q: f(math.sqrt(q) * z) ** 2) if name != "relu" else q
    theory = scale**2 * gaussian(lambda z: slope_square(math.sqrt(q) * z))
    places = [i for i, layer in enumerate(found.layers) if i % 2 == 0][3:depth]  # linear layers past the first ones
    measured = [(found.layers[i].gradient / found.layers[j].gradient) ** 2 for i, j in itertools.pairwise(places)]
    assert math.exp(np.mean(np.log(measured))) == pytest.approx(theory, rel=0.1)
    slopes = [found.layers[i + 1].derivative_square * scale**2 for i in places]
    assert np.mean(slopes) == pytest.approx(theory, rel=0.1)


def test_both_modes_and_what_the_outputs_look_like():
    model = nn.Sequential(nn.Linear(5, 64), nn.Dropout(0.9), nn.Linear(64, 3))
    pipeline = Pipeline(nn.CrossEntropyLoss(), "", (3,), "classes", 3)
    x, y = drawn(64, 5), torch.arange(64) % 3
    found = looked(model, RowBatch((x,), {}, y), pipeline)
    output = model.eval()(x).detach()
    assert found.eval_loss == pytest.approx(float(F.cross_entropy(output, y)), rel=1e-5)
    assert found.train_loss > found.eval_loss + 0.01
    accuracy = float((output.argmax(1) == y).double().mean())
    chance = 22 / 64
    assert found.skill == pytest.approx((accuracy - chance) / (1 - chance), abs=1e-6)
    assert found.predicted_shares == pytest.approx((torch.bincount(output.argmax(1), minlength=3) / 64).tolist())
    assert found.distinct == pytest.approx(1 - max(found.predicted_shares))
    assert found.output_spread == pytest.approx(float(output.std(0).max()), rel=1e-5)
    assert found.outputs == pytest.approx(np.quantile(output.numpy(), QUANTILES), rel=1e-4)


def test_losses_are_means_over_the_parts_as_they_were_dealt():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    parts = [RowBatch((drawn(16, 5, seed=i),), {}, drawn(16, 2, seed=10 + i)) for i in range(3)]
    state = copy.deepcopy(model.state_dict())
    found = looked(model, parts)
    model.load_state_dict(state)
    model.train()
    expected = np.mean([F.mse_loss(model(p.inputs[0]), p.target).item() for p in parts])
    assert found.train_loss == pytest.approx(expected, rel=1e-5)
    model.load_state_dict(state)
    model.eval()
    assert found.eval_loss == pytest.approx(
        np.mean([F.mse_loss(model(p.inputs[0]), p.target).item() for p in parts]), rel=1e-5
    )


class Depth(nn.Module):
    """Stochastic depth that draws from all three generators."""

    def forward(self, x):
        return x * (random.random() + np.random.rand() + float(torch.rand(())))  # noqa: NPY002


def test_weights_mode_and_random_states_are_as_before_also_after_an_error():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(5, 2)

        def forward(self, x):
            raise ValueError((torch.rand(()) + F.dropout(self.one(x)).sum()).item())

    model, broken = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), Depth(), nn.Linear(4, 2)).eval(), Broken()
    rows = RowBatch((drawn(16, 5),), {}, drawn(16, 2))
    weights = [p.detach().clone() for p in model.parameters()]
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    looked(model, rows)
    with pytest.raises(ValueError):  # noqa: PT011
        looked(broken, rows)
    outputs_of(model, [rows], training=False)
    assert all(torch.equal(p, w) and p.grad is None for p, w in zip(model.parameters(), weights, strict=True))
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_probe_leaves_the_modes_and_the_running_statistics():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
    before = copy.deepcopy(model.state_dict())
    looked(model, RowBatch((drawn(16, 5),), {}, drawn(16, 2)))
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_without_a_pipeline_there_are_activations_and_no_gradients():
    found = looked(dense(nn.ReLU()), RowBatch((drawn(16, 5),), {}, drawn(16, 2)), pipeline=None)
    assert len(found.layers) == 3
    assert found.train_loss is None
    assert found.skill is None
    assert all(layer.gradient is None for layer in found.layers)


def test_quantiles_are_of_every_nth_entry_and_none_where_not_finite():
    values = drawn(4000)
    assert quantiles(values) == pytest.approx(np.quantile(values.numpy(), QUANTILES), rel=1e-5)
    assert quantiles(torch.arange(40_000))[::6] == [0.0, 39_990.0]
    assert quantiles(torch.tensor([1.0, float("inf")])) == []
    assert quantiles(torch.zeros(0)) == []


def test_a_network_in_double_precision_agrees_to_twelve_digits_where_nothing_is_rounded():
    model = planted(nn.ReLU()).double()
    x = torch.randint(-8, 8, (64, 8), generator=torch.Generator().manual_seed(0)).double()
    found = looked(model, RowBatch((x,), {}, drawn(64, 2).double()))
    assert found.layers[0].mean == pytest.approx(float(x.mean()), abs=1e-12)
    assert found.layers[1].derivative == pytest.approx(float((x > 0).double().mean()), abs=1e-7)
