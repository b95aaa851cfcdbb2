"""One recipe under the doctor: trained on its folds in one pack, judged, and the changes of it tried in packs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.data.feed.batches import Dealing
from tenfold.data.feed.randomness import derive, derive_int
from tenfold.data.split.folds import Fold
from tenfold.doctor.changes.batches import LONGER, ONE_BATCH_RATE
from tenfold.doctor.changes.recipe_changes import changed_recipe, words
from tenfold.doctor.judge.evidence_units_and_signal import DEAD_LAYER
from tenfold.doctor.measure.numbers.skill import WORST, class_skill, number_skill
from tenfold.engine.engines import make_lanes
from tenfold.engine.plan.cost import lane_step_seconds
from tenfold.engine.plan.shape import Shape
from tenfold.executors.choose import executor_in_this_process
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.optimizers import Adam
from tenfold.rules.rate_factors import RateFactors
from tenfold.search.context import SearchContext
from tenfold.search.deadline import Deadline

if TYPE_CHECKING:
    from tenfold.doctor.diagnosis import Diagnosis
    from tenfold.doctor.measure.lanes import LaneObserver
    from tenfold.doctor.record import Trial
    from tenfold.engine.packs.lane_states import LaneStates
    from tenfold.engine.packs.rows import Feed
    from tenfold.engine.plan.packing import PackPlan

Array = np.ndarray
SHORTEST, SHORT, LONG = 20, 400, 1600  # updates of a short training: at least, at most, and where it needs more
BUDGET = 6.0  # seconds of all short trainings of a first round, by the cost formula
SCORED = 1024  # rows of a part that skill is measured on
VALIDATIONS = 64  # epochs after which the validation loss is measured, at most
OUT_OF_LINE = 0.2  # judge the worst lane instead of the median one if its skill is lower by more than this


def skill_of(problem: Problem, outputs: Array, rows: Array, fold: int, recipe: Recipe) -> float | None:
    """The doctor's skill (`class_skill`, `number_skill`) of outputs for some rows, at least WORST, which is also what
    outputs that are not finite get; None for a target that is the same in all rows."""
    y = problem.y[rows]
    if not np.isfinite(outputs).all():
        return WORST
    if not problem.classes:
        predicted = problem.readable(outputs, fold, loss_of(recipe, False).link, clip=recipe.clip_predictions)[:, 0]
        return number_skill(float(((y - predicted) ** 2).sum()), float(((y - y.mean()) ** 2).sum()))
    value = class_skill(float((outputs.argmax(1) == y).mean()), float(np.bincount(y).max()) / len(y))
    return None if value is None else max(WORST, value)


def scored_rows(rows: Array, fold: Fold) -> Array:
    """At most SCORED of the rows, the same ones for every recipe."""
    return np.sort(derive(fold.seed, "doctor", 0, fold.number).permutation(rows)[:SCORED])


def lane_skills(problem: Problem, pack: LaneStates) -> tuple[list[float | None], list[float | None], list[float]]:
    """Of every lane: skill on training rows, on validation rows, and the loss on those training rows."""
    import torch

    from tenfold.doctor.measure.lanes import criterion_of, lane_targets

    folds = [part.fold for part in pack.feed.folds]
    training, validation = [scored_rows(f.train, f) for f in folds], [scored_rows(f.validation, f) for f in folds]
    diverged = pack.bad.cpu().numpy() >= 0

    def skills(rows: list[Array]) -> tuple[list[Array], list[float | None]]:
        outputs = pack.predict(rows) if any(map(len, rows)) else []
        of_lanes: list[float | None] = []
        for i, lane in enumerate(pack.lanes):
            known = len(rows[lane.fold]) > 0
            value = skill_of(problem, outputs[i], rows[lane.fold], lane.fold, lane.recipe) if known else None
            of_lanes.append(WORST if diverged[i] else value)
        return outputs, of_lanes

    outputs, skill = skills(training)
    losses = []
    for i, lane in enumerate(pack.lanes):
        target = lane_targets(pack, i, training[lane.fold])
        loss = float(criterion_of(lane, pack)(torch.from_numpy(outputs[i]).to(target.device), target))
        losses.append(math.inf if diverged[i] or not math.isfinite(loss) else loss)
    return skill, skills(validation)[1], losses


@dataclass
class ShortTrainings:
    """Short paired trainings of a recipe and of changes of it: the same folds, rows, batches and draws for all.

    `budget` decides by the cost formula for how many updates, the first time that it is called.
    """

    problem: Problem
    recipe: Recipe
    context: SearchContext
    budget: float = BUDGET
    steps: int = 0

    def __call__(self, names: Sequence[str], seeds: Sequence[int]) -> list[Trial]:
        """A trial of each change that this recipe can have, one entry a fold; with several seeds the draws and the
        order of the rows are others than with one."""
        changed = {name: made for name in names if (made := changed_recipe(self.recipe, name)) is not None}
        return self.train(changed, seed=len(seeds), one_batch="one_batch" in names)

    def train(self, recipes: Mapping[str, Recipe], *, seed: int, one_batch: bool = False) -> list[Trial]:
        """A trial of each recipe, by the name of its change. seed: of this round of trials."""
        folds = tuple(replace(f, seed=derive_int(f.seed, "doctor", 1, seed)) for f in self.problem.folds)
        self.steps = self.steps or self._affordable(list(recipes.values()), folds)
        found = self._train(recipes, folds)
        if one_batch:
            rows = min(32, self.recipe.batch_size if self.recipe.batch_size != "full" else 32)
            few = tuple(replace(f, train=scored_rows(f.train, f)[:rows], validation=f.validation[:0]) for f in folds)
            own = Adam(lr=ONE_BATCH_RATE)
            heart = replace(self.recipe, optimizer=own, rate_factors=RateFactors(), batch_size="full", decay="none")
            found += self._train({"one_batch": heart}, few)
        return found

    def _updates(self, name: str, recipe: Recipe, folds: Sequence[Fold]) -> int:
        """Updates of a trial: more where the change is to make more of them, of smaller batches an equal share."""
        if name == "longer":
            return LONGER * self.steps
        mine, base = (Dealing.of(folds, r.batch_size).updates for r in (recipe, self.recipe))
        return max(self.steps, min(LONG, self.steps * mine // base)) if mine > base else self.steps

    def _affordable(self, recipes: Sequence[Recipe], folds: Sequence[Fold]) -> int:
        cost = 0.0
        for recipe in recipes:
            rows = Dealing.of(folds, recipe.batch_size).rows
            cost += len(folds) * lane_step_seconds(recipe, self.problem.size, batch=rows)
        updates_in_all = Dealing.of(folds, self.recipe.batch_size).updates * self.recipe.epochs
        return min(max(SHORTEST, min(SHORT, int(self.budget * self.context.workers / cost))), updates_in_all)

    def _train(self, named: Mapping[str, Recipe], folds: Sequence[Fold]) -> list[Trial]:
        from tenfold.engine.plan.packing import plan_packs

        names, recipes = list(named), list(named.values())
        feed = self.problem.feed(recipes, self.context.device, self.context.dtype, folds)
        updates = [self._updates(name, recipe, folds) for name, recipe in named.items()]
        found: dict[int, Trial] = {}
        plans = plan_packs(
            recipes,
            folds,
            self.problem.size,
            workers=self.context.workers,
            compiled=self.context.compiled(self.problem),
        )
        jobs = [self._job(plan, recipes, names, updates, feed) for plan in plans]
        executor = executor_in_this_process(self.context.workers)
        executor.run(jobs, receive=found.update, idle=self.context.idle, late=self.context.late)
        return [found[number] for number in range(len(names)) if number in found]

    def _job(self, plan: PackPlan, recipes: list[Recipe], names: list[str], updates: list[int], feed: Feed) -> Any:
        """One pack, whose recipes are scored and leave when they have made their updates."""
        from tenfold.doctor.record import Trial
        from tenfold.engine.packs.train import train

        def job(emit: Any, order: Any) -> None:
            engine, threads = self.context.engine, self.context.workers
            pack = make_lanes(
                plan.lanes(recipes), plan.shape, feed, engine=engine, threads=threads, scored=False, ahead=True
            )
            for last in sorted({updates[n] for n in plan.numbers}):
                if not train(pack, last=last, tick=order):
                    return
                scores = list(zip(*lane_skills(self.problem, pack), strict=True))
                for number in (n for n in plan.numbers if updates[n] == last):
                    mine = {lane.fold: scores[i] for i, lane in enumerate(pack.lanes) if lane.number == number}
                    skills, held, losses = (list(c) for c in zip(*(mine[f] for f in plan.folds), strict=True))
                    emit({number: Trial(names[number], last, skills, held, losses)})
                pack.keep([updates[lane.number] > last for lane in pack.lanes])

        return job


@dataclass
class WatchedTraining:
    """A recipe trained on all folds under an observer. skill, held_out: of every lane (a fold and a seed), on rows
    that it trained on and on rows that it did not; scores: by the metric, on the latter, NaN where it diverged."""

    pack: LaneStates
    observer: LaneObserver
    skill: list[float | None]
    held_out: list[float | None]
    scores: list[float]
    notes: list[str]

    def judged_lane(self) -> int:
        """The lane that is judged: the median one by skill, or the worst one where it is out of line."""
        values = [WORST if v is None else v for v in self.skill]
        order = sorted(range(len(values)), key=values.__getitem__)
        middle = order[len(order) // 2]
        return order[0] if values[middle] - values[order[0]] > OUT_OF_LINE else middle

    def mean_skill(self) -> float:
        """Mean skill over the lanes on rows that they did not train on."""
        return float(np.mean([WORST if v is None else v for v in self.held_out]))

    def mean_score(self) -> float | None:
        """Mean score over the lanes; None where one diverged."""
        mean = float(np.mean(self.scores))
        return mean if math.isfinite(mean) else None


@dataclass
class RecipeDiagnosis:
    """A recipe, its rows, and what trains it."""

    problem: Problem
    recipe: Recipe
    context: SearchContext
    budget: float = BUDGET

    def __post_init__(self) -> None:
        self.problem.check_recipes([self.recipe])
        self.short_trainings = ShortTrainings(self.problem, self.recipe, self.context, self.budget)

    @cached_property
    def trained(self) -> WatchedTraining:
        """The recipe trained to its end."""
        return train_watched(self.problem, self.recipe, self.context)

    def diagnose(self, *, prove: bool = True) -> Diagnosis:
        """Train, measure, try changes, judge, prove; what holds across folds and seeds is the first evidence."""
        from tenfold.doctor.measure.lanes import lane_watched
        from tenfold.doctor.ways_in.examine import examine

        training = self.trained
        watched = lane_watched(training.pack, training.observer, training.judged_lane())
        watched.notes += training.notes
        found = examine(watched, trials=self.short_trainings, prove=prove, budget=self.budget)
        return self._with_lines(found, across_folds(self.problem, training))

    def _with_lines(self, diagnosis: Diagnosis, sentences: list[str]) -> Diagnosis:
        """The findings with remedies as lines of the recipe, and the first one with what holds across lanes."""
        findings = []
        for place, finding in enumerate(diagnosis.findings):
            remedy = finding.remedy
            if finding.change and changed_recipe(self.recipe, finding.change) not in (None, self.recipe):
                remedy = words(self.recipe, finding.change)
            evidence = [*(sentences if place == 0 else []), *finding.evidence]
            proof = finding.proof.replace(" seeds, ", " folds, ")  # whose trials have one entry a fold
            findings.append(replace(finding, remedy=remedy, evidence=evidence, proof=proof))
        return replace(diagnosis, findings=findings)


def train_watched(problem: Problem, recipe: Recipe, context: SearchContext) -> WatchedTraining:
    """The recipe trained to its end on every fold in one pack, or until all lanes have diverged or the time is out."""
    from tenfold.doctor.measure.lanes import LaneObserver
    from tenfold.engine.packs.lanes import Lane
    from tenfold.engine.packs.train import train

    feed = problem.feed([recipe], context.device, context.dtype)
    lanes = [Lane(recipe, 0, fold) for fold in range(len(problem.folds))]
    shape = Shape.of(recipe, problem.size, problem.folds)
    pack = make_lanes(lanes, shape, feed, engine=context.engine, threads=context.workers)
    observer, deadline = LaneObserver(pack, states=True), Deadline(context.limit)

    updates_in_all = recipe.epochs * pack.per_epoch
    notes: list[str] = []

    def each_epoch() -> None:
        if pack.epoch % max(1, recipe.epochs // VALIDATIONS) == 0:
            observer.validate()

    def job(emit: Any, order: Any) -> None:
        if not train(pack, last=updates_in_all, tick=order, each_epoch=each_epoch):
            emit(f"watched for {pack.update} of {updates_in_all} updates: the time was out")

    def late() -> bool:
        return deadline.over() or context.late()

    executor_in_this_process(1).run([job], receive=notes.append, idle=context.idle, late=late)
    pack.observer = None
    skills, held, _ = lane_skills(problem, pack)
    return WatchedTraining(pack, observer, skills, held, lane_scores(problem, pack), notes)


def lane_scores(problem: Problem, pack: LaneStates) -> list[float]:
    """The metric of every lane on its validation rows; NaN where its outputs are not finite."""
    found: list[float] = []
    for lane, outputs in zip(pack.lanes, pack.evaluate(), strict=True):
        link, clip = loss_of(lane.recipe, bool(problem.classes)).link, lane.recipe.clip_predictions
        readable = problem.readable(outputs, lane.fold, link, clip=clip)
        finite = bool(np.isfinite(outputs).all() and np.isfinite(readable).all())
        y = problem.y[problem.folds[lane.fold].validation]
        found.append(float(problem.metric.score(y, readable[None])[0]) if finite else math.nan)
    return found


def across_folds(problem: Problem, training: WatchedTraining) -> list[str]:
    """What holds for how many folds and seeds, in sentences; nothing of what holds for none."""
    pack, seeds = training.pack, len({fold.seed for fold in problem.folds})
    of = f"of {len(pack.lanes)} {'folds' if seeds == 1 else 'trainings (folds and seeds)'}"
    bad = pack.bad.cpu().numpy()
    chance = sum(v is not None and b < 0 and v < 0.05 for v, b in zip(training.skill, bad, strict=True))
    found = []
    if diverged := int((bad >= 0).sum()):
        found.append(f"diverged in {diverged} {of}, first at update {int(bad[bad >= 0].min())}")
    if chance:
        found.append(f"no better than a constant answer on the training rows in {chance} {of}")
    shares = [_dead_share(problem, pack, i) for i in range(len(pack.lanes)) if bad[i] < 0]
    if dying := sum(share > DEAD_LAYER for share in shares):
        found.append(f"over half of a layer's units are dead in {dying} {of}")
    return found


def _dead_share(problem: Problem, pack: LaneStates, lane: int) -> float:
    from tenfold.doctor.measure.lanes import dead_relu_share

    fold = problem.folds[pack.lanes[lane].fold]
    return dead_relu_share(pack, lane, scored_rows(fold.train, fold))
