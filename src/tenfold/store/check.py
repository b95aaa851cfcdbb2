"""Verify every hash of a run directory: the database, the blobs, the files for the user, the model bundle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tenfold.errors import BadInput, Corrupt, RunFailed, TenfoldError
from tenfold.store.blobs import FOLDER, blob_path, read_blob, unpack_arrays
from tenfold.store.bundle import MANIFEST, MODEL, read_bundle
from tenfold.store.database import LOG, NAME, Database, TableSchema
from tenfold.store.files import SET_ASIDE, read_regular, sha256
from tenfold.store.lockbox_witness import check_witness
from tenfold.store.log_damage import lost_commits


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong: the file, relative to the run; a sentence; the two hashes, where hashes differ."""

    file: str
    what: str
    expected: str = ""
    found: str = ""

    def __post_init__(self) -> None:
        if not self.file or not self.what:
            raise ValueError(f"a damage has a file and a sentence: {self}")


def check(path: str | os.PathLike[str]) -> list[Damage]:
    """All damages of the run directory `path`; an empty list when every hash is right. Writes nothing.

    A run that is being written may be checked. Errors: `BadInput` when `path` is not a run.
    """
    path = Path(path)
    try:
        database = Database.read(path)
    except Corrupt as error:
        return [_damage(path, error), *_model(path)]
    try:
        damages = list(_rows(path, database))
        if not damages:  # hashes in rows that are damaged themselves say nothing about the files
            damages = [*_blobs(path, database), *_files(path, database)]
    finally:
        database.close()
    return [*damages, *_model(path)]


def _damage(path: Path, error: TenfoldError) -> Damage:
    if isinstance(error, Corrupt):
        return Damage(os.path.relpath(error.file, path), error.what, error.expected, error.found)
    return Damage(NAME, str(error).replace("\n", " "))


def _rows(path: Path, database: Database) -> Iterator[Damage]:
    """SQLite's own check, then every row against its checksum, all of them against their sums, and the ledger of the
    lockbox against its witness."""
    try:
        lost = lost_commits(path / LOG)
        if lost:
            yield Damage(LOG, f"damaged: {lost} commits are lost; `tenfold resume` makes again what they held")
        for sentence in database.problems():
            yield Damage(NAME, sentence)
        database.check_tally()
        for name, table in database.tables.items():
            for row in database.rows(name):
                _check_json(table, row)
        check_witness(database)
    except (Corrupt, RunFailed) as error:
        yield _damage(path, error)
    except (TypeError, ValueError, RecursionError) as error:
        yield Damage(NAME, f"a row is malformed ({error})")


def _check_json(table: TableSchema, row: tuple[object, ...]) -> None:
    for (column, _), value in zip(table.columns, row, strict=True):
        if column in {"value", "meta", "detail", "result"} and isinstance(value, str):
            json.loads(value)


def _blobs(path: Path, database: Database) -> Iterator[Damage]:
    for row in list(database.rows("arrays")):
        try:
            unpack_arrays(read_blob(path, row[2]), str(blob_path(path, row[2])))
        except Corrupt as error:
            # A writer may have replaced the arrays and deleted their blob since the row was read.
            if database.first("arrays", kind=row[0], key=row[1]) == row:
                yield _damage(path, error)
        except OSError as error:
            yield Damage(f"{FOLDER}/{row[2]}", f"cannot be read ({error.strerror})")


def _files(path: Path, database: Database) -> Iterator[Damage]:
    """The hash of every recorded file. One that is being replaced may be the older or the newer one, or set aside.

    The run may be a stranger's: no name and no link in it leads to a file elsewhere.
    """
    for name, sha, _, settled, previous in list(database.rows("files")):
        if name != f"{MODEL}/{MANIFEST}" and (name != Path(name).name or name in ("", ".", "..")):
            yield Damage(NAME, f"a row names the file {name!r:.80}, which is none of a run")
            continue
        if (path / MODEL).is_symlink() and name.startswith(MODEL):
            continue  # `_model` says so
        try:
            actual = sha256(read_regular(path / name))
        except (FileNotFoundError, NotADirectoryError):
            actual = ""
        except Corrupt as error:
            yield _damage(path, error)
            continue
        except RunFailed as error:
            yield Damage(name, str(error))
            continue
        allowed = {sha}
        if not settled:
            allowed.add(previous or "")  # "": there is no file
            if (path / (Path(name).parts[0] + SET_ASIDE)).exists():
                allowed.add("")
        if actual not in allowed and database.first("files", name=name, sha=sha, settled=settled) is not None:
            yield Damage(name, "the content has changed" if actual else "the file is missing", sha, actual)


def _model(path: Path) -> Iterator[Damage]:
    model = path / MODEL
    if model.is_symlink():
        yield Damage(MODEL, "a link, where a folder belongs")
        return
    if not model.exists():
        return
    try:
        read_bundle(model)
    except Corrupt as error:
        yield _damage(path, error)
    except (BadInput, RunFailed) as error:
        yield Damage(f"model/{MANIFEST}", str(error).replace("\n", " "))
