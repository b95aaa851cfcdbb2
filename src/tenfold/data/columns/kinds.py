"""The kinds of cells. Each kind is one record: what its values are, how a file's cells become values, and back.

`CELL_RULES` recognize the kind of a column, tried in order: a rule holds only if every cell that is not missing follows
it, and the last rule takes anything. A column whose kind training knows is read by `CellKind.read` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tenfold.data.columns.dates import DATE_RULES, parse_dates
from tenfold.data.columns.numbers import EXACT, MARK_NAMES, Mark, has_leading_zero, parse_numbers, spell_number

if TYPE_CHECKING:
    from tenfold.data.columns.schema import ColumnSchema

Array = np.ndarray
ColumnKind = Literal["number", "boolean", "date", "text"]
TRUE = {"yes": "no", "true": "false", "t": "f", "y": "n"}  # each spelling of true, and its counterpart
FALSE = frozenset(TRUE.values())
MOST_SPELLINGS = 24  # of a boolean: every word of TRUE and FALSE in a few letter cases
SWAPPED = ({"day/month/year", "month/day/year"}, {"day-month-year", "month-day-year"})


class NotOfKind(Exception):
    """A cell (the argument) that cannot be of the kind that training knows."""


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
class CellKind:
    """dtype: of a column's values; blank: the value of a missing cell; spell: a value as text.

    read(cells, mark, known): the values of distinct cells that are not missing. mark: the decimal mark of their file;
    known: the column in training. Raises `NotOfKind` at the first cell that is not of this kind.
    """

    dtype: str
    blank: Any
    spell: Callable[[Any], str]
    read: Callable[[list[str], Mark, ColumnSchema], Array]


@dataclass(frozen=True)
class CellRule:
    """A way to recognize a kind: its name, an example, and the rule itself.

    parse(cells, mark): the distinct cells that are not missing (never none), and the decimal mark in force; None
    where the rule does not hold for all of them.
    """

    kind: ColumnKind
    name: str
    example: str
    parse: Callable[[list[str], Mark], Parsed | None]


def _recognize_booleans(cells: list[str], mark: Mark) -> Parsed | None:
    if len(cells) > MOST_SPELLINGS:
        return None
    words = {cell.lower() for cell in cells}
    spelled = words - {"0", "1"}
    if not spelled or not spelled <= TRUE.keys() | FALSE:
        return None
    pairs = sum(1 for yes, no in TRUE.items() if yes in spelled and no in spelled)
    if pairs == 0 and len(words) > 1:
        return None  # y and f, or yes and 0: two codes rather than the two halves of a question
    values = np.array([cell.lower() in TRUE or cell == "1" for cell in cells], np.float64)
    notes = (f"boolean in mixed spellings: {', '.join(sorted(cells))}",) if len(words) > 2 else ()
    return Parsed("boolean", values, notes=notes)


def _read_booleans(cells: list[str], mark: Mark, known: ColumnSchema) -> Array:
    values = _plain_numbers(cells, mark)
    if values is None:
        words = dict.fromkeys((*TRUE, "1"), 1.0) | dict.fromkeys((*FALSE, "0"), 0.0)
        values = np.array([words.get(cell.lower(), -1.0) for cell in cells])
    others = np.flatnonzero(~np.isnan(values) & ~np.isin(values, (0.0, 1.0)))
    if others.size:
        raise NotOfKind(cells[others[0]])
    return values


def _recognize_numbers(cells: list[str], mark: Mark) -> Parsed | None:
    numbers = parse_numbers(cells, mark)
    if numbers is None or has_leading_zero(cells) or np.isnan(numbers.values).all():
        return None
    notes = ["thousands separators taken out"] if numbers.grouped else []
    large = [cells[i].lstrip("+-") for i in np.flatnonzero(np.abs(numbers.values) >= EXACT)]
    rounded = next((digits for digits in large if digits.isdigit() and int(digits) > EXACT), "")
    if rounded:
        notes.append(f"integers beyond 2^53, such as {rounded}, are rounded")
    form = MARK_NAMES[","] if mark == "," else ""
    return Parsed("number", numbers.values, form, tuple(notes), overflow=numbers.overflow)


def _read_numbers(cells: list[str], mark: Mark, known: ColumnSchema) -> Array:
    numbers = parse_numbers(cells, mark)
    if numbers is None:
        raise NotOfKind(next(cell for cell in cells if parse_numbers([cell], mark) is None))
    return numbers.values


def _plain_numbers(cells: list[str], mark: Mark) -> Array | None:
    """The numbers that the cells spell; None where one is text, or a code such as 007."""
    numbers = None if has_leading_zero(cells) else parse_numbers(cells, mark)
    return None if numbers is None else numbers.values


def _recognize_dates(cells: list[str], mark: Mark) -> Parsed | None:
    if not any(c.isdigit() for c in cells[0]):
        return None
    parsed = parse_dates(cells)
    if parsed is None:
        return None
    values, names = parsed
    if len(names) > 1:
        return Parsed("text", doubt=f"dates such as '{cells[0]}' can be {' or '.join(names)}: write them as 2011-01-31")
    return Parsed("date", values, "" if names[0] == DATE_RULES[0].name else names[0])


def _read_dates(cells: list[str], mark: Mark, known: ColumnSchema) -> Array:
    """Another format than in training is taken where all cells follow one. The exception: where day and month could be
    swapped the format of training decides, because the new rows alone may fit the other order only."""
    form = known.format or DATE_RULES[0].name
    parsed = parse_dates(cells)
    if parsed is not None and len(parsed[1]) == 1 and {form, *parsed[1]} not in SWAPPED:
        return parsed[0]
    values = np.empty(len(cells), KINDS["date"].dtype)
    for i, cell in enumerate(cells):  # one by one: a column may mix times with and without a zone here
        single = parse_dates([cell], form)
        if single is None:
            raise NotOfKind(cell)
        values[i] = single[0][0]
    return values


def _spell_date(value: Any) -> str:
    return str(value).replace("T", " ").removesuffix(" 00:00:00")


def _recognize_codes(cells: list[str], mark: Mark) -> Parsed | None:
    code = has_leading_zero(cells)
    if not code or parse_numbers(cells, mark) is None:
        return None
    return Parsed("text", notes=(f"stays text: leading zeros, such as '{code}'",))


def _read_levels(cells: list[str], mark: Mark, known: ColumnSchema) -> Array:
    """Cells as they are spelled. Where all of them are numbers, one that is no level takes the spelling of the only
    level that it equals: a program may have written 1.0 where the training file has 1."""
    values, levels = np.array(cells, object), set(known.levels)
    unseen = [i for i, cell in enumerate(cells) if cell not in levels]
    numbers = _plain_numbers(cells, mark) if unseen else None
    if numbers is None:
        return values
    spellings: dict[float, list[str]] = {}
    for level in known.levels:
        number = _plain_numbers([level], ".")
        if number is not None:
            spellings.setdefault(float(number[0]), []).append(level)
    for i in unseen:
        equal = spellings.get(float(numbers[i]), [])
        if len(equal) == 1:
            values[i] = equal[0]
    return values


KINDS: dict[ColumnKind, CellKind] = {
    "boolean": CellKind("float64", np.nan, lambda value: "true" if value else "false", _read_booleans),
    "number": CellKind("float64", np.nan, lambda value: spell_number(float(value)), _read_numbers),
    "date": CellKind("datetime64[s]", np.datetime64("NaT", "s"), _spell_date, _read_dates),
    "text": CellKind("object", None, str, _read_levels),
}

# docs/data.md has each rule in words, under these names and with these examples.
CELL_RULES: tuple[CellRule, ...] = (
    CellRule("boolean", "boolean", "Yes, no, TRUE", _recognize_booleans),
    CellRule("number", "number", "-1,234.5e3", _recognize_numbers),
    CellRule("text", "code", "00123", _recognize_codes),
    CellRule("date", "date", "2011-01-31 18:00", _recognize_dates),
    CellRule("text", "text", "red", lambda cells, mark: Parsed("text")),
)
