"""Preprocessing by the principal axes of the training rows: PCA, and whitening with and without rotating back.

The covariance is scatter / n. Directions in which the training rows do not vary, up to rounding, are null directions:
their outputs are zero whatever epsilon is, because 1 / sqrt(0 + epsilon) would only amplify what other rows have there.
A direction of variance s has a relative rounding error of machine epsilon * (largest variance / s).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np

from tenfold.rules.fields import Count, NotNegative, Within
from tenfold.rules.preprocessing.moments import Affine, AffineRule, Moments

Array = np.ndarray


class Axes(NamedTuple):
    """scale (columns,) that the columns were divided by; variances (rank,), falling; vectors (columns, rank)."""

    scale: Array
    variances: Array
    vectors: Array


def principal_axes(moments: Moments, *, standardize: bool) -> Axes:
    """Eigenvectors of the covariance (of the correlation matrix if `standardize`), without the null directions.

    Null: an eigenvalue of at most max(rows, columns) * machine epsilon * the largest. A vector's largest loading is
    positive, so that equal moments give equal axes.
    """
    if moments.scatter is None:
        raise ValueError("the moments have no scatter: ask training_moments for it")
    rows, columns = max(1.0, moments.count.max(initial=1)), len(moments.mean)
    scale = moments.std if standardize else np.ones(columns)
    varying = np.flatnonzero(moments.varies)  # of a constant column only rounding would be left
    covariance = moments.scatter[np.ix_(varying, varying)] / rows / scale[varying] / scale[varying, None]
    variances, inner = np.linalg.eigh(covariance)
    null = max(rows, columns) * np.finfo(np.float64).eps * variances.max(initial=0.0)
    chosen = np.flatnonzero(variances > null)[::-1]  # eigh sorts upwards; largest first from here on
    vectors = np.zeros((columns, len(chosen)))
    vectors[varying] = inner[:, chosen]
    if len(chosen):
        vectors *= np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(chosen))])
    return Axes(scale, variances[chosen], vectors)


def kept_components(variances: Array, components: int | None, variance: float | None) -> int:
    """How many of the falling variances are kept: `components`, else the fewest that hold the share `variance`."""
    rank = len(variances)
    if components is not None or variance is None or rank == 0:
        return rank if components is None else min(components, rank)
    share = np.cumsum(variances) / variances.sum()
    return min(rank, int(np.searchsorted(share, variance)) + 1)


def _widened(vectors: Array) -> Array:
    """(columns, kept) -> (columns, columns), zeros on the right: networks keep their shape whatever the rule."""
    columns, kept = vectors.shape
    return np.pad(vectors, ((0, 0), (0, columns - kept)))


@dataclass(frozen=True, kw_only=True)
class PCA(AffineRule):
    """The rows in the axes of their largest variance; the axes of little variance are dropped.

    Formula: z = (x - mean) U_k, with scatter / n = U S U^T, S falling.
    Shapes: x and z (rows, columns), U_k (columns, kept); z has zeros after the kept components, so that the
    shape of a network stays.
    Options: components - how many are kept, null to let variance decide; variance - the share of the total variance
    that the kept ones hold at least, null for all that are not null directions; standardize - divide by the standard
    deviations first (the axes of the correlation matrix). At most one decides: components wins over variance.
    Convention: divided by n; scikit-learn's explained variance is n / (n - 1) of it, the components are the same. Signs
    make each vector's largest loading positive, as scikit-learn from 1.5 on. Presets: sklearn keeps all; cs231n keeps
    100 components.
    Claim: the training rows of z are uncorrelated (not independent) with variances S; no other k axes hold more
    variance; undo gives the closest point of their span.
    Choose: for many correlated columns of one unit (spectra, pixels of an MLP), to train faster. Where units differ set
    standardize, or the column with the largest numbers is the first axis. It mixes pixels: not before a convolution.
    Source: Pearson 1901; Hotelling 1933.
    """

    components: Count | None = None
    variance: Annotated[float, Within(gt=0, le=1)] | None = 0.99
    standardize: bool = False

    MAIN: ClassVar[str] = "components"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "sklearn": {"components": None, "variance": None},
        "cs231n": {"components": 100, "variance": None},
    }
    needs_scatter: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Affine:
        """shift mean, rotation U_k."""
        axes = principal_axes(moments, standardize=self.standardize)
        kept = kept_components(axes.variances, self.components, self.variance)
        return Affine(moments.mean, axes.scale, _widened(axes.vectors[:, :kept]))


@dataclass(frozen=True, kw_only=True)
class WhitenPCA(AffineRule):
    """Principal components divided by their standard deviations: uncorrelated, with one variance.

    Formula: z = (x - mean) U_k (S_k + epsilon)^(-1/2), with scatter / n = U S U^T, S falling.
    Shapes: x and z (rows, columns), U_k (columns, kept); z has zeros after the kept components.
    Options: epsilon - added to the variances, in the square of the columns' unit; components, variance, standardize -
    as in pca.
    Convention: epsilon inside the root and division by n, as CS231n; scikit-learn's PCA(whiten=True) has no epsilon and
    divides by n - 1, so its outputs are sqrt((n - 1) / n) of these. Null directions are zero for every epsilon.
    Claim: with epsilon 0 the training rows of z have the identity as covariance on the kept components; with epsilon
    the variances are S / (S + epsilon).
    Choose: where pca is chosen and the optimizer is plain gradient descent: it takes curvature out of the first layer.
    It also makes noise as large as signal: with rows few for the columns keep fewer components or a larger epsilon.
    Source: Kessy, Lewin & Strimmer 2018.
    """

    epsilon: NotNegative = 1e-5
    components: Count | None = None
    variance: Annotated[float, Within(gt=0, le=1)] | None = 0.99
    standardize: bool = False

    MAIN: ClassVar[str] = "epsilon"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "sklearn": {"epsilon": 0.0, "components": None, "variance": None},
        "cs231n": {"epsilon": 1e-5, "components": None, "variance": None},
    }
    needs_scatter: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Affine:
        """shift mean, rotation U_k (S_k + epsilon)^(-1/2)."""
        axes = principal_axes(moments, standardize=self.standardize)
        kept = kept_components(axes.variances, self.components, self.variance)
        white = axes.vectors[:, :kept] / np.sqrt(axes.variances[:kept] + self.epsilon)
        return Affine(moments.mean, axes.scale, _widened(white))


@dataclass(frozen=True, kw_only=True)
class WhitenZCA(AffineRule):
    """Whitening rotated back to the columns: the white rows that are closest to the original ones.

    Formula: z = (x - mean) U (S + epsilon)^(-1/2) U^T, with scatter / n = U S U^T.
    Shapes: x and z (rows, columns), U (columns, rank); column j of z still represents column j of x.
    Options: epsilon - added to the variances, in the square of the columns' unit; standardize - divide by the standard
    deviations first (ZCA-cor: then closest in correlation, whatever the units).
    Convention: epsilon inside the root and division by n; Keras' legacy zca_epsilon is 1e-6 (preset keras), CS231n has
    1e-5. Null directions are zero for every epsilon.
    Claim: the matrix is symmetric; with epsilon 0 the covariance of the training rows of z is the identity on their
    span; of all whitening maps it is the one with the largest mean covariance between z and x.
    Choose: for images, which stay images, where gradient descent is slow; standardize_channel is the default. Whitening
    with a small epsilon hurts what is learnt from few rows (50 digits: accuracy 0.35, centred 0.82).
    Source: Bell & Sejnowski 1997; Kessy, Lewin & Strimmer 2018.
    """

    epsilon: NotNegative = 1e-2
    standardize: bool = False

    MAIN: ClassVar[str] = "epsilon"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"keras": {"epsilon": 1e-6}, "cs231n": {"epsilon": 1e-5}}
    needs_scatter: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Affine:
        """shift mean, rotation U (S + epsilon)^(-1/2) U^T."""
        axes = principal_axes(moments, standardize=self.standardize)
        # half @ half.T is U (S + epsilon)^(-1/2) U^T, and symmetric to the last bit.
        half = axes.vectors / (axes.variances + self.epsilon) ** 0.25
        return Affine(moments.mean, axes.scale, half @ half.T)
