"""Second-order methods against scipy's minima, closed forms and their own claims; lanes against themselves alone."""

import functools
import typing

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from tenfold.rules.optimizers import SecondOrderRule
from tenfold.rules.optimizers.gauss_newton import GaussNewton
from tenfold.rules.optimizers.hessian_free import HessianFree, conjugate_gradients
from tenfold.rules.optimizers.lbfgs import LBFGS
from tenfold.rules.optimizers.line_search import strong_wolfe
from tenfold.rules.optimizers.newton import Newton
from tenfold.rules.optimizers.objective import AutogradObjective
from tenfold.rules.record import rule_name

METHODS = typing.get_args(SecondOrderRule)
NAMES = [rule_name(rule) for rule in METHODS]
STRENGTH = 0.01


class Plain:
    """An objective from a loss (L, P) -> (L,), with the exact Hessian for the Gauss-Newton matrix too."""

    def __init__(self, loss):
        identity = lambda w: w[:, None, :]  # noqa: E731
        self._of = AutogradObjective(identity, lambda o: loss(o[:, 0]))
        self.calls = 0

    def __getattr__(self, name):
        self.calls += name == "gradient"
        return getattr(self._of, name)


def logistic(x, y, classes, lanes=1):
    """Regularized softmax regression, standardized inputs, weights penalized, biases not; (objective, size)."""
    x = torch.from_numpy((x - x.mean(0)) / x.std(0))
    y = torch.from_numpy(y)
    columns = x.shape[1]

    def outputs(w):
        weight, bias = w[:, : columns * classes], w[:, columns * classes :]
        return x @ weight.view(-1, columns, classes) + bias[:, None]

    def loss(o):
        return -o.log_softmax(2).gather(2, y[None, :, None].expand(len(o), -1, 1))[..., 0].mean(1)

    strength = torch.zeros(lanes, (columns + 1) * classes, dtype=torch.float64)
    strength[:, : columns * classes] = STRENGTH
    return AutogradObjective(outputs, loss, strength), strength.shape[1]


@functools.cache
def scipy_minimum(name):
    objective, size = problem(name)

    def f(v):
        loss, g = objective.gradient(torch.from_numpy(v)[None])
        return float(loss[0]), g[0].numpy()

    found = minimize(
        f, np.zeros(size), jac=True, method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-11, "maxiter": 5000}
    )
    return found.fun


def problem(name, lanes=1):
    x, y = {"cancer": load_breast_cancer, "wine": load_wine}[name](return_X_y=True)
    return logistic(x, y, int(y.max()) + 1, lanes)


def run(rule, objective, w, updates, stop=0.0):
    state = rule.start(w)
    rate = torch.full((len(w),), float(rule.lr), dtype=w.dtype)
    for made in range(updates):
        if stop and float(objective.gradient(w)[1].norm(dim=1).max()) < stop:
            return w, made
        w, state = rule.advance(w, rate, objective, state)
    return w, updates


UPDATES = {"newton": 12, "gauss_newton": 40, "hessian_free": 120, "lbfgs": 60}


@pytest.mark.parametrize("rule", METHODS, ids=NAMES)
@pytest.mark.parametrize("name", ["cancer", "wine"])
def test_regularized_logistic_regression_reaches_scipys_minimum(rule, name):
    objective, size = problem(name)
    w, _ = run(rule(), objective, torch.zeros(1, size, dtype=torch.float64), UPDATES[rule_name(rule)])
    assert abs(float(objective.loss(w)[0]) - scipy_minimum(name)) < 1e-8


def test_newton_needs_few_updates_lbfgs_some_and_gradient_descent_many():
    objective, size = problem("cancer")
    start = torch.zeros(1, size, dtype=torch.float64)
    assert run(Newton(), objective, start, 50, stop=1e-10)[1] <= 12
    assert run(LBFGS(), objective, start, 200, stop=1e-6)[1] <= 60
    largest = float(torch.linalg.eigvalsh(objective.hessian(start)[0]).max())
    w = start
    for _ in range(1000):
        w = w - objective.gradient(w)[1] / largest
    assert float(objective.gradient(w)[1].norm()) > 1e-6


def quadratic(size, condition, seed):
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = torch.from_numpy(q @ np.diag(np.geomspace(1, condition, size)) @ q.T)
    minimum = torch.from_numpy(rng.normal(size=size))
    return Plain(lambda w: 0.5 * (((w - minimum) @ matrix) * (w - minimum)).sum(1)), matrix, minimum


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


def network(activation=torch.tanh, hidden=5, seed=0, lanes=1):
    """A small network on iris; (objective, initial w of all lanes)."""
    x, y = load_iris(return_X_y=True)
    x, y = torch.from_numpy((x - x.mean(0)) / x.std(0)), torch.from_numpy(y)
    sizes = [(4, hidden), (1, hidden), (hidden, 3), (1, 3)]
    cuts = np.cumsum([a * b for a, b in sizes])[:-1].tolist()

    def outputs(w):
        parts = [part.view(-1, *size) for part, size in zip(w.tensor_split(cuts, 1), sizes, strict=True)]
        return activation(x @ parts[0] + parts[1]) @ parts[2] + parts[3]

    def loss(o):
        return -o.log_softmax(2).gather(2, y[None, :, None].expand(len(o), -1, 1))[..., 0].mean(1)

    total = sum(a * b for a, b in sizes)
    w = torch.from_numpy(np.random.default_rng(seed).normal(size=(lanes, total)) * 0.5)
    return AutogradObjective(outputs, loss, torch.full((lanes, total), 1e-3, dtype=torch.float64)), w


@pytest.mark.parametrize("rule", METHODS, ids=NAMES)
def test_a_small_network_trains_further_than_with_gradient_descent(rule):
    objective, w = network()
    trained, _ = run(rule(), objective, w, 30)
    plain = w
    for _ in range(200):
        plain = plain - 0.1 * objective.gradient(plain)[1]
    assert float(objective.loss(trained)[0]) < float(objective.loss(plain)[0])


def test_curvature_against_torch_func():
    objective, w = network(lanes=2)
    exact = torch.autograd.functional.hessian(lambda v: objective._loss(v).sum(), w)
    blocks = torch.stack([exact[i, :, i] for i in range(2)])
    np.testing.assert_allclose(objective.hessian(w).numpy(), blocks.numpy(), atol=1e-12)
    x = torch.from_numpy(np.random.default_rng(1).normal(size=w.shape))
    expected = (blocks @ x[..., None])[..., 0]
    np.testing.assert_allclose(objective.hessian_product(w, x).numpy(), expected.numpy(), atol=1e-12)
    matrix = objective.gauss_newton(w)
    expected = (matrix @ x[..., None])[..., 0]
    np.testing.assert_allclose(objective.gauss_newton_product(w, x).numpy(), expected.numpy(), atol=1e-12)


def test_the_gauss_newton_matrix_is_the_hessian_of_a_linear_model_and_positive_for_relu():
    objective, size = problem("wine")
    w = torch.from_numpy(np.random.default_rng(2).normal(size=(1, size)))
    np.testing.assert_allclose(objective.gauss_newton(w).numpy(), objective.hessian(w).numpy(), atol=1e-12)
    objective, w = network(torch.relu, seed=3)
    assert float(torch.linalg.eigvalsh(objective.gauss_newton(w)).min()) > 0
    assert float(torch.linalg.eigvalsh(objective.hessian(w)).min()) < 0


def test_conjugate_gradients_solve_every_lane():
    problems = [quadratic(12, 50, seed)[1] for seed in range(3)]
    matrix = torch.stack(problems)
    b = torch.from_numpy(np.random.default_rng(4).normal(size=(3, 12)))
    x, value = conjugate_gradients(lambda v: (matrix @ v[..., None])[..., 0], b, torch.zeros_like(b), 40, 0.0)
    expected = np.linalg.solve(matrix.numpy(), b.numpy()[..., None])[..., 0]
    np.testing.assert_allclose(x.numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(value.numpy(), -0.5 * (b.numpy() * expected).sum(1), atol=1e-9)


@pytest.mark.parametrize("length", [1e-3, 1.0, 50.0])
def test_an_accepted_step_meets_the_strong_wolfe_conditions(length):
    objective, w = network(lanes=6, seed=5)
    loss, g = objective.gradient(w)
    p = -g * torch.from_numpy(np.geomspace(0.1, 30, 6))[:, None]
    new, new_g = strong_wolfe(w, p, loss, g, torch.full((6,), length, dtype=w.dtype), objective, 1e-4, 0.9, 40)
    slope = (g * p).sum(1)
    a = ((new - w) * p).sum(1) / (p * p).sum(1)
    assert (a > 0).all()
    assert (objective.loss(new) <= loss + 1e-4 * a * slope + 1e-12).all()
    assert ((new_g * p).sum(1).abs() <= 0.9 * slope.abs() + 1e-12).all()


def test_gauss_newton_never_raises_the_loss():
    objective, w = network(torch.relu, seed=6)
    rule = GaussNewton(damping=1e-6)  # too bold at first: some steps are rejected
    state, losses = rule.start(w), [float(objective.loss(w)[0])]
    for _ in range(25):
        w, state = rule.advance(w, torch.ones(1, dtype=w.dtype), objective, state)
        losses.append(float(objective.loss(w)[0]))
    assert (np.diff(losses) <= 1e-12).all()


@pytest.mark.parametrize("rule", METHODS, ids=NAMES)
def test_a_lane_is_what_it_is_alone(rule):
    """Five lanes from different points, some of which finish their searches earlier than others."""
    objective, w = network(lanes=5, seed=7)
    updates = 3 if rule is HessianFree else 8  # where conjugate gradients stop magnifies roundings
    together, _ = run(rule(), objective, w, updates)
    order = [3, 0, 4, 2, 1]
    turned, _ = run(rule(), objective, w[order], updates)
    np.testing.assert_allclose(turned.numpy(), together[order].numpy(), rtol=1e-6, atol=1e-8)
    single, _ = network(lanes=1, seed=7)
    for lane in range(5):
        alone, _ = run(rule(), single, w[lane : lane + 1], updates)
        np.testing.assert_allclose(alone[0].numpy(), together[lane].numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("rule", METHODS, ids=NAMES)
def test_a_lane_that_is_not_finite_touches_no_other(rule):
    objective, w = network(lanes=3, seed=8)
    broken = w.clone()
    broken[1] = torch.nan
    together, _ = run(rule(), objective, broken, 5)
    healthy, _ = run(rule(), objective, w, 5)
    assert torch.equal(together[[0, 2]], healthy[[0, 2]])
    assert together[1].isnan().all()


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
