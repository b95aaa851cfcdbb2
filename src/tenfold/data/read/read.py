"""Reading: from a file, a folder, a bundled set, an array, a list or a frame to a typed table, or to images."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from tenfold.data.columns.asked import with_kinds
from tenfold.data.columns.cells import TextTable
from tenfold.data.columns.conform import conform
from tenfold.data.columns.schema import Schema
from tenfold.data.columns.table import Table
from tenfold.data.feed.tensors import GivenTensors, TensorShapes
from tenfold.data.read.delimited import read_delimited
from tenfold.data.read.frames import (
    bundled,
    bundled_digits,
    from_array,
    from_frame,
    from_list,
    from_npz,
    from_parquet,
    npz_for_module,
    npz_tensors,
)
from tenfold.data.read.image_files import read_files, read_folder
from tenfold.data.read.images import ImageContract, Images, as_pixels
from tenfold.data.read.memory import check_fits
from tenfold.data.read.options import DEFAULT, ReadOptions
from tenfold.data.read.tensor_rows import TensorRows
from tenfold.data.read.text import decompress
from tenfold.errors import BadInput
from tenfold.formatting import nearest

EXECUTES = {
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".p": "pickle",
    ".joblib": "joblib",
    ".dill": "dill",
    ".npy": "NumPy file",
    ".pt": "PyTorch file",
    ".pth": "PyTorch file",
    ".ckpt": "checkpoint",
    ".h5": "HDF5 file",
    ".hdf5": "HDF5 file",
    ".hdf": "HDF5 file",
    ".keras": "Keras file",
}
PARQUET = b"PAR1"
ZIP = b"PK\x03\x04"
DIGITS = "sklearn:digits"


def read_any(
    source: str | os.PathLike[str] | object,
    *,
    name: str | None = None,
    options: ReadOptions = DEFAULT,
    expected: Collection[str] = (),
    for_module: bool = False,
) -> Table | Images | TensorRows:
    """The table in a source (see `read_table`), or the images: of a folder with one subfolder a class, of an npz file
    whose x has more than two axes, or scikit-learn's digits. for_module: an npz file may hold other arrays too, which a
    user's own module takes (see `npz_for_module`)."""
    if isinstance(source, str) and source == DIGITS:
        return bundled_digits()
    if isinstance(source, (str, os.PathLike)) and os.path.isdir(source):
        try:
            return read_folder(os.fsdecode(source), name=name)
        except OSError as error:
            raise BadInput(f"cannot be read: {error.strerror}", where=os.fsdecode(source)) from error
    if isinstance(source, os.PathLike) or (isinstance(source, str) and not source.startswith("sklearn:")):
        if for_module and PurePath(os.fsdecode(source)).suffix.lower() == ".npz":
            raw = _npz_bytes(os.fsdecode(source))
            found = npz_for_module(raw, name=name or _stem(os.fsdecode(source)), source=os.fsdecode(source),
                                   words=options.words)  # fmt: skip
            return _typed(found, options) if isinstance(found, Table) else found
        table = _read_file(os.fspath(source), name, options=options, expected=expected)
        return table if isinstance(table, Images) else _typed(table, options)
    return read_table(source, name=name, options=options, expected=expected)


def read_tensors(path: str | os.PathLike[str], shapes: TensorShapes) -> GivenTensors:
    """The arrays of an npz file that a model takes which was trained on tensors of these shapes."""
    path = os.fsdecode(path)
    return npz_tensors(_npz_bytes(path), shapes, path)


def _npz_bytes(path: str) -> bytes:
    raw = _bytes(path)
    if not raw.startswith(ZIP):
        raise BadInput("not an npz file (no zip archive)", where=path, do="write it with numpy.savez(path, X=X, y=y)")
    return raw


def read_images(source: Any, contract: ImageContract) -> Images:
    """Images to predict, held to the contract of a model: a folder or a file of images, an npz file with x,
    scikit-learn's digits, or an array (images, height, width, channels)."""
    if isinstance(source, Images):
        images = source
    elif isinstance(source, str) and source == DIGITS:
        images = bundled_digits()
    elif isinstance(source, (str, os.PathLike)):
        images = _images_at(os.fsdecode(source), contract)
    else:
        images = Images(name="data", source="the array", pixels=as_pixels(np.asarray(source), source="the array"))
    contract.check(images.pixels, images.source)
    return images


def _images_at(path: str, contract: ImageContract) -> Images:
    if PurePath(path).suffix.lower() == ".npz":
        images = _read_file(path, None, labelled=False)
        if not isinstance(images, Images):
            raise BadInput("a table, but the model was trained on images", where=path, expected=f"x of {contract.size}")
        return images
    if not os.path.exists(path):
        raise BadInput("there is no such file or folder", where=path, do=_other(path))
    try:
        return read_files(path, contract)
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=path) from error


def read_table(
    source: str | os.PathLike[str] | object,
    *,
    name: str | None = None,
    options: ReadOptions = DEFAULT,
    expected: Collection[str] = (),
) -> Table:
    """The table in a source, every row checked.

    source: a path to CSV or TSV (any usual delimiter and encoding, also gzipped, whatever the name), Parquet or npz
    (arrays x and y); "sklearn:iris" and the like; a 2-D array, a list of rows, a table, or a frame of any library.
    name: the table's name (default: the file's name without its endings). options: what the user settles. expected:
    names of columns that a header must hold. BadInput, with file, line and column where there are any: whatever cannot
    be read without doubt, and formats that can execute code.
    """
    return _typed(_read_source(source, name, options, expected), options)


def cells_in(path: str | os.PathLike[str], options: ReadOptions = DEFAULT) -> TextTable:
    """The cells of a text file as they stand, before the kind of any column is decided. BadInput as `read_table`, and
    for a file that holds no text."""
    table = _read_file(os.fspath(path), None, options=options)
    if not isinstance(table, TextTable):
        raise BadInput("no text file", where=os.fsdecode(path), expected="a CSV or TSV file")
    return table


def _typed(table: Table | TextTable, options: ReadOptions) -> Table:
    """The table with the kinds that its cells decide, or the user."""
    if isinstance(table, TextTable):
        table = table.infer()
    elif options.missing is not None:
        # A later file, of whatever kind, is to be read with the same words.
        table = replace(table, reading=replace(table.reading, missing=options.missing))
    return with_kinds(table, dict(options.kind)) if options.kind else table


def read_as(
    source: str | os.PathLike[str] | object, schema: Schema, options: ReadOptions | None = None
) -> tuple[Table, list[str]]:
    """The columns of a source (see `read_table`) that the schema uses, in its order and kinds, and notes.

    A file is read as that of training was, but for what `options` say otherwise. Rows that cannot be read stay where
    these drop them, without a value, and are in `Table.bad`.
    """
    known, options = schema.reading, options or DEFAULT
    options = replace(
        options,
        no_header=options.no_header or (known.no_header and options.header_row is None),
        missing=known.missing if options.missing is None else options.missing,
        bad_rows=options.bad_rows if options.drops else known.bad_rows,
    )
    expected = [column.name for column in schema.used]
    table = _read_source(source, None, options, expected, keep_bad=True, labelled=False)
    if isinstance(table, TextTable) and table.reading.no_header and known.columns:
        table = _numbered(table, schema)
    found, notes = conform(table, schema)
    return found, notes if isinstance(source, Table) else list(found.notes)


def _numbered(table: TextTable, schema: Schema) -> TextTable:
    """A table without a header with the names of training: all columns, or all but the target."""
    # Without the target the columns after it would have moved by one.
    names = schema.reading.columns
    for found in (names, tuple(name for name in names if name != schema.target)):
        if len(table.names) == len(found):
            return table.named(found)
    raise BadInput(
        f"{len(table.names)} columns and no header",
        where=table.source,
        expected=f"the {len(names)} columns of training in their order, or these without '{schema.target}'",
        do="add a header, or the missing columns",
    )


def _read_source(
    source: str | os.PathLike[str] | object,
    name: str | None,
    options: ReadOptions,
    expected: Collection[str],
    *,
    keep_bad: bool = False,
    labelled: bool = True,
) -> Table | TextTable:
    if isinstance(source, Table):
        return source
    if isinstance(source, str) and source.startswith("sklearn:"):
        return bundled(source.removeprefix("sklearn:"))
    if isinstance(source, (str, os.PathLike)):
        table = _read_file(
            os.fspath(source), name, labelled=labelled, options=options, expected=expected, keep_bad=keep_bad
        )
        if isinstance(table, Images):
            height, width, channels = table.pixels.shape[1:]
            size = f"{height} x {width} x {channels}"
            raise BadInput(f"images of {size} pixels", where=table.source, expected="a table")
        return table
    if isinstance(source, (list, tuple)):
        return from_list(source, name=name or "data", source="list", words=options.words)
    if isinstance(source, np.ndarray):
        return from_array(source, name=name or "data", source="array", words=options.words)
    return from_frame(source, name=name or "data", words=options.words)


def _read_file(
    path: Any,
    name: str | None,
    *,
    labelled: bool = True,
    options: ReadOptions = DEFAULT,
    expected: Collection[str] = (),
    keep_bad: bool = False,
) -> Table | TextTable | Images:
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    raw = _bytes(path)
    name = name or _stem(path)
    endings = [ending.lower() for ending in PurePath(path).suffixes]
    if raw.startswith(PARQUET):
        return from_parquet(path, name=name, source=path, words=options.words)
    if ".parquet" in endings[-1:]:
        raise BadInput("not a Parquet file (no PAR1 at its start)", where=path, do="write it again, or rename it")
    if ".npz" in endings[-1:] and raw.startswith(ZIP):
        return from_npz(raw, name=name, source=path, labelled=labelled, words=options.words)
    if ".npz" in endings[-1:]:
        raise BadInput("not an npz file (no zip archive)", where=path, do="write it with numpy.savez(path, x=x, y=y)")
    plain, notes = decompress(raw, path)
    notes = [] if ".gz" in endings else notes
    return read_delimited(
        plain, name=name, source=path, notes=notes, tabs=".tsv" in endings or ".tab" in endings, options=options,
        expected=expected, keep_bad=keep_bad,
    )  # fmt: skip


def _bytes(path: str) -> bytes:
    """The bytes of a file that may be read; BadInput for one that is not there, no file, or of a refused format."""
    ending = PurePath(path.lower().removesuffix(".gz")).suffix
    if ending in EXECUTES:
        raise BadInput(
            f"{EXECUTES[ending]}s ({ending}) are not read: such a file can carry code that runs when it is loaded",
            where=path,
            expected="CSV, TSV, Parquet or npz with arrays x and y",
            do="save the table as CSV or Parquet with the program that made it",
        )
    if "://" in path:
        raise BadInput("an address, not a file", where=path, expected="a file on this machine", do="download it first")
    try:
        mode = os.stat(path)
        if stat.S_ISCHR(mode.st_mode) or stat.S_ISBLK(mode.st_mode) or stat.S_ISSOCK(mode.st_mode):
            raise BadInput("a device, not a file", where=path, expected="a CSV, TSV, Parquet or npz file")
        check_fits(mode.st_size, where=path, what="the file")
        return Path(path).read_bytes()
    except BadInput:  # a ValueError as well
        raise
    except FileNotFoundError as error:
        raise BadInput("there is no such file", where=path, do=_other(path)) from error
    except IsADirectoryError as error:
        raise BadInput("a folder, not a file", where=path, expected="a CSV, TSV, Parquet or npz file") from error
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=path) from error


def _other(path: str) -> str:
    """One thing to do about a path that is not there: the nearest name in its folder, if any is near."""
    folder = Path(path).parent
    try:
        near = nearest(PurePath(path).name, [entry.name for entry in folder.iterdir()])
    except OSError:
        return f"check the folder: '{folder}' cannot be listed"
    return f"'{folder / near}'" if near else "check the path; relative ones start in the current folder"


def _stem(path: str) -> str:
    stem = PurePath(path.replace("\\", "/")).name
    for ending in (".gz", ".csv", ".tsv", ".txt", ".tab", ".parquet", ".npz"):
        if stem.lower().endswith(ending) and len(stem) > len(ending):
            stem = stem[: -len(ending)]
    return stem
