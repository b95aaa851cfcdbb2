"""Dropout against wrong labels, by its rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe, sgd
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
DROPPED = (0.0, 0.2, 0.5, 0.7)
LABELS = {"right labels": 0.0, "a fifth wrong": 0.2}


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy by dropout rate, each at its best learning rate."""
    arms = {
        f"{share:g}": [recipe(network={"dropout": share}, epochs=40, **change) for change in sgd(*RATES)]
        for share in DROPPED
    }
    found: dict[str, Any] = {}
    for labels, noise in LABELS.items():
        scores = compete(arms, drawn_digits(seeds, 300, noise=noise))
        found[f"by rate, {labels}"] = np.stack([arm.best for arm in scores.values()], 1)
        found |= {f"dropout {share}, {labels}": arm.best for share, arm in scores.items()}
        found[f"gain, {labels}"] = scores["0.5"].best - scores["0"].best
        found[f"at the border, {labels}"] = np.full(len(seeds), sum(arm.border for arm in scores.values()))
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        "Where a fifth of the training labels is wrong, dropout 0.5 raises accuracy from "
        f"{means['dropout 0, a fifth wrong']:.3f} to {means['dropout 0.5, a fifth wrong']:.3f}. Where all are right "
        f"it changes it by {means['gain, right labels']:+.3f} on 300 digits: regularization helps as much as there "
        "is to be kept from learning."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by dropout rate."""
    curves = {labels: found[f"by rate, {labels}"] for labels in LABELS}
    return curve_picture(np.array(DROPPED), curves, "dropout rate", "accuracy on other rows")


STUDY = ClaimStudy(
    name="against-wrong-labels",
    claims=("C67",),
    told="dropout regularizes",
    verdict=HOLDS,
    formula="for a linear model with squared error dropout is a penalty:   E_m|y - (m x) w / (1 - r)|^2 = |y - x "
    "w|^2 + r / (1 - r) sum_j x_j^2 w_j^2",
    done="64-100-100-10 ReLU networks with four dropout rates on 300 digits, right or with a fifth of the labels "
    "replaced, 40 epochs of SGD, each at the best of six learning rates.",
    follows="Let a search choose the rate from 0 to 0.5: what it is worth depends on how much is wrong in the labels "
    "and how few rows there are.",
    rules=("dropout",),
    recipe="network: {hidden: [100, 100], dropout: 0.5}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 40\n",
    sources=("Srivastava et al. 2014, Dropout",
             "Wager, Wang & Liang 2013, Dropout training as adaptive regularization"),
    measure=_measure,
    bounds=(
        Bound("gain, a fifth wrong", 0.015, clear=True), Bound("gain, right labels", -0.02, 0.03),
        Bound("at the border, a fifth wrong", 0, 0), Bound("at the border, right labels", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
