"""From the cells of a text file to typed columns: missing markers, and the rules of the kinds on whole columns.

What a rule noticed becomes a note, and what nearly followed a rule a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from tenfold.data.columns.dates import parse_dates
from tenfold.data.columns.kinds import CELL_RULES, KINDS, SWAPPED, ColumnKind
from tenfold.data.columns.missing import USUAL_MISSING, MissingWords
from tenfold.data.columns.numbers import MARK_NAMES, Mark, MarkEvidence, decide_mark, is_number
from tenfold.data.columns.plain_numbers import PlainNumbers
from tenfold.data.columns.read_contract import USUAL_READING, ReadContract
from tenfold.data.columns.table import Column, Table, blank_column, place_of
from tenfold.formatting import listed

Array = np.ndarray
NEARLY = 0.95  # share of cells from which a column of text is nearly numbers, or nearly dates
# Distinct cells up to which a column remembers their spelling. More than that are no classes or levels, and an object
# array a column would cost as much memory as its numbers again.
SPELLED = 1000
SIGNED = re.compile(r"[$\u20ac\u00a3\u00a5]\s?[-+0-9.,]+|[-+0-9.,]+\s?[%$\u20ac\u00a3\u00a5]")


@dataclass(frozen=True)
class Cells:
    """The cells of one column: distinct cells (without the blanks around them), and which one each row holds; and the
    words that stand for a missing value."""

    name: str
    distinct: list[str]
    codes: Array  # (rows,) int64
    words: MissingWords = USUAL_MISSING

    @staticmethod
    def of(name: str, cells: Sequence[str], words: MissingWords = USUAL_MISSING) -> Cells:
        """From one string a row."""
        # Everything after this looks at distinct cells only: a column of a million rows often has a few hundred.
        index = {cell: code for code, cell in enumerate(dict.fromkeys(cells))}
        codes = np.fromiter(map(index.__getitem__, cells), np.int64, len(cells))
        return Cells(name, [cell.strip() for cell in index], codes, words)

    @cached_property
    def present(self) -> list[int]:
        """Indices into `distinct` of the cells that are not missing markers."""
        return [i for i, cell in enumerate(self.distinct) if cell not in self.words]

    @property
    def texts(self) -> list[str]:
        """The distinct cells that are not missing."""
        return [self.distinct[i] for i in self.present]

    @property
    def markers(self) -> tuple[tuple[str, int], ...]:
        """The missing markers but the empty cell, and how many rows hold each."""
        present = set(self.present)
        absent = [i for i in range(len(self.distinct)) if i not in present and self.distinct[i]]
        return tuple((self.distinct[i], int((self.codes == i).sum())) for i in absent)

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


def cells_of_texts(texts: Array, name: str, words: MissingWords = USUAL_MISSING) -> Cells:
    """From an array of one string a row, in numpy's compact type for strings."""
    return Cells.of(name, texts.tolist(), words)


ReadColumn = Callable[[], Cells | PlainNumbers]


@dataclass(frozen=True)
class TextTable:
    """A table as a text file holds it, of which no cell was read yet.

    columns: a function for each column that makes its cells, so that one column at a time is in memory as Python
    strings, or gives the numbers that a reader found. point_only: as in `infer_all`; source, notes, lines: as in
    `Table`. reading: what holds for later files too. bad: rows that could not be read and have no value, with a word on
    each. most_bad: the share of the rows that may be like that.
    """

    name: str
    source: str
    names: tuple[str, ...]
    columns: tuple[ReadColumn, ...]
    point_only: bool
    notes: tuple[str, ...]
    lines: Array
    reading: ReadContract = USUAL_READING
    bad: tuple[tuple[int, str], ...] = ()
    most_bad: float = 0.0

    def infer(self) -> Table:
        """The table whose kinds the cells decide."""
        columns, notes = infer_all(self.columns, point_only=self.point_only, lines=self.lines)
        return Table(self.name, self.source, tuple(columns), (*self.notes, *notes), self.lines, "", self.reading)

    def named(self, names: Sequence[str]) -> TextTable:
        """The same columns under other names."""
        makers = tuple(partial(_renamed, make, name) for make, name in zip(self.columns, names, strict=True))
        return replace(self, names=tuple(names), columns=makers)

    def place(self, row: int, name: str) -> str:
        """File, line and column of a cell, in words."""
        return place_of(self.source, self.lines, row, self.names, name)


def _renamed(make: ReadColumn, name: str) -> Cells | PlainNumbers:
    return replace(make(), name=name)


def spelled_cells(column: Column, levels: Sequence[str] = ()) -> Cells:
    """The cells of a column as its source spells them, or would. levels: those that are known already."""
    spelled = column.values if column.kind == "text" else column.spelled
    if spelled is None:
        spell = KINDS[column.kind].spell
        # A boolean of a frame is no text: True, true or TRUE, it takes the letter case of the levels.
        known = {level.casefold(): level for level in levels} if column.kind == "boolean" else {}
        spelled = np.array([known.get(spell(value), spell(value)) for value in column.values], object)
        spelled[column.missing] = ""
    return Cells.of(column.name, [text or "" for text in spelled])


def infer(cells: Cells | PlainNumbers, mark: Mark = ".", lines: Array | None = None) -> tuple[Column, list[str]]:
    """The column that the rules make of these cells, and notes about it. lines (rows,): for "first on line ..."."""
    if isinstance(cells, PlainNumbers):
        return Column(cells.name, "number", cells.values), []
    # Words that the user names are no question.
    texts, markers = cells.texts, cells.markers if cells.words == USUAL_MISSING else ()
    if not texts:
        return replace(blank_column(cells.name, "text", len(cells.codes)), markers=markers), []
    parsed = next(found for rule in CELL_RULES if (found := rule.parse(texts, mark)) is not None)
    doubt = parsed.doubt
    if parsed.kind == "text" and not doubt and not parsed.notes:
        doubt = _doubt(cells, mark, lines)
    if parsed.values is None:
        column = Column(cells.name, "text", cells.spelled, doubt=doubt, markers=markers)
    else:
        # Dates that another file could mean the other way round are read again when the schema says which way.
        swappable = any(parsed.format in pair for pair in SWAPPED)
        spelled = cells.spelled if swappable or len(cells.distinct) <= SPELLED else None
        values = cells.spread(parsed.kind, parsed.values)
        column = Column(cells.name, parsed.kind, values, spelled, parsed.format, markers=markers)
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
    for marker, count in cells.markers:
        markers.setdefault(marker, []).append((cells.name, count))
