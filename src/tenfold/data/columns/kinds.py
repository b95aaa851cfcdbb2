"""The kinds of cells. Each kind is one record: what its values are, how a file's cells become values, and back.

`CELL_RULES` recognize the kind of a column, tried in order: a rule holds only if every cell that is not missing follows
it, and the last rule takes anything. A column whose kind training knows is read by `CellKind.read` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tenfold.data.columns.dates import COMPACT, LEAST_COMPACT, DateWriting, parse_dates
from tenfold.data.columns.durations import FORMATS, parse_durations, seconds
from tenfold.data.columns.number_codes import exponent_codes, merged_integers, same_number, version_codes
from tenfold.data.columns.numbers import EXACT, Numbers, has_leading_zero, is_number, parse_numbers, spell_number
from tenfold.data.columns.units import Dressed, dressed, undress
from tenfold.data.columns.writing import MARK_NAMES, Mark, Writing

if TYPE_CHECKING:
    from tenfold.data.columns.schema import ColumnSchema

Array = np.ndarray
ColumnKind = Literal["number", "boolean", "date", "text"]
TRUE = {"yes": "no", "true": "false", "t": "f", "y": "n"}  # each spelling of true, and its counterpart
FALSE = frozenset(TRUE.values())
MOST_SPELLINGS = 24  # of a boolean: every word of TRUE and FALSE in a few letter cases
SWAPPED = ({"day/month/year", "month/day/year"}, {"day-month-year", "month-day-year"})


class NotOfKind(Exception):
    """A cell that cannot be of the kind that training knows; why, and what to do about it, where that can be said."""

    def __init__(self, cell: str, why: str = "", do: str = "") -> None:
        super().__init__(cell)
        self.cell, self.why, self.do = cell, why, do


@dataclass(frozen=True)
class Parsed:
    """One value for each distinct cell, and what was noticed. values: as in `Column`; None for text."""

    kind: ColumnKind
    values: Array | None = None
    format: str = ""
    notes: tuple[str, ...] = ()
    doubt: str = ""
    overflow: tuple[str, ...] = ()

    @property
    def respelled(self) -> bool:
        """Whether another file could mean the cells otherwise, or has them in another way: they are read again, from
        how they are spelled, when the contract says how."""
        if self.kind == "date":
            return any(DateWriting.of(self.format).rule in pair for pair in SWAPPED)
        return self.kind == "number" and (self.format in FORMATS or bool(Writing.of(self.format).around))


@dataclass(frozen=True)
class CellKind:
    """dtype: of a column's values; blank: the value of a missing cell; spell: a value as text.

    read(cells, mark, known): the values of distinct cells that are not missing, and what was noticed. mark: the decimal
    mark of their file; known: the column in training. Raises `NotOfKind` at the first cell that is not of this kind.
    """

    dtype: str
    blank: Any
    spell: Callable[[Any], str]
    read: Callable[[list[str], Mark, ColumnSchema], Parsed]


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


def _read_booleans(cells: list[str], mark: Mark, known: ColumnSchema) -> Parsed:
    values = _plain_numbers(cells, mark)
    if values is None:
        words = dict.fromkeys((*TRUE, "1"), 1.0) | dict.fromkeys((*FALSE, "0"), 0.0)
        values = np.array([words.get(cell.lower(), -1.0) for cell in cells])
    others = np.flatnonzero(~np.isnan(values) & ~np.isin(values, (0.0, 1.0)))
    if others.size:
        raise NotOfKind(cells[others[0]])
    return Parsed("boolean", values)


def _recognize_compact_dates(cells: list[str], mark: Mark) -> Parsed | None:
    if len(cells) < LEAST_COMPACT or not _compact(cells):
        return None
    parsed = parse_dates(cells, COMPACT)
    assert parsed is not None
    note = f"numbers such as {cells[0]} are days of the calendar: read as dates"
    return Parsed("date", parsed.values, parsed.writing.format, (note,))


def _compact(cells: list[str]) -> bool:
    """Whether all cells are days written as 20110131."""
    return bool(cells) and len(cells[0]) == 8 and cells[0].isdecimal() and parse_dates(cells, COMPACT) is not None


def _recognize_numbers(cells: list[str], mark: Mark) -> Parsed | None:
    numbers = parse_numbers(cells, mark)
    if numbers is None or has_leading_zero(cells) or np.isnan(numbers.values).all():
        return None
    for codes in (merged_integers, exponent_codes, version_codes):
        stays = codes(cells, numbers.values)
        if stays:
            return Parsed("text", doubt=stays)
    return _numbers(cells, numbers, Writing(mark, numbers.group))


def _numbers(spellings: list[str], numbers: Numbers, writing: Writing) -> Parsed:
    """Numbers, and what is to be said about how they are spelled without what stands around them."""
    notes = ["thousands separators taken out"] if numbers.group else []
    if numbers.odd:
        notes.append(f"digits of another script or width, such as '{numbers.odd}', read as numbers")
    large = [spellings[i].lstrip("+-") for i in np.flatnonzero(np.abs(numbers.values) >= EXACT)]
    rounded = next((digits for digits in large if digits.isdigit() and int(digits) > EXACT), "")
    if rounded:
        notes.append(f"integers beyond 2^53, such as {rounded}, are rounded")
    doubt = same_number(spellings, numbers.values)
    if _compact(spellings):
        doubt = f"numbers such as {spellings[0]} may be dates: write them as 2011-01-31 if they are"
    return Parsed("number", numbers.values, writing.picture, tuple(notes), doubt, numbers.overflow)


def _recognize_units(cells: list[str], mark: Mark) -> Parsed | None:
    taken = undress(cells)
    numbers = None if taken is None else parse_numbers(taken[1], mark)
    if taken is None or numbers is None or has_leading_zero(taken[1]):
        return None
    first, spellings = taken
    writing = Writing(mark, numbers.group, first.before, first.after)
    parsed = _numbers(spellings, numbers, writing)
    note = f"{writing.around} taken off every number, such as {spellings[0]} of '{cells[0]}'"
    overflow = tuple(cells[spellings.index(spelling)] for spelling in parsed.overflow)
    return replace(parsed, notes=(note, *parsed.notes), overflow=overflow)


def _recognize_durations(cells: list[str], mark: Mark) -> Parsed | None:
    parsed = parse_durations(cells)
    if parsed is None:
        return None
    values, form = parsed
    example = f"'{cells[0]}' is {spell_number(values[0])}"
    what = {
        "0:00": f"times read as numbers, {example}: seconds if they are minutes and seconds, else minutes",
        "h:mm am/pm": f"times read as seconds since midnight, {example}",
    }
    return Parsed("number", values, form, (what.get(form, f"times and durations read as seconds, {example}"),))


def _read_numbers(cells: list[str], mark: Mark, known: ColumnSchema) -> Parsed:
    if known.format in FORMATS:
        values = [seconds(cell, known.format) for cell in cells]
        if None in values:
            why = f"is not written as the times of training ({known.format})"
            raise NotOfKind(cells[values.index(None)], why, f"write it as training has it, such as {known.example}")
        return Parsed("number", np.array(values, np.float64))
    writing = Writing.of(known.format)
    spellings = [_without_unit(cell, writing) for cell in cells] if writing.around else cells
    numbers = parse_numbers(spellings, mark)
    if numbers is None:
        raise NotOfKind(next(c for c, s in zip(cells, spellings, strict=True) if parse_numbers([s], mark) is None))
    parsed = _numbers(spellings, numbers, writing)
    notes = list(parsed.notes)
    if mark != writing.mark and any("," in spelling or "." in spelling for spelling in spellings):
        notes.append(f"written with a {MARK_NAMES[mark]}, in training with a {MARK_NAMES[writing.mark]}")
    return Parsed("number", parsed.values, notes=tuple(notes), overflow=parsed.overflow)


def _without_unit(cell: str, writing: Writing) -> str:
    """The number in a cell that has around it what training had."""
    known = Dressed("", writing.before, writing.after)
    found = dressed(cell)
    example = "".join((writing.before, "4", " " if writing.after.isalpha() else "", writing.after))
    if found is None:
        if is_number(cell) or is_number(cell, ","):
            why = f"stands without {writing.around}, which every number of training has"
            raise NotOfKind(cell, why, f"write it as in training, such as '{example}'")
        raise NotOfKind(cell)
    if found.unit != known.unit:
        why = f"has another unit than training ({writing.around})"
        raise NotOfKind(cell, why, f"convert it, and write it with {writing.around}")
    return found.number


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
    names = parsed.rules
    if len(names) > 1:
        return Parsed("text", doubt=f"dates such as '{cells[0]}' can be {' or '.join(names)}: write them as 2011-01-31")
    if names == ("year-month",) and len(cells) > 1 and all(map(_is_season, cells)):
        doubt = f"stays text: '{cells[0]}' and all others may be seasons; if they are months, write them as 2011-01-01"
        return Parsed("text", doubt=doubt)
    return Parsed("date", parsed.values, parsed.writing.format)


def _is_season(cell: str) -> bool:
    """Whether 2008-09 may be the season 2008 to 2009: what is right for all cells is no coincidence of months."""
    year, _, next_year = cell.partition("-")
    return next_year.isdecimal() and (int(year) + 1) % 100 == int(next_year)


def _read_dates(cells: list[str], mark: Mark, known: ColumnSchema) -> Parsed:
    """Another format than in training is taken where all cells follow one. The exception: where day and month could be
    swapped the format of training decides, because the new rows alone may fit the other order only."""
    writing = DateWriting.of(known.format)
    parsed = parse_dates(cells)
    if parsed is not None and len(parsed.rules) == 1 and {writing.rule, *parsed.rules} not in SWAPPED:
        return hold_dates(parsed.values, parsed.writing, known, cells[0])
    values = np.empty(len(cells), KINDS["date"].dtype)
    notes: dict[str, None] = {}
    for i, cell in enumerate(cells):  # one by one: a column may mix times with and without a zone here
        single = parse_dates([cell], writing.rule)
        if single is None:
            raise NotOfKind(cell)
        held = hold_dates(single.values, single.writing, known, cell)
        values[i] = held.values[0] if held.values is not None else np.datetime64("NaT")
        notes |= dict.fromkeys(held.notes)
    return Parsed("date", values, notes=tuple(notes))


def hold_dates(values: Array, own: DateWriting, known: ColumnSchema, cell: str) -> Parsed:
    """Dates that are written in this way, at the precision of training. Raises `NotOfKind` with this cell (one of them)
    where that cannot be had: without a zone or a day that training has, or with a zone that it lacks."""
    writing = DateWriting.of(known.format)
    if not (own.precision and writing.precision):
        return Parsed("date", values)
    if own.zoned and not writing.zoned:
        do = "write it without a zone, in the local time that the data of training have"
        raise NotOfKind(cell, "has a time zone, and the dates of training have none", do)
    if writing.zoned and not own.zoned:
        do = "add its zone, such as Z or +01:00"
        raise NotOfKind(cell, "has no time zone, and the dates of training have one", do)
    if own.precision == "months" != writing.precision:
        raise NotOfKind(cell, "has no day, and the dates of training have one", "write the day as well")
    notes = [] if own.rule == writing.rule else [f"dates written as {own.rule}, in training as {writing.rule}"]
    if writing.precision == "months" != own.precision:
        values = values.astype("datetime64[M]").astype("datetime64[s]")
        notes.append("dates taken as their months, as in training")
    elif writing.precision == "days" and own.precision == "times":
        values = values.astype("datetime64[D]").astype("datetime64[s]")
        notes.append("times of day left out, as in training")
    elif writing.precision == "times" != own.precision:
        notes.append("dates without a time of day taken as midnight")
    return Parsed("date", values, notes=tuple(notes))


def _spell_date(value: Any) -> str:
    return str(value).replace("T", " ").removesuffix(" 00:00:00")


def _recognize_codes(cells: list[str], mark: Mark) -> Parsed | None:
    code = has_leading_zero(cells)
    if not code or parse_numbers(cells, mark) is None:
        return None
    return Parsed("text", notes=(f"stays text: leading zeros, such as '{code}'",))


def _read_levels(cells: list[str], mark: Mark, known: ColumnSchema) -> Parsed:
    """Cells as they are spelled. Where all of them are numbers, one that is no level takes the spelling of the only
    level that it equals: a program may have written 1.0 where the training file has 1."""
    values, levels = np.array(cells, object), set(known.levels)
    unseen = [i for i, cell in enumerate(cells) if cell not in levels]
    numbers = _plain_numbers(cells, mark) if unseen else None
    if numbers is None:
        return Parsed("text", values)
    spellings: dict[float, list[str]] = {}
    for level in known.levels:
        number = _plain_numbers([level], ".")
        if number is not None:
            spellings.setdefault(float(number[0]), []).append(level)
    for i in unseen:
        equal = spellings.get(float(numbers[i]), [])
        # Two long integers may be one number to a computer, and still two codes.
        if len(equal) == 1 and abs(numbers[i]) < EXACT:
            values[i] = equal[0]
    return Parsed("text", values)


KINDS: dict[ColumnKind, CellKind] = {
    "boolean": CellKind("float64", np.nan, lambda value: "true" if value else "false", _read_booleans),
    "number": CellKind("float64", np.nan, lambda value: spell_number(float(value)), _read_numbers),
    "date": CellKind("datetime64[s]", np.datetime64("NaT", "s"), _spell_date, _read_dates),
    "text": CellKind("object", None, str, _read_levels),
}

# docs/data.md has each rule in words, under these names and with these examples.
CELL_RULES: tuple[CellRule, ...] = (
    CellRule("boolean", "boolean", "Yes, no, TRUE", _recognize_booleans),
    CellRule("date", "compact date", "20110131, 20110201, 20110202, 20110203, 20110204", _recognize_compact_dates),
    CellRule("number", "number", "-1,234.5e3", _recognize_numbers),
    CellRule("text", "code", "00123", _recognize_codes),
    CellRule("date", "date", "2011-01-31 18:00", _recognize_dates),
    CellRule("number", "duration", "1:19:20", _recognize_durations),
    CellRule("number", "unit", "3.3 kg", _recognize_units),
    CellRule("text", "text", "red", lambda cells, mark: Parsed("text")),
)
