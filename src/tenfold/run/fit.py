"""A run from its settings to its report, step by step; each step that is committed is never done again."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tenfold._version import __version__
from tenfold.checks.baselines import NAMES, Baseline, random_split, run_baseline
from tenfold.data.read.source_sha import source_sha
from tenfold.engine.engines import Engine
from tenfold.engine.machine import machine_facts
from tenfold.engine.native.library import compiled_lanes
from tenfold.errors import BadInput, Corrupt, RunFailed, Stopped
from tenfold.executors.protocol import Cluster
from tenfold.formatting import in_time_words
from tenfold.jsonable import jsonable
from tenfold.model.final import final_model
from tenfold.model.model import Model, load
from tenfold.problem.from_file import Prepared, prepare
from tenfold.problem.settings import Settings
from tenfold.recipe.own_functions import OwnFunctions
from tenfold.recipe.recipe import Recipe
from tenfold.repair.failures import failures, findings
from tenfold.run.fit_result import RunResult, run_tables, test_summary, what_predicts
from tenfold.run.live_page import DrawPage, LivePage
from tenfold.run.lockbox import TestScore, ledger, open_lockbox
from tenfold.run.machine import note_machines
from tenfold.run.plan import RunPlan, by_engine, make_plan
from tenfold.run.report_data import report_data
from tenfold.run.search_in_python import ASKED
from tenfold.run.tensorboard_log import TensorBoardLog
from tenfold.run.unfinished import ABOUT, about
from tenfold.run.verdict import no_score, test_lines
from tenfold.search.blended import BLENDED, Blend, blend_parts, choose_blend, temperature_of
from tenfold.search.context import SearchContext, device_named
from tenfold.search.deadline import REPORT_SECONDS, Deadline, seconds_after_training, seconds_of_part
from tenfold.search.leaderboard import leaderboard_row
from tenfold.search.nested import Nested, nested_result
from tenfold.search.racing import Rung
from tenfold.search.results import SearchResults
from tenfold.search.search import Given, SearchPlan, keeps_weights, train_all
from tenfold.search.so_far import SoFar
from tenfold.store.bundle import bundle_sha
from tenfold.store.database import NAME, remains
from tenfold.store.other_runs import SEALED
from tenfold.store.run_directory import Run

PUT_BACK = "put the old data back, or start a new run"
MODULES = "modules"  # the names of functions of the user's own, and the SHA-256 of their files


class Listener(Protocol):
    """Who is told what happens: the command line's screen."""

    def planned(self, prepared: Prepared, plan: RunPlan) -> None:
        """The data card and the plan."""
        ...

    def baseline(self, result: Baseline) -> None:
        """One baseline is done."""
        ...

    def progress(self, share: float, best: float | None) -> None:
        """Share of the training done in [0, 1], and the best fold-mean score so far."""
        ...

    def decided(self, rung: Rung) -> None:
        """The race has decided who goes on."""
        ...

    def step(self, what: str) -> None:
        """A later step begins: the refit, the test, the report."""
        ...


@dataclass
class Stop:
    """Set by a signal handler; checked between updates, or about ten times a second while workers train."""

    signal: int = 0

    def check(self) -> None:
        """Raise `Stopped` once a signal has come."""
        if self.signal:
            raise Stopped("stopped; at most the last 15 seconds of training are made again", 128 + self.signal)


def create_run(settings: Settings, out: str | Path, prepared: Prepared, plan: RunPlan) -> Run:
    """Create the run directory and commit the settings and the plan. The run holds its lock until it is closed."""
    run = Run.create(out)
    test = settings.test
    places = {"data": _absolute(settings.data), "test": None if test is None else _absolute(test)}
    facts = {
        "settings": {**settings.to_dict(), **places},
        "named": {"source": prepared.source, "data": settings.data, "test": test},
        "data_sha": prepared.shas[0],
        "test_sha": None if test is None else prepared.shas[1],
        "folds_sha": _folds_sha(prepared),
        SEALED: prepared.sealed.fingerprint.to_dict() if prepared.sealed.rows else None,
        "recipes.0": [recipe.to_dict() for recipe in plan.recipes],
        "workers": plan.workers,
        "engine": plan.engine,
        "notes": list(plan.notes),
        **({MODULES: dict(settings.modules.files)} if settings.modules else {}),
        "seconds": {"total": 0.0, "training": 0.0},
        ABOUT: about(prepared, plan),
    }
    with run.transaction():
        for name, value in facts.items():
            run.put(name, value)
    return run


def reopen(path: str | Path, modules: OwnFunctions | None = None) -> tuple[Run, Prepared, RunPlan]:
    """Open a run that was stopped, read its data again, and see that nothing about them has changed. modules: the
    functions of the user's own that it names."""
    run = Run.open(path)
    try:
        prepared = read_again(run, path, modules=modules)
        plan = make_plan(prepared, run.get("workers"))
        functions = functions_in(prepared.settings)
        recipes = tuple(Recipe.from_dict(value).with_modules(functions) for value in run.get("recipes.0"))
        plan = replace(plan, recipes=recipes, notes=tuple(run.get("notes")))
        plan = _with_engine(plan, run.get("engine") if run.has("engine") else "packs")
        return run, _as_named(prepared, run), plan
    except BaseException:
        run.close()
        raise


def stored_modules(path: Path) -> dict[str, str]:
    """The functions of the user's own that a run names, with the SHA-256 of their files; none where it is no run."""
    if not (path / NAME).is_file():
        return {}
    with Run.read(path) as run:
        return run.get(MODULES) if run.has(MODULES) else {}


def functions_in(settings: Settings) -> Mapping[str, Callable[..., Any]]:
    """The functions of the user's own, by name."""
    return settings.modules.by_name if settings.modules else {}


def read_again(
    run: Run, where: str | Path, *, data: str | None = None, test: str | None = None, do: str = PUT_BACK,
    modules: OwnFunctions | None = None,
) -> Prepared:  # fmt: skip
    """The data of a run as they were when it began. where: the run, as the user named it. data, test: where the files
    are now, if not where they were. do: what to do where they are gone or have changed. modules: the functions of the
    user's own that the run names.

    Errors: `BadInput` where they are not what they were, or are not divided as they were; and for a function that is
    not given, or whose file is another one.
    """
    if run.has(ASKED):
        raise BadInput("a search in Python keeps its work there", where=str(where), do="the same call in Python")
    if not run.has("settings"):
        left = remains(run.path)
        if left:
            what = f"the plan of the run is missing; still there: {', '.join(left)}"
            raise Corrupt(what, file=str(run.path / "run.db"))
        raise BadInput("the run was stopped before its plan was committed", where=str(where), do="fit again")
    (modules or OwnFunctions()).check(run.get(MODULES) if run.has(MODULES) else {}, str(where))
    settings = Settings.of(run.get("settings"), modules if run.has(MODULES) else None)
    settings = replace(settings, data=data or settings.data, test=settings.test and (test or settings.test))
    stored = {settings.data: run.get("data_sha")}
    if settings.test is not None:
        stored[settings.test] = run.get("test_sha")
    for source, sha in stored.items():
        _check_unchanged(source, sha, source_sha(source), do)
    prepared = prepare(settings)
    for (source, sha), found in zip(stored.items(), prepared.shas, strict=False):
        _check_unchanged(source, sha, found, do)
    if _folds_sha(prepared) != run.get("folds_sha"):
        raise BadInput("the folds no longer match the stored run; another Tenfold version made it", where=str(where))
    return prepared


def _with_engine(plan: RunPlan, begun_with: Engine) -> RunPlan:
    """The run goes on with the engine that it was begun with, so that its bits are those of a run without a stop."""
    if begun_with == "compiled" and plan.engine == "packs":
        note = (
            f"the run was begun with compiled lanes, which cannot be used now ({compiled_lanes().missing}); it goes on "
            "with packs, and its numbers may differ in the last digits from those without the stop"
        )
        return replace(plan, notes=(*plan.notes, note))
    return replace(plan, engine=begun_with)


def _as_named(prepared: Prepared, run: Run) -> Prepared:
    """With the file names as `fit` was given them: a resumed run writes the same report as one that was not stopped."""
    if not run.has("named"):
        return prepared
    named = run.get("named")
    settings = replace(prepared.settings, data=named["data"], test=named["test"])
    return replace(prepared, settings=settings, source=named["source"])


def _check_unchanged(data: str, sha: str, found: str, do: str) -> None:
    if found != sha or not found:
        raise BadInput(
            "the data are not those that the run was started with" if found else "cannot be read again",
            where=data,
            expected=f"SHA-256 {sha[:16]}..." if sha else "a file",
            do=do,
        )


def _absolute(data: str) -> str:
    return data if data.startswith("sklearn:") else os.path.abspath(data)


def _folds_sha(prepared: Prepared) -> str:
    digest = hashlib.sha256(prepared.sealed.sha.encode())
    for fold in prepared.problem.folds:
        digest.update(fold.train.tobytes() + b"|" + fold.validation.tobytes())
    return digest.hexdigest()


class Fit:
    """One session of work on a run: `advance` does whatever is not committed yet and returns the result."""

    every: float = 15.0  # seconds of training between two checkpoints of a pack

    def __init__(
        self, run: Run, prepared: Prepared, plan: RunPlan, listener: Listener, stop: Stop, *,
        begun: float | None = None, draw: DrawPage | None = None, tensorboard: Path | None = None,
        cluster: Cluster | None = None,
    ) -> None:  # fmt: skip
        """begun: when this session began, by the monotonic clock, where that was before now: reading takes time too.
        draw: the page of the run while it goes on. tensorboard: the directory of a `TensorBoardLog`. cluster: where the
        search trains, if not here."""
        self.cluster = cluster
        self.run, self.prepared, self.plan, self.listener, self.stop = run, prepared, plan, listener, stop
        self._begun, self._before = time.monotonic() if begun is None else begun, run.get("seconds")["total"]
        self._so_far, self._log = SoFar(), None
        if tensorboard is not None:
            self._log = TensorBoardLog(tensorboard, prepared.problem.metric.words, self._describe)
        self.page = LivePage(run, draw, lambda: self._clock()["total"])
        settings, used, self._set_aside = prepared.settings, self._before + time.monotonic() - self._begun, 0.0
        if settings.time_limit is not None:
            compiled = by_engine(plan.recipes, prepared, plan.engine)[0]
            # What an earlier session trained is not kept in memory, and its fold models are trained again.
            kept = not self._before and keeps_weights(prepared.problem, plan.recipes, plan.trials)
            self._set_aside = seconds_after_training(
                prepared.problem, plan.recipes, settings.keep, compiled=compiled, kept=kept
            )
            used += self._set_aside
        self.deadline = Deadline(settings.time_limit, used=used)

    def advance(self) -> RunResult:
        """All steps in order. Raises `Stopped` (resumable) or `RunFailed`."""
        # A step that an earlier session committed is answered from the run, so a resumed run takes the same way.
        self.run.event("session", {"version": __version__, "workers": self.plan.workers})
        try:
            baselines = self._fit_baselines()
            trained = self._search()
            apart = self._compare_with_random_split(baselines)
            result = RunResult(self.prepared, self.plan, baselines, trained, self._seconds(trained), apart=apart)
            result = replace(result, findings=self._look_at_failures(trained, baselines))
            if not result.has_winner:
                self._write_files(result)
                raise RunFailed(no_score(result))
            result = replace(result, nested=self._search_inside_folds(trained))
            if self.cluster is not None:
                self.cluster.release()  # what follows is trained here
            result = replace(result, **self._train_final_model(trained), seconds=self._seconds(trained))
            result = replace(result, test=self._open_lockbox(), seconds=self._seconds(trained))
            result = replace(result, ledger=ledger(self.run, self.prepared.sealed))
            self._write_files(result)
            self.run.event("finished")
            return result
        except Stopped as stopped:
            self.run.event("stopped", {"exit_code": stopped.exit_code})
            self.page.stopped()
            raise
        finally:
            self.run.put("seconds", self._clock())
            if self._log is not None:
                self._log.flush()

    def _idle(self) -> None:
        """Between two pieces of work, often."""
        self.stop.check()
        self.page.tick()

    def _look(self, so_far: SoFar) -> None:
        self._so_far = so_far
        self.page.look(so_far)

    def _describe(self, number: int) -> str:
        return self._so_far.recipes[number].describe()

    def _progress(self, share: float, best: float | None) -> None:
        self.listener.progress(share, best)
        self.page.progress(share)

    def _decided(self, rung: Rung) -> None:
        self.listener.decided(rung)
        self.page.rung()

    def _step(self, what: str) -> None:
        self.listener.step(what)
        self.page.step(what)
        self.page.tick()

    def _clock(self) -> dict[str, float]:
        """Seconds of all sessions, in all and of training."""
        total = self._before + time.monotonic() - self._begun
        return {"total": total, "training": self.run.get("seconds")["training"]}

    def _seconds(self, trained: SearchResults) -> dict[str, float]:
        return {"total": round(self._clock()["total"], 3), "training": round(trained.seconds, 3)}

    def _fit_baselines(self) -> list[Baseline]:
        found: list[Baseline] = []
        share = self.deadline.for_baselines()
        self.page.step("the baselines are being fitted")
        # The baselines do without torch, whose import takes a second or two and can go on beside them.
        threading.Thread(target=import_module, args=("torch",)).start()
        for name in NAMES:
            stored = self.run.get(f"baseline.{name}")
            if stored is None:
                spent = sum(result.seconds for result in found)
                stored = self._fit_baseline(name, None if share is None else max(share - spent, 0.0))
                self.run.put(f"baseline.{name}", stored)
            scores = tuple(map(_number, stored["scores"]))
            also = {n: tuple(map(_number, values)) for n, values in stored.get("also", {}).items()}
            result = Baseline(name, scores, stored["seconds"], len(self.prepared.problem.folds), also)
            self.listener.baseline(result)
            found.append(result)
        return found

    def _fit_baseline(self, name: str, left: float | None) -> Any:
        """One baseline, as JSON. left: seconds of the baselines' part of a time limit, None without a limit."""
        seed, limited = self.prepared.settings.seed, left is not None
        # Without a limit none is cut short: how far it gets would depend on what else the machine does.
        budget = np.inf if left is None else min(max(self.plan.seconds, 20.0), left)
        problem, idle = self.prepared.problem, self._idle
        result = run_baseline(problem, name, seed=seed, budget=budget, strict=limited, idle=idle)
        return jsonable({"scores": result.scores, "seconds": result.seconds, "also": dict(result.also)})

    def _compare_with_random_split(self, baselines: list[Baseline]) -> dict[str, float | None] | None:
        """For folds by group or in time: the linear baseline on a random division, and on the folds asked for. The
        difference is how optimistic a random division would have been."""
        settings = self.prepared.settings
        if settings.groups is None and settings.time is None:
            return None
        if not self.run.has("random_split"):
            found = {"random": random_split(self.prepared.problem, seed=settings.seed)}
            found["divided"] = next(b.mean for b in baselines if b.name == "linear")
            self.run.put("random_split", jsonable(found))
        return self.run.get("random_split")

    def _search(self) -> SearchResults:
        proposer = self.plan.proposer if self.plan.proposer.rounds > 1 else Given(self.plan.recipes)
        note_machines(self.run, [machine_facts(device_named(self.prepared.settings.device).type, self.plan.engine)])
        try:
            return self._timed(
                lambda: train_all(self.prepared.problem, proposer, self._search_context(), self.plan.search)
            )
        finally:
            if self.cluster is not None:
                note_machines(self.run, self.cluster.machines)
                if self.cluster.lost:
                    self.run.event("lost_workers", {"hosts": list(self.cluster.lost)})

    def _search_context(self) -> SearchContext:
        from tenfold.run.checkpoint_journal import RunJournal

        return SearchContext.local(
            self.prepared.settings.device,
            journal=RunJournal(self.run, {"recipes.0": list(self.plan.recipes)}),
            progress=self._progress,
            decided=self._decided,
            look=self._look,
            on_epochs=None if self._log is None else self._log.epochs,
            idle=self._idle,
            limit=self.deadline.seconds(),
            every=self.every,
            engine=self.plan.engine,
            cluster=self.cluster,
            modules=functions_in(self.prepared.settings),
        )

    def _timed(self, train: Callable[[], SearchResults]) -> SearchResults:
        """Train, and keep account of the seconds, those of earlier sessions included."""
        before = self.run.get("seconds")["training"]
        begun = time.monotonic()
        try:
            trained = train()
        finally:
            seconds = before + time.monotonic() - begun
            self.run.put("seconds", {**self.run.get("seconds"), "training": seconds})
        return replace(trained, seconds=seconds)

    def _look_at_failures(self, trained: SearchResults, baselines: list[Baseline]) -> list[dict[str, Any]]:
        """What was unhealthy in the recipes that failed; the doctor looks at them if the time limit leaves enough, for
        a share of the time that the run has taken."""
        if not self.run.has("findings"):
            dummy = next(b.mean for b in baselines if b.name == "dummy")
            looks, looking = self.deadline.leaves_a_look(), self.deadline.for_looking(self._clock()["total"])
            if looks and failures(trained, dummy):
                most = in_time_words(looking.left())
                self._step(f"the doctor looks at the recipes that failed, for {most} at most")
            context = SearchContext.local(
                self.prepared.settings.device, idle=self._idle, late=looking.over, engine=self.plan.engine
            )
            self.run.put("findings", jsonable(findings(trained, dummy, context, looks=looks)))
        return self.run.get("findings")

    def _search_inside_folds(self, trained: SearchResults) -> Nested | None:
        """Nested cross-validation, if it was asked for: the search again inside every fold."""
        if self.plan.inner is None:
            return None
        self._step("nested cross-validation: the search again inside every fold")
        context = self._search_context().named("inner.")
        search = SearchPlan(seed=self.prepared.settings.seed, record_rows=False)
        return nested_result(trained, train_all(self.plan.inner, Given(trained.recipes), context, search))

    def _train_final_model(self, trained: SearchResults) -> dict[str, Any]:
        """Train and store the model that predicts; gives the fields of the result that are about it."""
        trained_before = self.run.get("model")
        if trained_before is not None and self._model_is_whole():
            return {"comparison": self.run.get("comparison"), "model": self.run.get("what_predicts")}
        settings = self.prepared.settings
        what = {
            "refit": "training the winner on all development rows", "ensemble": "training the winner's ensemble",
            "refits": "training the winner on all development rows, with several seeds",
            "blend": "choosing a blend of recipes, and training it",
        }  # fmt: skip
        self._step(what.get(settings.keep, "comparing the refit with an ensemble, and training the better"))
        blend = self._choose_blend(trained) if settings.keep == "blend" else None

        device, schema, seed = device_named(settings.device), self.prepared.schema, settings.seed
        final = final_model(
            trained.winner(),
            settings.keep,
            seed=seed,
            parts=() if blend is None else blend_parts(trained, blend),
            temperature=temperature_of(trained, blend),
            schema=schema,
            device=device,
            engine=self.plan.engine,
            idle=self._idle,
        )
        comparison = None if final.comparison is None else jsonable(asdict(final.comparison))
        parts = final.model.parts(self._model_card(trained))
        if trained_before is not None and bundle_sha(**parts) != trained_before:
            raise Corrupt(
                "the model is damaged, and this version or machine does not train the same bits again",
                file=str(self.run.path / "model"),
                expected=trained_before,
            )
        predicts = jsonable(what_predicts(final.model, trained, blend))
        sha = self.run.write_model(**parts)
        with self.run.transaction():
            self.run.put("comparison", comparison)
            self.run.put("what_predicts", predicts)
            self.run.put("model", sha)
        return {"comparison": comparison, "model": predicts}

    def _choose_blend(self, trained: SearchResults) -> Blend:
        """The blend that is kept; under a time limit one of so many recipes as can be trained in it. What is
        chosen is committed: the clock of a resumed run says something else."""
        problem, fast = trained.problem, by_engine(trained.recipes, self.prepared, self.plan.engine)[0]

        def make() -> Blend:
            left = self.deadline.left() + self._set_aside - REPORT_SECONDS
            for most in range(BLENDED, 1, -1):
                blend = choose_blend(trained, most)
                parts = blend_parts(trained, blend)
                seconds = [seconds_of_part(problem, p, len(parts), compiled=p.recipe in fast) for p in parts]
                if sum(seconds) <= left:
                    return blend
            return choose_blend(trained, 1)

        from tenfold.run.checkpoint_journal import RunJournal

        return RunJournal(self.run, {}).once("blend", make, write=Blend.to_dict, read=Blend.of)

    def _load(self, path: Path) -> Model:
        return load(path, module=functions_in(self.prepared.settings))

    def _model_is_whole(self) -> bool:
        """Whether the model that an earlier session trained is still there, with all its bits."""
        try:
            self._load(self.run.path)
        except (Corrupt, BadInput):
            return False
        return True

    def _model_card(self, trained: SearchResults) -> str:
        row = leaderboard_row(trained, trained.best())
        metric = self.prepared.problem.metric.name
        return (
            f"# {self.prepared.name}: {self.prepared.target}\n\n{row['recipe'].describe()}\n\n"
            f"{metric} {row['mean']:.4f} over {self.prepared.division} of {trained.problem.inputs.rows} rows\n"
        )

    def _open_lockbox(self) -> TestScore | None:
        """Score the sealed rows once, unless they must stay sealed."""
        sealed, settings = self.prepared.sealed, self.prepared.settings
        if sealed.rows == 0 or settings.no_test:
            return None
        self._step("opening the sealed test rows")
        return open_lockbox(self.run, sealed, self._load(self.run.path / "model"), self.prepared.problem.metric)

    def _write_files(self, result: RunResult) -> None:
        self._step("writing the report")
        for name, content in run_tables(result).items():
            self.run.write_file(name, content)
        self.run.put("report", jsonable(report_data(result, self.run)))
        write_summary(self.run)


def _number(value: float | None) -> float:
    """A number of JSON, where NaN is null."""
    return np.nan if value is None else value


def refreshed(run: Run) -> dict[str, Any]:
    """What the report shows, with the ledger of the sealed rows as it stands now."""
    data = dict(run.get("report"))
    found = ledger(run, data["sealed_sha"])
    results = [opening.result for opening in run.openings() if opening.result is not None]
    score = TestScore.of(results[0]) if results else None
    summary = {**data["summary"], "test": jsonable(test_summary(score, found))}
    tested = test_lines(summary)
    return {
        **data, "summary": summary, "tested": tested, "ledger": jsonable(list(found.openings)),
        "others": jsonable(list(found.others)),
    }  # fmt: skip


def write_summary(run: Run) -> None:
    """summary.json, from what the report says."""
    run.write_file("summary.json", json.dumps(run.get("report")["summary"], indent=1, allow_nan=False) + "\n")
