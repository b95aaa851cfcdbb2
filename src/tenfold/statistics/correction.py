"""What the best of many is worth: bootstrap bias-corrected cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenfold.errors import BadInput
from tenfold.statistics.resampled import counts

Array = np.ndarray
BLOCK = 6e6  # numbers of one temporary array, 48 MB
DIGITS = 10  # of in-bag scores that count, so that equal candidates tie whatever the order of a sum


@dataclass(frozen=True)
class CorrectedScore:
    """A picked candidate's score without the advantage of having been picked: raw - bias. interval is around it."""

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

    values (candidates, rows): what each row contributes to the score of each candidate, out of fold, so that
    weights @ values / sum weights, weights (rows,), are the scores. A candidate is all that was picked from: every
    (recipe, epoch). One with a NaN is out. sign: +1 if higher is better, else -1. units (rows,) integers: rows of one
    unit are drawn together; by default each row is one.

    A draw takes as many units as there are, with replacement; the best candidate on them (the first of equals) is
    scored on the units that were not drawn. score is the mean over the draws, interval their quantiles, raw the best
    candidate's own score, bias = raw - score. Draws that leave no weight on either side are passed over. With a single
    candidate nothing was picked: the score is raw and only the interval is drawn. No candidate is dropped beforehand.
    """
    values, weights = np.asarray(values), np.asarray(weights, np.float64)
    if values.ndim != 2 or weights.shape != values.shape[1:] or not (weights >= 0).all() or not weights.any():
        raise BadInput(
            f"values of shape {values.shape}, weights of shape {weights.shape}",
            expected="(candidates, rows) and (rows,), weights at least 0 and not all 0",
        )
    data = _Data.of(values, weights, np.arange(len(weights)) if units is None else np.asarray(units))
    own = sign * np.concatenate([data.totals(part).sum(1) for part in data.parts(1)]) / data.weights.sum()
    alive = np.isfinite(own)
    if not alive.any():
        return CorrectedScore(float("nan"), (float("nan"), float("nan")), float("nan"), float("nan"))
    raw = sign * float(own[alive].max())
    found = _out_of_bag(data, sign, abs(raw) or 1.0, draws, np.random.default_rng(seed))
    found = found[np.isfinite(found)]
    if not len(found):
        return CorrectedScore(float("nan"), (float("nan"), float("nan")), float("nan"), raw)
    low, high = np.quantile(found, [0.5 - level / 2, 0.5 + level / 2])
    score = float(found.mean()) if alive.sum() > 1 else raw
    return CorrectedScore(score, (float(low), float(high)), raw - score, raw)


@dataclass(frozen=True)
class _Data:
    """Row contributions and the rows sorted by unit; totals are formed a block of candidates at a time."""

    values: Array  # (candidates, rows)
    row_weights: Array  # (rows,)
    order: Array  # (rows,) rows sorted by unit
    starts: Array  # (units,) place of the first row of each unit in that order
    weights: Array  # (units,)

    @classmethod
    def of(cls, values: Array, weights: Array, units: Array) -> _Data:
        order = np.argsort(units, kind="stable")
        starts = np.unique(units[order], return_index=True)[1]
        return cls(values, weights, order, starts, np.add.reduceat(weights[order], starts))

    def parts(self, draws: int) -> list[slice]:
        """Blocks of candidates whose float64 copy and whose scores in so many draws are at most BLOCK numbers each."""
        size = max(1, int(BLOCK / max(self.values.shape[1], draws)))
        return [slice(i, i + size) for i in range(0, len(self.values), size)]

    def totals(self, which: slice | Array) -> Array:
        """Weighted contributions of the units: (chosen candidates, units) float64."""
        part = np.multiply(self.values[which], self.row_weights, dtype=np.float64)
        if len(self.starts) == len(self.order):
            return part[:, self.order] if (np.diff(self.order) != 1).any() else part
        return np.add.reduceat(part[:, self.order], self.starts, axis=1)


def _out_of_bag(data: _Data, sign: float, scale: float, draws: int, rng: np.random.Generator) -> Array:
    """Score on the units not drawn of the candidate that is best on the drawn ones, (draws,); NaN without one side."""
    units, found = len(data.starts), []
    size = max(1, int(BLOCK / max(units, data.values.shape[1])))
    for number in [min(size, draws - i) for i in range(0, draws, size)]:
        bag = counts(rng.integers(units, size=(number, units)), units)  # (number, units)
        weight = (bag @ data.weights)[:, None]
        weight = np.where(weight > 0, weight, np.nan)
        best, who = np.full(number, -np.inf), np.zeros(number, np.int64)
        for part in data.parts(number):
            with np.errstate(invalid="ignore"):
                score = np.round(sign / scale * (bag @ data.totals(part).T) / weight, DIGITS)  # (number, candidates)
            score[~np.isfinite(score)] = -np.inf
            place = score.argmax(1)
            top = score[np.arange(number), place]
            who[top > best] = place[top > best] + part.start
            best = np.maximum(best, top)
        out = bag == 0
        rest = out @ data.weights
        outer = np.einsum("du,du->d", out, data.totals(who))
        good = np.isfinite(best) & (rest > 0)
        found.append(np.where(good, outer / np.where(rest > 0, rest, 1), np.nan))
    return np.concatenate(found)
