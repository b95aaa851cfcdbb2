"""Normalization, dropout and penalties against torch, and what is claimed of them."""

import math
import typing
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tenfold.rules.dropout import dropout_scale
from tenfold.rules.normalization import (
    BatchNorm,
    GroupNorm,
    LayerNorm,
    NoNormalization,
    Normalization,
    batch_norm,
    batch_norm_inference,
    group_norm,
    running,
)  # fmt: skip
from tenfold.rules.penalties import (
    clip_factor,
    clip_value,
    decoupled_decay_,
    ema,
    ema_correction,
    l1_gradient_,
    l2_gradient_,
    max_norm_factor,
)  # fmt: skip
from tenfold.rules.record import preset

F64 = torch.float64


def normal(*shape, seed=0):
    return torch.randn(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def weights(lanes, rows, batch):
    """1 / rows for the first `rows` of each batch, 0 for the padding behind."""
    return (torch.arange(batch) < rows).to(F64).div(rows).expand(lanes, 1, batch)


def test_normalizations_are_those_that_are_tested_here():
    assert set(typing.get_args(Normalization)) == {NoNormalization, BatchNorm, LayerNorm, GroupNorm}


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


@pytest.mark.parametrize("library", ["torch", "flax", "cs231n"])
def test_running_moments_in_the_convention_of_a_library(library):
    """Five batches of 20 against the library's recurrence; torch's by torch itself above."""
    rule, mean = preset(BatchNorm, library), torch.zeros(1, 1, 3, dtype=F64)
    var = torch.full((1, 1, 3), rule.initial_variance, dtype=F64)
    ours, own_mean, own_var = None, np.zeros(3), np.full(3, {"cs231n": 0.0}.get(library, 1.0))
    keep = {"torch": 0.9, "flax": 0.99, "cs231n": 0.9}[library]
    for step in range(5):
        z = normal(1, 20, 3, seed=step) + 2
        _, batch_mean, batch_var = batch_norm(z, weights(1, 20, 20), 1.0, 0.0, rule.eps)
        ours = rule.keep_at(step + 1)
        mean = running(mean, batch_mean, ours)
        var = running(var, batch_var * (20 / 19 if rule.unbiased else 1), ours)
        own_mean = keep * own_mean + (1 - keep) * z[0].numpy().mean(0)
        own_var = keep * own_var + (1 - keep) * z[0].numpy().var(0, ddof=1 if library == "torch" else 0)
    np.testing.assert_allclose(mean[0, 0], own_mean, rtol=1e-12)
    np.testing.assert_allclose(var[0, 0], own_var, rtol=1e-12)


def test_the_cumulative_average_is_torchs_without_momentum():
    rule, theirs = BatchNorm(average="cumulative"), nn.BatchNorm1d(4, momentum=None, dtype=F64)
    mean, var = torch.zeros(1, 1, 4, dtype=F64), torch.ones(1, 1, 4, dtype=F64)
    for t in range(1, 6):
        z = normal(1, 12, 4, seed=t) * t
        _, batch_mean, batch_var = batch_norm(z, weights(1, 12, 12), 1.0, 0.0, rule.eps)
        mean = running(mean, batch_mean, rule.keep_at(t))
        var = running(var, batch_var * 12 / 11, rule.keep_at(t))
        theirs(z[0])
    np.testing.assert_allclose(mean[0, 0], theirs.running_mean, rtol=1e-12)
    np.testing.assert_allclose(var[0, 0], theirs.running_var, rtol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm_is_torchs_and_one_group_is_layer_norm(groups):
    z = (4 * normal(3, 8, 6) - 2).requires_grad_()
    gamma, beta = normal(3, 1, 6, seed=1).requires_grad_(), normal(3, 1, 6, seed=2).requires_grad_()
    eps = torch.full((3, 1, 1), 1e-5, dtype=F64)
    if groups < 6:  # a group of one is a constant
        assert torch.autograd.gradcheck(
            lambda *tensors: group_norm(tensors[0], groups, *tensors[1:], eps), (z, gamma, beta)
        )
    y = group_norm(z, groups, gamma, beta, eps)
    for lane in range(3):
        expected = functional.group_norm(z[lane], groups, gamma[lane, 0], beta[lane, 0], 1e-5)
        assert (y[lane] - expected).abs().max() <= 1e-12
        if groups == 1:
            layer = functional.layer_norm(z[lane], (6,), gamma[lane, 0], beta[lane, 0], 1e-5)
            assert (y[lane] - layer).abs().max() <= 1e-12


def test_batch_norm_standardizes_and_does_not_make_gaussian():
    z = torch.from_numpy(np.random.default_rng(0).exponential(size=(1, 4000, 3)))
    y, _, var = batch_norm(z, weights(1, 4000, 4000), 1.0, 0.0, 1e-5)

    def skew(x):
        centred = x - x.mean(1, keepdim=True)
        return (centred**3).mean(1) / (centred**2).mean(1) ** 1.5

    assert (skew(y) - skew(z)).abs().max() < 1e-9
    assert skew(y).min() > 1.5
    wrong = batch_norm(z, weights(1, 4000, 4000), var, z.mean(1, keepdim=True), 1e-5)[0]
    assert (wrong - z).abs().max() > 0.1  # gamma is the standard deviation, not the variance


def test_a_bias_in_front_has_no_gradient_and_weights_none_along_themselves():
    x, w = normal(1, 32, 5), normal(1, 5, 4, seed=1).requires_grad_()
    bias, target = torch.zeros(1, 1, 4, dtype=F64, requires_grad=True), normal(1, 32, 4, seed=2)
    y = batch_norm(x.bmm(w) + bias, weights(1, 32, 32), 1.0, 0.0, 1e-12)[0]
    g_bias, g_w = torch.autograd.grad((y * target).sum(), (bias, w))
    assert g_bias.abs().max() < 1e-12
    own = w.detach()
    assert float((g_w * own).sum().abs()) < 1e-8 * float(g_w.norm() * own.norm())


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
    l2_gradient_(g, w, torch.tensor(0.3, dtype=g.dtype))
    np.testing.assert_allclose((w - 0.1 * g).numpy(), parameter.detach().numpy(), rtol=1e-14)


def test_l1_is_the_gradient_of_the_absolute_sum():
    w = normal(4, 5).requires_grad_()
    expected = torch.autograd.grad(0.3 * w.abs().sum(), w)[0]
    g, strength = normal(4, 5, seed=1), torch.tensor(0.3, dtype=torch.float64)
    after = g.clone()
    l1_gradient_(after, w.detach(), strength)
    assert (after - g - expected).abs().max() <= 1e-15
    l1_gradient_(after, torch.zeros(4, 5, dtype=torch.float64), strength)
    assert (after - g - expected).abs().max() <= 1e-15  # nothing at w = 0


def test_decoupled_decay_is_adamws():
    w = normal(4, 5)
    parameter = nn.Parameter(w.clone())
    parameter.grad = torch.zeros_like(w)
    torch.optim.AdamW([parameter], lr=0.1, weight_decay=0.3).step()
    decoupled_decay_(w, w.clone(), torch.tensor(0.1 * 0.3, dtype=w.dtype))
    np.testing.assert_allclose(w.numpy(), parameter.detach().numpy(), rtol=1e-14)


@pytest.mark.parametrize("limit", [0.3, math.inf])
def test_clipping_values_is_torchs(limit):
    g = normal(6, 7)
    parameter = nn.Parameter(torch.zeros_like(g))
    parameter.grad = g.clone()
    if math.isfinite(limit):
        nn.utils.clip_grad_value_([parameter], limit)
    assert torch.equal(clip_value(g, limit), parameter.grad)


def test_the_largest_norm_is_kept_and_zero_is_no_trouble():
    w = normal(5, 8) * torch.tensor([0.1, 1.0, 2.0, 5.0, 0.0], dtype=F64)[:, None]
    norm = w.norm(dim=1, keepdim=True)
    got = w * max_norm_factor(norm, torch.tensor(3.0))
    assert (got - torch.renorm(w, 2, 0, 3.0)).abs().max() < 1e-6
    assert (got.norm(dim=1) <= 3 + 1e-12).all()
    assert got.isfinite().all()
    assert torch.equal(got[norm[:, 0] <= 3], w[norm[:, 0] <= 3])
    assert (max_norm_factor(norm, torch.tensor(math.inf)) == 1).all()


def test_the_corrected_average_is_a_weighted_mean_of_the_iterates():
    iterates, average = [normal(3, seed=t) for t in range(6)], torch.zeros(3, dtype=F64)
    for w in iterates:
        average = ema(average, w, 0.8)
    shares = np.array([0.8 ** (5 - t) for t in range(6)])
    expected = sum(share * w for share, w in zip(shares / shares.sum(), iterates, strict=True))
    assert (average * ema_correction(0.8, 6) - expected).abs().max() < 1e-14


def test_the_corrected_average_is_optaxs():
    optax = pytest.importorskip("optax")
    pytest.importorskip("jax").config.update("jax_enable_x64", True)
    theirs = optax.ema(0.9, debias=True)
    state, average = theirs.init(np.zeros(3)), torch.zeros(3, dtype=F64)
    for t in range(1, 9):
        w = normal(3, seed=t)
        average = ema(average, w, 0.9)
        expected, state = theirs.update(w.numpy(), state)
        np.testing.assert_allclose((average * ema_correction(0.9, t)).numpy(), np.asarray(expected), rtol=1e-12)


def test_weight_scaling_is_the_geometric_mean_of_all_masks():
    """One layer with 8 inputs, all 2^8 masks at rate 1/2: exact for the geometric mean, not for the arithmetic one."""
    x, w = normal(8), normal(8, 3, seed=1)
    draws = torch.tensor([[0.25 + 0.5 * ((i >> j) & 1) for j in range(8)] for i in range(256)], dtype=F64)
    log_p = ((x * dropout_scale(draws, torch.tensor(0.5, dtype=F64))) @ w).log_softmax(1)
    geometric = log_p.mean(0).log_softmax(0)
    off = (x @ w).log_softmax(0)  # prediction: the network as it is
    assert (geometric - off).abs().max() < 1e-14
    assert (log_p.exp().mean(0) - off.exp()).abs().max() > 0.01


def test_dropout_of_a_linear_map_averages_to_the_map():
    x, w = normal(40), normal(40, 3, seed=1)
    uniform = torch.rand(40_000, 40, dtype=F64, generator=torch.Generator().manual_seed(2))
    mean = ((x * dropout_scale(uniform, torch.tensor(0.5, dtype=F64))) @ w).mean(0)
    assert (mean - x @ w).abs().max() < 5 * float(((x[:, None] * w) ** 2).sum(0).sqrt().max()) / 200
