"""Racing: which recipes go on and which are dropped, decided from what all folds have shown so far.

Every strategy is a list of stages, between which it decides. Recipes advance in lock-step, and those that go on do
so from where they are: nothing is trained twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from tenfold.data.split.folds import Fold
from tenfold.errors import BadInput
from tenfold.statistics.corrected_t_test import corrected_t_test

Array = np.ndarray
Name = Literal["exhaustive", "halving", "hyperband", "racing"]
NAMES: tuple[Name, ...] = get_args(Name)
FIRST_FOLDS = 3  # folds of the first stage of fold racing: fewer give a test nothing to go by
MOST_RUNGS = 3  # decisions of successive halving: the first after 1 / eta^3 of the epochs


@dataclass(frozen=True)
class Stage:
    """Folds (places in the problem's list) that are trained up to an epoch, before the race decides."""

    folds: tuple[int, ...]
    until: int


@dataclass(frozen=True)
class Standing:
    """What a decision sees. scores: recipe number -> fold scores at its best epoch so far, signed so that higher is
    better; NaN where a trial diverged. first: all recipes that began, in order. ratio: see `corrected_t_test`."""

    first: tuple[int, ...]
    scores: Mapping[int, Array]
    ratio: float

    def mean(self, number: int) -> float:
        """Mean over the folds; the worst possible where it is not finite."""
        mean = float(np.mean(self.scores[number]))
        return mean if math.isfinite(mean) else -math.inf

    def ranked(self, numbers: Sequence[int]) -> list[int]:
        """Best first; the earlier of equals first."""
        return sorted(numbers, key=lambda n: (-self.mean(n), n))


@dataclass(frozen=True)
class Strategy:
    """How the recipes of a search compete.

    exhaustive: all are trained to the end. halving: successive halving (Jamieson & Talwalkar 2016) over epochs: of n
    recipes the best n / eta on the mean over the folds go on at each rung, the rungs eta apart, the last at the end.
    hyperband (Li et al. 2018): brackets of halving side by side, which make their first decision at different rungs,
    the last bracket none. racing (Maron & Moore 1994; Birattari et al. 2002): every trial is trained to its end, on
    three folds first, then on one more fold after the other, then on the repeats; a recipe that is behind the best
    by a corrected paired t-test at level / decisions is dropped. least: recipes that reach the end at least.
    """

    name: Name = "exhaustive"
    eta: int = 3
    least: int = 3
    level: float = 0.05

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise BadInput(f"strategy {self.name!r}", expected=f"one of: {', '.join(NAMES)}")
        if self.eta < 2 or self.least < 1 or not 0 < self.level < 1:
            raise BadInput(f"a race of {self}", expected="eta from 2, least from 1, level between 0 and 1")

    def stages(self, folds: Sequence[Fold], recipes: int, epochs: int) -> list[Stage]:
        """The stages of so many recipes, the longest of which has so many epochs."""
        every = tuple(range(len(folds)))
        if self.name == "racing":
            return [Stage(part, epochs) for part in _blocks(folds)]
        if self.name == "exhaustive":
            return [Stage(every, epochs)]
        rungs = self._rungs(recipes, epochs)
        return [Stage(every, -(-epochs // self.eta**k)) for k in range(rungs, -1, -1)]

    def _rungs(self, recipes: int, epochs: int) -> int:
        """Decisions: until `least` are left, at most three, the first not before an epoch is made."""
        wanted = math.ceil(math.log(max(recipes / self.least, 1), self.eta) - 1e-9)
        return min(MOST_RUNGS, wanted, math.floor(math.log(epochs, self.eta) + 1e-9))

    def survivors(self, stage: int, decisions: int, alive: Sequence[int], standing: Standing) -> list[int]:
        """Who goes on after that stage (from 0) of a race with so many decisions, best first."""
        ranked = standing.ranked(alive)
        if self.name == "racing":
            return self._level(ranked, standing, decisions)
        if self.name == "halving":
            return ranked[: self._left(len(standing.first), stage + 1)]
        stay: list[int] = []
        for bracket, members in enumerate(self.brackets(standing.first, decisions)):
            # bracket b makes its first decision at rung b; the last one makes none
            cuts = stage + 1 - bracket
            mine = [n for n in ranked if n in members]
            stay += mine[: self._left(len(members), cuts)] if cuts > 0 else mine
        return standing.ranked(stay)

    def _left(self, begun: int, cuts: int) -> int:
        return max(min(begun, self.least), -(-begun // self.eta**cuts))

    def brackets(self, first: Sequence[int], decisions: int) -> list[tuple[int, ...]]:
        """The recipes of each Hyperband bracket: the share of the one with s decisions is eta^s / (s + 1)."""
        # Hyperband gives all brackets the same budget; one with few decisions trains its recipes for longer.
        weights = np.array([self.eta**s / (s + 1) for s in range(decisions, -1, -1)])
        bounds = np.round(np.concatenate([[0.0], np.cumsum(weights / weights.sum())]) * len(first)).astype(int)
        return [tuple(first[a:b]) for a, b in pairwise(bounds)]

    def _level(self, ranked: list[int], standing: Standing, decisions: int) -> list[int]:
        """Those that the best is not significantly ahead of. A tie has p = 1 and stays."""
        if standing.mean(ranked[0]) == -math.inf:
            return ranked
        best = standing.scores[ranked[0]]

        # One test for every decision that is still possible (Bonferroni): level is the chance to drop an equal recipe
        # in the whole race. The test is paired, because all recipes see the same folds and seeds.
        def behind(number: int) -> bool:
            if standing.mean(number) == -math.inf:
                return True
            return corrected_t_test(best, standing.scores[number], standing.ratio) < self.level / decisions

        return [n for n in ranked if n == ranked[0] or not behind(n)]

    def entering(self, folds: Sequence[Fold], recipes: int, epochs: int) -> list[tuple[Stage, int]]:
        """The stages of so many recipes, the longest of which has so many epochs, and how many recipes enter each if
        every decision drops as many as it can (fold racing: none)."""
        stages = self.stages(folds, recipes, epochs)
        numbers = tuple(range(recipes))
        level = Standing(numbers, {n: np.zeros(1) for n in numbers}, 0.0)
        alive, found = list(numbers), list[tuple[Stage, int]]()
        for s, stage in enumerate(stages):
            found.append((stage, len(alive)))
            if self.name != "racing" and s + 1 < len(stages):
                alive = self.survivors(s, len(stages) - 1, alive, level)
        return found

    def work(self, folds: Sequence[Fold], recipes: int, epochs: int) -> float:
        """Trained epochs, summed over the trials, if every decision drops as many as it can and all recipes have so
        many epochs."""
        return recipes * len(folds) * self.expected_epochs(folds, recipes, epochs, epochs)

    def expected_epochs(self, folds: Sequence[Fold], recipes: int, longest: int, epochs: int) -> float:
        """Epochs on each fold that a recipe of so many `epochs` is trained for, the mean over where it may end: among
        so many recipes, the longest of which has `longest`, all of which are as likely to go on."""
        total, made = 0.0, 0
        for stage, count in self.entering(folds, recipes, longest):
            # Every stage of fold racing trains to the end, on folds of its own.
            begun = 0 if self.name == "racing" else made
            trained = max(0, min(stage.until, epochs) - begun)
            total += count / recipes * trained * len(stage.folds) / len(folds)
            made = stage.until
        return total


def _blocks(folds: Sequence[Fold]) -> list[tuple[int, ...]]:
    """The first three folds of the first repeat, its others one by one, then all folds of each further repeat."""
    repeats: dict[int, list[int]] = {}
    for place, fold in enumerate(folds):
        repeats.setdefault(fold.seed, []).append(place)
    first, *others = repeats.values()
    return [tuple(first[:FIRST_FOLDS]), *((f,) for f in first[FIRST_FOLDS:]), *map(tuple, others)]


@dataclass(frozen=True)
class Rung:
    """One decision: after which stage of which round, at which epoch, on how many folds; entered and kept recipes."""

    round: int
    epoch: int
    folds: int
    entered: tuple[int, ...]
    kept: tuple[int, ...]
