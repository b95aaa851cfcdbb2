"""What is claimed of activations beyond their formulas: saturation, dead units, scales, and how their forms differ."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch.nn import functional

from tenfold.rules.activations import ELU, GELU, SELU, Identity, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from tenfold.rules.record import numbers

F64 = torch.float64
GRID = np.linspace(-20, 20, 4001)
ROOT_TWO_PI = math.sqrt(2 * math.pi)


def apply(rule, x):
    """Value and derivative."""
    z = torch.from_numpy(np.asarray(x, np.float64)).requires_grad_()
    y = rule.formula(z, *numbers(rule))
    return y.detach().numpy(), torch.autograd.grad(y.sum(), z)[0].numpy()


def test_sigmoid_saturates_and_shrinks_gradients():
    z = torch.tensor([16.0, 17.0, 18.0], dtype=torch.float32)
    assert (Sigmoid.formula(z) == 1).tolist() == [False, True, True]
    gradient = apply(Sigmoid(), GRID)[1]
    assert gradient.max() == 0.25
    assert apply(Sigmoid(), [10.0])[1] < 5e-5


def test_the_gain_of_tanh_has_a_stable_scale():
    """Layer after layer the second moment goes to one number, from below and from above; at gain 1 it goes to 0."""

    def after(layers, second, gain):
        for _ in range(layers):
            scale = gain * math.sqrt(second)
            second = quad(lambda z, k=scale: math.tanh(k * z) ** 2 * math.exp(-z * z / 2), -12, 12)[0] / ROOT_TWO_PI
        return second

    low, high = after(30, 0.01, Tanh.gain), after(30, 1.0, Tanh.gain)
    assert low == pytest.approx(high, rel=1e-3)
    assert 0.3 < low < 0.6
    assert after(30, 0.4, 1.0) < 0.04


def test_what_relu_halves():
    y = ReLU.formula(torch.randn(1_000_000, dtype=F64, generator=torch.Generator().manual_seed(0)))
    assert float(y.square().mean()) == pytest.approx(0.5, abs=5 * math.sqrt(1.25 / 1e6))
    assert float(y.std()) == pytest.approx(0.5838, abs=0.003)


@pytest.mark.parametrize(("rule", "recovers"), [(ReLU(), False), (LeakyReLU(), True)], ids=repr)
def test_a_dead_unit(rule, recovers):
    """One unit with bias -30 that should give 2 + x: only a slope to the left brings it back."""
    x = torch.linspace(-1, 1, 21, dtype=F64)
    p = torch.tensor([1.0, -30.0], dtype=F64, requires_grad=True)
    for _ in range(4000):
        loss = (rule.formula(p[0] * x + p[1], *numbers(rule)) - (2 + x)).square().mean()
        with torch.no_grad():
            p -= 0.3 * torch.autograd.grad(loss, p)[0]
    assert (loss.item() < 1e-6) == recovers
    assert (p[1].item() == -30) == (not recovers)


def test_maximum_forms_are_only_sometimes_the_same():
    """max(slope z, z) is leaky ReLU for slopes up to 1 alone, max(alpha (exp(z) - 1), z) never is ELU."""
    z = torch.from_numpy(GRID)
    for slope in (0.01, 1.0):
        assert torch.equal(torch.maximum(slope * z, z), LeakyReLU.formula(z, slope))
    assert not torch.allclose(torch.maximum(1.5 * z, z), LeakyReLU.formula(z, 1.5))
    right = z > 0
    assert torch.equal(torch.maximum(z.expm1(), z)[right], z.expm1()[right])
    assert (ELU.formula(z, 1.0)[right] == z[right]).all()


def test_elu_is_nearer_to_centred_than_relu():
    assert ELU().mean < ReLU.mean / 2


def test_the_two_forms_of_gelu():
    difference = np.abs(apply(GELU(), GRID)[0] - apply(GELU(approximate="tanh"), GRID)[0]).max()
    assert 4.6e-4 < difference < 4.75e-4


def test_softplus_is_exact_where_torch_switches():
    z = torch.tensor([20.000001, 25.0, 30.0], dtype=F64)
    assert torch.equal(functional.softplus(z), z)
    difference = Softplus.formula(z) - z
    np.testing.assert_allclose(difference.numpy(), np.log1p(np.exp(-z.numpy())), atol=4e-15)
    assert float(difference[0]) < 2.1e-9


def test_selu_has_a_fixed_point_that_its_gain_keeps():
    """50 layers of 300 units with LeCun weights: mean 0 and variance 1 stay; torch's gain 3/4 lets them fall."""
    rng = np.random.default_rng(0)
    x = y = torch.from_numpy(rng.normal(size=(200, 300)))
    for _ in range(50):
        w = torch.from_numpy(rng.normal(size=(300, 300)) / math.sqrt(300))
        x, y = SELU.formula(x @ (SELU.gain * w)), SELU.formula(y @ (0.75 * w))
    assert abs(float(x.mean())) < 0.1
    assert 0.7 < float(x.var()) < 1.3
    assert float(y.var()) < 0.1


def test_identity_layers_are_one_linear_map():
    a, b = (torch.randn(6, 6, dtype=F64, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    x = torch.randn(9, 6, dtype=F64, generator=torch.Generator().manual_seed(2))
    assert (Identity.formula(Identity.formula(x @ a) @ b) - x @ (a @ b)).abs().max() <= 1e-13


@pytest.mark.parametrize("activation", [LeakyReLU(slope=1e308), LeakyReLU(slope=-1e200), ELU(alpha=1e200)], ids=repr)
def test_a_huge_slope_has_a_gain_of_zero_and_is_no_error(activation):
    assert activation.gain < 1e-100
