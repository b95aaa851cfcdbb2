"""Columns whose kind the user names, whatever the rules make of their cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tenfold.data.columns.cells import Cells, spelled_cells
from tenfold.data.columns.characters import composed
from tenfold.data.columns.dates import parse_dates
from tenfold.data.columns.numbers import decide_mark, is_number, parse_numbers
from tenfold.data.columns.table import Column, Table, missing_column
from tenfold.data.columns.units import dressed
from tenfold.data.columns.writing import Writing
from tenfold.errors import BadInput


def with_kinds(table: Table, kinds: Mapping[str, str]) -> Table:
    """The table with some columns taken as category, number, text, date or id, as the user asks (see `ReadOptions`).

    BadInput: no such column; a cell that is no number or date, by its place.
    """
    kinds = {composed(name): kind for name, kind in kinds.items()}
    for name in kinds:
        if name not in table.names:
            raise missing_column(name, table.names, table.source)
    columns = tuple(
        _asked(table, column, kinds[column.name]) if column.name in kinds else column for column in table.columns
    )
    return replace(table, columns=columns)


def _asked(table: Table, column: Column, kind: str) -> Column:
    if kind == column.kind or (kind == "number" and column.kind == "boolean" and column.spelled is None):
        return replace(column, kind="number" if kind == "number" else column.kind, doubt="", asked=kind)
    cells = spelled_cells(column)
    if kind == "number":
        mark = decide_mark(cells.texts)[0]
        numbers = parse_numbers(cells.texts, mark)
        if numbers is not None:
            values, picture = cells.spread("number", numbers.values), Writing(mark, numbers.group).picture
            return Column(column.name, "number", values, cells.spelled, picture, asked=kind)
        odd = [cell for cell in cells.texts if not is_number(cell, mark)]
        # A number with a unit is rather right than a word among such.
        odd = next((cell for cell in odd if dressed(cell) is None), odd[0])
        raise _not(table, column, cells, odd, "number")
    if kind == "date":
        dates = parse_dates(cells.texts)
        if dates is not None:
            values, form = cells.spread("date", dates.values), dates.writing.format
            return Column(column.name, "date", values, cells.spelled, form, asked=kind)
        odd = next((cell for cell in cells.texts if parse_dates([cell]) is None), cells.texts[0])
        raise _not(table, column, cells, odd, "date that is written like the others")
    return Column(column.name, "text", cells.spelled, asked=kind)


def _not(table: Table, column: Column, cells: Cells, odd: str, what: str) -> BadInput:
    row = int(np.flatnonzero(cells.codes == cells.distinct.index(odd))[0])
    return BadInput(
        f"'{odd[:60]}' is not a {what}",
        where=table.place(row, column.name),
        expected=f"a {what} in every cell of '{column.name}', as --kind says, or an empty cell",
        do=f"fix that cell, or --missing '+{odd[:30]}' where it stands for a missing value",
    )
