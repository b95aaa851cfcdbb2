"""Why there is nothing to show, to open or to predict with, of a run that is not finished or in which all failed."""

from __future__ import annotations

import shlex
from pathlib import Path

from tenfold.errors import BadInput
from tenfold.store.database import NAME
from tenfold.store.run import Run

NO_MODEL = "no recipe succeeded; there is no model"


def has_failed(run: Run) -> bool:
    """Whether the run came to its end without a winner."""
    return run.has("report") and not run.has("model")


def refuse_unfinished(run: Run, where: str | Path) -> None:
    """Say what to do with a run that has not come to its report. where: the run as the user named it."""
    if not run.has("report"):
        raise BadInput("the run is not finished", where=str(where), do=f"tenfold resume {shlex.quote(str(where))}")


def refuse_without_model(run: Run, where: str | Path) -> None:
    """Say why a run has no model."""
    refuse_unfinished(run, where)
    if has_failed(run):
        why = f"tenfold report {shlex.quote(str(where))}, which says why"
        raise BadInput(NO_MODEL, where=str(where), do=why)


def refuse_directory(path: Path) -> None:
    """Say why there is no model in a directory, if that is a run; it may be under way in another process."""
    if (path / NAME).is_file():
        run = Run.read(path)
        try:
            refuse_without_model(run, path)
        finally:
            run.close()
