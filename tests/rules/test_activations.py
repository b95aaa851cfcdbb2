"""Every activation against closed forms, torch and jax: values, gradients, and what its record claims."""

import math
import typing

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit, ndtr
from torch.nn import functional

from tenfold.rules.activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    Identity,
    LeakyReLU,
    Maxout,
    Mish,
    Parametric,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    maxout,
    maxout_channels,
    parametric,
    prelu,
)  # fmt: skip
from tenfold.rules.activations.parametric import MIXED
from tenfold.rules.fields import value_kinds
from tenfold.rules.record import numbers, rule_name

F64 = torch.float64
GRID = np.delete(np.linspace(-20, 20, 4001), 2000)  # without 0, where libraries differ
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
ROOT = math.sqrt(2 / math.pi)


def left(x):
    return np.minimum(x, 0)


def density(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def inner(x):
    return np.tanh(ROOT * (x + 0.044715 * x**3))


def gelu_slope(r, x):
    if r.approximate == "none":
        return ndtr(x) + x * density(x)
    return (1 + inner(x)) / 2 + x / 2 * (1 - inner(x) ** 2) * ROOT * (1 + 3 * 0.044715 * x * x)


def mish_slope(r, x):
    t = np.tanh(np.logaddexp(0, x))
    return t + x * (1 - t * t) * expit(x)


def slope_of(r):
    return r.slope if isinstance(r, LeakyReLU) else r.start


def ramp(r, x):
    return np.where(x > 0, x, slope_of(r) * x)


def ramp_slope(r, x):
    return np.where(x > 0, 1.0, slope_of(r))


CLOSED = {  # value and derivative
    Sigmoid: (lambda r, x: expit(x), lambda r, x: expit(x) * expit(-x)),
    Tanh: (lambda r, x: np.tanh(x), lambda r, x: 1 / np.cosh(x) ** 2),
    ReLU: (lambda r, x: np.where(x > 0, x, 0), lambda r, x: 1.0 * (x > 0)),
    LeakyReLU: (ramp, ramp_slope),
    PReLU: (ramp, ramp_slope),
    ELU: (
        lambda r, x: np.where(x > 0, x, r.alpha * np.expm1(left(x))),
        lambda r, x: np.where(x > 0, 1.0, r.alpha * np.exp(left(x))),
    ),
    GELU: (
        lambda r, x: x * ndtr(x) if r.approximate == "none" else x * (1 + inner(x)) / 2,
        gelu_slope,
    ),
    SiLU: (lambda r, x: x * expit(x), lambda r, x: expit(x) * (1 + x * expit(-x))),
    SELU: (
        lambda r, x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(left(x))),
        lambda r, x: SELU_SCALE * np.where(x > 0, 1.0, SELU_ALPHA * np.exp(left(x))),
    ),
    Mish: (lambda r, x: x * np.tanh(np.logaddexp(0, x)), mish_slope),
    Softplus: (lambda r, x: np.logaddexp(0, x), lambda r, x: expit(x)),
    Parametric: (lambda r, x: CLOSED[type(r.mixed)][0](r.mixed, x), lambda r, x: CLOSED[type(r.mixed)][1](r.mixed, x)),
    Identity: (lambda r, x: 1.0 * x, lambda r, x: np.ones_like(x)),
}
TORCH = {
    Sigmoid: lambda r: functional.sigmoid,
    Tanh: lambda r: functional.tanh,
    ReLU: lambda r: functional.relu,
    LeakyReLU: lambda r: lambda z: functional.leaky_relu(z, r.slope),
    PReLU: lambda r: lambda z: functional.prelu(z, torch.full((1,), r.start, dtype=z.dtype)),
    ELU: lambda r: lambda z: functional.elu(z, r.alpha),
    GELU: lambda r: lambda z: functional.gelu(z, approximate=r.approximate),
    SiLU: lambda r: functional.silu,
    SELU: lambda r: functional.selu,
    Mish: lambda r: functional.mish,
    Softplus: lambda r: functional.softplus,
    Parametric: lambda r: TORCH[type(r.mixed)](r.mixed),
    Identity: lambda r: torch.nn.Identity(),
}
JAX = {  # its name in jax.nn and its options
    Sigmoid: lambda r: ("sigmoid", {}),
    Tanh: lambda r: ("tanh", {}),
    ReLU: lambda r: ("relu", {}),
    LeakyReLU: lambda r: ("leaky_relu", {"negative_slope": r.slope}),
    PReLU: lambda r: ("leaky_relu", {"negative_slope": r.start}),
    ELU: lambda r: ("elu", {"alpha": r.alpha}),
    GELU: lambda r: ("gelu", {"approximate": r.approximate == "tanh"}),
    SiLU: lambda r: ("silu", {}),
    SELU: lambda r: ("selu", {}),
    Mish: lambda r: ("mish", {}),
    Softplus: lambda r: ("softplus", {}),
    Parametric: lambda r: JAX[type(r.mixed)](r.mixed),
    Identity: lambda r: ("identity", {}),
}
TORCH_GAIN = {Sigmoid: "sigmoid", Tanh: "tanh", ReLU: "relu", LeakyReLU: "leaky_relu", Identity: "linear"}
MEMBERS = typing.get_args(Activation)
RULES = [member() for member in MEMBERS if member is not Maxout]
RULES += [LeakyReLU(slope=0.3), LeakyReLU(slope=1.5), LeakyReLU(slope=-0.5), LeakyReLU(slope=0), PReLU(start=1.5)]
RULES += [ELU(alpha=0.4), ELU(alpha=2.0), GELU(approximate="tanh")]
RULES += [Parametric(of=name) for name in MIXED]
rules = pytest.mark.parametrize("rule", RULES, ids=repr)
every = pytest.mark.parametrize("rule", [*RULES, Maxout(), Maxout(pieces=5)], ids=repr)


def formula(rule):
    """The formula of a rule as a function of z alone, a learned slope at its start."""
    if rule.learned:
        return lambda z: type(rule).formula(
            z, torch.full((1,), rule.start, dtype=z.dtype), *([rule.of] if isinstance(rule, Parametric) else [])
        )
    return lambda z: rule.formula(z, *numbers(rule))


def value_and_gradient(function, x, dtype=np.float64):
    z = torch.from_numpy(np.asarray(x, dtype)).requires_grad_()
    y = function(z)
    return y.detach().numpy(), torch.autograd.grad(y.sum(), z)[0].numpy()


def apply(rule, x):
    return value_and_gradient(formula(rule), x)


def normal_mean(function):
    """E[function(z)], z ~ N(0, 1), in two pieces because of the kink at 0."""
    return sum(
        quad(lambda z: float(function(np.float64(z))) * density(z), low, high, epsabs=1e-13, epsrel=1e-12)[0]
        for low, high in [(-12, 0), (0, 12)]
    )


def test_every_activation_has_oracles():
    assert set(CLOSED) == set(TORCH) == set(JAX) == set(MEMBERS) - {Maxout}  # Maxout has its own below


@rules
def test_value_and_gradient_in_closed_form_and_in_torch(rule):
    value, slope = CLOSED[type(rule)]
    got, gradient = apply(rule, GRID)
    for expected, expected_gradient in [
        (value(rule, GRID), slope(rule, GRID)),
        value_and_gradient(TORCH[type(rule)](rule), GRID),
    ]:
        assert np.abs(got - expected).max() <= 1e-12
        assert np.abs(gradient - expected_gradient).max() <= 1e-12


@rules
def test_value_and_gradient_in_jax(rule):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    name, options = JAX[type(rule)](rule)
    expected, pull = jax.vjp(lambda x: getattr(jax.nn, name)(x, **options), GRID)
    (expected_gradient,) = pull(np.ones_like(GRID))
    got, gradient = apply(rule, GRID)
    assert np.abs(got - np.asarray(expected)).max() <= 1e-12
    assert np.abs(gradient - np.asarray(expected_gradient)).max() <= 1e-12


@rules
def test_float32_is_the_rounded_float64(rule):
    x = GRID.astype(np.float32)
    got, gradient = value_and_gradient(formula(rule), x, np.float32)
    expected, expected_gradient = apply(rule, x)
    assert got.dtype == gradient.dtype == np.float32
    absolute = (
        1e-6 if isinstance(getattr(rule, "mixed", rule), GELU) else 1e-7
    )  # z (1 + erf(..)) cancels to the left, in every library
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=absolute)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=2e-6, atol=absolute)


def moments_in_closed_form(rule):
    value = CLOSED[type(rule)][0]
    return normal_mean(lambda z: value(rule, z)), normal_mean(lambda z: value(rule, z) ** 2)


@rules
def test_stated_moments(rule):
    mean, second = moments_in_closed_form(rule)
    assert rule.mean == pytest.approx(mean, abs=1e-9)
    assert rule.second_moment == pytest.approx(second, abs=1e-9)


@every
def test_stated_gain_is_torchs_or_keeps_the_second_moment(rule):
    if type(rule) in TORCH_GAIN:
        name = TORCH_GAIN[type(rule)]
        options = (rule.slope,) if name == "leaky_relu" else ()
        assert rule.gain == pytest.approx(torch.nn.init.calculate_gain(name, *options), rel=1e-12)
    if not isinstance(getattr(rule, "mixed", rule), Sigmoid | Tanh):  # torch's gains of these two are conventions
        assert rule.gain == pytest.approx(1 / math.sqrt(rule.second_moment), rel=1e-12)


@rules
def test_bounds_hold_and_are_tight(rule):
    y = apply(rule, np.concatenate([np.linspace(-1e4, 1e4, 20001), np.linspace(-5, 5, 100001)]))[0]
    low, high = rule.bounds
    of = getattr(rule, "mixed", rule)
    slope = getattr(of, "slope", getattr(of, "start", 1.0))
    assert low - 1e-9 <= y.min()
    assert y.max() <= high
    assert y.min() <= min(-9000 * slope, -50) if math.isinf(low) else y.min() == pytest.approx(low, abs=1e-8)
    assert y.max() >= 9000 if math.isinf(high) else y.max() == pytest.approx(high)


@rules
def test_saturation_is_where_it_is_said(rule):
    left, right = np.abs(apply(rule, [-1e8, 1e8])[1])  # far out, for tails that fall as 1 / x
    assert (left < 1e-12, right < 1e-12) == rule.saturates


def test_no_cancellation_near_zero_in_float32():
    z = torch.tensor([-1e-6, -1e-8], dtype=torch.float32)
    assert torch.allclose(ELU.formula(z, 1.0), z, rtol=1e-5, atol=0)
    assert torch.allclose(SELU.formula(z), SELU_SCALE * SELU_ALPHA * z, rtol=1e-5, atol=0)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_sums_give_numbers(rule, dtype):
    x = np.repeat([-1e4, -1000.0, -90.0, 0.0, 90.0, 1000.0, 1e4], getattr(rule, "pieces", 1))
    value, gradient = value_and_gradient(formula(rule), x, dtype)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


def test_derivative_at_zero():
    """0 for ReLU, the slope for leaky ReLU (torch), 1 for ELU and 1/2 for what is smooth."""
    at_zero = {type(rule): float(apply(rule, [0.0])[1][0]) for rule in RULES[: len(MEMBERS) - 1]}
    assert at_zero[ReLU] == 0
    assert at_zero[LeakyReLU] == 0.01
    assert at_zero[ELU] == 1
    assert all(at_zero[rule] == 0.5 for rule in (GELU, SiLU, Softplus))
    assert at_zero[Mish] == pytest.approx(0.6, rel=1e-12)


@pytest.mark.parametrize("shape", [(40, 6), (5, 6, 4, 3)], ids=["rows", "images"])
def test_prelu_learns_one_slope_a_channel_like_torch(shape):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(shape, dtype=F64, generator=generator).requires_grad_()
    slope = (2 * torch.randn(6, dtype=F64, generator=generator)).requires_grad_()
    upstream = torch.randn(shape, dtype=F64, generator=generator)
    mine = prelu(z, slope.view(6, *[1] * (len(shape) - 2)))
    theirs = functional.prelu(z, slope)
    assert (mine - theirs).abs().max() <= 1e-12
    gradients = [torch.autograd.grad((y * upstream).sum(), (z, slope)) for y in (mine, theirs)]
    for one, two in zip(*gradients, strict=True):
        assert (one - two).abs().max() <= 1e-12
    expected = (upstream * z.detach().clamp(max=0)).transpose(0, 1).flatten(1).sum(1)  # sum of min(0, z)
    assert (gradients[0][1] - expected).abs().max() <= 1e-12
    assert torch.autograd.gradcheck(lambda z, s: prelu(z, s.view(6, *[1] * (len(shape) - 2))), (z[:3], slope))


@pytest.mark.parametrize("of", list(MIXED))
@pytest.mark.parametrize("shape", [(40, 6), (5, 6, 4, 3)], ids=["rows", "images"])
def test_a_parametric_activation_learns_its_share(of, shape):
    """Value, gradient of z and of the mix by the closed form of what it mixes."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(shape, dtype=F64, generator=generator).requires_grad_()
    mix = torch.randn(6, dtype=F64, generator=generator).requires_grad_()
    upstream = torch.randn(shape, dtype=F64, generator=generator)
    own = mix.view(6, *[1] * (len(shape) - 2))
    y = parametric(z, own, of)
    value, slope = (part(MIXED[of], z.detach().numpy()) for part in CLOSED[type(MIXED[of])])
    x, a, up = z.detach().numpy(), own.detach().numpy(), upstream.numpy()
    np.testing.assert_allclose(y.detach().numpy(), x + (value - x) * a, atol=1e-12)
    of_z, of_mix = torch.autograd.grad((y * upstream).sum(), (z, mix))
    np.testing.assert_allclose(of_z.numpy(), up * (1 + (slope - 1) * a), atol=1e-12)
    np.testing.assert_allclose(of_mix.numpy(), np.moveaxis(up * (value - x), 1, 0).reshape(6, -1).sum(1), atol=1e-12)


def test_all_that_may_be_mixed_is_known_by_its_name():
    assert list(MIXED) == list(value_kinds(Parametric)["of"].words)
    assert all(rule_name(rule) == name for name, rule in MIXED.items())


def test_realmlp_has_the_same_parametric_activation():
    theirs = pytest.importorskip("pytabkit.models.nn_models.activations")
    z, mix = torch.randn(30, 6, dtype=F64), torch.randn(6, dtype=F64)
    for of, function in (("selu", torch.selu), ("mish", theirs.mish)):
        layer = type("Layer", (), {"f": staticmethod(function), "weight": mix})()
        out = theirs.ParametricActivationLayer.forward_cont(layer, z)
        assert (out - parametric(z, mix, of)).abs().max() <= 1e-12


def test_prelu_slopes_of_lanes_broadcast():
    z = torch.from_numpy(GRID[:4000].reshape(2, 400, 5))
    slopes = torch.tensor([0.25, 1.5], dtype=F64).view(2, 1, 1)
    for lane, slope in enumerate((0.25, 1.5)):
        assert (prelu(z, slopes)[lane] - LeakyReLU.formula(z[lane], slope)).abs().max() <= 1e-12


@pytest.mark.parametrize("pieces", [2, 5])
def test_maxout_is_the_largest_of_its_maps(pieces):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    z = np.random.default_rng(0).normal(size=(3, 50, 4 * pieces))
    got, gradient = value_and_gradient(lambda t: maxout(t, pieces), z)
    assert (got == z.reshape(3, 50, 4, pieces).max(-1)).all()
    expected, pull = jax.vjp(lambda x: x.reshape(3, 50, 4, pieces).max(-1), z)
    assert (got == np.asarray(expected)).all()
    assert (gradient == np.asarray(pull(np.ones_like(got))[0])).all()
    assert (gradient.reshape(3, 50, 4, pieces).sum(-1) == 1).all()  # a piece that loses has no gradient


def test_maxout_of_linear_layers():
    """The maximum of two layers; with the second one zero it is a ReLU, exactly."""
    torch.manual_seed(0)
    first, second = torch.nn.Linear(7, 4, dtype=F64), torch.nn.Linear(7, 4, dtype=F64)
    x = torch.randn(30, 7, dtype=F64)
    both = torch.stack([first(x), second(x)], dim=-1).flatten(-2)
    assert torch.equal(maxout(both, 2), torch.maximum(first(x), second(x)))
    with_zero = torch.stack([first(x), torch.zeros(30, 4, dtype=F64)], dim=-1).flatten(-2)
    assert torch.equal(maxout(with_zero, 2), ReLU.formula(first(x)))


def test_maxout_ties_share_the_gradient():
    value, gradient = apply(Maxout(pieces=2), [3.0, 3.0, 1.0, 2.0])
    assert value.tolist() == [3, 2]
    assert gradient.tolist() == [0.5, 0.5, 0, 1]


def test_maxout_of_channels():
    z = torch.randn(2, 12, 5, 6, generator=torch.Generator().manual_seed(0))
    got = maxout_channels(z, 3)
    assert got.shape == (2, 4, 5, 6)
    assert torch.equal(got.permute(0, 2, 3, 1), maxout(z.permute(0, 2, 3, 1), 3))


@pytest.mark.parametrize("pieces", [2, 3, 5, 32])
def test_maxout_moments_are_those_of_draws(pieces):
    """Of 200,000 draws, within 5 standard errors."""
    rule, n = Maxout(pieces=pieces), 200_000
    y = maxout(torch.randn(n, pieces, dtype=F64, generator=torch.Generator().manual_seed(1)), pieces)[:, 0]
    spread = float((y.square()).std()) / math.sqrt(n)
    assert abs(float(y.square().mean()) - rule.second_moment) < 5 * spread
    assert abs(float(y.mean()) - rule.mean) < 5 * float(y.std()) / math.sqrt(n)


def test_maxout_moments_in_closed_form():
    """Of the largest of 2 and 3 normals (Jones 1948), and tabulated for 5 (Teichroew 1956)."""
    assert Maxout(pieces=2).mean == pytest.approx(1 / math.sqrt(math.pi), abs=1e-10)
    assert Maxout(pieces=2).second_moment == pytest.approx(1, abs=1e-10)
    assert Maxout(pieces=3).mean == pytest.approx(1.5 / math.sqrt(math.pi), abs=1e-10)
    assert Maxout(pieces=3).second_moment == pytest.approx(1 + math.sqrt(3) / (2 * math.pi), abs=1e-10)
    assert Maxout(pieces=5).mean == pytest.approx(1.16296, abs=1e-5)
    assert Maxout(pieces=5).second_moment == pytest.approx(1.80002, abs=1e-5)


@rules
def test_monotone_activations_never_fall(rule):
    falls = bool((np.diff(apply(rule, np.linspace(-30, 30, 6001))[0]) < -1e-12).any())
    assert rule.monotone == (not falls)
