"""Moments of rows, how those of two parts merge, and the affine map that a preprocessing rule makes of them."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from tenfold.rules.record import Rule

Array = np.ndarray


class Moments(NamedTuple):
    """Moments of the rows of one part, each of shape (columns,): count, mean, centred sum of squares, range.

    scatter (columns, columns), where it was asked for: sum over the rows of (x - mean) (x - mean)^T. image: height,
    width and channels where the columns are pixels, channel last.
    """

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]  # of rows; tuple.count has no use here
    mean: Array
    squares: Array  # sum of (x - mean)^2
    minimum: Array
    maximum: Array
    scatter: Array | None = None
    image: tuple[int, int, int] | None = None

    @property
    def varies(self) -> Array:
        """Which columns are not constant up to rounding: by their range, since a sum of many rows is not exact."""
        size = np.maximum(np.abs(self.minimum), np.abs(self.maximum))
        return self.maximum - self.minimum > 10 * np.finfo(np.float64).eps * size

    def nonzero(self, scale: Array) -> Array:
        """A scale of each column that one may divide by: 1 where the column is constant."""
        return np.where(self.varies & (scale > 0), scale, 1.0)

    @property
    def std(self) -> Array:
        """Standard deviations (ddof 0), 1 for a constant column."""
        return self.nonzero(np.sqrt(self.squares / np.maximum(self.count, 1)))


class Affine(NamedTuple):
    """x -> ((x - shift) / scale) @ rotation; no rotation stands for the identity.

    shift, scale (columns,); rotation (columns, columns), with columns of zeros behind the kept components, so that
    the width of the inputs, and with it the shape of a network, is the same for every preprocessing.
    """

    shift: Array
    scale: Array
    rotation: Array | None = None

    @property
    def kept(self) -> int:
        """Number of outputs that are not zero for every row."""
        return len(self.shift) if self.rotation is None else int(self.rotation.any(0).sum())


class AffineRule(Rule):
    """What every preprocessing rule says of itself besides `fit(moments) -> Affine`."""

    needs_scatter: ClassVar[bool] = False  # fit reads moments.scatter
    images_only: ClassVar[bool] = False  # fit reads moments.image


def apply_affine(affine: Affine, x: Array) -> Array:
    """The preprocessed rows (rows, columns) of rows x (rows, columns)."""
    z = (x - affine.shift) / affine.scale
    return z if affine.rotation is None else z @ affine.rotation


def undo(affine: Affine, z: Array) -> Array:
    """The rows that preprocessed rows z stand for: x itself, or its projection where components were dropped."""
    if affine.rotation is not None:
        z = z @ np.linalg.pinv(affine.rotation, rcond=1e-10)
    return z * affine.scale + affine.shift


def merge(one: Moments, two: Moments) -> Moments:
    """Moments of two parts together, from their moments alone (Chan, Golub & LeVeque 1983): adds, never subtracts
    a part from a total, so a training part's moments cannot carry a rounding trace of the rows left out.

    The scatter is merged where both parts have one; every column of them then counts the same rows.
    """
    count = one.count + two.count
    safe = np.maximum(count, 1)
    delta = two.mean - one.mean
    both = one.count * two.count > 0
    mean = np.where(one.count == 0, two.mean, one.mean + delta * (two.count / safe))
    squares = one.squares + two.squares + np.where(both, delta**2 * one.count * two.count / safe, 0.0)
    scatter = None
    if one.scatter is not None and two.scatter is not None:
        apart = np.where(both, delta, 0.0)
        weight = (one.count * two.count / safe).max(initial=0.0)
        scatter = one.scatter + two.scatter + weight * np.outer(apart, apart)
    return Moments(
        count,
        mean,
        squares,
        np.minimum(one.minimum, two.minimum),
        np.maximum(one.maximum, two.maximum),
        scatter,
        one.image or two.image,
    )
