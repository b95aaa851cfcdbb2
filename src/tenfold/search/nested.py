"""Nested cross-validation: the whole search repeated inside every outer fold, all inner folds in the same packs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tenfold.data.split.folds import Fold
from tenfold.errors import BadInput
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe
from tenfold.search.context import SearchContext
from tenfold.search.results import SearchResults
from tenfold.search.search import SearchPlan, train_all
from tenfold.search.trial_outcome import is_broken
from tenfold.statistics.intervals import fold_error, fold_interval, within

Array = np.ndarray


@dataclass(frozen=True)
class Pick:
    """What the inner folds of one outer fold chose: the recipe's number, the epoch, its mean score on the inner
    folds, and its score on the outer validation rows, which had no part in the choice."""

    recipe: int
    epoch: int
    inner: float
    outer: float


@dataclass(frozen=True)
class Nested:
    """The score of the whole procedure, search included.

    score = mean over the outer folds of picks[o].outer. outer: the plain cross-validation of the same recipes on the
    outer folds, whose winner is what one would keep, and whose raw score is `flat`.
    """

    picks: tuple[Pick, ...]
    outer: SearchResults

    @property
    def scores(self) -> list[float]:
        """One score an outer fold."""
        return [pick.outer for pick in self.picks]

    @property
    def score(self) -> float:
        """Their mean."""
        return float(np.mean(self.scores))

    @property
    def se(self) -> float:
        """Its standard error over the outer folds."""
        return fold_error(np.array(self.scores))

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval, cut to what the metric can be."""
        low, high = fold_interval(np.array(self.scores), self.outer.problem.ratio)
        return within(low, high, self.outer.problem.metric.bounds)

    @property
    def flat(self) -> float:
        """The winner's raw score by plain cross-validation, for comparison: it was picked for being high."""
        return self.outer.mean(self.outer.best())

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "score": self.score, "se": self.se, "interval": list(self.interval), "scores": self.scores,
            "recipes": [pick.recipe for pick in self.picks], "epochs": [pick.epoch for pick in self.picks],
        }  # fmt: skip


def inner_problem(problem: Problem, inner: int, seed: int) -> Problem:
    """The same rows with, for each outer fold, `inner` folds of its training rows, divided in the same way."""
    folds: list[Fold] = []
    for o, fold in enumerate(problem.folds):
        parts = problem.divide(fold.train, inner, seed + o)
        if len(parts) < inner:
            raise BadInput(
                f"the training rows of fold {fold.number} cannot be divided into {inner} inner folds",
                expected=f"{inner} members of every class in it",
                do=f"inner={len(parts)}, or fewer folds",
            )
        number = len(problem.folds) + len(folds)
        folds += [Fold(train, validation, number + i, fold.seed) for i, (train, validation) in enumerate(parts)]
    return replace(problem, folds=tuple(folds))


def nested(
    problem: Problem, recipes: Sequence[Recipe], context: SearchContext, *, inner: int = 5, seed: int = 0
) -> Nested:
    """Train every recipe on every outer fold and on every inner fold of each, and score what each outer fold's inner
    folds choose."""
    if problem.ordered:
        raise BadInput("nested cross-validation in time", expected="rows without an order", do="leave --nested out")
    if inner < 2:
        raise BadInput(f"{inner} inner folds", expected="at least 2")
    inside = train_all(
        inner_problem(problem, inner, seed), recipes, context.named("inner."), SearchPlan(seed=seed, record_rows=False)
    )
    outside = train_all(problem, recipes, context, SearchPlan(seed=seed))
    return nested_result(outside, inside)


def nested_result(outer: SearchResults, inner: SearchResults) -> Nested:
    """What the inner folds of each outer fold choose, and what that scores outside."""
    count = len(inner.problem.folds) // len(outer.problem.folds)
    picks: list[Pick] = []
    for o in range(len(outer.problem.folds)):
        recipe, epoch, mean = _pick(inner, slice(o * count, (o + 1) * count))
        record = outer.records[recipe]
        lost = is_broken(record.outcomes[o])
        score = math.nan if lost else float(record.curves[2, o, epoch - 1])
        picks.append(Pick(recipe, epoch, mean, score))
    return Nested(tuple(picks), outer)


def _pick(inner: SearchResults, folds: slice) -> tuple[int, int, float]:
    """The recipe and the epoch (from 1) of the best mean over these folds, and that mean."""
    sign, best = inner.problem.metric.sign, (-math.inf, 0, 1)
    for number, record in inner.records.items():
        if any(map(is_broken, record.outcomes[folds])):
            continue
        mean = sign * record.curves[2, folds].mean(0)  # (epochs,)
        mean = np.where(np.isfinite(mean), mean, -math.inf)
        epoch = int(mean.argmax())
        best = max(best, (float(mean[epoch]), -number, -(epoch + 1)))
    return -best[1], max(1, -best[2]), sign * best[0]
