"""The `model/` directory: a trained model as JSON, safetensors and Markdown under a manifest of hashes.

Nothing in it is code, and nothing is used before its hash, its size and its form are verified. The manifest protects
against damage, not against an attacker: whoever can write the directory can also write a new manifest. A run therefore
records the hash of its model's manifest.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.errors import BadInput, Corrupt, RunFailed
from tenfold.store.blobs import pack_arrays, unpack_arrays
from tenfold.store.files import (
    DIRECTORY_MODE,
    SHA256,
    clear_away,
    read_regular,
    sha256,
    swap_directory,
    synchronize_directory,
    temporary_beside,
    write_synchronized,
)

FORMAT = 1
MANIFEST = "manifest.json"
MODEL = "model"  # the bundle of a run
CONTENTS = (
    "card.md",
    "model.safetensors",
    "preprocess.json",
    "preprocess.safetensors",
    "schema.json",
    "spec.json",
)
MAXIMUM_MANIFEST = 2**20
MAXIMUM_TEXT = 256 * 2**20
_EXECUTABLE = (
    ".pkl",
    ".pickle",
    ".joblib",
    ".pt",
    ".pth",
    ".bin",
    ".ckpt",
    ".h5",
    ".hdf5",
    ".keras",
    ".npy",
    ".npz",
    ".py",
    ".dill",
)


@dataclass(frozen=True)
class Bundle:
    """What `write_bundle` was given, read back and verified; `sha` is the SHA-256 of the manifest."""

    spec: Any
    arrays: dict[str, np.ndarray]
    schema: Any
    preprocess: Any
    preprocess_arrays: dict[str, np.ndarray]
    card: str
    meta: Any
    versions: dict[str, str]
    sha: str

    def __post_init__(self) -> None:
        if not SHA256.fullmatch(self.sha):
            raise ValueError(f"not a SHA-256: {self.sha!r}")


def write_bundle(
    path: str | os.PathLike[str],
    *,
    spec: Any,
    arrays: Mapping[str, np.ndarray],
    schema: Any,
    preprocess: Any,
    preprocess_arrays: Mapping[str, np.ndarray],
    card: str,
    meta: Any = None,
) -> str:
    """Write the bundle directory `path`, replacing an older one in one step; gives the SHA-256 of its manifest.

    `spec`, `schema`, `preprocess` and `meta` are JSON values (no NaN); the arrays are of bool, integer or float
    dtype and any shape. Equal parts give equal bytes. Errors: `BadInput` when there is something else of that name,
    `RunFailed` when the disk refuses, ValueError or TypeError for a value that cannot be stored.
    """
    path = Path(os.path.realpath(path))  # of a link, the folder that it stands for
    _refuse_foreign(path)
    with _named_errors(path):
        staged, manifest = stage_bundle(
            path,
            spec=spec,
            arrays=arrays,
            schema=schema,
            preprocess=preprocess,
            preprocess_arrays=preprocess_arrays,
            card=card,
            meta=meta,
        )
        swap_directory(staged, path, temporary_beside(path))
    return sha256(manifest)


def stage_bundle(path: Path, *, card: str, meta: Any = None, **parts: Any) -> tuple[Path, bytes]:
    """Write the bundle next to `path`, for `swap_directory`; gives the folder and the bytes of the manifest.

    Errors: OSError."""
    contents, manifest = _contents(card=card, meta=meta, **parts)
    staged = temporary_beside(path)
    try:
        staged.mkdir(mode=DIRECTORY_MODE, parents=True)
        for name, data in contents.items():
            write_synchronized(staged / name, data)
        write_synchronized(staged / MANIFEST, manifest)
        synchronize_directory(staged)
    except BaseException:
        clear_away(staged)
        raise
    return staged, manifest


def bundle_sha(**parts: Any) -> str:
    """What `write_bundle` would give, without writing anything."""
    return sha256(_contents(**parts)[1])


def _contents(*, card: str, meta: Any = None, **parts: Any) -> tuple[dict[str, bytes], bytes]:
    """The bytes of the files, and of the manifest."""
    contents = {
        "card.md": card.encode("utf-8", "backslashreplace"),
        "model.safetensors": pack_arrays(parts["arrays"]),
        "preprocess.json": _json(parts["preprocess"]),
        "preprocess.safetensors": pack_arrays(parts["preprocess_arrays"]),
        "schema.json": _json(parts["schema"]),
        "spec.json": _json(parts["spec"]),
    }
    files = {name: {"sha256": sha256(data), "size": len(data)} for name, data in contents.items()}
    manifest = _json({"format": FORMAT, "files": files, "versions": _versions(), "meta": meta})
    return contents, manifest


@contextmanager
def _named_errors(path: Path) -> Generator[None]:
    """An error of the operating system as one line about the directory."""
    try:
        yield
    except OSError as error:
        raise RunFailed(f"{path}: the model cannot be written ({error.strerror or error})") from error


def _refuse_foreign(path: Path) -> None:
    """Raise `BadInput` where writing a bundle would delete something that is none."""
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise BadInput("is a file", where=str(path), expected="a new directory, or that of a model", do="another name")
    others = sorted(set(os.listdir(path)) - {MANIFEST, *CONTENTS})
    if others:
        raise BadInput(
            f"holds other things than a model, such as {others[0]!r}",
            where=str(path),
            expected="a new directory, or that of a model, which is replaced",
            do="another name",
        )


def read_bundle(path: str | os.PathLike[str], *, expected: str | None = None) -> Bundle:
    """Read and verify a bundle directory; nothing in it is executed, nothing unverified is parsed.

    expected: the hash of the manifest, as the run that trained the model has recorded it.

    Errors: `BadInput` when there is no bundle of this format (no directory, no manifest, another format number, a
    file that may hold code), `Corrupt` when a file is missing, extra, a link, of another size or hash, or malformed.
    """
    path = Path(path)
    _check_names(path)
    raw = _read(path / MANIFEST, MAXIMUM_MANIFEST)
    if expected is not None and sha256(raw) != expected:
        what = "this is not the model that the run trained"
        raise Corrupt(what, file=str(path / MANIFEST), expected=expected, found=sha256(raw))
    manifest = _parse(raw, path / MANIFEST)
    _check_manifest(manifest, path / MANIFEST)
    data = {name: _read_listed(path / name, manifest["files"][name]) for name in CONTENTS}
    try:
        card = data["card.md"].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Corrupt(f"not UTF-8 text ({error})", file=str(path / "card.md")) from error
    return Bundle(
        spec=_parse(data["spec.json"], path / "spec.json"),
        arrays=unpack_arrays(data["model.safetensors"], str(path / "model.safetensors")),
        schema=_parse(data["schema.json"], path / "schema.json"),
        preprocess=_parse(data["preprocess.json"], path / "preprocess.json"),
        preprocess_arrays=unpack_arrays(data["preprocess.safetensors"], str(path / "preprocess.safetensors")),
        card=card,
        meta=manifest["meta"],
        versions=manifest["versions"],
        sha=sha256(raw),
    )


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("numpy", "safetensors", "tenfold"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed as a package"
    return versions


def _json(value: Any) -> bytes:
    return (json.dumps(value, allow_nan=False, indent=1, sort_keys=True) + "\n").encode("ascii")


def _check_names(path: Path) -> None:
    """The directory holds exactly the files of a bundle, and every one is a regular file."""
    if not path.is_dir():
        raise BadInput(
            "is no directory" if path.exists() else "does not exist",
            where=str(path),
            expected="the model directory of a run",
            do="give the directory of a run, or its model/",
        )
    names = set(os.listdir(path))
    for name in sorted(names):
        if Path(name).suffix.lower() in _EXECUTABLE:
            raise BadInput(
                "a file of this kind can execute code when it is loaded, so it is refused",
                where=str(path / name),
                expected=", ".join((MANIFEST, *CONTENTS)),
                do="remove the file, after asking who put it there",
            )
    if MANIFEST not in names:
        raise BadInput("there is no manifest.json here", where=str(path), expected="the model directory of a run")
    for name in sorted(names - {MANIFEST, *CONTENTS}):
        raise Corrupt("this file does not belong to a bundle", file=str(path / name))
    for name in sorted({*CONTENTS} - names):
        raise Corrupt("the file is missing", file=str(path / name))


def _read(path: Path, maximum: int) -> bytes:
    try:
        return read_regular(path, maximum)
    except FileNotFoundError as error:  # it was there when the names were checked
        raise Corrupt("the file is missing", file=str(path)) from error


def _read_listed(path: Path, entry: dict[str, Any]) -> bytes:
    data = _read(path, entry["size"])
    actual = sha256(data)
    if len(data) != entry["size"] or actual != entry["sha256"]:
        raise Corrupt("the content has changed", file=str(path), expected=entry["sha256"], found=actual)
    return data


def _parse(data: bytes, path: Path) -> Any:
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"not the JSON that Tenfold writes ({error!s:.80})", file=str(path)) from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name occurs twice")
    return value


def _check_manifest(manifest: Any, path: Path) -> None:
    if not isinstance(manifest, dict) or type(manifest.get("format")) is not int:
        raise Corrupt("the manifest has no format number", file=str(path))
    if manifest["format"] != FORMAT:
        raise BadInput(
            f"the bundle has format {manifest['format']}",
            where=str(path),
            expected=f"format {FORMAT}",
            do="use the version of Tenfold that wrote it",
        )
    files, versions = manifest.get("files"), manifest.get("versions")
    if set(manifest) != {"format", "files", "versions", "meta"} or not isinstance(versions, dict):
        raise Corrupt("the manifest has other fields than a manifest has", file=str(path))
    if not isinstance(files, dict) or set(files) != set(CONTENTS):
        raise Corrupt("the manifest lists other files than a bundle has", file=str(path))
    for name, entry in files.items():
        if not _is_entry(entry) or (not name.endswith(".safetensors") and entry["size"] > MAXIMUM_TEXT):
            raise Corrupt(f"the manifest's entry for {name} is malformed", file=str(path))


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and set(entry) == {"sha256", "size"}
        and isinstance(entry["sha256"], str)
        and SHA256.fullmatch(entry["sha256"]) is not None
        and type(entry["size"]) is int
        and entry["size"] >= 0
    )
