"""The winner's score corrected for having been picked: the bootstrap of `statistics/winner_correction.py`, applied."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tenfold.search.trial_outcome import is_broken
from tenfold.statistics.intervals import within
from tenfold.statistics.winner_correction import CorrectedScore, corrected_score

if TYPE_CHECKING:
    from tenfold.search.results import SearchResults

Array = np.ndarray


def correct_winner(results: SearchResults) -> CorrectedScore | None:
    """Bootstrap bias-corrected cross-validation over every (recipe, epoch) that all folds measured (see
    `corrected_score`); None without a winner.

    Where only m of the n rows are recorded, the bias, which falls with the root of the number of rows, is that of
    m rows times sqrt(m / n).
    """
    problem, recorded = results.problem, results.recorded_rows
    if recorded is None or not results.has_winner:
        return None
    values = _contributions(results)
    if not len(values):
        return None
    units = None if problem.units is None else problem.units[recorded]
    corrected = corrected_score(values, problem.row_weights[recorded], sign=problem.metric.sign, units=units)
    scored = int((problem.times_scored > 0).sum())
    shrink = math.sqrt(len(recorded) / scored)
    best, bias = results.mean(results.order[0]), shrink * corrected.bias
    low, high = (best - bias + shrink * (end - corrected.score) for end in corrected.interval)
    score = within(best - bias, best - bias, problem.metric.bounds)[0]
    return CorrectedScore(score, within(low, high, problem.metric.bounds), bias, best)


def _contributions(results: SearchResults) -> Array:
    """Row contributions (candidates, recorded rows) of every (recipe, epoch) that was measured on all folds: of a
    recipe the last epoch first, since that is chosen of equal ones."""
    parts = []
    for record in results.records.values():
        if record.rows is not None and not any(map(is_broken, record.outcomes)):
            measured = np.isfinite(record.curves[2]).all(0)
            parts.append(record.rows[measured[: len(record.rows)]][::-1])
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
