"""Dates and times as files spell them: a closed list of formats, of which all cells of a column follow one.

No guessing parser (such as dateutil) is used: it would read 01/02/2020 in one row and 13/02/2020 in the next by
different rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from tenfold.data.columns.characters import ascii_digits

Array = np.ndarray
TIME = (
    r"(?:[T ]+(?P<t>[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?)\s*(?P<half>[ap]\.?m\.?)?"
    r"\s*(?P<z>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?)?"
)
YEAR, MONTH, DAY = r"(?P<y>1[0-9]{3}|2[0-9]{3})", r"(?P<m>[0-9]{1,2})", r"(?P<d>[0-9]{1,2})"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Whole words: Marsh 1, 2020 is no day in March.
NAMED = (
    r"(?P<n>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
# Of months, years that are likely: 2500-07 is a part number.
NEAR_YEAR = r"(?P<y>1[89][0-9]{2}|20[0-9]{2})"
MONTHLY = ("year-month", "month-name year")  # formats without a day
COMPACT = "yearmonthday"
LEAST_COMPACT = 5  # distinct cells that are all days of a calendar, from which 20110131 is a date and no number


@dataclass(frozen=True)
class DateRule:
    """name: the format in words; pattern: groups y m d (or n, a month's name), t (time of day), z (zone)."""

    name: str
    pattern: re.Pattern[str]
    example: str


def _rule(name: str, pattern: str, example: str) -> DateRule:
    return DateRule(name, re.compile(pattern + TIME, re.IGNORECASE), example)


DATE_RULES: tuple[DateRule, ...] = (
    _rule("year-month-day", rf"{YEAR}-{MONTH}-{DAY}", "2011-01-31 18:00"),
    _rule("year/month/day", rf"{YEAR}/{MONTH}/{DAY}", "2011/01/31"),
    _rule("year-month", rf"{NEAR_YEAR}-(?P<m>[0-9]{{2}})", "2011-01"),
    _rule("day.month.year", rf"{DAY}\.{MONTH}\.{YEAR}", "31.01.2011"),
    _rule("day/month/year", rf"{DAY}/{MONTH}/{YEAR}", "31/01/2011"),
    _rule("month/day/year", rf"{MONTH}/{DAY}/{YEAR}", "01/31/2011"),
    _rule("day-month-year", rf"{DAY}-{MONTH}-{YEAR}", "31-01-2011"),
    _rule("month-day-year", rf"{MONTH}-{DAY}-{YEAR}", "01-31-2011"),
    _rule("day month-name year", rf"{DAY}[ -]{NAMED}[ ,-]+{YEAR}", "31 Jan 2011"),
    _rule("month-name day year", rf"{NAMED} {DAY},? {YEAR}", "Jan 31, 2011"),
    _rule("month-name year", rf"{NAMED}[ -]{NEAR_YEAR}", "Jan 2011"),
    _rule(COMPACT, rf"{NEAR_YEAR}(?P<m>[0-9]{{2}})(?P<d>[0-9]{{2}})", "20110131"),
)


@dataclass(frozen=True)
class DateWriting:
    """How the dates of a column are written: by which rule, to which precision ("months", "days", "times"), and whether
    with a zone. precision "": not known, as in contracts of former versions."""

    rule: str = DATE_RULES[0].name
    precision: str = ""
    zoned: bool = False

    @property
    def format(self) -> str:
        """As the schema contract keeps it."""
        return f"{self.rule}, {self.precision}" + " with zones" * self.zoned if self.precision else self.rule

    @staticmethod
    def of(form: str) -> DateWriting:
        """The inverse of `format`; "" is a date of a former version or of a frame."""
        rule, _, precision = (form or DATE_RULES[0].name).partition(", ")
        return DateWriting(rule, precision.removesuffix(" with zones"), precision.endswith(" with zones"))


@dataclass(frozen=True)
class Dates:
    """values (spellings,) datetime64[s], in UTC where zones are given; rules: the names of all rules that take them, of
    which two mean that day and month could be swapped; precision, zoned: as in `DateWriting`."""

    values: Array
    rules: tuple[str, ...]
    precision: str
    zoned: bool

    @property
    def writing(self) -> DateWriting:
        """How they are written, by the first rule."""
        return DateWriting(self.rules[0], self.precision, self.zoned)


def typed_dates(values: Array, *, zoned: bool) -> DateWriting:
    """How dates count as written that come with a type: at days if none has a time of day."""
    present = values[~np.isnat(values)]
    days = not zoned and bool((present == present.astype("datetime64[D]")).all())
    return DateWriting(precision="days" if days else "times", zoned=zoned)


def parse_dates(spellings: list[str], name: str = "") -> Dates | None:
    """The spellings as dates by the first rule that takes them all, or by the rule of that name only; None where no
    rule takes them all."""
    found: dict[str, Dates] = {}
    for rule in DATE_RULES:
        if name and rule.name != name:
            continue
        dates = _parse(spellings, rule)
        if dates is not None:
            found[rule.name] = dates
    return replace(next(iter(found.values())), rules=tuple(found)) if found else None


def _parse(spellings: list[str], rule: DateRule) -> Dates | None:
    plain: list[str] = []
    zoned = timed = 0
    for spelling in spellings:
        match = rule.pattern.fullmatch(ascii_digits(spelling))
        if match is None:
            return None
        parts = match.groupdict()
        month = MONTHS.index(parts["n"][:3].lower()) + 1 if parts.get("n") else int(parts["m"])
        day = int(parts.get("d") or 1)
        clock = (parts["t"] or "00:00").split(".")[0]  # seconds without their fraction
        timed += parts["t"] is not None
        if clock[1] == ":":
            clock = f"0{clock}"
        if parts["half"]:
            clock = _of_24_hours(clock, parts["half"])
        iso = f"{parts['y']}-{month:02d}-{day:02d}T{clock}"
        if parts["z"]:
            zoned += 1
            iso = _to_utc(iso, parts["z"])
        plain.append(iso)
    # Times with and without a zone cannot be compared.
    if zoned not in (0, len(plain)):
        return None
    try:
        values = np.array(plain, "datetime64[s]")
    except ValueError:
        return None  # 2011-02-30 is not a date
    precision = "times" if timed else "months" if rule.name in MONTHLY else "days"
    return Dates(values, (rule.name,), precision, zoned > 0)


def _of_24_hours(clock: str, half: str) -> str:
    hour = int(clock[:2])
    if not 1 <= hour <= 12:
        return "not a time"
    return f"{hour % 12 + 12 * (half[0] in 'pP'):02d}{clock[2:]}"


def _to_utc(iso: str, zone: str) -> str:
    offset = "+00:00" if zone[0] in "ZzUuGg" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        moment = datetime.fromisoformat(iso + offset)
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return "not a date"
