"""Dates and times as files spell them: a closed list of formats, of which all cells of a column follow one.

No guessing parser (such as dateutil) is used: it would read 01/02/2020 in one row and 13/02/2020 in the next by
different rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

Array = np.ndarray
TIME = r"(?:[T ]+(?P<t>[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?)\s*(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
YEAR, MONTH, DAY = r"(?P<y>1[0-9]{3}|2[0-9]{3})", r"(?P<m>[0-9]{1,2})", r"(?P<d>[0-9]{1,2})"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NAMED = r"(?P<n>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\.?"


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
    _rule("year-month", rf"{YEAR}-(?P<m>[0-9]{{2}})", "2011-01"),
    _rule("day.month.year", rf"{DAY}\.{MONTH}\.{YEAR}", "31.01.2011"),
    _rule("day/month/year", rf"{DAY}/{MONTH}/{YEAR}", "31/01/2011"),
    _rule("month/day/year", rf"{MONTH}/{DAY}/{YEAR}", "01/31/2011"),
    _rule("day-month-year", rf"{DAY}-{MONTH}-{YEAR}", "31-01-2011"),
    _rule("month-day-year", rf"{MONTH}-{DAY}-{YEAR}", "01-31-2011"),
    _rule("day month-name year", rf"{DAY}[ -]{NAMED}[ ,-]+{YEAR}", "31 Jan 2011"),
    _rule("month-name day year", rf"{NAMED} {DAY},? {YEAR}", "Jan 31, 2011"),
)


def parse_dates(spellings: list[str], name: str = "") -> tuple[Array, list[str]] | None:
    """The spellings as dates by the first rule that takes them all, or by the rule of that name only.

    Returns values (spellings,) datetime64[s], in UTC where zones are given, and the names of all rules that take
    them: two names mean that day and month could be swapped. None where no rule takes them all.
    """
    values: Array | None = None
    names: list[str] = []
    for rule in DATE_RULES:
        if name and rule.name != name:
            continue
        dates = _parse(spellings, rule)
        if dates is not None:
            values = dates if values is None else values
            names.append(rule.name)
    return None if values is None else (values, names)


def _parse(spellings: list[str], rule: DateRule) -> Array | None:
    plain: list[str] = []
    zoned = 0
    for spelling in spellings:
        match = rule.pattern.fullmatch(spelling)
        if match is None:
            return None
        parts = match.groupdict()
        month = MONTHS.index(parts["n"][:3].lower()) + 1 if parts.get("n") else int(parts["m"])
        day = int(parts.get("d") or 1)
        clock = (parts["t"] or "00:00").split(".")[0]  # seconds without their fraction
        if clock[1] == ":":
            clock = f"0{clock}"
        iso = f"{parts['y']}-{month:02d}-{day:02d}T{clock}"
        if parts["z"]:
            zoned += 1
            iso = _to_utc(iso, parts["z"])
        plain.append(iso)
    # Times with and without a zone cannot be compared.
    if zoned not in (0, len(plain)):
        return None
    try:
        return np.array(plain, "datetime64[s]")
    except ValueError:
        return None  # 2011-02-30 is not a date


def _to_utc(iso: str, zone: str) -> str:
    offset = "+00:00" if zone in "Zz" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        moment = datetime.fromisoformat(iso + offset)
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return "not a date"
