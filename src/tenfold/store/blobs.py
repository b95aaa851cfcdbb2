"""Dicts of numpy arrays as bytes, and as files that are named by the SHA-256 of their content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, numpy as safetensors

from tenfold.errors import Corrupt
from tenfold.store.database import BLOBS
from tenfold.store.files import SHA256, read_regular, remove_leftovers, replace_file, sha256

FOLDER = BLOBS
SUFFIX = ".safetensors"
MAXIMUM_HEADER = 64 * 2**20
DTYPES = frozenset(
    ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
)


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """`arrays` in the safetensors format; equal arrays give equal bytes.

    Errors: TypeError for a dtype outside `DTYPES` (objects, text, complex numbers...), ValueError for the one
    name that the format reserves.
    """
    plain: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if name == "__metadata__":
            raise ValueError("an array cannot have the name '__metadata__'")
        if array.dtype.name not in DTYPES:
            raise TypeError(f"the array {name!r} has dtype {array.dtype}, which is not stored")
        plain[name] = np.asarray(array, order="C")
    return safetensors.save(plain)


def unpack_arrays(data: bytes, file: str) -> dict[str, np.ndarray]:
    """The arrays in `data`, writable, in the order of their names; nothing in `data` is executed.

    Errors: `Corrupt` with the name `file` when the header is longer than 64 MiB or than the file, when the
    format is broken, or when a dtype is outside `DTYPES`.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAXIMUM_HEADER, len(data) - 8):
        raise Corrupt(f"the header claims {length} bytes of a file of {len(data)}", file=file)
    try:
        arrays = safetensors.load(data)
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Corrupt(f"not a safetensors file of numbers ({error})", file=file) from error
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise Corrupt(f"the array {name!r} has dtype {array.dtype}, which is not allowed", file=file)
    return {name: arrays[name] if arrays[name].flags.writeable else arrays[name].copy() for name in sorted(arrays)}


def blob_path(run: Path, sha: str) -> Path:
    """The file of the blob with this hash. Errors: `Corrupt` when `sha` is not a SHA-256: a row of a forged database
    must not lead to a file elsewhere."""
    if not SHA256.fullmatch(sha):
        raise Corrupt(f"a row names the blob {sha!r:.80}", file=str(run / "run.db"))
    return run / FOLDER / (sha + SUFFIX)


def write_blob(run: Path, data: bytes) -> str:
    """Write a blob, durable when this returns; gives its SHA-256. Errors: OSError."""
    sha = sha256(data)
    replace_file(blob_path(run, sha), data)
    return sha


def read_blob(run: Path, sha: str) -> bytes:
    """The bytes of a blob. Errors: `Corrupt` when it is missing or its hash differs."""
    path = blob_path(run, sha)
    if path.parent.is_symlink():
        raise Corrupt("a link, where a folder belongs", file=str(path.parent))
    try:
        data = read_regular(path)
    except FileNotFoundError as error:
        raise Corrupt("the file is missing", file=str(path), expected=sha) from error
    found = sha256(data)
    if found != sha:
        raise Corrupt("the content has changed", file=str(path), expected=sha, found=found)
    return data


def remove_blob(run: Path, sha: str) -> None:
    """Delete a blob, if it is there."""
    blob_path(run, sha).unlink(missing_ok=True)


def remove_unreferenced(run: Path, referenced: Iterable[str]) -> None:
    """Delete the temporary files of killed writers and every blob that is not `referenced`.

    Errors: `Corrupt` when the folder is a link, so that nothing outside the run is deleted.
    """
    if (run / FOLDER).is_symlink():
        raise Corrupt("a link, where a folder belongs", file=str(run / FOLDER))
    names = set(referenced)
    remove_leftovers(run / FOLDER)
    for path in (run / FOLDER).glob("*" + SUFFIX):
        if path.name.removesuffix(SUFFIX) not in names:
            path.unlink()
