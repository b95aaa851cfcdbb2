"""The schema contract enforced on new rows: every column that the model uses, read by the kind that training knows.

A text file is not typed again: its cells go straight to the known kind. What has types already (a frame, Parquet, a
table) keeps its columns of the right kind, and the others are read from their spelling.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tenfold.data.columns.bad_rows import bad_rows_note, refuse_too_many
from tenfold.data.columns.cells import (
    Cells,
    TextTable,
    count_markers,
    said_of,
    said_of_markers,
    spelled_cells,
)
from tenfold.data.columns.codes import are_whole
from tenfold.data.columns.dates import DATE_RULES, DateWriting
from tenfold.data.columns.durations import FORMATS
from tenfold.data.columns.kinds import KINDS, SWAPPED, ColumnKind, NotOfKind, hold_dates
from tenfold.data.columns.numbers import decide_mark, parse_numbers, spell_number
from tenfold.data.columns.plain_numbers import PlainNumbers
from tenfold.data.columns.schema import ColumnSchema, Schema
from tenfold.data.columns.table import Column, Table, blank_column
from tenfold.data.columns.units import Dressed
from tenfold.data.columns.writing import MARK_NAMES, Mark, Writing
from tenfold.errors import BadInput
from tenfold.formatting import listed, nearest

WARN_SHARE = 0.05  # share of unseen categories or of numbers outside the training range that is a warning
NEAREST = 20  # missing columns for which the nearest other name is looked for


def conform(table: Table | TextTable, schema: Schema) -> tuple[Table, list[str]]:
    """The used input columns of a table, in the order and the kinds of the schema, and notes.

    Other columns and another order are handled, with a note; so are values that training did not see, and whatever was
    noticed on reading. BadInput: a missing column, with the nearest name; a cell that cannot be of the schema's kind,
    or that is written in another way than in training and could be read in two, with file, line and column.
    """
    notes = _check_names(table.names, schema, table.source)
    if isinstance(table, TextTable):  # the notes of another table are about kinds, too
        notes = [*table.notes, *notes]
    columns: list[Column] = []
    markers: dict[str, list[tuple[str, int]]] = {}
    bad = dict(table.bad)
    dropping = table if isinstance(table, TextTable) and table.most_bad else None
    for wanted in schema.used:
        if isinstance(table, TextTable):
            column, said = _read_column(table, wanted, schema, markers, bad if dropping else None)
        else:
            column, said = _cast_column(table, wanted, schema)
        columns.append(column)
        notes += [*said, *_novelty(column, wanted)]
    notes += said_of_markers(markers)
    if dropping:
        notes += _check_bad(dropping, bad)
    said = notes if isinstance(table, TextTable) else [*table.notes, *notes]
    rows = tuple(sorted(bad.items()))
    return Table(table.name, table.source, tuple(columns), tuple(said), table.lines, bad=rows), notes


def _check_bad(table: TextTable, bad: dict[int, str]) -> list[str]:
    """The note on rows with a cell that cannot be read; BadInput where they are too many."""
    new = [row for row in sorted(bad) if row not in dict(table.bad)]
    rows = len(table.lines)
    if not new:
        return []
    refuse_too_many(len(bad), rows, table.most_bad, first=bad[min(bad)], where=table.source)
    return [bad_rows_note(((int(table.lines[row]), bad[row]) for row in new), rows, "have no prediction")]


def conform_numbers(table: Table, trained: Column) -> Table:
    """The table with its column of that name, if both are numbers, read as the other one is written (see `conform`)."""
    column = table.column(trained.name)
    if not column.kind == trained.kind == "number":
        return table
    wanted = ColumnSchema(trained.name, "number", True, "", format=trained.format)
    read, said = _cast_column(table, wanted, Schema((wanted,), "", "regression"))
    read = replace(column, values=read.values, two_ways=False)  # its labels keep their spelling
    columns = (read if other is column else other for other in table.columns)
    return replace(table, columns=tuple(columns), notes=(*table.notes, *said))


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
    there = set(names)
    if [name for name in names if name in known] != [c.name for c in schema.columns if c.name in there]:
        notes.append("columns put into the order of the schema")
    absent = [wanted.name for wanted in schema.used if wanted.name not in there]
    if absent:
        raise _absent(absent, extra, source)
    return notes


def _read_column(
    table: TextTable,
    wanted: ColumnSchema,
    schema: Schema,
    markers: dict[str, list[tuple[str, int]]],
    bad: dict[int, str] | None,
) -> tuple[Column, list[str]]:
    """A column of a text file as the kind of the schema, and notes; adds to the missing markers. bad: takes the rows
    with a cell that is not of this kind, which become missing; None: such a cell is an error."""
    cells = table.reader(wanted.name)()
    count_markers(cells, markers)
    writing = Writing.of(wanted.format)
    if isinstance(cells, PlainNumbers):
        plain = not writing.around and wanted.format not in FORMATS
        if wanted.cell_kind == "number" and plain and writing.mark == ".":
            return Column(wanted.name, "number", cells.values), []
        cells = cells.cells()
    return _read_cells(cells, table, wanted, schema, bad)


def _cast_column(table: Table, wanted: ColumnSchema, schema: Schema) -> tuple[Column, list[str]]:
    """A column that has a type as the kind of the schema, and notes."""
    kind, column = wanted.cell_kind, table.column(wanted.name)
    if column.missing.all():
        return blank_column(wanted.name, kind, table.rows), []
    notes: list[str] = []
    if column.kind == kind == "date" and not _swapped(column.format, wanted.format):
        row = int(np.argmin(column.missing))
        spelled = column.values[row] if column.spelled is None else column.spelled[row]
        try:
            held = hold_dates(column.values, DateWriting.of(column.format), wanted, str(spelled))
        except NotOfKind as fault:
            raise _refused(fault, table.place(row, wanted.name), wanted) from fault
        assert held.values is not None
        return Column(wanted.name, kind, held.values), [f"column '{wanted.name}': {note}" for note in held.notes]
    if column.kind == kind and (kind != "number" or _written_alike(column, wanted)):
        if kind != "date":
            return column, []
    elif column.kind != kind:
        notes.append(f"column '{wanted.name}': {_taken_as(column.kind, wanted)}")
        if kind == "number" and column.kind == "boolean" and column.spelled is None:
            return replace(column, kind="number"), notes
    read, said = _read_cells(spelled_cells(column, wanted.levels), table, wanted, schema)
    return read, notes + said


def _swapped(form: str, known: str) -> bool:
    return {DateWriting.of(form).rule, DateWriting.of(known).rule} in SWAPPED


def _written_alike(column: Column, wanted: ColumnSchema) -> bool:
    """Whether the numbers of a column mean in training what they mean here."""
    if FORMATS.count(column.format) or wanted.format in FORMATS:
        return column.format == wanted.format
    ours, theirs = Writing.of(column.format), Writing.of(wanted.format)
    units = [Dressed("", writing.before, writing.after).unit for writing in (ours, theirs)]
    return units[0] == units[1] and not (column.two_ways and ours.mark != theirs.mark)


def _read_cells(
    cells: Cells, table: Table | TextTable, wanted: ColumnSchema, schema: Schema, bad: dict[int, str] | None = None
) -> tuple[Column, list[str]]:
    kind = wanted.cell_kind
    try:
        mark, notes = _mark(cells, table, wanted, schema) if kind in ("number", "boolean") else (".", [])
        parsed = KINDS[kind].read(cells.texts, mark, wanted)
    except NotOfKind as fault:
        rows = cells.rows_of([cells.distinct.index(fault.cell)])
        refusal = _refused(fault, table.place(int(rows[0]), wanted.name), wanted)
        if bad is None:
            raise refusal from fault
        # One odd cell after the other is taken out, until the others can be read.
        for row in rows.tolist():
            bad.setdefault(row, f"{refusal.found}, column '{wanted.name}'")
        distinct = ["" if cell == fault.cell else cell for cell in cells.distinct]
        return _read_cells(replace(cells, distinct=distinct), table, wanted, schema, bad)
    assert parsed.values is not None
    column = Column(wanted.name, kind, cells.spread(kind, parsed.values))
    return column, [*(f"column '{wanted.name}': {note}" for note in notes), *said_of(cells, parsed, table.lines)]


def _refused(fault: NotOfKind, place: str, wanted: ColumnSchema) -> BadInput:
    kind = wanted.cell_kind
    what = f"date ({wanted.format or DATE_RULES[0].name})" if kind == "date" else kind
    return BadInput(
        f"'{fault.cell[:60]}' {fault.why or f'is not a {what}'}",
        where=place,
        expected=f"a {what}, as in training, or an empty cell",
        do=fault.do or "fix that cell",
    )


def _mark(cells: Cells, table: Table | TextTable, wanted: ColumnSchema, schema: Schema) -> tuple[Mark, list[str]]:
    """The decimal mark of these cells, and notes. Where they can be read with both, the other columns of their file
    decide, else the way in which training had them. Raises `NotOfKind` where that does not decide either."""
    numerals, known = cells.numerals, Writing.of(wanted.format)
    mark, evidence = decide_mark(numerals)
    if evidence == "none":
        return known.mark, []
    if evidence != "both":
        return mark, []
    if isinstance(table, TextTable) and table.point_only and not any("," in numeral for numeral in numerals):
        return ".", []
    mark = _rewritten(table, schema)
    if mark:
        return mark, []
    ours, theirs = parse_numbers(numerals, known.mark), parse_numbers(numerals, "," if known.mark == "." else ".")
    assert ours is not None
    assert theirs is not None
    other = int(np.flatnonzero(~((ours.values == theirs.values) | np.isnan(ours.values)))[0])
    cell = cells.texts[other]
    separator = "," if known.mark == "." else "."
    # In a file whose delimiter is a comma, a comma sets off thousands, in training as here.
    sets_off = isinstance(table, TextTable) and table.point_only
    if ours.group == separator and known.group != separator and not (known.mark == "." and sets_off):
        one, two = (spell_number(float(numbers.values[other])) for numbers in (ours, theirs))
        why = (
            f"can be {one} or {two}, and training has numbers with a {MARK_NAMES[known.mark]} and without '{separator}'"
        )
        raise NotOfKind(cell, why, f"write {one} or {two}".replace(".", known.mark))
    return known.mark, [f"'{cell}' can be read two ways; taken with a {MARK_NAMES[known.mark]}, as in training"]


def _sure_marks(table: Table | TextTable) -> dict[str, Mark]:
    """The decimal marks of the columns of a text file that can be read with one only, by their names."""
    if isinstance(table, TextTable):
        return table.sure_marks
    numbers = [column for column in table.columns if column.kind == "number" and not column.two_ways]
    numbers = [column for column in numbers if table.lines is not None and not are_whole(column.present)]
    return {column.name: Writing.of(column.format).mark for column in numbers}


def _rewritten(table: Table | TextTable, schema: Schema) -> Mark | None:
    """The decimal mark that all numbers of a file have by now, where its columns show that it was written otherwise
    than the file of training; None where they do not."""
    known = {column.name: Writing.of(column.format).mark for column in schema.columns if column.kind == "number"}
    every = _sure_marks(table)
    sure: dict[str, Mark] = {name: mark for name, mark in every.items() if name in known}
    # A column that is as it was says that the others are, too: the file of training may have had both marks.
    if any(mark == known[name] for name, mark in sure.items()):
        return None
    others = {column.name for column in schema.columns}
    extra: set[Mark] = {mark for name, mark in every.items() if name not in others}
    marks = set(sure.values()) or extra
    return marks.pop() if len(marks) == 1 else None


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
    return f"dates read as {DateWriting.of(wanted.format).rule}"


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
    left, renamed = dict.fromkeys(extra), dict[str, str]()

    def take(name: str, other: str) -> None:
        renamed[name] = other
        del left[other]

    alike: dict[str, list[str]] = {}
    for other in reversed(extra):
        alike.setdefault(other.strip().casefold(), []).append(other)
    for name in names:
        same = alike.get(name.strip().casefold())
        if same:
            take(name, same.pop())
    # Each look for the nearest compares a name with all that are left.
    for name in names[:NEAREST]:
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
