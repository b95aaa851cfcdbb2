"""A search in Python that is kept in a run directory: what it decides and trains is committed, and the same call goes
on after a stop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.engine.machine import machine_facts
from tenfold.errors import BadInput
from tenfold.problem.problem import Problem
from tenfold.recipe.module import functions_by_name
from tenfold.run.machine import note_machines
from tenfold.search.context import SearchContext
from tenfold.store.run_directory import Run

ASKED = "python"  # the name of what the call asked for
ENDED = "ended"  # whether all of it was done once


@contextmanager
def kept_search(
    run_dir: str | Path | None,
    problem: Problem,
    asked: dict[str, Any],
    functions: Sequence[Callable[..., Any]],
    context: SearchContext,
) -> Generator[SearchContext]:
    """The context in which a search commits its work to a directory; the one given, where there is no directory.

    asked: what decides the results besides the problem, as JSON. functions: of users' modules, of which the directory
    holds the names. Raises `BadInput` where the directory holds the work of another call, or of other data.
    """
    if run_dir is None:
        yield context
        return
    # it imports torch, which a command that only reads a run of this kind does without
    from tenfold.run.checkpoint_journal import RunJournal

    path = Path(run_dir)
    wanted = json.loads(json.dumps({"asked": asked, "data": problem_sha(problem)}))
    context = replace(context, modules=functions_by_name(functions))
    with Run.open(path) if path.exists() else Run.create(path) as run:
        if not run.has(ASKED):
            with run.transaction():
                run.put("engine", context.engine)
                run.put("workers", context.workers)
                run.put(ASKED, wanted)
        _check(run.get(ASKED), wanted, path)
        # as it was begun: which recipes train together, and by which engine, is part of the bits
        context = replace(context, journal=RunJournal(run, {}), engine=run.get("engine"), workers=run.get("workers"))
        if not run.has(ENDED):
            note_machines(run, [machine_facts(context.device.type, context.engine)])
        yield context
        run.put(ENDED, True)


def problem_sha(problem: Problem) -> str:
    """The SHA-256 of inputs, target, folds and the name of the metric."""
    inputs, digest = problem.inputs, hashlib.sha256(problem.metric.name.encode())
    given = {} if inputs.tensors is None else inputs.tensors.arrays
    folds = [part for fold in problem.folds for part in (fold.train, fold.validation)]
    for array in (inputs.numbers, inputs.codes, *given.values(), problem.y, *folds):
        digest.update(f"{array.dtype} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check(stored: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    if stored["data"] != wanted["data"]:
        raise BadInput("X, y or the folds are not those that it was begun with", where=str(path), do="another run_dir")
    names = [name for name, value in wanted["asked"].items() if stored["asked"].get(name) != value]
    if names:
        raise BadInput(
            f"it was begun with other {', '.join(names)}", where=str(path), do="the same call, or another run_dir"
        )
