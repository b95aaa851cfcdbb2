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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from filelock import FileLock, Timeout

from tenfold.errors import BadInput, TenfoldError
from tenfold.store import lockbox_ledger, lockbox_witness
from tenfold.store.blobs import (
    FOLDER,
    blob_path,
    pack_arrays,
    read_blob,
    remove_blob,
    remove_unreferenced,
    unpack_arrays,
    write_blob,
)
from tenfold.store.bundle import MODEL, stage_bundle
from tenfold.store.database import NAME, Database
from tenfold.store.files import (
    DIRECTORY_MODE,
    FILE_MODE,
    SET_ASIDE,
    TEMPORARY,
    clear_away,
    read_regular,
    remove_leftovers,
    replace_file,
    sha256,
    swap_directory,
    synchronize_directory,
    translated_errors,
)
from tenfold.store.lockbox_witness import WITNESS

JSON: TypeAlias = Any
LOCK = "run.lock"
_OWNER = "store.owner"


class InUse(BadInput):
    """Another process is writing the run. process: its number, or "unknown"."""

    def __init__(self, path: Path, process: str) -> None:
        self.process = process
        super().__init__(
            f"is in use by process {process}",
            where=str(path),
            expected="a run that no process is writing",
            do="wait until it ends, or stop it",
        )


class Run:
    """An open run directory; made by `Run.create`, `Run.open` (the one writer) or `Run.read` (any number of readers).

    All methods that write or read raise `RunFailed` (disk full, no permission, I/O error: one line, the state is
    intact) and `Corrupt` (damage, with file and hashes). Writes come from the thread that opened the run.
    """

    def __init__(self, path: Path, database: Database, lock: FileLock | None) -> None:
        self.path = path
        self._database, self._lock = database, lock
        self._maybe_unused: set[str] = set()  # blobs that the transaction wrote or that it replaced

    @staticmethod
    def create(path: str | os.PathLike[str]) -> Run:
        """Make the directory `path` (mode 0700; its parents too) and own it. Errors: `BadInput` when it exists."""
        path = Path(path)
        _make_directory(path)
        with translated_errors(path), ExitStack() as on_error:
            synchronize_directory(path.parent)
            lock = _locked(path)
            on_error.callback(lock.release)
            (path / FOLDER).mkdir(mode=DIRECTORY_MODE)
            run = Run(path, Database.create(path), lock)
            on_error.callback(run._database.close)
            run._record_owner()
            on_error.pop_all()
        return run

    @staticmethod
    def open(path: str | os.PathLike[str]) -> Run:
        """Own an existing run: take the lock, check the database, remove what a killed writer left.

        Errors: `BadInput` when it is not a run or another process owns it, `Corrupt` when the database is damaged.
        """
        path = Path(path)
        Database.read(path).close()  # first, because a directory that is not a run must not get a lock file
        with translated_errors(path), ExitStack() as on_error:
            lock = _locked(path)
            on_error.callback(lock.release)
            run = Run(path, Database.open(path), lock)
            on_error.callback(run._database.close)
            if lockbox_witness.put_back(run._database):
                run.event("openings of the lockbox put back from their witness")
            run._clean_up()
            run._record_owner()
            on_error.pop_all()
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
            # After the commit, never before: until then the rows on the disk name the older blobs. After a rollback it
            # is the new blobs that no row names. A commit that the disk refused may be there at the next opening all
            # the same, which then knows what no row names.
            if self._database.in_doubt:
                self._maybe_unused = set()
            elif self._database.depth == 0:
                self._delete_unused_blobs()

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

    def put_arrays(self, kind: str, key: str, arrays: Mapping[str, np.ndarray], meta: JSON = None) -> str:
        """Store a dict of arrays (any shapes; dtypes bool, integer, float) and a JSON value under (kind, key).

        Gives the SHA-256 of the blob. What was there before is deleted once the new row is committed.
        """
        data = pack_arrays(arrays)
        with self.transaction():
            # The blob first: a row that names a blob which a crash kept from the disk would be damage; a blob that no
            # row names is only rubbish, which the next `open` removes.
            with translated_errors(self.path):
                self._maybe_unused.add(sha256(data))
                sha = write_blob(self.path, data)
            self._mark_unused(kind, key)
            self._database.write("arrays", [(kind, key, sha, len(data), _text(meta))])
        return sha

    def get_arrays(self, kind: str, key: str) -> tuple[dict[str, np.ndarray], JSON]:
        """The arrays and the JSON value under (kind, key), hash verified. Errors: KeyError when there are none."""
        row = self._database.first("arrays", kind=kind, key=key)
        if row is None:
            raise KeyError((kind, key))
        with translated_errors(self.path):
            data = read_blob(self.path, row[2])
        return unpack_arrays(data, str(blob_path(self.path, row[2]))), json.loads(row[4])

    def keys(self, kind: str) -> list[str]:
        """The keys under which arrays of this kind are stored, sorted."""
        return [row[1] for row in self._database.rows("arrays", kind=kind)]

    def drop(self, kind: str, key: str) -> None:
        """Forget the arrays under (kind, key), if there are any."""
        with self.transaction():
            self._mark_unused(kind, key)
            self._database.delete("arrays", kind=kind, key=key)

    def event(self, kind: str, detail: JSON = None) -> int:
        """Append a line to the run's diary: what happened and when; gives its id, which grows by one."""
        with self._database.transaction():
            number = self._database.next_id("events")
            self._database.write("events", [(number, time.time(), kind, _text(detail))])
        return number

    def events(self) -> list[tuple[float, str, JSON]]:
        """The diary: when (seconds since 1970), what, and its detail; oldest first."""
        return [(row[1], row[2], json.loads(row[3])) for row in self._database.rows("events")]

    def open_intent(self, rows_sha: str, model_sha: str, *, allow_second: bool = False) -> int:
        """See `lockbox_ledger.open_intent`: to be called before the sealed labels are read."""
        return lockbox_ledger.open_intent(self._database, rows_sha, model_sha, allow_second)

    def open_result(self, number: int, value: JSON) -> None:
        """See `lockbox_ledger.open_result`."""
        lockbox_ledger.open_result(self._database, number, value)

    def finished_opening(self, rows_sha: str, model_sha: str) -> lockbox_ledger.Opening | None:
        """See `lockbox_ledger.finished_opening`: the opening whose result a resumed fit uses."""
        return lockbox_ledger.finished_opening(self._database, rows_sha, model_sha)

    def openings(self) -> list[lockbox_ledger.Opening]:
        """All openings of the lockbox, oldest first."""
        return lockbox_ledger.openings(self._database)

    def write_file(self, name: str, data: bytes | str) -> None:
        """Write a file of the run directory (text as UTF-8) in one step; `check` knows its hash from then on.

        Errors: ValueError for a name that is not a plain file name or that the store itself uses.
        """
        if (
            not name
            or name != Path(name).name
            or name.startswith((NAME, LOCK, "."))
            or name in {FOLDER, MODEL, WITNESS}
            or name.endswith(TEMPORARY)
        ):
            raise ValueError(f"{name!r} is no name for a file of a run")
        content = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
        with self._replacing(name, content), translated_errors(self.path):
            replace_file(self.path / name, content)

    def write_model(self, **parts: Any) -> str:
        """Write `model/` in one step and record its manifest for `check`; gives the hash of the manifest.

        `parts` are the keyword arguments of `bundle.write_bundle`.
        """
        with translated_errors(self.path):
            staged, manifest = stage_bundle(self.path / MODEL, **parts)
        try:
            with self._replacing(f"{MODEL}/manifest.json", manifest), translated_errors(self.path):
                swap_directory(staged, self.path / MODEL, self.path / (MODEL + SET_ASIDE))
        except BaseException:  # also where the database refuses to record it
            clear_away(staged)
            raise
        return sha256(manifest)

    @contextmanager
    def _replacing(self, name: str, content: bytes) -> Generator[None]:
        """Commit that `name` is about to change, let it change, commit that it has.

        A file and its row cannot change in one step. With the hashes before and after in the row, `check` knows after a
        crash that either is right, and `open` sees by the file how far the writer came.
        """
        if self._database.depth:
            raise RuntimeError("a file is never written inside a transaction: it could not be taken back")
        older = self._database.first("files", name=name)
        if older is not None and not older[3]:
            self._decide_by_file(*older)
            older = self._database.first("files", name=name)
        row = (name, sha256(content), len(content))
        self._database.write("files", [(*row, 0, older[1] if older else None)])
        yield
        self._database.write("files", [(*row, 1, None)])

    def _decide_by_file(self, name: str, sha: str, size: int, _settled: int, previous: str | None) -> None:
        """Correct the row of a file whose writer died between the two commits of `_replacing`. A file that is neither
        the older nor the newer one is left for `check` to report."""
        try:
            content = read_regular(self.path / name)
        except (FileNotFoundError, NotADirectoryError):
            content = None
        if content is not None and sha256(content) == sha:
            self._database.write("files", [(name, sha, size, 1, None)])
        elif previous is None:
            self._database.delete("files", name=name)
        elif content is not None and sha256(content) == previous:
            self._database.write("files", [(name, previous, len(content), 1, None)])

    def _mark_unused(self, kind: str, key: str) -> None:
        """The blob under (kind, key) may be named by no row any more; equal arrays under another key share it."""
        row = self._database.first("arrays", kind=kind, key=key)
        if row is not None:
            self._maybe_unused.add(row[2])

    def _delete_unused_blobs(self) -> None:
        """Delete the blobs of the last transaction that no committed row names."""
        candidates, self._maybe_unused = self._maybe_unused, set()
        with translated_errors(self.path):
            for sha in candidates:
                if self._database.first("arrays", sha=sha) is None:
                    remove_blob(self.path, sha)

    def _clean_up(self) -> None:
        """Remove what a killed writer left, and decide about files that it was replacing."""
        remove_leftovers(self.path)
        remove_unreferenced(self.path, (row[2] for row in self._database.rows("arrays")))
        for row in list(self._database.rows("files", settled=0)):
            self._decide_by_file(*row)

    def _record_owner(self) -> None:
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
        raise InUse(path, _owner(path)) from None
    return lock


def _owner(path: Path) -> str:
    with contextlib.suppress(TenfoldError, KeyError, TypeError), Run.read(path) as run:
        return str(run.get(_OWNER)["process"])
    return "unknown"
