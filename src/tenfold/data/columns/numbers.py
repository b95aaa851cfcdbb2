"""Numbers as files spell them: signs, exponents, thousands separators, decimal point or decimal comma."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tenfold.data.columns.characters import ascii_digits
from tenfold.data.columns.writing import Mark

Array = np.ndarray
PLAIN = frozenset("0123456789+-.eE")
INFINITE = frozenset(sign + word for sign in ("", "+", "-") for word in ("inf", "infinity"))
LEADING_ZERO = re.compile(r"^[+-]?0[0-9]", re.MULTILINE)
EXACT = 2**53  # integers beyond it are not all float64
LARGEST = float(np.finfo(np.float32).max)  # networks and trees compute in float32
BLANKS = r" \u00a0\u2007\u2009\u200a\u202f"  # that may set off thousands


def _grammar(mark: str, other: str) -> re.Pattern[str]:
    groups = rf"[1-9][0-9]{{0,2}}([{re.escape(other)}{BLANKS}'\u2019])[0-9]{{3}}(?:\1[0-9]{{3}})*"
    # 1,00,000 is a lakh; with points it could be a date.
    groups += r"|[1-9][0-9]?(,)[0-9]{2}(?:,[0-9]{2})*,[0-9]{3}" if mark == "." else "|(?!)()"
    mark = re.escape(mark)
    return re.compile(rf"[+-]?(?:{groups}|[0-9]+|(?={mark}[0-9]))(?:{mark}[0-9]*)?(?:[eE][+-]?[0-9]+)?")


GRAMMARS: dict[str, re.Pattern[str]] = {".": _grammar(".", ","), ",": _grammar(",", ".")}


@dataclass(frozen=True)
class Numbers:
    """values (spellings,) float64; group: a separator of thousands that occurs, the other mark before all others;
    odd: the first spelling in digits of another script; overflow: spellings that became missing."""

    values: Array
    group: str
    odd: str
    overflow: tuple[str, ...]


def parse_numbers(spellings: list[str], mark: Mark) -> Numbers | None:
    """The spellings as numbers with that decimal mark, or None where any of them is not one.

    `inf`, and what overflows float32 (1e39), becomes NaN and is listed. Thousands separators set off groups of three
    after the first one to three digits: , (or . with a decimal comma), space, apostrophe; commas also lakhs.
    """
    text = "".join(spellings)
    # The fast way for most columns. float() alone is too lenient: it takes 1_000, blanks, and Arabic digits.
    if mark == "." and PLAIN.issuperset(text):
        try:
            return _without_infinite([float(s) for s in spellings], spellings)
        except ValueError:
            return None
    values: list[float] = []
    groups: set[str] = set()
    odd = ""
    for spelling in spellings:
        value = _number(spelling, mark)
        if value is None:
            return None
        values.append(value[0])
        groups.add(value[1])
        if not odd and any(c.isdecimal() and not c.isascii() for c in spelling):
            odd = spelling
    group = min(sorted(groups - {""}), key=lambda separator: separator not in ".,", default="")
    return _without_infinite(values, spellings, group, odd)


def _number(spelling: str, mark: Mark) -> tuple[float, str] | None:
    """Value and the separator of its thousands ("" for none)."""
    folded = ascii_digits(spelling)
    if folded.lower() in INFINITE:
        return math.inf, ""
    match = GRAMMARS[mark].fullmatch(folded)
    if match is None:
        return None
    separator = match.group(1) or match.group(2) or ""
    if separator:
        folded = folded.replace(separator, "")
    return float(folded.replace(",", ".") if mark == "," else folded), separator


def _without_infinite(values: list[float], spellings: list[str], group: str = "", odd: str = "") -> Numbers:
    array = np.array(values, np.float64)
    infinite = ~(np.abs(array) <= LARGEST)
    overflow = tuple(spellings[i] for i in np.flatnonzero(infinite))
    array[infinite] = np.nan
    return Numbers(array, group, odd, overflow)


def is_number(spelling: str, mark: Mark = ".") -> bool:
    """Whether one spelling is a number."""
    return _number(spelling, mark) is not None


def has_leading_zero(spellings: list[str]) -> str:
    """The first spelling such as 00123 (digits after a leading zero, no decimal mark right after it), else ""."""
    if not LEADING_ZERO.search(ascii_digits("\n".join(spellings))):
        return ""
    return next(s for s in spellings if LEADING_ZERO.match(ascii_digits(s)))


MarkEvidence = Literal["only", "same", "both", "none"]


def decide_mark(spellings: list[str]) -> tuple[Mark, MarkEvidence]:
    """Which decimal mark makes numbers of all spellings, and on what evidence.

    only: with this mark and not with the other. same: with both, and the values are equal. both: with both, but the
    values differ ("1.234"); the mark is then the separator that occurs, a point where both do. none: with neither.
    """
    point, comma = parse_numbers(spellings, "."), parse_numbers(spellings, ",")
    if point is None or comma is None:
        return (".", "only") if point is not None else (",", "only") if comma is not None else (".", "none")
    if np.array_equal(point.values, comma.values, equal_nan=True):
        return ".", "same"
    text = "".join(spellings)
    return ("," if "," in text and "." not in text else "."), "both"


def has_two_readings(spellings: list[str], mark: Mark, unsure: str) -> bool:
    """Whether these numbers with that decimal mark can all be read with the other one, as other numbers, and one of
    these separators is among them."""
    if not any(separator in spelling for separator in unsure for spelling in spellings):
        return False
    other: Mark = "," if mark == "." else "."
    differs = False
    for spelling in spellings:
        theirs, ours = _number(spelling, other), _number(spelling, mark)
        if theirs is None:
            return False
        differs = differs or ours is None or theirs[0] != ours[0]
    return differs


def spell_number(value: float) -> str:
    """A number as text: integers without a point, others by the shortest exact digits."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e16 else repr(float(value))
