"""Refusals for runs that have no report yet, or no model because every recipe failed."""

from __future__ import annotations

import shlex
from pathlib import Path

from tenfold.errors import BadInput
from tenfold.store.database import NAME
from tenfold.store.run_directory import Run

NO_MODEL = "no recipe succeeded; there is no model"


def has_failed(run: Run) -> bool:
    """Whether the run is finished and no recipe succeeded."""
    return run.has("report") and not run.has("model")


def refuse_unfinished(run: Run, where: str | Path) -> None:
    """Raise `BadInput` for a run without a report. where: the run as the user named it."""
    if not run.has("report"):
        raise BadInput("the run is not finished", where=str(where), do=f"tenfold resume {shlex.quote(str(where))}")


def refuse_without_model(run: Run, where: str | Path) -> None:
    """Raise `BadInput` for a run without a model."""
    refuse_unfinished(run, where)
    if has_failed(run):
        why = f"tenfold report {shlex.quote(str(where))}, which says why"
        raise BadInput(NO_MODEL, where=str(where), do=why)


def refuse_directory(path: Path) -> None:
    """Raise `BadInput` if the directory is a run without a model; another process may be working on it."""
    if (path / NAME).is_file():
        with Run.read(path) as run:
            refuse_without_model(run, path)
