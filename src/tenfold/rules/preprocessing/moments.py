"""Moments of rows, how the moments of two parts are merged, and the map that a preprocessing rule fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np

from tenfold.rules.record import Rule

Array = np.ndarray
INTERVALS = 1000  # of equal shares of the rows, between the quantiles that are kept of a column
FAR = 1e8  # limits: in float64 a bounded value this far out is the limit itself


class Moments(NamedTuple):
    """Moments of the rows of one part, each of shape (columns,): count, mean, centred sum of squares, range.

    scatter (columns, columns), where a rule needs it: sum over the rows of (x - mean) (x - mean)^T. image: height,
    width and channels where the columns are pixels, channel last. quantiles (INTERVALS + 1, columns), where a rule
    needs them: of the cells that are not missing, at shares 0, 1 / INTERVALS, ..., 1, between two values by a straight
    line.
    """

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]  # of rows; tuple.count has no use here
    mean: Array
    squares: Array  # sum of (x - mean)^2
    minimum: Array
    maximum: Array
    scatter: Array | None = None
    image: tuple[int, int, int] | None = None
    quantiles: Array | None = None

    @property
    def needed_quantiles(self) -> Array:
        """The quantiles; ValueError where nobody asked for them."""
        if self.quantiles is None:
            raise ValueError("the moments have no quantiles: see training_quantiles")
        return self.quantiles

    def quantile(self, share: float) -> Array:
        """The quantile of each column (columns,) at a share of the rows in [0, 1]."""
        quantiles, place = self.needed_quantiles, share * INTERVALS
        below = min(int(place), INTERVALS - 1)
        low, high = quantiles[below], quantiles[below + 1]
        return low if place == below else low + (place - below) * (high - low)

    @property
    def varies(self) -> Array:
        """Which columns are not constant up to rounding: by their range, since sums over many rows are not exact."""
        size = np.maximum(np.abs(self.minimum), np.abs(self.maximum))
        return self.maximum - self.minimum > 10 * np.finfo(np.float64).eps * size

    def nonzero(self, scale: Array) -> Array:
        """The scale, safe to divide by: 1 where a column is constant."""
        return np.where(self.varies & (scale > 0), scale, 1.0)

    @property
    def std(self) -> Array:
        """Standard deviations (ddof 0), 1 for a constant column."""
        return self.nonzero(np.sqrt(self.squares / np.maximum(self.count, 1)))


class Affine(NamedTuple):
    """x -> bend(line(((x - shift) / scale) @ rotation)); what is None is left out.

    shift, scale (columns,); rotation (columns, columns), with columns of zeros after the kept components, so that
    the width of the inputs, and with it the shape of a network, is the same for every preprocessing. knots, heights
    (columns, knots): the line goes from one of these points to the next, and on level at both ends; knots rise, and the
    last ones may be equal. limit (columns,): the bend is z / sqrt(1 + (z / limit)^2), which lies between -limit and
    limit.
    """

    shift: Array
    scale: Array
    rotation: Array | None = None
    limit: Array | None = None
    knots: Array | None = None
    heights: Array | None = None

    def columns(self, part: slice) -> Affine:
        """The map of some of the columns, which has no rotation."""
        assert self.rotation is None
        return Affine(*(None if array is None else array[part] for array in self))  # pyright: ignore[reportArgumentType]

    @property
    def kept(self) -> int:
        """Number of outputs that are not zero for every row."""
        return len(self.shift) if self.rotation is None else int(self.rotation.any(0).sum())


class AffineRule(Rule):
    """What every preprocessing rule states besides `fit(moments) -> Affine`."""

    needs_scatter: ClassVar[bool] = False  # fit reads moments.scatter
    needs_quantiles: ClassVar[bool] = False  # fit reads moments.quantiles
    images_only: ClassVar[bool] = False  # fit reads moments.image


def apply_affine(affine: Affine, x: Array) -> Array:
    """The preprocessed rows (rows, columns) of rows x (rows, columns)."""
    z = (x - affine.shift) / affine.scale
    if affine.rotation is not None:
        z = z @ affine.rotation
    if affine.knots is not None and affine.heights is not None:
        z = _by_lines(on_line, z, affine.knots, affine.heights)
    if affine.limit is not None:
        far = np.clip(z / affine.limit, -FAR, FAR)  # the square of a larger one is infinite
        z = affine.limit * (far / np.sqrt(1 + far * far))
    return z


def _by_lines(line: Callable[[Array, Array, Array], Array], z: Array, knots: Array, heights: Array) -> Array:
    out = np.empty_like(z)
    for column in range(z.shape[1]):
        out[:, column] = line(z[:, column], knots[column], heights[column])
    return out


def on_line(x: Array, knots: Array, heights: Array) -> Array:
    """The heights at x of a line through points (knots, heights), level beyond both ends."""
    left = np.clip(np.searchsorted(knots, x, "right") - 1, 0, len(knots) - 2)
    width = knots[left + 1] - knots[left]
    share = np.clip((x - knots[left]) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    return heights[left] + share * (heights[left + 1] - heights[left])


def undo(affine: Affine, z: Array) -> Array:
    """The rows x that z was made of, or their projection where components were dropped."""
    if affine.limit is not None:
        bent = z / affine.limit
        z = z / np.sqrt((1 - bent) * (1 + bent))
    if affine.knots is not None and affine.heights is not None:
        z = _by_lines(np.interp, z, affine.heights, affine.knots)
    if affine.rotation is not None:
        z = z @ np.linalg.pinv(affine.rotation, rcond=1e-10)
    return z * affine.scale + affine.shift


def merge(first: Moments, second: Moments) -> Moments:
    """Moments of two parts together, from their moments alone (Chan, Golub & LeVeque 1983). It adds, and never
    subtracts a part from a total, so the moments of training rows cannot carry a rounding trace of the rows left out.

    The scatter is merged where both parts have one; all their columns then count the same rows.
    """
    count = first.count + second.count
    safe = np.maximum(count, 1)  # a column may have no cells in either part
    delta = second.mean - first.mean
    both = first.count * second.count > 0
    mean = np.where(first.count == 0, second.mean, first.mean + delta * (second.count / safe))
    squares = first.squares + second.squares + np.where(both, delta**2 * first.count * second.count / safe, 0.0)
    scatter = None
    if first.scatter is not None and second.scatter is not None:
        apart = np.where(both, delta, 0.0)
        weight = (first.count * second.count / safe).max(initial=0.0)
        scatter = first.scatter + second.scatter + weight * np.outer(apart, apart)
    return Moments(
        count,
        mean,
        squares,
        np.minimum(first.minimum, second.minimum),
        np.maximum(first.maximum, second.maximum),
        scatter,
        first.image or second.image,
    )
