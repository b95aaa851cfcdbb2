"""Second-order rules on functions whose minimum is known: one lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tenfold.rules.optimizers.objective import AutogradObjective


def objective_of(f: Callable[[Tensor], Tensor]) -> AutogradObjective:
    """A function of the parameters (L, P) -> (L,) as an objective."""
    return AutogradObjective(lambda w: w[:, None], lambda output: f(output[:, 0]))


def second_order_path(
    rule: Any, objective: AutogradObjective, start: Tensor, limit: int, small: float = 1e-10
) -> tuple[Tensor, list[float]]:
    """The points (updates + 1, P) of a second-order rule from start (P,) until the gradient's norm is below `small`,
    at most `limit` updates, and the norm at each."""
    w = start[None].clone()
    state, rate = rule.start(w), torch.tensor([rule.lr], dtype=w.dtype)
    path, norms = [w[0]], [float(objective.gradient(w)[1].norm())]
    while norms[-1] >= small and len(norms) <= limit:
        w, state = rule.advance(w, rate, objective, state)
        path.append(w[0])
        norms.append(float(objective.gradient(w)[1].norm()))
    return torch.stack(path), norms


def undamped(objective: AutogradObjective, start: Tensor, count: int) -> Tensor:
    """The points (count + 1, P) of so many bare steps with the inverse Hessian."""
    path = [start]
    for _ in range(count):
        w = path[-1]
        path.append(w - torch.linalg.solve(objective.hessian(w[None])[0], objective.gradient(w[None])[1][0]))
    return torch.stack(path)
