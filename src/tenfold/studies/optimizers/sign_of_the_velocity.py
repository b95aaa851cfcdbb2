"""Momentum's velocity grows while gradients agree, and then it has the sign opposite to theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import Momentum
from tenfold.rules.record import preset
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

UPDATES, MOMENTUM = 200, 0.9


def _measure(seed: int) -> dict[str, Any]:
    """The velocity, in units of the rate times the gradient's size, under a gradient of drawn size: constant, and with
    a sign that changes at every update."""
    size = float(np.random.default_rng(seed).uniform(0.1, 10))
    rule = preset(Momentum, "lecture", momentum=MOMENTUM)

    def velocity(gradient: Callable[[Tensor, int], Tensor]) -> np.ndarray:
        path = descend([rule], gradient, np.ones(UPDATES), torch.zeros(1).double())
        return np.diff(path[:, 0, 0].numpy(), prepend=0.0) / size

    agreeing = velocity(lambda w, t: torch.full_like(w, size))
    changing = velocity(lambda w, t: torch.full_like(w, -size if t % 2 else size))
    return {
        "v, gradients agree": agreeing[-1], "largest |v|, gradients change sign": np.abs(changing).max(),
        "updates in which v and the gradient have one sign": int((agreeing > 0).sum()),
        "agreeing": agreeing[:60], "changing": changing[:60],
    }  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Under a gradient that stays +1 the velocity v = {MOMENTUM} v - lr g goes to "
        f"{means['v, gradients agree']:.2f} lr: ten times a plain step, and of the opposite sign in every one of "
        f"{UPDATES} updates. It grows when successive gradients agree; when they change sign each time it never "
        f"exceeds {means['largest |v|, gradients change sign']:.2f} lr."
    )


def _picture(found: Measured) -> StudyPicture:
    """Both velocities."""
    curves = {"the gradient stays +1": found["agreeing"].mean(0),
              "the gradient changes sign": found["changing"].mean(0)}  # fmt: skip
    return curve_picture(np.arange(1, 61), curves, "update", "velocity, in units of the rate")


STUDY = ClaimStudy(
    name="sign-of-the-velocity",
    claims=("C51", "E26"),
    told="the velocity of momentum accumulates when v and the gradient have the same sign",
    verdict=FAILS,
    formula="v <- m v - lr g;  w <- w + v:   a constant g gives v -> -lr g / (1 - m)",
    done="The velocity of the lecture summary's momentum of 0.9 under a constant gradient of drawn size, and under one "
    "whose sign changes at every update.",
    follows="At the same rate momentum of 0.9 steps ten times as far as plain SGD: come from SGD with a tenth of its "
    "rate.",
    rules=("momentum",),
    recipe="network: {hidden: [64]}\noptimizer: {momentum: {lr: 0.01, momentum: 0.9, rate_inside: true}}\nepochs: 10\n",
    sources=("Sutskever, Martens, Dahl & Hinton 2013, On the importance of initialization and momentum",),
    measure=by_seed(_measure),
    bounds=(Bound("v, gradients agree", -10.001, -9.999), Bound("largest |v|, gradients change sign", high=1.001),
            Bound("updates in which v and the gradient have one sign", 0, 0)),
    seeds=3,
    say=_say,
    draw=_picture,
)  # fmt: skip
