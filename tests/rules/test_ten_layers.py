"""The classical experiment - ten layers of 500 units on 1,000 normal rows, layer by layer, mean of 3 seeds - and what
starting values do to training."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tenfold.rules.activations import ReLU, Tanh
from tenfold.rules.initialization import (
    LSUV,
    Constant,
    Fans,
    He,
    LeCun,
    Normal,
    Orthogonal,
    Xavier,
    Zeros,
    base_draw,
    lsuv_factor,
)

LAYERS, WIDTH, ROWS, SEEDS = 10, 500, 1000, 3
tanh, relu = Tanh(), ReLU()


def outputs(rule, activation, gain=1.0, pieces=1, seed=0):
    """The outputs of the layers, one by one; activation: a function of the sums (rows, units * pieces)."""
    rng = np.random.default_rng(seed)
    h = torch.from_numpy(rng.standard_normal((ROWS, WIDTH)))
    for _ in range(LAYERS):
        base = base_draw(rule.draw, rng, WIDTH, WIDTH * pieces)
        w = torch.from_numpy(rule.weights(base, Fans(WIDTH, WIDTH, gain)))
        if rule.unit_variance:
            w *= lsuv_factor((h @ w).var(correction=0))
        h = activation(h @ w)
        yield h


def measured(rule, activation, gain=1.0, pieces=1, seeds=SEEDS):
    """Standard deviation and root mean square of every layer, each (seeds, layers)."""
    found = [
        [(float(h.std()), float(h.square().mean().sqrt())) for h in outputs(rule, activation, gain, pieces, seed)]
        for seed in range(seeds)
    ]
    return np.array(found).transpose(2, 0, 1)


def maxout(pieces):
    return lambda z: z.reshape(len(z), -1, pieces).amax(2)


def maxout_gain(pieces):
    """1 / sqrt(E[max^2]) of so many standard normal numbers, by quadrature."""
    z = np.linspace(-10, 10, 20001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    below = np.cumsum(density) * (z[1] - z[0])
    return (z**2 * pieces * density * below ** (pieces - 1)).sum() * (z[1] - z[0])


def test_tanh_with_small_weights_vanishes():
    std = measured(Normal(std=0.01), tanh.formula)[0]
    np.testing.assert_allclose(std.mean(0)[:5], [0.2136, 0.0475, 0.0106, 0.0024, 0.0005], rtol=0.01, atol=5e-5)
    np.testing.assert_allclose(std[:, 4:] / std[:, 3:-1], 0.01 * math.sqrt(WIDTH), rtol=0.02)
    assert (std[:, -1] < 1e-6).all()


def test_tanh_with_large_weights_saturates():
    std = measured(Normal(std=1.0), tanh.formula)[0]
    np.testing.assert_allclose(std, 0.982, rtol=0.01)
    for h in outputs(Normal(std=1.0), tanh.formula):
        assert float((h.abs() > 0.95).double().mean()) == pytest.approx(0.93, abs=0.01)


@pytest.mark.parametrize("rule", [LeCun(), LeCun(distribution="truncated"), Xavier()])
def test_tanh_with_lecun_or_xavier_shrinks_slowly(rule):
    """In a square layer the two have one variance."""
    expected = [0.6278, 0.4852, 0.4071, 0.3567, 0.3206, 0.2939, 0.2721, 0.2544, 0.2406, 0.2277]
    np.testing.assert_allclose(measured(rule, tanh.formula)[0].mean(0), expected, rtol=0.01)


@pytest.mark.parametrize("rule", [LeCun(gain="activation"), Xavier(gain=5 / 3)])
def test_tanh_with_its_gain_settles(rule):
    std = measured(rule, tanh.formula, tanh.gain)[0].mean(0)
    assert std[0] == pytest.approx(0.759, rel=0.01)
    np.testing.assert_allclose(std[6:], 0.651, rtol=0.01)


def test_relu_with_lecun_loses_half_the_second_moment_in_each_layer():
    std, rms = measured(LeCun(), relu.formula)
    expected = [0.584, 0.416, 0.298, 0.215, 0.157, 0.114, 0.079, 0.057, 0.041, 0.029]
    np.testing.assert_allclose(std.mean(0), expected, rtol=0.15)
    assert std[:, 0].mean() == pytest.approx(0.584, rel=0.01)
    steps = (rms[:, -1] / rms[:, 0]) ** (1 / 9)
    assert steps.mean() == pytest.approx(math.sqrt(0.5), rel=0.03)  # one seed: 1.7 % (10 % of a layer's second moment)


@pytest.mark.parametrize(
    "rule", [He(), He(distribution="uniform"), He(distribution="truncated"), LeCun(gain="activation")]
)
def test_relu_with_he_keeps_the_second_moment(rule):
    std, rms = measured(rule, relu.formula, relu.gain)
    assert std[:, 0].mean() == pytest.approx(0.826, rel=0.01)
    ratio = rms[:, -1] / rms[:, 0]
    assert (ratio > 0.5).all()
    assert (ratio < 2).all()
    assert std[:, -1].mean() == pytest.approx(0.929, abs=2 * 0.185)


def test_relu_with_small_weights_vanishes():
    assert (measured(Normal(std=0.01), relu.formula)[1][:, -1] < 1e-6).all()


@pytest.mark.parametrize(("pieces", "second_moment"), [(2, 1.0), pytest.param(5, 1.80, marks=pytest.mark.slow)])
def test_maxout_keeps_the_second_moment_with_its_own_gain_and_not_with_hes(pieces, second_moment):
    moment = maxout_gain(pieces)
    assert moment == pytest.approx(second_moment, abs=0.005)
    rms = measured(LeCun(gain="activation"), maxout(pieces), moment**-0.5, pieces)[1]
    ratio = rms[:, -1] / rms[:, 0]
    assert (ratio > 0.5).all()
    assert (ratio < 2).all()
    he = measured(He(), maxout(pieces), pieces=pieces, seeds=1)[1]
    assert (he[:, -1] / he[:, 0] > 10).all()


def test_orthogonal_keeps_relus_second_moment_as_he_does():
    rms = measured(Orthogonal(), relu.formula, relu.gain)[1]
    ratio = rms[:, -1] / rms[:, 0]
    assert (ratio > 0.5).all()
    assert (ratio < 2).all()


@pytest.mark.parametrize("activation", [tanh, relu])
def test_lsuv_keeps_every_activation_alive(activation):
    """Every sum has variance 1, so every output the activation's standard deviation under N(0, 1)."""
    expected = math.sqrt(activation.second_moment - activation.mean**2)
    np.testing.assert_allclose(measured(LSUV(), activation.formula, seeds=1)[0][0], expected, rtol=0.08)


@pytest.mark.parametrize(("width", "share"), [(2, 0.877), (4, 0.197)])
def test_narrow_deep_relu_networks_are_born_dead(width, share):
    """Share of 300 networks of 10 layers in which a whole layer is 0 on all of 200 rows (Lu et al. 2019)."""
    dead, rng = 0, np.random.default_rng(0)
    for _ in range(300):
        h = rng.standard_normal((200, width))
        for _ in range(LAYERS):
            h = np.maximum(h @ He().weights(base_draw("normal", rng, width, width), Fans(width, width)), 0)
        dead += not h.any()
    assert dead / 300 == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / 300))


# What starting values do to training


def train(rule, *, hidden, activation=torch.relu, steps=30, dropout=0.0, seed=0):
    """Weights of a classifier of three clusters before and after gradient descent, and its accuracy."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    y = np.arange(150) % 3
    x = torch.tensor(rng.standard_normal((150, 4)) + 4 * np.eye(4)[y])
    sizes = list(zip((4, *hidden), (*hidden, 3), strict=True))
    drawn = [rule.weights(base_draw(rule.draw, rng, *size), Fans(*size)) for size in sizes]
    weights = [torch.from_numpy(w).requires_grad_() for w in drawn]
    biases = [torch.zeros(units, dtype=torch.float64, requires_grad=True) for _, units in sizes]
    start = [w.detach().clone() for w in weights]
    for step in range(steps + 1):
        h = x
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            h = activation(h @ w + b)
            h = h * (torch.rand(h.shape, generator=generator) >= dropout) / (1 - dropout)
        logits = h @ weights[-1] + biases[-1]
        if step == steps:
            return start, [w.detach() for w in weights], float((logits.argmax(1) == torch.tensor(y)).double().mean())
        loss = functional.cross_entropy(logits, torch.tensor(y))
        gradients = torch.autograd.grad(loss, [*weights, *biases])
        with torch.no_grad():
            for parameter, gradient in zip([*weights, *biases], gradients, strict=True):
                parameter -= 0.1 * gradient


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_zeros_do_not_move_a_deep_network(activation):
    start, end, accuracy = train(Zeros(), hidden=(6, 6), activation=activation)
    assert all(torch.equal(before, after) for before, after in zip(start, end, strict=True))
    assert accuracy < 0.4
    assert train(He(), hidden=(6, 6), activation=activation)[2] > 0.8


def test_zeros_train_a_linear_model():
    start, end, accuracy = train(Zeros(), hidden=())
    assert not torch.equal(start[0], end[0])
    assert accuracy > 0.95


def test_equal_weights_stay_equal_until_dropout():
    spread = lambda w: float((w - w[:, :1]).abs().max())  # noqa: E731 - over the units of a layer
    _, end, _ = train(Constant(), hidden=(6, 6))
    assert spread(end[0]) < 1e-15
    assert spread(end[1]) < 1e-15
    assert not torch.equal(end[0], torch.full_like(end[0], 0.1))
    assert spread(train(Constant(), hidden=(6, 6), dropout=0.5)[1][0]) > 1e-3
    assert spread(train(He(), hidden=(6, 6))[1][0]) > 1e-1
