"""The average of the weights against the last ones, by the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe, sgd
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

RATES = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5)
KINDS = {"last weights": 0.0, "their average": 0.99}


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy by rate of both."""
    arms = {
        name: [recipe((100,), batch_size=5, weight_average=decay, **change) for change in sgd(*RATES)]
        for name, decay in KINDS.items()
    }
    scores = compete(arms, drawn_digits(seeds))
    found: dict[str, Any] = {}
    for name, arm in scores.items():
        found[f"by rate, {name}"], found[f"at 0.5, {name}"], found[f"best, {name}"] = (
            arm.scores.T,
            arm.at(0.5),
            arm.best,
        )
        found[f"at the border, {name}"] = np.full(len(seeds), float(arm.border))
    for where in ("at 0.5", "best"):
        found[f"gain, {where}"] = found[f"{where}, their average"] - found[f"{where}, last weights"]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        "With batches of 5 and a rate of 0.5, which is too high for them, the average of the weights scores "
        f"{means['at 0.5, their average']:.3f} where the last weights score {means['at 0.5, last weights']:.3f}. "
        f"Each at its best rate, it is {means['best, their average']:.3f} and {means['best, last weights']:.3f}: "
        f"{100 * means['gain, best']:+.1f} points."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by rate."""
    curves = {name: found[f"by rate, {name}"] for name in KINDS}
    return curve_picture(np.array(RATES), curves, "learning rate, batches of 5", "accuracy on other rows", log="x")


STUDY = ClaimStudy(
    name="weight-averages",
    claims=("O7",),
    told="averaging the weights gives one or two percent",
    verdict=f"{CONDITION}the rate is too high for the batch, and then it gives far more; at the best rate, next to "
    "nothing",
    formula="a <- d a + (1 - d) w after every update;   prediction with a / (1 - d^t)",
    done="64-100-10 ReLU networks, five epochs of plain SGD in batches of 5 on 1,000 digits, at six rates, with the "
    "last weights and with their exponential average of decay 0.99.",
    follows="Where the rate cannot be searched or decayed, `weight_average: 0.99` makes up for a rate that is too "
    "high. A decay of the rate does the same: do not expect both to add up.",
    rules=("sgd",),
    recipe="network: {hidden: [100]}\noptimizer: {sgd: {lr: 0.5}}\nbatch_size: 5\nepochs: 5\nweight_average: 0.99\n",
    sources=("Polyak & Juditsky 1992, Acceleration of stochastic approximation by averaging",
             "Izmailov et al. 2018, Averaging weights leads to wider optima and better generalization"),
    measure=_measure,
    bounds=(
        Bound("gain, at 0.5", 0.05, clear=True), Bound("gain, best", -0.01, 0.015),
        Bound("at the border, last weights", 0, 0), Bound("at the border, their average", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
