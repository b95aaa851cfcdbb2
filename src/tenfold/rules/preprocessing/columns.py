"""Preprocessing column by column: shift and scale, a limit, a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tenfold.rules.fields import Positive
from tenfold.rules.preprocessing.moments import Affine, AffineRule, Moments
from tenfold.rules.record import require

Array = np.ndarray
ROUNDING = 1e-10  # of the width of the middle half, up to which values of a column are equal
LEAST_SHARE = 1e-7  # of rows, as in scikit-learn: the normal quantile of 0 is infinite


@dataclass(frozen=True, kw_only=True)
class NoPreprocessing(AffineRule):
    """The inputs as they are.

    Formula: z = x.
    Shapes: x and z (rows, columns).
    Convention: missing cells are imputed and categories encoded all the same; only the map of the numbers is left out.
    Claim: every bit of the numbers is kept.
    Choose: for inputs that have one unit and are centred already; for everything else standardize.
    Source: the identity.
    """

    NAME: ClassVar[str] = "none"

    def fit(self, moments: Moments) -> Affine:
        """shift 0, scale 1."""
        return Affine(np.zeros_like(moments.mean), np.ones_like(moments.mean))


@dataclass(frozen=True, kw_only=True)
class Center(AffineRule):
    """Subtracts the mean of each column.

    Formula: z = x - mean.
    Shapes: x and z (rows, columns), mean (columns,) over the training rows.
    Convention: scikit-learn's StandardScaler(with_std=False); on images it is the mean image.
    Claim: the training rows have mean 0; the large eigenvalue that a common offset adds to the curvature of the first
    layer is gone (digits: 15 times smaller), which lets the learning rate rise by as much.
    Choose: for columns of one unit whose relative sizes matter, such as pixels; standardize where units differ.
    Source: LeCun, Bottou, Orr & Mueller 1998, section 4.3.
    """

    def fit(self, moments: Moments) -> Affine:
        """shift mean, scale 1."""
        return Affine(moments.mean, np.ones_like(moments.mean))


@dataclass(frozen=True, kw_only=True)
class Standardize(AffineRule):
    """Each column with mean 0 and standard deviation 1.

    Formula: z = (x - mean) / std.
    Shapes: x and z (rows, columns), mean and std (columns,) over the training rows.
    Convention: std with ddof 0 and 1 for a constant column, as scikit-learn's StandardScaler and Keras' Normalization;
    pandas' std() has ddof 1.
    Claim: the training rows have mean 0 and std 1 in every column that varies; a column's unit does not matter.
    Choose: the default for tables. Not where a column is almost always the same value and its rare others, blown up,
    are noise: there center or min-max.
    Source: LeCun, Bottou, Orr & Mueller 1998, section 4.3.
    """

    def fit(self, moments: Moments) -> Affine:
        """shift mean, scale std (1 for a constant column)."""
        return Affine(moments.mean, moments.std)


@dataclass(frozen=True, kw_only=True)
class MinMax(AffineRule):
    """The range of the training rows to [low, high], column by column.

    Formula: z = low + (high - low) (x - min) / (max - min).
    Shapes: x and z (rows, columns), min and max (columns,) over the training rows.
    Options: low - what the smallest training value becomes; high - what the largest becomes.
    Convention: [-1, 1] is the usual lecture summary's, centred for a symmetric column; scikit-learn's default is [0, 1]
    (preset sklearn). A constant column becomes low. Rows outside the training range go beyond [low, high].
    Claim: the extremes of the training rows are exactly low and high up to rounding.
    Choose: for columns with natural limits; one outlier squeezes all other rows, so standardize is the default.
    Source: the usual lecture summary; scikit-learn's MinMaxScaler.
    """

    low: float = -1.0
    high: float = 1.0

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "sklearn": {"low": 0.0, "high": 1.0},
        "lecture": {"low": -1.0, "high": 1.0},
    }
    TOGETHER: ClassVar[tuple[tuple[str, ...], ...]] = (("low", "high"),)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.low < self.high, self, "low", f"below high ({self.high})")

    def fit(self, moments: Moments) -> Affine:
        """scale = range / (high - low), shift = minimum - low * scale."""
        scale = moments.nonzero((moments.maximum - moments.minimum) / (self.high - self.low))
        return Affine(moments.minimum - self.low * scale, scale)


@dataclass(frozen=True, kw_only=True)
class RobustClip(AffineRule):
    """Each column by its median and the width of its middle half, and then bent so that it stays within a limit.

    Formula: z = (x - median) / (q75 - q25); the input is z / sqrt(1 + (z / limit)^2).
    Shapes: x and z (rows, columns), median and quartiles (columns,) over the training rows without missing cells.
    Options: limit - no input is larger, whatever the cell; well inside it the inputs are nearly z itself (at a third
    of the limit they are 5 % less).
    Convention: quartiles between two values by a straight line, as numpy's default. A column whose quartiles are equal
    is divided by half its range, and a constant one by 1. A missing cell becomes the median, so its input is 0.
    Claim: every input is in [-limit, limit], so that no cell, however far out, blows up an activation; the order of the
    rows in a column stays; outliers that are fewer than a quarter of the rows do not change how the others are scaled.
    Choose: for tables with heavy tails or outliers, and with networks tuned for it (RealMLP): on its authors' tables
    standardize instead of it made 2 % more errors in classes and 9 % more error in numbers. Not where values far
    outside the training range must be extrapolated.
    Source: Holzmueller, Grinsztajn & Steinwart 2024, section 3.1 and table B.2.
    """

    limit: Positive = 3.0

    needs_quantiles: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Affine:
        """shift median, scale the width of the middle half, and the limit."""
        width = moments.quantile(0.75) - moments.quantile(0.25)
        width = np.where(width > 0, width, (moments.maximum - moments.minimum) / 2)
        return Affine(moments.quantile(0.5), moments.nonzero(width), limit=np.full_like(moments.mean, self.limit))


@dataclass(frozen=True, kw_only=True)
class QuantileNormal(AffineRule):
    """Each column by its ranks, so that the training rows have a normal distribution, whatever they had.

    Formula: z = the normal quantile of the share of training rows below x, along a line through 1,001 quantiles.
    Shapes: x and z (rows, columns), quantiles (1001, columns) of the training rows without missing cells.
    Convention: scikit-learn's QuantileTransformer(n_quantiles=1001, output_distribution="normal") at the quantiles; in
    between it draws the line in shares, this one in z. The least and the largest are -5.2 and 5.2, and so is all beyond
    them. Equal values get the middle of their shares, also at the ends, where scikit-learn gives -5.2 and 5.2. Values
    that are closer than 1e-10 of the width of the middle half are equal: they differ by a rounding, as the cosines of
    Tuesday and Saturday do, which another machine makes otherwise.
    Claim: z depends on the order of the training rows alone: a rising function of the column, such as its logarithm,
    gives the same inputs.
    Choose: for columns of odd shapes and units, where only the order matters; robust_clip keeps more of the sizes, and
    networks that were tuned for it lose 2 % (classes) and 6 % (numbers) with quantiles.
    Source: Gorishniy, Rubachev, Khrulkov & Babenko 2021, section 4.3; Holzmueller et al. 2024, table B.2.
    """

    needs_quantiles: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Affine:
        """A line for each column; shift 0, scale 1."""
        quantiles = moments.needed_quantiles
        lines = [_normal_line(column) for column in quantiles.T]
        knots, heights = (np.stack([line[i] for line in lines]) if lines else quantiles.T for i in (0, 1))
        return Affine(np.zeros_like(moments.mean), np.ones_like(moments.mean), knots=knots, heights=heights)


def _normal_line(quantiles: Array) -> tuple[Array, Array]:
    """Knots and heights for the quantiles of a column, as many; what equal ones leave over repeats the last point."""
    from scipy.special import ndtri

    last = len(quantiles) - 1
    near = ROUNDING * (quantiles[last * 3 // 4] - quantiles[last // 4])
    first = np.flatnonzero(np.diff(quantiles, prepend=-np.inf) > near)
    knots, count = quantiles[first], np.diff(first, append=len(quantiles))
    share = (first + (count - 1) / 2) / (len(quantiles) - 1)
    heights = ndtri(np.clip(share, LEAST_SHARE, 1 - LEAST_SHARE))
    more = len(quantiles) - len(knots)
    return np.pad(knots, (0, more), mode="edge"), np.pad(heights, (0, more), mode="edge")
