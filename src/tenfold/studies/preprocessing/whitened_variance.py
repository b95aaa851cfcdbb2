"""Whitening: one variance in every direction that has one, and what epsilon and null directions do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from tenfold.data.feed.moments import column_moments
from tenfold.rules.preprocessing import WhitenPCA, WhitenZCA, apply_affine
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

ROWS = 100


def _measure(seed: int) -> dict[str, Any]:
    """Covariances of 100 whitened digits, and how far other digits are thrown."""
    data: Any = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.data))
    train, other = data.data[order[:ROWS]], data.data[order[ROWS:]]
    moments = column_moments(train, scatter=True)
    exact, soft = WhitenPCA(epsilon=0.0, variance=None).fit(moments), WhitenPCA(epsilon=1.0, variance=None).fit(moments)
    z, s = (apply_affine(a, train)[:, : a.kept] for a in (exact, soft))
    zca = WhitenZCA(epsilon=1e-5).fit(moments).rotation
    assert zca is not None
    # The usual lines: every direction divided by sqrt(S + epsilon), also those in which no training row varies.
    values, vectors = np.linalg.eigh(np.cov(train.T, bias=True))
    naive = (other - train.mean(0)) @ vectors / np.sqrt(np.maximum(values, 0) + 1e-5)
    ours = apply_affine(WhitenPCA(epsilon=1e-5, variance=None).fit(moments), other)
    return {
        "covariance less I": np.abs(z.T @ z / ROWS - np.eye(exact.kept)).max(),
        "directions": exact.kept,
        "least variance, epsilon 1": (s.T @ s / ROWS).diagonal().min(),
        "ZCA less its transpose": np.abs(zca - zca.T).max(),
        "largest input, null directions in": np.abs(naive).max(),
        "largest input, null directions out": np.abs(ours).max(),
        "in over out": np.abs(naive).max() / np.abs(ours).max(),
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Of {ROWS} digits {means['directions']:.0f} of 64 directions have variance; whitened with epsilon 0 their "
        f"covariance is I up to {means['covariance less I']:.0e}, with epsilon 1 the least variance is "
        f"{means['least variance, epsilon 1']:.3f}. Divided by sqrt(0 + 1e-5), the other directions throw other digits "
        f"as far as {means['largest input, null directions in']:.0f}; left out, the largest input is "
        f"{means['largest input, null directions out']:.0f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """How far other rows are thrown."""
    names = ("largest input, null directions in", "largest input, null directions out")
    return bars({name: found[name] for name in names}, "of other digits, in standard deviations", log=True)


STUDY = ClaimStudy(
    name="whitened-variance",
    claims=("C27", "E13"),
    told="whitening gives every direction the same variance",
    verdict=f"{CONDITION}the direction has variance in the training rows, and epsilon is 0",
    formula="z = (x - mean) U (S + epsilon)^(-1/2):   Var z_i = S_i / (S_i + epsilon);   ZCA rotates back by U^T, and "
    "is symmetric",
    done="100 digits whitened by `whiten_pca` and `whiten_zca` with epsilon 0, 1e-5 and 1; the 1,697 others whitened "
    "by the same map, and by the usual lines that divide null directions too.",
    follows="Tenfold leaves null directions out whatever epsilon is, keeps 99 % of the variance by default, and "
    "computes the axes in double precision. Where rows are few, do not whiten at all (see whitening-and-few-rows).",
    rules=("whiten_pca", "whiten_zca"),
    recipe="preprocess: {whiten_pca: 0.00001}\nnetwork: {hidden: [64]}\nepochs: 20\n",
    sources=("Kessy, Lewin & Strimmer 2018, Optimal whitening and decorrelation",
             "Bell & Sejnowski 1997, The independent components of natural scenes are edge filters"),
    measure=by_seed(_measure),
    bounds=(
        Bound("covariance less I", 0, 1e-9), Bound("least variance, epsilon 1", 0, 0.9),
        Bound("ZCA less its transpose", 0, 1e-10), Bound("in over out", 3, clear=True),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
