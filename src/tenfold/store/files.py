"""Files that are replaced in one step: after a crash at any moment a file is the old one or the new one, complete.

A file is written under a temporary name, synchronized, renamed over its final name, and its folder is
synchronized. The temporary name cannot be guessed and is made exclusively: a file or a link that is there already is
never written to. What a crash leaves behind in a run is recognized by its name and removed when the run is next opened.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tenfold.errors import Corrupt, RunFailed

TEMPORARY = ".tmp"
SET_ASIDE = ".old.tmp"
# Names of temporary files and folders in a run: ours, and those that earlier versions gave them. A user's own file
# that ends in .tmp is none of them.
_LEFTOVER = re.compile(
    r"\.tenfold-[0-9a-f]{16}\.tmp|model(\.old)?\.tmp|[0-9a-f]{64}\.safetensors\.tmp"
    r"|(summary\.json|leaderboard\.csv|trials\.csv|metrics\.csv|recipe\.yaml|report\.html)\.tmp"
)
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600

_ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on file sizes",
    errno.EROFS: "make the file system writable",
    errno.EACCES: "make the directory writable",
    errno.EPERM: "make the directory writable",
}
SHA256 = re.compile(r"[0-9a-f]{64}")
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


@contextmanager
def translated_errors(run: Path) -> Generator[None]:
    """Turn errors of the operating system and of SQLite, about the run directory `run`, into one line for the user.

    Errors: `Corrupt` when SQLite finds its file damaged, `RunFailed` for every other OSError or database
    error. Mistakes of the calling code (a closed run, a value of the wrong type) pass unchanged.
    """
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise
    except sqlite3.DatabaseError as error:
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGE:
            raise Corrupt(f"the database is damaged ({error})", file=str(run / "run.db")) from error
        raise RunFailed(_sentence(run, str(error), "free some space, or check the disk")) from error
    except UnicodeDecodeError as error:
        raise Corrupt("the database is damaged (its messages are not text)", file=str(run / "run.db")) from error
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "check the disk")
        raise RunFailed(_sentence(run, error.strerror or str(error), advice)) from error


def _sentence(run: Path, what: str, advice: str) -> str:
    command = f"tenfold resume {shlex.quote(str(run))}"
    return f"{run}: {what}; everything saved before is intact: {advice}, then go on with `{command}`"


def temporary_beside(path: Path) -> Path:
    """A path in the folder of `path` that nobody has taken and nobody can guess, short whatever the name is."""
    return path.with_name(f".tenfold-{secrets.token_hex(8)}{TEMPORARY}")


def replace_file(path: Path, data: bytes) -> None:
    """Replace the file `path` by `data` in one step, durable when this returns (mode 0600).

    Errors: OSError; the old file is then untouched and no temporary file is left.
    """
    temporary = temporary_beside(path)
    try:
        # The content must be on the disk before the rename: else a power cut can leave an empty file under this name.
        write_synchronized(temporary, data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error of the disk is the one to tell
            temporary.unlink(missing_ok=True)
        raise
    # The new name is in the folder's own blocks; without this a power cut can bring the old file back.
    synchronize_directory(path.parent)


def write_synchronized(path: Path, data: bytes) -> None:
    """Write `data` to the new file `path` (mode 0600) and wait until the disk has it. Errors: OSError, also when there
    is anything of that name."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:  # a write may take only a part, as on a disk that is nearly full
            view = view[file.write(view) :]
        os.fsync(descriptor)


def read_regular(path: Path, maximum: int | None = None) -> bytes:
    """The bytes of a regular file of at most `maximum` bytes. Errors: `Corrupt` for anything else, such as a link;
    FileNotFoundError; `RunFailed` when it cannot be read."""
    try:
        # O_NOFOLLOW: no link to a file elsewhere. O_NONBLOCK: a named pipe, which nobody writes, does not block here.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink():
            raise Corrupt("a link, where a file belongs", file=str(path)) from error
        raise RunFailed(f"{path}: cannot be read ({error.strerror})") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Corrupt("not a regular file", file=str(path))
        if maximum is not None and status.st_size > maximum:
            raise Corrupt(f"{status.st_size} bytes, where at most {maximum} are expected", file=str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read() if maximum is None else file.read(maximum + 1)
    except OSError as error:
        raise RunFailed(f"{path}: cannot be read ({error.strerror})") from error
    finally:
        with contextlib.suppress(OSError):  # of a file that is only read nothing can be lost
            os.close(descriptor)


def synchronize_directory(path: Path) -> None:
    """Wait until the names in the folder `path` are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_away(folder: Path) -> None:
    """Remove a folder of ours as far as the system lets us; a call that is refused once is made again."""
    for _ in range(2):
        # what the closing of the folder itself raises is not ignored by `ignore_errors`
        with contextlib.suppress(OSError):
            shutil.rmtree(folder, ignore_errors=True)


def swap_directory(new: Path, path: Path, aside: Path) -> None:
    """Put the folder `new` in the place of the folder `path`, which may or may not exist.

    No system call swaps two folders everywhere, so there is a moment with neither. A crash in it leaves the old folder
    under the name `aside`; of a run, `remove_leftovers` puts it back.
    """
    try:
        if path.exists():
            clear_away(aside)
            os.rename(path, aside)
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            if aside.exists() and not path.exists():
                os.rename(aside, path)
            clear_away(new)
        raise
    try:
        synchronize_directory(path.parent)
    finally:
        clear_away(aside)


def remove_leftovers(path: Path) -> None:
    """Remove what a killed writer left in the folder `path` of a run.

    A folder that was set aside for a swap that did not happen is put back instead.
    """
    for entry in sorted(path.glob("*" + TEMPORARY)):
        if not _LEFTOVER.fullmatch(entry.name):
            continue
        original = entry.with_name(entry.name.removesuffix(SET_ASIDE))
        if entry.name.endswith(SET_ASIDE) and not original.exists():
            os.rename(entry, original)
        elif entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
