"""The run directory: everything about one `fit`, written by one process, readable by all.

A fact exists when its row is committed; a blob is on the disk before the row that names it. A kill or a power cut
at any moment therefore leaves a directory that opens and holds everything that was acknowledged.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from filelock import FileLock, Timeout

from tenfold.errors import BadInput, TenfoldError
from tenfold.store import ledger
from tenfold.store.blobs import FOLDER, blob_path, collect, pack, read_blob, remove_blob, unpack_arrays, write_blob
from tenfold.store.bundle import install_bundle, stage_bundle
from tenfold.store.database import NAME, Database
from tenfold.store.files import DIRECTORY_MODE, FILE_MODE, sha256, sweep, synchronize_directory, told, write_whole

JSON: TypeAlias = Any
LOCK = "run.lock"
MODEL = "model"
_OWNER = "store.owner"


class Run:
    """An open run directory; made by `Run.create`, `Run.open` (the one writer) or `Run.read` (any number of readers).

    All methods that write or read raise `RunFailed` (disk full, no permission, I/O error: one line, the state is
    intact) and `Corrupt` (damage, with file and hashes). Writes come from the thread that opened the run.
    """

    def __init__(self, path: Path, database: Database, lock: FileLock | None) -> None:
        self.path = path
        self._database, self._lock = database, lock
        self._touched: set[str] = set()

    @staticmethod
    def create(path: str | os.PathLike[str]) -> Run:
        """Make the directory `path` (mode 0700; its parents too) and own it. Errors: `BadInput` when it exists."""
        path = Path(path)
        _make_directory(path)
        with told(path):
            synchronize_directory(path.parent)
            lock = _locked(path)
        with _released_on_error(lock):
            with told(path):
                (path / FOLDER).mkdir(mode=DIRECTORY_MODE)
            run = Run(path, Database.create(path), lock)
            with _closed_on_error(run._database):
                run._sign()
        return run

    @staticmethod
    def open(path: str | os.PathLike[str]) -> Run:
        """Own an existing run: take the lock, check the database, sweep what a killed writer left.

        Errors: `BadInput` when it is no run or another process owns it, `Corrupt` when the database is damaged.
        """
        path = Path(path)
        Database.read(path).close()
        with told(path):
            lock = _locked(path)
        with _released_on_error(lock):
            run = Run(path, Database.open(path), lock)
            with _closed_on_error(run._database):
                run._recover()
                run._sign()
        return run

    @staticmethod
    def read(path: str | os.PathLike[str]) -> Run:
        """Look into a run, also while another process writes it: no lock is taken and nothing is written."""
        return Run(Path(path), Database.read(Path(path)), None)

    def close(self) -> None:
        """Close the database and give the lock back; closing twice is allowed."""
        try:
            self._database.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All `put`, `put_arrays`, `drop` and `event` calls of the block are committed together, or none."""
        try:
            with self._database.transaction():
                yield
        finally:
            if self._database.depth == 0:
                self._tidy()

    # facts

    def put(self, name: str, value: JSON) -> None:
        """Commit one JSON value under `name`, replacing an older one. Errors: TypeError, ValueError (NaN) for a
        value that JSON does not have; tuples come back as lists.
        """
        self._database.write("facts", [(name, _text(value))])

    def get(self, name: str, default: JSON = None) -> JSON:
        """The value under `name`, or `default`."""
        row = self._database.first("facts", name=name)
        return default if row is None else json.loads(row[1])

    def has(self, name: str) -> bool:
        """Whether there is a value under `name`."""
        return self._database.first("facts", name=name) is not None

    # arrays

    def put_arrays(self, kind: str, key: str, arrays: Mapping[str, np.ndarray], meta: JSON = None) -> str:
        """Store a dict of arrays (any shapes; dtypes bool, integer, float) and a JSON value under (kind, key).

        Gives the SHA-256 of the blob. What was there before is deleted once the new row is committed.
        """
        data = pack(arrays)
        with self.transaction():
            with told(self.path):
                self._touched.add(sha256(data))
                sha = write_blob(self.path, data)
            self._supersede(kind, key)
            self._database.write("arrays", [(kind, key, sha, len(data), _text(meta))])
        return sha

    def get_arrays(self, kind: str, key: str) -> tuple[dict[str, np.ndarray], JSON]:
        """The arrays and the JSON value under (kind, key), hash verified. Errors: KeyError when there are none."""
        row = self._database.first("arrays", kind=kind, key=key)
        if row is None:
            raise KeyError((kind, key))
        with told(self.path):
            data = read_blob(self.path, row[2])
        return unpack_arrays(data, str(blob_path(self.path, row[2]))), json.loads(row[4])

    def keys(self, kind: str) -> list[str]:
        """The keys under which arrays of this kind are stored, sorted."""
        return [row[1] for row in self._database.rows("arrays", kind=kind)]

    def drop(self, kind: str, key: str) -> None:
        """Forget the arrays under (kind, key), if there are any."""
        with self.transaction():
            self._supersede(kind, key)
            self._database.delete("arrays", kind=kind, key=key)

    # diary

    def event(self, kind: str, detail: JSON = None) -> int:
        """Append a line to the run's diary: what happened and when; gives its id, which grows by one."""
        with self._database.transaction():
            number = self._database.next_id("events")
            self._database.write("events", [(number, time.time(), kind, _text(detail))])
        return number

    # lockbox

    def open_intent(self, rows_sha: str, model_sha: str, *, allow_second: bool = False) -> int:
        """See `ledger.open_intent`: to be called before the sealed labels are read."""
        return ledger.open_intent(self._database, rows_sha, model_sha, allow_second)

    def open_result(self, number: int, value: JSON) -> None:
        """See `ledger.open_result`."""
        ledger.open_result(self._database, number, value)

    def finished(self, rows_sha: str, model_sha: str) -> ledger.Opening | None:
        """See `ledger.finished`: the opening whose result a resumed fit uses."""
        return ledger.finished(self._database, rows_sha, model_sha)

    def openings(self) -> list[ledger.Opening]:
        """The ledger of the ledger, oldest first."""
        return ledger.openings(self._database)

    # files for the user

    def write_file(self, name: str, data: bytes | str) -> None:
        """Write a file of the run directory (text as UTF-8) in one step; `check` knows its hash from then on.

        Errors: ValueError for a name that is not a plain file name or that the store itself uses.
        """
        if (
            not name
            or name != Path(name).name
            or name.startswith((NAME, LOCK, "."))
            or name in {FOLDER, MODEL}
            or name.endswith(".tmp")
        ):
            raise ValueError(f"{name!r} is no name for a file of a run")
        content = data.encode("utf-8") if isinstance(data, str) else data
        with self._replacing(name, content), told(self.path):
            write_whole(self.path / name, content)

    def write_model(self, **parts: Any) -> str:
        """Write `model/` in one step and record its manifest for `check`; gives the hash of the manifest.

        `parts` are the keyword arguments of `bundle.write_bundle`.
        """
        with told(self.path):
            staged, manifest = stage_bundle(self.path / MODEL, **parts)
        with self._replacing(f"{MODEL}/manifest.json", manifest), told(self.path):
            install_bundle(staged, self.path / MODEL)
        return sha256(manifest)

    @contextmanager
    def _replacing(self, name: str, content: bytes) -> Generator[None]:
        """Commit that `name` is about to change, let it change, commit that it has: `check` and `open` can tell."""
        if self._database.depth:
            raise RuntimeError("a file is never written inside a transaction: it could not be taken back")
        older = self._database.first("files", name=name)
        if older is not None and not older[3]:
            self._settle(*older)
            older = self._database.first("files", name=name)
        row = (name, sha256(content), len(content))
        self._database.write("files", [(*row, 0, older[1] if older else None)])
        yield
        self._database.write("files", [(*row, 1, None)])

    # inside

    def _supersede(self, kind: str, key: str) -> None:
        row = self._database.first("arrays", kind=kind, key=key)
        if row is not None:
            self._touched.add(row[2])

    def _tidy(self) -> None:
        """Delete the blobs of the last transaction that no committed row names."""
        touched, self._touched = self._touched, set()
        with told(self.path):
            for sha in touched:
                if self._database.first("arrays", sha=sha) is None:
                    remove_blob(self.path, sha)

    def _recover(self) -> None:
        with told(self.path):
            sweep(self.path)
            collect(self.path, (row[2] for row in self._database.rows("arrays")))
            for row in list(self._database.rows("files", settled=0)):
                self._settle(*row)

    def _settle(self, name: str, sha: str, size: int, _settled: int, previous: str | None) -> None:
        """A writer died between announcing a file and recording it: decide by the file which of the two it is."""
        path = self.path / name
        content = path.read_bytes() if path.is_file() else None
        if content is not None and sha256(content) == sha:
            self._database.write("files", [(name, sha, size, 1, None)])
        elif previous is None:
            self._database.delete("files", name=name)
        elif content is not None and sha256(content) == previous:
            self._database.write("files", [(name, previous, len(content), 1, None)])

    def _sign(self) -> None:
        self.put(_OWNER, {"process": os.getpid(), "since": time.time()})


def _text(value: JSON) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _make_directory(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=DIRECTORY_MODE)
    except OSError as error:
        if not os.path.lexists(path):
            file = next((above for above in path.parents if above.exists() and not above.is_dir()), None)
            why = error.strerror if file is None else f"{file} is a file"
            raise BadInput(
                f"the directory cannot be made: {why}",
                where=str(path),
                expected="a place where a directory can be made",
                do="give another --out",
            ) from error
        raise BadInput(
            "exists already",
            where=str(path),
            expected="a new directory for the run",
            do=f"give another --out, or continue with `tenfold resume {shlex.quote(str(path))}`",
        ) from None


def _locked(path: Path) -> FileLock:
    lock = FileLock(path / LOCK, timeout=0, mode=FILE_MODE, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise BadInput(
            f"is in use by process {_owner(path)}",
            where=str(path),
            expected="a run that no process is writing",
            do="wait until it ends, or stop it",
        ) from None
    return lock


def _owner(path: Path) -> str:
    with contextlib.suppress(TenfoldError, KeyError, TypeError), Run.read(path) as run:
        return str(run.get(_OWNER)["process"])
    return "unknown"


@contextmanager
def _released_on_error(lock: FileLock) -> Generator[None]:
    try:
        yield
    except BaseException:
        lock.release()
        raise


@contextmanager
def _closed_on_error(database: Database) -> Generator[None]:
    try:
        yield
    except BaseException:
        database.close()
        raise
