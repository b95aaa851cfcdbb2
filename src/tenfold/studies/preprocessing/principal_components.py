"""What principal components are: uncorrelated and few, but not independent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from tenfold.data.feed.moments import column_moments
from tenfold.rules.preprocessing import PCA, apply_affine
from tenfold.studies.parts.pictures import StudyPicture, cloud
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

ROWS = 1000


def _measure(seed: int) -> dict[str, Any]:
    """Covariances of the components of 1,000 digits, correlations of their squares, and what a component does not say
    of another."""
    data: Any = load_digits()
    x = data.data[np.random.default_rng(seed).permutation(len(data.data))[:ROWS]]
    affine = PCA(variance=None).fit(column_moments(x, scatter=True))
    z = apply_affine(affine, x)[:, : affine.kept]
    covariance = z.T @ z / len(z)
    off = np.abs(covariance - np.diag(np.diag(covariance))).max() / covariance.max()
    squares = np.abs(np.corrcoef(z[:, :20].T ** 2) - np.eye(20))
    share = np.cumsum(np.diag(covariance)) / np.trace(covariance)
    fewer = PCA(variance=0.95).fit(column_moments(x, scatter=True))
    return {
        "covariance of two components": off,
        "correlation of two squares": squares.max(),
        "components for 95 %": fewer.kept,
        "by counting": (share < 0.95).sum() + 1,
        "first": z[:, 0],
        "second": z[:, 1],
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"The components of {ROWS} digits have covariances of at most {means['covariance of two components']:.0e} of "
        "the largest variance, but the squares of two of them correlate by up to "
        f"{means['correlation of two squares']:.2f}: they are uncorrelated, not independent. Of 64 columns "
        f"{means['components for 95 %']:.0f} components hold 95 % of the variance."
    )


def _picture(found: Measured) -> StudyPicture:
    """The first two components of the first seed."""
    points = {"a digit": (found["first"][0], found["second"][0])}
    return cloud(points, "first component", "second component: uncorrelated, and yet not independent of the first")


STUDY = ClaimStudy(
    name="principal-components",
    claims=("C26", "E13"),
    told="PCA makes the dimensions linearly independent, and compresses",
    verdict=f"{CONDITION}independent is read as uncorrelated",
    formula="scatter / n = U S U^T, z = (x - mean) U_k:   z^T z / n = S is diagonal, and says nothing of higher moments"
    "",
    done="All components of 1,000 digits: their covariances, the correlations of the squares of the first 20, and how "
    "many hold 95 % of the variance.",
    follows="`pca: {variance: 0.95}` keeps the fewest that hold so much, fitted on each fold's training rows. Set "
    "`standardize: true` where units differ, and do not use it before a convolution.",
    rules=("pca",),
    recipe="preprocess: {pca: {variance: 0.95}}\nnetwork: {hidden: [64]}\nepochs: 20\n",
    sources=("Pearson 1901, On lines and planes of closest fit",
             "Hyvärinen & Oja 2000, Independent component analysis"),
    measure=by_seed(_measure),
    bounds=(
        Bound("covariance of two components", 0, 1e-12), Bound("correlation of two squares", 0.2, clear=True),
        Bound("components for 95 %", 24, 32),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
