"""Trials of a finished run trained again from recipe, fold and seed, and compared bit by bit with what it stored.

The bits of a trial depend on nothing that it is trained beside, so each is trained alone. A run that claims what its
recipes do not give is found so; hashes only show that it was not changed since.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tenfold.data.feed.randomness import derive
from tenfold.engine.engines import Engine, best_engine
from tenfold.engine.machine import machine_facts
from tenfold.engine.plan.packing import PackPlan
from tenfold.engine.plan.shape import Shape
from tenfold.errors import BadInput, Corrupt, clipped
from tenfold.executors.choose import choose_executor
from tenfold.problem.problem import Problem
from tenfold.recipe.own_functions import OwnFunctions
from tenfold.recipe.recipe import Recipe
from tenfold.run.fit import functions_in, read_again
from tenfold.run.machine import TrainedBy, machines_of
from tenfold.run.search_in_python import ASKED
from tenfold.run.stored_search import stored_recipes, stored_records
from tenfold.search.context import SearchContext
from tenfold.search.job import Message, PackJob
from tenfold.search.records import EpochRecorder, RecipeRecord
from tenfold.search.results import SearchResults
from tenfold.search.trial_outcome import CURVES, is_broken
from tenfold.store.files import read_regular
from tenfold.store.run_directory import Run

Array = np.ndarray
NAMED = re.compile(r"\d+:\d+(,\d+:\d+)*")
MOVED = "put the old data back, or say where they are now: --data FILE, --test FILE"


@dataclass(frozen=True)
class Replayed:
    """One trial that was trained again.

    place: of its fold in the list of all, as in the columns `fold_0`, `fold_1`, ... of leaderboard.csv; fold and seed
    as in trials.csv. epochs: that were trained again, all that the run had trained. first_epoch: the first whose curves
    differ, None where none does. greatest: by name (those of the curves, predictions, leaderboard), the greatest
    difference of what differs; infinite where one of the two is no number. other: sentences on what else differs.
    """

    recipe: int
    place: int
    fold: int
    seed: int
    epochs: int
    winner: bool
    first_epoch: int | None = None
    greatest: Mapping[str, float] = field(default_factory=dict)
    other: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether all that was compared has the same bits."""
        return not self.greatest and not self.other

    def to_dict(self) -> dict[str, Any]:
        """As JSON; null for an infinite difference."""
        finite = {name: value if np.isfinite(value) else None for name, value in self.greatest.items()}
        return {
            "recipe": self.recipe, "place": self.place, "fold": self.fold, "seed": self.seed, "epochs": self.epochs,
            "winner": self.winner, "equal": self.equal, "first_epoch": self.first_epoch, "greatest": finite,
            "other": list(self.other),
        }  # fmt: skip

    def in_words(self) -> str:
        """One line."""
        who = f"recipe {self.recipe}{' (the winner)' if self.winner else ''}, fold {self.place}, {self.epochs} epochs"
        if self.equal:
            return f"{who}: the same bits"
        since = [] if self.first_epoch is None else [f"from epoch {self.first_epoch} on"]
        parts = [f"{name.replace('_', ' ')} by up to {value:.3g}" for name, value in self.greatest.items()]
        return f"{who}: differs {', '.join([*since, *parts, *self.other])}"


@dataclass(frozen=True)
class Replay:
    """trials: in the order of their recipes. machine: the facts of this machine; machines: those that the run recorded,
    empty for a run of before they were."""

    trials: tuple[Replayed, ...]
    machine: Mapping[str, str]
    machines: tuple[Mapping[str, str], ...]

    @property
    def comparable(self) -> bool:
        """Whether the bits have to be the same: on the machine, device and versions that trained all of the run, if
        the device is a CPU."""
        return self.machine["device"] == "cpu" and bool(self.machines) and all(m == self.machine for m in self.machines)

    @property
    def failed(self) -> bool:
        """Whether a trial differs that must not."""
        return self.comparable and any(not trial.equal for trial in self.trials)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "comparable": self.comparable, "machine": dict(self.machine), "machines": [dict(m) for m in self.machines],
            "equal": sum(trial.equal for trial in self.trials), "trials": [trial.to_dict() for trial in self.trials],
        }  # fmt: skip

    def in_words(self) -> list[str]:
        """Every trial, and what that means."""
        equal, count = sum(trial.equal for trial in self.trials), len(self.trials)
        summary = f"{count} trials trained again: {equal} the same bits" + (
            f", {count - equal} not" if count > equal else ""
        )
        return [*(trial.in_words() for trial in self.trials), summary + self._why_not()]

    def _why_not(self) -> str:
        """Why bits may differ here."""
        if self.comparable:
            return ""
        if self.machine["device"] != "cpu":
            return f"; on {self.machine['device']} the last bits may differ"
        if not self.machines:
            return "; the run did not record what trained it, so the last bits may differ"
        names = [n for n in self.machine if any(m.get(n) != self.machine[n] for m in self.machines)]
        before = [f"{n} {', '.join(dict.fromkeys(str(m.get(n)) for m in self.machines))}" for n in names]
        return f"; the last bits may differ: the run was trained with {'; '.join(before)}"


def replay(
    run: Run, wanted: str, *, seed: int = 0, data: str | None = None, test: str | None = None,
    modules: OwnFunctions | None = None,
) -> Replay:  # fmt: skip
    """Train trials of a finished run again and compare their curves, predictions and scores with what is stored.

    wanted: how many ("10"), "all", or which: recipe and place of the fold, "3:0,3:1". Of so many, those of the winner
    come first; the rest is drawn by the seed. data, test: where the files of the run are now, if not where they were.
    modules: the functions of the user's own that the run names. Nothing is written.

    Errors: `BadInput` for data that are gone or changed, for a function that is not given, or for trials that there are
    none of.
    """
    if run.has(ASKED):
        found = "a search in Python keeps its work there, and its data are in Python"
        raise BadInput(found, where=str(run.path), do=f"the same call in Python, and then .replay({wanted!r})")
    records, leaderboard = stored_records(run), _leaderboard(run)
    winner = next(iter(leaderboard))
    chosen = _chosen(wanted, records, winner, seed)
    prepared = read_again(run, run.path, data=data, test=test, do=MOVED, modules=modules)
    begun_with = run.get("engine") if run.has("engine") else "packs"
    machines = machines_of(run)
    by = TrainedBy(prepared.settings.device, begun_with, tuple(machines))
    said = {place: leaderboard.get(place[0], {}).get(f"fold_{place[1]}") for place in chosen}
    functions = functions_in(prepared.settings)
    recipes = [recipe.with_modules(functions) for recipe in stored_recipes(run)]
    return _again(prepared.problem, recipes, records, chosen, winner, by, said)


def replay_results(trained: SearchResults, wanted: str, by: TrainedBy, *, seed: int = 0) -> Replay:
    """The same of a search in Python, kept in a directory or not: what is compared is what its results hold."""
    records = dict(trained.records)
    winner = trained.ranking()[0]
    chosen = _chosen(wanted, records, winner, seed)
    return _again(trained.problem, trained.recipes, records, chosen, winner, by, {})


def _again(
    problem: Problem, recipes: Sequence[Recipe], records: Mapping[int, RecipeRecord], chosen: list[tuple[int, int]],
    winner: int, by: TrainedBy, said: Mapping[tuple[int, int], str | None],
) -> Replay:  # fmt: skip
    """The chosen trials trained again. said: the cells of leaderboard.csv about them."""
    engine: Engine = by.engine if best_engine() == "compiled" else "packs"
    context = SearchContext.local(by.device, engine=engine)
    again = _train(problem, recipes, {trial: records[trial[0]] for trial in chosen}, context)
    trials: list[Replayed] = []
    for number, place in chosen:
        fold, stored, new = problem.folds[place], records[number], again[number, place]
        first, greatest, other = _compare(stored, new, place, said.get((number, place)))
        made = _made(stored, place)
        trials.append(
            Replayed(number, place, fold.number, fold.seed, made, number == winner, first, greatest, tuple(other))
        )
    return Replay(tuple(trials), machine_facts(context.device.type, engine), by.machines)


def _leaderboard(run: Run) -> dict[int, dict[str, str]]:
    """The rows of leaderboard.csv by number, best first."""
    path = run.path / "leaderboard.csv"
    rows = {int(row["recipe"]): row for row in csv.DictReader(io.StringIO(read_regular(path).decode()))}
    if not rows:
        raise Corrupt("has no rows", file=str(path))
    return rows


def _made(record: RecipeRecord, place: int) -> int:
    """Epochs that a trial was trained and scored for."""
    return int(np.isfinite(record.curves[:, place]).any(0).sum())


def _until(record: RecipeRecord, place: int) -> int:
    """The epoch to which a trial is trained again; 0 for one that was never trained. One that diverged did so in the
    epoch after its last."""
    return min(_made(record, place) + is_broken(record.outcomes[place]), record.curves.shape[2])


def _chosen(wanted: str, records: Mapping[int, RecipeRecord], winner: int, seed: int) -> list[tuple[int, int]]:
    """The trials that are meant, as recipe and place of the fold, in order."""
    there = [
        (n, place) for n, record in sorted(records.items()) for place in range(len(record.outcomes))
        if _until(record, place)
    ]  # fmt: skip
    if wanted == "all":
        return there
    if NAMED.fullmatch(wanted):
        asked = [(int(n), int(place)) for n, place in (part.split(":") for part in wanted.split(","))]
        for trial in asked:
            if trial not in there:
                raise BadInput(
                    f"--replay {clipped(wanted)}: recipe {trial[0]} was not trained on fold {trial[1]}",
                    expected="trials that the run has trained", do="take them from trials.csv",
                )  # fmt: skip
        return sorted(set(asked))
    if not wanted.isdecimal() or int(wanted) < 1:
        expected = "a number from 1, all, or recipes and folds, such as 3:0,3:1"
        raise BadInput(f"--replay {clipped(wanted)!r}", expected=expected)
    mine, others = [t for t in there if t[0] == winner], [t for t in there if t[0] != winner]
    rng = derive(seed, "replay")
    drawn = [part[i] for part in (mine, others) for i in rng.permutation(len(part))]
    return sorted(drawn[: int(wanted)])


def _train(
    problem: Problem, recipes: Sequence[Recipe], stored: Mapping[tuple[int, int], RecipeRecord], context: SearchContext
) -> dict[tuple[int, int], RecipeRecord]:
    """Each trial again, alone, by the job that a search trains packs with; its record, by recipe and place."""
    trials = list(stored)
    mine = [recipes[number] for number, _ in trials]  # the trials have records of their own, numbered from 0
    feed = problem.feed(list(dict.fromkeys(mine)), context.device, context.dtype)
    jobs: list[PackJob] = []
    for i, ((_, place), recipe) in enumerate(zip(trials, mine, strict=True)):
        before = stored[trials[i]]
        [record] = EpochRecorder.new(problem, mine, [i]).values()
        # Predictions are kept at the epoch that all folds together chose.
        record.epoch, record.out_of_fold = before.epoch, [None for _ in problem.folds]
        plan = PackPlan((i,), (place,), Shape.of(recipe, problem.size, problem.folds))
        jobs.append(
            PackJob(
                f"replay.{i}", plan, mine, problem, feed, {i: record}, until=_until(before, place), epoch_fixed=True,
                every=float("inf"), engine=context.engine, threads=context.workers,
            )
        )  # fmt: skip
    found: dict[int, RecipeRecord] = {}

    def receive(message: Message) -> None:
        if message.kind == "done":
            found.update(EpochRecorder.read(message.arrays, message.meta))

    any_compiled = any(map(context.compiled(problem), mine))
    executor = choose_executor(len(jobs), context.workers, compiled=any_compiled)
    executor.run(jobs, receive=receive, idle=context.idle)
    return {trial: found[i] for i, trial in enumerate(trials)}


def _compare(
    stored: RecipeRecord, again: RecipeRecord, place: int, said: str | None
) -> tuple[int | None, dict[str, float], list[str]]:
    """The first epoch whose curves differ, the greatest difference of each thing that differs, and sentences.

    said: the fold's cell of leaderboard.csv.
    """
    first: int | None = None
    greatest: dict[str, float] = {}
    other: list[str] = []
    for name, old, new in zip(CURVES, stored.curves[:, place], again.curves[:, place], strict=True):
        unequal = np.flatnonzero(old.view(np.uint64) != new.view(np.uint64))
        if len(unequal):
            first = min(int(unequal[0]) + 1, first or len(old))
            greatest[name] = _distance(old, new)
    old, new = (None if r.out_of_fold is None else r.out_of_fold[place] for r in (stored, again))
    if (old is None) != (new is None):
        other.append("predictions are stored" if new is None else "no predictions are stored")
    elif old is not None and new is not None and (old.dtype != new.dtype or old.tobytes() != new.tobytes()):
        greatest["predictions"] = _distance(old, new) if old.shape == new.shape else float("inf")
    ends = [_broken_at(r, place) for r in (stored, again)]
    if ends[0] != ends[1]:
        words = ["neither diverged nor failed" if end is None else f"{end[0]} at {end[1]}" for end in ends]
        other.append(f"the run says that it {words[0]}, and it {words[1]}")
    if said is not None and stored.epoch and not any(is_broken(r.outcomes[place]) for r in (stored, again)):
        score = again.curves[2, place, stored.epoch - 1]
        cell = float(said) if said else float("nan")
        if cell != score and not (np.isnan(cell) and np.isnan(score)):
            greatest["leaderboard"] = _distance(np.array([cell]), np.array([score]))
    return first, greatest, other


def _broken_at(record: RecipeRecord, place: int) -> tuple[str, int] | None:
    """How a trial broke, and at which update or epoch; None where it did not."""
    outcome = record.outcomes[place]
    return (outcome.label, record.ended[place]) if outcome is not None and outcome.broken else None


def _distance(old: Array, new: Array) -> float:
    """The greatest difference; infinite where only one of the two is a number."""
    if (np.isfinite(old) != np.isfinite(new)).any():
        return float("inf")
    both = np.isfinite(old)
    return float(np.abs(old[both].astype(np.float64) - new[both]).max(initial=0.0))
