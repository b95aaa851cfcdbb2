"""What second-order methods are built from: curvature by automatic differentiation, solves, searches, pairs."""

import dataclasses
import typing

import numpy as np
import pytest
import torch

from tenfold.rules import losses
from tenfold.rules.optimizers import SecondOrderRule, objective as objectives
from tenfold.rules.optimizers.hessian_free import conjugate_gradients
from tenfold.rules.optimizers.lbfgs import two_loop
from tenfold.rules.optimizers.line_search import LinePoint, strong_wolfe
from tenfold.rules.optimizers.objective import AutogradObjective
from tenfold.rules.record import rule_name

from .second_order_problems import network, problem, quadratic, run

METHODS = typing.get_args(SecondOrderRule)


def twice(f):
    """The Hessian, by reverse mode over reverse mode (forward mode warns when torch loads it)."""
    return torch.func.jacrev(torch.func.jacrev(f))


def exact(objective, w):
    """Hessian and Gauss-Newton matrix (L, P, P) of each lane by torch.func, from Jacobians written out."""
    hessians, matrices = [], []
    for row in w:
        hessians.append(twice(lambda v: objective._loss(v[None])[0])(row))
        jacobian = torch.func.jacrev(lambda v: objective.outputs(v[None])[0])(row).flatten(0, 1)  # (B C, P)
        o = objective.outputs(row[None])[0].detach()
        bend = twice(lambda u, shape=o.shape: objective.loss_of_outputs(u.view(shape)[None])[0])
        penalty = 0 if objective.l2 is None else torch.diag(objective.l2[0])
        matrices.append(jacobian.T @ bend(o.flatten()) @ jacobian + penalty)
    return torch.stack(hessians), torch.stack(matrices)


@pytest.mark.parametrize("rule", typing.get_args(losses.Loss), ids=rule_name)
@pytest.mark.parametrize("activation", [torch.tanh, torch.relu, None], ids=["tanh", "relu", "linear"])
def test_curvature_against_torch_func(rule, activation):
    """Every loss, piecewise linear ones among them, on smooth, kinked and linear networks; with a penalty or not."""
    rng = np.random.default_rng(1)
    classes = 3 if rule.task == "classification" else 1
    x = torch.from_numpy(rng.normal(size=(12, 4)))
    target = torch.from_numpy(rng.integers(0, 3, 12) if classes == 3 else rng.gamma(2.0, size=12))
    first = 0 if activation is None else 12
    w = torch.from_numpy(rng.normal(size=(2, first + (3 if first else 4) * classes)))

    def outputs(v):
        inputs = activation(x @ v[:, :first].view(-1, 4, 3)) if first else x
        return inputs @ v[:, first:].view(len(v), -1, classes)

    def loss(o):
        return rule.formula(o, target.expand(len(o), -1), *dataclasses.astuple(rule())).mean(1)

    for l2 in (None, torch.full_like(w, 0.1)):
        objective = AutogradObjective(outputs, loss, l2)
        hessian, matrix = exact(objective, w)
        product = torch.from_numpy(rng.normal(size=w.shape))
        for found, expected in (
            (objective.hessian(w), hessian),
            (objective.gauss_newton(w), matrix),
            (objective.gauss_newton_product(w, product), (matrix @ product[..., None])[..., 0]),
        ):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-11, atol=1e-11)
        for method in METHODS:
            trained, _ = run(method(), objective, w, 5)
            assert (objective.loss(trained) <= objective.loss(w)).all()


def test_more_rows_make_fewer_columns_at_a_time_and_the_same_matrix(monkeypatch):
    objective, w = network(lanes=2)
    whole = objective.hessian(w), objective.gauss_newton(w)
    monkeypatch.setattr(objectives, "COLUMNS", 20_000)
    few = objective._together(w)
    assert 1 <= few < w.shape[1] / 3
    again = objective.hessian(w), objective.gauss_newton(w)
    for one, two in zip(whole, again, strict=True):
        np.testing.assert_allclose(one.numpy(), two.numpy(), atol=1e-14)
    longer = AutogradObjective(lambda v: objective.outputs(v).repeat(1, 10, 1).sin(), lambda o: o.mean((1, 2)))
    assert longer._together(w) < few


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

    def line(a):
        f, gradient = objective.gradient(w + a[:, None] * p)
        return LinePoint(a, f, (gradient * p).sum(1), gradient)

    slope = (g * p).sum(1)
    start = LinePoint(torch.zeros_like(loss), loss, slope, g)
    a = strong_wolfe(line, start, torch.full((6,), length, dtype=w.dtype), 1e-4, 0.9, 40).a
    new_loss, new_g = objective.gradient(w + a[:, None] * p)
    assert (a > 0).all()
    assert (new_loss <= loss + 1e-4 * a * slope + 1e-12).all()
    assert ((new_g * p).sum(1).abs() <= 0.9 * slope.abs() + 1e-12).all()


def test_two_loops_are_the_bfgs_matrix_written_out():
    """B <- (I - rho s y^T) B (I - rho y s^T) + rho s s^T from B = (s . y / y . y) I; lanes of 4, 2 and no pairs."""
    rng = np.random.default_rng(11)
    g, s = rng.normal(size=(3, 6)), rng.normal(size=(3, 4, 6))
    y = s * rng.uniform(0.5, 2, size=s.shape)
    rho = 1 / (s * y).sum(2)
    for lane, pairs in enumerate((4, 2, 0)):
        rho[lane, : 4 - pairs] = s[lane, : 4 - pairs] = y[lane, : 4 - pairs] = 0
    found = two_loop(*(torch.from_numpy(x) for x in (g, s, y, rho)))
    for lane, pairs in enumerate((4, 2, 0)):
        matrix = np.eye(6) * ((s[lane, -1] @ y[lane, -1]) / (y[lane, -1] @ y[lane, -1]) if pairs else 1.0)
        for i in range(4 - pairs, 4):
            left = np.eye(6) - rho[lane, i] * np.outer(s[lane, i], y[lane, i])
            matrix = left @ matrix @ left.T + rho[lane, i] * np.outer(s[lane, i], s[lane, i])
        np.testing.assert_allclose(found[lane].numpy(), -matrix @ g[lane], rtol=1e-12, atol=1e-12)
