"""Methods whose steps do not shrink with the gradient leave saddles faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import SGD, Adam, Momentum, RMSProp
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, surface_paths
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

RULES: dict[str, Any] = {"RMSProp": RMSProp(), "Adam": Adam(), "momentum": Momentum(), "SGD": SGD()}
RATE, UPDATES, AWAY = 0.01, 900, 0.5
SIGNS = torch.tensor([1.0, -1.0], dtype=torch.float64)


def _measure(seeds: Sequence[int]) -> Measured:
    """Updates until y, which starts within a millionth of the saddle, is 0.5 away; a parameter for each seed."""
    start = torch.tensor([1e-6 * np.random.default_rng(seed).uniform(0.5, 2) for seed in seeds]).double()
    found = {}
    for name, rule in RULES.items():
        path = descend([rule], lambda w, t: -2 * w, np.full(UPDATES, RATE), start)[:, 0]
        found[name] = (path.abs() < AWAY).sum(0).numpy().astype(float)
    return found | {"SGD over RMSProp": found["SGD"] / found["RMSProp"], "SGD over Adam": found["SGD"] / found["Adam"],
                    "SGD over momentum": found["SGD"] / found["momentum"]}  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    counts = ", ".join(f"{name} {means[name]:.0f}" for name in RULES)
    return (
        f"From a millionth beside the saddle of x^2 - y^2, at a rate of {RATE}, the updates until y is {AWAY} away: "
        f"{counts}. Along y the gradient is tiny, and so are plain steps; RMSProp and Adam divide by its size, which "
        f"makes them {means['SGD over RMSProp']:.0f} and {means['SGD over Adam']:.0f} times faster."
    )


def _picture(found: Measured) -> StudyPicture:
    """Sixty updates beside the saddle, side by side."""
    start = torch.tensor([-0.9, 0.003]).double()

    def gradient(w: Tensor, t: int) -> Tensor:
        return 2 * w * SIGNS

    paths = {}
    for name, rule in RULES.items():
        path = descend([rule], gradient, np.full(90, RATE), start)[:, 0]
        paths[name] = torch.cat([start[None], path[path[:, 1].abs() < 1.2]]).numpy()
    return surface_paths(lambda x, y: x**2 - y**2, (-1.1, 1.1), (-1.0, 1.0), paths)


STUDY = ClaimStudy(
    name="leaving-saddles",
    claims=("C58",),
    told="methods with a rate for each parameter leave saddle points faster than SGD",
    verdict=HOLDS,
    formula="f(x, y) = x^2 - y^2:   SGD multiplies y by 1 + 2 lr; Adam and RMSProp step about lr, however small y is",
    done="Updates at a rate of 0.01 from y between 0.5 and 2 millionths beside the saddle, without noise. The figure "
    "has 90 updates from y = 0.003.",
    follows="Noise of batches moves SGD off saddles too; where training seems to stand still at a high loss, `adam` or "
    "momentum gets on, or a start that is not so near to symmetry.",
    rules=("rmsprop", "adam", "momentum", "sgd"),
    recipe="network: {hidden: [100, 100]}\ninit: {normal: 0.01}\noptimizer: {adam: {lr: 0.001}}\nepochs: 10\n",
    sources=("Dauphin et al. 2014, Identifying and attacking the saddle point problem", "Stanford CS231n, notes on "
             "parameter updates"),
    measure=_measure,
    bounds=(Bound("SGD over RMSProp", 50), Bound("SGD over Adam", 8), Bound("SGD over momentum", 3)),
    say=_say,
    draw=_picture,
)  # fmt: skip
