"""Newton's method and L-BFGS on problems whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import Tensor

from bench.folklore.entry import Finding, erratum
from tenfold.rules.losses import CrossEntropy
from tenfold.rules.optimizers import SGD
from tenfold.rules.optimizers.lbfgs import LBFGS
from tenfold.rules.optimizers.newton import Newton
from tenfold.rules.optimizers.objective import AutogradObjective
from tenfold.studies.parts.descent import descend

PLAIN = Newton(damping=0.0, line_search=False)


def function(f: Callable[[Tensor], Tensor]) -> AutogradObjective:
    """A function of the parameters (L, P) -> (L,) as an objective."""
    return AutogradObjective(lambda w: w[:, None], lambda output: f(output[:, 0]))


def updates(
    rule: Any, objective: AutogradObjective, start: Tensor, limit: int, small: float = 1e-10
) -> tuple[int, Tensor]:
    """How many updates of a second-order rule until the gradient is that small, and the point; one lane."""
    w = start[None].clone()
    state, rate = rule.start(w), torch.tensor([rule.lr], dtype=w.dtype)
    for t in range(limit):
        if float(objective.gradient(w)[1].norm()) < small:
            return t, w[0]
        w, state = rule.advance(w, rate, objective, state)
    return limit, w[0]


@erratum(
    "E34 C61", "second order",
    told="Newton's step multiplies the gradient by the transpose of the Hessian",
    right="by its inverse; the Hessian is symmetric, its transpose is itself and steps farthest where it is steepest",
    where="`newton`",
)  # fmt: skip
def inverse(seeds: int) -> Finding:
    """A quadratic in 20 dimensions of condition about 100."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.standard_normal((20, 20)))
    h = torch.from_numpy(q * np.geomspace(1, 100, 20) @ q.T)
    best, start = torch.from_numpy(rng.standard_normal(20)), torch.from_numpy(rng.standard_normal(20))
    objective = function(lambda w: 0.5 * ((w - best) @ h * (w - best)).sum(1))
    _, once = updates(PLAIN, objective, start, 1)
    w = start
    for _ in range(5):
        w = w - h.T @ (h @ (w - best))
    one, transposed, first = (float((x - best).norm()) for x in (once, w, start))
    return Finding(
        measured=f"from distance {first:.1f}: one step with the inverse ends at {one:.0e}, five with the transpose at "
        f"{transposed:.0e} (1e-10; farther than at first)",
        holds=one < 1e-10 and transposed > 1e3 * first,
    )


@erratum(
    "E35 C62", "second order",
    told="that Newton's method has no learning rate is a huge advantage",
    right="only near a minimum; elsewhere it diverges or goes to saddles unless it is damped and searches the line",
    where="`newton` (damping, line_search)",
)  # fmt: skip
def undamped(seeds: int) -> Finding:
    """sqrt(1 + x^2) from 0.9 and 1.1; the saddle x^2 - y^2 + y^4 / 4."""
    bowl = function(lambda w: (1 + w.square()).sqrt().sum(1))
    saddle = function(lambda w: w[:, 0] ** 2 - w[:, 1] ** 2 + w[:, 1] ** 4 / 4)
    near, far, side = (torch.tensor(x).double() for x in ([0.9], [1.1], [1.0, 0.1]))

    def steps(w: Tensor, objective: AutogradObjective, count: int) -> Tensor:
        for _ in range(count):
            w = w - torch.linalg.solve(objective.hessian(w[None])[0], objective.gradient(w[None])[1][0])
        return w

    inside, outside = (abs(float(steps(x, bowl, 4)[0])) for x in (near, far))
    lost, found = steps(side, saddle, 20), updates(Newton(), saddle, side, 50)[1]
    count, bottom = updates(Newton(), bowl, far, 50)
    return Finding(
        measured=f"√(1 + x²), 4 plain steps: from 0.9 to {inside:.0e}, from 1.1 to {outside:.0e}; damped from 1.1 to "
        f"{abs(float(bottom[0])):.0e} in {count}; saddle: plain ends at y = {abs(float(lost[1])):.0e}, damped at "
        f"{abs(float(found[1])):.4f} (the minimum is √2)",
        holds=inside < 0.1 and outside > 1e2 and abs(float(bottom[0])) < 1e-9 and float(lost.norm()) < 1e-6
        and abs(abs(float(found[1])) - 2**0.5) < 1e-6,
    )  # fmt: skip


@erratum(
    "C63", "second order",
    told="second-order methods are impractical; L-BFGS at best",
    right="impractical is the Hessian of a large network; on small smooth problems both end in a few updates",
    where="`newton`, `lbfgs`",
)  # fmt: skip
def few_updates(seeds: int) -> Finding:
    """Regularized logistic regression on breast cancer, to a gradient of 1e-10."""
    data: Any = load_breast_cancer()
    x, y = data.data, data.target
    rows = torch.from_numpy(np.column_stack([(x - x.mean(0)) / x.std(0), np.ones(len(x))]))
    target = torch.from_numpy(y.astype(np.int64))

    def outputs(w: Tensor) -> Tensor:
        score = w @ rows.T  # (L, B)
        return torch.stack([torch.zeros_like(score), score], 2)

    objective = AutogradObjective(
        outputs, lambda o: CrossEntropy.formula(o, target.expand(len(o), -1), 0.0).mean(1),
        torch.full((1, 31), 0.01, dtype=torch.float64),
    )  # fmt: skip
    start = torch.zeros(31).double()
    newton, lbfgs = (updates(rule, objective, start, 100)[0] for rule in (Newton(), LBFGS()))
    top = float(torch.linalg.eigvalsh(rows.T @ rows / len(rows))[-1]) / 4 + 0.01
    path = descend([SGD()], lambda w, t: objective.gradient(w)[1], np.full(1000, 1 / top), start)
    left = float(objective.gradient(path[-1])[1].norm())
    size = (10**6) ** 2 * 4 / 2**30
    return Finding(
        measured=f"logistic regression to |g| < 1e-10: Newton {newton}, L-BFGS {lbfgs} updates; gradient descent has "
        f"{left:.0e} left after 1000 (≤ 12, ≤ 60, > 1000); a Hessian of a million parameters takes {size:.0f} GiB",
        holds=newton <= 12 and lbfgs <= 60 and left > 1e-10,
    )
