"""Adagrad sums squares: neither momentum nor curvature, and its steps die as one over the root of t."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.rules.optimizers import Adagrad, RMSProp
from tenfold.studies.parts.descent import steps
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

UPDATES = 400


def _measure(seed: int) -> dict[str, Any]:
    """Steps under a constant gradient of drawn size, and the first step after its sign has changed."""
    size = float(10 ** np.random.default_rng(seed).uniform(-2, 2))
    step = steps(Adagrad(), size, UPDATES)
    return {
        "largest |step sqrt(t) - 1|": np.abs(step * np.sqrt(np.arange(1, UPDATES + 1)) - 1).max(),
        "last step": step[-1], "Adagrad": step, "RMSProp": steps(RMSProp(), size, UPDATES),
    }  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        "Under a constant gradient of any size Adagrad's step times sqrt(t) is the rate, to within "
        f"{means['largest |step sqrt(t) - 1|']:.0e} over {UPDATES} updates. What it keeps is the sum of squared "
        f"gradients, no momentum and no second derivative, and after {UPDATES} updates its step is down to "
        f"{means['last step']:.2f} of the first."
    )


def _picture(found: Measured) -> StudyPicture:
    """Steps over updates, of Adagrad and of RMSProp."""
    curves = {name: found[name].mean(0) for name in ("Adagrad", "RMSProp")}
    return curve_picture(np.arange(1, UPDATES + 1), curves, "update", "step under a constant gradient, in rates",
                         log="xy")  # fmt: skip


STUDY = ClaimStudy(
    name="adagrad-steps",
    claims=("C53", "E28"),
    told="what Adagrad keeps is a second-order momentum",
    verdict=FAILS,
    formula="v <- v + g^2;  w <- w - lr g / (sqrt(v) + eps):   a constant g gives the step lr / sqrt(t)",
    done="400 updates under a constant gradient whose size is drawn from 0.01 to 100.",
    follows="Adagrad decays by itself: give it a constant rate, and a larger one than Adam. Where training must go on "
    "for long, take `rmsprop` or `adam`, which forget.",
    rules=("adagrad", "rmsprop"),
    recipe="network: {hidden: [64]}\noptimizer: {adagrad: {lr: 0.05}}\nepochs: 20\n",
    sources=("Duchi, Hazan & Singer 2011, Adaptive subgradient methods for online learning",),
    measure=by_seed(_measure),
    bounds=(Bound("largest |step sqrt(t) - 1|", high=1e-6), Bound("last step", 0.0499, 0.0501)),
    seeds=3,
    say=_say,
    draw=_picture,
)  # fmt: skip
