"""Second-order methods against scipy's minima, closed forms and their own claims; lanes against themselves alone."""

import functools
import itertools
import typing

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from tenfold.rules.optimizers import SecondOrderRule
from tenfold.rules.optimizers.gauss_newton import GaussNewton
from tenfold.rules.optimizers.hessian_free import HessianFree
from tenfold.rules.optimizers.lbfgs import LBFGS
from tenfold.rules.optimizers.newton import Newton
from tenfold.rules.record import rule_name

from .second_order_problems import STRENGTH, Apart, Plain, different_problems, network, problem, quadratic, run

METHODS = typing.get_args(SecondOrderRule)
NAMES = [rule_name(rule) for rule in METHODS]


@functools.cache
def scipy_minimum(name):
    """Loss and parameters that scipy's trust region reaches, which no rule here resembles."""
    objective, size = problem(name)

    def rows(v):
        return torch.from_numpy(np.array(v))[None]

    found = minimize(
        lambda v: float(objective.loss(rows(v))[0]), np.zeros(size), method="trust-exact", options={"gtol": 1e-11},
        jac=lambda v: objective.gradient(rows(v))[1][0].numpy(), hess=lambda v: objective.hessian(rows(v))[0].numpy(),
    )  # fmt: skip
    return found.fun, found.x


def without_shift(v, classes):
    """Parameters less the mean of the biases, which a softmax does not see."""
    return np.concatenate([v[:-classes], v[-classes:] - v[-classes:].mean()])


UPDATES = {"newton": 12, "gauss_newton": 40, "hessian_free": 40, "lbfgs": 60}


@pytest.mark.parametrize("rule", METHODS, ids=NAMES)
@pytest.mark.parametrize("name", ["cancer", "wine"])
def test_regularized_logistic_regression_reaches_scipys_minimum(rule, name):
    objective, size = problem(name)
    w, _ = run(rule(), objective, torch.zeros(1, size, dtype=torch.float64), UPDATES[rule_name(rule)])
    loss, minimum = scipy_minimum(name)
    assert abs(float(objective.loss(w)[0]) - loss) < 1e-12
    assert float(objective.gradient(w)[1].norm()) < 1e-10
    classes = {"cancer": 2, "wine": 3}[name]
    np.testing.assert_allclose(without_shift(w[0].numpy(), classes), without_shift(minimum, classes), atol=1e-8)


def test_newton_needs_few_updates_lbfgs_some_and_gradient_descent_many():
    objective, size = problem("cancer")
    start = torch.zeros(1, size, dtype=torch.float64)
    assert run(Newton(), objective, start, 50, stop=1e-10)[1] <= 12
    assert run(LBFGS(), objective, start, 200, stop=1e-10)[1] <= 60
    largest = float(torch.linalg.eigvalsh(objective.hessian(start)[0]).max())
    w = start
    for _ in range(1000):
        w = w - objective.gradient(w)[1] / largest
    assert float(objective.gradient(w)[1].norm()) > 1e-6


@pytest.mark.parametrize("name", ["cancer", "wine"])
def test_newton_converges_quadratically(name):
    """Near the minimum each gradient is of the order of the square of the one before."""
    objective, size = problem(name)
    w, norms = torch.zeros(1, size, dtype=torch.float64), []
    for _ in range(9):
        norms.append(float(objective.gradient(w)[1].norm()))
        w, _ = Newton().advance(w, torch.ones(1, dtype=w.dtype), objective, {})
    near = [(g, after) for g, after in itertools.pairwise(norms) if 1e-6 < g < 1e-2]
    assert len(near) >= 2
    assert all(after < 100 * g**2 for g, after in near)


def test_one_undamped_step_minimizes_a_quadratic_and_the_lectures_transpose_does_not():
    objective, matrix, minimum = quadratic(20, 1e4, 0)
    start = torch.zeros(1, 20, dtype=torch.float64)
    w, _ = run(Newton(damping=0.0), objective, start, 1)
    assert float((w[0] - minimum).norm()) < 1e-10 * 1e4**0.5
    wrong = start
    for _ in range(5):
        wrong = wrong - objective.gradient(wrong)[1] @ matrix.T
    assert float((wrong[0] - minimum).norm()) > 1e10


def test_newton_does_not_care_about_the_scale_of_coordinates():
    objective, size = problem("wine")
    objective.l2[:] = STRENGTH  # on biases too: without it the softmax leaves a direction of no curvature
    scale = torch.from_numpy(np.geomspace(1e-2, 1e2, size))
    scaled = Plain(lambda v: objective._loss(v * scale))
    start = torch.zeros(1, size, dtype=torch.float64)
    one, _ = run(Newton(damping=0.0), objective, start, 3)
    two, _ = run(Newton(damping=0.0), scaled, start / scale, 3)
    np.testing.assert_allclose((two * scale).numpy(), one.numpy(), atol=1e-8)


def test_a_line_search_saves_newton_where_it_diverges():
    objective = Plain(lambda w: (1 + w.square()).sqrt().sum(1))
    start = torch.full((1, 1), 1.1, dtype=torch.float64)
    wild, _ = run(Newton(damping=0.0, line_search=False), objective, start, 6)
    assert not abs(float(wild)) < 1e3
    calm, _ = run(Newton(), objective, start, 20)
    assert abs(float(calm)) < 1e-8


def test_damped_newton_leaves_a_saddle():
    objective = Plain(lambda w: w[:, 0] ** 2 - w[:, 1] ** 2 + w[:, 1] ** 4)
    start = torch.tensor([[1.0, 1e-3]], dtype=torch.float64)
    w, _ = run(Newton(), objective, start, 60)
    assert float(objective.loss(w)[0]) == pytest.approx(-0.25, abs=1e-9)
    plain = start[0] - torch.linalg.solve(objective.hessian(start)[0], objective.gradient(start)[1][0])
    assert float(plain.norm()) < 1e-5  # the plain step goes to the saddle


@pytest.mark.parametrize("rule", METHODS, ids=NAMES)
def test_a_small_network_trains_further_than_with_gradient_descent(rule):
    objective, w = network(hidden=8)
    trained, _ = run(rule(), objective, w, 30)
    plain = w
    for _ in range(200):
        plain = plain - 0.1 * objective.gradient(plain)[1]
    assert float(objective.loss(trained)[0]) < float(objective.loss(plain)[0])


@pytest.mark.parametrize("c2", [0.9, 0.1])
def test_every_update_of_lbfgs_meets_the_strong_wolfe_conditions(c2):
    objective, w = network(lanes=3, seed=10)
    rule = LBFGS(c2=c2)
    state = rule.start(w)
    for _ in range(25):
        loss, g = objective.gradient(w)
        new, state = rule.advance(w, torch.ones(3, dtype=w.dtype), objective, state)
        s = new - w
        new_loss, new_g = objective.gradient(new)
        slope = (g * s).sum(1)
        assert (slope < 0).all()
        assert (new_loss <= loss + 1e-4 * slope + 1e-14).all()
        assert ((new_g * s).sum(1).abs() <= c2 * slope.abs() + 1e-14).all()
        w = new


def test_gauss_newtons_damping_is_nielsens():
    objective, w = network(lanes=2, seed=12)
    rule = GaussNewton(damping=0.1)
    new, state = rule.advance(w, torch.ones(2, dtype=w.dtype), objective, rule.start(w))
    loss, g = objective.gradient(w)
    matrix = objective.gauss_newton(w)
    step = -torch.linalg.solve(matrix + 0.1 * torch.eye(w.shape[1], dtype=w.dtype), g[..., None])
    np.testing.assert_allclose((new - w).numpy(), step[..., 0].numpy(), atol=1e-12)
    model = (g[:, None] @ step + 0.5 * step.transpose(1, 2) @ matrix @ step)[:, 0, 0]
    ratio = ((objective.loss(new) - loss) / model).numpy()
    np.testing.assert_allclose(state["damping"].numpy(), 0.1 * np.maximum(1 / 3, 1 - (2 * ratio - 1) ** 3), rtol=1e-9)
    uphill = Plain(lambda v: v.square().sum(1) + 1e3 * ((v - w).square().sum(1) > 0))  # any step is a bad one
    state = rule.start(w)
    for damping, growth in ((0.2, 4.0), (0.8, 8.0)):
        stayed, state = rule.advance(w, torch.ones(2, dtype=w.dtype), uphill, state)
        assert torch.equal(stayed, w)
        assert state["damping"].tolist() == pytest.approx([damping] * 2)
        assert state["growth"].tolist() == [growth] * 2


def test_gauss_newton_never_raises_the_loss():
    objective, w = network(torch.relu, seed=6)
    rule = GaussNewton(damping=1e-6)  # too bold at first: some steps are rejected
    state, losses = rule.start(w), [float(objective.loss(w)[0])]
    for _ in range(25):
        w, state = rule.advance(w, torch.ones(1, dtype=w.dtype), objective, state)
        losses.append(float(objective.loss(w)[0]))
    assert (np.diff(losses) <= 1e-12).all()


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(r, id=n, marks=pytest.mark.slow if n == "hessian_free" else ())
        for r, n in zip(METHODS, NAMES, strict=True)
    ],
)
def test_a_lane_is_what_it_is_alone(rule):
    """Bit for bit, wherever it stands and whether its neighbours go on searching or have long ended."""
    members, w = different_problems()
    together, _ = run(rule(), Apart(members), w, 5)
    order = [3, 0, 4, 2, 1]
    turned, _ = run(rule(), Apart([members[i] for i in order]), w[order], 5)
    assert torch.equal(turned, together[order])
    for lane, member in enumerate(members):
        alone, _ = run(rule(), member, w[lane : lane + 1], 5)
        assert torch.equal(alone[0], together[lane]), lane


VARIANTS = [*(rule() for rule in METHODS), Newton(line_search=False), LBFGS(line_search="none")]


@pytest.mark.parametrize("rule", VARIANTS, ids=repr)
def test_a_lane_that_is_not_finite_stays_and_touches_no_other(rule):
    members, w = different_problems()
    broken = [
        Plain(lambda v: v.square().sum(1) * torch.nan),  # data that are not finite: loss, gradient and curvature
        Plain(lambda v: v.square().sum(1) + torch.nan),  # the loss alone
        Plain(lambda v: (v - v.detach()).abs().sqrt().sum(1)),  # the gradient alone
    ]
    order = [members[0], broken[0], members[1], broken[1], broken[2]]
    together, _ = run(rule, Apart(order), w, 5)
    assert torch.equal(together[[1, 3, 4]], w[[1, 3, 4]])
    for lane in (0, 2):
        alone, _ = run(rule, order[lane], w[lane : lane + 1], 5)
        assert torch.equal(alone[0], together[lane])


@pytest.mark.parametrize("rule", METHODS, ids=NAMES)
def test_a_network_that_is_too_large_is_refused_in_words(rule):
    if rule.MOST_PARAMETERS is None:
        assert rule().refusal(10**9) == ""
        return
    assert rule().refusal(rule.MOST_PARAMETERS) == ""
    assert "2001 x 2001" in rule().refusal(rule.MOST_PARAMETERS + 1)


def test_hessian_free_takes_the_gauss_newton_step_where_products_are_free():
    objective, w = network(seed=9)
    step = HessianFree(damping=0.05, cg_steps=400, tolerance=0.0)
    free, _ = run(step, objective, w, 1)
    g = objective.gradient(w)[1]
    matrix = objective.gauss_newton(w)[0] + 0.05 * torch.eye(w.shape[1], dtype=w.dtype)
    np.testing.assert_allclose((free - w)[0].numpy(), -torch.linalg.solve(matrix, g[0]).numpy(), atol=1e-8)


def test_hessian_frees_damping_follows_what_the_model_promised():
    """Levenberg and Marquardt as Martens 2010 has it: times 3/2 below a quarter of the promise, by 3/2 above three."""
    bend, damping = np.array([0.0, -0.1, -0.115, -0.12]), 0.1  # f = w^2 / 2 + bend w^3 at w = 1
    slope, curvature = 1 + 3 * bend, 1 + 6 * bend
    step = -slope / (curvature + damping)
    promise = slope * step + (curvature + damping) * step**2 / 2
    after = 1 + step
    ratio = (after**2 / 2 + bend * after**3 - 0.5 - bend) / promise
    assert ratio[0] > 1 > 0.7 > ratio[1] > ratio[2] > 0.3 > 0.24 > ratio[3] > 0
    objective = Plain(lambda w: (w.square() / 2 + torch.from_numpy(bend)[:, None] * w**3).sum(1))
    w, rule = torch.ones(4, 1, dtype=torch.float64), HessianFree(damping=damping)
    new, state = rule.advance(w, torch.ones(4, dtype=torch.float64), objective, rule.start(w))
    np.testing.assert_allclose(new[:, 0].numpy(), after, rtol=1e-12)
    np.testing.assert_allclose(state["damping"].numpy(), damping * np.array([2 / 3, 1, 1, 3 / 2]), rtol=1e-12)
