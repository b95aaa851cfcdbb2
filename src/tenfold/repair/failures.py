"""What was unhealthy in the recipes that failed: groups of failures over folds and seeds, what their recipes share, and
the doctor's word on one of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tenfold.checks.baselines import run_baseline
from tenfold.doctor.prove.paired import UNHELPED
from tenfold.errors import Stopped, clipped
from tenfold.recipe.module import Module, cannot_judge
from tenfold.recipe.recipe import Recipe
from tenfold.search.context import SearchContext
from tenfold.search.results import SearchResults
from tenfold.search.trial_outcome import Outcome

MOST = 3  # groups that the doctor looks at
SECONDS = 2.0  # of short trainings a group, by the cost formula
MEMBERS, PURE = 0.3, 0.9  # of a group's recipes have what they share; of all that have it so many failed
CLOSED = 0.1  # of the gap to the dummy
FAILED = "diverged", "learnt nothing"
# To a single training, columns that do not tell the target look like labels of other rows. A run shuffles nothing.
UNRELATED = "corrupted_labels"
UNRELATED_WORDS = (
    "nothing that was tried finds anything in these columns: they may not tell the target, or its labels not belong to "
    "their rows"
)


@dataclass(frozen=True)
class Failures:
    """Recipes that failed in the same way.

    what: "diverged" or "learnt nothing" (no better than the dummy, and not on the way there when they were ended
    early); trials: that did, of all trials of the search; recipes: their numbers, in order; where: what they share, ""
    for nothing.
    """

    what: str
    trials: int
    of: int
    recipes: tuple[int, ...]
    where: str


def failures(trained: SearchResults, dummy: float) -> list[Failures]:
    """The groups, most trials first: those that a common setting tells from the recipes that did not fail, and what is
    left. dummy: mean score of the baseline that looks at no input."""
    counts = {what: _failed(trained, what, dummy) for what in FAILED}
    total = sum(outcome is not None for record in trained.records.values() for outcome in record.outcomes)
    failed = {number for trials in counts.values() for number in trials}
    found = []
    for what, trials in counts.items():
        left = set(trials)
        while left:
            where, members = shared(trained.recipes, left, failed)
            members = members or left
            found.append(Failures(what, sum(trials[n] for n in members), total, tuple(sorted(members)), where))
            left -= members
    return sorted(found, key=lambda group: -group.trials)


def _failed(trained: SearchResults, what: str, dummy: float) -> dict[int, int]:
    """Failed trials by recipe."""
    sign, found = trained.problem.metric.sign, {}
    for number, record in trained.records.items():
        diverged = sum(outcome is Outcome.DIVERGED for outcome in record.outcomes)
        scores = trained.scores(number)
        poor = int((sign * scores[np.isfinite(scores)] <= sign * dummy + 1e-9).sum())
        if record.made < trained.recipes[number].epochs and _was_learning(sign * record.mean_scores(), sign * dummy):
            poor = 0
        count = diverged if what == "diverged" else 0 if diverged else poor
        if count and (what == "diverged" or 2 * count > np.isfinite(scores).sum()):
            found[number] = count
    return found


def _was_learning(scores: np.ndarray, dummy: float) -> bool:
    """Whether a recipe that was ended early, with mean scores (epochs,), would soon have passed the dummy: its last
    epoch is its best, and the second half of its epochs closed a tenth of the gap. With fewer than three epochs nothing
    is known against it. Recipes that a race drops after a few epochs are slow more often than broken."""
    if len(scores) < 3:
        return True
    half = scores[len(scores) // 2]
    gained = scores[-1] - half
    return bool(scores[-1] >= scores.max() and gained > 0 and gained >= CLOSED * (dummy - half))


def shared(recipes: Sequence[Recipe], left: set[int], failed: set[int]) -> tuple[str, set[int]]:
    """The setting (or bound of a number) that holds for most of the recipes `left`, at least 3 in 10 of them and two,
    and whose holders among all recipes failed at least 9 times in 10: in words, and those that it holds for; "" and
    none where there is no such setting, or no recipe that did not fail."""
    if len(failed) == len(recipes):
        return "", set()
    best, members = "", set[int]()
    settings = [_settings(recipe.to_dict()) for recipe in recipes]
    for condition in _conditions([settings[number] for number in sorted(left)]):
        holders = {number for number, of_recipe in enumerate(settings) if condition.holds(of_recipe)}
        frequent = len(holders & left) >= max(2, MEMBERS * len(left))
        pure = len(holders & failed) >= PURE * len(holders)
        # what every recipe has tells nothing, though nearly all of them failed
        if frequent and pure and len(holders) < len(recipes) and len(holders & left) > len(members):
            best, members = condition.words, holders & left
    return best, members


SettingsByPath = Mapping[str, Any]  # of a recipe by their paths: "optimizer.sgd.lr"
PRESENT = "present"  # the value of a rule or group that a recipe has


@dataclass(frozen=True)
class Condition:
    """A recipe has this value at a path, or one that is at least or at most this number."""

    path: str
    value: Any
    relation: Literal["is", "at least", "at most"] = "is"

    def holds(self, settings: SettingsByPath) -> bool:
        """Whether a recipe with these settings meets it."""
        if self.path not in settings:
            return False
        value = settings[self.path]
        if self.relation == "is":
            return bool(value == self.value)
        if not isinstance(value, float | int):
            return False
        return value >= self.value if self.relation == "at least" else value <= self.value

    @property
    def words(self) -> str:
        """As a person would write it: "optimizer.sgd.lr of 0.5 or more", "network.hidden: [8, 8]"."""
        if self.relation != "is":
            return f"{self.path} of {self.value:g} or {'more' if self.relation == 'at least' else 'less'}"
        if self.value == PRESENT:
            return self.path.replace(".", " ")
        if isinstance(self.value, tuple):
            return f"{self.path}: [{', '.join(map(str, self.value))}]"
        return f"{self.path}: {f'{self.value:g}' if isinstance(self.value, float) else self.value}"


def _settings(recipe: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """Every setting of a recipe by its path, as values that can be compared and hashed."""
    settings: dict[str, Any] = {}
    for name, value in recipe.items():
        path = f"{inside}.{name}".lstrip(".")
        settings[path] = PRESENT
        if isinstance(value, Mapping):
            settings |= _settings(value, path)
        elif isinstance(value, list):
            settings[path] = repr(value) if any(isinstance(item, Mapping) for item in value) else tuple(value)
        else:
            settings[path] = value
    return settings


def _conditions(failed: Sequence[SettingsByPath]) -> Iterator[Condition]:
    """Every condition that some failed recipes meet: bounds of numbers that vary among them, else single values."""
    for path in sorted({path for settings in failed for path in settings}):
        values = [settings[path] for settings in failed if path in settings]
        numbers = all(isinstance(value, float | int) and not isinstance(value, bool) for value in values)
        if numbers and len(set(values)) > 1:
            yield Condition(path, min(values), "at least")
            yield Condition(path, max(values), "at most")
        else:
            for value in sorted(set(values), key=repr):
                yield Condition(path, value)


def findings(
    trained: SearchResults, dummy: float, context: SearchContext, *, looks: bool = True
) -> list[dict[str, Any]]:
    """The groups as findings, with the doctor's word on the first recipe of each of the largest groups if it `looks`
    and until the context's `late`: cause, words, probability, trials, of, recipes, what, where, evidence, remedy,
    proof."""
    found = []
    for place, group in enumerate(failures(trained, dummy)):
        unjudged = cannot_judge(trained.recipes[group.recipes[0]], trained.problem.y.ndim)
        seen = {}
        if looks and place < MOST and not context.late() and not unjudged:
            seen, unjudged = _seen(trained, group, context)
        found.append({
            "cause": seen.get("cause"), "words": seen.get("words", group.what), "probability": seen.get("probability"),
            "what": group.what, "trials": group.trials, "of": group.of, "recipes": list(group.recipes),
            "where": group.where, "evidence": seen.get("evidence", []), "remedy": seen.get("remedy", ""),
            "proof": seen.get("proof", ""),
            **({"unjudged": unjudged} if unjudged else {}),
        })  # fmt: skip
    return found


def _seen(trained: SearchResults, group: Failures, context: SearchContext) -> tuple[dict[str, Any], str]:
    """What the doctor says of a group, and why it says nothing where the user's own module cannot be measured."""
    if not isinstance(trained.recipes[group.recipes[0]].network, Module):
        return _looked_at(trained, group, context), ""
    try:
        return _looked_at(trained, group, context), ""
    except Stopped:
        raise
    except Exception as error:  # what goes wrong in somebody's code is not known beforehand
        return {}, f"its module cannot be measured ({type(error).__name__}: {clipped(error, 120)})"


def search_findings(trained: SearchResults, context: SearchContext) -> list[dict[str, Any]]:
    """The findings of a search in Python, each with its sentence."""
    problem = trained.problem
    if problem.y.ndim == 1 and not any(cannot_judge(recipe, 1) for recipe in trained.recipes):
        dummy = run_baseline(problem, "dummy", seed=0).mean
    else:
        dummy = -problem.metric.sign * np.inf  # nothing is known of what an answer without inputs would score
    return [{**finding, "sentence": failure_sentence(finding)} for finding in findings(trained, dummy, context)]


def _looked_at(trained: SearchResults, group: Failures, context: SearchContext) -> dict[str, Any]:
    from tenfold.repair.diagnose_recipe import RecipeDiagnosis

    of_first = RecipeDiagnosis(trained.problem, trained.recipes[group.recipes[0]], context, SECONDS)
    # A training that was cut short, or one of which some changes were not tried, would be judged by what it is not.
    _ = of_first.trained
    if context.late():
        return {}
    diagnosis = of_first.diagnose()
    if diagnosis.healthy or context.late():
        return {}
    first = diagnosis.findings[0]
    words = UNRELATED_WORDS if first.cause == UNRELATED else first.words
    return {"cause": first.cause, "words": words, "probability": first.probability,
            "evidence": first.evidence, "remedy": first.remedy, "proof": first.proof}  # fmt: skip


def failure_sentence(finding: Mapping[str, Any]) -> str:
    """A finding in a line: "9 of 240 trials diverged: all with init.normal.std of 1 or more (initial weights too
    large, 0.92); remedy"."""
    text = f"{finding['trials']} of {finding['of']} trials {finding['what']}"
    count = len(finding["recipes"])
    text += f", in {count} recipe{'s' if count != 1 else ''}"
    if finding["where"]:
        text += f", all with {finding['where']}"
    if finding.get("unjudged"):
        text += f"; not looked at: {finding['unjudged']}"
    if finding["cause"]:
        sure = "" if finding["cause"] == UNRELATED else f" ({finding['probability']:.2f})"
        text += f": {finding['words']}{sure}; {' '.join(finding['remedy'].split())}"
        if UNHELPED in (finding.get("proof") or ""):
            text = text.rstrip(".") + ", which alone did not help in a short run"
    return text.rstrip(".") + "."
