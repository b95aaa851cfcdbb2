"""CSV and TSV, read strictly: every record must have a cell for every column, or the file is refused.

A large file without quotes that is regular from its first row to its last is cut by DuckDB instead of the csv module
(`unquoted.py`), with the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice

import numpy as np

from tenfold.data.columns.bad_rows import bad_rows_note, refuse_too_many
from tenfold.data.columns.cells import TextTable, cells_of_texts
from tenfold.data.columns.characters import composed
from tenfold.data.columns.numbers import is_number
from tenfold.data.columns.read_contract import ReadContract
from tenfold.data.read.dialect import detect
from tenfold.data.read.layout import HEAD, TableLayout, find_table, wrong_width
from tenfold.data.read.left_out import Collected, is_comment_line, leave_out
from tenfold.data.read.options import DEFAULT, ReadOptions
from tenfold.data.read.records import RawRow, TextFile
from tenfold.data.read.text import to_utf8
from tenfold.data.read.unquoted import LEAST_BYTES, NamedColumn, cut_unquoted, read_unquoted
from tenfold.errors import BadInput

Array = np.ndarray
ROWS_A_COLUMN = 4  # from which on DuckDB pays: what it costs grows with the square of the columns
CHUNK = 65_536  # records that are held as Python lists at a time


def read_delimited(
    raw: bytes,
    *,
    name: str,
    source: str,
    notes: list[str],
    tabs: bool = False,
    least: int = LEAST_BYTES,
    options: ReadOptions = DEFAULT,
    expected: Collection[str] = (),
    keep_bad: bool = False,
) -> TextTable:
    """The cells in the bytes of a CSV or TSV file. tabs: the file is a TSV by its name. least: bytes from which on a
    regular file is cut by DuckDB, with the same result. expected: names that the header must hold, where they are
    known. keep_bad: rows that the options drop stay, without a value, and are named in `TextTable.bad`.

    BadInput, with file, line and column: see `to_utf8`; a row with too few or too many cells, a duplicate column
    name, an unbalanced quote, a header repeated in the middle, a second table, a file cut inside a row, a header
    without rows; more bad rows than the options allow.
    """
    text, encoding = to_utf8(raw, source)
    dialect = detect(text, tabs=tabs, options=options)
    file = TextFile(text, dialect, source, options)
    records = file.records()
    head = list(islice(records, HEAD))
    layout = find_table(file, head, expected)
    before = [*notes, *encoding, *dialect.notes]
    found = None if len(text) < least else _cut(file, head, layout, ROWS_A_COLUMN if least else 0)
    if found is not None:
        names, more = _names(file, layout)
        makers = tuple(partial(column, title) for title, column in zip(names, found[0], strict=True))
        return TextTable(
            name, source, tuple(names), makers, dialect.delimiter == ",",
            (*before, *layout.notes, *more, *_no_line_end(file)), found[1], reading=_contract(layout, options, ()),
        )  # fmt: skip
    table = _collect(file, layout, chain(head[layout.rest :], records))
    left = leave_out(file, table, layout.columns)
    bad, said = _bad_rows(file, layout, table, keep=keep_bad)
    names, columns, more = _without_empty_end(file, layout, table)
    kept = [f"a quote inside an unquoted cell stands for itself ({_lines(file.kept)})"] if file.kept else []
    makers = tuple(
        partial(cells_of_texts, column, title, options.words) for title, column in zip(names, columns, strict=True)
    )
    every = (*before, *layout.notes, *more, *_blanks(head), *kept, *left, *said, *_no_line_end(file))
    return TextTable(
        name, source, tuple(names), makers, dialect.delimiter == ",", every, table.lines,
        _contract(layout, options, names), bad, options.most_bad,
    )  # fmt: skip


def _contract(layout: TableLayout, options: ReadOptions, names: Collection[str]) -> ReadContract:
    """What later files are to be read by as well."""
    columns = () if layout.header else tuple(names)
    return ReadContract(not layout.header, columns, options.missing, options.bad_rows)


def _blanks(head: list[RawRow]) -> list[str]:
    """A note on one column whose lines all have the same number of words."""
    words = {len(record.cells[0].split()) if len(record.cells) == 1 else 0 for record in head if not record.blank}
    if len(words) != 1 or (count := words.pop()) < 2:
        return []
    return [
        f"one column, and every line has {count} words: if blanks set off columns, put commas or tabs in their place"
    ]


def _no_line_end(file: TextFile) -> list[str]:
    return [] if file.text.endswith((b"\n", b"\r")) else ["the last line has no line end: is the file complete?"]


def _lines(lines: list[int]) -> str:
    return f"line {lines[0]}" if len(lines) == 1 else f"{len(lines)} lines, the first is {lines[0]}"


def _cut(
    file: TextFile, head: list[RawRow], layout: TableLayout, rows_a_column: int
) -> tuple[list[NamedColumn], Array] | None:
    """What makes the cells of each column and the line of each row, of a file that can be cut without a doubt and has
    so many rows for every column."""
    first = head[layout.rest].line
    plain = bool(layout.header) and first == layout.line + 1 and len(layout.header) == layout.width
    if not plain or layout.ends or not layout.titles[-1] or file.options.skipped or b"\n#" in file.text:
        return None
    rows = cut_unquoted(file.text, file.dialect, layout.header, layout.line, file.options.words)
    if rows is None or rows.rows < rows_a_column * rows.width or _has_end(file, layout):
        return None
    columns = read_unquoted(rows)
    return None if columns is None else (columns, np.arange(first, first + rows.rows))


def _has_end(file: TextFile, layout: TableLayout) -> bool:
    """Whether the last lines of a regular file may be something else than rows."""
    tail = file.text[-262_144:]
    lines = tail[tail.find(b"\n") + 1 :]
    last = TextFile(lines, replace(file.dialect, skip=0, header_comment=False), file.source, file.options)
    try:
        table = _collect(last, layout, last.records())
        rows = table.rows
        return bool(leave_out(last, table, layout.columns)) or table.rows < rows
    except BadInput:
        return True


def _collect(file: TextFile, layout: TableLayout, records: Iterator[RawRow]) -> Collected:
    """The cells of each column; BadInput at the header's copy."""
    width, several = layout.width, layout.width > 1
    header = [cell.strip() for cell in layout.header]
    chunk: list[list[str]] = []
    parts: list[list[Array]] = []
    lines: list[int] = []
    table = Collected([], np.empty(0, np.int64))
    blank: list[int] = []  # in a file of one column a blank line is a missing cell, unless the file ends with it
    for record in records:
        cells = record.cells
        # A lone pair of quotes is how programs write the missing cell of a row that has no other.
        if len(cells) != width or (not several and record.blank and record.bare):
            if record.blank:
                blank.append(record.line)
                table.blanks.add(len(lines))
            else:
                table.odd.append((len(lines), record))
            continue
        if several and [cells[0].strip()] == header[:1] and [cell.strip() for cell in cells] == header:
            raise BadInput(
                "the header is repeated",
                where=file.place(record.line, 1),
                expected="data rows after the first header",
                do="remove that line; were several files joined?",
            )
        if not several and blank:
            chunk += [[""]] * len(blank)
            lines += blank
            blank = []
        if several and record.empty:
            table.bare.add(len(lines))
        # Who puts a cell in quotes means a cell; a spreadsheet does so with a comment, too, beside empty cells.
        if cells[0].lstrip().startswith("#") and (not record.opened or (several and record.filled == 1)):
            table.comments.append(len(lines))
        chunk.append(cells)
        lines.append(record.line)
        if len(chunk) >= CHUNK:
            parts.append(_transpose(chunk))
            chunk = []
    if chunk:
        parts.append(_transpose(chunk))
    table.columns = [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
    table.lines = np.array(lines, np.int64)
    return table


def _transpose(chunk: list[list[str]]) -> list[Array]:
    # StringDType is compact: a million rows in waiting do not cost a Python object for every cell.
    return [np.array(cells, np.dtypes.StringDType()) for cells in zip(*chunk, strict=True)]


def _bad_rows(
    file: TextFile, layout: TableLayout, table: Collected, *, keep: bool
) -> tuple[tuple[tuple[int, str], ...], list[str]]:
    """Refuse the rows that cannot be read, or drop them and say so; keep: leave rows without a value in their place,
    which are returned with a word on each."""
    comments = [record for _, record in table.odd if is_comment_line(record)]
    table.odd = [(at, record) for at, record in table.odd if not is_comment_line(record)]
    notes = [f"comments left out ({_lines([record.line for record in comments])})"] if comments else []
    errors = [(record.line, _wrong_width(file, layout, table, at, record)) for at, record in table.odd]
    errors = sorted([*errors, *file.damaged], key=lambda fault: fault[0])
    if not errors:
        return (), notes
    if not file.options.drops:
        raise errors[0][1]
    total = table.rows + len(errors)
    first = errors[0][1]
    refuse_too_many(len(errors), total, file.options.most_bad, first=first.found, where=first.where)
    words = ((line, error.found) for line, error in errors)
    notes.append(bad_rows_note(words, total, "have no prediction" if keep else "are dropped"))
    if not keep:
        return (), notes
    lines = np.array([line for line, _ in errors], np.int64)
    places = np.searchsorted(table.lines, lines)
    table.columns = [np.insert(column, places, "") for column in table.columns]
    table.lines = np.insert(table.lines, places, lines)
    rows = places + np.arange(len(places))
    return tuple((int(row), error.found) for row, (_, error) in zip(rows, errors, strict=True)), notes


def _wrong_width(file: TextFile, layout: TableLayout, table: Collected, at: int, record: RawRow) -> BadInput:
    """The error for a record with too few or too many cells."""
    titles = layout.titles[:-1] if layout.ends and layout.header else layout.titles
    cells, width, line = len(record.cells), len(titles), record.line
    few = cells < width
    if few and at == table.rows and record is table.odd[-1][1] and not file.text.endswith((b"\n", b"\r")):
        return BadInput(
            f"the file ends inside a row: {cells} of {width} cells",
            where=file.place(line, cells, titles),
            expected=f"{width} cells",
            do="fetch or export the file again: it is cut off",
        )
    place = file.place(line, cells + 1 if few else width + 1, titles)
    names = {" ".join(cell.split()) for cell in record.cells if cell.strip()}
    if len(names) > 1 and (names <= set(titles) or at in table.blanks):
        return BadInput(
            f"another table seems to begin: {cells} cells, the header has {width}",
            where=place,
            expected="one table in a file",
            do=f"--skip-rows {line}- to read the first table only",
        )
    return wrong_width(file, record, titles, layout.line, header=False)


def _without_empty_end(
    file: TextFile, layout: TableLayout, table: Collected
) -> tuple[list[str], list[Array], list[str]]:
    """Names and columns without the empty ones at the end that have no name, and notes."""
    titles, columns, notes = list(layout.titles), list(table.columns), []
    if not table.rows:
        line = layout.line + 1
        raise BadInput("a header without rows", where=file.place(line, 1), expected="at least one data row")
    dropped = 0
    while len(titles) > 1 and ((layout.ends and not dropped) or not titles[-1]):
        filled = np.flatnonzero(np.strings.str_len(np.strings.strip(columns[-1])))
        if filled.size and layout.ends and layout.header and not dropped:
            record = RawRow(int(table.lines[filled[0]]), table.row(int(filled[0])), True)
            raise _wrong_width(file, layout, table, int(filled[0]), record)
        if filled.size:
            break
        titles.pop()
        columns.pop()
        dropped += 1
    if dropped:
        every = "row" if layout.ends and layout.header else "line"
        notes.append(f"a delimiter ends every {every}: the empty last column is dropped" if dropped == 1
                     else f"the {dropped} last columns have neither a name nor a value and are dropped")  # fmt: skip
    names, more = _names(file, replace(layout, titles=titles))
    return names, columns, [*notes, *more]


def _names(file: TextFile, layout: TableLayout) -> tuple[list[str], list[str]]:
    """The column names: as in the header, "column 3" for an empty third one; refuses a name that occurs twice."""
    names: list[str] = []
    places: dict[str, int] = {}
    notes: list[str] = []
    titles = [composed(title) for title in layout.titles]
    counts = Counter(titles)
    common, most = counts.most_common(1)[0]
    if common and most > max(2, len(titles) / 2):
        # A word that stands over most columns names none of them.
        again = {title: iter(range(1, len(titles) + 1)) for title, count in counts.items() if title and count > 1}
        titles = [f"{title} {next(again[title])}" if title in again else title for title in titles]
        notes.append(f"{most} columns are called '{common}': they are numbered, '{common} 1' first")
    for number, title in enumerate(titles, 1):
        name = title or f"column {number}"
        if not title:
            notes.append(f"column {number} has no name and is called '{name}'")
        if places.setdefault(name, number) != number:
            raise BadInput(
                f"two columns are named '{name}' (columns {places[name]} and {number})",
                where=file.place(layout.line, number),
                expected="distinct column names",
                do=f"rename one of them, or number all columns: --no-header --skip-rows {layout.line}",
            )
        names.append(name)
    if layout.header and any(titles) and all(is_number(title) for title in titles if title):
        notes.append(
            "the header holds only numbers: if these are data, --no-header, or put a line of column names before them"
        )
    return names, notes
