"""Newton's step takes the inverse of the Hessian; its transpose is the Hessian itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tenfold.rules.optimizers import Newton
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.second_order import objective_of, second_order_path
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

SIZE, UPDATES = 20, 5


def _measure(seed: int) -> dict[str, Any]:
    """Distances from the minimum of a drawn quadratic of condition 100 in 20 dimensions."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))
    h = torch.from_numpy(q * np.geomspace(1, 100, SIZE) @ q.T)
    best, start = (torch.from_numpy(rng.standard_normal(SIZE)) for _ in range(2))
    objective = objective_of(lambda w: 0.5 * ((w - best) @ h * (w - best)).sum(1))
    path, _ = second_order_path(Newton(damping=0.0, line_search=False), objective, start, 1)
    transposed = [start]
    for _ in range(UPDATES):
        w = transposed[-1]
        transposed.append(w - h.T @ objective.gradient(w[None])[1][0])
    first = float((start - best).norm())
    inverse, other = (np.array([float((w - best).norm()) for w in points]) for points in (path, transposed))
    return {
        "distance at first": first, "distance after one step with the inverse": inverse[-1],
        f"distance after {UPDATES} with the transpose": other[-1], "growth with the transpose": other[-1] / first,
        "difference of the Hessian and its transpose": float((h - h.T).abs().max()),
        "inverse": np.append(inverse, np.full(UPDATES + 1 - len(inverse), inverse[-1])), "transpose": other,
    }  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"From a distance of {means['distance at first']:.1f} one step with the inverse Hessian ends "
        f"{means['distance after one step with the inverse']:.0e} from the minimum of a quadratic, {UPDATES} steps "
        f"with the transpose {means[f'distance after {UPDATES} with the transpose']:.0e} away. A Hessian is "
        "symmetric, so its transpose is itself, and steps farthest where the function is steepest."
    )


def _picture(found: Measured) -> StudyPicture:
    """Distances over updates."""
    curves = {name: np.maximum(found[name].mean(0), 1e-16) for name in ("inverse", "transpose")}
    return curve_picture(np.arange(UPDATES + 1), curves, "update", "distance from the minimum", log="y")


STUDY = ClaimStudy(
    name="hessian-transposed",
    claims=("C61", "E34"),
    told="Newton's step multiplies the gradient by the transpose of the Hessian",
    verdict=FAILS,
    formula="w <- w - H^-1 g:   on a quadratic g = H (w - w*), so that one step ends at w*",
    done="Drawn quadratics in 20 dimensions with curvatures from 1 to 100: one step of Tenfold's Newton without "
    "damping, and five with the transposed Hessian.",
    follows="Small curvature means a long step: that is true of the inverse only. `optimizer: newton` has it, for "
    "networks of up to 2,000 parameters.",
    rules=("newton",),
    recipe="network: {hidden: [8], activation: tanh}\n"
    "optimizer: {newton: {damping: 0.001}}\n"
    "batch_size: full\n"
    "epochs: 20\n",
    sources=("Nocedal & Wright 2006, Numerical optimization, chapter 3",),
    measure=by_seed(_measure),
    bounds=(
        Bound("distance after one step with the inverse", high=1e-10), Bound("growth with the transpose", 1e3),
        Bound("difference of the Hessian and its transpose", high=1e-12),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
