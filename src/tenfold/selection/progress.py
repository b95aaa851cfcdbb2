"""What a run keeps of its packs: the plan, checkpoints while they train, records when they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenfold.data.batches import Dealing
from tenfold.engine.planner import PackPlan
from tenfold.engine.shape import Shape
from tenfold.selection.problem import Problem
from tenfold.selection.search import plan as plan_packs
from tenfold.selection.training import Message, Saved
from tenfold.store.run import Run

if TYPE_CHECKING:
    from tenfold.selection.fit import Listener
    from tenfold.selection.prepare import Plan

CHECKPOINT, RECORDS = "checkpoint", "pack"  # kinds of stored arrays


class Keeper:
    """Commits what packs say, so that a run can go on from there, and tells the listener how far they are."""

    def __init__(self, run: Run, problem: Problem, plan: Plan, listener: Listener) -> None:
        self.run, self.problem, self.listener, self.recipes = run, problem, listener, plan.recipes
        if not run.has("packs"):
            packs = plan_packs(problem, plan.recipes, plan.workers)
            run.put("packs", [list(pack.numbers) for pack in packs])
        self.plans = [self._pack(numbers) for numbers in run.get("packs")]
        self._epochs = [sum(self.recipes[n].epochs for n in pack.numbers) for pack in self.plans]
        self._made = [0] * len(self.plans)
        self._best: float | None = None

    def _pack(self, numbers: Any) -> PackPlan:
        recipe = self.recipes[numbers[0]]
        dealing = Dealing.of(self.problem.folds, recipe.batch_size)
        size = {"inputs": self.problem.width, "outputs": self.problem.outputs, "image": self.problem.inputs.image}
        shape = Shape.of(recipe, **size, dealing=dealing)
        return PackPlan(tuple(numbers), shape)

    def _stored(self, kind: str) -> dict[int, Saved]:
        return {int(key): self.run.get_arrays(kind, key) for key in self.run.keys(kind)}

    def saved(self) -> dict[int, Saved]:
        """The last checkpoint of every pack that is under way."""
        return self._stored(CHECKPOINT)

    def done(self) -> dict[int, Saved]:
        """The records of every pack that has ended."""
        found = self._stored(RECORDS)
        for index in found:
            self._made[index] = self._epochs[index]
        return found

    def receive(self, message: Message) -> None:
        """Keep a checkpoint or a pack's records; tell how far the training is."""
        key = str(message.pack)
        if message.kind == "checkpoint":
            self.run.put_arrays(CHECKPOINT, key, message.arrays, message.meta)
        elif message.kind == "done":
            with self.run.transaction():
                self.run.put_arrays(RECORDS, key, message.arrays, message.meta)
                if key in self.run.keys(CHECKPOINT):
                    self.run.drop(CHECKPOINT, key)
        self._tell(message)

    def _tell(self, message: Message) -> None:
        numbers = self.plans[message.pack].numbers
        done = message.kind == "done"
        made = [self.recipes[n].epochs if done else min(message.epoch, self.recipes[n].epochs) for n in numbers]
        self._made[message.pack] = sum(made)
        sign = self.problem.metric.sign
        if message.best is not None and (self._best is None or sign * message.best > sign * self._best):
            self._best = message.best
        self.listener.progress(sum(self._made) / sum(self._epochs), self._best)
