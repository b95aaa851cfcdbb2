"""Newton's method has no rate to choose, and needs damping and a line search instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import Newton
from tenfold.studies.parts.pictures import StudyPicture, surface_paths
from tenfold.studies.parts.second_order import objective_of, second_order_path, undamped
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

LIMIT = 50
BOWL = objective_of(lambda w: (1 + w.square()).sqrt().sum(1))
SADDLE = objective_of(lambda w: w[:, 0] ** 2 - w[:, 1] ** 2 + w[:, 1] ** 4 / 4)


def _point(*numbers: float) -> Tensor:
    return torch.tensor(numbers).double()


def _measure(seed: int) -> dict[str, float]:
    """sqrt(1 + x^2) from within 1 and from beyond; the saddle of x^2 - y^2 + y^4 / 4 from beside it."""
    rng = np.random.default_rng(seed)
    near, far = _point(rng.uniform(0.5, 0.9)), _point(rng.uniform(1.1, 1.5))
    side = _point(rng.uniform(0.5, 1), rng.uniform(0.05, 0.3))
    damped, _ = second_order_path(Newton(), BOWL, far, LIMIT)
    lost, found = undamped(SADDLE, side, 20)[-1], second_order_path(Newton(), SADDLE, side, LIMIT)[0][-1]
    return {
        "|x| after 4 plain steps from below 0.9": float(undamped(BOWL, near, 4)[-1].abs()),
        "log10 |x| after 4 plain steps from beyond 1.1": float(undamped(BOWL, far, 4)[-1].abs().log10()),
        "|x|, damped, from beyond 1.1": float(damped[-1].abs()), "updates, damped": len(damped) - 1,
        "plain steps end beside the saddle by": float(lost.norm()),
        "damped steps end beside a minimum by": abs(abs(float(found[1])) - 2**0.5) + abs(float(found[0])),
    }  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"On sqrt(1 + x^2) four plain steps end at {means['|x| after 4 plain steps from below 0.9']:.0e} from below "
        f"0.9, and at 10^{means['log10 |x| after 4 plain steps from beyond 1.1']:.0f} from beyond 1.1; damped, with a "
        f"line search, at {means['|x|, damped, from beyond 1.1']:.0e} after {means['updates, damped']:.0f}. Beside a "
        f"saddle plain steps end {means['plain steps end beside the saddle by']:.2g} away from it, damped ones "
        f"{means['damped steps end beside a minimum by']:.0e} away from a minimum."
    )


def _picture(found: Measured) -> StudyPicture:
    """Plain and damped steps beside the saddle, side by side."""
    start = _point(0.9, 0.2)
    paths = {"plain Newton": undamped(SADDLE, start, 6).numpy(),
             "damped, with a line search": second_order_path(Newton(), SADDLE, start, LIMIT)[0].numpy()}  # fmt: skip
    return surface_paths(lambda x, y: x**2 - y**2 + y**4 / 4, (-1.2, 1.2), (-2.0, 2.0), paths, goal=(0, 2**0.5))


STUDY = ClaimStudy(
    name="newton-without-rate",
    claims=("C62", "E35"),
    told="that second-order methods need no learning rate is a huge advantage",
    verdict=f"{CONDITION}they start near a minimum; elsewhere they diverge or go to saddles, unless damped",
    formula="plain w <- w - H^-1 g gives x <- -x^3 on sqrt(1 + x^2);   Tenfold: w <- w - a (H + l I)^-1 g, l until H "
    "+ l I\n"
    "is positive definite, a halved until the loss falls",
    done="sqrt(1 + x^2) from drawn starts below 0.9 and beyond 1.1, four plain steps, and Tenfold's damped rule; "
    "x^2 - y^2 + y^4 / 4 from drawn starts beside its saddle, twenty plain steps and the damped rule.",
    follows="`newton` damps and searches the line by default. Turn neither off, and leave the rate at 1.",
    rules=("newton",),
    recipe="network: {hidden: [8], activation: tanh}\noptimizer: newton\nbatch_size: full\nepochs: 20\n",
    sources=("Dauphin et al. 2014, Identifying and attacking the saddle point problem",
             "Li, Fukushima, Qi & Yamashita 2004, The regularized Newton method for convex minimization"),
    measure=by_seed(_measure),
    bounds=(
        Bound("|x| after 4 plain steps from below 0.9", high=0.1),
        Bound("log10 |x| after 4 plain steps from beyond 1.1", 2), Bound("|x|, damped, from beyond 1.1", high=1e-9),
        Bound("plain steps end beside the saddle by", high=1e-6),
        Bound("damped steps end beside a minimum by", high=1e-6),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
