"""The records of all recipes of a search, and how to read them: scores, ranking, tables, the corrected score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.errors import RunFailed
from tenfold.model.final import Winner
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe
from tenfold.search.blended import Blend, choose_blend
from tenfold.search.corrected_winner import correct_winner
from tenfold.search.racing import Rung
from tenfold.search.trial_outcome import Outcome
from tenfold.statistics.intervals import fold_error
from tenfold.statistics.one_standard_error import one_standard_error
from tenfold.statistics.spread import Spread, spread
from tenfold.statistics.winner_correction import CorrectedScore

if TYPE_CHECKING:
    from tenfold.search.job import KeptWeights
    from tenfold.search.records import RecipeRecord

Array = np.ndarray


@dataclass(frozen=True)
class SearchResults:
    """The records of all recipes, and how to read them.

    rule: "best", or "one-se": the cheapest recipe within one standard error of the best. recorded_rows: the
    rows whose contributions the records hold. race: the decisions. audit: records of dropped recipes that were trained
    to the end all the same. weights: of networks at some epoch, where this session trained them; see `weights_of`.
    """

    problem: Problem
    recipes: tuple[Recipe, ...]
    records: Mapping[int, RecipeRecord]
    seconds: float
    rule: str = "best"
    recorded_rows: Array | None = None
    race: tuple[Rung, ...] = ()
    audit: Mapping[int, RecipeRecord] = field(default_factory=dict)
    weights: KeptWeights = field(default_factory=dict, repr=False)

    def scores(self, number: int) -> Array:
        """Score of each fold at the recipe's chosen epoch (NaN where the trial diverged)."""
        return self.records[number].scores()

    def metric_scores(self, number: int) -> dict[str, Array]:
        """By name, the scores of all metrics that are reported: of each fold at the chosen epoch, of the predictions
        that selected it; NaN where there are none."""
        record, problem = self.records[number], self.problem
        found = {problem.metric.name: record.scores()}
        parts = record.out_of_fold or [None] * len(problem.folds)
        for metric in problem.also:
            scores = np.full(len(parts), np.nan)
            for f, part in enumerate(parts):
                if part is not None and record.outcomes[f] is not Outcome.DIVERGED:
                    scores[f] = metric.score(problem.y[problem.folds[f].validation], part[None])[0]
            found[metric.name] = scores
        return found

    def metric_means(self, number: int) -> dict[str, float]:
        """By name, the means over the folds that were begun; NaN where a trial diverged."""
        mean = self.mean(number)
        found = {self.problem.metric.name: mean}
        for name, scores in self.metric_scores(number).items() if self.problem.also else ():
            begun = np.isfinite(self.scores(number))
            if name not in found:
                found[name] = float(scores[begun].mean()) if np.isfinite(mean) and begun.any() else math.nan
        return found

    def mean(self, number: int) -> float:
        """Mean score over the folds; NaN where a trial diverged."""
        return self.records[number].mean()

    @cached_property
    def begun(self) -> tuple[int, ...]:
        """Recipes that were trained at all: those that have a score after some epoch, diverged, or lacked memory. A
        time limit may end a search before the others have their turn."""
        ended = {Outcome.DIVERGED, Outcome.FAILED, Outcome.OUT_OF_MEMORY}
        return tuple(n for n, r in self.records.items() if r.made or ended & set(r.outcomes))

    def complete(self, number: int) -> bool:
        """Whether every trial of the recipe ended `ok`."""
        return all(outcome is Outcome.OK for outcome in self.records[number].outcomes)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Recipe numbers, best first. Only a recipe whose every trial ended `ok` can win; one that ran out of time
        comes after those, then those that racing dropped, the latest dropped first; one with a diverged trial, whose
        mean is not finite, comes last. The rule one-se puts its choice in front."""

        def place(number: int) -> tuple[bool, bool, bool, int, float, int]:
            record, mean = self.records[number], self.mean(number)
            finite = math.isfinite(mean)
            value = -self.problem.metric.sign * mean if finite else 0.0
            return not finite, not self.complete(number), record.dropped > 0, -self._seen(number), value, number

        found = sorted(range(len(self.recipes)), key=place)
        if self.rule == "one-se" and found:
            rivals = [n for n in found if self.complete(n) and math.isfinite(self.mean(n))]
            if rivals:
                means = np.array([self.mean(n) for n in rivals])
                errors = np.array([fold_error(self.scores(n)) for n in rivals])
                costs = [self.problem.cost(self.recipes[n], self.records[n].epoch) for n in rivals]
                chosen = rivals[one_standard_error(means, errors, costs, self.problem.metric.sign)]
                found = [chosen, *(n for n in found if n != chosen)]
        return tuple(found)

    def _seen(self, number: int) -> int:
        """How far a dropped recipe came: epochs, summed over its folds."""
        record = self.records[number]
        return record.measured if record.dropped else 0

    def ranking(self) -> list[int]:
        """Recipe numbers, best first (see `order`)."""
        return list(self.order)

    @property
    def has_winner(self) -> bool:
        """Whether any recipe has a finite score."""
        return bool(self.recipes) and math.isfinite(self.mean(self.order[0]))

    def best(self) -> int:
        """The winner's number. Raises `RunFailed` if no recipe has a finite score."""
        if not self.has_winner:
            counts = ", ".join(f"{n} {name}" for name, n in self.outcomes().items())
            raise RunFailed(f"no recipe has a score: {counts}. Try {self.remedy()}")
        return self.order[0]

    def winner(self) -> Winner:
        """What the final model is made of. Raises `RunFailed` if no recipe has a finite score."""
        best = self.best()
        weights = self.weights_of(best)
        return Winner(self.problem, self.recipes[best], self.records[best].epoch, self.scores(best), weights)

    def weights_of(self, number: int) -> tuple[dict[str, Array], ...] | None:
        """The networks of all folds at the recipe's chosen epoch, in the order of the folds, as `LaneStates.parameters`
        gives them; None unless this session trained all of them and kept them. Training again gives the same bits."""
        found = [self.weights.get((number, fold), (0, {})) for fold in range(len(self.problem.folds))]
        there = all(epoch == self.records[number].epoch > 0 for epoch, _ in found)
        return tuple(arrays for _, arrays in found) if there else None

    def remedy(self) -> str:
        """What to try when no recipe has a score: against the outcome that most trials had."""
        counts = self.outcomes()
        failures = (Outcome.DIVERGED, Outcome.FAILED, Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT)
        return max(failures, key=lambda outcome: counts.get(outcome.label, 0)).remedy

    @property
    def notes(self) -> list[str]:
        """What the user's own code did where a trial ended without a score: a sentence a recipe."""
        noted = ((n, record.note) for n, record in sorted(self.records.items()) if record.note)
        return [f"recipe {n} ({self.recipes[n].describe()}), {note}" for n, note in noted]

    def outcomes(self, number: int | None = None) -> dict[str, int]:
        """How many trials ended how, of one recipe or of all."""
        records = self.records.values() if number is None else [self.records[number]]
        ended = [outcome.label for record in records for outcome in record.outcomes if outcome]
        return {label: ended.count(label) for label in dict.fromkeys(o.label for o in Outcome) if label in ended}

    def trials(self) -> list[dict[str, Any]]:
        """One line a trial: recipe (number), fold, seed, score, outcome, epoch (the recipe's), metrics (its scores by
        name), curve (its scores)."""
        lines = []
        for number, record in sorted(self.records.items()):
            scores, by_metric = record.scores(), self.metric_scores(number)
            for f, (fold, outcome) in enumerate(zip(self.problem.folds, record.outcomes, strict=True)):
                lines.append({
                    "recipe": number, "fold": fold.number, "seed": fold.seed, "score": float(scores[f]),
                    "outcome": outcome.label if outcome else None, "epoch": record.epoch,
                    "metrics": {name: float(values[f]) for name, values in by_metric.items()},
                    "curve": [float(value) for value in record.curves[2, f] if np.isfinite(value)],
                })  # fmt: skip
        return lines

    def out_of_fold(self, number: int) -> Array:
        """Predictions (rows, classes or 1) at the chosen epoch by the folds that did not see the row, averaged over
        repeats; NaN for rows that no trial scored."""
        parts = self.records[number].out_of_fold or []
        of_none = np.dtype(np.float32 if self.problem.classes else np.float64)
        dtype = next((part.dtype for part in parts if part is not None), of_none)  # log loss clips by its precision
        total = np.zeros((self.problem.inputs.rows, self.problem.outputs), dtype)
        count = np.zeros((self.problem.inputs.rows, 1), dtype)
        for fold, part in zip(self.problem.folds, parts, strict=False):
            if part is not None:
                total[fold.validation] += part
                count[fold.validation] += 1
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    @cached_property
    def correction(self) -> CorrectedScore | None:
        """The winner's score corrected for having been picked (see `correct_winner`); None without a winner."""
        return correct_winner(self)

    @cached_property
    def blend(self) -> Blend:
        """The best blend of recipes, or the winner alone (see `choose_blend`)."""
        return choose_blend(self)

    def spread(self, number: int) -> Spread:
        """The winner's spread over the folds and over the repeats, apart."""
        repeats: dict[int, list[float]] = {}
        for fold, score in zip(self.problem.folds, self.scores(number), strict=True):
            repeats.setdefault(fold.seed, []).append(float(score))
        return spread(np.array(list(repeats.values())))

    def audited(self) -> tuple[int, int]:
        """Of the dropped recipes that were trained to the end, how many would have won; and how many there are."""
        best = self.problem.metric.sign * self.mean(self.best())
        means = [self.problem.metric.sign * record.mean() for record in self.audit.values()]
        return sum(mean > best for mean in means), len(means)

    def epochs(self) -> tuple[int, int]:
        """Epochs that were trained, summed over the trials, and those that training all to the end would have been."""
        folds = len(self.problem.folds)
        made = sum(record.measured for record in self.records.values())
        return made, sum(recipe.epochs * folds for recipe in self.recipes)
