"""Batch normalization, dropout, losses and penalties against torch."""

import math
import typing
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tenfold.rules.dropout import dropout_scale
from tenfold.rules.losses import CrossEntropy, Loss, Squared
from tenfold.rules.normalization import (
    BatchNorm,
    NoNormalization,
    Normalization,
    batch_norm,
    batch_norm_inference,
    running,
)
from tenfold.rules.penalties import clip_factor, l2_gradient

F64 = torch.float64


def normal(*shape, seed=0):
    return torch.randn(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


# ---- batch normalization ----------------------------------------------------------------------------------------


def weights(lanes, rows, batch):
    """1 / rows for the first `rows` of each batch, 0 for the padding behind."""
    return (torch.arange(batch) < rows).to(F64).div(rows).expand(lanes, 1, batch)


def test_normalizations_are_those_that_are_tested_here():
    assert set(typing.get_args(Normalization)) == {NoNormalization, BatchNorm}


@pytest.mark.parametrize("rows", [2, 21, 32])
def test_batch_norm_equals_torch_and_ignores_padding(rows):
    lanes, batch, units, eps = 3, 32, 7, 1e-5
    z = (5 * normal(lanes, batch, units) + 100).requires_grad_()
    gamma, beta = normal(lanes, 1, units, seed=1).requires_grad_(), normal(lanes, 1, units, seed=2).requires_grad_()
    with torch.no_grad():
        z[:, rows:] = 1e6
    y, mean, var = batch_norm(z, weights(lanes, rows, batch), gamma, beta, eps)
    upstream = normal(lanes, rows, units, seed=3)
    mine = torch.autograd.grad((y[:, :rows] * upstream).sum(), (z, gamma, beta))
    for lane in range(lanes):
        own = z[lane, :rows].detach().requires_grad_()
        g, b = gamma[lane, 0].detach().requires_grad_(), beta[lane, 0].detach().requires_grad_()
        expected = functional.batch_norm(own, None, None, g, b, training=True, eps=eps)
        theirs = torch.autograd.grad((expected * upstream[lane]).sum(), (own, g, b))
        assert (y[lane, :rows] - expected).abs().max() <= 1e-12 * expected.detach().abs().max()
        assert (mean[lane, 0] - own.mean(0)).abs().max() <= 1e-12 * 100
        assert (var[lane, 0] - own.var(0, unbiased=False)).abs().max() <= 1e-11
        for one, two in zip((mine[0][lane, :rows], mine[1][lane, 0], mine[2][lane, 0]), theirs, strict=True):
            assert (one - two).abs().max() <= 1e-10 * max(1.0, float(two.abs().max()))
    assert (mine[0][:, rows:] == 0).all()


def test_running_moments_after_five_batches_and_evaluation_are_torchs():
    rule, units = BatchNorm(), 6
    theirs = nn.BatchNorm1d(units, eps=rule.eps, momentum=1 - rule.keep, dtype=F64)
    mean, var = torch.zeros(1, 1, units, dtype=F64), torch.ones(1, 1, units, dtype=F64)
    for step in range(5):
        z = 3 * normal(1, 20, units, seed=step) - 1
        _, batch_mean, batch_var = batch_norm(z, weights(1, 20, 20), 1.0, 0.0, rule.eps)
        mean, var = running(mean, batch_mean, rule.keep), running(var, batch_var * 20 / 19, rule.keep)
        theirs(z[0])
    assert theirs.running_mean is not None
    assert theirs.running_var is not None
    assert (mean[0, 0] - theirs.running_mean).abs().max() <= 1e-14
    assert (var[0, 0] - theirs.running_var).abs().max() <= 1e-14
    z = normal(1, 9, units, seed=9)
    got = batch_norm_inference(z, mean, var, 1.0, 0.0, rule.eps)[0]
    assert (got - theirs.eval()(z[0])).abs().max() <= 1e-12


def test_the_scale_of_the_weights_does_not_matter():
    """BN(a z) = BN(z), and gamma = sqrt(var + eps), beta = mean give z back."""
    z, w, eps = normal(1, 32, 5), weights(1, 32, 32), 1e-5
    y, mean, var = batch_norm(z, w, 1.0, 0.0, eps)
    assert (batch_norm(1e4 * z, w, 1.0, 0.0, eps)[0] - y).abs().max() < 1e-4
    assert (batch_norm(z, w, (var + eps).sqrt(), mean, eps)[0] - z).abs().max() <= 1e-14
    assert y.mean(1).abs().max() <= 1e-14


# ---- dropout ----------------------------------------------------------------------------------------------------

UNIFORM = torch.rand(400, 500, dtype=F64, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.8])
def test_share_and_mean_of_what_is_kept(rate):
    scale, n = dropout_scale(UNIFORM, torch.tensor(rate, dtype=F64)), UNIFORM.numel()
    dropped = float((scale == 0).double().mean())
    assert abs(dropped - rate) < 5 * math.sqrt(rate * (1 - rate) / n)
    assert abs(float(scale.mean()) - 1) < 5 * math.sqrt(rate / ((1 - rate) * n))
    kept = scale[scale > 0]
    assert (kept == kept[0]).all()
    assert float(kept[0]) == pytest.approx(1 / (1 - rate), rel=1e-15)


def test_rates_zero_and_one():
    assert (dropout_scale(UNIFORM, torch.tensor(0.0, dtype=F64)) == 1).all()
    assert (dropout_scale(UNIFORM, torch.tensor(1.0, dtype=F64)) == 0).all()
    assert dropout_scale(torch.zeros(1, dtype=F64), torch.tensor(0.0, dtype=F64)) == 1  # a draw may be exactly 0


def test_a_higher_rate_drops_a_superset():
    masks = [dropout_scale(UNIFORM, torch.tensor(rate, dtype=F64)) == 0 for rate in (0.1, 0.3, 0.31, 0.9)]
    for one, two in pairwise(masks):
        assert (two | ~one).all()
        assert two.sum() > one.sum()


def test_rates_of_lanes_broadcast():
    rate = torch.tensor([0.0, 0.5, 0.9], dtype=F64)[:, None, None]
    stacked = dropout_scale(UNIFORM.expand(3, -1, -1), rate)
    for lane in range(3):
        assert torch.equal(stacked[lane], dropout_scale(UNIFORM, rate[lane]))


# ---- losses -----------------------------------------------------------------------------------------------------


def target_of(rule, lanes, batch, classes):
    generator = torch.Generator().manual_seed(7)
    if rule.task == "classification":
        return torch.randint(classes, (lanes, batch), generator=generator)
    return torch.randn(lanes, batch, dtype=F64, generator=generator)


LOSSES = {
    CrossEntropy: lambda o, t: functional.cross_entropy(o, t, reduction="none"),
    Squared: lambda o, t: functional.mse_loss(o[:, 0], t, reduction="none"),
}


def test_every_loss_has_an_oracle():
    assert set(LOSSES) == set(typing.get_args(Loss))


@pytest.mark.parametrize("size", [1.0, 300.0], ids=["moderate", "extreme"])
@pytest.mark.parametrize("rule", [member() for member in typing.get_args(Loss)], ids=repr)
def test_loss_and_gradient_equal_torch(rule, size):
    lanes, batch, outputs = 4, 11, 5 if rule.task == "classification" else 1
    output = (size * normal(lanes, batch, outputs)).requires_grad_()
    target = target_of(rule, lanes, batch, outputs)
    loss = type(rule).formula(output, target)
    assert loss.shape == (lanes, batch)
    expected = LOSSES[type(rule)](output.reshape(-1, outputs), target.reshape(-1)).reshape(lanes, batch)
    assert (loss - expected).abs().max() <= 1e-12 * max(1.0, float(expected.detach().abs().max()))
    mine, theirs = (torch.autograd.grad(value.sum(), output, retain_graph=True)[0] for value in (loss, expected))
    assert (mine - theirs).abs().max() <= 1e-12 * size


def test_chance_levels():
    assert CrossEntropy.formula(torch.zeros(1, 3, 10), torch.tensor([[0, 4, 9]])).numpy() == pytest.approx(math.log(10))
    target = normal(1, 100_000)
    target = (target - target.mean()) / target.std(unbiased=False)
    assert float(Squared.formula(torch.zeros(1, 100_000, 1, dtype=F64), target).mean()) == pytest.approx(1)


# ---- penalties --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1e-3, 0.7, 1e6, math.inf])
def test_clipping_is_torchs(limit):
    gradients = [normal(3, 4, seed=s) * 10.0 ** (s - 1) for s in range(4)]
    parameters = [nn.Parameter(torch.zeros(3, 4, dtype=F64)) for _ in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    norm = nn.utils.clip_grad_norm_(parameters, limit)
    factor = clip_factor(norm, limit)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert parameter.grad is not None
        assert (parameter.grad - gradient * factor).abs().max() <= 1e-12
    assert (float(factor) == 1) == (float(norm) <= limit)


def test_l2_gradient_is_torchs_weight_decay():
    w, g = normal(4, 5), normal(4, 5, seed=1)
    parameter = nn.Parameter(w.clone())
    parameter.grad = g.clone()
    torch.optim.SGD([parameter], lr=0.1, weight_decay=0.3).step()
    np.testing.assert_allclose((w - 0.1 * l2_gradient(g, w, 0.3)).numpy(), parameter.detach().numpy(), rtol=1e-14)
