"""Whether batch normalization makes dropout superfluous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe, sgd
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
KINDS: dict[str, dict[str, Any]] = {
    "neither": {},
    "batch norm": {"normalization": "batch"},
    "dropout 0.5": {"dropout": 0.5},
    "both": {"normalization": "batch", "dropout": 0.5},
}
LABELS = {"right labels": 0.0, "a fifth wrong": 0.2}


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy of the four at their best rates, with right labels and with a fifth wrong."""
    arms = {
        name: [recipe(network=network, epochs=40, **change) for change in sgd(*RATES)]
        for name, network in KINDS.items()
    }
    found: dict[str, Any] = {}
    for labels, noise in LABELS.items():
        scores = compete(arms, drawn_digits(seeds, 300, noise=noise))
        found |= {f"{name}, {labels}": arm.best for name, arm in scores.items()}
        found[f"gain by batch norm, {labels}"] = found[f"batch norm, {labels}"] - found[f"neither, {labels}"]
        found[f"dropout over batch norm, {labels}"] = found[f"dropout 0.5, {labels}"] - found[f"batch norm, {labels}"]
        found[f"at the border, {labels}"] = np.full(len(seeds), sum(arm.border for arm in scores.values()))
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    noisy = {name: means[f"{name}, a fifth wrong"] for name in KINDS}
    return (
        f"Where a fifth of 300 training labels is wrong, accuracy is {noisy['neither']:.3f} with neither, "
        f"{noisy['batch norm']:.3f} with batch normalization, {noisy['dropout 0.5']:.3f} with dropout and "
        f"{noisy['both']:.3f} with both, each at its best rate. With right labels batch normalization changes it by "
        f"{means['gain by batch norm, right labels']:+.3f}: its noise is too weak to keep a network from learning "
        "what is wrong."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracies."""
    return bars(
        {f"{name}, {labels}": found[f"{name}, {labels}"] for labels in LABELS for name in KINDS},
        "accuracy on other rows",
    )


STUDY = ClaimStudy(
    name="dropout-spared",
    claims=("C47", "C48", "E24"),
    told="batch normalization regularizes, so dropout can be left out",
    verdict=FAILS,
    formula="a row's output depends on the others of its batch through mean and variance: noise of relative size about "
    "1 / sqrt(batch);   dropout's noise has relative variance rate / (1 - rate)",
    done="64-100-100-10 ReLU networks on 300 digits, 40 epochs of plain SGD, batches of 50, each of the four at the "
    "best of six rates; labels right, or a fifth of the training labels replaced by others.",
    follows="Where labels may be wrong try dropout, with or without batch normalization, and put it behind the "
    "normalization.",
    rules=("dropout", "batch_norm"),
    recipe="network: {hidden: [100, 100], normalization: batch, dropout: 0.5}\noptimizer: {sgd: {lr: "
    "0.1}}\nbatch_size: 50\nepochs: 40\n",
    sources=("Luo, Wang, Shao & Peng 2019, Towards understanding regularization in batch normalization",
             "Li, Chen, Hu & Yang 2019, Understanding the disharmony between dropout and batch normalization by "
             "variance shift"),
    measure=_measure,
    bounds=(
        Bound("dropout over batch norm, a fifth wrong", 0.01, clear=True),
        Bound("gain by batch norm, a fifth wrong", high=0.02), Bound("gain by batch norm, right labels", -0.02, 0.02),
        Bound("at the border, a fifth wrong", 0, 0), Bound("at the border, right labels", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
