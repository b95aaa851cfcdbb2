"""Units that are dead on all rows: leaky ReLU brings them back, ELU hardly, ReLU never."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import accuracy_of, drawn_digits, recipe, trained_over_epochs
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

KINDS = {"ReLU": "relu", "leaky ReLU": "leaky_relu", "ELU": "elu"}
BIAS, EPOCHS = -30.0, (0, 1, 2, 5, 10, 15, 20, 25, 30)


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracies of 64-100-10 over thirty epochs of Adam, all hidden units dead at first."""
    arms = [
        recipe((100,), init={"he": {"bias": BIAS}}, optimizer={"adam": {"lr": 0.01}}, network={"activation": kind})
        for kind in KINDS.values()
    ]
    seen = [
        [[accuracy_of(one) for one in arm] for arm in networks]
        for networks in trained_over_epochs(arms, drawn_digits(seeds), EPOCHS)
    ]  # (times, kinds, seeds)
    by_kind = dict(zip(KINDS, np.transpose(seen, (1, 2, 0)), strict=True))
    return {f"{name} over epochs": values for name, values in by_kind.items()} | {
        name: values[:, -1] for name, values in by_kind.items()
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"With hidden biases of {BIAS:.0f} no unit is active on any row. After {EPOCHS[-1]} epochs ReLU is at an "
        f"accuracy of {means['ReLU']:.2f}, as at first; leaky ReLU has come back, to {means['leaky ReLU']:.3f}; ELU, "
        f"whose slope there is e^-30, is at {means['ELU']:.2f}: it saturates too."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracies over the epochs."""
    return curve_picture(
        EPOCHS, {name: found[f"{name} over epochs"] for name in KINDS}, "epoch", "accuracy on other rows"
    )


STUDY = ClaimStudy(
    name="leaky-revives",
    claims=("C19",),
    told="leaky ReLU, PReLU and ELU cure dead units",
    verdict=f"{CONDITION}there is a slope where the units stand: leaky ReLU has one everywhere, ELU saturates",
    formula="for z < 0:   relu' = 0,   leaky_relu' = slope,   elu' = alpha e^z",
    done="64-100-10 with He's weights and biases of -30, thirty epochs of Adam at 0.01 on 1,000 digits.",
    follows="Where `tenfold diagnose` names dead units, lower the rate or take `leaky_relu`; `elu` helps units that "
    "have not gone far.",
    rules=("leaky_relu", "elu", "relu"),
    recipe="network: {hidden: [100], activation: leaky_relu}\n"
    "init: {he: {bias: -30.0}}\n"
    "optimizer: {adam: {lr: 0.01}}\n"
    "batch_size: 50\n"
    "epochs: 30\n",
    sources=("Maas, Hannun & Ng 2013, Rectifier nonlinearities improve neural network acoustic models",
             "Clevert, Unterthiner & Hochreiter 2016, Fast and accurate deep network learning by ELUs"),
    measure=_measure,
    bounds=(Bound("ReLU", high=0.2), Bound("leaky ReLU", 0.9), Bound("ELU", high=0.7)),
    say=_say,
    draw=_picture,
)  # fmt: skip
