"""From the cells of a text file to typed columns: missing markers, and the rules of the kinds on whole columns.

What a rule noticed becomes a note, and what nearly followed a rule a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tenfold.data.columns.dates import parse_dates
from tenfold.data.columns.kinds import CELL_RULES, KINDS, SWAPPED, ColumnKind
from tenfold.data.columns.numbers import MARK_NAMES, Mark, MarkEvidence, decide_mark, is_number
from tenfold.data.columns.plain_numbers import PlainNumbers
from tenfold.data.columns.table import Column, Table, blank_column, place_of
from tenfold.formatting import listed

Array = np.ndarray
MISSING: tuple[str, ...] = (
    *("", "?", "na", "n/a", "n.a.", "n/k", "nan", "-nan", "<na>", "nat", "null", "(null)", "none", "nil", "\\n"),
    *("-", "--", "---", ".", "#n/a", "#na", "#null!", "#div/0!", "#num!", "#value!", "#ref!", "#name?"),
    *("1.#ind", "1.#qnan"),
)  # compared without regard to letter case, after the blanks around the cell are taken off
NEARLY = 0.95  # share of cells from which a column of text is nearly numbers, or nearly dates
# Distinct cells up to which a column remembers their spelling. More than that are no classes or levels, and an object
# array a column would cost as much memory as its numbers again.
SPELLED = 1000
SIGNED = re.compile(r"[$\u20ac\u00a3\u00a5]\s?[-+0-9.,]+|[-+0-9.,]+\s?[%$\u20ac\u00a3\u00a5]")
_MISSING = frozenset(MISSING)
_LONGEST = max(map(len, MISSING))


def is_missing(cell: str) -> bool:
    """Whether a cell (without the blanks around it) is a missing marker."""
    return len(cell) <= _LONGEST and cell.lower() in _MISSING


@dataclass(frozen=True)
class Cells:
    """The cells of one column: distinct cells (without the blanks around them), and which one each row holds."""

    name: str
    distinct: list[str]
    codes: Array  # (rows,) int64

    @staticmethod
    def of(name: str, cells: Sequence[str]) -> Cells:
        """From one string a row."""
        # Everything after this looks at distinct cells only: a column of a million rows often has a few hundred.
        index = {cell: code for code, cell in enumerate(dict.fromkeys(cells))}
        codes = np.fromiter(map(index.__getitem__, cells), np.int64, len(cells))
        return Cells(name, [cell.strip() for cell in index], codes)

    @cached_property
    def present(self) -> list[int]:
        """Indices into `distinct` of the cells that are not missing markers."""
        return [i for i, cell in enumerate(self.distinct) if not is_missing(cell)]

    @property
    def texts(self) -> list[str]:
        """The distinct cells that are not missing."""
        return [self.distinct[i] for i in self.present]

    def spread(self, kind: ColumnKind, values: Array) -> Array:
        """One value for each row from one for each of `texts`."""
        every = np.full(len(self.distinct), KINDS[kind].blank, KINDS[kind].dtype)
        every[self.present] = values
        return every[self.codes]

    @property
    def spelled(self) -> Array:
        """The cell of each row (rows,), None where it is missing."""
        return self.spread("text", np.array(self.texts, object))

    def rows_of(self, indices: Sequence[int]) -> Array:
        """The rows that hold one of these distinct cells, in order."""
        wanted = np.zeros(len(self.distinct), bool)
        wanted[list(indices)] = True
        return np.flatnonzero(wanted[self.codes])


def cells_of_texts(texts: Array, name: str) -> Cells:
    """From an array of one string a row, in numpy's compact type for strings."""
    return Cells.of(name, texts.tolist())


ReadColumn = Callable[[], Cells | PlainNumbers]


@dataclass(frozen=True)
class TextTable:
    """A table as a text file holds it, of which no cell was read yet.

    columns: a function for each column that makes its cells, so that one column at a time is in memory as Python
    strings, or gives the numbers that a reader found. point_only: as in `infer_all`; source, notes, lines: as in
    `Table`.
    """

    name: str
    source: str
    names: tuple[str, ...]
    columns: tuple[ReadColumn, ...]
    point_only: bool
    notes: tuple[str, ...]
    lines: Array

    def reader(self, name: str) -> ReadColumn:
        """What makes the cells of the column of that name, which must be there."""
        return self._readers[name]

    @cached_property
    def _readers(self) -> dict[str, ReadColumn]:
        return dict(zip(self.names, self.columns, strict=True))

    def infer(self) -> Table:
        """The table whose kinds the cells decide."""
        columns, notes = infer_all(self.columns, point_only=self.point_only, lines=self.lines)
        return Table(self.name, self.source, tuple(columns), (*self.notes, *notes), self.lines)

    def place(self, row: int, name: str) -> str:
        """File, line and column of a cell, in words."""
        return place_of(self.source, self.lines, row, self.names, name)


def infer(cells: Cells | PlainNumbers, mark: Mark = ".", lines: Array | None = None) -> tuple[Column, list[str]]:
    """The column that the rules make of these cells, and notes about it. lines (rows,): for "first on line ..."."""
    if isinstance(cells, PlainNumbers):
        return Column(cells.name, "number", cells.values), []
    texts = cells.texts
    if not texts:
        return blank_column(cells.name, "text", len(cells.codes)), []
    parsed = next(found for rule in CELL_RULES if (found := rule.parse(texts, mark)) is not None)
    doubt = parsed.doubt
    if parsed.kind == "text" and not doubt and not parsed.notes:
        doubt = _doubt(cells, mark, lines)
    if parsed.values is None:
        column = Column(cells.name, "text", cells.spelled, doubt=doubt)
    else:
        # Dates that another file could mean the other way round are read again when the schema says which way.
        swappable = any(parsed.format in pair for pair in SWAPPED)
        spelled = cells.spelled if swappable or len(cells.distinct) <= SPELLED else None
        column = Column(cells.name, parsed.kind, cells.spread(parsed.kind, parsed.values), spelled, parsed.format)
    notes = [f"column '{cells.name}': {note}" for note in parsed.notes]
    if parsed.overflow:
        infinite = set(parsed.overflow)
        rows = cells.rows_of([i for i in cells.present if cells.distinct[i] in infinite])
        sample = ", ".join(sorted(infinite)[:3])
        notes.append(
            f"column '{cells.name}': {len(rows)} infinite or too large ({sample}; first on {_line(rows[0], lines)}), "
            "read as missing"
        )
    return column, notes


def _line(row: int, lines: Array | None) -> str:
    return f"row {row + 1}" if lines is None else f"line {int(lines[row])}"


def _doubt(cells: Cells, mark: Mark, lines: Array | None) -> str:
    """What a text column nearly is, with the first cell that prevents it; "" for plain text."""
    texts = cells.texts
    if all(SIGNED.fullmatch(text) for text in texts):
        return f"numbers with a sign such as '{texts[0]}' are text: take out the sign to have numbers"
    if mark == "." and all(is_number(text, ",") for text in texts):
        return f"'{texts[0]}' looks like a decimal comma: write a point, or separate the columns by semicolons"
    tests = (("numbers", lambda text: is_number(text, mark)), ("dates", lambda text: parse_dates([text]) is not None))
    for what, holds in tests:
        if sum(map(holds, texts[:20])) < len(texts[:20]) / 2:
            continue
        strays = [i for i in cells.present if not holds(cells.distinct[i])]
        rows = cells.rows_of(strays)
        total = len(cells.rows_of(cells.present))
        if 0 < len(rows) < (1 - NEARLY) * total:
            odd = cells.distinct[cells.codes[rows[0]]]
            return (
                f"text, because {len(rows)} of {total} cells are no {what} while the others are: "
                f"'{odd[:40]}' on {_line(rows[0], lines)} is the first"
            )
    return ""


def infer_all(
    columns: Sequence[ReadColumn], *, point_only: bool, lines: Array | None = None
) -> tuple[list[Column], list[str]]:
    """All columns of one file, each given as a function that makes its cells (one column in memory at a time).

    point_only: the file is comma-delimited, so a comma is no decimal mark. Elsewhere columns that can be read only
    one way decide for those that can be read both ways; where none does, the separator that occurs is the decimal.
    """
    marks, notes = decide_marks(columns, point_only=point_only)
    typed: list[Column] = []
    markers: dict[str, list[tuple[str, int]]] = {}
    for make, mark in zip(columns, marks, strict=True):
        cells = make()
        column, column_notes = infer(cells, mark, lines)
        typed.append(column)
        notes += column_notes
        _count_markers(cells, markers)
    commas = [column.name for column in typed if column.format == MARK_NAMES[","]]
    if commas:
        notes.append(f"decimal comma in {listed(commas, 3, quoted=True)}")
    for marker, places in markers.items():
        total = sum(count for _, count in places)
        names = listed((name for name, _ in places), 3, quoted=True)
        notes.append(f"'{marker}' read as missing: {total} cell{'s' * (total > 1)} in {names}")
    return typed, notes


def decide_marks(columns: Sequence[ReadColumn], *, point_only: bool) -> tuple[list[Mark], list[str]]:
    """The decimal mark of each column, and a note for each that could be read both ways (see `infer_all`)."""
    if point_only:
        return ["."] * len(columns), []
    names: list[str] = []
    samples: list[str] = []
    decided: list[tuple[Mark, MarkEvidence]] = []
    for make in columns:
        cells = make()
        names.append(cells.name)
        if isinstance(cells, PlainNumbers):
            samples.append("")
            decided.append((".", cells.evidence))
            continue
        samples.append(next((text for text in cells.texts if "," in text or "." in text), ""))
        decided.append(decide_mark(cells.texts))
    sure: set[Mark] = {mark for mark, evidence in decided if evidence == "only"}
    marks: list[Mark] = []
    notes: list[str] = []
    for name, sample, (mark, evidence) in zip(names, samples, decided, strict=True):
        if evidence == "both":
            mark = sure.copy().pop() if len(sure) == 1 else mark
            notes.append(f"column '{name}': '{sample}' can be read two ways; taken with a {MARK_NAMES[mark]}")
        marks.append(mark)
    return marks, notes


def _count_markers(cells: Cells | PlainNumbers, markers: dict[str, list[tuple[str, int]]]) -> None:
    """Add how often each missing marker but the empty cell occurs in this column."""
    if isinstance(cells, PlainNumbers):
        if cells.marked:
            markers.setdefault(cells.marker, []).append((cells.name, cells.marked))
        return
    present = set(cells.present)
    absent = [i for i in range(len(cells.distinct)) if i not in present and cells.distinct[i]]
    for i in absent:
        markers.setdefault(cells.distinct[i], []).append((cells.name, int((cells.codes == i).sum())))
