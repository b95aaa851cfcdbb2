"""CSV and TSV, read strictly: every record must have a cell for every column, or the file is refused.

The csv module splits the text, and not DuckDB or polars: it gives the line of every record and stops at the first
damaged quote, which the error messages need, and it never guesses. A large file without quotes that is regular from its
first row to its last is cut by DuckDB instead (`unquoted.py`), with the same result.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from tenfold.data.columns.cells import TextTable, cells_of_texts
from tenfold.data.columns.numbers import is_number
from tenfold.data.read.dialect import Dialect, detect, text_lines
from tenfold.data.read.text import to_utf8
from tenfold.data.read.unquoted import LEAST_BYTES, NamedColumn, cut_unquoted, read_unquoted
from tenfold.errors import BadInput

Array = np.ndarray
CHUNK = 65_536  # records that are held as Python lists at a time


@dataclass(frozen=True)
class _File:
    """UTF-8 text, how to split it, and its name for messages."""

    text: bytes
    dialect: Dialect
    source: str

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line (from 1) and cells of every record, blank ones included; BadInput at a damaged quote."""
        reader = csv.reader(text_lines(self.text, self.dialect.skip), **self.dialect.options())
        skip, last = self.dialect.skip, 0
        try:
            for record in reader:
                start, last = last + 1, reader.line_num
                if last > start:
                    self.refuse_swallowed(start + skip, record)
                yield start + skip, record
        except csv.Error as error:
            raise self.damaged(last + 1 + skip, str(error)) from error

    def line(self, number: int) -> str:
        """The text of one line."""
        return next(iter(text_lines(self.text, number - 1)), "").rstrip("\r\n")

    def place(self, line: int, column: int, names: list[str] | None = None) -> str:
        """File, line and column in words."""
        title = f" ('{names[column - 1]}')" if names and column <= len(names) and names[column - 1] else ""
        return f"{self.source}, line {line}, column {column}{title}"

    def damaged(self, line: int, reason: str) -> BadInput:
        """The error for a record that starts on this line and has a damaged quote."""
        text = self.line(line)
        # The last cell that still parses from the start of the line is the one before the damage.
        good = 0
        for end in (i for i, c in enumerate(text[:10_000]) if c == self.dialect.delimiter):
            try:
                good = len(next(csv.reader([text[:end]], **self.dialect.options())))
            except csv.Error:
                continue
        endless = "unexpected end" in reason or "field limit" in reason
        return BadInput(
            f"unbalanced quote: {'a quoted cell that never ends' if endless else 'text goes on after a closing quote'}",
            where=self.place(line, good + 1),
            expected=f"a cell in {self.dialect.quote}quotes{self.dialect.quote}, quotes inside it doubled",
            do="close or remove that quote",
        )

    def refuse_swallowed(self, line: int, record: list[str]) -> None:
        """Refuse a cell whose inner lines are all records of their own: a quote before them was left open."""
        for column, cell in enumerate(record, 1):
            # A quote left open swallows rows until the next quote, and the record that results can be as wide as any
            # other. So lines inside a cell are looked at: if every one of them splits like a row, it is one. With two
            # columns or fewer, text in several lines looks like that by chance.
            inner = cell.splitlines()[1:-1]
            if len(record) < 3 or not inner:
                continue
            options = {**self.dialect.options(), "strict": False}
            if all(len(next(csv.reader([text], **options), [])) == len(record) for text in inner):
                raise BadInput(
                    f"unbalanced quote: a quoted cell runs over lines that look like rows ({len(inner)} of them)",
                    where=self.place(line, column),
                    expected="a quote that closes in its own row",
                    do="close or remove that quote",
                )


def read_delimited(
    raw: bytes, *, name: str, source: str, notes: list[str], tabs: bool = False, least: int = LEAST_BYTES
) -> TextTable:
    """The cells in the bytes of a CSV or TSV file. tabs: the file is a TSV by its name. least: bytes from which on a
    regular file is cut by DuckDB, with the same result.

    BadInput, with file, line and column: see `to_utf8`; a row with too few or too many cells, a duplicate column
    name, an unbalanced quote, a header repeated in the middle, a file cut inside a row, a header without rows.
    """
    text, encoding = to_utf8(raw, source)
    dialect = detect(text, tabs=tabs)
    names, columns, lines, more = _split(_File(text, dialect, source), strictly=len(text) < least)
    makers = tuple(partial(column, title) for title, column in zip(names, columns, strict=True))
    notes = [*notes, *encoding, *dialect.notes, *more]
    return TextTable(name, source, tuple(names), makers, dialect.delimiter == ",", tuple(notes), lines)


def _split(file: _File, *, strictly: bool) -> tuple[list[str], list[NamedColumn], Array, list[str]]:
    """Column names, what makes the cells of each column, the line of each row, notes. strictly: record by record,
    whatever the file."""
    records = file.records()
    header_line, header = next(((line, r) for line, r in records if any(cell.strip() for cell in r)), (1, []))
    if not header:
        raise BadInput("there is no header", where=file.place(1, 1), expected="a header line and data rows")
    titles = [" ".join(cell.split()) for cell in header]
    if file.dialect.header_comment:
        titles[0] = titles[0].lstrip("# ")
    first = next(((line, r) for line, r in records if not _blank(r)), None)
    if first is None:
        raise BadInput("a header without rows", where=file.place(header_line + 1, 1), expected="at least one data row")
    extra = len(first[1]) - len(titles)
    trailing_row = extra == 1 and not first[1][-1].strip()
    if trailing_row:
        titles.append("")
    elif extra == -1 and len(titles) > 1 and not titles[-1]:
        titles.pop()  # the delimiter ends the header, but not the rows
    regular = not strictly and not extra and bool(titles[-1]) and first[0] == header_line + 1
    found = _cut(file, header, header_line) if regular else None
    if found is not None:
        return _named(file, titles, header_line, *found)
    columns, lines = _collect(file, chain([first], records), titles, header)
    empty = len(titles) > 1 and not titles[-1] and not np.strings.str_len(columns[-1]).any()
    if trailing_row and not empty:
        row = int(np.flatnonzero(np.strings.str_len(columns[-1]))[0])
        raise _wrong_width(file, int(lines[row]), len(titles), titles[:-1], ends=False)
    if empty:
        titles.pop()
        columns.pop()
    names, makers, lines, notes = _named(
        file, titles, header_line, [partial(cells_of_texts, column) for column in columns], lines
    )
    if empty:
        notes.append(f"a delimiter ends every {'row' if trailing_row else 'line'}: the empty last column is dropped")
    return names, makers, lines, notes


def _cut(file: _File, header: list[str], header_line: int) -> tuple[list[NamedColumn], Array] | None:
    """What makes the cells of each column and the line of each row, of a file that can be cut without a doubt."""
    rows = cut_unquoted(file.text, file.dialect, header, header_line)
    columns = None if rows is None else read_unquoted(rows)
    if rows is None or columns is None:
        return None
    return columns, np.arange(header_line + 1, header_line + 1 + rows.rows)


def _named(
    file: _File, titles: list[str], header_line: int, columns: list[NamedColumn], lines: Array
) -> tuple[list[str], list[NamedColumn], Array, list[str]]:
    """What `_split` gives, with names and notes of these titles."""
    names, notes = _names(file, titles, header_line)
    if not file.text.endswith((b"\n", b"\r")):
        notes.append("the last line has no line end: is the file complete?")
    return names, columns, lines, notes


def _blank(record: list[str]) -> bool:
    return not record or (len(record) == 1 and not record[0].strip())


def _collect(
    file: _File, records: Iterator[tuple[int, list[str]]], titles: list[str], header: list[str]
) -> tuple[list[Array], Array]:
    """The cells of each column and the line of each row; refuses records of another width, and the header's copy."""
    width = len(titles)
    chunk: list[list[str]] = []
    parts: list[list[Array]] = []
    lines: list[int] = []
    blank: list[int] = []  # in a file of one column a blank line is a missing cell, unless the file ends with it
    for line, record in records:
        if len(record) != width or (width == 1 and _blank(record)):
            if not _blank(record):
                raise _wrong_width(file, line, len(record), titles, ends=next(records, None) is None)
            blank.append(line)
            continue
        if record == header and width > 1:  # in a single column it may well be a value
            raise BadInput(
                "the header is repeated",
                where=file.place(line, 1),
                expected="data rows after the first header",
                do="remove that line; were several files joined?",
            )
        if width == 1 and blank:
            chunk += [[""]] * len(blank)
            lines += blank
            blank = []
        chunk.append(record)
        lines.append(line)
        if len(chunk) >= CHUNK:
            parts.append(_transpose(chunk))
            chunk = []
    if chunk:
        parts.append(_transpose(chunk))
    columns = [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
    return columns, np.array(lines, np.int64)


def _transpose(chunk: list[list[str]]) -> list[Array]:
    # StringDType is compact: a million rows in waiting do not cost a Python object for every cell.
    return [np.array(cells, np.dtypes.StringDType()) for cells in zip(*chunk, strict=True)]


def _wrong_width(file: _File, line: int, cells: int, titles: list[str], *, ends: bool) -> BadInput:
    width = len(titles)
    if ends and cells < width and not file.text.endswith((b"\n", b"\r")):
        return BadInput(
            f"the file ends inside a row: {cells} of {width} cells",
            where=file.place(line, cells, titles),
            expected=f"{width} cells",
            do="fetch or export the file again: it is cut off",
        )
    few = cells < width
    delimiter = repr(file.dialect.delimiter)
    return BadInput(
        f"a row with too {'few' if few else 'many'} cells: {cells}, the header has {width}",
        where=file.place(line, cells + 1 if few else width + 1, titles),
        expected=f"{width} cells set off by {delimiter}",
        do=f"{'add the missing cell' if few else f'quote the cell that holds a {delimiter}'}, or remove the row",
    )


def _names(file: _File, titles: list[str], line: int) -> tuple[list[str], list[str]]:
    """The column names: as in the header, "column 3" for an empty third one; refuses a name that occurs twice."""
    names: list[str] = []
    notes: list[str] = []
    for number, title in enumerate(titles, 1):
        name = title or f"column {number}"
        if not title:
            notes.append(f"column {number} has no name and is called '{name}'")
        if name in names:
            raise BadInput(
                f"two columns are named '{name}' (columns {names.index(name) + 1} and {number})",
                where=file.place(line, number),
                expected="distinct column names",
                do="rename one of them",
            )
        names.append(name)
    if len(titles) > 1 and all(is_number(title) for title in titles if title):
        notes.append("the header holds only numbers: if these are data, put a line of column names before them")
    return names, notes
