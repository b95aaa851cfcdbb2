"""What the docstrings of the first-order optimizers claim: quadratics, first steps, saddles, counterexamples."""

import itertools

import numpy as np
import pytest
import torch

from tenfold.rules.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    Lion,
    Momentum,
    Muon,
    NAdam,
    Nesterov,
    RMSProp,
)
from tenfold.rules.optimizers.update import Matrix
from tenfold.rules.penalties import decoupled_decay_

from .optimizer_fixture import LR, apart, fixture, iterates, rates, times, train

H = 100.0
THRESHOLDS = {
    SGD: lambda mu: 2 / H,
    Momentum: lambda mu: 2 * (1 + mu) / H,
    Nesterov: lambda mu: 2 * (1 + mu) / ((1 + 2 * mu) * H),
}


@pytest.mark.parametrize(("member", "mu"), [(SGD, 0.0), *itertools.product((Momentum, Nesterov), (0.5, 0.9))])
def test_divergence_threshold_on_a_quadratic(member, mu):
    rule = member() if member is SGD else member(momentum=mu)
    rate = np.array([0.995, 1.005]) * THRESHOLDS[member](mu) * np.ones((3000, 1))
    last = np.abs(train([rule, rule], lambda w, t: H * w, rate, width=1, start=1.0)[-1, :, 0])
    assert last[0] < 1e-1
    assert last[1] > 1e1


def test_signs_flip_iff_rate_times_curvature_exceeds_one():
    rate = np.array([0.9, 1.1]) / H * np.ones((20, 1))
    path = train([SGD(), SGD()], lambda w, t: H * w, rate, width=1, start=1.0)[..., 0]
    assert (path[:, 0] > 0).all()
    assert (np.sign(path[1:, 1]) == -np.sign(path[:-1, 1])).all()


def steps(rule, g, count=400):
    """The steps in units of the rate under a constant gradient."""
    path = iterates(rule, np.full((count, 1), g), np.full(count, LR))[:, 0]
    return -np.diff(path, prepend=0.0) / LR


@pytest.mark.parametrize("g", [3.0, -1e-2, 40.0])
def test_steps_under_a_constant_gradient(g):
    sign, t = np.sign(g), np.arange(1, 401)
    np.testing.assert_allclose(steps(Adagrad(), g) * np.sqrt(t), sign, rtol=1e-6)
    for rho, first in ((0.9, 3.1623), (0.99, 10.0), (0.999, 31.623)):
        assert steps(RMSProp(rho=rho), g)[0] == pytest.approx(first * sign, rel=1e-4)
    assert steps(RMSProp(rho=0.9), g)[-1] == pytest.approx(sign, rel=1e-5)
    np.testing.assert_allclose(steps(RMSProp(bias_correction=True), g), sign, rtol=1e-5)
    for rule in (Adam(), AdamW(), AMSGrad(of="corrected")):
        np.testing.assert_allclose(steps(rule, g), sign, rtol=1e-5)
    assert steps(AMSGrad(), g)[0] == pytest.approx(sign, rel=1e-5)
    assert steps(Momentum(), g)[-1] == pytest.approx(10 * g, rel=1e-6)
    np.testing.assert_allclose(steps(Lion(), g), sign, rtol=1e-12)
    assert steps(NAdam(), g)[0] == pytest.approx(1.0565 * sign, rel=1e-4)
    assert steps(NAdam(momentum_decay=None), g)[0] == pytest.approx((1 + 0.9 / 1.9) * sign, rel=1e-5)


def test_adams_first_step_is_the_rate_even_for_tiny_gradients():
    assert steps(Adam(), 1e-6)[0] == pytest.approx(1.0, rel=0.011)


def test_adam_uncorrected_starts_too_fast():
    found = steps(Adam(bias_correction=False), 1.0)
    assert found[0] == pytest.approx(3.1623, abs=1e-4)
    assert found.max() == pytest.approx(6.5685, abs=1e-3)
    assert found.argmax() + 1 == 12


def test_adadelta_starts_slowly_and_knows_no_scale():
    assert steps(Adadelta(), 10.0)[0] == pytest.approx(np.sqrt(1e-6 / 0.1), rel=1e-5)
    np.testing.assert_allclose(steps(Adadelta(), 1e2), steps(Adadelta(), 1e4), rtol=1e-6)


def test_lion_and_muon_know_no_scale():
    gradients = np.random.default_rng(0).standard_normal((60, 48))
    matrix = [Matrix(0, 48, (8, 6), (8, 6), False)]
    for rule, options in ((Lion(), {}), (Muon(), {"matrices": matrix})):
        ends = [iterates(rule, scale * gradients, rates(1.0, 60), **options) for scale in (1.0, 1024.0)]
        assert apart(*ends) <= 1e-12


@pytest.mark.parametrize(
    ("rule", "updates"), [(RMSProp(), 5), (Adam(), 43), (Momentum(), 132), (SGD(), 662)], ids=lambda x: str(x)[:5]
)
def test_updates_beside_a_saddle(rule, updates):
    """x^2 - y^2 from y = 1e-6, x = 0: how long |y| stays within 0.5."""
    path = train([rule], lambda w, t: -2 * w, np.full(700, 0.01), width=1, start=1e-6)[:, 0, 0]
    assert (np.abs(path) < 0.5).argmin() == updates


def test_adam_goes_to_the_worst_point_where_amsgrad_goes_to_the_best():
    """Reddi, Kale & Kumar 2018: on [-1, 1], gradient 1010 at every 101st update, else -10; the best point is -1."""
    rules = [kind(beta1=0.9, beta2=0.99) for kind in (Adam, AMSGrad)]
    ends = []
    for rule in rules:

        def gradient(w, t):
            w.clamp_(-1, 1)
            return torch.full_like(w, 1010.0 if t % 101 == 1 else -10.0)

        ends.append(train([rule], gradient, 1.0 / np.sqrt(np.arange(1.0, 3_001)), width=1)[-1, 0, 0])
    assert ends[0] > 0.9
    assert ends[1] < -0.7


# ---- Nesterov ----------------------------------------------------------------------------------------------------


def look_ahead(gradient, mu, rate, start):
    """v <- mu v - lr grad(x + mu v); x <- x + v: the plain iterates x."""
    x, v, path = np.array(start, float), np.zeros(len(start)), []
    for r in rate:
        v = mu * v - r * gradient(x + mu * v)
        x = x + v
        path.append(x)
    return np.stack(path)


def bowl(w):
    """The gradient of a coupled, not quite quadratic function of two numbers."""
    x, y = w[..., 0], w[..., 1]
    stack = torch.stack if isinstance(w, torch.Tensor) else np.stack
    return stack([4 * x + 3 * y + x**3, 3 * x + 8 * y], -1)


@pytest.mark.parametrize(("inside", "decay"), [(False, 1.0), (True, 1.0), (True, 0.99)])
def test_what_look_ahead_reports_is_the_plain_iterate(inside, decay):
    rule, rate = Nesterov(form="look_ahead", rate_inside=inside), 5 * rates(decay, 100)
    w = train([rule], lambda w, t: bowl(w), rate, width=2, start=1.0)[:, 0]
    stored = train([Nesterov(rate_inside=inside)], lambda w, t: bowl(w), rate, width=2, start=1.0)[:, 0]
    np.testing.assert_array_equal(w, stored)
    velocity, m = [], np.zeros(2)
    for before, r in zip([np.ones(2), *w[:-1]], rate, strict=True):
        m = 0.9 * m + (r if inside else 1.0) * bowl(before)
        velocity.append(m)
    reported = w + rule.reported(times(rate))[:, None] * np.stack(velocity)
    np.testing.assert_allclose(reported, look_ahead(bowl, 0.9, rate, [1.0, 1.0]), rtol=0, atol=1e-12)
    assert rule.reports
    assert not Nesterov().reports
    assert Nesterov().reported(times(rate)) is None
    assert np.abs(reported - w).max() > 1e-2


def test_the_four_lines_of_the_lecture_are_not_one_program():
    """Look-ahead and rewritten lines one below the other: run in sequence they make two updates with one gradient."""
    mu, w, v = 0.9, np.ones(2), np.zeros(2)
    for r in rates(1.0, 10):
        g = bowl(w + mu * v)
        v = mu * v - r * g
        w = w + v
        before = v
        v = mu * v - r * g
        w = w - mu * before + (1 + mu) * v
    right = train([Nesterov(rate_inside=True)], lambda w, t: bowl(w), rates(1.0, 10), width=2, start=1.0)[-1, 0]
    assert np.abs(w - right).max() > 0.1


def test_decoupled_decay_is_not_l2():
    gradients, strength = fixture(), 0.1
    coupled = train([Adam()], lambda w, t: torch.from_numpy(gradients[t - 1]) + strength * w, rates(1.0), start=2.0)[
        -1, 0
    ]

    def shrink_first(w, t):
        decoupled_decay_(w, w.clone(), torch.tensor(LR * strength, dtype=torch.float64))
        return gradients[t - 1]

    decoupled = train([AdamW()], shrink_first, rates(1.0), start=2.0)[-1, 0]
    assert np.abs(coupled - decoupled).max() > 1
    same = [train([rule], lambda w, t: gradients[t - 1], rates(1.0), start=2.0) for rule in (Adam(), AdamW())]
    np.testing.assert_array_equal(*same)
