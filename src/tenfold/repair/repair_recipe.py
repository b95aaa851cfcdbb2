"""A recipe repaired: changes proven against the unchanged recipe and a random change, applied one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.data.feed.randomness import derive
from tenfold.doctor.causes import cause_words
from tenfold.doctor.changes.all_changes import CHANGES, COMBINED, SINGLE
from tenfold.doctor.changes.random_change import random_recipe_change
from tenfold.doctor.changes.recipe_changes import changed_recipe, lines, words
from tenfold.errors import BadInput
from tenfold.formatting import number
from tenfold.problem.from_arrays import understand
from tenfold.problem.problem import Problem
from tenfold.recipe.module import cannot_judge
from tenfold.recipe.recipe import Recipe
from tenfold.repair.diagnose_recipe import BUDGET, RecipeDiagnosis
from tenfold.search.context import SearchContext
from tenfold.statistics.metrics import METRICS

if TYPE_CHECKING:
    from tenfold.doctor.diagnosis import Diagnosis
    from tenfold.doctor.record import Trial

ROUNDS = 4
PROVEN = 6  # changes that are proven at a time
LEAST_GAIN = 0.02  # of skill, to be worth a change of the recipe
SHARE = 0.8  # of the folds on which a change must be better
WORTH = 0.1  # apply all changes at once only if they beat the best single one by this much skill
COSTLIER = ("longer", "smaller_batch")  # make more updates: only where they are prescribed
CONTROLS = 3  # random changes that are tried as well: their mean is what luck brings


@dataclass(frozen=True)
class Proven:
    """A change that was made. why: the finding, in words; what: the change in words with the lines of the recipe;
    before, after, control: mean skill of short trainings of the unchanged and the changed recipe and of those with
    random changes, on rows that they did not train on; better: on so many of `folds` folds; remedy: the same skill with
    the first finding's remedy, where another change was made; None where it is that one, or could not be tried."""

    change: str
    why: str
    what: str
    before: float
    after: float
    control: float
    better: int
    folds: int
    remedy: float | None = None


@dataclass(frozen=True)
class Repair:
    """recipe: the repaired one, the given one where nothing was proven. first, last: the diagnoses of the given and of
    the repaired recipe; metric, score_first, score_last: their mean scores over the folds, trained to the end, None
    where one diverged. notes: why it ended."""

    recipe: Recipe
    changes: list[Proven]
    first: Diagnosis
    last: Diagnosis
    metric: str
    score_first: float | None
    score_last: float | None
    notes: list[str] = field(default_factory=list)

    def report(self) -> str:
        """What was changed, why, and what it brought."""
        found = []
        for place, change in enumerate(self.changes, 1):
            other = "" if change.remedy is None else f"; the remedy: {change.remedy:.2f}"
            found += [
                f"repair {place} for {change.why}: {change.what}",
                f"  skill {change.before:.2f} -> {change.after:.2f}, better on {change.better} of {change.folds} folds "
                f"(random changes: {change.control:.2f}{other})",
            ]
        if self.changes:
            scores = " -> ".join(score_words(value) for value in (self.score_first, self.score_last))
            found.append(f"trained to the end: {METRICS[self.metric].words} {scores}")
        return "\n".join([*found, *self.notes])

    def __repr__(self) -> str:
        """The report."""
        return self.report()

    def to_dict(self) -> dict[str, Any]:
        """As a JSON value, with both diagnoses."""
        return {
            "recipe": self.recipe.to_dict(), "changes": [asdict(change) for change in self.changes],
            "first": self.first.to_dict(), "last": self.last.to_dict(),
            "metric": self.metric, "score": [self.score_first, self.score_last], "notes": self.notes,
        }  # fmt: skip


def score_words(value: float | None) -> str:
    """A mean score over the folds."""
    return "none (diverged)" if value is None else number(value)


def diagnose_recipe(
    recipe: Recipe,
    X: Any,
    y: Any,
    *,
    folds: Any = 5,
    seeds: int = 1,
    seed: int = 0,
    task: str | None = None,
    budget: float = BUDGET,
    time_limit: float | None = None,
    device: str = "auto",
) -> Diagnosis:
    """Train a recipe on its folds under the doctor, and say what is wrong with it and what cures it.

    - X, y, folds, task, device: as for `cross_validate`.
    - seeds: how many times the folds are drawn anew, each with a new seed.
    - budget: seconds for the short trainings that try changes of the recipe.
    - time_limit: seconds after which the training itself ends.

    The same seed gives the same diagnosis, unless the time limit ends it. Raises `BadInput`.
    """
    problem = _problem_of(recipe, X, y, task, folds=folds, seed=seed, repeats=seeds)
    return RecipeDiagnosis(problem, recipe, SearchContext.local(device, limit=time_limit), budget).diagnose()


def repair(
    recipe: Recipe,
    X: Any,
    y: Any,
    *,
    folds: Any = 5,
    seeds: int = 1,
    seed: int = 0,
    task: str | None = None,
    budget: float = BUDGET,
    rounds: int = ROUNDS,
    time_limit: float | None = None,
    device: str = "auto",
) -> Repair:
    """Diagnose a recipe, prove what might cure it, apply the best proven change, and again until it is healthy, nothing
    more is proven, or `rounds` changes are made; for the other options see `diagnose_recipe`."""
    problem = _problem_of(recipe, X, y, task, folds=folds, seed=seed, repeats=seeds)
    return repair_problem(problem, recipe, SearchContext.local(device, limit=time_limit), budget=budget, rounds=rounds)


def _problem_of(recipe: object, X: Any, y: Any, task: str | None, **division: Any) -> Problem:
    """What the doctor trains one recipe on. Raises `BadInput` for anything but one recipe."""
    if not isinstance(recipe, Recipe):
        raise BadInput(f"a {type(recipe).__name__}", expected="a Recipe", do="tenfold.Recipe.from_yaml or from_dict")
    data = understand(X, y, task)
    unjudged = cannot_judge(recipe, data.y.ndim)
    if unjudged:
        do = "tenfold.diagnose(make_model, X, y, criterion, make_optimizer), or tenfold.watch"
        raise BadInput(f"{unjudged}", where=recipe.describe()[:80], expected="one class or number a row", do=do)
    return data.problem(**division)


def repair_problem(
    problem: Problem,
    recipe: Recipe,
    context: SearchContext,
    *,
    budget: float = BUDGET,
    rounds: int = ROUNDS,
    on_diagnosis: Callable[[Diagnosis], None] = lambda diagnosis: None,
) -> Repair:
    """Diagnose a recipe, prove what might cure it, apply the best proven change, and again until it is healthy, nothing
    more is proven, or `rounds` changes are made.

    on_diagnosis: called with the first diagnosis as soon as it is there.
    """
    current = RecipeDiagnosis(problem, recipe, context, budget)
    first = last = current.diagnose()
    on_diagnosis(first)
    before = current.trained.mean_score()
    made: list[Proven] = []
    notes: list[str] = []
    while not last.healthy and len(made) < rounds:
        found = _best(current, last, len(made))
        if found is None:
            notes.append("no change was proven to help" if not made else "no further change was proven to help")
            break
        proven, changed = found
        other = RecipeDiagnosis(problem, changed, context, budget)
        diagnosis = other.diagnose(prove=False)
        if other.trained.mean_skill() < current.trained.mean_skill() - LEAST_GAIN:
            notes.append(f"not kept, worse when trained to the end: {proven.what}")
            break
        made.append(proven)
        current, last = other, diagnosis
    if not last.healthy:
        notes.append(f"still not healthy: {last.findings[0].words} ({last.findings[0].probability:.2f})")
    scores = before, current.trained.mean_score()
    return Repair(current.recipe, made, first, last, problem.metric.name, *scores, notes)


def _best(current: RecipeDiagnosis, diagnosis: Diagnosis, round_number: int) -> tuple[Proven, Recipe] | None:
    """The best of the changes that a fresh round of paired trainings proves, with the unchanged recipe and
    random changes as controls, and the recipe with it. Of all changes together those are kept that are needed."""
    candidates = recipes_to_prove(diagnosis, current.recipe)
    made: dict[str, Recipe] = {"as_is": current.recipe, **candidates}
    rng = derive(current.problem.folds[0].seed, "doctor", 2, round_number)
    data: dict[str, Any] = {"task": current.problem.task, "rows": current.problem.inputs.rows}
    controls = [f"control {place}" for place in range(CONTROLS)]
    made |= {name: random_recipe_change(current.recipe, rng, **data) for name in controls}
    seed = 100 + round_number
    trials = {trial.change: trial for trial in current.short_trainings.train(made, seed=seed)}
    before, luck = trials["as_is"], float(np.mean([useful_skill(trials[name]) for name in controls]))
    prescribed = [f.change for f in diagnosis.findings[:2]]
    change = chosen(before, luck, {name: trials[name] for name in candidates}, prescribed)
    if change is None:
        return None
    recipe, trial, what = made[change], trials[change], words(current.recipe, change)
    if change in COMBINED:
        recipe, trial = _needed(current, recipe, trial, seed)
        what = f"these settings changed together, each of them needed:\n{lines(current.recipe, recipe)}"
    why = next((f.cause for f in diagnosis.findings if f.change == change), diagnosis.findings[0].cause)
    wins, folds = folds_won(before, trial)
    remedy = None if prescribed[0] == change or prescribed[0] not in candidates else useful_skill(trials[prescribed[0]])
    skills = useful_skill(before), useful_skill(trial), luck
    return Proven(change, cause_words(why), what, *skills, wins, folds, remedy), recipe


def _needed(current: RecipeDiagnosis, changed: Recipe, trial: Trial, seed: int) -> tuple[Recipe, Trial]:
    """Of the fields that a recipe changes those that it is LEAST_GAIN worse without, as a recipe with its trial; all
    of them where these alone do not reach as much."""
    old, new = current.recipe, changed
    fields = [f.name for f in dataclasses.fields(Recipe) if getattr(old, f.name) != getattr(new, f.name)]
    without = {f"without {name}": made for name in fields if (made := _with_fields(new, old, [name])) is not None}
    trials = {t.change: t for t in current.short_trainings.train(without, seed=seed)}
    reached = useful_skill(trial)
    idle = [
        n for n in fields if (t := trials.get(f"without {n}")) is not None and useful_skill(t) > reached - LEAST_GAIN
    ]
    fewer = _with_fields(new, old, idle) if idle else None
    if fewer is None or fewer == old:
        return changed, trial
    again = current.short_trainings.train({"fewer": fewer}, seed=seed)[0]
    return (fewer, again) if useful_skill(again) > reached - LEAST_GAIN else (changed, trial)


def _with_fields(recipe: Recipe, other: Recipe, names: Sequence[str]) -> Recipe | None:
    """A recipe with some fields of another one; None where they do not go together."""
    try:
        return dataclasses.replace(recipe, **{name: getattr(other, name) for name in names})
    except BadInput:
        return None


def recipes_to_prove(diagnosis: Diagnosis, recipe: Recipe) -> dict[str, Recipe]:
    """The recipes to prove by the names of their changes: those that the findings prescribe, those that did best when
    they were tried, all together."""
    prescribed = [f.change for f in diagnosis.findings[:2]]
    trials = {t.change: t for t in diagnosis.record.trials}
    names = [n for n in SINGLE if n not in COSTLIER and n in trials and "as_is" in trials]
    names.sort(key=lambda name: (-useful_skill(trials[name]), CHANGES[name].preference))
    gaining = [n for n in names if useful_skill(trials[n]) > useful_skill(trials["as_is"]) + LEAST_GAIN]
    found: dict[Recipe, str] = {}
    for name in [*dict.fromkeys([*prescribed, *gaining])][:PROVEN] + list(COMBINED):
        changed = changed_recipe(recipe, name)
        if changed is not None and changed != recipe:
            found.setdefault(changed, name)
    return {name: changed for changed, name in found.items()}


def chosen(before: Trial, luck: float, trials: dict[str, Trial], prescribed: Sequence[str] = ()) -> str | None:
    """The change to make: of those that gain LEAST_GAIN of skill, end above what random changes come to (`luck`), and
    are better on SHARE of the folds, the first single one that is within LEAST_GAIN of the best; all at once where that
    gains WORTH more. Of one that is prescribed less is asked: no skill lost, and a lower loss on SHARE of the folds."""
    base = useful_skill(before)
    gains: dict[str, float] = {}
    for name, trial in trials.items():
        wins, folds = folds_won(before, trial)
        gain = useful_skill(trial) - base
        lower = sum((b or 0) < (a or 0) for a, b in zip(before.loss, trial.loss, strict=True))
        clear = gain > LEAST_GAIN and wins >= SHARE * folds
        asked = name in prescribed and not CHANGES[name].other_loss and gain >= 0 and lower >= SHARE * folds
        if (clear or asked) and base + gain > luck:
            gains[name] = gain
    single = {name: gain for name, gain in gains.items() if name not in COMBINED}
    together = max((n for n in gains if n in COMBINED), key=lambda n: gains[n], default=None)
    if not single or (together is not None and gains[together] > max(single.values()) + WORTH):
        return together
    return next(name for name, gain in single.items() if gain >= max(single.values()) - LEAST_GAIN)


def _useful_skills(trial: Trial) -> list[float]:
    """Skill of every fold, on held-out rows where there are any; 0 where it is worse than a constant answer.

    `Trial.reached`, which the judge weighs, still tells bad from worse: here a recipe is chosen, and one that is worse
    than a constant answer is of no use, however much worse.
    """
    pairs: Sequence[tuple[float | None, float | None]] = list(zip(trial.held_out, trial.skill, strict=True))
    return [max(0.0, (held if held is not None else own) or 0.0) for held, own in pairs]


def useful_skill(trial: Trial) -> float:
    """Mean over the folds."""
    return float(np.mean(_useful_skills(trial)))


def folds_won(before: Trial, after: Trial) -> tuple[int, int]:
    """On how many folds the second has more useful skill, and of how many. A loss decides nothing here, as it does
    between equal skills in a proof (`paired_wins`): a recipe is not changed for it."""
    pairs = list(zip(_useful_skills(before), _useful_skills(after), strict=True))
    return sum(b > a for a, b in pairs), len(pairs)
