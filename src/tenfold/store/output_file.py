"""A file of results that the user named: complete under its name, or not there; and never in the place of an input."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from tenfold.errors import BadInput, RunFailed, TenfoldError
from tenfold.store.blobs import FOLDER
from tenfold.store.bundle import MANIFEST
from tenfold.store.database import NAME, Database
from tenfold.store.files import TEMPORARY, clear_away

# What the user mends by another name or place; everything else is the disk's failure.
_ANOTHER_PLACE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
    errno.EINVAL, errno.EILSEQ,
}  # fmt: skip


def refuse_output(path: Path, *inputs: str | os.PathLike[str]) -> None:
    """Raise `BadInput` where writing `path` would destroy one of the inputs (by whatever name or link), or a file that
    a run or a model consists of."""
    for given in inputs:
        if _same(path, given):
            raise BadInput(
                "this is the file that is read; it would be overwritten",
                where=str(path),
                expected="another file for the output",
                do=f"-o {path.with_name(path.stem + '-predictions' + path.suffix)}",
            )
    folder = Path(os.path.realpath(path)).parent
    if _holds_a_model(folder) or _belongs_to_a_run(folder, path.name):
        raise BadInput(
            "this belongs to the run or the model that lies there",
            where=str(path),
            expected="a place outside it",
            do="another folder, or another name",
        )


def write_output(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file of a name that it is given, then put it in the place of `path` in one step.

    That name lies in a new folder of our own beside `path`: nobody can hold it already, and no file or link of the
    user's is touched. Errors: `BadInput` for a place that cannot be written to, `RunFailed` when the disk refuses.
    """
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=".tenfold-", suffix=TEMPORARY, dir=path.absolute().parent))
        partial = folder / ("output" + path.suffix)
        write(partial)
        _synchronize(partial)
        os.replace(partial, path)
        _synchronize(path.absolute().parent)
    except OSError as error:
        raise _refusal(path, error) from error
    finally:
        if folder is not None:
            clear_away(folder)


def _refusal(path: Path, error: OSError) -> TenfoldError:
    why = f"cannot be written: {error.strerror or str(error).splitlines()[0]}"
    if error.errno in _ANOTHER_PLACE:
        return BadInput(
            why,
            where=str(path),
            expected="a place where a file can be written",
            do="another file name, or another folder",
        )
    return RunFailed(f"{path}: {why}")


def _synchronize(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot, and have nothing to do
            raise
    finally:
        os.close(descriptor)


def _same(path: Path, given: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samefile(path, given)
    except (OSError, ValueError):  # one of them is not there
        return False


def _holds_a_model(folder: Path) -> bool:
    inside_blobs = folder.name == FOLDER and (folder.parent / NAME).is_file()
    return inside_blobs or ((folder / MANIFEST).is_file() and (folder / "model.safetensors").is_file())


def _belongs_to_a_run(folder: Path, name: str) -> bool:
    if not (folder / NAME).is_file():
        return False
    try:
        database = Database.read(folder)
    except TenfoldError:
        return True  # in doubt nothing of a damaged run is written over
    try:
        return database.first("files", name=name) is not None
    except TenfoldError:
        return True
    finally:
        database.close()
