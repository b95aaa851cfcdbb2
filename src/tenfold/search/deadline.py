"""What is left of a time limit, and for whom.

Whether time is left is asked of a `Deadline`; other clocks only measure how long a stage or a baseline took. `fit`
makes one from `--time-limit`, less the time of earlier sessions and of what follows the training. The baselines get a
third of it, the search what they leave, each stage of a race a part of that; the doctor looks at failed recipes if
enough is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence

from tenfold.engine.native.speed import core_speed
from tenfold.engine.plan.cost import COMPILED, MODEL, recipe_seconds
from tenfold.model.final import REFITS, BlendPart, refits_of_part, short_folds
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe

NEVER = 100 * 366 * 86400.0  # seconds
TRAINING_SHARE = 0.6  # of a limit, in plans; the others are for baselines, the refit and the report
BASELINES_SHARE = 1 / 3  # of what is left for them and the training
LOOK_SECONDS = 15.0  # that must be left for the doctor to look at recipes that failed
LOOK_SHARE = 0.5  # of the time that a run has taken so far, which the looking may take again
REPORT_SECONDS = 3.0  # that the test, the tables and the report take
ALONE = 2.5  # how much longer a network takes that is trained alone in a pack


class Deadline:
    """The moment at which a limit ends; without a limit, never.

    limit: seconds from now, None for no limit; used: seconds of it that are gone already, or set aside.
    """

    def __init__(
        self, limit: float | None = None, *, used: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        # A limit of a century is none, whatever its number of digits.
        self._end = math.inf if limit is None or limit > NEVER else clock() + limit - used

    def left(self) -> float:
        """Seconds; negative once it is over, infinite without a limit."""
        return self._end - self._clock()

    def over(self) -> bool:
        """Whether nothing is left."""
        return self.left() < 0

    def seconds(self) -> float | None:
        """What is left as a limit for somebody else: at least 0, None without a limit."""
        return None if self._end == math.inf else max(0.0, self.left())

    def part(self, parts: float) -> Deadline:
        """The deadline of the first of so many equal parts of what is left."""
        left = self.seconds()
        return Deadline(None if left is None else left / parts, clock=self._clock)

    def for_baselines(self) -> float | None:
        """Seconds that all baselines together may take; None without a limit."""
        left = self.seconds()
        return None if left is None else left * BASELINES_SHARE

    def leaves_a_look(self) -> bool:
        """Whether the doctor may look at recipes that failed."""
        return self.left() > LOOK_SECONDS

    def for_looking(self, spent: float) -> Deadline:
        """The deadline of the doctor's looks after so many seconds of a run: a share of them, at least 15."""
        return Deadline(min(max(LOOK_SECONDS, LOOK_SHARE * spent), self.left()), clock=self._clock)

    def affordable(self, most: int, cost: Callable[[int], float], rounds: int) -> int:
        """How many of `most` recipes may go on, at least one: as many as cost at most what is left for this of so many
        rounds. cost: seconds that a number of recipes takes to the end."""
        if self._end == math.inf:
            return most
        left = self.left() / rounds
        return next((count for count in range(most, 1, -1) if cost(count) <= left), 1)


def planned_training(limit: float | None) -> float:
    """Seconds of a time limit that a plan counts on for training; infinite without a limit."""
    return math.inf if limit is None else limit * TRAINING_SHARE


def seconds_after_training(
    problem: Problem,
    recipes: Sequence[Recipe],
    keep: str,
    *,
    compiled: Collection[Recipe] = (),
    kept: bool = False,
) -> float:
    """Seconds that training the final model and writing the report are likely to take. compiled: those of the recipes
    that compiled lanes train. kept: whether the networks of the folds are there and need no training.

    Which recipe wins is not known yet: the one at four fifths of the costs is taken, so that a costly winner is not
    a surprise, and one single costly recipe does not take the time from all others.
    """
    fast = set(map(id, compiled))
    once = sorted(_seconds_of_one(problem, recipe, id(recipe) in fast) for recipe in recipes)
    folds = len(problem.folds)
    # A blend makes do with the winner alone if there is no time for more.
    alone = REFITS if short_folds(problem) else folds
    networks = {"refit": 1, "refits": REFITS, "ensemble": folds, "blend": alone, "both": folds**2}[keep]
    if kept and (keep == "ensemble" or (keep == "blend" and not short_folds(problem))):
        networks = 0
    return REPORT_SECONDS + networks * once[int(0.8 * (len(once) - 1))]


def seconds_of_part(problem: Problem, part: BlendPart, parts: int, *, compiled: bool) -> float:
    """Seconds that training a recipe of a blend of so many is likely to take. compiled: by compiled code."""
    on_folds = 0 if part.weights is not None else len(problem.folds)
    networks = refits_of_part(parts) if short_folds(problem) else on_folds
    return networks * _seconds_of_one(problem, part.recipe, compiled) * part.epoch / part.recipe.epochs


def _seconds_of_one(problem: Problem, recipe: Recipe, compiled: bool) -> float:
    """Seconds that one network of a recipe takes to its end on one core."""
    model, longer = (COMPILED.at_speed(core_speed()), 1.0) if compiled else (MODEL, ALONE)
    return longer * recipe_seconds(recipe, problem.size, rows=problem.inputs.rows, folds=1, model=model)
