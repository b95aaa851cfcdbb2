"""The range of rates that train, with and without batch normalization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import drawn_digits, recipe, sgd, train_together
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
KINDS = {"without": "none", "with batch norm": "batch"}
GOOD = 0.9  # accuracy that counts as trained


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy by rate for both; the decades over which it is at least 0.9."""
    recipes = [
        recipe((100,) * 4, network={"normalization": one}, **change) for one in KINDS.values() for change in sgd(*RATES)
    ]
    scores = train_together(recipes, drawn_digits(seeds)).last.reshape(len(KINDS), len(RATES), -1)
    found: dict[str, Any] = {}
    for name, by_rate in zip(KINDS, scores, strict=True):
        found[f"by rate, {name}"] = by_rate.T
        found[f"rates that train, {name}"] = (by_rate >= GOOD).sum(0)
        found |= {f"at {rate:g}, {name}": by_rate[RATES.index(rate)] for rate in (0.01, 1.0)}
        found[f"best, {name}"] = by_rate[by_rate.mean(1).argmax()]
    found["gain at 0.01"] = found["at 0.01, with batch norm"] - found["at 0.01, without"]
    found["gain of the best"] = found["best, with batch norm"] - found["best, without"]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    count = {name: means[f"rates that train, {name}"] for name in KINDS}
    return (
        f"At a rate of 1 accuracy is {means['at 1, without']:.2f} without batch normalization and "
        f"{means['at 1, with batch norm']:.2f} with it, and {count['with batch norm']:.1f} of nine rates from 0.003 "
        f"to 30 reach 0.9 on average, {count['without']:.1f} without it. At a low rate of 0.01 it is worse "
        f"({means['at 0.01, with batch norm']:.2f}, {means['at 0.01, without']:.2f} without), and at the best rate of "
        f"each nearly the same ({means['best, with batch norm']:.3f} and {means['best, without']:.3f})."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by rate."""
    curves = {name: found[f"by rate, {name}"] for name in KINDS}
    return curve_picture(np.array(RATES), curves, "learning rate", "accuracy on other rows", log="x")


STUDY = ClaimStudy(
    name="higher-rates",
    claims=("C45",),
    told="batch normalization permits higher learning rates",
    verdict=HOLDS,
    formula="BN(a W x) = BN(W x), and dBN(a W x)/dW = (1/a) dBN(W x)/dW:   weights that a step made larger take "
    "smaller steps",
    done="64-100-100-100-100-10 ReLU networks with He's weights, five epochs of plain SGD on 1,000 digits, batches "
    "of 50, at nine rates.",
    follows="Batch normalization is insurance against a rate that is too high, not a way to better results: it "
    "forgives a search that tries few rates. With a rate that was searched for, a shallow network does not need it.",
    rules=("batch_norm", "sgd"),
    recipe="network: {hidden: [100, 100, 100, 100], normalization: batch}\noptimizer: {sgd: {lr: 1.0}}\nbatch_size: "
    "50\nepochs: 5\n",
    sources=("Ioffe & Szegedy 2015, Batch normalization, section 3.3",
             "Bjorck, Gomes, Selman & Weinberger 2018, Understanding batch normalization"),
    measure=_measure,
    bounds=(
        Bound("at 1, without", high=0.6), Bound("at 1, with batch norm", 0.9), Bound("gain at 0.01", high=0.02),
        Bound("gain of the best", -0.01, 0.03),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
