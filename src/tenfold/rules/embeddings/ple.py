"""PLE: how far a number has come through each of the bins of its column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from tenfold.rules.fields import Count, Within
from tenfold.rules.record import Rule

Array = np.ndarray
# Edges closer than this share of their size, or of the range of a column, are one: float32 cannot tell what is
# between them.
LEAST_GAP = 1e-5


@dataclass(frozen=True, kw_only=True)
class PLE(Rule):
    """Each number becomes one for every bin of its column: 0 below the bin, 1 above it, between them how far inside.

    Formula: e_t = clamp((x - b_t) / (b_{t+1} - b_t), 0, 1), the first without the bound below, the last without the
    one above; with a size y = max(0, e W + b) (without relu: e W + b), W and b of each column its own, else y = e.
    Shapes: x (rows, columns), b (columns, bins + 1), e (columns, bins); W (columns, bins, size), y (rows, columns
    bins) or (rows, columns size), column by column.
    Options: bins - of each column, at most: a column of few different values has fewer, and zeros in place of the
    others; size - numbers that a column becomes by a learned map, null for the encoding itself; relu - whether they
    are rectified; edges - at quantiles of the training rows, or at the cuts of a small decision tree for the target.
    Convention: edges b_0 < b_1 < ... at equal shares of the preprocessed training rows of the fold, equal ones once,
    so that a column of whole numbers with fewer than `bins` of them has an edge at each. W and b ~ U(-1, 1) /
    sqrt(bins). The trees are scikit-learn's, at most `bins` leaves of at least 1 % of the rows (and no fewer than 8).
    Claim: the first layer is piecewise linear in each column, with bends where the rows are. A monotone preprocessing
    changes where in a bin a row is, not in which. A column that is the same in all training rows becomes zeros.
    Choose: for columns of whole numbers, of jumps and of long tails, with 8 to 48 bins; with size 8 to 32 where there
    are many columns or bins. The authors' MLP with 16 numbers behind is level with boosted trees on California
    housing.
    Source: Gorishniy, Rubachev & Babenko 2022, section 3.2.
    """

    bins: Annotated[int, Within(ge=1)] = 48
    size: Count | None = None
    relu: bool = True
    edges: Literal["quantiles", "target"] = "quantiles"

    NAME: ClassVar[str] = "ple"
    MAIN: ClassVar[str] = "bins"


def encode_bins(x: Any, edges: Any) -> Any:
    """The encoding of numbers x (..., columns) by edges (..., columns, bins + 1) in ascending order: (..., columns,
    bins).

    A bin of no width is 0. The bins that begin at the first edge have no bound below, those that end at the last none
    above.
    """
    import torch

    low, high = edges[..., :-1], edges[..., 1:]  # (..., columns, bins)
    width = high - low
    share = (x.unsqueeze(-1) - low) * torch.where(width > 0, 1 / width, 0.0)
    least = torch.where(low > edges[..., :1], 0.0, -torch.inf)
    most = torch.where(high < edges[..., -1:], 1.0, torch.inf)
    return share.clamp(least.to(share.dtype), most.to(share.dtype))


def bin_edges(column: Array, bins: int, target: Array | None = None) -> Array:
    """The edges (bins + 1,) float64 that the training rows of a column decide; target (rows,), classes or numbers: for
    the cuts of a tree. Where there are fewer bins the last but one edge is repeated, where there is none the only
    one."""
    return _filled(_apart(_quantiles(column, bins) if target is None else _cuts(column, bins, target)), bins)


def _quantiles(column: Array, bins: int) -> Array:
    distinct = np.unique(column)
    if len(distinct) <= bins + 1:
        return distinct
    return np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)))


def _cuts(column: Array, bins: int, target: Array) -> Array:
    """The extremes of a column, and where a decision tree cuts it."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    ends = np.array([column.min(), column.max()])
    if bins < 2 or ends[0] == ends[1]:
        return np.unique(ends)
    kind = DecisionTreeClassifier if target.dtype.kind in "iu" else DecisionTreeRegressor
    least = max(8, len(column) // 100)
    # trees see float32, which has no room for what is larger
    limit = np.finfo(np.float32).max / 4
    tree = kind(max_leaf_nodes=bins, min_samples_leaf=least, random_state=0)
    found = tree.fit(np.clip(column, -limit, limit)[:, None], target).tree_
    return np.unique(np.concatenate([ends, found.threshold[found.feature >= 0]]))


def _apart(edges: Array) -> Array:
    """Ascending edges without those that float32 could hardly tell from the one before."""
    span = edges[-1] - edges[0]
    kept = [edges[0]]
    for edge in edges[1:]:
        if edge - kept[-1] > LEAST_GAP * max(abs(edge), abs(kept[-1])) and edge - kept[-1] > LEAST_GAP * span:
            kept.append(edge)
    return np.array(kept)


def _filled(edges: Array, bins: int) -> Array:
    """As many edges as there are bins and one: the last but one is repeated."""
    if len(edges) == 1:
        return np.repeat(edges, bins + 1)
    return np.concatenate([edges[:-1], np.repeat(edges[-2], bins + 1 - len(edges)), edges[-1:]])
