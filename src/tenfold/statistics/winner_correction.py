"""What the best of many is worth: bootstrap bias-corrected cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenfold.errors import BadInput
from tenfold.statistics.resampled import draw_counts

Array = np.ndarray
BLOCK = 6e6  # numbers in one temporary array, 48 MB
# In-bag scores are compared to so many digits: blocks of another size round sums differently, and equal candidates
# must tie whatever the block.
DIGITS = 10


@dataclass(frozen=True)
class CorrectedScore:
    """The picked candidate's score without the advantage of having been picked, raw - bias, and an interval for it."""

    score: float
    interval: tuple[float, float]
    bias: float
    raw: float


def corrected_score(
    values: Array,
    weights: Array,
    *,
    sign: float,
    units: Array | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> CorrectedScore:
    """Bootstrap bias-corrected score of the best candidate (Tsamardinos, Greasidou & Borboudakis 2018, BBC-CV).

    values (candidates, rows): what each row contributes to the score of each candidate, out of fold, so that the scores
    are values @ weights / sum weights, weights (rows,). The candidates are everything that was chosen from: every
    (recipe, epoch). One with a NaN is ignored. sign: +1 if higher is better, else -1. units (rows,) integers: rows of
    one unit are drawn together; by default each row is a unit.

    A draw takes as many units as there are, with replacement; the best candidate on them (the first of equals) is
    scored on the units that were not drawn. score is the mean over the draws, interval their quantiles, raw the best
    candidate's own score, bias = raw - score. Draws without weight on one of the two sides are skipped. With a single
    candidate nothing was picked: the score is raw, and only the interval is drawn.
    """
    values, weights = np.asarray(values), np.asarray(weights, np.float64)
    if values.ndim != 2 or weights.shape != values.shape[1:] or not (weights >= 0).all() or not weights.any():
        raise BadInput(
            f"values of shape {values.shape}, weights of shape {weights.shape}",
            expected="(candidates, rows) and (rows,), weights at least 0 and not all 0",
        )
    data = _UnitTotals.of(values, weights, np.arange(len(weights)) if units is None else np.asarray(units))
    own = sign * np.concatenate([data.totals(block).sum(1) for block in data.blocks(1)]) / data.weights.sum()
    finite = np.isfinite(own)
    if not finite.any():
        return CorrectedScore(float("nan"), (float("nan"), float("nan")), float("nan"), float("nan"))
    raw = sign * float(own[finite].max())
    scores = _out_of_bag(data, sign, abs(raw) or 1.0, draws, np.random.default_rng(seed))
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return CorrectedScore(float("nan"), (float("nan"), float("nan")), float("nan"), raw)
    low, high = np.quantile(scores, [0.5 - level / 2, 0.5 + level / 2])
    score = float(scores.mean()) if finite.sum() > 1 else raw
    return CorrectedScore(score, (float(low), float(high)), raw - score, raw)


@dataclass(frozen=True)
class _UnitTotals:
    """The rows' contributions, added up by unit for one block of candidates at a time."""

    values: Array  # (candidates, rows)
    row_weights: Array  # (rows,)
    order: Array  # (rows,) rows sorted by unit
    starts: Array  # (units,) place of the first row of each unit in that order
    weights: Array  # (units,)

    @classmethod
    def of(cls, values: Array, weights: Array, units: Array) -> _UnitTotals:
        order = np.argsort(units, kind="stable")
        starts = np.unique(units[order], return_index=True)[1]
        return cls(values, weights, order, starts, np.add.reduceat(weights[order], starts))

    def blocks(self, draws: int) -> list[slice]:
        """Blocks of candidates whose float64 copy and whose scores in so many draws are at most BLOCK numbers each."""
        size = max(1, int(BLOCK / max(self.values.shape[1], draws)))
        return [slice(i, i + size) for i in range(0, len(self.values), size)]

    def totals(self, which: slice | Array) -> Array:
        """Weighted contributions of the units: (chosen candidates, units) float64."""
        rows = np.multiply(self.values[which], self.row_weights, dtype=np.float64)
        if len(self.starts) < len(self.order):
            return np.add.reduceat(rows[:, self.order], self.starts, axis=1)
        # Every row is a unit. Rows that are in order already need no copy.
        return rows[:, self.order] if (np.diff(self.order) != 1).any() else rows


def _out_of_bag(data: _UnitTotals, sign: float, scale: float, draws: int, rng: np.random.Generator) -> Array:
    """Score on the units not drawn of the candidate that is best on the drawn ones, (draws,); NaN without one side."""
    units, scores = len(data.starts), []
    size = max(1, int(BLOCK / max(units, data.values.shape[1])))
    for number in [min(size, draws - i) for i in range(0, draws, size)]:
        drawn = draw_counts(rng.integers(units, size=(number, units)), units)  # (number, units)
        weight = (drawn @ data.weights)[:, None]
        weight = np.where(weight > 0, weight, np.nan)
        best, winner = np.full(number, -np.inf), np.zeros(number, np.int64)
        for block in data.blocks(number):
            with np.errstate(invalid="ignore"):
                # Divided by the raw score, so that DIGITS are significant digits whatever the metric's unit.
                score = np.round(sign / scale * (drawn @ data.totals(block).T) / weight, DIGITS)  # (number, candidates)
            score[~np.isfinite(score)] = -np.inf
            first = score.argmax(1)
            top = score[np.arange(number), first]
            winner[top > best] = first[top > best] + block.start
            best = np.maximum(best, top)
        out = drawn == 0
        out_weight = out @ data.weights
        out_total = np.einsum("du,du->d", out, data.totals(winner))
        valid = np.isfinite(best) & (out_weight > 0)
        scores.append(np.where(valid, out_total / np.where(out_weight > 0, out_weight, 1), np.nan))
    return np.concatenate(scores)
