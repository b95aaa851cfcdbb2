"""1/t is the best decay there is on noise; an exponential one that is too fast freezes before it arrives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.rules.schedules import Exponential, InverseTime
from tenfold.studies.parts.descent import noisy_quadratic
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

UPDATES, COPIES, START, RATE = 2000, 1000, 5.0, 0.1
SPEEDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # of the exponential decay, per update


def _measure(seed: int) -> dict[str, Any]:
    """T E x^2 for 1 / (1 + t), and E x^2 behind exponential decays of several speeds, from 5."""
    u = np.arange(float(UPDATES))
    inverse = noisy_quadratic(
        InverseTime(k=1.0, time="updates").factor(u, 1, UPDATES), copies=COPIES, seed=seed
    )  # fmt: skip
    ends = [
        noisy_quadratic(
            RATE * Exponential(k=k, time="updates").factor(u, 1, UPDATES), start=START, copies=COPIES, seed=seed
        )
        for k in SPEEDS
    ]  # fmt: skip
    far = START * np.exp(-RATE / 0.05)
    return {"T E[x^2] of 1 / (1 + t)": inverse * UPDATES, "E[x^2] of exp(-0.05 t)": ends[4], "ends": np.array(ends),
            "E[x^2] of exp(-0.005 t)": ends[1], "frozen distance, in theory": far}  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"With lr = 1 / (1 + t) the error times the number of updates is {means['T E[x^2] of 1 / (1 + t)']:.2f} times "
        f"the noise's variance, and no method does better than 1. From x = {START:.0f}, 0.1 exp(-0.05 t) ends at "
        f"E[x^2] = {means['E[x^2] of exp(-0.05 t)']:.2f}, ten times slower at {means['E[x^2] of exp(-0.005 t)']:.4f}: "
        f"all its steps together are 0.1 / 0.05 = 2, which brings x to {means['frozen distance, in theory']:.2f} and "
        "no nearer."
    )


def _picture(found: Measured) -> StudyPicture:
    """Ends of the exponential decays over their speed."""
    return curve_picture(
        SPEEDS, {"exponential": found["ends"]}, "k, per update", "E[x^2] at the end, from x = 5", log="xy"
    )


STUDY = ClaimStudy(
    name="decay-that-freezes",
    claims=("C60", "E33"),
    told="whether the rate decays exponentially or as 1 / t is a matter of taste",
    verdict=FAILS,
    formula="lr exp(-k t) adds up to lr / k over all time, and x to exp(-h lr / k) of its start at best;\n"
    "lr / (1 + k t) adds up to infinity, its squares do not",
    done="1,000 copies of x^2 / 2 with normal noise in the gradient, 2,000 updates: 1 / (1 + t) from the minimum, and "
    "0.1 exp(-k t) from 5 for six k.",
    follows="With an exponential decay see that lr / k is long enough, and mind its unit: `time: epochs` or `updates`. "
    "Cosine and linear decays know the length of the training instead.",
    rules=("inverse_time", "exponential"),
    recipe="network: {hidden: [64]}\noptimizer: {sgd: {lr: 0.1}}\ndecay: {exponential: {k: 0.05, time: updates}}\n"
    "epochs: 20\n",
    sources=("Robbins & Monro 1951, A stochastic approximation method",),
    measure=by_seed(_measure),
    bounds=(Bound("T E[x^2] of 1 / (1 + t)", 0.85, 1.15), Bound("E[x^2] of exp(-0.05 t)", 0.3),
            Bound("E[x^2] of exp(-0.005 t)", high=0.05)),
    say=_say,
    draw=_picture,
)  # fmt: skip
