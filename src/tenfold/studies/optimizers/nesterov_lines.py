"""Nesterov's momentum in other variables is one update, not four lines to be executed in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import Nesterov
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, surface_paths
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

CURVATURES = torch.tensor([1.0, 20.0], dtype=torch.float64)
RATE, MOMENTUM, UPDATES = 0.02, 0.9, 100


def _gradient(w: Tensor, t: int) -> Tensor:
    return CURVATURES * w


def _four_lines(start: Tensor) -> Tensor:
    """The four printed lines, executed one after the other."""
    x, v, path = start, torch.zeros_like(start), []
    for t in range(UPDATES):
        x = x + MOMENTUM * v
        before, v = v, MOMENTUM * v - RATE * _gradient(x, t)
        x = x - MOMENTUM * before + (1 + MOMENTUM) * v
        path.append(x)
    return torch.stack(path)


def _first_form(start: Tensor) -> tuple[Tensor, Tensor]:
    """Nesterov's own form: the points x, and where each would look ahead to."""
    x, v, points, ahead = start, torch.zeros_like(start), [], []
    for t in range(UPDATES):
        v = MOMENTUM * v - RATE * _gradient(x + MOMENTUM * v, t)
        x = x + v
        points.append(x)
        ahead.append(x + MOMENTUM * v)
    return torch.stack(points), torch.stack(ahead)


def _paths(start: Tensor) -> dict[str, Tensor]:
    rule = Nesterov(momentum=MOMENTUM, rate_inside=True)
    points, ahead = _first_form(start)
    rewritten = descend([rule], _gradient, np.full(UPDATES, RATE), start)[:, 0]
    return {
        "rewritten": rewritten,
        "look-ahead points": ahead,
        "plain points": points,
        "four lines": _four_lines(start),
    }


def _measure(seed: int) -> dict[str, float]:
    """The largest distance of the rewritten form from the others along the path, from a drawn start."""
    start = torch.from_numpy(np.random.default_rng(seed).uniform(0.5, 1.5, 2))
    paths = _paths(start)
    rewritten = paths.pop("rewritten")
    return {f"from the {name}": float((rewritten - path).abs().max()) for name, path in paths.items()}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Over {UPDATES} updates the rewritten form stays within {means['from the look-ahead points']:.0e} of the "
        f"points that Nesterov's own form looks ahead to, and up to {means['from the plain points']:.2f} away from "
        "its plain points. The four printed lines, executed in turn, go another way, up to "
        f"{means['from the four lines']:.2f} off: the first line says what the new variable means and belongs to no "
        "update."
    )


def _picture(found: Measured) -> StudyPicture:
    """Forty updates of three of the paths."""
    start = torch.tensor([-2.0, 1.0]).double()
    paths = {name: torch.cat([start[None], path[:40]]).numpy() for name, path in _paths(start).items()}
    shown = {name: paths[name] for name in ("look-ahead points", "rewritten", "four lines")}
    return surface_paths(lambda x, y: (x**2 + 20 * y**2) / 2, (-2.3, 1.2), (-1.2, 1.2), shown, goal=(0, 0))


STUDY = ClaimStudy(
    name="nesterov-lines",
    claims=("C52", "E27"),
    told="the four lines of Nesterov's momentum in new variables are executed one after the other",
    verdict=f"{CONDITION}the first line is left out: it defines the variable that is stored, the look-ahead point",
    formula="first form: v <- m v - lr f'(x + m v);  x <- x + v.   With y = x + m v stored:\n"
    "v' = m v - lr f'(y);  y <- y - m v + (1 + m) v'",
    done="A quadratic with curvatures 1 and 20, momentum 0.9, 100 updates from drawn starts: Tenfold's rule, "
    "Nesterov's own form, and the four lines in turn.",
    follows="`optimizer: nesterov` stores the look-ahead point, as torch, optax and Keras do; `form: look_ahead` "
    "predicts with the plain point.",
    rules=("nesterov",),
    recipe="network: {hidden: [64]}\noptimizer: {nesterov: {lr: 0.01, momentum: 0.9, form: look_ahead}}\nepochs: 10\n",
    sources=("Nesterov 1983, A method of solving a convex programming problem with convergence rate O(1/k^2)",
             "Bengio, Boulanger-Lewandowski & Pascanu 2013, Advances in optimizing recurrent networks"),
    measure=by_seed(_measure),
    bounds=(Bound("from the look-ahead points", high=1e-12), Bound("from the plain points", 0.01),
            Bound("from the four lines", 0.01)),
    seeds=3,
    say=_say,
    draw=_picture,
)  # fmt: skip
