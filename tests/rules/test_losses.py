"""Every loss against torch, optax and scikit-learn: values, gradients, and its level at chance."""

import math
import typing

import numpy as np
import pytest
import torch
from torch.nn import functional

from tenfold.rules.losses import Absolute, CrossEntropy, Hinge, Huber, Loss, Poisson, Squared
from tenfold.rules.record import numbers

F64 = torch.float64


def one_against_all(o, t, margin):
    """A hinge for each class by itself, as a sum of binary ones."""
    signs = torch.where(functional.one_hot(t, o.shape[1]).bool(), 1.0, -1.0)
    return (margin - signs * o).clamp(min=0).sum(1)


LOSSES = {
    CrossEntropy: lambda r, o, t: functional.cross_entropy(o, t, reduction="none", label_smoothing=r.smoothing),
    Hinge: lambda r, o, t: functional.multi_margin_loss(o, t, margin=r.margin, reduction="none") * o.shape[1]
    if r.kind == "weston_watkins" else one_against_all(o, t, r.margin),
    Squared: lambda r, o, t: functional.mse_loss(o[:, 0], t, reduction="none"),
    Absolute: lambda r, o, t: functional.l1_loss(o[:, 0], t, reduction="none"),
    Huber: lambda r, o, t: functional.huber_loss(o[:, 0], t, reduction="none", delta=r.delta),
    Poisson: lambda r, o, t: functional.poisson_nll_loss(o[:, 0], t, log_input=True, full=False, reduction="none"),
}  # fmt: skip
RULES = [member() for member in typing.get_args(Loss)]
RULES += [CrossEntropy(smoothing=0.2), Hinge(kind="one_against_all"), Hinge(margin=0.5), Huber(delta=0.3)]
rules = pytest.mark.parametrize("rule", RULES, ids=repr)


def normal(*shape, seed=0):
    return torch.randn(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def case(rule, size=1.0, lanes=4, batch=11):
    """Outputs (lanes, batch, C) and targets (lanes, batch)."""
    classes = 5 if rule.task == "classification" else 1
    output = size * normal(lanes, batch, classes)
    if rule.task == "classification":
        return output, torch.randint(classes, (lanes, batch), generator=torch.Generator().manual_seed(7))
    return output, normal(lanes, batch, seed=8).abs() if rule.link == "exp" else normal(lanes, batch, seed=8)


def test_every_loss_has_an_oracle():
    assert set(LOSSES) == set(typing.get_args(Loss))


@rules
@pytest.mark.parametrize("size", [1.0, 300.0], ids=["moderate", "extreme"])
def test_loss_and_gradient_equal_torch(rule, size):
    output, target = case(rule, size)
    output.requires_grad_()
    loss = type(rule).formula(output, target, *numbers(rule))
    assert loss.shape == target.shape
    classes = output.shape[2]
    expected = LOSSES[type(rule)](rule, output.reshape(-1, classes), target.reshape(-1)).reshape(target.shape)
    bound = 1e-12 * expected.detach().abs().clamp(min=1.0)
    assert ((loss - expected).abs() <= bound).all()
    mine, theirs = (torch.autograd.grad(value.sum(), output, retain_graph=True)[0] for value in (loss, expected))
    assert ((mine - theirs).abs() <= 1e-12 * theirs.abs().clamp(min=size)).all()


@rules
def test_loss_equals_optax(rule):
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    output, target = case(rule)
    o, t = output.numpy(), target.numpy()
    labels = np.eye(5)[t] if rule.task == "classification" else None
    table = {
        CrossEntropy: lambda: optax.softmax_cross_entropy(o, optax.smooth_labels(labels, numbers(rule)[0])),
        Hinge: lambda: optax.hinge_loss(o, 2 * labels - 1).sum(-1),
        Squared: lambda: optax.squared_error(o[..., 0], t),
        Absolute: lambda: np.abs(o[..., 0] - t),
        Huber: lambda: optax.huber_loss(o[..., 0], t, delta=numbers(rule)[0]),
        Poisson: lambda: np.exp(o[..., 0]) - t * o[..., 0],
    }
    if getattr(rule, "kind", "") == "weston_watkins":
        pytest.skip("optax has the sum of binary hinges only; the second oracles are below")
    np.testing.assert_allclose(
        type(rule).formula(output, target, *numbers(rule)).numpy(),
        np.asarray(table[type(rule)]()),
        rtol=1e-10,
        atol=1e-12,
    )


def test_the_hinge_of_two_scores_is_scikit_learns():
    """With two classes and opposite scores both kinds are the binary hinge of the difference, or twice of the score."""
    from sklearn.metrics import hinge_loss

    score, y = normal(200).numpy(), np.random.default_rng(0).integers(0, 2, 200)
    output = torch.from_numpy(np.stack([-score, score], 1))
    binary = hinge_loss(2 * y - 1, 2 * score)
    assert float(Hinge.formula(output, torch.from_numpy(y), "weston_watkins", 1.0).mean()) == pytest.approx(
        binary, rel=1e-12
    )
    binary = hinge_loss(2 * y - 1, score)
    mine = float(Hinge.formula(output, torch.from_numpy(y), "one_against_all", 1.0).mean())
    assert mine == pytest.approx(2 * binary, rel=1e-12)


@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_weston_watkins_is_the_sum_of_its_definition(margin):
    output, target = case(Hinge())
    got = Hinge.formula(output, target, "weston_watkins", margin)
    for place in np.ndindex(4, 11):
        scores, y = output[place].tolist(), int(target[place])
        expected = sum(max(0.0, margin + s - scores[y]) for j, s in enumerate(scores) if j != y)
        assert float(got[place]) == pytest.approx(expected, rel=1e-13)


@rules
def test_gradients_are_those_of_finite_differences(rule):
    """Away from the kinks, which no random draw meets."""
    output, target = case(rule)
    assert torch.autograd.gradcheck(
        lambda o: type(rule).formula(o, target, *numbers(rule)), output.requires_grad_(), eps=1e-7, atol=1e-6
    )


@rules
def test_float32_is_the_rounded_float64(rule):
    output, target = case(rule, 10.0)
    output = output.float()
    single = target if rule.task == "classification" else target.float()
    got = type(rule).formula(output, single, *numbers(rule))
    assert got.dtype == torch.float32
    expected = type(rule).formula(output.double(), single if single is target else single.double(), *numbers(rule))
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=2e-6, atol=4e-6)


@pytest.mark.parametrize("delta", [0.3, 1.0])
def test_huber_is_squared_within_delta_and_its_slope_never_larger(delta):
    error = torch.linspace(-5, 5, 1001, dtype=F64, requires_grad=True)
    loss = Huber.formula(error[:, None], torch.zeros(1001, dtype=F64), delta)
    slope = torch.autograd.grad(loss.sum(), error)[0]
    assert slope.abs().max() <= delta
    within = error.detach().abs() < delta
    assert (2 * loss.detach() - error.detach().square())[within].abs().max() <= 1e-15


@rules
def test_the_level_at_chance(rule):
    """At outputs of 0: exactly, or for a standard normal target."""
    if rule.task == "classification":
        output, target = torch.zeros(1, 3, 10, dtype=F64), torch.tensor([[0, 4, 9]])
        assert type(rule).formula(output, target, *numbers(rule)).numpy() == pytest.approx(rule.at_chance(10))
        return
    target = normal(1, 400_000, seed=3)
    target = (target - target.mean()) / target.std(unbiased=False)
    loss = float(type(rule).formula(torch.zeros(1, 400_000, 1, dtype=F64), target, *numbers(rule)).mean())
    assert loss == pytest.approx(rule.at_chance(1), abs=3e-3)


@pytest.mark.parametrize(
    ("rule", "expected"), [(Squared(), "mean"), (Absolute(), "median"), (Poisson(), "mean")], ids=repr
)
def test_what_a_constant_prediction_minimizes(rule, expected):
    target = torch.from_numpy(np.random.default_rng(1).exponential(size=4001))
    wanted = float(target.mean() if expected == "mean" else target.median())
    grid = torch.linspace(0.2, 2.0, 3601, dtype=F64)
    outputs = (grid.log() if rule.link == "exp" else grid)[:, None, None].expand(-1, 4001, 1)
    losses = type(rule).formula(outputs, target.expand(3601, -1), *numbers(rule)).mean(1)
    assert float(grid[losses.argmin()]) == pytest.approx(wanted, abs=1e-3)


def test_a_kept_margin_has_no_gradient():
    output = torch.tensor([[[5.0, 0.0, 0.0]]], dtype=F64, requires_grad=True)
    loss = Hinge.formula(output, torch.tensor([[0]]), "weston_watkins", 1.0)
    assert float(loss.detach()) == 0
    assert (torch.autograd.grad(loss.sum(), output)[0] == 0).all()


def test_smoothing_keeps_chance_and_lifts_the_floor():
    confident = torch.tensor([[[50.0, 0.0, 0.0]]], dtype=F64)
    plain, smooth = (float(CrossEntropy.formula(confident, torch.tensor([[0]]), s)) for s in (0.0, 0.1))
    assert plain < 1e-12
    assert smooth == pytest.approx(50 * 0.1 * 2 / 3, rel=1e-9)
    assert CrossEntropy(smoothing=0.1).at_chance(3) == math.log(3)
