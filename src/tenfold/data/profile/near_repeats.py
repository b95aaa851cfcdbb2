"""Rows that resemble each other: near repetitions of a row, and columns that name what several rows are of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tenfold.data.columns.codes import are_whole, average_ranks, value_codes
from tenfold.data.columns.table import Column
from tenfold.data.feed.encode import Inputs
from tenfold.data.split.together import copy_labels

Array = np.ndarray
NEAR = 1e-3  # of a column's deviation: closer in every column is nearly equal
QUERIES, DENSITY_QUERIES = 2000, 200  # rows whose neighbours are looked up
MOST_ROWS = 100_000  # the first ones, among which they are looked up
LEAST_NAMES, LEAST_EACH = 10, 2  # values of a column that names groups, and rows of the median one
LEAST_COLUMNS = 3  # that vary, for rows to resemble each other in
ALIKE = 0.3  # share of the variance of a middling column that the groups explain
FALLING = -0.5  # correlation of ranks of a number and of how often it occurs, up to which it counts something
SMOOTH = 0.6  # of that share, explained by groups of four neighbouring values too: an order, not names


def near_share(inputs: Inputs) -> float:
    """Share of rows whose nearest other row is closer than a thousandth of the column's deviation in every number,
    and equal in every category and in what is missing. Equal rows count once; the deviation is the smaller one of
    the standard deviation and the interquartile range / 1.349. 0 for images, and where the rows are so dense that a
    third as many or more would be as near by chance.

    By chance: a row with its k-th and 2k-th neighbours at d_k and d_2k has about k (t / d_k)^m within t, where
    m = log 2 / log(d_2k / d_k) (Levina and Bickel 2004, maximum likelihood estimation of intrinsic dimension).
    """
    from sklearn.neighbors import KDTree

    if inputs.image is not None or inputs.rows < 3:
        return 0.0
    points = _scaled(inputs)
    if not points.shape[1]:
        return 0.0
    tree = KDTree(points, metric="chebyshev")
    queries = points[np.linspace(0, len(points) - 1, min(QUERIES, len(points))).astype(np.int64)]
    share = float((tree.query_radius(queries, NEAR, count_only=True) > 1).mean())
    if not share or len(points) <= 20:
        return share
    # Many rows in few columns are near each other by chance; that is no repetition.
    few = queries[:: -(-len(queries) // DENSITY_QUERIES)]
    middle, far = np.maximum(tree.query(few, 21)[0][:, [10, 20]], 1e-12).T
    with np.errstate(divide="ignore"):
        dimension = np.log(2) / np.log(far / middle)
    chance = -np.expm1(-10 * np.minimum(NEAR / middle, 1.0) ** dimension)
    return share if share > 3 * float(chance.mean()) else 0.0


def _scaled(inputs: Inputs) -> Array:
    """The distinct rows with one unit for a deviation of a number, and at least one between two categories."""
    numbers, codes = inputs.numbers[:MOST_ROWS], inputs.codes[:MOST_ROWS]
    units, warning = copy_labels(inputs.take(np.arange(len(numbers))))
    if warning:
        return np.zeros((0, 0))
    if units is not None:
        first = np.unique(units, return_index=True)[1]
        numbers, codes = numbers[first], codes[first]
    gaps = np.isnan(numbers)
    numbers = numbers[:, ~gaps.all(0)]
    low, high = np.nanquantile(numbers, [0.25, 0.75], axis=0) if numbers.size else np.zeros((2, 0))
    deviation = np.nanstd(numbers, axis=0) if numbers.size else np.zeros(0)
    scale = np.where(high > low, np.minimum(deviation, (high - low) / 1.349), deviation)
    scaled = np.nan_to_num(numbers[:, scale > 0] / scale[scale > 0])
    return np.hstack([scaled, gaps[:, gaps.any(0)], codes])


def group_share(column: Column, inputs: Inputs) -> float:
    """How much the rows with one value of this column resemble each other: the share of the variance of the median
    other numeric column that its values explain (adjusted R squared), 0 where the column cannot name groups.

    It can if it can name something (see `may_name`), has at least 10 distinct values and at least 2 rows of the median
    one, and if a number's neighbouring values are not alike too.
    """
    if not may_name(column):
        return 0.0
    codes = column.codes
    sizes = np.bincount(codes)
    if len(sizes) < LEAST_NAMES or np.median(sizes) < LEAST_EACH or 2 * len(sizes) > len(codes):
        return 0.0
    columns = list(_others(column.name, inputs))
    if len(columns) < LEAST_COLUMNS:
        return 0.0
    share = float(np.median([_explained(codes, values) for values in columns]))
    # A number whose neighbouring values are alike as well (a year, a price) is an order, and names nothing.
    if column.kind == "number" and share >= ALIKE:
        order = float(np.median([_explained(codes // 4, values) for values in columns]))
        share = share if order < SMOOTH * share else 0.0
    return max(0.0, share)


def may_name(column: Column) -> bool:
    """Whether the values of a column can be names of something: text, or whole numbers that are no counts. Counts are
    not negative, and the larger they are, the rarer."""
    if column.kind == "text":
        return True
    present = column.present
    if column.kind != "number" or not len(present) or not are_whole(present):
        return False
    _, rows = np.unique(present, return_counts=True)  # in order of value
    if present.min() < 0 or len(rows) < 3 or rows.min() == rows.max():
        return True
    often = average_ranks(value_codes(rows.astype(np.float64)))
    return bool(np.corrcoef(np.arange(len(rows)), often)[0, 1] > FALLING)


def _others(name: str, inputs: Inputs) -> Iterator[Array]:
    """The numeric columns that vary, but for one and the parts of its date, each centred, with 0 for missing."""
    for other, values in zip(inputs.names, inputs.numbers.T, strict=True):
        present = ~np.isnan(values)
        if other == name or other.startswith(f"{name}.") or not present.any():
            continue
        centred = np.where(present, values - values[present].mean(), 0.0)
        if np.ptp(centred) > 0:
            yield centred


def _explained(codes: Array, centred: Array) -> float:
    """Adjusted R squared of the group means: 1 - (within / (n - groups)) / (total / (n - 1))."""
    sizes = np.bincount(codes)
    means = np.bincount(codes, centred) / sizes
    within = float(((centred - means[codes]) ** 2).sum()) / (len(codes) - len(sizes))
    return 1 - within / (float(((centred - centred.mean()) ** 2).sum()) / (len(codes) - 1))
