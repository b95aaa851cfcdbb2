"""The schema contract enforced on new rows: every column that the model uses, read by the kind that training knows.

A text file is not typed again: its cells go straight to the known kind. What has types already (a frame, Parquet, a
table) keeps its columns of the right kind, and the others are read from their spelling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tenfold.data.columns.cells import Cells, TextTable, decide_marks, spelled_cells
from tenfold.data.columns.dates import DATE_RULES
from tenfold.data.columns.kinds import KINDS, SWAPPED, ColumnKind, NotOfKind
from tenfold.data.columns.numbers import Mark
from tenfold.data.columns.plain_numbers import PlainNumbers
from tenfold.data.columns.schema import ColumnSchema, Schema
from tenfold.data.columns.table import Column, Table, blank_column
from tenfold.errors import BadInput
from tenfold.formatting import listed, nearest

WARN_SHARE = 0.05  # share of unseen categories or of numbers outside the training range that is a warning


def conform(table: Table | TextTable, schema: Schema) -> tuple[Table, list[str]]:
    """The used input columns of a table, in the order and the kinds of the schema, and notes.

    Other columns and another order are handled, with a note; so are values that training did not see. BadInput: a
    missing column, with the nearest name; a cell that cannot be of the schema's kind, with file, line and column.
    """
    notes = _check_names(table.names, schema, table.source)
    marks: dict[str, Mark] = {}
    if isinstance(table, TextTable):  # all columns decide about the marks, also those that are not used
        marks = dict(zip(table.names, decide_marks(table.columns, point_only=table.point_only)[0], strict=True))
    bad = dict(table.bad)
    dropping = table if isinstance(table, TextTable) and table.most_bad else None
    columns: list[Column] = []
    for wanted in schema.used:
        column, note = _read_column(table, wanted, marks.get(wanted.name, "."), bad if dropping else None)
        columns.append(column)
        notes += [note] if note else []
        notes += _novelty(column, wanted)
    if dropping:
        notes += _check_bad(dropping, bad)
    found = Table(
        table.name, table.source, tuple(columns), (*table.notes, *notes), table.lines, bad=tuple(sorted(bad.items()))
    )
    return found, notes


def _check_bad(table: TextTable, bad: dict[int, str]) -> list[str]:
    """The note on rows with a cell that cannot be read; BadInput where they are too many."""
    new = [row for row in sorted(bad) if row not in dict(table.bad)]
    rows = len(table.lines)
    if not new:
        return []
    share = len(bad) / rows
    if share > table.most_bad:
        raise BadInput(
            f"{len(bad)} of {rows} rows cannot be read ({share:.1%}), the first: {bad[min(bad)]}",
            where=table.source,
            expected=f"at most {table.most_bad:.1%} bad rows to drop",
            do=f"mend the file, or --bad-rows drop:{np.ceil(share * 1000) / 10:g}%",
        )
    named = listed((f"line {int(table.lines[row])} ({bad[row]})" for row in new), 3)
    return [f"{len(new)} of {rows} rows ({len(new) / rows:.1%}) cannot be read and have no prediction: {named}"]


def _check_names(names: tuple[str, ...], schema: Schema, source: str) -> list[str]:
    """Notes about other columns and another order; BadInput where a column is missing."""
    known = {column.name for column in schema.columns}
    notes: list[str] = []
    extra = [name for name in names if name not in known and name != schema.target]
    if extra:
        others = listed(extra, 5, quoted=True)
        notes.append(f"{len(extra)} column{'s' * (len(extra) > 1)} not in the schema ignored: {others}")
    if schema.target in names:
        notes.append(f"the target '{schema.target}' is in the data and ignored")
    order = [name for name in names if name in known]
    if order != [column.name for column in schema.columns if column.name in order]:
        notes.append("columns put into the order of the schema")
    absent = [wanted.name for wanted in schema.used if wanted.name not in names]
    if absent:
        raise _absent(absent, extra, source)
    return notes


def _read_column(
    table: Table | TextTable, wanted: ColumnSchema, mark: Mark, bad: dict[int, str] | None = None
) -> tuple[Column, str]:
    """A column as the kind of the schema, and a note ("" for none). bad: takes the rows with a cell that is not of this
    kind, which become missing; None: such a cell is an error."""
    kind, note = wanted.cell_kind, ""
    if isinstance(table, TextTable):
        cells = table.columns[table.names.index(wanted.name)]()
        if isinstance(cells, PlainNumbers):
            if kind == "number":
                return Column(wanted.name, kind, cells.values), ""
            cells = cells.cells()
    else:
        column = table.column(wanted.name)
        if column.missing.all():
            return blank_column(wanted.name, kind, table.rows), ""
        if column.kind == kind and {column.format, wanted.format} not in SWAPPED:
            return column, ""
        note = f"column '{wanted.name}': {_taken_as(column.kind, wanted)}"
        if kind == "number" and column.kind == "boolean" and column.spelled is None:
            return replace(column, kind="number"), note
        cells = spelled_cells(column, wanted.levels)
    what = f"date ({wanted.format or DATE_RULES[0].name})" if kind == "date" else kind
    try:
        return Column(wanted.name, kind, cells.spread(kind, KINDS[kind].read(cells.texts, mark, wanted))), note
    except NotOfKind as fault:
        cell = str(fault)
        if bad is not None:
            cells = _without_odd(cells, lambda texts: KINDS[kind].read(texts, mark, wanted), what, bad)
            return Column(wanted.name, kind, cells.spread(kind, KINDS[kind].read(cells.texts, mark, wanted))), note
        row = int(cells.rows_of([cells.distinct.index(cell)])[0])
        raise BadInput(
            f"'{cell[:60]}' is not a {what}",
            where=table.place(row, wanted.name),
            expected=f"a {what}, as in training, or an empty cell",
            do="fix that cell",
        ) from fault


def _without_odd(cells: Cells, read: Callable[[list[str]], object], what: str, bad: dict[int, str]) -> Cells:
    """The cells without those that are not of a kind; `bad` takes their rows."""

    def odd(cell: str) -> bool:
        try:
            read([cell])
        except NotOfKind:
            return True
        return False

    places = [i for i in cells.present if odd(cells.distinct[i])]
    for i in places:
        for row in cells.rows_of([i]):
            bad.setdefault(int(row), f"'{cells.distinct[i][:40]}' in '{cells.name}' is not a {what}")
    distinct = ["" if i in set(places) else cell for i, cell in enumerate(cells.distinct)]
    return replace(cells, distinct=distinct)


def _taken_as(kind: ColumnKind, wanted: ColumnSchema) -> str:
    """How a typed column of one kind is cast to the kind of training, in words."""
    match kind, wanted.cell_kind:
        case "boolean", "number":
            return "booleans taken as 0 and 1"
        case "number", "boolean":
            return "0 and 1 taken as booleans"
        case _, "text":
            return f"{kind}s taken as categories"
        case _, "number":
            return "numbers written as text"
        case _, "boolean":
            return "booleans in mixed spellings"
    return f"dates read as {wanted.format or DATE_RULES[0].name}"


def _absent(names: list[str], extra: list[str], source: str) -> BadInput:
    """The error for columns that the model learned from and a table lacks; extra: columns that it has besides."""
    missing = listed(names, 8, quoted=True)
    renamed = _other_names(names, extra)
    do = []
    if renamed:
        has = ", ".join(f"'{other}'" for other in renamed.values())
        to = ", ".join(f"'{name}'" for name in renamed)
        do = [f"the file has {has}; rename {'it' if len(renamed) == 1 else 'them'} to {to}"]
    if len(renamed) < len(names):
        left = [name for name in names if name not in renamed]
        it = "it" if len(names) == 1 else listed(left, 8, quoted=True) if renamed else "them"
        do += [f"add {it}, with empty cells where values are not known, or train without (fit --drop)"]
    return BadInput(
        f"there is no column {missing}" if len(names) == 1 else f"{len(names)} columns are not there: {missing}",
        where=source,
        expected="every column that the model learned from, by its name",
        do="; ".join(do),
    )


def _other_names(names: list[str], extra: list[str]) -> dict[str, str]:
    """The columns that a table seems to hold under other names: those that differ in capitals or outer spaces only
    first, then the nearest."""
    left, renamed = list(extra), dict[str, str]()

    def take(name: str, other: str) -> None:
        renamed[name] = other
        left.remove(other)

    for name in names:
        same = [other for other in left if other.strip().casefold() == name.strip().casefold()]
        if same:
            take(name, same[0])
    for name in names:
        near = "" if name in renamed else nearest(name, left)
        if near:
            take(name, near)
    return {name: renamed[name] for name in names if name in renamed}


def _novelty(column: Column, wanted: ColumnSchema) -> list[str]:
    """What share of the values training did not see: categories, or numbers and dates outside the range."""
    present = column.present
    if not len(present):
        return [f"column '{column.name}': every cell is missing"] if wanted.missing < 1 else []
    if wanted.kind == "category":
        levels = set(wanted.levels)
        new = [value for value in present if value not in levels]
        what = f"unseen categories, such as '{str(new[0])[:40]}'" if new else ""
        count = len(new)
    else:
        numbers = present.astype(np.int64) if column.kind == "date" else present
        low = -np.inf if wanted.minimum is None else wanted.minimum
        high = np.inf if wanted.maximum is None else wanted.maximum
        count = int(((numbers < low) | (numbers > high)).sum())
        what = "values outside the training range"
    if not count:
        return []
    share = count / len(column.values)
    warning = "warning: " if share > WARN_SHARE else ""
    return [f"{warning}column '{column.name}': {count} of {len(column.values)} rows ({share:.1%}) have {what}"]
