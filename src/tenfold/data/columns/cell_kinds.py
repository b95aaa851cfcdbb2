"""Which kind a column of text cells is: one published table of rules, tried in order on the whole column.

A rule holds for a column only if every cell that is not missing follows it; otherwise the next one is tried, and
the last one takes anything. What a rule noticed is said, and what nearly followed a rule is a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tenfold.data.columns.dates import DATE_RULES, parse_dates
from tenfold.data.columns.numbers import (
    EXACT,
    MARK_NAMES,
    Mark,
    MarkEvidence,
    decide_mark,
    has_leading_zero,
    is_number,
    parse_numbers,
)
from tenfold.data.columns.table import Column, ColumnKind
from tenfold.formatting import listed

Array = np.ndarray
MISSING: tuple[str, ...] = (
    *("", "?", "na", "n/a", "n.a.", "n/k", "nan", "-nan", "<na>", "nat", "null", "(null)", "none", "nil", "\\n"),
    *("-", "--", "---", ".", "#n/a", "#na", "#null!", "#div/0!", "#num!", "#value!", "#ref!", "#name?"),
    *("1.#ind", "1.#qnan"),
)  # compared without regard to letter case, after the blanks around the cell are taken off
TRUE = {"yes": "no", "true": "false", "t": "f", "y": "n"}  # each spelling of true, and of the false beside it
FALSE = frozenset(TRUE.values())
NEARLY = 0.95  # share of cells from which a column that is not of a kind is said to be nearly of it
SPELLED = 1000  # distinct cells up to which a column remembers how they were spelled
SIGNED = re.compile(r"[$\u20ac\u00a3\u00a5]\s?[-+0-9.,]+|[-+0-9.,]+\s?[%$\u20ac\u00a3\u00a5]")
_MISSING = frozenset(MISSING)
_LONGEST = max(map(len, MISSING))


@dataclass(frozen=True)
class Parsed:
    """One value for each distinct cell, and what was noticed. values: as in `Column`; None for text."""

    kind: ColumnKind
    values: Array | None = None
    format: str = ""
    notes: tuple[str, ...] = ()
    doubt: str = ""
    overflow: tuple[str, ...] = ()


@dataclass(frozen=True)
class KindRule:
    """A row of the table: the kind, the rule in words, an example, and the rule itself.

    parse(cells, mark): the distinct cells that are not missing (never none), and the decimal mark in force; None
    where the rule does not hold for all of them.
    """

    kind: ColumnKind
    name: str
    words: str
    example: str
    parse: Callable[[list[str], Mark], Parsed | None]


def _boolean(cells: list[str], mark: Mark) -> Parsed | None:
    if len(cells) > 24:
        return None
    words = {cell.lower() for cell in cells}
    spelled = words - {"0", "1"}
    if not spelled or not spelled <= TRUE.keys() | FALSE:
        return None
    pairs = sum(1 for yes, no in TRUE.items() if yes in spelled and no in spelled)
    if pairs == 0 and len(words) > 1:
        return None
    values = np.array([cell.lower() in TRUE or cell == "1" for cell in cells], np.float64)
    notes = (f"boolean in mixed spellings: {', '.join(sorted(cells))}",) if len(words) > 2 else ()
    return Parsed("boolean", values, notes=notes)


def _number(cells: list[str], mark: Mark) -> Parsed | None:
    found = parse_numbers(cells, mark)
    if found is None or has_leading_zero(cells) or np.isnan(found.values).all():
        return None
    notes = ["thousands separators taken out"] if found.grouped else []
    large = [cells[i].lstrip("+-") for i in np.flatnonzero(np.abs(found.values) >= EXACT)]
    rounded = next((digits for digits in large if digits.isdigit() and int(digits) > EXACT), "")
    if rounded:
        notes.append(f"integers beyond 2^53, such as {rounded}, are rounded")
    form = MARK_NAMES[","] if mark == "," else ""
    return Parsed("number", found.values, form, tuple(notes), overflow=found.overflow)


def _code(cells: list[str], mark: Mark) -> Parsed | None:
    code = has_leading_zero(cells)
    if not code or parse_numbers(cells, mark) is None:
        return None
    return Parsed("text", notes=(f"stays text: leading zeros, such as '{code}'",))


def _date(cells: list[str], mark: Mark) -> Parsed | None:
    if not any(c.isdigit() for c in cells[0]):
        return None
    found = parse_dates(cells)
    if found is None:
        return None
    values, names = found
    if len(names) > 1:
        return Parsed("text", doubt=f"dates such as '{cells[0]}' can be {' or '.join(names)}: write them as 2011-01-31")
    return Parsed("date", values, "" if names[0] == DATE_RULES[0].name else names[0])


def _text(cells: list[str], mark: Mark) -> Parsed:
    return Parsed("text")


KINDS: tuple[KindRule, ...] = (
    KindRule(
        "boolean",
        "boolean",
        "yes/no, true/false, t/f, y/n in any letter case; mixed spellings too, also with 1 and 0, if one pair is whole",
        "Yes, no, TRUE",
        _boolean,
    ),
    KindRule(
        "number",
        "number",
        "digits with sign, decimal point, exponent; thousands in groups of three, set off by comma, space, apostrophe; "
        "in files whose delimiter is no comma also a decimal comma; inf and what overflows is missing",
        "-1,234.5e3",
        _number,
    ),
    KindRule("text", "code", "numbers of which one has a leading zero stay text", "00123", _code),
    KindRule(
        "date",
        "date",
        f"one of {', '.join(rule.name for rule in DATE_RULES)}, with or without a time and a zone; "
        "where day and month could be swapped in every cell, text",
        "2011-01-31 18:00",
        _date,
    ),
    KindRule("text", "text", "anything else", "red", _text),
)


@dataclass(frozen=True)
class Cells:
    """The cells of one column: distinct cells (without the blanks around them), and which one each row holds."""

    name: str
    distinct: list[str]
    codes: Array  # (rows,) int64

    @staticmethod
    def of(name: str, cells: Sequence[str]) -> Cells:
        """From one string a row."""
        index = {cell: code for code, cell in enumerate(dict.fromkeys(cells))}
        codes = np.fromiter(map(index.__getitem__, cells), np.int64, len(cells))
        return Cells(name, [cell.strip() for cell in index], codes)

    @cached_property
    def present(self) -> list[int]:
        """Indices into `distinct` of the cells that are not missing markers."""
        return [i for i, cell in enumerate(self.distinct) if len(cell) > _LONGEST or cell.lower() not in _MISSING]

    @property
    def texts(self) -> list[str]:
        """The distinct cells that are not missing."""
        return [self.distinct[i] for i in self.present]

    def rows_of(self, indices: Sequence[int]) -> Array:
        """The rows that hold one of these distinct cells, in order."""
        wanted = np.zeros(len(self.distinct), bool)
        wanted[list(indices)] = True
        return np.flatnonzero(wanted[self.codes])


def infer(cells: Cells, mark: Mark = ".", lines: Array | None = None) -> tuple[Column, list[str]]:
    """The column that the rules make of these cells, and notes about it. lines (rows,): for "first on line ..."."""
    texts = cells.texts
    if not texts:
        return Column(cells.name, "text", np.full(len(cells.codes), None, object)), []
    parsed = next(found for rule in KINDS if (found := rule.parse(texts, mark)) is not None)
    doubt = parsed.doubt
    if parsed.kind == "text" and not doubt and not parsed.notes:
        doubt = _doubt(cells, mark, lines)
    column = Column(cells.name, parsed.kind, _spread(cells, parsed), _spelled(cells, parsed), parsed.format, doubt)
    notes = [f"column '{cells.name}': {note}" for note in parsed.notes]
    if parsed.overflow:
        odd = set(parsed.overflow)
        rows = cells.rows_of([i for i in cells.present if cells.distinct[i] in odd])
        sample = ", ".join(sorted(odd)[:3])
        notes.append(
            f"column '{cells.name}': {len(rows)} infinite or too large ({sample}; first on {_line(rows[0], lines)}), "
            "read as missing"
        )
    return column, notes


def _spread(cells: Cells, parsed: Parsed) -> Array:
    """One value for each row from one value for each distinct cell."""
    if parsed.values is None:
        return _texts(cells)
    empty = np.datetime64("NaT", "s") if parsed.kind == "date" else np.nan
    values = np.full(len(cells.distinct), empty, parsed.values.dtype)
    values[cells.present] = parsed.values
    return values[cells.codes]


def _spelled(cells: Cells, parsed: Parsed) -> Array | None:
    return _texts(cells) if parsed.kind != "text" and len(cells.distinct) <= SPELLED else None


def _texts(cells: Cells) -> Array:
    values = np.full(len(cells.distinct), None, object)
    for i in cells.present:
        values[i] = cells.distinct[i]
    return values[cells.codes]


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
                f"text, for {len(rows)} of {total} cells are no {what} while the rest are: "
                f"'{odd[:40]}' on {_line(rows[0], lines)} is the first"
            )
    return ""


def infer_all(
    columns: Sequence[Callable[[], Cells]], *, point_only: bool, lines: Array | None = None
) -> tuple[list[Column], list[str]]:
    """All columns of one file, each given as a function that makes its cells (one column in memory at a time).

    point_only: the file is comma-delimited, so a comma is no decimal mark. Elsewhere columns that can be read only
    one way decide for those that can be read both ways; where none does, the separator that occurs is the decimal.
    """
    marks: list[Mark] = ["."] * len(columns)
    notes: list[str] = []
    if not point_only:
        marks, notes = _marks(columns)
    found: list[Column] = []
    markers: dict[str, list[tuple[str, int]]] = {}
    for make, mark in zip(columns, marks, strict=True):
        cells = make()
        column, said = infer(cells, mark, lines)
        found.append(column)
        notes += said
        _count_markers(cells, markers)
    commas = [column.name for column in found if column.format == MARK_NAMES[","]]
    if commas:
        notes.append(f"decimal comma in {listed(commas, 3, quoted=True)}")
    for marker, places in markers.items():
        total = sum(count for _, count in places)
        names = listed((name for name, _ in places), 3, quoted=True)
        notes.append(f"'{marker}' read as missing: {total} cell{'s' * (total > 1)} in {names}")
    return found, notes


def _marks(columns: Sequence[Callable[[], Cells]]) -> tuple[list[Mark], list[str]]:
    """The decimal mark of each column, and a note for each that could be read both ways."""
    names: list[str] = []
    samples: list[str] = []
    decided: list[tuple[Mark, MarkEvidence]] = []
    for make in columns:
        cells = make()
        names.append(cells.name)
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


def _count_markers(cells: Cells, markers: dict[str, list[tuple[str, int]]]) -> None:
    """Add how often each missing marker but the empty cell occurs in this column."""
    present = set(cells.present)
    absent = [i for i in range(len(cells.distinct)) if i not in present and cells.distinct[i]]
    for i in absent:
        markers.setdefault(cells.distinct[i], []).append((cells.name, int((cells.codes == i).sum())))
