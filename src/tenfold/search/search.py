"""All recipes on all folds: round after round of proposals, stage after stage of the race, pack after pack.

All folds of a recipe advance in lock-step, so the fold-mean curve exists at every epoch: the epoch is chosen on it, and
the race decides on it. What is decided (recipes, packs, survivors) is committed before it is acted on, because a
resumed run has to repeat it, and could not: another machine packs differently, and the clock says something else. It
finds its decisions and the packs that have ended in the journal, and goes on from the last checkpoints of the others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from tenfold.data.feed.randomness import derive
from tenfold.engine.plan.cost import COMPILED, MODEL, network_work, recipe_seconds
from tenfold.engine.plan.shape import Shape
from tenfold.errors import BadInput
from tenfold.executors.choose import choose_executor
from tenfold.problem.problem import Problem
from tenfold.problem.settings import RULES
from tenfold.recipe.recipe import Recipe
from tenfold.search.context import UNWATCHED, SearchContext
from tenfold.search.deadline import Deadline
from tenfold.search.progress import Progress
from tenfold.search.proposals import Proposer, Tried
from tenfold.search.racing import Rung, Stage, Standing, Strategy
from tenfold.search.results import SearchResults
from tenfold.search.so_far import SoFar
from tenfold.search.trial_outcome import Outcome

if TYPE_CHECKING:
    from tenfold.engine.packs.lane_states import LaneRows
    from tenfold.engine.packs.rows import Feed
    from tenfold.engine.plan.packing import PackPlan
    from tenfold.search.job import KeptWeights, Message, PackJob, Saved
    from tenfold.search.records import RecipeRecord

Array = np.ndarray
MOST_RECORDED_ROWS = 4096  # rows whose contributions to every score are recorded, at most
MOST_RECORDED_NUMBERS = 50_000_000  # and so many numbers, 4 bytes each, over all recipes and epochs
MOST_KEPT_WEIGHTS = 100_000_000  # numbers of networks at their best epochs that are kept for the final model, at most
AUDITED = 12  # dropped recipes that an audit trains to the end, at most
FEWER_LANES = 1.5  # how much more an epoch of a recipe takes when few are left


@dataclass(frozen=True)
class SearchPlan:
    """How a search goes: the race, the rule that picks the winner, whether dropped recipes are audited, and whether
    what each row contributes is recorded, which a corrected score needs."""

    strategy: Strategy = field(default_factory=Strategy)
    rule: str = "best"
    audit: bool = False
    seed: int = 0
    record_rows: bool = True

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise BadInput(f"rule {self.rule!r}", expected=f"one of: {', '.join(RULES)}")


@dataclass(frozen=True)
class Given:
    """Recipes that were decided before: a proposer of one round."""

    recipes: tuple[Recipe, ...]
    rounds: int = 1

    @property
    def trials(self) -> int:
        """How many recipes."""
        return len(self.recipes)

    def propose(self, tried: Sequence[Tried]) -> list[Recipe]:
        """All of them."""
        return [] if tried else list(self.recipes)


def train_all(
    problem: Problem, recipes: Sequence[Recipe] | Proposer, context: SearchContext, plan: SearchPlan | None = None
) -> SearchResults:
    """Train what is given or proposed on every fold, to its end, to where the race drops it, or to the time limit."""
    proposer = Given(tuple(recipes)) if isinstance(recipes, Sequence) else recipes
    return SearchRun(problem, proposer, context, plan or SearchPlan()).run()


class SearchRun:
    """A search under way: its recipes by number, their records, and the decisions of the race so far."""

    def __init__(self, problem: Problem, proposer: Proposer, context: SearchContext, plan: SearchPlan) -> None:
        self.problem, self.proposer, self.context, self.plan = problem, proposer, context, plan
        self.deadline = Deadline(context.limit)
        self.progress = Progress(problem.metric.sign, context.progress)
        self.recipes: list[Recipe] = []
        self.records: dict[int, RecipeRecord] = {}
        self.race: list[Rung] = []
        self.recorded_rows: Array | None = None
        self.weights: KeptWeights = {}
        self._keep_weights = False
        self._on_epochs = context.on_epochs
        self._seconds: dict[int, float] = {}

    def run(self) -> SearchResults:
        """All rounds, and the audit."""
        begun, number = time.monotonic(), 0
        while new := self._next_round(number):
            first = len(self.recipes)
            self.recipes += new
            self.problem.check_recipes(new)
            if first == 0:
                self._plan_all(new)
            self._compete(number, list(range(first, len(self.recipes))))
            number += 1
        audit = self._audit() if self.plan.audit else {}
        self.progress.finish()
        return SearchResults(
            self.problem, tuple(self.recipes), dict(sorted(self.records.items())), time.monotonic() - begun,
            self.plan.rule, self.recorded_rows, tuple(self.race), audit, self.weights,
        )  # fmt: skip

    def _next_round(self, number: int) -> list[Recipe]:
        """The recipes of a round; none after the last one, or when no time is left for another."""
        if number >= self.proposer.rounds or (number and self.deadline.over()):
            return []
        tried = [
            Tried(recipe, self.problem.metric.sign * self.records[n].mean(), self.records[n].epoch)
            for n, recipe in enumerate(self.recipes)
        ]
        return self.context.journal.once(
            f"recipes.{number}",
            lambda: self.proposer.propose(tried),
            write=lambda recipes: [recipe.to_dict() for recipe in recipes],
            read=lambda values: [Recipe.from_dict(value).with_modules(self.context.modules) for value in values],
        )

    def _plan_all(self, first: Sequence[Recipe]) -> None:
        """What depends on the whole search, from its first round."""
        longest = max(recipe.epochs for recipe in first)
        trials = max(self.proposer.trials, len(first))
        single = str(self.context.dtype) == "torch.float32"  # as the final model is
        self._keep_weights = single and keeps_weights(self.problem, first, trials)
        if self.plan.record_rows:
            self.recorded_rows = choose_recorded_rows(self.problem, trials * longest, self.plan.seed)

    def _compete(self, number: int, numbers: list[int]) -> None:
        """One round: its recipes from their first epoch to their end, or to where the race drops them."""
        from tenfold.engine.packs.lane_states import without_others
        from tenfold.search.records import EpochRecorder

        self.records |= EpochRecorder.new(self.problem, self.recipes, numbers, self.recorded_rows)
        longest = max(self.recipes[n].epochs for n in numbers)
        stages = self.plan.strategy.stages(self.problem.folds, len(numbers), longest)
        feed = self.problem.feed([self.recipes[n] for n in numbers], self.context.device, self.context.dtype)
        alive = numbers
        paused: dict[str, Saved | None] = {}
        for s, stage in enumerate(stages):
            begun = time.monotonic()
            self.progress.stage(self._made(self.records), self._left(number, numbers, alive, s, stages))
            # Every stage of a race costs about as much. When its part of the time is over, recipes that have not come
            # to its end are out of time, and the others go on: some recipe then reaches the last stage.
            part = self.deadline.part(len(stages) - s)
            under_way = [n for n in alive if None in (self.records[n].outcomes[f] for f in stage.folds)]
            packs = self._train(f"{number}.{s}", stage, under_way, feed, paused, part) if under_way else {}
            self.context.journal.drop_paused(paused)
            alive = [n for n in alive if not self.records[n].cut_short]
            if self.deadline.over() or not alive:
                break
            if s + 1 < len(stages):
                trained = [n for n in under_way if n in alive]
                pace = (time.monotonic() - begun) / max(self._work(trained, stage, stages[:s]), 1e-9)
                alive = self._decide(number, s, stages, numbers, alive, pace)
            staying = set(alive)
            paused = {key: None if saved is None else without_others(*saved, staying) for key, saved in packs.items()}
            packs.clear()
        for n in numbers:
            self.records[n].end(Outcome.TIMEOUT, self.records[n].made)

    def _train(
        self, place: str, stage: Stage, numbers: list[int], feed: Feed, paused: Mapping[str, Saved | None],
        part: Deadline,
    ) -> dict[str, Saved | None]:  # fmt: skip
        """Train these recipes through one stage.

        place: the names of the stage's packs begin with it. paused: the packs of the stage before. part: of the time.
        Returns the packs of this stage with the states of their lanes; None where only the journal may know it.
        """
        from tenfold.search.job import curves_of, records_of
        from tenfold.search.records import EpochRecorder

        jobs, packs = self._jobs(place, stage, numbers, feed, self._paused_lanes(paused, set(numbers)))
        known = dict(self.records)
        for job in jobs:
            known |= {} if job.saved is None else records_of(job.saved)
        self.progress.restart(self._made(known), EpochRecorder(self.problem, known).best())
        self.context.look(SoFar(self.recipes, known, self.race))
        ended, told = 0, dict[str, int]()

        def receive(message: Message) -> None:
            nonlocal ended
            # What a lost worker had told is trained, and told, again.
            again = message.kind == "epoch" and message.epoch <= told.get(message.pack, -1)
            told[message.pack] = max(message.epoch, told.get(message.pack, -1))
            if message.kind == "done":
                ended_now = EpochRecorder.read(message.arrays, message.meta)
                self.records |= ended_now
                known.update(ended_now)
                packs[message.pack] = message.paused
                self.weights |= message.weights
                ended += 1
            elif message.kind == "checkpoint":
                known.update(curves_of(message))
            self.context.journal.receive(message)
            if not again:
                self._tell_epochs(message)
            self.progress.advance(sum(map(self._epoch_seconds, () if again else message.trained)), message.best)

        def late() -> bool:
            # Before any pack has ended nobody could go on, so the first one may take the time of later stages.
            return (ended > 0 and part.over()) or self.deadline.over()

        compiled = self.context.compiled(self.problem)
        any_compiled = any(compiled(self.recipes[job.plan.numbers[0]]) for job in jobs)
        executor = choose_executor(len(jobs), self.context.workers, compiled=any_compiled, cluster=self.context.cluster)
        executor.run(jobs, receive=receive, idle=self.context.idle, late=late)
        return packs

    def _tell_epochs(self, message: Message) -> None:
        """Call who wants to know of every epoch; not again after it has raised, since packs still end then."""
        if self._on_epochs is not None and message.measured:
            tell, self._on_epochs = self._on_epochs, None
            tell(message.measured)
            self._on_epochs = tell

    def _jobs(
        self, place: str, stage: Stage, numbers: list[int], feed: Feed, lanes: dict[tuple[int, int], LaneRows]
    ) -> tuple[list[PackJob], dict[str, Saved | None]]:
        """A job for every pack of a stage that has not ended, and the names of all packs. lanes: go on from there."""
        from tenfold.search.job import PackJob
        from tenfold.search.records import EpochRecorder

        journal = self.context.journal
        # A later stage of fold racing adds folds to recipes that have their epoch from the earlier ones.
        epoch_fixed = self.plan.strategy.name == "racing" and 0 not in stage.folds
        jobs: list[PackJob] = []
        packs: dict[str, Saved | None] = {}
        for index, pack in enumerate(self._packs(place, stage, numbers)):
            key = f"{place}.{index}"
            packs[key] = None
            ended = journal.finished(key)
            if ended is not None:
                self.records |= EpochRecorder.read(*ended)
                continue
            jobs.append(
                PackJob(
                    key, pack, self.recipes, self.problem, feed, {n: self.records[n] for n in pack.numbers},
                    until=stage.until, lanes={lane: rows for lane, rows in lanes.items() if lane[0] in pack.numbers},
                    recorded_rows=self.recorded_rows, epoch_fixed=epoch_fixed, saved=journal.checkpoint(key),
                    every=self.context.between_checkpoints, engine=self.context.engine, threads=self.context.workers,
                    keep_weights=self._keep_weights, tells_epochs=self._on_epochs is not None,
                )
            )  # fmt: skip
        return jobs, packs

    def _packs(self, place: str, stage: Stage, numbers: Sequence[int]) -> list[PackPlan]:
        """The packs of a stage, from a fixed cost model, decided once."""
        from tenfold.engine.plan.packing import PackPlan, plan_packs

        folds, size = self.problem.folds, self.problem.size

        def make() -> list[list[int]]:
            plans = plan_packs(
                self.recipes, folds, size, workers=self.context.workers, numbers=numbers, on=stage.folds,
                compiled=self.context.compiled(self.problem), parts=self.context.parts,
            )  # fmt: skip
            return [list(plan.numbers) for plan in plans]

        decided = self.context.journal.once(f"packs.{place}", make)
        return [PackPlan(tuple(part), stage.folds, Shape.of(self.recipes[part[0]], size, folds)) for part in decided]

    def _paused_lanes(self, packs: Mapping[str, Saved | None], numbers: set[int]) -> dict[tuple[int, int], LaneRows]:
        """The states that the lanes (recipe, fold) of these recipes go on from, collected from the packs before."""
        from tenfold.engine.packs.lane_states import lane_rows

        lanes: dict[tuple[int, int], LaneRows] = {}
        for key, state in packs.items():
            saved = state or self.context.journal.paused(key)
            if saved is not None:
                lanes |= {lane: rows for lane, rows in lane_rows(*saved).items() if lane[0] in numbers}
        return lanes

    def _decide(
        self, number: int, s: int, stages: list[Stage], numbers: list[int], alive: list[int], pace: float
    ) -> list[int]:
        """Who goes on after stage s; the others are dropped."""
        stage, decisions = stages[s], len(stages) - 1
        seen = [f for part in stages[: s + 1] for f in part.folds] if self.plan.strategy.name == "racing" else None

        def make() -> list[int]:
            sign = self.problem.metric.sign
            scores = {n: sign * self.records[n].scores()[seen if seen else slice(None)] for n in alive}
            standing = Standing(tuple(numbers), scores, self.problem.ratio)
            stay = self.plan.strategy.survivors(s, decisions, alive, standing)
            return stay[: self._affordable(stay, s, stages, pace)]

        stay = self.context.journal.once(f"alive.{number}.{s}", make)
        for n in set(alive) - set(stay):
            if not self.records[n].finished:
                self.records[n].drop(stage.until)
        rung = Rung(number, stage.until, len(seen or stage.folds), tuple(alive), tuple(stay))
        self.race.append(rung)
        self.context.decided(rung)
        return stay

    def _affordable(self, stay: list[int], s: int, stages: list[Stage], pace: float) -> int:
        """How many of them, best first, the time limit lets go on to the end; at least one.

        pace: wall seconds that a second of the cost model took in this stage.
        """
        strategy = self.plan.strategy

        def cost(count: int) -> float:
            seconds, alive = 0.0, stay[:count]
            for later in range(s + 1, len(stages)):
                seconds += pace * FEWER_LANES * self._work(alive, stages[later], stages[:later])
                if strategy.name != "racing":  # which drops nobody for certain
                    alive = alive[: max(min(strategy.least, count), -(-len(alive) // strategy.eta))]
            return seconds

        rounds = self.proposer.rounds - len({rung.round for rung in self.race})
        return self.deadline.affordable(len(stay), cost, max(1, rounds))

    def _work(self, numbers: Sequence[int], stage: Stage, before: Sequence[Stage]) -> float:
        """Seconds of one core that the cost model gives a stage."""
        racing = self.plan.strategy.name == "racing"
        made = 0 if racing or not before else before[-1].until
        epochs = {n: max(0, min(stage.until, self.recipes[n].epochs) - made) for n in numbers}
        return len(stage.folds) * sum(epochs[n] * self._epoch_seconds(n) for n in numbers)

    def _epoch_seconds(self, number: int) -> float:
        """Seconds of one core that an epoch of a recipe takes on one fold, by the cost model of what trains it."""
        if number not in self._seconds:
            recipe, problem = self.recipes[number], self.problem
            model = COMPILED if self.context.compiled(problem)(recipe) else MODEL
            how = {"rows": problem.inputs.rows, "folds": problem.divisions}
            seconds = recipe_seconds(recipe, problem.size, model=model, **how)
            self._seconds[number] = seconds / (problem.divisions * recipe.epochs) + model.epoch
        return self._seconds[number]

    def _made(self, records: Mapping[int, RecipeRecord]) -> float:
        """Seconds, by the cost model, of all that these records have measured."""
        return sum(self._epoch_seconds(n) * record.measured for n, record in records.items())

    def _left(
        self, number: int, numbers: Sequence[int], alive: Sequence[int], s: int, stages: Sequence[Stage]
    ) -> float:
        """Seconds that the cost model gives what is left from stage s on: of this round with the recipes `alive` of
        those that began it, if every decision drops as many as it can, of later rounds, and of an audit."""
        longest = max(self.recipes[n].epochs for n in numbers)
        race = self.plan.strategy.entering(self.problem.folds, len(numbers), longest)
        mean = [self._work(numbers, stage, stages[:k]) / len(numbers) for k, stage in enumerate(stages)]
        left = self._work(alive, stages[s], stages[:s])
        for k in range(s + 1, len(stages)):
            left += min(race[k][1], len(alive)) / len(alive) * self._work(alive, stages[k], stages[:k])
        if 0 <= number < self.proposer.rounds - 1:
            later = max(0, self.proposer.trials - len(self.recipes)) / len(numbers)
            left += later * sum(count * each for (_, count), each in zip(race, mean, strict=True))
        if self.plan.audit:
            left += min(AUDITED, len(numbers) - race[-1][1]) * sum(mean)
        return left

    def _audit(self) -> Mapping[int, RecipeRecord]:
        """Train a sample of the dropped recipes to the end, as if nothing had dropped them."""
        dropped = [n for n, record in self.records.items() if record.dropped]
        rng = derive(self.plan.seed, "audit")
        chosen = sorted(rng.choice(dropped, min(AUDITED, len(dropped)), replace=False).tolist()) if dropped else []
        if not chosen or self.deadline.over():
            return {}
        # A search of its own on the same recipes, under the same deadline: our records and race stay as they are.
        again = copy(self)
        again.records, again.race, again.plan = dict(self.records), [], SearchPlan(seed=self.plan.seed)
        again.context, again._on_epochs = replace(self.context, **UNWATCHED), None
        again.weights, again._keep_weights = {}, False
        again._compete(-1, chosen)  # its packs are named -1.0.0, -1.0.1, ... in the journal
        audit = {n: again.records[n] for n in chosen}
        return {n: record for n, record in audit.items() if record.finished and not record.cut_short}


def keeps_weights(problem: Problem, first: Sequence[Recipe], trials: int) -> bool:
    """Whether a search keeps its networks at their best epochs. first: recipes of its first round; trials: of all."""
    learned = max(network_work(recipe, problem.size).weights for recipe in first)
    return trials * len(problem.folds) * learned < MOST_KEPT_WEIGHTS


def choose_recorded_rows(problem: Problem, epochs: int, seed: int) -> Array:
    """The rows (sorted indices) whose contributions are recorded: all that a fold scores, or a sample of so many that
    the records of so many epochs of all recipes stay small."""
    scored, most = np.flatnonzero(problem.times_scored), recorded_at_most(epochs)
    if len(scored) <= most:
        return scored
    return np.sort(derive(seed, "kept").choice(scored, most, replace=False))


def recorded_at_most(epochs: int) -> int:
    """How many rows are recorded at most, of so many epochs over all recipes."""
    return max(min(MOST_RECORDED_ROWS, MOST_RECORDED_NUMBERS // max(epochs, 1)), 256)
