"""Other runs that scored a model on the same sealed rows, from their ledgers in the same directory tree."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenfold.data.split.row_fingerprint import RowFingerprint
from tenfold.errors import TenfoldError
from tenfold.formatting import listed, number
from tenfold.store.blobs import FOLDER
from tenfold.store.database import NAME, Database
from tenfold.store.lockbox_ledger import Opening, openings

SEALED = "sealed"  # the fact that holds the fingerprint of the sealed rows
MOST_LEVELS = 4  # below the directory that holds the run
MOST_DIRECTORIES = 2000
MOST_NAMED = 3  # runs named in a sentence
_NOT_SEARCHED = {FOLDER, "model"}


@dataclass(frozen=True)
class OtherOpening:
    """An opening of the same sealed rows by another run.

    path: that run, from the directory above this run's parent, such as "runs/churn-1". time: seconds since 1970. times:
    see `Opening`. score: None where there is no result.
    """

    path: str
    time: float
    model_sha: str
    times: int
    score: float | None = None

    def __post_init__(self) -> None:
        if not self.path or not self.model_sha or self.times < 1:
            raise ValueError(f"an opening needs a path, a model and a count: {self}")

    def __str__(self) -> str:
        """For example "runs/churn-1 on 2026-11-20: 0.8100"."""
        day = f"{datetime.fromtimestamp(self.time, UTC):%Y-%m-%d}"
        return f"{self.path} on {day}" + ("" if self.score is None else f": {number(self.score)}")


def other_openings(
    run_path: str | os.PathLike[str], rows_sha: str, fingerprint: RowFingerprint | None = None
) -> list[OtherOpening]:
    """Openings of these sealed rows by other runs, oldest first: those in the run's parent directory and at most four
    levels below it.

    Nothing is written, no link is followed, and hidden directories and whatever cannot be read (not a run, a damaged or
    newer database, no permission) are skipped in silence. A directory that was copied is no second look: an opening
    of the same time and model as one of this run, or as one already listed, counts once. Rows are the same by their
    hash, or by their fingerprint, which does not depend on the columns that are used.
    """
    own = Path(run_path).resolve()
    seen = {(opening.time, opening.model_sha) for opening in _ledger(own)[0]}
    others: list[OtherOpening] = []
    for directory in _run_directories(own.parent):
        if directory == own:
            continue
        name = os.path.relpath(directory, own.parent.parent)
        opened, sealed = _ledger(directory)
        same = fingerprint is not None and sealed is not None and fingerprint.same_rows(sealed)
        for opening in opened:
            if (same or opening.rows_sha == rows_sha) and (opening.time, opening.model_sha) not in seen:
                seen.add((opening.time, opening.model_sha))
                score = _score(opening.result)
                others.append(OtherOpening(name, opening.time, opening.model_sha, opening.times, score))
    return sorted(others, key=lambda other: (other.time, other.path))


def _run_directories(root: Path) -> Iterator[Path]:
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
            wanted = (name for name in names if not name.startswith(".") and name not in _NOT_SEARCHED)
            waiting.extend((directory / name, level + 1) for name in wanted)


def _ledger(directory: Path) -> tuple[list[Opening], RowFingerprint | None]:
    """The openings of a run, and the fingerprint of its sealed rows; none where they cannot be read."""
    try:
        database = Database.read(directory)
        try:
            opened = openings(database)
            fact = database.first("facts", name=SEALED) if opened else None
            return opened, None if fact is None else RowFingerprint.from_dict(json.loads(fact[1]))
        finally:
            database.close()
    except (TenfoldError, OSError, ValueError, LookupError, TypeError):
        return [], None


def _score(result: Any) -> float | None:
    value = result.get("score") if isinstance(result, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def ledger_sentences(opened: list[Opening], others: list[OtherOpening]) -> list[str]:
    """What every report says about the sealed rows: this run's openings, and those of the same rows by other runs."""
    sentences = [_own_sentence(opened)] if opened else []
    own_models = {opening.model_sha for opening in opened}
    of_other_models = [other for other in others if other.model_sha not in own_models]
    of_own_models = [other for other in others if other.model_sha in own_models]
    if of_other_models:
        count = len({other.model_sha for other in of_other_models})
        models = f"{count} {'other ' if opened else ''}model{'s were' if count > 1 else ' was'}"
        runs = _listed(of_other_models)
        sentences.append(f"{models} scored on the same rows ({runs}): this is no longer an untouched test set")
    if of_own_models:
        sentences.append(f"the same model was scored on the same rows by another run ({_listed(of_own_models)})")
    return sentences


def _own_sentence(opened: list[Opening]) -> str:
    if len(opened) > 1:
        models = len({opening.model_sha for opening in opened})
        if models == 1:
            return f"opened {len(opened)} times, by the same model: it is the same score of the same model"
        of = f" for {models} models"
        which = "the second score is" if len(opened) == 2 else "every score after the first is"
        return f"opened {len(opened)} times{of}: {which} not independent of the first"
    if opened[0].times > 1:
        return f"opened once (begun {opened[0].times} times, by the same model, before there was a result)"
    return "opened once"


def _listed(others: list[OtherOpening]) -> str:
    return listed(dict.fromkeys(map(str, others)), MOST_NAMED)
