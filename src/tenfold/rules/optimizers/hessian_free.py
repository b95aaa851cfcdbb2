"""Hessian-free optimization: Gauss-Newton steps by conjugate gradients, without a matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenfold.rules.fields import Count, NotNegative, Positive
from tenfold.rules.optimizers.objective import Objective
from tenfold.rules.optimizers.second_order import SecondOrder, backtrack, dot

LOOK_BACK = 10  # steps over which progress is measured


def conjugate_gradients(product: Callable[[Any], Any], b: Any, x: Any, steps: int, tolerance: float) -> tuple[Any, Any]:
    """Minimizes q(x) = x . A x / 2 - b . x for every lane from x (L, P), A x = product(x) positive definite.

    A lane stops once q has fallen by less than 10 * tolerance of itself over 10 steps (Martens 2010), or when it is
    solved; it then stays as it is, whatever the others do. Returns x and q (L,). Source: Hestenes & Stiefel 1952.
    """
    import torch

    residual = b - product(x)
    direction, size = residual, dot(residual, residual)
    values = [-0.5 * dot(x, b + residual)]  # q, from A x = b - residual
    going = size > 0
    least = 1e-300 if b.dtype == torch.float64 else 1e-30
    for i in range(steps):
        going = going & size.isfinite() & (size > torch.finfo(b.dtype).eps ** 2 * dot(b, b))
        if i >= LOOK_BACK:
            fallen = values[-1 - LOOK_BACK] - values[-1]
            going = going & (fallen > LOOK_BACK * tolerance * values[-1].abs())
        if not bool(going.any()):
            break
        turned = product(direction)
        bend = dot(direction, turned)
        going = going & (bend > 0)
        length = size / bend.clamp(min=least)  # of a lane that goes on
        x = torch.where(going[:, None], x + length[:, None] * direction, x)
        residual = torch.where(going[:, None], residual - length[:, None] * turned, residual)
        new = torch.where(going, dot(residual, residual), size)
        keep = new / size.clamp(min=least)
        direction = torch.where(going[:, None], residual + keep[:, None] * direction, direction)
        size = new
        values.append(-0.5 * dot(x, b + residual))
    return x, values[-1]


@dataclass(frozen=True, kw_only=True)
class HessianFree(SecondOrder):
    """Gauss-Newton steps by conjugate gradients on curvature products: no matrix, any size.

    Formula: w <- w - a x, x from conjugate gradients on (G + l I) x = g, started from the last x; l <- 3/2 l where the
    loss fell by less than a quarter of the prediction, 2/3 l where by more than three quarters; a by backtracking.
    Shapes: w, g, x (lanes, P); G x costs about three gradients.
    Options: lr - the longest share of a step; damping - l at first; cg_steps - at most so many products an update;
    tolerance - of the relative progress a step at which conjugate gradients stop.
    Convention: Martens', without preconditioner; a lane that has converged waits for the others, bit by bit unchanged.
    Claim: with enough products it is the Gauss-Newton step; n products solve a problem of n distinct curvatures.
    Choose: where curvature matters and a matrix is too large; on full or large batches.
    Source: Martens 2010.
    """

    damping: Positive = 0.1
    cg_steps: Count = 50
    tolerance: NotNegative = 5e-4

    def work(self, *, rows: int, weights: int, outputs: int) -> tuple[float, float]:
        """Two gradients for each step of the conjugate gradients."""
        return 2.0 * self.cg_steps + 2, 0.0

    def start(self, w: Any) -> dict[str, Any]:
        """damping (L,), and the last step (L, P)."""
        return {"damping": w.new_full((len(w),), self.damping), "step": w.new_zeros(w.shape)}

    def advance(self, w: Any, rate: Any, objective: Objective, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """One update."""
        import torch

        loss, g = objective.gradient(w)
        damping = state["damping"]

        def product(x: Any) -> Any:
            return objective.gauss_newton_product(w, x) + damping[:, None] * x

        step, model = conjugate_gradients(product, -g, 0.95 * state["step"], self.cg_steps, self.tolerance)
        downhill = step.isfinite().all(1) & (dot(g, step) < 0)
        step = torch.where(downhill[:, None], step, -g)
        length, reached = backtrack(w, step, dot(g, step), loss, rate, objective)
        ratio = (reached - loss) / model.clamp(max=-torch.finfo(w.dtype).tiny)
        raised = torch.where(ratio < 0.25, 1.5 * damping, torch.where(ratio > 0.75, damping / 1.5, damping))
        raised = torch.where(length > 0, raised, 1.5 * damping).clamp(min=1e-10, max=1e10)
        new = w + length[:, None] * step
        fine = new.isfinite().all(1, keepdim=True)
        last_step = torch.where(fine & (length[:, None] > 0), step, torch.zeros_like(step))
        return torch.where(fine, new, w), {"damping": raised, "step": last_step}
