"""Whitening makes gradient descent fast, and hurts what is learned from few rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from tenfold.data.feed.moments import column_moments
from tenfold.rules.preprocessing import Center, WhitenZCA, apply_affine
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.softmax import updates_to
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe, sgd
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

SIZES = {50: (60, 25), 150: (30, 50), 1000: (5, 50)}  # rows: epochs, batch
RATES = 10.0 ** np.arange(-3.5, 1.5, 0.5)
KINDS: dict[str, Any] = {"centred": "center", "ZCA 1e-8": {"whiten_zca": 1e-8}, "ZCA 1e-2": {"whiten_zca": 1e-2}}
DESCENT = 10 ** np.arange(-0.5, 2.6, 0.25)


def _updates(seed: int) -> dict[str, float]:
    """Of gradient descent on 300 digits to a loss of 0.1, at the best rate."""
    data: Any = load_digits()
    rows = np.random.default_rng(seed).permutation(len(data.data))[:300]
    x, y = data.data[rows] / 16, data.target[rows]
    moments = column_moments(x, scatter=True)
    rules = {"centred": Center(), "ZCA": WhitenZCA(epsilon=1e-2)}
    return {
        f"updates, {name}": float(updates_to(0.1, apply_affine(rule.fit(moments), x), y, DESCENT, 60).min())
        for name, rule in rules.items()
    }


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy from 50, 150 and 1,000 digits, each way at its best rate, and updates of gradient descent."""
    found: dict[str, Any] = {}
    border = 0
    for size, (epochs, batch) in SIZES.items():
        arms = {
            name: [recipe((100,), preprocess=rule, epochs=epochs, batch_size=batch, **change) for change in sgd(*RATES)]
            for name, rule in KINDS.items()
        }
        for name, arm in compete(arms, drawn_digits(seeds, size)).items():
            found[f"{size} rows, {name}"] = arm.best
            border += arm.border
    updates = [_updates(seed) for seed in seeds]
    found |= {name: np.array([row[name] for row in updates]) for name in updates[0]}
    found["lost at 50 rows, 1e-8"] = found["50 rows, centred"] - found["50 rows, ZCA 1e-8"]
    found["lost at 50 rows, 1e-2"] = found["50 rows, centred"] - found["50 rows, ZCA 1e-2"]
    found["lost at 1000 rows, 1e-2"] = found["1000 rows, centred"] - found["1000 rows, ZCA 1e-2"]
    found["arms whose best rate is at the border"] = np.full(len(seeds), border)
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    few, many = ([means[f"{size} rows, {name}"] for name in KINDS] for size in (50, 1000))
    return (
        f"From 50 digits a network has an accuracy of {few[0]:.2f} centred, and whitened {few[1]:.2f} (epsilon 1e-8) "
        f"and {few[2]:.2f} (1e-2); from 1,000 it is {many[0]:.3f}, {many[1]:.3f} and {many[2]:.3f}. Gradient descent "
        f"takes {means['updates, ZCA']:.1f} updates to a training loss of 0.1 whitened, "
        f"{means['updates, centred']:.1f} centred: whitening is fast on what it has seen, since it makes noise as "
        "large as signal."
    )


def _picture(found: Measured) -> StudyPicture:
    """By the number of rows."""
    curves = {name: np.stack([found[f"{size} rows, {name}"] for size in SIZES], 1) for name in KINDS}
    return curve_picture(np.array(list(SIZES)), curves, "training rows", "accuracy, each at its best rate", log="x")


STUDY = ClaimStudy(
    name="whitening-and-few-rows",
    claims=("C28", "E12"),
    told="whitening removes redundancy, which helps",
    verdict=FAILS,
    formula="z = (x - mean) U (S + epsilon)^(-1/2) U^T:   directions of little variance, mostly noise, count as much "
    "as all others; with n <= d rows X X^T becomes a multiple of I, and no row resembles another",
    done="64-100-10 networks on 50, 150 and 1,000 digits, centred and whitened by ZCA with two epsilons, each at the "
    "best of ten rates; and full-batch softmax regression on 300 of them. Not measured here is the other claim, that "
    "whitening is not used for images: fast trainers of CIFAR-10 begin with a fixed layer that whitens patches, where "
    "rows are many and directions few.",
    follows="Leave dense whitening alone where rows are not many times the columns; `standardize` and an optimizer "
    "with a rate a parameter give most of the speed. If you whiten, take an epsilon as large as the noise's variance.",
    rules=("whiten_zca", "center"),
    recipe="preprocess: {whiten_zca: 0.01}\nnetwork: {hidden: [100]}\noptimizer: {sgd: {lr: 0.1}}\nepochs: 20\n",
    sources=("Wadia, Duckworth, Schoenholz, Dyer & Sohl-Dickstein 2021, Whitening and second order optimization both "
             "make information in the dataset unusable during training",
             "Jordan 2024, 94% on CIFAR-10 in 3.29 seconds on a single GPU (whitening of patches)"),
    measure=_measure,
    bounds=(
        Bound("lost at 50 rows, 1e-8", 0.2, clear=True), Bound("lost at 50 rows, 1e-2", 0.1, clear=True),
        Bound("lost at 1000 rows, 1e-2", -0.02, 0.02), Bound("updates, ZCA", 1, 5), Bound("updates, centred", 3, 20),
        Bound("arms whose best rate is at the border", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
