"""RMSProp's step does not die; its first one is too long, and where eps stands decides for small gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.rules.optimizers import RMSProp
from tenfold.studies.parts.descent import steps
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

UPDATES, RHO, TINY = 3000, 0.99, 1e-6
EPS = {"outside": (1e-7, False), "inside": (1e-7, True), "1e7": (1e7, False)}


def _measure(seed: int) -> dict[str, Any]:
    """Steps under a constant gradient of drawn size, and the settled step under one of 1e-6."""
    size = float(10 ** np.random.default_rng(seed).uniform(-2, 2))
    plain, corrected = (steps(RMSProp(rho=RHO, bias_correction=on), size, UPDATES) for on in (False, True))
    tiny = {f"step for a gradient of 1e-6, eps {name}": steps(RMSProp(rho=0.9, eps=eps, eps_inside=inside), TINY)[-1]
            for name, (eps, inside) in EPS.items()}  # fmt: skip
    return {"first step": plain[0], "settled step": plain[-1], "first step, corrected": corrected[0],
            "plain": plain[:600], "corrected": corrected[:600]} | tiny  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    tiny = {name: means[f"step for a gradient of 1e-6, eps {name}"] for name in EPS}
    return (
        f"Under a constant gradient RMSProp's step settles at {means['settled step']:.3f} rates and never dies, but "
        f"with rho 0.99 its first is {means['first step']:.1f} rates long ({means['first step, corrected']:.2f} with "
        f"bias correction). For a gradient of 1e-6 an eps of 1e-7 leaves {tiny['outside']:.2f} of the rate when it "
        f"stands outside the root and {tiny['inside']:.4f} inside; the 1e7 that is sometimes printed leaves "
        f"{tiny['1e7']:.0e}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Steps over updates, plain and corrected."""
    curves = {"as usual": found["plain"].mean(0), "with bias correction": found["corrected"].mean(0)}
    return curve_picture(np.arange(1, 601), curves, "update", "step under a constant gradient, in rates", log="xy")


STUDY = ClaimStudy(
    name="rmsprop-first-step",
    claims=("C54", "E29", "E30"),
    told="RMSProp cures Adagrad's dying rate by a decaying part and a leaking part, with an eps of 1e-7 or 1e7",
    verdict=f"{CONDITION}its first steps, 1 / sqrt(1 - rho) rates long, do no harm; eps is small, and its place "
    "matters",
    formula="v <- r v + (1 - r) g^2;  w <- w - lr g / (sqrt(v) + eps):   first step lr / sqrt(1 - r), then lr;\n"
    "the whole of v leaks, g^2 enters with the rest",
    done="3,000 updates with rho 0.99 under a constant gradient of drawn size, with and without bias correction; 400 "
    "updates under a gradient of 1e-6 with three choices of eps.",
    follows="Turn on `bias_correction`, or warm the rate up. When you move code between libraries, look where eps "
    "stands: torch has it outside, Keras and optax inside.",
    rules=("rmsprop",),
    recipe="network: {hidden: [64]}\noptimizer: {rmsprop: {lr: 0.001, rho: 0.99, bias_correction: true}}\nepochs: 10\n",
    sources=("Tieleman & Hinton 2012, Lecture 6.5 - RMSProp, Neural networks for machine learning",),
    measure=by_seed(_measure),
    bounds=(
        Bound("first step", 9.9, 10.1), Bound("settled step", 0.99, 1.01), Bound("first step, corrected", 0.99, 1.01),
        Bound("step for a gradient of 1e-6, eps outside", 0.9, 0.92),
        Bound("step for a gradient of 1e-6, eps inside", 0.003, 0.0033),
        Bound("step for a gradient of 1e-6, eps 1e7", high=1e-10),
    ),
    seeds=3,
    say=_say,
    draw=_picture,
)  # fmt: skip
