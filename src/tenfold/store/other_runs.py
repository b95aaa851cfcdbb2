"""Who else looked at the same sealed rows: the ledgers of the other runs in the same directory tree, read only."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenfold.errors import TenfoldError
from tenfold.formatting import listed, number
from tenfold.store.blobs import FOLDER
from tenfold.store.database import NAME, Database
from tenfold.store.ledger import Opening, openings

MOST_LEVELS = 4  # below the directory that holds the run
MOST_DIRECTORIES = 2000
MOST_NAMED = 3  # runs named in a sentence
_PASSED_OVER = {FOLDER, "model"}


@dataclass(frozen=True)
class Neighbour:
    """An opening of the same sealed rows by another run. path: from the directory that holds both runs' directory, such
    as "runs/churn-1"; time: seconds since 1970; times: see `Opening`; score: None where there is no result."""

    path: str
    time: float
    model_sha: str
    times: int
    score: float | None = None

    def __post_init__(self) -> None:
        if not self.path or not self.model_sha or self.times < 1:
            raise ValueError(f"a neighbour needs a path, a model and a count: {self}")

    def __str__(self) -> str:
        """For example "runs/churn-1 on 2026-11-20: 0.8100"."""
        day = f"{datetime.fromtimestamp(self.time, UTC):%Y-%m-%d}"
        return f"{self.path} on {day}" + ("" if self.score is None else f": {number(self.score)}")


def other_openings(run_path: str | os.PathLike[str], rows_sha: str) -> list[Neighbour]:
    """Openings of these sealed rows by other runs, oldest first: those in the run's parent directory and at most four
    levels below it.

    Nothing is written, no link is followed, hidden directories are passed over, and what cannot be read (no run, a
    damaged or newer database, no permission) is passed over without a word. A copy of a line of this run's own ledger,
    or of one already found, counts once: a copied directory is no second look.
    """
    own = Path(run_path).resolve()
    seen = {(entry.time, entry.model_sha) for entry in _ledger(own)}
    found: list[Neighbour] = []
    for directory in _runs(own.parent):
        if directory == own:
            continue
        name = os.path.relpath(directory, own.parent.parent)
        for entry in _ledger(directory):
            if entry.rows_sha == rows_sha and (entry.time, entry.model_sha) not in seen:
                seen.add((entry.time, entry.model_sha))
                found.append(Neighbour(name, entry.time, entry.model_sha, entry.times, _score(entry.result)))
    return sorted(found, key=lambda neighbour: (neighbour.time, neighbour.path))


def _runs(root: Path) -> Iterator[Path]:
    """Directories with a run.db, level by level, names in order."""
    waiting: deque[tuple[Path, int]] = deque([(root, 0)])
    visited = 0
    while waiting and visited < MOST_DIRECTORIES:
        directory, level = waiting.popleft()
        visited += 1
        try:
            with os.scandir(directory) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
            if any(entry.name == NAME and entry.is_file(follow_symlinks=False) for entry in inside):
                yield directory
            below = [entry for entry in inside if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        if level < MOST_LEVELS:
            names = (entry.name for entry in below)
            wanted = (name for name in names if not name.startswith(".") and name not in _PASSED_OVER)
            waiting.extend((directory / name, level + 1) for name in wanted)


def _ledger(directory: Path) -> list[Opening]:
    """The openings of a run; none where they cannot be read."""
    try:
        database = Database.read(directory)
        try:
            return openings(database)
        finally:
            database.close()
    except (TenfoldError, OSError, ValueError):
        return []


def _score(result: Any) -> float | None:
    value = result.get("score") if isinstance(result, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def ledger_sentences(opened: list[Opening], others: list[Neighbour]) -> list[str]:
    """What every report says about the sealed rows: this run's openings, and those of the same rows by other runs."""
    sentences = [_own(opened)] if opened else []
    mine = {entry.model_sha for entry in opened}
    foreign = [other for other in others if other.model_sha not in mine]
    same = [other for other in others if other.model_sha in mine]
    if foreign:
        count = len({other.model_sha for other in foreign})
        models = f"{count} {'other ' if opened else ''}model{'s were' if count > 1 else ' was'}"
        sentences.append(
            f"{models} scored on the same rows ({_listed(foreign)}): this is no longer an untouched test set"
        )
    if same:
        sentences.append(f"the same model was scored on the same rows by another run ({_listed(same)})")
    return sentences


def _own(opened: list[Opening]) -> str:
    if len(opened) > 1:
        models = len({entry.model_sha for entry in opened})
        if models == 1:
            return f"opened {len(opened)} times, by the same model: it is the same score of the same model"
        of = f" for {models} models"
        which = "the second score is" if len(opened) == 2 else "every score after the first is"
        return f"opened {len(opened)} times{of}: {which} not independent of the first"
    if opened[0].times > 1:
        return f"opened once (begun {opened[0].times} times, by the same model, before there was a result)"
    return "opened once"


def _listed(others: list[Neighbour]) -> str:
    return listed(dict.fromkeys(map(str, others)), MOST_NAMED)
