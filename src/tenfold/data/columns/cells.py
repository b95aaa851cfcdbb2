"""From the cells of a text file to typed columns: missing markers, and the rules of the kinds on whole columns.

What a rule noticed becomes a note, and what nearly followed a rule a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from tenfold.data.columns.characters import clean, composed
from tenfold.data.columns.doubts import excel_days, text_doubt
from tenfold.data.columns.kinds import CELL_RULES, KINDS, ColumnKind, Parsed
from tenfold.data.columns.missing import USUAL_MISSING, MissingWords
from tenfold.data.columns.number_codes import MOST_CODES
from tenfold.data.columns.numbers import MarkEvidence, decide_mark, has_two_readings
from tenfold.data.columns.plain_numbers import PlainNumbers
from tenfold.data.columns.read_contract import USUAL_READING, ReadContract
from tenfold.data.columns.table import Column, Table, blank_column, place_of
from tenfold.data.columns.units import undress
from tenfold.data.columns.writing import MARK_NAMES, Mark, Writing
from tenfold.formatting import listed

Array = np.ndarray
# Distinct cells up to which a column remembers their spelling. More than that are no classes or levels, and an object
# array a column would cost as much memory as its numbers again.
SPELLED = MOST_CODES


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
        return Cells(name, clean(index), codes, words)

    @cached_property
    def present(self) -> list[int]:
        """Indices into `distinct` of the cells that are not missing markers."""
        # `cell not in self.words`, without a call of every cell of a table of thousands of columns.
        words, longest = self.words.words, self.words.longest
        return [i for i, cell in enumerate(self.distinct) if len(cell) > longest or cell.lower() not in words]

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

    @property
    def numerals(self) -> list[str]:
        """The same without the unit that stands in all of them, if one does."""
        texts = self.texts
        taken = undress(texts) if texts else None
        return texts if taken is None else taken[1]

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(map(composed, self.names)))

    def reader(self, name: str) -> ReadColumn:
        """What makes the cells of the column of that name, which must be there."""
        return self._readers[name]

    @cached_property
    def _readers(self) -> dict[str, ReadColumn]:
        return dict(zip(self.names, self.columns, strict=True))

    @cached_property
    def sure_marks(self) -> dict[str, Mark]:
        """The decimal marks of the columns that can be read with one only, by their names."""
        evidence = zip(self.names, mark_evidence(self.columns), strict=True)
        return {name: mark for name, (_, mark, found, _) in evidence if found == "only"}

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


def infer(
    cells: Cells | PlainNumbers, mark: Mark = ".", lines: Array | None = None, *, unsure: str = ",."
) -> tuple[Column, list[str]]:
    """The column that the rules make of these cells, and notes about it.

    lines (rows,): for "first on line ...". unsure: the separators of which the cells do not say whether they are the
    decimal mark.
    """
    if isinstance(cells, PlainNumbers):
        if not _may_be_days(cells.values):
            doubt = excel_days(cells.name, cells.values)
            return Column(cells.name, "number", cells.values, doubt=doubt), []
        cells = cells.cells()
    # Words that the user names are no question.
    texts, markers = cells.texts, cells.markers if cells.words.words >= USUAL_MISSING.words else ()
    if not texts:
        return replace(blank_column(cells.name, "text", len(cells.codes)), markers=markers), []
    parsed = next(found for rule in CELL_RULES if (found := rule.parse(texts, mark)) is not None)
    doubt = parsed.doubt
    if parsed.values is None:
        if not doubt and not parsed.notes:
            doubt = text_doubt(cells, mark, lambda row: _line(row, lines))
        column = Column(cells.name, "text", cells.spelled, doubt=doubt, markers=markers)
    else:
        number = parsed.kind == "number"
        two_ways = number and has_two_readings(cells.numerals, mark, unsure)
        remembered = parsed.respelled or two_ways or len(cells.distinct) <= SPELLED
        values = cells.spread(parsed.kind, parsed.values)
        if number and not doubt:
            doubt = excel_days(cells.name, values)
        spelled = cells.spelled if remembered else None
        column = Column(
            cells.name, parsed.kind, values, spelled, parsed.format, doubt, two_ways=two_ways, markers=markers,
            overflow=_first_overflow(cells, parsed),
        )  # fmt: skip
    return column, said_of(cells, parsed, lines)


def _first_overflow(cells: Cells, parsed: Parsed) -> tuple[int, str] | None:
    if not parsed.overflow:
        return None
    infinite = set(parsed.overflow)
    row = int(cells.rows_of([i for i in cells.present if cells.distinct[i] in infinite])[0])
    return row, cells.distinct[cells.codes[row]]


def _may_be_days(values: Array) -> bool:
    """Whether these may be dates such as 20110131, of which only their digits can tell."""
    first = values[:1000]
    return not ((first < 18000101) | (first > 20991231)).any()


def said_of(cells: Cells, parsed: Parsed, lines: Array | None) -> list[str]:
    """What was noticed when these cells were read, in words, by column and count."""
    notes = [f"column '{cells.name}': {note}" for note in parsed.notes]
    if parsed.overflow:
        infinite = set(parsed.overflow)
        rows = cells.rows_of([i for i in cells.present if cells.distinct[i] in infinite])
        sample = ", ".join(sorted(infinite)[:3])
        notes.append(
            f"column '{cells.name}': {len(rows)} infinite or too large ({sample}; first on {_line(rows[0], lines)}), "
            "read as missing"
        )
    return notes


def _line(row: int, lines: Array | None) -> str:
    return f"row {row + 1}" if lines is None else f"line {int(lines[row])}"


def infer_all(
    columns: Sequence[ReadColumn], *, point_only: bool, lines: Array | None = None
) -> tuple[list[Column], list[str]]:
    """All columns of one file, each given as a function that makes its cells (one column in memory at a time).

    point_only: the file is comma-delimited, so a comma is no decimal mark. Elsewhere columns that can be read only
    one way decide for those that can be read both ways; where none does, the separator that occurs is the decimal.
    """
    marks, unsure, notes = decide_marks(columns, point_only=point_only)
    typed: list[Column] = []
    markers: dict[str, list[tuple[str, int]]] = {}
    for make, mark, separators in zip(columns, marks, unsure, strict=True):
        cells = make()
        column, column_notes = infer(cells, mark, lines, unsure=separators)
        typed.append(column)
        notes += column_notes
        count_markers(cells, markers)
    commas = [column.name for column in typed if column.kind == "number" and Writing.of(column.format).mark == ","]
    if commas:
        notes.append(f"decimal comma in {listed(commas, 3, quoted=True)}")
    return typed, notes + said_of_markers(markers)


def decide_marks(columns: Sequence[ReadColumn], *, point_only: bool) -> tuple[list[Mark], list[str], list[str]]:
    """The decimal mark of each column, the separators that its cells do not decide about, and a note for each column
    that could be read both ways (see `infer_all`)."""
    if point_only:
        return ["."] * len(columns), [","] * len(columns), []
    evidence = mark_evidence(columns)
    sure: set[Mark] = {mark for _, mark, found, _ in evidence if found == "only"}
    marks: list[Mark] = []
    unsure: list[str] = []
    notes: list[str] = []
    for name, mark, found, sample in evidence:
        if found == "both":
            mark = next(iter(sure)) if len(sure) == 1 else mark
            notes.append(f"column '{name}': '{sample}' can be read two ways; taken with a {MARK_NAMES[mark]}")
        marks.append(mark)
        # What the other columns say here is no more than likely: the contract of a model may know otherwise.
        unsure.append(",." if found == "both" else "")
    return marks, unsure, notes


def mark_evidence(columns: Sequence[ReadColumn]) -> list[tuple[str, Mark, MarkEvidence, str]]:
    """Of each column its name, its decimal mark and the evidence for it (see `decide_mark`), and a cell with one."""
    found: list[tuple[str, Mark, MarkEvidence, str]] = []
    for make in columns:
        cells = make()
        if isinstance(cells, PlainNumbers):
            found.append((cells.name, ".", cells.evidence, ""))
            continue
        numerals = cells.numerals
        sample = next((text for text in numerals if "," in text or "." in text), "")
        found.append((cells.name, *decide_mark(numerals), sample))
    return found


def said_of_markers(markers: dict[str, list[tuple[str, int]]]) -> list[str]:
    """What was read as missing: of each marker the columns, and how often."""
    notes = []
    for marker, places in markers.items():
        total = sum(count for _, count in places)
        names = listed((name for name, _ in places), 3, quoted=True)
        notes.append(f"'{marker}' read as missing: {total} cell{'s' * (total > 1)} in {names}")
    return notes


def count_markers(cells: Cells | PlainNumbers, markers: dict[str, list[tuple[str, int]]]) -> None:
    """Add how often each missing marker but the empty cell occurs in this column."""
    if isinstance(cells, PlainNumbers):
        if cells.marked:
            markers.setdefault(cells.marker, []).append((cells.name, cells.marked))
        return
    for marker, count in cells.markers:
        markers.setdefault(marker, []).append((cells.name, count))
