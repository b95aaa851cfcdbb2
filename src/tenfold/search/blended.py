"""Which recipes a blend averages: greedy selection (`statistics/blending.py`) on a search's out-of-fold predictions."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.data.feed.randomness import derive
from tenfold.jsonable import jsonable
from tenfold.model.final import BlendPart
from tenfold.search.trial_outcome import is_broken
from tenfold.statistics.blending import blend_or_best, crossed_gain
from tenfold.statistics.intervals import within
from tenfold.statistics.temperature import best_temperature
from tenfold.statistics.winner_correction import CorrectedScore

if TYPE_CHECKING:
    from tenfold.search.results import SearchResults

Array = np.ndarray
# Recipes in a blend, at most. On ten tables of 2,000 rows three gave what eight did (docs/log.md), and each is trained
# once more and makes predictions slower.
BLENDED = 3
SPLITS = 5  # halvings of the rows that tell whether the blend or the winner is kept, and what that gains
CHOOSING = 2  # halvings of each half that make this choice there
MOST_ROWS = 10_000  # that are looked at


@dataclass(frozen=True)
class Blend:
    """A blend of recipes, or the winner alone where blending gains nothing on rows that did not choose it.

    numbers: the recipes, the largest share first. counts: how often each was taken; its share is count / sum. scores:
    of the folds, in the metric's own sign. gain: what the procedure, its choice included, scores above the best single
    recipe on rows that chose nothing (see `crossed_gain`), positive where it is better, a little negative where the log
    loss decided (see `blend_or_best`). corrected: the winner's corrected score with this gain.
    """

    numbers: tuple[int, ...]
    counts: tuple[int, ...]
    scores: tuple[float, ...]
    gain: float
    corrected: CorrectedScore | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return jsonable(asdict(self))

    @staticmethod
    def of(values: dict[str, Any]) -> Blend:
        """The inverse of `to_dict`; what is not finite there is None."""
        scores = tuple(math.nan if score is None else score for score in values["scores"])
        corrected = values["corrected"]
        if corrected is not None:
            plain = {name: math.nan if value is None else value for name, value in corrected.items()}
            low, high = (math.nan if end is None else end for end in corrected["interval"])
            corrected = CorrectedScore(**{**plain, "interval": (low, high)})
        return Blend(tuple(values["numbers"]), tuple(values["counts"]), scores, values["gain"], corrected)

    @property
    def shares(self) -> tuple[float, ...]:
        """Of sum 1."""
        return tuple(count / sum(self.counts) for count in self.counts)

    @property
    def mean(self) -> float:
        """Mean score of the folds."""
        return float(np.mean(self.scores))


def choose_blend(results: SearchResults, most: int = BLENDED) -> Blend:
    """The blend of at most so many recipes. Raises `RunFailed` if no recipe has a finite score.

    Members may be all recipes that every fold has predictions of, at their best epochs, pruned ones too.
    """
    best = results.best()
    numbers = [number for number in results.order if _usable(results, number)]
    if most < 2 or len(numbers) < 2:
        return _alone(results, best)
    problem = results.problem
    rows = np.flatnonzero(problem.times_scored)
    if len(rows) > MOST_ROWS:
        rows = np.sort(derive(0, "blend", 0).choice(rows, MOST_ROWS, replace=False))
    predictions = np.stack([results.out_of_fold(number)[rows] for number in numbers])  # (recipes, rows, classes or 1)
    units = rows if problem.units is None else problem.units[rows]
    how: dict[str, Any] = {"units": units, "splits": SPLITS, "most": most}
    counts = blend_or_best(predictions, problem.y[rows], problem.metric, rng=derive(0, "blend", 1), **how)[0]
    if (counts > 0).sum() < 2:
        return _alone(results, best)
    gain = crossed_gain(
        predictions, problem.y[rows], problem.metric, rng=derive(0, "blend", 2), choosing=CHOOSING, **how
    )
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda place: -counts[place])
    chosen, taken = tuple(numbers[place] for place in order), tuple(int(counts[place]) for place in order)
    scores = _fold_scores(results, chosen, np.array(taken) / sum(taken))
    return Blend(chosen, taken, scores, gain, _corrected(results, gain))


def blend_parts(results: SearchResults, blend: Blend) -> tuple[BlendPart, ...]:
    """The recipes of a blend as they are trained."""
    pairs = zip(blend.numbers, blend.counts, strict=True)
    return tuple(
        BlendPart(results.recipes[n], results.records[n].epoch, float(count), results.weights_of(n))
        for n, count in pairs
    )


def temperature_of(results: SearchResults, blend: Blend | None = None) -> float:
    """The temperature of the winner's out-of-fold predictions, or of those of a blend (see `best_temperature`); 1 for
    numbers."""
    problem, best = results.problem, results.best()
    if not problem.classes:
        return 1.0
    numbers, shares = ((best,), (1.0,)) if blend is None else (blend.numbers, blend.shares)
    predictions = np.stack([results.out_of_fold(number) for number in numbers])  # (recipes, rows, classes)
    rows = np.isfinite(predictions).all((0, 2))
    return best_temperature(predictions[:, rows], problem.y[rows], np.array(shares))


def _usable(results: SearchResults, number: int) -> bool:
    record = results.records[number]
    parts = record.out_of_fold or [None]
    there = all(part is not None and np.isfinite(part).all() for part in parts)
    return there and not any(map(is_broken, record.outcomes)) and math.isfinite(record.mean())


def _alone(results: SearchResults, best: int) -> Blend:
    scores = tuple(float(score) for score in results.scores(best))
    return Blend((best,), (1,), scores, 0.0, results.correction)


def _fold_scores(results: SearchResults, numbers: tuple[int, ...], shares: Array) -> tuple[float, ...]:
    problem, scores = results.problem, []
    for place, fold in enumerate(problem.folds):
        parts = [(results.records[number].out_of_fold or [])[place] for number in numbers]
        stack = np.stack([part for part in parts if part is not None])
        mean = np.tensordot(shares, stack, 1).astype(stack.dtype)
        scores.append(float(problem.metric.score(problem.y[fold.validation], mean[None])[0]))
    return tuple(scores)


def _corrected(results: SearchResults, gain: float) -> CorrectedScore | None:
    """The winner's corrected score, its interval moved with it."""
    alone, metric = results.correction, results.problem.metric
    if alone is None:
        return None
    move = metric.sign * gain
    score = within(alone.score + move, alone.score + move, metric.bounds)[0]
    low, high = (end + move for end in alone.interval)
    return CorrectedScore(score, within(low, high, metric.bounds), alone.bias, alone.raw)
