"""How much less five folds vary than one hold-out of the same size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, histograms
from tenfold.studies.parts.ridge import estimated
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

ROWS, RESAMPLES = 200, 60
EDGES = np.linspace(0.6, 1, 33)


def _measure(seed: int) -> dict[str, Any]:
    """The spread of both estimates over drawn sets of 200 rows."""
    found = estimated(seed, ROWS, [1.0], RESAMPLES)
    one, mean = found.one[:, 0], found.mean[:, 0]
    return {
        "deviation of one hold-out": one.std(ddof=1),
        "deviation of five folds": mean.std(ddof=1),
        "ratio of the variances": one.var(ddof=1) / mean.var(ddof=1),
        "histogram one": np.histogram(one, EDGES)[0],
        "histogram five": np.histogram(mean, EDGES)[0],
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Over drawn sets of {ROWS} rows the accuracy on a fifth of them has a standard deviation of "
        f"{means['deviation of one hold-out']:.3f}, the mean of five folds one of "
        f"{means['deviation of five folds']:.3f}: a variance {means['ratio of the variances']:.1f} times smaller. "
        "It is what five times as many scored rows give, because each row is scored once."
    )


def _picture(found: Measured) -> StudyPicture:
    """Both distributions."""
    parts = {"one hold-out of 40 rows": found["histogram one"], "mean of five folds": found["histogram five"]}
    return histograms(parts, EDGES, "estimated accuracy, over drawn sets of 200 rows", columns=2)


STUDY = ClaimStudy(
    name="one-holdout",
    claims=("C01",),
    told="cross-validation uses the data better than one hold-out",
    verdict=HOLDS,
    formula="score = 1/k sum over folds j of s(trained on all but F_j, scored on F_j):   each of the n rows is scored "
    "once, so Var is near p (1 - p) / n, where a hold-out has p (1 - p) / (n / k)",
    done="From the digits 200 rows are drawn 60 times for each seed. A ridge classifier is scored on a fifth of them, "
    "and on all five fifths in turn.",
    follows="Tenfold cross-validates by default, with stratified folds. One hold-out is for data so many that its own "
    "error does not matter, or training so dear that five are too many.",
    recipe="network: {hidden: [32]}\nepochs: 20\n",
    sources=("Stone 1974, Cross-validatory choice and assessment of statistical predictions",
             "Kohavi 1995, A study of cross-validation and bootstrap for accuracy estimation and model selection"),
    measure=by_seed(_measure),
    bounds=(
        Bound("ratio of the variances", 2.5, clear=True), Bound("deviation of one hold-out", 0.04, 0.075),
        Bound("deviation of five folds", 0.015, 0.035),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
