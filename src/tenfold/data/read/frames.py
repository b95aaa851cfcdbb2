"""Tables from things that have types already: arrays, lists, frames of any library, Parquet, npz, bundled sets.

Two of the sources can hold images instead: an npz file, and scikit-learn's digits.
"""

from __future__ import annotations

import glob
import io
import math
import os
import zipfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from tenfold.data.columns.cells import Cells, infer
from tenfold.data.columns.characters import composed
from tenfold.data.columns.dates import DateWriting, typed_dates
from tenfold.data.columns.durations import LONG
from tenfold.data.columns.kinds import KINDS
from tenfold.data.columns.missing import USUAL_MISSING, MissingWords
from tenfold.data.columns.numbers import EXACT, LARGEST
from tenfold.data.columns.objects import as_float, is_absent, is_integer, sort_of
from tenfold.data.columns.table import Column, Table
from tenfold.data.feed.tensors import SINGLE, GivenTensors, TensorShapes, as_given, given_arrays
from tenfold.data.read.images import Images, as_pixels
from tenfold.data.read.memory import MOST_TIMES_COLUMNS, check_fits
from tenfold.data.read.tensor_rows import TensorRows
from tenfold.data.read.unquoted import QUIET
from tenfold.errors import BadInput
from tenfold.formatting import nearest

Array = np.ndarray
TEXT_CELL = 64  # bytes of a cell of text without its letters
EXACT_DIGITS = 15  # that float64 holds of any decimal number
BUNDLED = ("iris", "wine", "breast_cancer", "digits", "diabetes")
OBJECTS = ("Int128", "UInt128", "Decimal")  # types of a frame that numpy has no numbers for
TARGET = "target"  # the name of the target column of sources that have one built in


def bundled(name: str) -> Table:
    """A data set that ships with scikit-learn; its target is the column "target", class names as text."""
    if name not in BUNDLED:
        near = nearest(name, BUNDLED)
        raise BadInput(
            f"there is no bundled set '{name}'",
            expected=", ".join(f"sklearn:{known}" for known in BUNDLED),
            do=f"sklearn:{near}" if near else "",
        )
    from sklearn import datasets

    dataset = getattr(datasets, f"load_{name}")()
    names = [str(title) for title in dataset.feature_names]
    columns = [Column(title, "number", dataset.data[:, j].astype(np.float64)) for j, title in enumerate(names)]
    return Table(name, f"sklearn:{name}", (*columns, _bundled_target(dataset)), target=TARGET)


def bundled_digits() -> Images:
    """scikit-learn's digits as 1,797 images of 8 x 8 x 1 pixels, 0 to 16."""
    from sklearn import datasets

    dataset: Any = datasets.load_digits()
    pixels = as_pixels(dataset.images, source="sklearn:digits")
    return Images(name="digits", source="sklearn:digits", pixels=pixels, target=_bundled_target(dataset))


def _bundled_target(dataset: Any) -> Column:
    """The target by the names of its classes; numbers where they have none but their numbers."""
    names = np.asarray(dataset.get("target_names", ()))
    if names.dtype.kind == "U":
        return Column(TARGET, "text", names.astype(object)[dataset.target])
    return Column(TARGET, "number", dataset.target.astype(np.float64))


def from_npz(
    raw: bytes, *, name: str, source: str, labelled: bool = True, words: MissingWords = USUAL_MISSING
) -> Table | Images:
    """The arrays x and y (rows,) of an npz file: x (rows, columns) is a table with columns x0, x1, ... and "target",
    x (rows, height, width) or (rows, height, width, channels) images.

    x_train and y_train are used where x and y are absent, X for x, and an array `classes` names the classes that
    integers in y count. labelled: whether a y is needed.
    """
    arrays, notes = _npz_arrays(raw, source, ("x", "y") if labelled else ("x",))
    x, y = arrays["x"], arrays.get("y")
    if y is None and x.ndim == 2:
        return from_array(x, name=name, source=source, words=words)
    if y is None:
        return Images(name=name, source=source, pixels=as_pixels(x, source=source), notes=notes)
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if x.ndim not in (2, 3, 4) or y.ndim != 1 or len(x) != len(y) or not len(x):
        raise BadInput(
            f"x has the shape {x.shape} and y {y.shape}",
            where=source,
            expected="x (rows, columns), or images (rows, height, width, channels), and y (rows,) with as many rows",
            do="x.reshape(len(x), -1) if the rows of x are not images",
        )
    target, target_notes = _npz_target(y, arrays.get("classes"), source, words)
    if x.ndim > 2:
        pixels = as_pixels(x, source=source)
        return Images(name=name, source=source, pixels=pixels, target=target, notes=(*notes, *target_notes))
    table = from_array(x, name=name, source=source, words=words)
    return Table(name, source, (*table.columns, target), (*table.notes, *notes, *target_notes), target=TARGET)


def npz_for_module(
    raw: bytes, *, name: str, source: str, words: MissingWords = USUAL_MISSING
) -> Table | Images | TensorRows:
    """An npz file for a user's own module: y, and what the module is called with.

    Only an array x: a table or images, as `from_npz` reads it, and so floats X (rows, columns). An array X of anything
    else is handed to the module as it is; several arrays, or one of another name, by their names.
    """
    with _npz(raw, source) as (archive, members):
        given = [member for member in members if member not in ("y", "classes")]
        if "y" not in members and not {"x_train", "y_train"} <= set(members):
            raise BadInput(f"no array 'y' (arrays: {', '.join(members) or 'none'})", where=source,
                           expected="y, and X or several arrays that the module is called with by name")  # fmt: skip
        if not given:
            raise BadInput("no array beside y", where=source, expected="X, or several arrays by name")
        names = [] if "y" not in members or given == ["x"] else [*given, *({"y", "classes"} & set(members))]
        arrays = {member: _npz_array(archive, members[member], member, source) for member in names}
    if not arrays or (given == ["X"] and arrays["X"].ndim == 2 and arrays["X"].dtype.kind == "f"):
        return from_npz(raw, name=name, source=source, words=words)
    y = arrays["y"]
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1:
        do = "tenfold.cross_validate in Python, which takes several numbers a row, and your own loss and metric"
        raise BadInput(f"y has the shape {y.shape}", where=source, expected="y (rows,), one value a row", do=do)
    tensors = _tensors({SINGLE if given == ["X"] else member: arrays[member] for member in given}, source)
    if tensors.rows != len(y) or not len(y):
        raise BadInput(f"{', '.join(given)} have {tensors.rows} rows and y {len(y)}", where=source,
                       expected="as many rows in each, at least one")  # fmt: skip
    target, notes = _npz_target(y, arrays.get("classes"), source, words)
    return TensorRows(name=name, source=source, tensors=tensors, target=target, notes=tuple(notes))


def npz_tensors(raw: bytes, shapes: TensorShapes, source: str) -> GivenTensors:
    """The arrays of an npz file that a model takes which was trained on tensors of these shapes."""
    with _npz(raw, source) as (archive, members):
        wanted = {tensor.name: "X" if tensor.name == SINGLE else tensor.name for tensor in shapes.tensors}
        missing = next((member for member in wanted.values() if member not in members), None)
        if missing is not None:
            raise BadInput(f"no array '{missing}' (arrays: {', '.join(members) or 'none'})", where=source,
                           expected=f"{', '.join(wanted.values())}, as in training")  # fmt: skip
        arrays = {own: _npz_array(archive, members[member], member, source) for own, member in wanted.items()}
    return as_given(arrays[SINGLE] if shapes.kind == "tensor" else arrays, shapes)


def _tensors(arrays: dict[str, Array], source: str) -> GivenTensors:
    try:
        return given_arrays(arrays)
    except BadInput as error:
        inside = f"{source}, {error.where}" if error.where else source
        raise BadInput(error.found, where=inside, expected=error.expected, do=error.do) from error


@contextmanager
def _npz(raw: bytes, source: str) -> Generator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """The archive, and its arrays by name. Raises `BadInput` for whatever goes wrong with it inside."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise BadInput("two arrays of the npz file have one name", where=source, do="write it again")
            yield archive, members
    except BadInput:
        raise
    except Exception as error:  # damaged and hostile archives raise nearly everything
        code = "Object arrays" in str(error)
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        reason = "it holds Python objects, which could execute code" if code else f"damaged ({reason})"
        raise BadInput(
            f"the npz file cannot be read: {reason}", where=source, expected="numeric arrays x, y"
        ) from error


def _npz_arrays(raw: bytes, source: str, wanted: tuple[str, ...]) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Those of the arrays x, y and classes that exist, and notes; BadInput where one of `wanted` does not."""
    with _npz(raw, source) as (archive, members):
        names = {key: key for key in ("x", "y", "classes") if key in members}
        if "x" not in names and "X" in members:
            names["x"] = "X"
        if "x" not in names and "x_train" in members:
            names |= {key: f"{key}_train" for key in ("x", "y") if f"{key}_train" in members}
        missing = [key for key in wanted if key not in names]
        if missing:
            listed = ", ".join(members) or "none"
            do = "--module FILE:FUNCTION, for a network of your own that takes other arrays" if "y" in members else ""
            raise BadInput(f"no array '{missing[0]}' (arrays: {listed})", where=source, expected="arrays x and y",
                           do=do)  # fmt: skip
        arrays = {key: _npz_array(archive, members[stored], stored, source) for key, stored in names.items()}
        others = [stored for stored in members if stored not in names.values()]
    notes = [f"arrays {names['x']} and {names['y']} are used as x and y"] if names.get("y") == "y_train" else []
    notes += [f"not used: {', '.join(others)}"] if others else []
    return arrays, tuple(notes)


def _npz_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, source: str) -> Array:
    """One array, whose shape is looked at before anything is unpacked."""
    formats = np.lib.format
    with archive.open(member) as file:
        version = formats.read_magic(file)
        header = formats.read_array_header_1_0 if version == (1, 0) else formats.read_array_header_2_0
        shape, _, dtype = header(file)
    if any(isinstance(size, bool) or size < 0 for size in shape):
        raise BadInput(f"the array '{name}' has the shape {shape}", where=source, expected="a shape of whole numbers")
    size = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject:
        if size > member.file_size:
            found = f"the array '{name}' of shape {shape} holds {member.file_size:,} of its {size:,} bytes"
            raise BadInput(found, where=source, expected="a whole array", do="write it again")
        # Pixels in bytes stay so; all other numbers become float64 beside the array itself.
        needed = size if dtype == np.uint8 and len(shape) > 2 else size + 8 * math.prod(shape)
        check_fits(needed, where=source, what=f"the array '{name}' of shape {shape}", packed=member.compress_size)
    with archive.open(member) as file:
        return formats.read_array(file, allow_pickle=False)


def _npz_target(y: Array, classes: Array | None, source: str, words: MissingWords) -> tuple[Column, list[str]]:
    """The target; integers that count classes by the names of these."""
    if classes is None or classes.ndim != 1 or classes.dtype.kind != "U" or y.dtype.kind not in "iu":
        return _typed(TARGET, y, words)
    if y.min() < 0 or y.max() >= len(classes):
        raise BadInput(
            f"y holds {y.min()} to {y.max()} and there are {len(classes)} classes",
            where=source,
            expected="y counts the names in `classes` from 0",
        )
    return Column(TARGET, "text", _objects(classes.tolist())[y]), []


def from_parquet(path: str, *, name: str, source: str, words: MissingWords = USUAL_MISSING) -> Table:
    """A Parquet file, read by DuckDB, which may neither fetch extensions nor open anything else."""
    import duckdb

    # A file must not make DuckDB load code or open another file.
    settings: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    try:
        with duckdb.connect(config=settings) as connection:
            connection.execute(QUIET)
            titles, notes = _parquet_names(connection, path, source)
            table = "read_parquet(?, hive_partitioning = false)"
            described = connection.execute(f"DESCRIBE SELECT * FROM {table}", [glob.escape(path)]).fetchall()
            # DuckDB gives columns other names where it cannot tell them apart; their order is that of the file.
            types = [str(row[1]) for row in described]
            aliases = [f'"{str(row[0]).replace(chr(34), chr(34) * 2)}"' for row in described]
            for title, kind in zip(titles, types, strict=True):
                if any(word in kind for word in ("[]", "STRUCT", "MAP", "LIST", "BLOB", "UNION")):
                    raise _nested(title, kind, source)
            _check_parquet_size(connection, table, path, aliases, types, source)
            chosen = ", ".join(
                f"CAST({alias} AS VARCHAR) AS c{j}" if _inexact(kind) else f"{alias} AS c{j}"
                for j, (alias, kind) in enumerate(zip(aliases, types, strict=True))
            )
            arrays = connection.execute(f"SELECT {chosen} FROM {table}", [glob.escape(path)]).fetchnumpy()
    except duckdb.Error as error:
        first = str(error).splitlines()[0][:200]
        raise BadInput(f"the Parquet file cannot be read: {first}", where=source, do="write it again") from error
    columns: list[Column] = []
    for title, kind, values in zip(titles, types, arrays.values(), strict=True):
        column, column_notes = _typed(title, values, words)
        if "WITH TIME ZONE" in kind and column.kind == "date":
            column = replace(column, format=DateWriting(precision="times", zoned=True).format)
        columns.append(column)
        notes += column_notes
    return _nonempty(Table(name, source, tuple(columns), tuple(notes)))


def _parquet_names(connection: Any, path: str, source: str) -> tuple[list[str], list[str]]:
    """The names of the columns as the file has them, and notes; a column without a name is called by its number."""
    rows = connection.execute("SELECT name, num_children FROM parquet_schema(?)", [glob.escape(path)]).fetchall()
    names: list[str] = []
    notes: list[str] = []
    nested = 0  # parts of nested columns, which come after those, still to pass
    for title, children in rows[1:]:
        if nested:
            nested += (children or 0) - 1
            continue
        nested = children or 0
        names.append(str(title))
    for number, title in enumerate(names, 1):
        if not title.strip():
            names[number - 1] = f"column {number}"
            notes.append(f"column {number} has no name and is called 'column {number}'")
    twice = next((title for title in names if names.count(title) > 1), None)
    if twice is not None:
        numbers = " and ".join(str(number) for number, title in enumerate(names, 1) if title == twice)
        raise BadInput(
            f"two columns are named '{twice}' (columns {numbers})",
            where=source,
            expected="distinct column names",
            do="rename one of them",
        )
    return names, notes


def _check_parquet_size(
    connection: Any, table: str, path: str, aliases: list[str], types: list[str], source: str
) -> None:
    """Refuse a file whose rows do not fit into memory: a few bytes can stand for any number of equal cells."""
    rows = int(
        connection.execute("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [glob.escape(path)]).fetchone()[0]
    )
    texts = [alias for alias, kind in zip(aliases, types, strict=True) if kind == "VARCHAR"]
    needed = rows * (16 * (len(types) - len(texts)) + TEXT_CELL * len(texts))
    what, packed = f"a table of {rows:,} rows and {len(types):,} columns", os.path.getsize(path)
    check_fits(needed, where=source, what=what, packed=packed, times=MOST_TIMES_COLUMNS)
    if texts:
        lengths = " + ".join(f"coalesce(sum(strlen({alias})), 0)" for alias in texts)
        letters = connection.execute(f"SELECT {lengths} FROM {table}", [glob.escape(path)]).fetchone()[0]
        check_fits(needed + int(letters), where=source, what=what, packed=packed, times=MOST_TIMES_COLUMNS)


def _inexact(kind: str) -> bool:
    """Whether DuckDB would hand out a column of this type as float64 that has digits which do not fit."""
    if kind.startswith("DECIMAL("):
        return int(kind[len("DECIMAL(") :].split(",")[0]) > EXACT_DIGITS
    return kind in ("HUGEINT", "UHUGEINT")


def from_array(x: Array, *, name: str, source: str, words: MissingWords = USUAL_MISSING) -> Table:
    """A 2-D array (rows, columns) of numbers, booleans, text or objects, with columns x0, x1, ...; or a structured
    array (rows,), whose fields are the columns."""
    if x.dtype.names is not None:
        return _from_fields(x, name=name, source=source, words=words)
    if x.ndim != 2:
        shape = f"the shape {x.shape}"
        raise BadInput(
            f"the array has {shape}", where=source, expected="2-D: (rows, columns)", do="x.reshape(len(x), -1)"
        )
    typed = [_typed(f"x{j}", x[:, j], words) for j in range(x.shape[1])]
    notes = tuple(note for _, column_notes in typed for note in column_notes)
    return _nonempty(Table(name, source, tuple(column for column, _ in typed), notes))


def _from_fields(x: Array, *, name: str, source: str, words: MissingWords) -> Table:
    """A structured or record array (rows,): a column a field."""
    names = x.dtype.names or ()
    nested = next((title for title in names if x.dtype[title].shape or x.dtype[title].names), None)
    if x.ndim != 1 or nested is not None:
        what = f"the shape {x.shape}" if nested is None else f"several values in each cell of '{nested}'"
        raise BadInput(f"the structured array has {what}", where=source, expected="(rows,), one value a cell")
    typed = [_typed(title, x[title], words) for title in names]
    notes = tuple(note for _, column_notes in typed for note in column_notes)
    return _nonempty(Table(name, source, tuple(column for column, _ in typed), notes))


def from_list(rows: Sequence[Any], *, name: str, source: str, words: MissingWords = USUAL_MISSING) -> Table:
    """A list of rows of equal length; columns x0, x1, ..."""
    if not rows or not all(isinstance(row, (list, tuple, np.ndarray)) for row in rows):
        raise BadInput("the list does not hold rows", where=source, expected="a list of rows, e.g. [[1, 2], [3, 4]]")
    odd = next((i for i, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if odd is not None:
        found = f"row {odd + 1} has {len(rows[odd])} cells, row 1 has {len(rows[0])}"
        raise BadInput(found, where=source, expected="rows of equal length")
    x = np.empty((len(rows), len(rows[0])), object)
    for i, row in enumerate(rows):
        x[i, :] = list(row)
    return from_array(x, name=name, source=source, words=words)


def from_frame(frame: Any, *, name: str, words: MissingWords = USUAL_MISSING) -> Table:
    """A frame of any library that narwhals reads (pandas, polars, pyarrow, ...)."""
    import narwhals as nw

    source = f"{type(frame).__module__.split('.')[0]} frame"
    try:
        table: Any = nw.from_native(frame)
        table = table.collect() if isinstance(table, nw.LazyFrame) else table
        titles = list(table.columns)
    except nw.exceptions.DuplicateError as error:
        found = " ".join(str(error).split()).removeprefix("Expected unique column names, got: - ")
        raise BadInput(
            f"two columns have one name: {found}", where=source, expected="distinct column names", do="rename one"
        ) from error
    except TypeError as error:
        raise BadInput(
            f"a {type(frame).__module__}.{type(frame).__qualname__} is not a table",
            expected="a path, a 2-D array, a list of rows, or a frame (pandas, polars, pyarrow, ...)",
        ) from error
    except Exception as error:  # what a lazy frame was asked to do fails now, in the words of its library
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(f"the frame cannot be read: {reason}", where=source, do="collect it first") from error
    titles = ["" if is_absent(title) else title for title in titles]
    columns: list[Column] = []
    notes: list[str] = []
    for title, series in zip(titles, table.iter_columns(), strict=True):
        kind = series.dtype
        if kind.is_nested() or kind == nw.Binary:
            raise _nested(str(title), str(kind), source)
        if kind == nw.Boolean or (kind.is_numeric() and not str(kind).startswith(OBJECTS)):
            missing = series.is_null().to_numpy()
            values = series.fill_null(0 if kind.is_numeric() else False).to_numpy()
            column, column_notes = _typed(str(title), np.ma.MaskedArray(values, missing), words)
        else:
            labels = isinstance(kind, (nw.Categorical, nw.Enum))
            column, column_notes = _typed(str(title), _objects(series.to_list()), words, infer_text=not labels)
        columns.append(column)
        notes += column_notes
    return _nonempty(Table(name, source, tuple(columns), tuple(notes)))


def _objects(values: Iterable[Any]) -> Array:
    values = list(values)
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _nested(title: str, kind: str, source: str, row: int | None = None) -> BadInput:
    at = "" if row is None else f" (the first in row {row + 1})"
    return BadInput(
        f"column '{title}' holds {kind}{at}",
        where=source,
        expected="numbers, booleans, dates or text",
        do="flatten or drop it",
    )


def _nonempty(table: Table) -> Table:
    if not table.columns or not table.rows:
        raise BadInput(
            f"{table.rows} rows and {len(table.columns)} columns", where=table.source, expected="at least one"
        )
    return table


def _typed(name: str, values: Any, words: MissingWords, *, infer_text: bool = True) -> tuple[Column, list[str]]:
    """A column from values that have a type, and notes. Text is typed by the rules of `kinds`, except labels."""
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    plain = np.ma.getdata(values) if mask is not None else np.asarray(values)
    letter = plain.dtype.kind
    if letter in "biuf":
        return _numeric(name, plain, mask)
    if letter == "M":
        days = plain.astype("datetime64[s]")
        days[mask if mask is not None else slice(0, 0)] = np.datetime64("NaT", "s")
        return Column(name, "date", days, format=typed_dates(days, zoned=False).format), []
    if letter == "m":
        seconds = plain.astype("timedelta64[us]").astype(np.float64) / 1e6
        seconds[np.isnat(plain) | (mask if mask is not None else False)] = np.nan
        return Column(name, "number", seconds, format=LONG), [f"column '{name}': durations as seconds"]
    if letter == "c":
        raise _nested(name, "complex numbers", "the table")
    objects = plain.astype(object)
    if mask is not None:
        objects[mask] = None
    return _object(name, objects, words, infer_text)


def _numeric(name: str, plain: Array, mask: Array | None) -> tuple[Column, list[str]]:
    notes: list[str] = []
    values = plain.astype(np.float64)
    if plain.dtype.kind in "iu" and plain.size and max(abs(int(plain.max())), abs(int(plain.min()))) > EXACT:
        exact = plain.astype(object)
        exact[mask if mask is not None else slice(0, 0)] = None
        return _large_integers(name, exact)
    infinite = np.abs(values) > LARGEST
    overflow: tuple[int, str] | None = None
    if infinite.any():
        first = int(np.flatnonzero(infinite)[0])
        example = f"{values[first]:g}; first in row {first + 1}"
        notes.append(f"column '{name}': {infinite.sum()} infinite or too large ({example}), read as missing")
        overflow = first, f"{values[first]:g}"
        values[infinite] = np.nan
    if mask is not None:
        values[mask] = np.nan
    return Column(name, "boolean" if plain.dtype.kind == "b" else "number", values, overflow=overflow), notes


def _large_integers(name: str, exact: Array) -> tuple[Column, list[str]]:
    """Integers (objects, None for missing) some of which float64 rounds. Where that would make two of them one they are
    codes: exact text. How they are spelled is kept in any case, for classes and categories."""
    values = np.array([math.nan if value is None else as_float(value) for value in exact], np.float64)
    finite = np.isfinite(values)
    spelled = np.array([str(int(v)) if fits else None for v, fits in zip(exact, finite, strict=True)], object)
    notes: list[str] = []
    overflow: tuple[int, str] | None = None
    infinite = np.flatnonzero(np.abs(values) > LARGEST)
    if infinite.size:
        overflow = int(infinite[0]), f"{exact[infinite[0]]}"[:30]
        notes.append(f"column '{name}': {infinite.size} too large (first in row {infinite[0] + 1}), read as missing")
        values[infinite] = np.nan
    if len(set(spelled[finite])) > len(np.unique(values[finite])):
        notes.append(f"column '{name}': integers beyond 2^53 that rounding would merge are codes, taken as text")
        return Column(name, "text", spelled), notes
    column = Column(name, "number", values, spelled, overflow=overflow)
    return column, [*notes, f"column '{name}': integers beyond 2^53 are rounded"]


def _object(name: str, objects: Array, words: MissingWords, infer_text: bool) -> tuple[Column, list[str]]:
    """Objects of one sort as that sort; mixed ones as text, in which numbers have their shortest spelling."""
    gone = np.array([is_absent(value) for value in objects], bool)
    present = objects[~gone]
    kinds = {sort_of(value) for value in present}
    if "other" in kinds:
        row = next(i for i in np.flatnonzero(~gone) if sort_of(objects[i]) == "other")
        raise _nested(name, type(objects[row]).__qualname__, "the table", int(row))
    if kinds and kinds <= {"boolean"}:
        return Column(name, "boolean", _floats(objects, gone)), []
    if kinds and kinds <= {"number", "boolean"}:
        if all(is_integer(value) for value in present) and any(abs(int(value)) > EXACT for value in present):
            exact = objects.copy()
            exact[gone] = None
            return _large_integers(name, exact)
        return _numeric(name, _floats(objects, gone), None)
    if kinds == {"duration"}:
        return Column(name, "number", _floats(objects, gone), format=LONG), [f"column '{name}': durations as seconds"]
    if kinds == {"date"}:
        dates = _dates(objects, gone)
        zoned = any(isinstance(value, datetime) and value.tzinfo is not None for value in present)
        return Column(name, "date", dates, format=typed_dates(dates, zoned=zoned).format), []
    texts = ["" if absent else _text(value) for value, absent in zip(objects, gone, strict=True)]
    if infer_text:
        return infer(Cells.of(name, texts, words))
    values = np.array([None if absent else composed(text) for text, absent in zip(texts, gone, strict=True)], object)
    return Column(name, "text", values), []


def _floats(objects: Array, gone: Array) -> Array:
    return np.array([math.nan if absent else as_float(v) for v, absent in zip(objects, gone, strict=True)], np.float64)


def _dates(objects: Array, gone: Array) -> Array:
    values = np.full(len(objects), np.datetime64("NaT", "s"), "datetime64[s]")
    for i in np.flatnonzero(~gone):
        value = objects[i]
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = (value - value.utcoffset()).replace(tzinfo=None)  # type: ignore[operator]
        values[i] = np.datetime64(value).astype("datetime64[s]")
    return values


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if sort_of(value) != "number":
        return str(value)
    return str(int(value)) if is_integer(value) else KINDS["number"].spell(value)
