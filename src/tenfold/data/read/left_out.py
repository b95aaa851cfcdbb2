"""Rows of a text file that are no data: notes and totals below the table, comments, lines of delimiters, titles of
sections; and the second table that a file may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tenfold.data.read.evidence import NOTE, TOTAL, Look, against, looks, plain_value
from tenfold.data.read.records import RawRow, TextFile, in_one_line, lines_in_words
from tenfold.errors import BadInput

Array = np.ndarray
TAIL = 60  # rows at the end that may be no data
COMMENTS = 0.05  # share of the rows up to which those that start with # are comments
CLOSE = 5e-3  # relative distance from a sum up to which a row may be the total of rounded numbers


@dataclass
class Collected:
    """The cells of a file as they are collected.

    columns: one array of strings for each column (rows,). lines (rows,): where each row starts. blanks: numbers of rows
    before which there are blank lines. odd: records of another width, each with the number of rows before it. bare:
    numbers of the rows without a filled cell. comments: numbers of the rows that start with #.
    """

    columns: list[Array]
    lines: Array
    blanks: set[int] = field(default_factory=set[int])
    odd: list[tuple[int, RawRow]] = field(default_factory=list[tuple[int, RawRow]])
    bare: set[int] = field(default_factory=set[int])
    comments: list[int] = field(default_factory=list[int])

    @property
    def rows(self) -> int:
        return len(self.lines)

    def row(self, number: int) -> list[str]:
        """The cells of one row."""
        return [str(column[number]).strip() for column in self.columns]

    def without(self, numbers: Sequence[int]) -> None:
        """Take some rows out."""
        keep = np.ones(self.rows, bool)
        keep[list(numbers)] = False
        self.columns = [column[keep] for column in self.columns]
        self.lines = self.lines[keep]


def leave_out(file: TextFile, table: Collected, looks_like: Sequence[Look]) -> list[str]:
    """Take out of a table the rows that are no data, and say so. looks_like: what each column looks like.

    BadInput where another table begins.
    """
    width = len(table.columns)
    out: dict[int, str] = {}
    for number in _comments(table, looks_like):
        out[number] = "comment"
    if width > 2:
        _refuse_tables(file, table, looks_like, out)
    end = table.rows
    while end and end > table.rows - TAIL and (what := _below(table, end - 1, looks_like, out)):
        end -= 1
        out[end] = what
    for number in _totals(table, looks_like, end, out):
        out[number] = "total"
    odd = _odd_below(file, table, out)
    notes = [
        *_said(table, out, "comment", "comment lines"),
        *_said(table, out, "section", "titles of sections"),
        *_said(table, out, "total", "totals of the rows above"),
        *_said(table, out, "empty", "empty lines at the end", show=False),
        *_said(table, out, "note", "notes below the table", odd),
    ]
    last = [number for number in range(max(0, table.rows - 3), table.rows) if number not in out]
    notes += [note for number in last if (note := _doubtful_total(table, number))]
    if out:
        table.without(sorted(out))
    return notes


def _comments(table: Collected, looks_like: Sequence[Look]) -> list[int]:
    """Rows that start with # where hardly any other does: a comment with as many delimiters as a row, and no number or
    date where the others have one."""
    rows = {number: table.row(number) for number in table.comments}
    found = [number for number, cells in rows.items() if _is_comment(cells[0]) and not against(cells, looks_like)[1]]
    return found if len(found) == len(table.comments) <= max(1, COMMENTS * table.rows) else []


def _is_comment(cell: str) -> bool:
    """Whether a cell is the beginning of a comment, and neither a colour nor a number such as #12."""
    rest = cell.lstrip("#")
    return rest.startswith(" ") or (len(rest.split()) > 1 and not rest[:1].isdigit())


def is_comment_line(record: RawRow) -> bool:
    """Whether a record of another width than the rows is a comment."""
    return bool(record.cells) and record.cells[0].lstrip().startswith("#")


def _refuse_tables(file: TextFile, table: Collected, looks_like: Sequence[Look], out: dict[int, str]) -> None:
    """Mark the titles of sections, which follow a blank line; BadInput at the header of another table."""
    numbers = [look in ("number", "date") for look in looks_like]
    candidates = {*table.blanks, *(at + 1 for at in table.bare), *_unlike(table, looks_like)}
    candidates = {at for at in candidates if at < table.rows}
    for at in sorted(candidates - out.keys()):
        cells = table.row(at)
        section = at in table.blanks or at - 1 in table.bare
        if section and sum(map(bool, cells)) == 1 and at + 1 < table.rows:
            out[at] = "section"
            if sum(map(bool, table.row(at + 1))) == 1:
                raise _another(file, table, at, "several lines with one cell each, as above a table")
            at, cells = at + 1, table.row(at + 1)
        differ, agree = against(cells, looks_like, file.options.words)
        texts = [cell for cell, number in zip(cells, numbers, strict=True) if number and cell]
        if differ > 1 and not agree and len(set(texts)) == len(texts) and at + 1 < table.rows:
            raise _another(file, table, at, f"no number in {differ} of {sum(numbers)} columns of numbers")


def _another(file: TextFile, table: Collected, at: int, why: str) -> BadInput:
    """The error for a second table, which begins with this row."""
    line, cells = int(table.lines[at]), [cell for cell in table.row(at) if cell]
    return BadInput(
        f"another table seems to begin: {why} ('{' '.join(cells)[:50]}')",
        where=file.place(line, 1),
        expected="one table in a file",
        do=f"--skip-rows {line}- to read the first table only",
    )


def _unlike(table: Collected, looks_like: Sequence[Look]) -> list[int]:
    """Rows that have text in the columns of numbers that hold some text."""
    found: list[int] = []
    for column, look in zip(table.columns, looks_like, strict=True):
        if look != "number":
            continue
        try:
            column.astype(np.float64)
        except ValueError:
            distinct, codes = np.unique(column, return_inverse=True)
            odd = np.array([looks(str(cell)) == "text" for cell in distinct], bool)
            # A column in which text is common is no column of numbers with a header in it.
            rows = np.flatnonzero(odd[codes])
            found += rows.tolist() if len(rows) <= TAIL else []
    return found


def _below(table: Collected, number: int, looks_like: Sequence[Look], out: dict[int, str]) -> str:
    """What a row at the end is, if it is no data: "empty", "note", or ""."""
    if number in out:
        return out[number]
    if number in table.bare:
        return "empty"
    cells = table.row(number)
    filled = [j for j, cell in enumerate(cells) if cell]
    apart = number in table.blanks or number - 1 in table.bare
    if len(cells) > 2 and len(filled) == 1:
        cell, look = cells[filled[0]], looks_like[filled[0]]
        apart = apart or number + 1 in table.blanks or number + 1 in out
        strange = look in ("number", "date") and looks(cell) == "text"
        return "note" if apart or strange or NOTE.match(cell) else ""
    differ, agree = against(cells, looks_like)
    total = bool(filled) and TOTAL.fullmatch(cells[filled[0]])
    return "note" if apart and differ and not agree and not total else ""


def _totals(table: Collected, looks_like: Sequence[Look], end: int, out: dict[int, str]) -> list[int]:
    """Rows that hold the sums of the rows above, by their first word and by their numbers."""
    found: list[int] = []
    starts = [0, 0]  # of the last two blocks of rows: a total may follow a blank line
    for place in sorted({at for at in (*table.blanks, *table.bare) if 0 < at < end} | {end}):
        for number in range(max(starts[-1], place - 3), place):
            sums = any(number - start > 1 and _is_total(table, number, start, looks_like) for start in starts)
            if number not in out and sums:
                found.append(number)
                starts = [starts[-1], number + 1]
        starts = [starts[-1], max(starts[-1], place)]
    return found


def _is_total(table: Collected, number: int, first: int, looks_like: Sequence[Look]) -> bool:
    """Whether a row says that it is the total of those from `first` on, and is."""
    cells = table.row(number)
    if not any(TOTAL.fullmatch(cell) for cell in cells[:3]):
        return False
    same = other = 0
    for j, (cell, look) in enumerate(zip(cells, looks_like, strict=True)):
        total = plain_value(cell)
        if look != "number" or total is None:
            continue
        above = [
            value for text in table.columns[j][first:number] if (value := plain_value(str(text).strip())) is not None
        ]
        fits = [float(np.sum(above)), float(np.mean(above))] if above else []
        close = any(abs(total - fit) <= CLOSE * max(abs(fit), abs(total)) for fit in fits)
        same, other = same + close, other + (not close)
    return same > other


def _doubtful_total(table: Collected, number: int) -> str:
    """A word on a row that calls itself a total and stays."""
    cells = table.row(number)
    if not any(TOTAL.fullmatch(cell) and cell.lower() != "all" for cell in cells[:3]):
        return ""
    line = int(table.lines[number])
    return (
        f"line {line} may be a total ('{' '.join(cell for cell in cells if cell)[:40]}') and is read as a row; "
        f"--skip-rows {line}-{line} leaves it out"
    )


def _odd_below(file: TextFile, table: Collected, out: dict[int, str]) -> list[RawRow]:
    """Records of fewer cells below the last row that are notes; they are taken out of `table.odd`."""
    left = [at for at in range(table.rows) if at not in out]
    last = left[-1] + 1 if left else 0
    below = [record for at, record in table.odd if at >= last]
    notes: list[RawRow] = []
    gap = table.rows in table.blanks or any(what in ("note", "empty") for at, what in out.items() if at >= last)
    ended = file.text.endswith((b"\n", b"\r"))
    for record in below:
        cell = next((cell.strip() for cell in record.cells if cell.strip()), "")
        narrow = len(record.cells) <= max(1, len(table.columns) - 1)
        single = narrow and (record.filled <= 1 or (gap and bool(NOTE.match(cell))))
        # Without a line end the file may be cut off inside its last row.
        sure = gap or bool(NOTE.match(cell)) or (len(table.columns) > 2 and (ended or record is not below[-1]))
        if not (single and sure) and not (notes and gap):
            break
        notes.append(record)
        gap = True
    if len(notes) == len(below):
        table.odd = [(at, record) for at, record in table.odd if record not in notes]
        return notes
    return []


def _said(
    table: Collected, out: dict[int, str], what: str, words: str, odd: Sequence[RawRow] = (), *, show: bool = True
) -> list[str]:
    """The note on rows that were left out for one reason."""
    rows = sorted(at for at, why in out.items() if why == what)
    lines = [int(table.lines[at]) for at in rows] + [record.line for record in odd]
    if not lines:
        return []
    cells = table.row(rows[0]) if rows else odd[0].cells
    text = in_one_line(cells)[:50]
    return [f"{lines_in_words(lines)} left out, {words}" + (f": '{text}'" if show and text else "")]
