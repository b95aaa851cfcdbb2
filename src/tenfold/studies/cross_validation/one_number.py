"""How much of a cross-validated score is the division, and how much the seed of the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from tenfold.data.split.folds import make_folds
from tenfold.data.split.request import Splits
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import DrawnRows, compete, recipe
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

ROWS, DIVISIONS, TRAININGS, FOLDS = 200, 4, 4, 5


def _measure(seeds: Sequence[int]) -> Measured:
    """Standard deviations of the mean of five folds: over training seeds, over divisions, and of differences."""
    data: Any = load_digits()
    x, y, folds = [], [], []
    for place, seed in enumerate(seeds):
        order = np.random.default_rng(seed).permutation(len(data.data))[:ROWS]
        x.append(data.data[order])
        y.append(data.target[order])
        for division in range(DIVISIONS):
            parts = make_folds(y[-1], Splits(FOLDS, seed=100 * seed + division), classification=True)
            # A fold's number is what its weights and batches are drawn by: equal folds are other trainings.
            folds += [(place * ROWS + part.train, place * ROWS + part.validation) for part in parts] * TRAININGS
    rows = DrawnRows(np.concatenate(x), np.concatenate(y), folds)
    scores = compete({"": [recipe((64, 64), epochs=30)]}, rows)[""].best
    means = scores.reshape(len(seeds), DIVISIONS, TRAININGS, FOLDS).mean(3)
    within = means.var(2, ddof=1).mean(1)
    between = np.maximum(means.mean(2).var(1, ddof=1) - within / TRAININGS, 0)
    return {
        "deviation by the seed": np.sqrt(within),
        "deviation by the division": np.sqrt(between),
        "two standard errors of a difference": 2 * np.sqrt(2 * (within + between)),
        "range of the sixteen": np.ptp(means.reshape(len(seeds), -1), 1),
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"The mean of five folds of one recipe on {ROWS} digits has a standard deviation of "
        f"{means['deviation by the seed']:.4f} by the seed of the training and of "
        f"{means['deviation by the division']:.4f} by the division; sixteen such means lie up to "
        f"{means['range of the sixteen']:.3f} apart. Two recipes whose means differ by less than "
        f"{means['two standard errors of a difference']:.3f} are not told apart by one number each."
    )


def _picture(found: Measured) -> StudyPicture:
    """All four."""
    return bars(dict(found), "accuracy")


STUDY = ClaimStudy(
    name="one-number",
    claims=("C07b",),
    told="one number for each configuration is enough to compare them",
    verdict=FAILS,
    formula="score = recipe + division + seed:   sd of a difference of two scores = sqrt(2 (sd_division^2 + sd_seed^2))"
    "",
    done="From the digits 200 rows are drawn for each seed. One 64-64-64-10 network is cross-validated in 4 divisions "
    "by 4 training seeds, 80 trainings; the variances of the means are taken apart.",
    follows="`--repeats 5` cross-validates with other divisions and seeds, and the verdict prints the resolution: "
    "below it recipes are ties. All recipes get the same folds and batches, which takes a part of this noise out.",
    recipe="network: {hidden: [64, 64]}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 30\n",
    sources=("Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks",),
    measure=_measure,
    bounds=(
        Bound("deviation by the seed", 0.004, 0.02), Bound("deviation by the division", 0, 0.02),
        Bound("two standard errors of a difference", 0.015, 0.07),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
