"""Momentum is fast along flat directions and calm along steep ones: the square root of the conditioning counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import SGD, Adam, Momentum, Nesterov
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, surface_paths
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

CONDITION_NUMBER, UPDATES, SMALL = 100.0, 1000, 1e-6
CURVATURES = torch.tensor([1.0, CONDITION_NUMBER], dtype=torch.float64)
ROOT, WIDER = CONDITION_NUMBER**0.5, (3 * CONDITION_NUMBER + 1) ** 0.5
# The best constants for curvatures 1 and k: of gradient descent, of the heavy ball (Polyak), of Nesterov's (Lessard).
BEST: dict[str, tuple[Any, float]] = {
    "gradient descent": (SGD(), 2 / (CONDITION_NUMBER + 1)),
    "momentum": (Momentum(momentum=((ROOT - 1) / (ROOT + 1)) ** 2), (2 / (ROOT + 1)) ** 2),
    "Nesterov": (Nesterov(momentum=(WIDER - 2) / (WIDER + 2)), 4 / WIDER**2),
}
RAVINE = torch.tensor([1.0, 20.0], dtype=torch.float64)  # of the figure
SHOWN: dict[str, tuple[Any, float]] = {
    "gradient descent": (SGD(), 0.092), "momentum 0.8": (Momentum(momentum=0.8), 0.02),
    "Nesterov 0.8": (Nesterov(momentum=0.8), 0.02), "Adam": (Adam(), 0.15),
}  # fmt: skip


def _gradient(w: Tensor, t: int) -> Tensor:
    return CURVATURES * w


def _measure(seed: int) -> dict[str, Any]:
    """Updates until a drawn start has come a million times nearer, and the velocity under a constant gradient."""
    start = torch.from_numpy(np.random.default_rng(seed).uniform(0.5, 1.5, 2))
    found: dict[str, Any] = {}
    for name, (rule, rate) in BEST.items():
        left = descend([rule], _gradient, np.full(UPDATES, rate), start)[:, 0].norm(dim=1) / start.norm()
        found[name] = int((left > SMALL).nonzero()[-1]) + 2
    return found | {"times fewer": found["gradient descent"] / found["momentum"]}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"With curvatures 1 and 100, each method at its best constants, a millionth of the start's distance is left "
        f"after {means['gradient descent']:.0f} updates of gradient descent, {means['momentum']:.0f} with momentum and "
        f"{means['Nesterov']:.0f} with Nesterov's. Momentum turns the condition number of 100 into its square root: "
        f"{means['times fewer']:.1f} times fewer updates."
    )


def _picture(found: Measured) -> StudyPicture:
    """Thirty updates on a ravine of condition 20, side by side."""
    start = torch.tensor([-2.2, 1.0]).double()
    paths = {}
    for name, (rule, rate) in SHOWN.items():
        path = descend([rule], lambda w, t: RAVINE * w, np.full(40, rate), start)[:, 0]
        paths[name] = torch.cat([start[None], path]).numpy()
    return surface_paths(lambda x, y: (x**2 + 20 * y**2) / 2, (-2.5, 1.0), (-1.2, 1.2), paths, goal=(0, 0))


STUDY = ClaimStudy(
    name="heavy-ball",
    claims=("C51",),
    told="momentum is faster along flat directions and damps the steep ones",
    verdict=HOLDS,
    formula="v <- m v + g;  w <- w - lr v.   Curvatures from 1 to k, best constants: the error shrinks each update by\n"
    "(k - 1) / (k + 1) without, by (sqrt(k) - 1) / (sqrt(k) + 1) with momentum",
    done="A quadratic with curvatures 1 and 100 from drawn starts; gradient descent, the heavy ball and Nesterov's "
    "momentum, each with the constants that are best for these curvatures. The figure has 40 updates on curvatures 1 "
    "and 20.",
    follows="Take momentum with a rate lower by the factor 1 - momentum than you would without; standardized inputs "
    "and normalization help the same way, since they lower the condition number itself.",
    rules=("momentum", "nesterov", "sgd"),
    recipe="network: {hidden: [64]}\noptimizer: {momentum: {lr: 0.01, momentum: 0.9}}\nbatch_size: 50\nepochs: 20\n",
    sources=("Polyak 1964, Some methods of speeding up the convergence of iteration methods",
             "Lessard, Recht & Packard 2016, Analysis and design of optimization algorithms via integral quadratic "
             "constraints, proposition 1", "Goh 2017, Why momentum really works, Distill"),
    measure=by_seed(_measure),
    bounds=(Bound("times fewer", 5), Bound("gradient descent", 600, 760), Bound("momentum", high=120),
            Bound("Nesterov", high=200)),
    say=_say,
    draw=_picture,
)  # fmt: skip
