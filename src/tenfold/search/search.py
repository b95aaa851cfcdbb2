"""All recipes on all folds: round after round of proposals, stage after stage of the race, pack after pack."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.data.feed.randomness import derive
from tenfold.engine.plan.cost import START_SECONDS, recipe_seconds
from tenfold.engine.plan.shape import Shape
from tenfold.errors import BadInput
from tenfold.executors.choose import choose_executor
from tenfold.problem.problem import Problem
from tenfold.problem.settings import RULES
from tenfold.recipe.recipe import Recipe
from tenfold.search.context import SearchContext
from tenfold.search.outcome import Outcome
from tenfold.search.proposals import Proposer, Tried
from tenfold.search.racing import Rung, Stage, Standing, Strategy
from tenfold.search.results import SearchResults

if TYPE_CHECKING:
    from tenfold.engine.packs.pack import LaneRows
    from tenfold.engine.plan.packing import PackPlan
    from tenfold.search.job import Message, PackJob, RecipeRecord, Saved

Array = np.ndarray
MOST_RECORDED_ROWS = 4096  # rows whose contributions to every score are recorded, at most
MOST_RECORDED_NUMBERS = 50_000_000  # and so many numbers, 4 bytes each, over all recipes and epochs
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
    """A search under way."""

    def __init__(self, problem: Problem, proposer: Proposer, context: SearchContext, plan: SearchPlan) -> None:
        self.problem, self.proposer, self.context, self.plan = problem, proposer, context, plan
        self.recipes: list[Recipe] = []
        self.records: dict[int, RecipeRecord] = {}
        self.race: list[Rung] = []
        self.recorded_rows: Array | None = None
        self._start = time.monotonic()
        self._planned = 1.0  # epochs of all trials that are likely to be trained
        self._paused: dict[str, Saved] = {}  # pack -> the state of its lanes at the end of the last stage
        self._made = 0  # epochs of all trials so far
        self._best: float | None = None
        self._stage_end: float | None = None
        self._ended_here = 0  # packs that have come to the end of the stage

    def run(self) -> SearchResults:
        """All rounds, and the audit."""
        number = 0
        while new := self._next_round(number):
            first = len(self.recipes)
            self.recipes += new
            self.problem.check_recipes(new)
            if first == 0:
                self._plan_all(new)
            self._compete(number, list(range(first, len(self.recipes))), self.plan.strategy)
            number += 1
        audit = self._audit() if self.plan.audit else {}
        return SearchResults(
            self.problem, tuple(self.recipes), dict(sorted(self.records.items())), time.monotonic() - self._start,
            self.plan.rule, self.recorded_rows, tuple(self.race), audit,
        )  # fmt: skip

    def _next_round(self, number: int) -> list[Recipe]:
        if number >= self.proposer.rounds or (number and self._out_of_time()):
            return []
        tried = [
            Tried(recipe, self.problem.metric.sign * self.records[n].mean(), self.records[n].epoch)
            for n, recipe in enumerate(self.recipes)
        ]
        propose = self.proposer.propose
        found = self.context.journal.once(f"recipes.{number}", lambda: [r.to_dict() for r in propose(tried)])
        return [Recipe.from_dict(value) for value in found]

    def _plan_all(self, first: Sequence[Recipe]) -> None:
        """What depends on the whole search, from its first round."""
        longest = max(recipe.epochs for recipe in first)
        trials = max(self.proposer.trials, len(first))
        self._planned = self.plan.strategy.work(self.problem.folds, trials, longest)
        if self.plan.record_rows:
            self.recorded_rows = choose_recorded_rows(self.problem, trials * longest, self.plan.seed)

    def _out_of_time(self) -> bool:
        return self._left() < 0

    # ---- one round --------------------------------------------------------------------------------------------------

    def _compete(self, number: int, numbers: list[int], strategy: Strategy) -> None:
        """One round: its recipes from their first epoch to their end, or to where the race drops them."""
        from tenfold.search.records import EpochRecorder

        self.records |= EpochRecorder.new(self.problem, self.recipes, numbers, self.recorded_rows)
        longest = max(self.recipes[n].epochs for n in numbers)
        stages = strategy.stages(self.problem.folds, len(numbers), longest)
        feed = self.problem.feed([self.recipes[n] for n in numbers], self.context.device, self.context.dtype)
        alive, paused = numbers, list[str]()
        for s, stage in enumerate(stages):
            begun = time.monotonic()
            self._share_time(len(stages) - s)
            under_way = [n for n in alive if None in (self.records[n].outcomes[f] for f in stage.folds)]
            packs = self._run(
                f"{number}.{s}", stage, under_way, feed, paused, last=s + 1 == len(stages), epoch_fixed=s > 0
            )
            self.context.journal.drop_paused(paused)
            alive = [n for n in alive if Outcome.TIMEOUT not in self.records[n].outcomes]
            if self._out_of_time() or not alive:
                break
            if s + 1 < len(stages):
                there = [n for n in under_way if n in alive]
                pace = (time.monotonic() - begun) / max(self._work(there, stage, stages[:s]), 1e-9)
                alive = self._decide(number, s, stages, numbers, alive, pace)
            paused = packs
        for n in numbers:
            self.records[n].end(Outcome.TIMEOUT, self.records[n].made)

    def _share_time(self, stages: int) -> None:
        """Give the next stage its part of what is left of the time limit: every stage of a race costs about as much.

        When its part is over, recipes that have not come to its end are out of time, and the others go on.
        """
        self._ended_here = 0
        self._stage_end = None
        if self.context.limit is not None and stages > 1:
            now = time.monotonic()
            self._stage_end = now + max(0.0, self._start + self.context.limit - now) / stages

    def _stage_over(self) -> bool:
        """Whether the time of the stage is over; not before some of its recipes have come to its end."""
        late = self._stage_end is not None and self._ended_here > 0 and time.monotonic() > self._stage_end
        return late or self._out_of_time()

    def _run(
        self, place: str, stage: Stage, numbers: list[int], feed: Any, paused: list[str], *, last: bool,
        epoch_fixed: bool,
    ) -> list[str]:  # fmt: skip
        """Train these recipes through one stage; gives the keys of the packs."""
        from tenfold.search.job import EpochRecorder, PackJob, records_of

        if not numbers:
            return []
        journal, racing = self.context.journal, self.plan.strategy.name == "racing"
        plans = self._packs(place, stage, numbers)
        lanes = {} if racing else self._paused_lanes(paused, set(numbers))
        jobs = []
        for index, pack in enumerate(plans):
            key = f"{place}.{index}"
            ended = journal.finished(key)
            if ended is not None:
                self.records |= EpochRecorder.read(*ended)
                continue
            jobs.append(
                PackJob(
                    key, pack, self.recipes, self.problem, feed, {n: self.records[n] for n in pack.numbers},
                    until=None if last or racing else stage.until,
                    lanes={place: row for place, row in lanes.items() if place[0] in pack.numbers},
                    recorded_rows=self.recorded_rows,
                    epoch_fixed=racing and epoch_fixed, saved=journal.checkpoint(key), every=self.context.every,
                )
            )  # fmt: skip
        known = dict(self.records)
        for job in jobs:
            known |= {} if job.saved is None else records_of(job.saved)
        self._paused, self._made = {}, sum(record.measured for record in known.values())
        self._improved(EpochRecorder(self.problem, known).best())
        executor = choose_executor(
            sum(map(self._starting, jobs)), packs=len(jobs), workers=self.context.workers,
            size=self.problem.inputs.numbers.nbytes, left=self._left(),
        )  # fmt: skip
        executor.run(jobs, receive=self._receive, idle=self.context.idle, late=self._stage_over)
        return [f"{place}.{index}" for index in range(len(plans))]

    def _starting(self, job: PackJob) -> float:
        """Seconds that starting the operations of a pack's updates takes."""
        last = max(self.recipes[n].epochs for n in job.plan.numbers)
        epochs = min(job.until or last, last) - min(record.made for record in job.records.values())
        return START_SECONDS * epochs * job.plan.shape.dealing.updates

    def _left(self) -> float:
        """Seconds that are left of the time limit."""
        return math.inf if self.context.limit is None else self._start + self.context.limit - time.monotonic()

    def _packs(self, place: str, stage: Stage, numbers: Sequence[int]) -> list[PackPlan]:
        """The packs of a stage, from a fixed cost model, decided once."""
        from tenfold.engine.plan.packing import PackPlan, plan_packs

        folds, size = self.problem.folds, self.problem.size

        def make() -> list[list[int]]:
            plans = plan_packs(self.recipes, folds, size, workers=self.context.workers, numbers=numbers, on=stage.folds)
            return [list(plan.numbers) for plan in plans]

        found = self.context.journal.once(f"packs.{place}", make)
        return [PackPlan(tuple(part), stage.folds, Shape.of(self.recipes[part[0]], size, folds)) for part in found]

    def _paused_lanes(self, packs: Sequence[str], numbers: set[int]) -> dict[tuple[int, int], LaneRows]:
        """The states that the lanes of these recipes go on from."""
        from tenfold.engine.packs.pack import lane_rows

        found: dict[tuple[int, int], LaneRows] = {}
        for key in packs:
            saved = self._paused.get(key) or self.context.journal.paused(key)
            if saved is not None:
                rows = lane_rows(*saved)
                found |= {place: row for place, row in rows.items() if place[0] in numbers}
        return found

    def _receive(self, message: Message) -> None:
        from tenfold.search.job import EpochRecorder

        if message.kind == "done":
            self.records |= EpochRecorder.read(message.arrays, message.meta)
            self._ended_here += 1
            if message.paused is not None:
                self._paused[message.pack] = message.paused
        self.context.journal.receive(message)
        self._tell(message)

    def _tell(self, message: Message) -> None:
        """Say how far the training is."""
        self._made += message.trials
        self._improved(message.best)
        self.context.journal.progress(min(1.0, self._made / self._planned), self._best)

    def _improved(self, best: float | None) -> None:
        """Remember the best mean score so far."""
        sign = self.problem.metric.sign
        if best is not None and (self._best is None or sign * best > sign * self._best):
            self._best = best

    # ---- decisions --------------------------------------------------------------------------------------------------

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
        self.context.journal.decided(rung)
        return stay

    def _affordable(self, stay: list[int], s: int, stages: list[Stage], pace: float) -> int:
        """How many of them, best first, the time limit lets go on to the end; at least one.

        pace: wall seconds that a second of the cost model took in this stage.
        """
        if self.context.limit is None:
            return len(stay)
        left = self._left() / max(1, self.proposer.rounds - len({rung.round for rung in self.race}))
        strategy, first = self.plan.strategy, len(stay)
        for count in range(first, 1, -1):
            seconds, alive = 0.0, stay[:count]
            for later in range(s + 1, len(stages)):
                seconds += pace * FEWER_LANES * self._work(alive, stages[later], stages[:later])
                if strategy.name != "racing":
                    alive = alive[: max(min(strategy.least, count), -(-len(alive) // strategy.eta))]
            if seconds <= left:
                return count
        return 1

    def _work(self, numbers: Sequence[int], stage: Stage, before: Sequence[Stage]) -> float:
        """Seconds of one core that the cost model gives a stage."""
        racing = self.plan.strategy.name == "racing"
        made = 0 if racing or not before else before[-1].until
        total, problem = 0.0, self.problem
        for n in numbers:
            recipe = self.recipes[n]
            epochs = max(0, min(stage.until, recipe.epochs) - made) / recipe.epochs
            seconds = recipe_seconds(recipe, problem.size, rows=problem.inputs.rows, folds=problem.divisions)
            total += seconds * epochs * len(stage.folds) / problem.divisions
        return total

    def _audit(self) -> Mapping[int, RecipeRecord]:
        """Train a sample of the dropped recipes to the end, as if nothing had dropped them."""
        dropped = [n for n, record in self.records.items() if record.dropped]
        rng = derive(self.plan.seed, "audit")
        chosen = sorted(rng.choice(dropped, min(AUDITED, len(dropped)), replace=False).tolist()) if dropped else []
        if not chosen or self._out_of_time():
            return {}
        before, race = self.records, self.race
        self.records, self.race = dict(before), []
        strategy, self.plan = self.plan, SearchPlan(seed=self.plan.seed)
        self._planned += sum(self.recipes[n].epochs for n in chosen) * len(self.problem.folds)
        self._compete(-1, chosen, self.plan.strategy)
        audit = {n: self.records[n] for n in chosen}
        self.records, self.race, self.plan = before, race, strategy
        return {n: record for n, record in audit.items() if record.finished and Outcome.TIMEOUT not in record.outcomes}


def choose_recorded_rows(problem: Problem, epochs: int, seed: int) -> Array:
    """The rows (sorted indices) whose contributions are recorded: all that a fold scores, or a sample of so many that
    the records of so many epochs of all recipes stay small."""
    scored = np.flatnonzero(problem.times_scored)
    most = max(min(MOST_RECORDED_ROWS, MOST_RECORDED_NUMBERS // max(epochs, 1)), 256)
    if len(scored) <= most:
        return scored
    return np.sort(derive(seed, "kept").choice(scored, most, replace=False))
