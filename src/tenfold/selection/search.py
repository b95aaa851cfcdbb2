"""All recipes on all folds: plan the packs, run them, and read the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.errors import BadInput, RunFailed
from tenfold.recipe.recipe import Recipe
from tenfold.selection.outcome import Outcome
from tenfold.selection.problem import Problem
from tenfold.statistics.intervals import fold_error

if TYPE_CHECKING:
    import torch

    from tenfold.engine.planner import PackPlan
    from tenfold.selection.training import Message, RecipeRecord, Saved

Array = np.ndarray


def device_named(name: str) -> torch.device:
    """The torch device of that name; "auto" is the first CUDA device, else the CPU. Raises `BadInput`."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {name!r}: {str(error).splitlines()[0]}", expected="cpu, cuda or auto") from None
    return device


@dataclass(frozen=True)
class Crew:
    """How packs are run: device, dtype, workers, and what is told and kept on the way.

    saved: checkpoints by pack number; done: results of packs that have already ended; receive: gets every message
    in the calling thread; idle: called about ten times a second; limit: seconds of training, None for no limit.
    """

    device: Any
    dtype: Any
    workers: int
    saved: Mapping[int, Saved] = field(default_factory=dict)
    done: Mapping[int, Saved] = field(default_factory=dict)
    receive: Callable[[Message], None] = lambda message: None
    idle: Callable[[], None] = lambda: None
    limit: float | None = None
    every: float = 15.0

    @staticmethod
    def local(device: str = "auto", dtype: Any = None, **options: Any) -> Crew:
        """Worker threads for every core on the CPU, one worker on another device."""
        import torch

        from tenfold.executors.cores import available_workers

        place = device_named(device)
        workers = available_workers() if place.type == "cpu" else 1
        return Crew(place, dtype or torch.float32, workers, **options)


@dataclass(frozen=True)
class Trained:
    """The records of all recipes, and how to read them."""

    problem: Problem
    recipes: tuple[Recipe, ...]
    records: Mapping[int, RecipeRecord]
    seconds: float

    def scores(self, number: int) -> Array:
        """Score of each fold at the recipe's chosen epoch (NaN where the trial diverged)."""
        return self.records[number].scores()

    def ranking(self) -> list[int]:
        """Recipe numbers, best mean first. Only a recipe whose every trial ended `ok` can win; one that ran out of
        time comes after those, and one with a diverged trial, whose mean is not finite, comes last."""

        def place(number: int) -> tuple[bool, bool, float, int]:
            mean = float(self.scores(number).mean())
            ok = all(outcome is Outcome.OK for outcome in self.records[number].outcomes)
            finite = bool(np.isfinite(mean))
            return not finite, not ok, -self.problem.metric.sign * mean if finite else 0.0, number

        return sorted(range(len(self.recipes)), key=place)

    def best(self) -> int:
        """The winner's number. Raises `RunFailed` if no recipe has a finite score."""
        best = self.ranking()[0]
        if not np.isfinite(self.scores(best).mean()):
            counts = ", ".join(f"{n} {name}" for name, n in self.outcomes().items())
            raise RunFailed(f"no recipe has a score: {counts}. Try {Outcome.DIVERGED.remedy}")
        return best

    def outcomes(self, number: int | None = None) -> dict[str, int]:
        """How many trials ended how, of one recipe or of all."""
        records = self.records.values() if number is None else [self.records[number]]
        ended = [outcome.label for record in records for outcome in record.outcomes if outcome]
        return {label: ended.count(label) for label in dict.fromkeys(o.label for o in Outcome) if label in ended}

    def row(self, number: int) -> dict[str, Any]:
        """One line of the table."""
        scores = self.scores(number)
        return {
            "recipe": self.recipes[number],
            "mean": float(scores.mean()),
            "se": fold_error(scores),
            "scores": [float(score) for score in scores],
            "outcomes": self.outcomes(number),
            "epochs": self.records[number].epoch,
        }

    def table(self) -> list[dict[str, Any]]:
        """One line a recipe, in the order given."""
        return [self.row(number) for number in range(len(self.recipes))]

    def trials(self) -> list[dict[str, Any]]:
        """One line a trial: recipe (number), fold, seed, score, outcome, epoch (the recipe's), curve (its scores)."""
        lines = []
        for number, record in sorted(self.records.items()):
            scores = record.scores()
            for f, (fold, outcome) in enumerate(zip(self.problem.folds, record.outcomes, strict=True)):
                lines.append({
                    "recipe": number, "fold": fold.number, "seed": fold.seed, "score": float(scores[f]),
                    "outcome": outcome.label if outcome else None, "epoch": record.epoch,
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


def plan(problem: Problem, recipes: Sequence[Recipe], workers: int) -> list[PackPlan]:
    """The packs of a search, from a fixed cost model: the same for the same recipes, folds and workers."""
    from tenfold.engine.planner import plan_packs

    problem.check_recipes(recipes)
    size = {"inputs": problem.width, "outputs": problem.outputs, "image": problem.inputs.image}
    return plan_packs(recipes, problem.folds, **size, workers=workers)


def train_all(
    problem: Problem, recipes: Sequence[Recipe], crew: Crew, plans: Sequence[PackPlan] | None = None
) -> Trained:
    """Train every recipe on every fold to its end (or to the crew's limit)."""
    from tenfold.executors.local import run_jobs
    from tenfold.selection.training import Book, PackJob

    plans = plan(problem, recipes, crew.workers) if plans is None else plans
    start = time.monotonic()
    records: dict[int, RecipeRecord] = {}
    for saved in crew.done.values():
        records.update(Book.of(problem, *saved).records)

    def out_of_time() -> bool:
        return crew.limit is not None and time.monotonic() - start > crew.limit

    def receive(message: Message) -> None:
        if message.kind == "done":
            records.update(Book.of(problem, message.arrays, message.meta).records)
        crew.receive(message)

    feed = problem.feed(recipes, crew.device, crew.dtype)
    jobs = [
        PackJob(index, pack, recipes, problem, feed, crew.saved.get(index), crew.every, out_of_time)
        for index, pack in enumerate(plans)
        if index not in crew.done
    ]
    run_jobs(jobs, workers=crew.workers, receive=receive, idle=crew.idle)
    return Trained(problem, tuple(recipes), dict(sorted(records.items())), time.monotonic() - start)
