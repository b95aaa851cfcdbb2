"""A convex problem on which Adam goes to the worst point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import Adam, AMSGrad
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

UPDATES, SEEN = 20_000, 250  # every SEEN-th point is drawn
RULES = {"Adam": Adam(beta2=0.99), "AMSGrad": AMSGrad(beta2=0.99)}


def _gradient(w: Tensor, t: int) -> Tensor:
    """1010 at every 101st update, else -10; points outside [-1, 1] are put back."""
    w.clamp_(-1, 1)
    return torch.full_like(w, 1010.0 if t % 101 == 1 else -10.0)


def _measure(seeds: Sequence[int]) -> Measured:
    """Where both end from a drawn start; a parameter for each seed."""
    start = torch.tensor([np.random.default_rng(seed).uniform(-1, 1) for seed in seeds]).double()
    rates = 0.5 / np.sqrt(np.arange(1.0, UPDATES + 1))
    found = {}
    for name, rule in RULES.items():
        path = descend([rule], _gradient, rates, start)[:, 0].clamp(-1, 1).numpy()
        found |= {f"{name} ends at": path[-1], f"path of {name}": path[SEEN - 1 :: SEEN].T}
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"On [-1, 1], with a gradient of 1010 at every 101st update and of -10 at all others, the best point is -1: "
        f"after {UPDATES:,} updates Adam is at {means['Adam ends at']:.3f}, the worst. AMSGrad, which divides by the "
        f"largest second moment so far and so never forgets the rare large gradient, is at "
        f"{means['AMSGrad ends at']:.3f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Both paths."""
    curves = {name: found[f"path of {name}"] for name in RULES}
    return curve_picture(np.arange(SEEN, UPDATES + 1, SEEN), curves, "update", "w, the best being -1")


STUDY = ClaimStudy(
    name="adam-converges",
    claims=("C57",),
    told="Adam converges on convex problems",
    verdict=FAILS,
    formula="f_t(w) = 1010 w for t = 1, 102, 203, ..., else -10 w, on [-1, 1]:   the sum is smallest at w = -1;\n"
    "AMSGrad: u <- max(u, v);  w <- w - lr m / (sqrt(u) + eps)",
    done="20,000 updates from drawn starts, rate 0.5 / sqrt(t), beta2 0.99, points kept in [-1, 1].",
    follows="In practice Adam with a decayed rate is fine; where rare large gradients carry what is to be learnt, or "
    "the loss climbs again late, try `amsgrad`.",
    rules=("amsgrad", "adam"),
    recipe="network: {hidden: [100]}\noptimizer: {amsgrad: {lr: 0.001}}\nepochs: 10\n",
    sources=("Reddi, Kale & Kumar 2018, On the convergence of Adam and beyond",),
    measure=_measure,
    bounds=(Bound("Adam ends at", 0.9), Bound("AMSGrad ends at", high=-0.5)),
    say=_say,
    draw=_picture,
)  # fmt: skip
