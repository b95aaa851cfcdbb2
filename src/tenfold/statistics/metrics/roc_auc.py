"""ROC AUC: the probability that a member of a class is ranked above a row of another one."""

from __future__ import annotations

import numpy as np

from tenfold.statistics.metrics.metric import Array, Metric


def _one_against_others(y: Array, p: Array) -> list[tuple[Array, Array]]:
    """(member (rows,), score (trials, rows)) of the second class of two, else of every class that occurs."""
    classes = [1] if p.shape[-1] == 2 else [c for c in range(p.shape[-1]) if (y == c).any()]
    return [(y == c, p[..., c]) for c in classes]


def roc_auc(y: Array, p: Array) -> Array:
    """Area under the ROC curve of the second class; one against the others, averaged over the classes, if more.

    The probability that a member outranks a non-member: (rank sum - m (m + 1) / 2) / (m (n - m)), ties averaged.
    """
    from scipy.stats import rankdata

    areas = []
    for member, score in _one_against_others(y, p):
        if member.all() or not member.any():
            return np.full(len(p), np.nan)
        areas.append(_area(rankdata(score, axis=-1), member))
    return np.mean(areas, axis=0)


def _area(ranks: Array, member: Array) -> Array:
    members, others = member.sum(), (~member).sum()
    return (ranks[:, member].sum(-1) - members * (members + 1) / 2) / (members * others)


def _placements(y: Array, p: Array) -> Array:
    """AUC + n / m (placement - AUC) for each of the m members of the class, with n - m for the others.

    The placement of a member is the share of the others that it outranks, that of another the share of the members
    that outrank it, ties counting half (DeLong, DeLong & Clarke-Pearson 1988). Mean over the classes, if more than two.
    """
    from scipy.stats import rankdata

    by_class = []
    for member, score in _one_against_others(y, p):
        if member.all() or not member.any():
            return np.full(p.shape[:2], np.nan)
        ranks, placement = rankdata(score, axis=-1), np.empty(score.shape)
        for side in (member, ~member):
            # A row's rank among all rows less its rank on its own side counts the rows of the other side below it.
            placement[:, side] = (ranks[:, side] - rankdata(score[:, side], axis=-1)) / (~side).sum()
        area = _area(ranks, member)[:, None]
        placement[:, ~member] = 1 - placement[:, ~member]
        by_class.append(area + np.where(member, 1 / member.mean(), 1 / (~member).mean()) * (placement - area))
    return np.mean(by_class, axis=0)


def _weighted(y: Array, p: Array, w: Array) -> Array:
    """The mean over the classes that a draw holds; of two classes the area of the second."""
    classes = [1] if p.shape[-1] == 2 else range(p.shape[-1])
    areas = np.stack([_weighted_area(y == c, p[:, c], w) for c in classes], -1)  # (draws, classes); NaN: no member
    if len(classes) == 1:
        return areas[:, 0]
    present = np.stack([w @ (y == c) > 0 for c in classes], -1)
    return np.where(present, areas, 0).sum(-1) / present.sum(-1)


def _weighted_area(member: Array, score: Array, w: Array) -> Array:
    """AUC of a weighted sample: sum over members of the weight of the others below, ties half, over both totals."""
    order = np.argsort(score)
    _, first, size = np.unique(score[order], return_index=True, return_counts=True)
    w, member = w[:, order], member[order]
    below = np.cumsum(np.pad(w * ~member, ((0, 0), (1, 0))), -1)  # (draws, rows + 1): weight of others before a place
    middle = np.repeat((below[:, first] + below[:, first + size]) / 2, size, -1)
    inside = w * member
    pairs = inside.sum(-1) * below[:, -1]
    return np.where(pairs > 0, (inside * middle).sum(-1) / np.where(pairs > 0, pairs, 1), np.nan)


METRIC = Metric(
    name="roc_auc",
    words="ROC AUC",
    task="classification",
    higher_is_better=True,
    score=roc_auc,
    rows=_placements,
    weighted=_weighted,
    bounds=(0.0, 1.0),
)
