"""What is lost by picking a setting by one hold-out, and by the mean of five folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.ridge import estimated
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

ROWS, RESAMPLES = 150, 40
PENALTIES = np.logspace(-1, 5, 13)


def _measure(seed: int) -> dict[str, Any]:
    """Regrets of both ways to pick among 13 penalties."""
    found = estimated(seed, ROWS, PENALTIES, RESAMPLES)
    every = np.arange(RESAMPLES)
    picks = {"one hold-out": found.one.argmax(1), "five folds": found.mean.argmax(1)}
    lost = {way: (found.refit.max(1) - found.refit[every, pick]).mean() for way, pick in picks.items()}
    shares = {f"picks of {way}": np.bincount(pick, minlength=len(PENALTIES)) / RESAMPLES for way, pick in picks.items()}
    return {
        **{f"lost by {way}": value for way, value in lost.items()},
        "five folds over one hold-out": lost["five folds"] / lost["one hold-out"],
        "difference": lost["one hold-out"] - lost["five folds"],
        "accuracy": found.refit.mean(0),
        **shares,
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Against the best of 13 penalties, picking by one hold-out loses {means['lost by one hold-out']:.3f} of "
        f"accuracy on other rows, picking by the mean of five folds {means['lost by five folds']:.3f}. That is "
        f"{means['five folds over one hold-out']:.0%} of it, on sets of {ROWS} rows."
    )


def _picture(found: Measured) -> StudyPicture:
    """What is real, and what was picked."""
    curves = {
        "real accuracy": found["accuracy"].mean(0),
        "share of picks, one hold-out": found["picks of one hold-out"].mean(0),
        "share of picks, five folds": found["picks of five folds"].mean(0),
    }
    return curve_picture(PENALTIES, curves, "penalty", "accuracy, and which penalty is picked", log="x")


STUDY = ClaimStudy(
    name="picking-by-the-mean",
    claims=("C03",),
    told="take the hyper-parameter with the best mean over the folds",
    verdict=HOLDS,
    formula="picked = argmax over h of mean_j s(h; F_j);   regret = max_h A(h) - A(picked), A the accuracy on other "
    "rows",
    done="From the digits 150 rows are drawn 40 times for each seed; 13 penalties of a ridge classifier from 0.1 to "
    "100,000 are scored by a fifth of the rows and by five folds; the pick's model of all 150 rows is compared with "
    "the best one on the digits that were not drawn.",
    follows="`tenfold fit` picks by the mean over the folds. The picked mean itself is too good (see best-of-many): "
    "read the corrected score.",
    recipe="network: {hidden: [32]}\nweight_decay: 0.01\nepochs: 20\n",
    sources=("Kohavi 1995, A study of cross-validation and bootstrap for accuracy estimation and model selection",),
    measure=by_seed(_measure),
    bounds=(
        Bound("five folds over one hold-out", high=0.7), Bound("difference", 0, clear=True),
        Bound("lost by five folds", 0, 0.015),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
