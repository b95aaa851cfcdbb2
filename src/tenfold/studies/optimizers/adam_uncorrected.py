"""Adam without bias correction: first steps that are several times too long, and a lower best rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.rules.optimizers import Adam
from tenfold.studies.parts.descent import steps
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

RATES = tuple(float(f"{10 ** (k / 2):.3g}") for k in range(-8, -1))
HIGH = RATES[5]  # 0.0316


def _measure(seeds: Sequence[int]) -> Measured:
    """Steps under a constant gradient, and 64-100-100-10 behind two epochs on digits, with and without."""
    raw, corrected = (steps(Adam(bias_correction=on), updates=4000) for on in (False, True))
    arms = {
        name: [recipe(epochs=2, optimizer={"adam": {"lr": rate, "bias_correction": on}}) for rate in RATES]
        for name, on in (("corrected", True), ("uncorrected", False))
    }
    found = compete(arms, drawn_digits(seeds))
    once = {
        "first step": raw[0], "largest step": raw.max(), "largest at update": raw.argmax() + 1,
        "first step, corrected": corrected[0],
        "updates until within 5 %": np.flatnonzero(np.abs(raw - 1) > 0.05)[-1] + 1,
    }  # fmt: skip
    numbers = {name: np.full(len(seeds), float(value)) for name, value in once.items()}
    for name, arm in found.items():
        numbers |= {f"{name} by rate": arm.scores.T, f"best, {name}": arm.best,
                    f"at {HIGH}, {name}": arm.at(HIGH),
                    f"best rate of {name} is inside the grid": np.full(len(seeds), float(not arm.border))}  # fmt: skip
    numbers[f"gain at {HIGH}"] = found["corrected"].at(HIGH) - found["uncorrected"].at(HIGH)
    numbers["gain at the best rates"] = found["corrected"].best - found["uncorrected"].best
    return numbers


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Under a constant gradient uncorrected Adam's first step is {means['first step']:.2f} rates long, its "
        f"largest {means['largest step']:.2f} at update {means['largest at update']:.0f}, and it is within 5 % of the "
        f"rate only after {means['updates until within 5 %']:.0f} updates; corrected, every step is one rate. After "
        f"two epochs of digits a rate of {HIGH} gives {means[f'at {HIGH}, corrected']:.3f} with the correction and "
        f"{means[f'at {HIGH}, uncorrected']:.3f} without, but each at its best rate {means['best, corrected']:.3f} "
        f"and {means['best, uncorrected']:.3f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy over rates."""
    curves = {name: found[f"{name} by rate"] for name in ("corrected", "uncorrected")}
    return curve_picture(RATES, curves, "learning rate", "accuracy after two epochs", log="x")


STUDY = ClaimStudy(
    name="adam-uncorrected",
    claims=("C55", "E31"),
    told="Adam is momentum and RMSProp together, without more",
    verdict=f"{CONDITION}the rate is lower: the correction of both means shortens the first steps",
    formula="m / (1 - b1^t) over sqrt(v / (1 - b2^t)):   uncorrected, a constant g steps lr (1 - b1^t) / sqrt(1 - "
    "b2^t)",
    done="4,000 updates under a constant gradient; and 64-100-100-10 with He's weights on 1,000 digits for two epochs "
    "of 20 batches, at seven rates with and without correction.",
    follows="Leave `bias_correction` on, or warm the rate up. An Adam without correction that is copied from a summary "
    "wants a rate several times lower.",
    rules=("adam",),
    recipe="network: {hidden: [100, 100]}\n"
    "optimizer: {adam: {lr: 0.03, bias_correction: false}}\n"
    "batch_size: 50\n"
    "epochs: 2\n",
    sources=("Kingma & Ba 2015, Adam: a method for stochastic optimization, section 3",),
    measure=_measure,
    bounds=(
        Bound("first step", 3.159, 3.166), Bound("largest step", 6.56, 6.58), Bound("largest at update", 12, 12),
        Bound("first step, corrected", 0.999, 1.001), Bound(f"gain at {HIGH}", 0.05, clear=True),
        Bound("gain at the best rates", -0.02, 0.02),
        Bound("best rate of corrected is inside the grid", 1), Bound("best rate of uncorrected is inside the grid", 1),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
