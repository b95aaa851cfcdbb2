"""Columns whose kind the user names, whatever the rules make of their cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tenfold.data.columns.cells import Cells, spelled_cells
from tenfold.data.columns.dates import parse_dates
from tenfold.data.columns.numbers import Mark, is_number
from tenfold.data.columns.table import Column, Table, missing_column
from tenfold.errors import BadInput


def with_kinds(table: Table, kinds: Mapping[str, str]) -> Table:
    """The table with some columns taken as category, number, text, date or id, as the user asks (see `ReadOptions`).

    BadInput: no such column; a cell that is no number or date, by its place.
    """
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
        mark: Mark = "," if "comma" in column.format else "."
        odd = next((cell for cell in cells.texts if not is_number(cell, mark)), None)
        if odd is None:
            from tenfold.data.columns.numbers import parse_numbers

            numbers = parse_numbers(cells.texts, mark)
            assert numbers is not None
            return Column(column.name, "number", cells.spread("number", numbers.values), column.spelled, asked=kind)
        raise _not(table, column, cells, odd, "number")
    if kind == "date":
        dates = parse_dates(cells.texts)
        if dates is not None:
            return Column(column.name, "date", cells.spread("date", dates[0]), column.spelled, dates[1][0], asked=kind)
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
