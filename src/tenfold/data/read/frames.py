"""Tables from things that have types already: arrays, lists, frames of any library, Parquet, npz, bundled sets.

Two of the sources can hold images instead: an npz file, and scikit-learn's digits.
"""

from __future__ import annotations

import glob
import io
import math
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np

from tenfold.data.columns.cells import Cells, infer
from tenfold.data.columns.characters import composed
from tenfold.data.columns.dates import DateWriting, typed_dates
from tenfold.data.columns.durations import LONG
from tenfold.data.columns.kinds import KINDS
from tenfold.data.columns.numbers import EXACT, LARGEST
from tenfold.data.columns.table import Column, Table
from tenfold.data.read.images import Images, as_pixels
from tenfold.errors import BadInput
from tenfold.formatting import nearest

Array = np.ndarray
BUNDLED = ("iris", "wine", "breast_cancer", "digits", "diabetes")
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


def from_npz(raw: bytes, *, name: str, source: str, labelled: bool = True) -> Table | Images:
    """The arrays x and y (rows,) of an npz file: x (rows, columns) is a table with columns x0, x1, ... and "target",
    x (rows, height, width) or (rows, height, width, channels) images.

    x_train and y_train are used where x and y are absent, and an array `classes` names the classes that integers in y
    count. labelled: whether images need a y.
    """
    arrays, notes = _npz_arrays(raw, source, ("x", "y") if labelled else ("x",))
    x, y = arrays["x"], arrays.get("y")
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
    target, target_notes = _npz_target(y, arrays.get("classes"), source)
    if x.ndim > 2:
        pixels = as_pixels(x, source=source)
        return Images(name=name, source=source, pixels=pixels, target=target, notes=(*notes, *target_notes))
    table = from_array(x, name=name, source=source)
    return Table(name, source, (*table.columns, target), (*table.notes, *notes, *target_notes), target=TARGET)


def _npz_arrays(raw: bytes, source: str, wanted: tuple[str, ...]) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Those of the arrays x, y and classes that exist, and notes; BadInput where one of `wanted` does not."""
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            names = {key: key for key in ("x", "y", "classes") if key in archive.files}
            if "x" not in names and "x_train" in archive.files:
                names |= {key: f"{key}_train" for key in ("x", "y") if f"{key}_train" in archive.files}
            missing = [key for key in wanted if key not in names]
            if missing:
                listed = ", ".join(archive.files) or "none"
                raise BadInput(f"no array '{missing[0]}' (arrays: {listed})", where=source, expected="arrays x and y")
            arrays = {key: archive[stored] for key, stored in names.items()}
            others = [stored for stored in archive.files if stored not in names.values()]
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, BadInput):
            raise
        code = "Object arrays" in str(error)
        reason = "it holds Python objects, which could execute code" if code else f"damaged ({error})"
        raise BadInput(
            f"the npz file cannot be read: {reason}", where=source, expected="numeric arrays x, y"
        ) from error
    notes = [f"arrays {names['x']} and {names['y']} are used as x and y"] if names.get("y") == "y_train" else []
    notes += [f"not used: {', '.join(others)}"] if others else []
    return arrays, tuple(notes)


def _npz_target(y: Array, classes: Array | None, source: str) -> tuple[Column, list[str]]:
    """The target; integers that count classes by the names of these."""
    if classes is None or classes.ndim != 1 or classes.dtype.kind != "U" or y.dtype.kind not in "iu":
        return _typed(TARGET, y)
    if y.min() < 0 or y.max() >= len(classes):
        raise BadInput(
            f"y holds {y.min()} to {y.max()} and there are {len(classes)} classes",
            where=source,
            expected="y counts the names in `classes` from 0",
        )
    return Column(TARGET, "text", _objects(classes.tolist())[y]), []


def from_parquet(path: str, *, name: str, source: str) -> Table:
    """A Parquet file, read by DuckDB, which may neither fetch extensions nor open anything else."""
    import duckdb

    # A file must not make DuckDB load code or open another file.
    settings: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    try:
        with duckdb.connect(config=settings) as connection:
            relation = connection.execute(
                "SELECT * FROM read_parquet(?, hive_partitioning = false)", [glob.escape(path)]
            )
            types = {column[0]: str(column[1]) for column in relation.description or ()}
            arrays = relation.fetchnumpy()
    except duckdb.Error as error:
        first = str(error).splitlines()[0][:200]
        raise BadInput(f"the Parquet file cannot be read: {first}", where=source, do="write it again") from error
    columns: list[Column] = []
    notes: list[str] = []
    for title, values in arrays.items():
        if any(word in types[title] for word in ("[]", "STRUCT", "MAP", "LIST", "BLOB", "UNION")):
            raise _nested(title, types[title], source)
        column, column_notes = _typed(title, values)
        if "WITH TIME ZONE" in types[title] and column.kind == "date":
            column = replace(column, format=DateWriting(precision="times", zoned=True).format)
        columns.append(column)
        notes += column_notes
    return _nonempty(Table(name, source, tuple(columns), tuple(notes)))


def from_array(x: Array, *, name: str, source: str) -> Table:
    """A 2-D array (rows, columns) of numbers, booleans, text or objects; columns x0, x1, ..."""
    if x.ndim != 2:
        shape = f"the shape {x.shape}"
        raise BadInput(
            f"the array has {shape}", where=source, expected="2-D: (rows, columns)", do="x.reshape(len(x), -1)"
        )
    typed = [_typed(f"x{j}", x[:, j]) for j in range(x.shape[1])]
    notes = tuple(note for _, column_notes in typed for note in column_notes)
    return _nonempty(Table(name, source, tuple(column for column, _ in typed), notes))


def from_list(rows: Sequence[Any], *, name: str, source: str) -> Table:
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
    return from_array(x, name=name, source=source)


def from_frame(frame: Any, *, name: str) -> Table:
    """A frame of any library that narwhals reads (pandas, polars, pyarrow, ...)."""
    import narwhals as nw

    try:
        table: Any = nw.from_native(frame)
    except TypeError as error:
        raise BadInput(
            f"a {type(frame).__module__}.{type(frame).__qualname__} is not a table",
            expected="a path, a 2-D array, a list of rows, or a frame (pandas, polars, pyarrow, ...)",
        ) from error
    table = table.collect() if isinstance(table, nw.LazyFrame) else table
    source = f"{type(frame).__module__.split('.')[0]} frame"
    columns: list[Column] = []
    notes: list[str] = []
    for title, series in zip(table.columns, table.iter_columns(), strict=True):
        if series.dtype.is_nested() or series.dtype == nw.Binary:
            raise _nested(str(title), str(series.dtype), source)
        if series.dtype.is_numeric() or series.dtype == nw.Boolean:
            missing = series.is_null().to_numpy()
            values = series.fill_null(0 if series.dtype.is_numeric() else False).to_numpy()
            column, column_notes = _typed(str(title), np.ma.MaskedArray(values, missing))
        else:
            labels = isinstance(series.dtype, (nw.Categorical, nw.Enum))
            column, column_notes = _typed(str(title), _objects(series.to_list()), infer_text=not labels)
        columns.append(column)
        notes += column_notes
    return _nonempty(Table(name, source, tuple(columns), tuple(notes)))


def _objects(values: Iterable[Any]) -> Array:
    values = list(values)
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _nested(title: str, kind: str, source: str) -> BadInput:
    return BadInput(
        f"column '{title}' holds {kind}",
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


def _typed(name: str, values: Any, *, infer_text: bool = True) -> tuple[Column, list[str]]:
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
    return _object(name, objects, infer_text)


def _numeric(name: str, plain: Array, mask: Array | None) -> tuple[Column, list[str]]:
    notes: list[str] = []
    values = plain.astype(np.float64)
    if plain.dtype.kind in "iu" and plain.size and max(abs(int(plain.max())), abs(int(plain.min()))) > EXACT:
        notes.append(f"column '{name}': integers beyond 2^53 are rounded")
    infinite = np.abs(values) > LARGEST
    if infinite.any():
        first = int(np.flatnonzero(infinite)[0])
        example = f"{values[first]:g}; first in row {first + 1}"
        notes.append(f"column '{name}': {infinite.sum()} infinite or too large ({example}), read as missing")
        values[infinite] = np.nan
    if mask is not None:
        values[mask] = np.nan
    return Column(name, "boolean" if plain.dtype.kind == "b" else "number", values), notes


def _object(name: str, objects: Array, infer_text: bool) -> tuple[Column, list[str]]:
    """Objects of one sort as that sort; mixed ones as text, in which numbers have their shortest spelling."""
    gone = np.array([value is None or value != value or str(value) in ("<NA>", "NaT") for value in objects], bool)
    present = objects[~gone]
    sorts = {_sort(value) for value in present}
    if sorts and sorts <= {"boolean"}:
        return Column(name, "boolean", _floats(objects, gone)), []
    if sorts and sorts <= {"number", "boolean"}:
        return _numeric(name, _floats(objects, gone), None)
    if sorts == {"date"}:
        dates = _dates(objects, gone)
        zoned = any(isinstance(value, datetime) and value.tzinfo is not None for value in present)
        return Column(name, "date", dates, format=typed_dates(dates, zoned=zoned).format), []
    if "other" in sorts:
        odd = next(value for value in present if _sort(value) == "other")
        raise _nested(name, type(odd).__qualname__, "the table")
    texts = ["" if absent else _text(value) for value, absent in zip(objects, gone, strict=True)]
    if infer_text:
        return infer(Cells.of(name, texts))
    values = np.array([None if absent else composed(text) for text, absent in zip(texts, gone, strict=True)], object)
    return Column(name, "text", values), []


def _sort(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    if isinstance(value, (int, float, np.integer, np.floating)) or type(value).__name__ == "Decimal":
        return "number"
    if isinstance(value, (date, datetime, np.datetime64)):
        return "date"
    return "text" if isinstance(value, str) else "other"


def _floats(objects: Array, gone: Array) -> Array:
    return np.array([math.nan if absent else float(v) for v, absent in zip(objects, gone, strict=True)], np.float64)


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
    return KINDS["number"].spell(value) if _sort(value) == "number" else str(value)
