"""The mean over the folds against what the model of all rows really has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, cloud
from tenfold.studies.parts.ridge import estimated
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

ROWS, RESAMPLES = 200, 60


def _measure(seed: int) -> dict[str, Any]:
    """The mean of five folds and the accuracy of the model of all rows on the other digits."""
    found = estimated(seed, ROWS, [1.0], RESAMPLES)
    mean, refit = found.mean[:, 0], found.refit[:, 0]
    return {
        "mean of the folds less accuracy": (mean - refit).mean(),
        "a fifth more rows give": (refit - found.folds[:, 0]).mean(),
        "correlation": np.corrcoef(mean, refit)[0, 1],
        "deviation of the mean": mean.std(ddof=1),
        "deviation of the accuracy": refit.std(ddof=1),
        "means": mean,
        "accuracies": refit,
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"The mean of the folds is {-means['mean of the folds less accuracy']:.3f} too low, since its models have seen "
        f"a fifth fewer rows (which cost {means['a fifth more rows give']:.3f}). Over drawn sets of {ROWS} rows it "
        f"varies by {means['deviation of the mean']:.3f} and the real accuracy by "
        f"{means['deviation of the accuracy']:.3f}, with a correlation of {means['correlation']:.2f}: it tells how "
        "good the recipe is, not whether this training set was a lucky one."
    )


def _picture(found: Measured) -> StudyPicture:
    """Every drawn set a point."""
    points = {"a drawn set of 200 rows": (found["accuracies"].ravel(), found["means"].ravel())}
    return cloud(points, "accuracy of the model of all rows on other digits", "mean over the five folds", diagonal=True)


STUDY = ClaimStudy(
    name="what-the-mean-estimates",
    claims=("C02",),
    told="the mean of the n results is the result of the configuration",
    verdict=f"{CONDITION}it is read as the mean of the recipe over training sets of (k - 1) / k of the rows",
    formula="E[mean over folds] = accuracy expected of a training set of n (k - 1) / k rows;   Cov[mean over folds, "
    "accuracy of this model] is near 0",
    done="From the digits 200 rows are drawn 60 times for each seed; the mean of five folds of a ridge classifier is "
    "held against the accuracy of the one trained on all 200, on the 1,597 digits that were not drawn.",
    follows="Use it to compare recipes, and expect the refitted model to be a little better. The interval that Tenfold "
    "prints is wider than the folds' standard error, because folds share rows; the sealed test rows are what judges "
    "the model itself.",
    recipe="network: {hidden: []}\nepochs: 20\n",
    sources=("Bates, Hastie & Tibshirani 2023, Cross-validation: what does it estimate and how well does it do it?",
             "Bengio & Grandvalet 2004, No unbiased estimator of the variance of k-fold cross-validation"),
    measure=by_seed(_measure),
    bounds=(
        Bound("mean of the folds less accuracy", -0.03, 0, clear=True), Bound("a fifth more rows give", 0, clear=True),
        Bound("correlation", -0.4, 0.3),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
