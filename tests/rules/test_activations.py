"""Every activation against closed forms and torch: values, gradients, and what its record claims."""

import math
import re
import typing

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit
from torch.nn import functional

from tenfold.rules.activations import ELU, Activation, LeakyReLU, ReLU, Sigmoid, Tanh
from tenfold.rules.record import numbers

GRID = np.linspace(-20, 20, 4001)  # 0 is one of its points
# torch's function of the record; value and derivative in closed form; torch's name of the gain (None: no such gain)
ORACLES = {
    Sigmoid: (lambda r: torch.sigmoid, lambda r, x: expit(x), lambda r, x: expit(x) * expit(-x), "sigmoid"),
    Tanh: (lambda r: torch.tanh, lambda r, x: np.tanh(x), lambda r, x: 1 / np.cosh(x) ** 2, "tanh"),
    ReLU: (lambda r: functional.relu, lambda r, x: np.where(x > 0, x, 0), lambda r, x: 1.0 * (x > 0), "relu"),
    LeakyReLU: (
        lambda r: lambda z: functional.leaky_relu(z, r.slope),
        lambda r, x: np.where(x > 0, x, r.slope * x),
        lambda r, x: np.where(x > 0, 1.0, r.slope),
        "leaky_relu",
    ),
    ELU: (
        lambda r: lambda z: functional.elu(z, r.alpha),
        lambda r, x: np.where(x > 0, x, r.alpha * np.expm1(np.minimum(x, 0))),
        lambda r, x: np.where(x > 0, 1.0, r.alpha * np.exp(np.minimum(x, 0))),
        None,
    ),
}
RULES = [member() for member in typing.get_args(Activation)]
RULES += [LeakyReLU(slope=0.3), LeakyReLU(slope=1.5), LeakyReLU(slope=-0.5), ELU(alpha=0.4), ELU(alpha=2.0)]
rules = pytest.mark.parametrize("rule", RULES, ids=repr)


def value_and_gradient(function, x):
    z = torch.from_numpy(np.asarray(x, np.float64)).requires_grad_()
    y = function(z)
    return y.detach().numpy(), torch.autograd.grad(y.sum(), z)[0].numpy()


def apply(rule, x):
    return value_and_gradient(lambda z: type(rule).formula(z, *numbers(rule)), x)


def normal_mean(function):
    """E[function(z)], z ~ N(0, 1), in two pieces because of the kink at 0."""
    density = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    return sum(
        quad(lambda z: function(z) * density(z), low, high, epsabs=1e-13)[0] for low, high in [(-12, 0), (0, 12)]
    )


def test_every_activation_has_an_oracle():
    assert set(ORACLES) == set(typing.get_args(Activation))


@rules
def test_value_and_gradient(rule):
    torch_function, value, slope = ORACLES[type(rule)][:3]
    got, gradient = apply(rule, GRID)
    for expected, expected_gradient in [
        (value(rule, GRID), slope(rule, GRID)),
        value_and_gradient(torch_function(rule), GRID),
    ]:
        assert np.abs(got - expected).max() <= 1e-12
        assert np.abs(gradient - expected_gradient).max() <= 1e-12


@rules
def test_stated_moments_and_gain(rule):
    value, gain_name = ORACLES[type(rule)][1], ORACLES[type(rule)][3]
    second = normal_mean(lambda z: float(value(rule, z)) ** 2)
    assert rule.mean == pytest.approx(normal_mean(lambda z: float(value(rule, z))), abs=6e-6)
    assert rule.second_moment == pytest.approx(second, abs=6e-6)
    if gain_name is None:
        assert rule.gain == pytest.approx(1 / math.sqrt(second), rel=1e-9)
    else:
        assert rule.gain == pytest.approx(torch.nn.init.calculate_gain(gain_name, *numbers(rule)), rel=1e-12)
    if math.isinf(rule.bounds[1]):  # what saturates on both sides has torch's conventional gain instead
        assert rule.gain == pytest.approx(1 / math.sqrt(second), rel=1e-9)


@rules
def test_bounds_hold_and_are_tight(rule):
    y = apply(rule, np.linspace(-1e4, 1e4, 20001))[0]
    low, high = rule.bounds
    assert low <= y.min()
    assert y.max() <= high
    if not (isinstance(rule, LeakyReLU) and rule.slope < 0):
        assert y.min() < -5000 * getattr(rule, "slope", 1) if math.isinf(low) else y.min() == pytest.approx(low)
    assert y.max() > 5000 if math.isinf(high) else y.max() == pytest.approx(high)


@rules
def test_saturation_is_where_it_is_said(rule):
    left, right = np.abs(apply(rule, [-100.0, 100.0])[1])
    assert (left < 1e-12, right < 1e-12) == rule.saturates


def test_no_cancellation_near_zero_in_float32():
    z = torch.tensor([-1e-6, -1e-8], dtype=torch.float32)
    assert torch.allclose(type(ELU()).formula(z, 1.0), z, rtol=1e-5, atol=0)


def test_extreme_sums_give_numbers():
    for rule in RULES:
        assert np.isfinite(np.stack(apply(rule, [-1e4, -1000.0, 1000.0, 1e4]))).all(), rule


@pytest.mark.parametrize("member", typing.get_args(Activation))
def test_docstring_has_formula_and_source(member):
    assert "f(z) =" in member.__doc__
    assert re.search(r"(Source:.*(19|20)\d\d)", member.__doc__, re.DOTALL)
