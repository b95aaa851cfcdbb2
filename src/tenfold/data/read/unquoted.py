"""A large text file without quotes, cut into cells by DuckDB: the cells of the strict reader, a hundred times as fast.

Without quotes nothing has to be interpreted: a line is a record, and a delimiter ends a cell. What is less regular (a
quote, a blank line, a row of another width, mixed line ends, a repeated header) is left to the strict reader in
`delimited.py`, which also says what is wrong and where.
"""

from __future__ import annotations

import glob
import re
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tenfold.data.columns.cells import SPELLED, Cells, cells_of_texts
from tenfold.data.columns.characters import clean
from tenfold.data.columns.codes import distinct_values
from tenfold.data.columns.in_threads import for_each
from tenfold.data.columns.missing import USUAL_MISSING, MissingWords
from tenfold.data.columns.numbers import EXACT, MarkEvidence, is_number
from tenfold.data.columns.plain_numbers import GROUPED_BY_POINTS, PLAIN_NUMBER, PlainNumbers
from tenfold.data.read.dialect import DELIMITERS, Dialect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Array = np.ndarray
LEAST_BYTES = 1 << 20  # of a file from which on it pays to load DuckDB
CHUNK_BYTES = 1 << 24  # that are looked at together
LONGEST_LINE = 131_072  # bytes: the strict reader refuses longer cells
HEAD_ROWS = 200  # that show which columns may be numbers
MANY = 20_000  # distinct cells from which on Python numbers them faster than DuckDB
ODD = (b" ", b"_", b"+", b"\v", b"\f")  # what may be in a cell that DuckDB takes for a number, and Python does not
MARK = "\ufeff".encode()  # DuckDB would take it out of the first cell


# Where Python looks interactive, as in a notebook, DuckDB would print a progress bar among the output.
QUIET = "SET enable_progress_bar = false"
NamedColumn = Callable[[str], Cells | PlainNumbers]


@dataclass(frozen=True)
class UnquotedRows:
    """The rows of a file, each a line with one cell for every column.

    text: the file; start: where its first row begins; rows: their number; crlf: how they end; blanks: whether there may
    be blanks around cells; odd: whether one of the characters in ODD occurs; words: that stand for a missing value.
    """

    text: bytes
    start: int
    rows: int
    width: int
    delimiter: str
    crlf: bool
    blanks: bool
    odd: bool
    words: MissingWords = USUAL_MISSING

    @contextmanager
    def open(self) -> Generator[DuckDBPyConnection]:
        """A connection with the view `file` of the cells as text, columns c0, c1, ..., NULL for empty ones."""
        import duckdb

        # What was checked is read, and not what the file may hold by now; DuckDB reads no memory of another program.
        with (
            tempfile.NamedTemporaryFile(suffix=".csv") as copy,
            duckdb.connect(config={"autoinstall_known_extensions": False}) as connection,
        ):
            connection.execute(QUIET)
            for start in range(self.start, len(self.text), CHUNK_BYTES):
                part = self.text[start : start + CHUNK_BYTES]
                # Every CR is part of a CRLF here, on which DuckDB 2.0 fails at the end of some files.
                copy.write(part.replace(b"\r", b"") if self.crlf else part)
            copy.flush()
            columns = ", ".join(f"c{i}: 'VARCHAR'" for i in range(self.width))
            where = glob.escape(copy.name).replace("'", "''")
            trimmed = "nullif(ltrim(c{0}, ' '), '') c{0}" if self.blanks and self.delimiter != "\t" else "c{0}"
            cells = ", ".join(trimmed.format(i) for i in range(self.width))
            connection.execute(
                f"CREATE TEMP VIEW file AS SELECT {cells} FROM read_csv('{where}', auto_detect = false, "
                f"header = false, delim = '{self.delimiter}', quote = '', escape = '', columns = {{{columns}}}, "
                "new_line = '\\n', strict_mode = true)"
            )
            yield connection

    def cells(self, column: int, name: str) -> Cells:
        """The cells of one column, read again."""
        with self.open() as connection:
            return Cells.of(name, _texts(connection, "file", column).tolist(), self.words)


def cut_unquoted(
    text: bytes, dialect: Dialect, header: Sequence[str], header_line: int, words: MissingWords = USUAL_MISSING
) -> UnquotedRows | None:
    """The rows after the header, if the text is so regular that they can be cut without a doubt, else None.

    text: UTF-8 without NUL; header: its cells as the strict reader gives them; header_line: its line, from 1.
    """
    crlf = b"\r" in text
    if len(header) < 2 or dialect.delimiter not in DELIMITERS or dialect.quote.encode() in text:
        return None
    if crlf and not text.count(b"\r") == text.count(b"\r\n") == text.count(b"\n"):
        return None
    start = 0
    for _ in range(header_line):
        start = text.find(b"\n", start) + 1
        if not start:
            return None
    rows = _regular_lines(text, start, len(header), dialect.delimiter.encode(), b"\r\n" if crlf else b"\n")
    if not rows or text.startswith(MARK, start) or _repeats(text, start, header, dialect):
        return None
    blanks, *others = (text.find(character, start) >= 0 for character in ODD)
    return UnquotedRows(text, start, rows, len(header), dialect.delimiter, crlf, blanks, blanks or any(others), words)


def _regular_lines(text: bytes, start: int, width: int, delimiter: bytes, end: bytes) -> int:
    """The number of lines from there on, 0 unless all of them have so many cells and none is blank or too long."""
    rows, size = 0, len(text)
    line_end, between = end[-1], delimiter[0]
    while start < size:
        stop = min(start + CHUNK_BYTES, size)
        stop = size if stop == size else text.rfind(b"\n", start, stop) + 1
        if stop <= start:
            return 0
        part = np.frombuffer(text, np.uint8, stop - start, start)
        places = np.flatnonzero((part == between) | (part == line_end))
        if part[-1] != line_end:  # the last line of a file may lack its end
            places = np.append(places, len(part))
        if len(places) % width:
            return 0
        ends = places.reshape(-1, width)
        marks = part[ends[:, :-1]]
        lasts = ends[:, -1]
        closed = part[lasts[:-1]] if lasts[-1] == len(part) else part[lasts]
        if not ((marks == between).all() and (closed == line_end).all()):
            return 0
        if np.diff(lasts, prepend=-1).max() > LONGEST_LINE:
            return 0
        rows += len(ends)
        start = stop
    return rows


def _repeats(text: bytes, start: int, header: Sequence[str], dialect: Dialect) -> bool:
    """Whether a row may equal the header. Most often one of its names is nowhere else in the file."""
    if text.find(max(header, key=len).encode(), start) < 0:
        return False
    # Blanks before a cell do not count, unless tabs are between the cells.
    blanks = "" if dialect.delimiter == "\t" else " *"
    cells = (blanks + re.escape(cell) for cell in header)
    row = "\n" + re.escape(dialect.delimiter).join(cells) + "(?=[\r\n]|$)"
    return re.compile(row.encode()).search(text, start - 1) is not None


def read_unquoted(rows: UnquotedRows) -> list[NamedColumn] | None:
    """For each column what makes its cells, or its numbers, from its name; None where DuckDB finds other rows."""
    import duckdb

    try:
        with rows.open() as connection:
            numbers = _numbers(connection, rows)
            others = [i for i in range(rows.width) if i not in numbers]
            made = numbers | _cells_of_others(connection, rows, others)
            return [made[i] for i in range(rows.width)]
    except (duckdb.Error, OSError, _OtherRows):
        return None


class _OtherRows(Exception):
    """DuckDB found another number of rows than there are lines."""


def _fetched(connection: DuckDBPyConnection, query: str) -> list[Array]:
    """The columns that a query gives, masked where there are NULLs."""
    return [np.asanyarray(values) for values in connection.execute(query).fetchnumpy().values()]


def _texts(connection: DuckDBPyConnection, table: str, column: int) -> Array:
    """The cells of a column as Python strings."""
    return _fetched(connection, f"SELECT coalesce(c{column}, '') FROM {table}")[0]


def _number(column: int, *, odd: bool) -> str:
    """The number in a cell, in SQL: NULL where the cell holds no plain one. It may be NaN or infinite. odd: as in
    `UnquotedRows`."""
    # The cast takes more than plain numbers (blanks, 1_000, 007), and rounds correctly. Without odd characters only
    # leading zeros are left to be refused, and two texts are compared in a tenth of the time of a regular expression.
    c = f"c{column}"
    if odd:
        return f"CASE WHEN regexp_full_match({c}, '{PLAIN_NUMBER}') THEN TRY_CAST({c} AS DOUBLE) END"
    zeros = f"({c} >= '00' AND {c} < '0:') OR ({c} >= '-00' AND {c} < '-0:')"
    return f"CASE WHEN {zeros} THEN NULL ELSE TRY_CAST({c} AS DOUBLE) END"


def _numbers(connection: DuckDBPyConnection, rows: UnquotedRows) -> dict[int, NamedColumn]:
    """What makes the numbers of each column that is made of plain ones."""
    head = connection.execute(f"SELECT * FROM file LIMIT {HEAD_ROWS}").fetchall()
    likely = [i for i, cells in enumerate(zip(*head, strict=True)) if _looks_numeric(cells, rows.words)]
    if not likely:
        return {}
    numbers = ", ".join(f"{_number(i, odd=rows.odd)} c{i}" for i in likely)
    arrays = _fetched(connection, f"SELECT {numbers} FROM file")
    if any(len(values) != rows.rows for values in arrays):
        raise _OtherRows
    plain = for_each(_if_plain, arrays, rows.rows)
    del arrays
    found = {i: values for i, values in zip(likely, plain, strict=True) if values is not None}
    strays = _strays(connection, [i for i, values in found.items() if np.isnan(values).any()], odd=rows.odd)
    evidence = _evidence(connection, list(found)) if rows.delimiter != "," else {}
    made: dict[int, NamedColumn] = {}
    for i, values in found.items():
        stray, mark = strays.get(i, {}), evidence.get(i, "same")
        # Of several markers the notes name the one first that comes first in the file: the strict reader knows.
        if len(stray) > 1 or mark == "both" or any(cell.strip() not in rows.words for cell in stray):
            continue
        marker, marked = next(iter(stray.items()), ("", 0))
        made[i] = partial(_plain_numbers, rows, i, values, marker.strip(), marked if marker.strip() else 0, mark)
    return made


def _plain_numbers(
    rows: UnquotedRows, column: int, values: Array, marker: str, marked: int, evidence: MarkEvidence, name: str
) -> PlainNumbers:
    return PlainNumbers(name, values, marker, marked, evidence, partial(rows.cells, column, name))


def _looks_numeric(cells: tuple[str | None, ...], words: MissingWords) -> bool:
    present = [cell for cell in cells if cell is not None and cell.strip() not in words]
    return bool(present) and all(map(is_number, present))


def _if_plain(values: Array) -> Array | None:
    """The values with NaN for missing (masked) ones; None where a number needs a word about how it is spelled, or there
    are so few different ones that their spelling is remembered."""
    present = values.compressed() if isinstance(values, np.ma.MaskedArray) else values
    # The comparison is false for NaN too, which a cell then spells.
    if not len(present) or not max(present.max(), -present.min()) < EXACT:
        return None
    if not any(distinct_values(part) > SPELLED for part in (present[: 4 * SPELLED], present)):
        return None
    return np.ma.filled(values, np.nan)


def _strays(connection: DuckDBPyConnection, columns: Sequence[int], *, odd: bool) -> dict[int, dict[str, int]]:
    """Of each column the cells that hold something else than a plain number, and how often they occur."""
    if not columns:
        return {}
    sums = [f"histogram(c{i}) FILTER (WHERE c{i} IS NOT NULL AND {_number(i, odd=odd)} IS NULL)" for i in columns]
    row = connection.execute(f"SELECT {', '.join(sums)} FROM file").fetchone() or ()
    return {i: found or {} for i, found in zip(columns, row, strict=True)}


def _evidence(connection: DuckDBPyConnection, columns: Sequence[int]) -> dict[int, MarkEvidence]:
    """On the decimal mark of columns of plain numbers (see `decide_mark`)."""
    if not columns:
        return {}
    point = [f"bool_or(contains(c{i}, '.'))" for i in columns]
    only = [f"bool_or(contains(c{i}, '.') AND NOT regexp_full_match(c{i}, '{GROUPED_BY_POINTS}'))" for i in columns]
    row = connection.execute(f"SELECT {', '.join([*point, *only])} FROM file").fetchone() or ()
    pairs = zip(columns, row[: len(columns)], row[len(columns) :], strict=True)
    return {i: "only" if sure else "both" if points else "same" for i, points, sure in pairs}


def _cells_of_others(
    connection: DuckDBPyConnection, rows: UnquotedRows, columns: Sequence[int]
) -> dict[int, NamedColumn]:
    """What makes the cells of these columns."""
    if not columns:
        return {}
    cells = ", ".join(f"coalesce(c{i}, '') c{i}" for i in columns)
    connection.execute(f"CREATE TEMP TABLE others AS SELECT {cells} FROM file")
    counts = ", ".join(f"approx_count_distinct(c{i})" for i in columns)
    count, *distinct = connection.execute(f"SELECT count(*), {counts} FROM others").fetchone() or (0,)
    if count != rows.rows:
        raise _OtherRows
    made: dict[int, NamedColumn] = {}
    for i, count in zip(columns, distinct, strict=True):
        if count > MANY:
            # StringDType is compact: a million rows in waiting do not cost a Python object for every cell.
            texts = np.array(_texts(connection, "others", i), np.dtypes.StringDType())
            made[i] = partial(cells_of_texts, texts, words=rows.words)
        else:
            made[i] = partial(_few_cells, *_numbered(connection, i), rows.words)
    return made


def _numbered(connection: DuckDBPyConnection, column: int) -> tuple[list[str], Array]:
    """The distinct cells of a column in order of appearance, and the number of each row's cell (rows,) int32."""
    connection.execute(f"CREATE TEMP TYPE e{column} AS ENUM (SELECT DISTINCT c{column} FROM others)")
    texts = connection.execute(f"SELECT unnest(enum_range(NULL::e{column}))::VARCHAR").fetchall()
    numbers = _fetched(connection, f"SELECT enum_code(c{column}::e{column}) FROM others")[0]
    places, first = np.unique(numbers, return_index=True)
    order = places[np.argsort(first)]
    rank = np.empty(len(texts), np.int32)
    rank[order] = np.arange(len(order))
    return clean(texts[i][0] for i in order), rank[numbers]


def _few_cells(distinct: list[str], codes: Array, words: MissingWords, name: str) -> Cells:
    return Cells(name, distinct, codes.astype(np.int64), words)
