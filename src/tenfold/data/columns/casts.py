"""Casting a column to the kind that the schema demands: lossless, or refused with the first cell that prevents it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tenfold.data.columns.cell_kinds import FALSE, TRUE
from tenfold.data.columns.dates import DATE_RULES, parse_dates
from tenfold.data.columns.numbers import is_number, parse_numbers, spell_number
from tenfold.data.columns.table import DTYPES, Column, Table
from tenfold.errors import BadInput

Array = np.ndarray


def cast_column(
    table: Table, column: Column, kind: str, levels: tuple[str, ...] = (), form: str = ""
) -> tuple[Column, list[str]]:
    """The column as that kind (number, boolean, category or date), and notes.

    Lossless casts: numbers as text; 0 and 1, and true and false, for booleans; booleans from typed data for numbers;
    any cell for a category, spelled as in the file (a number takes the spelling of the level it equals); text for
    dates in the format of training. A column without any value is of every kind. BadInput names the first bad cell.
    """
    if column.missing.all():
        return _empty(column, kind), []
    if kind == "category":
        return _to_category(column, levels)
    if kind == "number":
        return _to_number(table, column)
    if kind == "boolean":
        return _to_boolean(table, column)
    return _to_date(table, column, form)


def _empty(column: Column, kind: str) -> Column:
    dtype = DTYPES["text" if kind == "category" else kind]
    blank = None if dtype == "object" else np.datetime64("NaT", "s") if dtype.startswith("date") else np.nan
    values = np.full(len(column.values), blank, dtype)
    return Column(column.name, "text" if kind == "category" else kind, values)  # type: ignore[arg-type]


def _bad(table: Table, column: Column, row: int, wanted: str) -> BadInput:
    value = column.values[row] if column.kind == "text" else None
    if value is None:
        value = column.spelled[row] if column.spelled is not None else _spell(column, row)
    return BadInput(
        f"'{str(value)[:60]}' is no {wanted}",
        where=table.place(row, column.name),
        expected=f"a {wanted}, as in training, or an empty cell",
        do="mend that cell",
    )


def _spell(column: Column, row: int) -> str:
    value = column.values[row]
    if column.kind == "number":
        return spell_number(float(value))
    if column.kind == "boolean":
        return "true" if value else "false"
    return str(value).replace("T", " ").removesuffix(" 00:00:00")


def _texts(column: Column) -> Array:
    """The cells as text, None for missing: as the file spells them, where that is known."""
    if column.kind == "text":
        return column.values
    if column.spelled is not None:
        return column.spelled
    gone = column.missing
    texts = [None if gone[row] else _spell(column, row) for row in range(len(gone))]
    return np.array(texts, object)


def _to_category(column: Column, levels: tuple[str, ...]) -> tuple[Column, list[str]]:
    texts = _texts(column)
    if column.kind == "text":
        return column, []
    known = set(levels)
    if column.kind == "number":
        numeric: dict[float, list[str]] = {}
        for level in levels:
            if is_number(level) and not (level.lstrip("+-")[:1] == "0" and level.lstrip("+-")[1:2].isdigit()):
                numeric.setdefault(float(parse_numbers([level], ".").values[0]), []).append(level)  # type: ignore[union-attr]
        texts = texts.copy()
        for row in np.flatnonzero(~column.missing):
            same = numeric.get(float(column.values[row]), [])
            if texts[row] not in known and len(same) == 1:
                texts[row] = same[0]
    if column.kind == "boolean" and column.spelled is None:
        texts = _fold(texts, levels)
    note = f"column '{column.name}': {column.kind}s taken as categories"
    return Column(column.name, "text", texts), [note]


def _fold(texts: Array, levels: tuple[str, ...]) -> Array:
    """Texts in the letter case of the levels."""
    folded = {level.casefold(): level for level in levels}
    return np.array([None if text is None else folded.get(text.casefold(), text) for text in texts], object)


def _to_number(table: Table, column: Column) -> tuple[Column, list[str]]:
    if column.kind == "number":
        return column, []
    if column.kind == "boolean" and column.spelled is None:
        return replace(column, kind="number"), [f"column '{column.name}': booleans taken as 0 and 1"]
    texts = _texts(column)
    values = np.full(len(texts), np.nan)
    for row in np.flatnonzero(~column.missing):
        found = parse_numbers([texts[row]], ".")
        if found is None:
            raise _bad(table, column, int(row), "number")
        values[row] = found.values[0]
    return Column(column.name, "number", values), [f"column '{column.name}': numbers written as text"]


def _to_boolean(table: Table, column: Column) -> tuple[Column, list[str]]:
    if column.kind == "boolean":
        return column, []
    if column.kind == "number":
        odd = np.flatnonzero(~column.missing & ~np.isin(column.values, (0.0, 1.0)))
        if odd.size:
            raise _bad(table, column, int(odd[0]), "boolean")
        return replace(column, kind="boolean"), [f"column '{column.name}': 0 and 1 taken as booleans"]
    texts = _texts(column)
    values = np.full(len(texts), np.nan)
    for row in np.flatnonzero(~column.missing):
        word = texts[row].lower()
        if word not in TRUE and word not in FALSE and word not in ("0", "1"):
            raise _bad(table, column, int(row), "boolean")
        values[row] = word in TRUE or word == "1"
    return Column(column.name, "boolean", values, texts), [f"column '{column.name}': booleans in mixed spellings"]


def _to_date(table: Table, column: Column, form: str) -> tuple[Column, list[str]]:
    """The date format of training decides where the file alone could be read two ways."""
    rule = form or DATE_RULES[0].name
    swapped = {rule, column.format} in ({"day/month/year", "month/day/year"}, {"day-month-year", "month-day-year"})
    if column.kind == "date" and not swapped:
        return column, []
    texts = _texts(column)
    values = np.full(len(texts), np.datetime64("NaT", "s"), "datetime64[s]")
    for row in np.flatnonzero(~column.missing):
        found = parse_dates([texts[row]], rule) if column.kind in ("text", "date") else None
        if found is None:
            raise _bad(table, column, int(row), f"date ({rule})")
        values[row] = found[0][0]
    return Column(column.name, "date", values, format=rule), [f"column '{column.name}': dates read as {rule}"]
