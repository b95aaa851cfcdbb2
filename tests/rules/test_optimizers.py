"""Every first-order optimizer against torch.optim on a fixture that tells their conventions apart, and by theory."""

import itertools
import typing

import numpy as np
import pytest
import torch

from tenfold.rules.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSProp
from tenfold.rules.optimizers.update import Coefficients, first_order_update
from tenfold.rules.penalties import decoupled_decay

D, T, LR = 50, 200, 1e-2
ORACLES = {
    SGD: lambda p, o: torch.optim.SGD(p, lr=o.lr),
    Momentum: lambda p, o: torch.optim.SGD(p, lr=o.lr, momentum=o.momentum),
    Nesterov: lambda p, o: torch.optim.SGD(p, lr=o.lr, momentum=o.momentum, nesterov=True),
    Adagrad: lambda p, o: torch.optim.Adagrad(p, lr=o.lr, eps=o.eps),
    RMSProp: lambda p, o: torch.optim.RMSprop(p, lr=o.lr, alpha=o.rho, eps=o.eps),
    Adam: lambda p, o: torch.optim.Adam(p, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps),
    AdamW: lambda p, o: torch.optim.AdamW(p, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, weight_decay=0),
}
MEMBERS = typing.get_args(Optimizer)
RULES = [member(lr=LR) for member in MEMBERS]
RULES += [Momentum(lr=LR, momentum=0.5), Nesterov(lr=LR, momentum=0.3), RMSProp(lr=LR, rho=0.9, eps=1e-3)]
RULES += [Adam(lr=LR, beta1=0.0, beta2=0.95, eps=1e-4), Adagrad(lr=LR, eps=1e-2)]
rules = pytest.mark.parametrize("rule", RULES, ids=repr)


def fixture():
    """Gradients (T, D) of sizes from 1e-7 to 10: the smallest show where eps stands."""
    return np.random.default_rng(0).standard_normal((T, D)) * 10 ** np.linspace(-6, 1, D)


def coefficients(optimizers, rates, t):
    """Coefficients of update t (from 1) for a lane each, (lanes, 1), with the rate inside e and f."""
    columns = []
    for rule, rate in zip(optimizers, rates, strict=True):
        k = rule.coefficients(np.array([float(t)]))
        columns.append(np.stack(k._replace(e=k.e * rate, f=k.f * rate))[:, 0])
    return Coefficients(*torch.from_numpy(np.stack(columns, 1))[..., None])


def train(optimizers, gradient, steps, factor=lambda t: 1.0, width=D, start=0.0, lazy=False):
    """All iterates (steps, lanes, width). lazy: leave out the buffers that no rule here needs."""
    lanes = len(optimizers)
    w, m, v = torch.full((lanes, width), start, dtype=torch.float64), *torch.zeros(2, lanes, width).double()
    if lazy:
        m = m if any(rule.moments[0] for rule in optimizers) else None
        v = v if any(rule.moments[1] for rule in optimizers) else None
    plain = any(rule.uses_gradient for rule in optimizers) if lazy else True
    path = []
    for t in range(1, steps + 1):
        g = torch.as_tensor(gradient(w, t)).expand(lanes, width).clone()
        k = coefficients(optimizers, [rule.lr * factor(t) for rule in optimizers], t)
        first_order_update(w, g, m, v, torch.empty_like(w), k, plain=plain)
        path.append(w.clone())
    return torch.stack(path).numpy()


def reference(rule, gradients, factor):
    p = torch.zeros(D, dtype=torch.float64, requires_grad=True)
    optimizer, path = ORACLES[type(rule)]([p], rule), []
    for t, g in enumerate(gradients, 1):
        for group in optimizer.param_groups:
            group["lr"] = rule.lr * factor(t)
        p.grad = torch.from_numpy(g.copy())
        optimizer.step()
        path.append(p.detach().clone())
    return torch.stack(path).numpy()


def test_every_optimizer_has_an_oracle():
    assert set(ORACLES) == set(MEMBERS)


@pytest.mark.parametrize("decay", [1.0, 0.97], ids=["constant", "decaying"])
@rules
def test_equals_torch(rule, decay):
    gradients, factor = fixture(), lambda t: decay ** (t - 1)
    mine = train([rule], lambda w, t: gradients[t - 1], T, factor)[:, 0]
    expected = reference(rule, gradients, factor)
    assert (np.abs(mine - expected) <= 1e-12 * np.maximum(1, np.abs(expected))).all()


@pytest.mark.parametrize("decay", [1.0, 0.97], ids=["constant", "decaying"])
@rules
def test_small_coordinates_are_right_too(rule, decay):
    """Relative to each coordinate's own travel: absolute errors would hide what moves by 1e-7."""
    gradients, factor = fixture(), lambda t: decay ** (t - 1)
    mine = train([rule], lambda w, t: gradients[t - 1], T, factor)[:, 0]
    expected = reference(rule, gradients, factor)
    assert (np.abs(mine - expected).max(0) <= 1e-12 * np.abs(expected).max(0)).all()


@rules
def test_flags_tell_what_the_coefficients_are(rule):
    k = rule.coefficients(np.arange(1.0, 50.0))
    assert all(np.shape(column) == (49,) for column in k)
    first, second = (any(np.any(column) for column in part) for part in ((k.a, k.b, k.e), (k.c, k.d)))
    assert rule.moments == (first, second)
    assert rule.uses_gradient == bool(np.any(k.f))
    if not second:
        assert (k.eps == 1).all()


@rules
def test_buffers_left_out_change_no_bit(rule):
    gradients = fixture()
    full, lazy = (train([rule], lambda w, t: gradients[t - 1], T, lazy=flag) for flag in (False, True))
    np.testing.assert_array_equal(full, lazy)


def test_a_lane_is_the_same_among_all_others():
    gradients = fixture()
    together = train(RULES, lambda w, t: gradients[t - 1], T, lazy=True)
    for lane, rule in enumerate(RULES):
        alone = train([rule], lambda w, t: gradients[t - 1], T, lazy=True)
        np.testing.assert_array_equal(together[:, lane], alone[:, 0])


def test_decoupled_decay_is_torchs_adamw():
    rule, gradients, strength = AdamW(lr=LR), fixture(), 0.3
    w, m, v = torch.full((1, D), 2.0, dtype=torch.float64), *torch.zeros(2, 1, D).double()
    p = torch.full((D,), 2.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([p], lr=LR, weight_decay=strength)
    for t, g in enumerate(gradients, 1):
        w = decoupled_decay(w, LR, strength)
        k = coefficients([rule], [LR], t)
        first_order_update(w, torch.from_numpy(g[None].copy()), m, v, torch.empty_like(w), k, plain=False)
        p.grad = torch.from_numpy(g.copy())
        optimizer.step()
    np.testing.assert_allclose(w[0].numpy(), p.detach().numpy(), rtol=0, atol=1e-12)
    assert [rule.decoupled for rule in RULES if rule.decoupled] == [True]


# ---- theory: quadratics of curvature h ---------------------------------------------------------------------------

H = 100.0
THRESHOLDS = {
    SGD: lambda mu: 2 / H,
    Momentum: lambda mu: 2 * (1 + mu) / H,
    Nesterov: lambda mu: 2 * (1 + mu) / ((1 + 2 * mu) * H),
}


@pytest.mark.parametrize(("member", "mu"), [(SGD, 0.0), *itertools.product((Momentum, Nesterov), (0.5, 0.9))])
def test_divergence_threshold(member, mu):
    options = {} if member is SGD else {"momentum": mu}
    edge = THRESHOLDS[member](mu)
    below, above = member(lr=0.995 * edge, **options), member(lr=1.005 * edge, **options)
    last = np.abs(train([below, above], lambda w, t: H * w, 3000, width=1, start=1.0)[-1, :, 0])
    assert last[0] < 1e-1
    assert last[1] > 1e1


def test_signs_flip_iff_rate_times_curvature_exceeds_one():
    path = train([SGD(lr=0.9 / H), SGD(lr=1.1 / H)], lambda w, t: H * w, 20, width=1, start=1.0)[..., 0]
    assert (path[:, 0] > 0).all()
    assert (np.sign(path[1:, 1]) == -np.sign(path[:-1, 1])).all()


@pytest.mark.parametrize("g", [3.0, -1e-2, 40.0])
def test_steps_under_a_constant_gradient(g):
    chosen = [Adagrad(lr=LR), RMSProp(lr=LR, rho=0.9), Adam(lr=LR), Momentum(lr=LR)]
    path = train(chosen, lambda w, t: torch.full_like(w, g), 400, width=1)[..., 0]
    steps = -np.diff(path, axis=0, prepend=0.0)
    t = np.arange(1, 401)
    np.testing.assert_allclose(steps[:, 0] * np.sqrt(t), LR * np.sign(g), rtol=1e-6)  # lr / sqrt(t)
    assert steps[0, 1] == pytest.approx(LR / np.sqrt(0.1) * np.sign(g), rel=1e-5)  # not bias-corrected
    assert steps[-1, 1] == pytest.approx(LR * np.sign(g), rel=1e-5)
    np.testing.assert_allclose(steps[:, 2], LR * np.sign(g), rtol=1e-5)  # bias-corrected from the first step on
    assert steps[-1, 3] == pytest.approx(10 * LR * g, rel=1e-6)  # lr / (1 - momentum)
