"""The Gauss-Newton method with Levenberg's and Marquardt's damping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.fields import Positive
from tenfold.rules.optimizers.objective import Objective
from tenfold.rules.optimizers.second_order import SecondOrder, dot, slack, solve_damped


@dataclass(frozen=True, kw_only=True)
class GaussNewton(SecondOrder):
    """Newton's method with the positive part of the curvature, and a damping that learns (Levenberg-Marquardt).

    Formula: w <- w - lr (G + l I)^-1 g, G = J^T H_L J (J of the outputs, H_L of the loss in the outputs). With r the
    fall of the loss over the predicted one: r > 0 accepts the step and l <- l max(1/3, 1 - (2 r - 1)^3); otherwise w
    stays and l grows by 2, 4, 8, ...
    Shapes: w, g (lanes, P), G (lanes, P, P).
    Options: lr - the share of a step; damping - l at first.
    Convention: the generalized Gauss-Newton matrix, so it serves cross-entropy as well as squared errors; for both it
    is the Fisher matrix. Damping by Nielsen.
    Claim: G is positive semidefinite, and is the Hessian where the outputs are linear in w; the loss never rises.
    Choose: for networks of at most 2,000 parameters on full batches, ReLU ones too.
    Source: Levenberg 1944; Marquardt 1963; Schraudolph 2002; Nielsen 1999.
    """

    damping: Positive = 1e-2

    MOST_PARAMETERS: ClassVar[int | None] = 2000

    def work(self, *, rows: int, weights: int, outputs: int) -> tuple[float, float]:
        """A gradient for each output, their products rows outputs P^2, and the factor."""
        return 2.0 + outputs, 2 * rows * outputs * weights**2 + 2 * weights**3 / 3

    def start(self, w: Any) -> dict[str, Any]:
        """damping and growth (L,)."""
        return {"damping": w.new_full((len(w),), self.damping), "growth": w.new_full((len(w),), 2.0)}

    def advance(self, w: Any, rate: Any, objective: Objective, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """One update, which may leave w and only raise the damping."""
        import torch

        loss, g = objective.gradient(w)
        step, damping = solve_damped(objective.gauss_newton(w), g, state["damping"])
        bend = -dot(g, step) - damping * dot(step, step)  # step . G step
        predicted = -rate * dot(g, step) - 0.5 * rate**2 * bend
        step = rate[:, None] * step
        reached = objective.loss(w + step)
        ratio = (loss - reached + slack(loss)) / predicted.clamp(min=torch.finfo(w.dtype).tiny)
        good = reached.isfinite() & (ratio > 0)
        eased = damping * (1 - (2 * ratio - 1) ** 3).clamp(min=1 / 3, max=2.0)
        least = 1e-8 if w.dtype == torch.float32 else 1e-15
        state = {
            "damping": torch.where(good, eased, damping * state["growth"]).clamp(min=least, max=1e12),
            "growth": torch.where(good, torch.full_like(loss, 2.0), (2 * state["growth"]).clamp(max=1e6)),
        }
        return torch.where(good[:, None], w + step, w), state
