"""The model of a run as the run has recorded it; refusals for runs that have none, or no report, yet."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from tenfold.errors import BadInput
from tenfold.store.bundle import MODEL
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


def find_bundle(path: Path) -> tuple[Path, str | None]:
    """The bundle of a run, or the bundle that `path` is, and the hash of its manifest that the run has recorded; None
    outside of a run. Another process may be working on the run.

    Errors: `BadInput` for a run without a model, `Corrupt` when its database is damaged.
    """
    run = path if (path / NAME).is_file() else Path(os.path.abspath(path)).parent
    if run != path and (os.path.basename(os.path.abspath(path)) != MODEL or not (run / NAME).is_file()):
        inside = path / MODEL
        return (inside if inside.is_dir() else path), None
    with Run.read(run) as opened:
        if not opened.has("model"):
            refuse_without_model(opened, run)
        return run / MODEL, str(opened.get("model"))
