"""Preprocessing and outputs of layers: formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import skew
from sklearn.datasets import load_digits
from torch import Tensor

from bench.folklore.entry import Finding, erratum
from tenfold.data.feed.moments import column_moments
from tenfold.rules.activations import ReLU
from tenfold.rules.initialization import He
from tenfold.rules.preprocessing import PCA, WhitenPCA, WhitenZCA, apply_affine
from tenfold.studies.parts.chain import square_chain


@erratum(
    "E13 C26", "preprocessing",
    told="PCA makes the dimensions linearly independent",
    right="uncorrelated, along orthogonal directions; that is less than independent",
    where="`pca`",
)  # fmt: skip
def uncorrelated(seeds: int) -> Finding:
    """Correlations of the components of digits, and of their squares."""
    data: Any = load_digits()
    x = data.data
    moments = column_moments(x, scatter=True)
    affine = PCA(variance=None).fit(moments)
    z = apply_affine(affine, x)[:, : affine.kept]
    covariance = z.T @ z / len(z)
    off = np.abs(covariance - np.diag(np.diag(covariance))).max() / covariance.max()
    squares = np.corrcoef(z[:, :20].T ** 2)
    most = np.abs(squares - np.eye(20)).max()
    share = np.cumsum(np.diag(covariance)) / np.trace(covariance)
    return Finding(
        measured=f"digits: covariances off the diagonal {off:.0e} of the largest variance (1e-12); correlation of two "
        f"components' squares up to {most:.2f} (> 0.2); {int((share < 0.95).sum()) + 1} of 64 hold 95 %",
        holds=off < 1e-12 and most > 0.2,
    )


@erratum(
    "E13 C27", "preprocessing",
    told="whitening gives every direction one variance",
    right="on directions that have variance and with ε = 0; divided by √(S + ε) they keep S / (S + ε), and null "
    "directions must be left out",
    where="`whiten_pca`, `whiten_zca`",
)  # fmt: skip
def whitening(seeds: int) -> Finding:
    """The covariance of whitened digits, and what a naive epsilon does to other rows."""
    data: Any = load_digits()
    x = data.data
    train, other = x[:100], x[100:]
    moments = column_moments(train, scatter=True)
    exact, soft = WhitenPCA(epsilon=0.0, variance=None).fit(moments), WhitenPCA(epsilon=1.0, variance=None).fit(moments)
    z, s = (apply_affine(a, train)[:, : a.kept] for a in (exact, soft))
    off = np.abs(z.T @ z / len(z) - np.eye(exact.kept)).max()
    least = float((s.T @ s / len(s)).diagonal().min())
    zca = WhitenZCA(epsilon=1e-5).fit(moments).rotation
    assert zca is not None
    symmetric = float(np.abs(zca - zca.T).max())
    values, vectors = np.linalg.eigh(np.cov(train.T, bias=True))
    naive = (other - train.mean(0)) @ vectors / np.sqrt(np.maximum(values, 0) + 1e-5)
    ours = apply_affine(WhitenPCA(epsilon=1e-5, variance=None).fit(moments), other)
    return Finding(
        measured=f"100 digits, ε = 0: covariance − I {off:.0e} on {exact.kept} directions (1e-10); ε = 1 leaves a "
        f"variance of {least:.3f}; ZCA symmetric to {symmetric:.0e}; other rows with "
        f"ε = 1e-5 reach {np.abs(naive).max():.0f}, without the null directions {np.abs(ours).max():.0f}",
        holds=off < 1e-10 and least < 0.9 and symmetric < 1e-10 and np.abs(naive).max() > 5 * np.abs(ours).max(),
    )


@erratum(
    "E20 C39", "initialization",
    told="the outputs should be Gaussian for learning to work",
    right="what counts is a constant second moment; half of ReLU's outputs are 0 whatever the weights",
    where="`he` (distribution)",
)  # fmt: skip
def not_gaussian_either(seeds: int) -> Finding:
    """Outputs of the tenth ReLU layer for three distributions of the weights."""
    found = {}
    for name in ("normal", "uniform", "truncated"):
        h: Tensor = square_chain(
            He(distribution=name), ReLU.formula, depth=10, width=500, rows=1000, seed=0, back=False
        ).outputs[-1]
        found[name] = (
            float((h == 0).double().mean()),
            float(skew(h.numpy().ravel())),
            float(h.square().mean().sqrt()),
        )
    return Finding(
        measured="tenth layer (zeros, skewness, rms): "
        + "; ".join(f"{name} {zero:.0%}, {lean:.1f}, {rms:.2f}" for name, (zero, lean, rms) in found.items())
        + " (skewness > 1.5, rms 0.5 to 2)",
        holds=all(0.4 < zero < 0.6 and lean > 1.5 and 0.5 < rms < 2 for zero, lean, rms in found.values()),
    )
