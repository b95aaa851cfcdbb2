"""A run from its settings to its report, step by step; each step that is committed is never done again."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tenfold._version import __version__
from tenfold.data.image_files import folder_sha
from tenfold.errors import BadInput, RunFailed, Stopped
from tenfold.recipe.recipe import Recipe
from tenfold.selection.baselines import NAMES, Baseline, run_baseline
from tenfold.selection.model import Model
from tenfold.selection.prepare import Plan, Prepared, Settings, make_plan, prepare
from tenfold.selection.search import Crew, Trained, device_named, train_all
from tenfold.selection.summary import RunResult, TestScore, finite, metric_rows, run_tables, summary_text, trial_rows
from tenfold.selection.verdict import report_data
from tenfold.statistics.intervals import test_interval
from tenfold.statistics.metrics import all_scores
from tenfold.store.run import Run


class Listener(Protocol):
    """Who is told what happens: the command line's screen."""

    def planned(self, prepared: Prepared, plan: Plan) -> None:
        """The data card and the plan."""
        ...

    def baseline(self, result: Baseline) -> None:
        """One baseline is done."""
        ...

    def progress(self, share: float, best: float | None) -> None:
        """Share of the training done in [0, 1], and the best fold-mean score so far."""
        ...

    def step(self, what: str) -> None:
        """A later step begins: the refit, the test, the report."""
        ...


@dataclass
class Stop:
    """Set by a signal handler; work looks at it between two updates."""

    signal: int = 0

    def check(self) -> None:
        """Raise `Stopped` once a signal has come."""
        if self.signal:
            raise Stopped("stopped; nothing that was committed is lost", 128 + self.signal)


def start(settings: Settings, out: str | Path, prepared: Prepared, plan: Plan) -> Run:
    """Create the run directory and commit the settings and the plan. The run holds its lock until it is closed."""
    run = Run.create(out)
    facts = {
        "settings": {**settings.to_dict(), "data": _absolute(settings.data)},
        "data_sha": _data_sha(settings.data),
        "folds_sha": _folds_sha(prepared),
        "recipes": [recipe.to_dict() for recipe in plan.recipes],
        "workers": plan.workers,
        "notes": list(plan.notes),
        "seconds": {"total": 0.0, "training": 0.0},
    }
    with run.transaction():
        for name, value in facts.items():
            run.put(name, value)
    return run


def reopen(path: str | Path) -> tuple[Run, Prepared, Plan]:
    """Open a run that was stopped, read its data again, and see that nothing about them has changed."""
    run = Run.open(path)
    try:
        if not run.has("settings"):
            raise BadInput("the run was stopped before its plan was committed", where=str(path), do="fit again")
        settings = Settings(**run.get("settings"))
        if _data_sha(settings.data) != run.get("data_sha"):
            raise BadInput(
                "the data are not those that the run was started with",
                where=settings.data,
                expected=f"SHA-256 {str(run.get('data_sha'))[:16]}...",
                do="put the old data back, or start a new run",
            )
        prepared = prepare(settings)
        if _folds_sha(prepared) != run.get("folds_sha"):
            raise BadInput("the folds differ from those of the run; another version made it", where=str(path))
        plan = make_plan(prepared, run.get("workers"))
        recipes = tuple(Recipe.from_dict(value) for value in run.get("recipes"))
        return run, prepared, replace(plan, recipes=recipes)
    except BaseException:
        run.close()
        raise


def _absolute(data: str) -> str:
    return data if data.startswith("sklearn:") else os.path.abspath(data)


def _data_sha(data: str) -> str:
    if data.startswith("sklearn:"):
        return data
    try:
        if os.path.isdir(data):
            return folder_sha(data)
        with open(data, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=data, do="put the data file back") from None


def _folds_sha(prepared: Prepared) -> str:
    digest = hashlib.sha256(prepared.sealed_sha.encode())
    for fold in prepared.problem.folds:
        digest.update(fold.train.tobytes() + b"|" + fold.validation.tobytes())
    return digest.hexdigest()


class Fit:
    """One session of work on a run: `advance` does whatever is not committed yet and returns the result."""

    every: float = 15.0  # seconds of training between two checkpoints of a pack

    def __init__(self, run: Run, prepared: Prepared, plan: Plan, listener: Listener, stop: Stop) -> None:
        self.run, self.prepared, self.plan, self.listener, self.stop = run, prepared, plan, listener, stop
        self._begun = time.monotonic()
        self._before = dict(run.get("seconds"))

    def advance(self) -> RunResult:
        """Baselines, training, refit, test, files. Raises `Stopped` (resumable) or `RunFailed`."""
        self.run.event("session", {"version": __version__, "workers": self.plan.workers})
        try:
            baselines = self._baselines()
            trained = self._train()
            try:
                best = trained.best()
            except RunFailed:
                self._write(RunResult(self.prepared, self.plan, baselines, trained, None, self._seconds(trained)))
                raise
            model, sha = self._refit(trained, best)
            test = self._test(model, sha)
            result = RunResult(self.prepared, self.plan, baselines, trained, test, self._seconds(trained))
            self._write(result)
            self.run.event("finished")
            return result
        except Stopped as stopped:
            self.run.event("stopped", {"exit_code": stopped.exit_code})
            raise
        finally:
            self.run.put("seconds", self._clock())

    def _clock(self) -> dict[str, float]:
        total = self._before["total"] + time.monotonic() - self._begun
        return {"total": total, "training": self.run.get("seconds")["training"]}

    def _seconds(self, trained: Trained) -> dict[str, float]:
        return {"total": round(self._clock()["total"], 3), "training": round(trained.seconds, 3)}

    def _left(self) -> float | None:
        """Seconds of the time limit that are left for training: a tenth is kept for what follows it."""
        limit = self.prepared.settings.time_limit
        return None if limit is None else max(0.0, 0.9 * limit - self._clock()["total"])

    def _baselines(self) -> list[Baseline]:
        found = []
        for name in NAMES:
            stored = self.run.get(f"baseline.{name}")
            if stored is None:
                budget = max(self.plan.seconds, 20.0)
                limit = self._left()
                budget = budget if limit is None else min(budget, limit / 4)
                result = run_baseline(
                    self.prepared.problem, name, seed=self.prepared.settings.seed, budget=budget, idle=self.stop.check
                )
                stored = finite({"scores": result.scores, "seconds": result.seconds})
                self.run.put(f"baseline.{name}", stored)
            scores = tuple(np.nan if score is None else score for score in stored["scores"])
            result = Baseline(name, scores, stored["seconds"], self.plan.folds)
            self.listener.baseline(result)
            found.append(result)
        return found

    def _train(self) -> Trained:
        from tenfold.selection.progress import Keeper

        keeper = Keeper(self.run, self.prepared.problem, self.plan, self.listener)
        crew = Crew.local(
            self.prepared.settings.device,
            saved=keeper.saved(),
            done=keeper.done(),
            receive=keeper.receive,
            idle=self.stop.check,
            limit=self._left(),
            every=self.every,
        )
        before = self.run.get("seconds")["training"]
        begun = time.monotonic()
        try:
            trained = train_all(self.prepared.problem, self.plan.recipes, crew, keeper.plans)
        finally:
            seconds = before + time.monotonic() - begun
            self.run.put("seconds", {**self.run.get("seconds"), "training": seconds})
        return Trained(trained.problem, trained.recipes, trained.records, seconds)

    def _refit(self, trained: Trained, best: int) -> tuple[Model, str]:
        from tenfold.selection.refit import refit

        if self.run.has("model"):
            return Model.load(self.run.path / "model"), str(self.run.get("model"))
        self.listener.step("training the winner on all development rows")
        settings, problem = self.prepared.settings, self.prepared.problem

        def tick() -> Any:
            self.stop.check()
            return "go on"

        model = refit(
            problem,
            trained.recipes[best],
            trained.records[best].epoch,
            seed=settings.seed,
            schema=self.prepared.schema,
            device=device_named(settings.device),
            tick=tick,
        )
        sha = self.run.write_model(**model.parts(self._card(trained, best)))
        self.run.put("model", sha)
        return model, sha

    def _card(self, trained: Trained, best: int) -> str:
        row = trained.row(best)
        metric = self.prepared.problem.metric.name
        return (
            f"# {self.prepared.name}: {self.prepared.target}\n\n{trained.recipes[best].describe()}\n\n"
            f"{metric} {row['mean']:.4f} over {self.plan.folds} folds of {trained.problem.inputs.rows} rows\n"
        )

    def _test(self, model: Model, sha: str) -> TestScore | None:
        """Score the sealed rows once: the intent is committed before their labels are looked at."""
        if self.prepared.settings.holdout == 0:
            return None
        self.listener.step("opening the sealed test rows")
        number = self.run.open_intent(self.prepared.sealed_sha, sha)
        prediction = model.outputs(self.prepared.sealed_inputs)
        y = self.prepared.unseal()
        metric = self.prepared.problem.metric
        scores = {name: float(value[0]) for name, value in all_scores(metric.task, y, prediction[None]).items()}
        low, high = test_interval(metric, y, prediction)
        test = TestScore(len(y), scores[metric.name], (low, high), scores)
        self.run.open_result(number, finite(test.to_dict()))
        return test

    def _write(self, result: RunResult) -> None:
        self.listener.step("writing the report")
        with self.run.transaction():
            self.run.add_trials(trial_rows(result.trained))
            self.run.add_metrics(metric_rows(result.trained))
        for name, content in run_tables(result).items():
            self.run.write_file(name, content)
        self.run.write_file("summary.json", summary_text(result, self.run))
        self.run.put("report", finite(report_data(result, self.run)))
