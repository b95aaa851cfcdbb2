"""Dividing by the standard deviation: columns of unequal units, and pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_wine

from tenfold.data.split.folds import make_folds
from tenfold.data.split.request import Splits
from tenfold.studies.parts.pictures import CurvePanel, StudyPicture, curve_panels
from tenfold.studies.parts.trainings import DrawnRows, compete, drawn_digits, recipe, sgd
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

WINE, DIGITS = 10.0 ** np.arange(-6, 2), 10.0 ** np.arange(-4.5, 1, 0.5)
UNITS = {"wine, raw": "none", "wine, centred": "center", "wine, standardized": "standardize"}
PIXELS = {"digits, centred": "center", "digits, standardized": "standardize"}


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy by rate of wine and digits, by what is done to the columns."""
    wine: Any = load_wine()
    folds = []
    for seed in seeds:
        part = make_folds(wine.target, Splits(5, seed=seed), classification=True)[0]
        folds.append((part.train, part.validation))
    arms = compete(
        {name: [recipe((32,), preprocess=rule, epochs=30, batch_size=32, **change) for change in sgd(*WINE)]
         for name, rule in UNITS.items()}, DrawnRows(wine.data, wine.target, folds),
    )  # fmt: skip
    arms |= compete(
        {name: [recipe((100,), preprocess=rule, **change) for change in sgd(*DIGITS)] for name, rule in PIXELS.items()},
        drawn_digits(seeds),
    )
    best = {name: arm.best for name, arm in arms.items()}
    return best | {
        "wine, standardized less raw": best["wine, standardized"] - best["wine, raw"],
        "digits, standardized less centred": best["digits, standardized"] - best["digits, centred"],
        "arms whose best rate is at the border": np.full(len(seeds), sum(arm.border for arm in arms.values())),
    } | {f"curve {name}": arm.scores.T for name, arm in arms.items()}  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"On wine, whose columns range from 0.1 to 1,700, a network at its best rate has an accuracy of "
        f"{means['wine, raw']:.2f} with raw columns, {means['wine, centred']:.2f} with centred and "
        f"{means['wine, standardized']:.2f} with standardized ones. On digits, whose pixels have one unit, it is "
        f"{means['digits, centred']:.3f} centred and {means['digits, standardized']:.3f} standardized."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by rate, wine above digits."""
    panels = [
        CurvePanel(rates, {name: found[f"curve {name}"].mean(0) for name in names}, "rate", "accuracy", "x")
        for rates, names in ((WINE, UNITS), (DIGITS, PIXELS))
    ]
    return curve_panels(*panels)


STUDY = ClaimStudy(
    name="dividing-by-the-deviation",
    claims=("C25", "E12"),
    told="dividing by the standard deviation is not common, since inputs have one scale already",
    verdict=f"{CONDITION}the columns have one unit, as pixels do",
    formula="z = (x - mean) / std:   the curvature along column j is E[x_j^2], so columns of unequal units have "
    "unequal curvatures, and one rate for all",
    done="Wine (13 measurements, a 13-32-3 network, 30 epochs) and digits (64-100-10, 5 epochs), every way at rates of "
    "a log grid, each at its best.",
    follows="`standardize` is the default for tables, `standardize_channel` for images, as in today's vision "
    "libraries. For pixels that hardly vary `center` avoids blowing up noise.",
    rules=("standardize", "center", "standardize_channel"),
    recipe="preprocess: none\nnetwork: {hidden: [32]}\noptimizer: {sgd: {lr: 0.0001}}\nbatch_size: 32\nepochs: 30\n",
    sources=("LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.3",
             "Stanford CS231n, notes on data preprocessing"),
    measure=_measure,
    bounds=(
        Bound("wine, standardized less raw", 0.2, clear=True), Bound("digits, standardized less centred", -0.02, 0.02),
        Bound("arms whose best rate is at the border", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
