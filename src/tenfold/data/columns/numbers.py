"""Numbers as files spell them: signs, exponents, thousands separators, decimal point or decimal comma."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

Array = np.ndarray
Mark = Literal[".", ","]
MARK_NAMES: dict[str, str] = {".": "decimal point", ",": "decimal comma"}
PLAIN = frozenset("0123456789+-.eE")
INFINITE = frozenset(sign + word for sign in ("", "+", "-") for word in ("inf", "infinity"))
LEADING_ZERO = re.compile(r"^[+-]?0[0-9]", re.MULTILINE)
EXACT = 2**53  # integers beyond it are not all float64


def _grammar(mark: str, other: str) -> re.Pattern[str]:
    groups = rf"[1-9][0-9]{{0,2}}([{re.escape(other)} '\u2019\u00a0\u202f])[0-9]{{3}}(?:\1[0-9]{{3}})*"
    mark = re.escape(mark)
    return re.compile(rf"[+-]?(?:{groups}|[0-9]+|(?={mark}[0-9]))(?:{mark}[0-9]*)?(?:[eE][+-]?[0-9]+)?")


GRAMMARS: dict[str, re.Pattern[str]] = {".": _grammar(".", ","), ",": _grammar(",", ".")}


@dataclass(frozen=True)
class Numbers:
    """values (spellings,) float64; grouped: thousands separators occur; overflow: spellings that became missing."""

    values: Array
    grouped: bool
    overflow: tuple[str, ...]


def parse_numbers(spellings: list[str], mark: Mark) -> Numbers | None:
    """The spellings as numbers with that decimal mark, or None where any of them is not one.

    `inf`, and what overflows float64 (1e999), becomes NaN and is listed. Thousands separators set off groups of three
    after the first one to three digits: , (or . with a decimal comma), space, apostrophe.
    """
    text = "".join(spellings)
    # The fast way for most columns. float() alone is too lenient: it takes 1_000, blanks, and Arabic digits.
    if mark == "." and PLAIN.issuperset(text):
        try:
            return _without_infinite([float(s) for s in spellings], spellings, grouped=False)
        except ValueError:
            return None
    values: list[float] = []
    grouped = False
    for spelling in spellings:
        value = _number(spelling, mark)
        if value is None:
            return None
        values.append(value[0])
        grouped |= value[1]
    return _without_infinite(values, spellings, grouped=grouped)


def _number(spelling: str, mark: Mark) -> tuple[float, bool] | None:
    """Value and whether it has thousands separators."""
    folded = spelling.replace("\u2212", "-")
    if folded.lower() in INFINITE:
        return math.inf, False
    match = GRAMMARS[mark].fullmatch(folded)
    if match is None:
        return None
    separator = match.group(1)
    if separator:
        folded = folded.replace(separator, "")
    return float(folded.replace(",", ".") if mark == "," else folded), bool(separator)


def _without_infinite(values: list[float], spellings: list[str], *, grouped: bool) -> Numbers:
    array = np.array(values, np.float64)
    infinite = np.isinf(array)
    overflow = tuple(spellings[i] for i in np.flatnonzero(infinite))
    array[infinite] = np.nan
    return Numbers(array, grouped, overflow)


def is_number(spelling: str, mark: Mark = ".") -> bool:
    """Whether one spelling is a number."""
    return _number(spelling, mark) is not None


def has_leading_zero(spellings: list[str]) -> str:
    """The first spelling such as 00123 (digits after a leading zero, no decimal mark right after it), else ""."""
    match = LEADING_ZERO.search("\n".join(spellings))
    if not match:
        return ""
    return next(s for s in spellings if LEADING_ZERO.match(s))


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


def spell_number(value: float) -> str:
    """A number as text: integers without a point, others by the shortest exact digits."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e16 else repr(float(value))
