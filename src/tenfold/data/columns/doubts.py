"""What a column of text nearly is: cells that look like numbers or dates to a person, and are neither to a rule.

One sentence names all ways in which they are written, with the first cell of each, and what would settle it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tenfold.data.columns.characters import ascii_digits
from tenfold.data.columns.dates import parse_dates
from tenfold.data.columns.durations import FORMATS, seconds
from tenfold.data.columns.numbers import is_number
from tenfold.data.columns.units import dressed, is_unit
from tenfold.data.columns.writing import Mark
from tenfold.formatting import listed

if TYPE_CHECKING:
    from tenfold.data.columns.cells import Cells

Array = np.ndarray
HALF = 0.5  # share of cells from which a column of text is nearly numbers, or nearly dates
SAMPLE = 200  # rows that are looked at first
MANY = 20_000  # distinct cells from which on no more rows than that are counted
NAMED = 4  # ways of writing in one sentence
_NUMBER = r"[-+]?(?:[0-9][0-9.,' ]*|[.,][0-9]+)"
_PARENTHESES = re.compile(rf"\(\s?{_NUMBER}\s?%?\)")
_BEHIND = re.compile(r"[0-9][0-9.,' ]*-")
_AT_LEAST = re.compile(r"[0-9][0-9.,' ]*(?P<unit>[^\d+]*)\+\s?(?P<word>\D*)")
_LIMIT = re.compile(
    r"(?:[<>\u2264\u2265]=?|at least|at most|under|over|above|below|(?:more|less) than|up to)\s?(?=[-+.0-9$\u20ac])",
    re.I,
)
_ROUGH = re.compile(r"(?:~|\u2248|\u00b1|\+-|\+/-|ca\.?|circa|about|approx\.?)\s?(?=[-+.0-9$\u20ac])", re.I)
_RANGE = re.compile(r"(?P<low>[0-9][0-9.,]*)\s?(?:-|\u2013|\u2014|\.\.|to)\s?(?P<high>[0-9][0-9.,]*)\s?(?P<unit>\D*)")
_SEVERAL = re.compile(
    r"(?!0x)[0-9][0-9.,]*\s?(?P<first>[^\W\d_]+|['\"\u2032\u2033x\u00d7/*])\.?,?\s?[0-9][0-9.,]*\s?"
    r"(?P<last>[^\W\d_]+|['\"\u2032\u2033])?\.?"
)
_FLAT = re.compile(r"[0-9]+[AC-JLN-Z]")  # 12A is a flat or a seat before it is twelve amperes; 12M are millions
_SHORT_DATE = re.compile(
    r"[0-9]{1,2}(?P<sign>[-/.])[0-9]{1,2}(?P=sign)[0-9]{2}|'?[0-9]{2}(?P<s>[-/])[0-9]{1,2}(?P=s)[0-9]{2}"
)
_MONTH_DATE = re.compile(
    r"(?:[0-9]{1,2}[- ])?(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]{0,6}\.?[- /']{1,2}[0-9]{2}"
    r"|[0-9]{1,2}[- ](?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]{0,6}",
    re.IGNORECASE,
)
_DATE_NAME = re.compile(
    r"(?i:(^|[\W_])(date|datum|day|time|dob|birthday|geburtsdatum|fecha)($|[\W_]))|[a-z](Date|Day|Time)"
)
PLAIN, OTHER = "plain numbers", ""
ONE_NUMBER = "write one number in every cell, with one unit or none, if these are numbers"
# What would settle it, by way of writing; the first that occurs is named.
ADVICE = {
    "with a zone": "write all of them with a zone, or none",
    "date": "write all of them as 2011-01-31",
    "time": "write all times as h:mm:ss",
    "numbers in parentheses": "write them as -20 if they are negative",
    "numbers with the sign behind": "write them as -20 if they are negative",
}


def excel_days(name: str, values: Array) -> str:
    """The doubt about whole or other numbers under the name of a date, of which all are as large as the days that a
    spreadsheet counts."""
    if not _DATE_NAME.search(name):
        return ""
    present = values[~np.isnan(values)]
    if not len(present) or present.min() < 20_000 or present.max() > 60_000:
        return ""
    day = np.datetime64("1899-12-30") + np.timedelta64(int(present[0]), "D")
    return f"numbers such as {present[0]:g} may be the days of a spreadsheet ({day}): write dates as 2011-01-31"


def text_doubt(cells: Cells, mark: Mark, place: Callable[[int], str]) -> str:
    """What a text column nearly is, with the first cell of each way of writing; "" for plain text. place: of a row."""
    texts = cells.texts
    if mark == "." and all(is_number(text, ",") for text in texts):
        if not any("," in text for text in texts):
            return f"'{texts[0]}' looks like points between thousands: take them out"
        return f"'{texts[0]}' looks like a decimal comma: write a point, or separate the columns by semicolons"
    present = np.zeros(len(cells.distinct), bool)
    present[cells.present] = True
    rows = np.flatnonzero(present[cells.codes])
    sample = [cells.distinct[i] for i in cells.codes[rows[:: max(1, len(rows) // SAMPLE)]]]
    known = {text: way(text, mark) for text in set(sample)}
    if sum(known[text] != OTHER for text in sample) < HALF * len(sample):
        return ""
    looked = rows[:: -(-len(rows) // MANY)] if len(texts) > MANY else rows
    codes, first, counts = np.unique(cells.codes[looked], return_index=True, return_counts=True)
    found: dict[str, list[int]] = {}
    for code, row, number in zip(codes, looked[first], counts, strict=True):
        text = cells.distinct[code]
        what = known[text] if text in known else way(text, mark)
        count, least = found.get(what, (0, int(row)))
        found[what] = [count + int(number), min(least, int(row))]
    if len(looked) < len(rows) and (len(found) == 1 or (OTHER in found and len(found) == 2)):
        what = next(key for key in found if key != OTHER)
        if what == PLAIN or what.startswith(("dates", "numbers with")):  # what prevents that may be rare
            row = next((row for row in rows if not _is_so(cells.distinct[cells.codes[row]], what, mark)), rows[0])
            key = way(cells.distinct[cells.codes[row]], mark)
            found[key] = [found[key][0] if key in found else 1, int(row)]
    others = found.pop(OTHER, None)
    if (others is not None and others[0] > HALF * len(looked)) or not found:
        return ""

    def shown(row: int) -> str:
        return f"'{cells.distinct[cells.codes[row]][:40]}' on {place(row)}"

    only = next(iter(found)) if len(found) == 1 else ""
    if others is not None and (only == PLAIN or only.startswith("dates")):
        what = "numbers" if only == PLAIN else "dates"
        return (
            f"text, because {others[0]} of {len(looked)} cells are no {what} while the others are: "
            f"{shown(others[1])} is the first; if they hold no value, leave them empty"
        )
    order = sorted(found.items(), key=lambda item: (-item[1][0], item[1][1]))
    parts = [f"{what} ({_cells(count)}, {shown(row)})" for what, (count, row) in order]
    if others is not None:
        parts.append(f"others ({_cells(others[0])}, {shown(others[1])})")
    advice = next((told for key, told in ADVICE.items() if any(key in what for what in found)), ONE_NUMBER)
    return f"text, because it holds {listed(parts, NAMED)}: {advice}"


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count > 1)}"


def _is_so(text: str, what: str, mark: Mark) -> bool:
    """Whether a cell is written in this way; faster than `way`."""
    if what == PLAIN:
        return is_number(text, mark)
    if what.startswith("dates as "):
        return parse_dates([text], what.removeprefix("dates as ").removesuffix(" with a zone")) is not None
    return way(text, mark) == what


def way(text: str, mark: Mark) -> str:
    """How a cell is written that is a number or a date to a person, in words; "" for plain text."""
    folded = ascii_digits(text)
    if not any(c.isdecimal() for c in folded):
        return OTHER
    if is_number(folded, mark):
        return PLAIN
    if is_number(folded, "," if mark == "." else "."):
        return "numbers with the other decimal mark"
    dates = parse_dates([folded])
    if dates is not None:
        return f"dates as {' or '.join(dates.rules)}" + " with a zone" * dates.zoned
    if _SHORT_DATE.fullmatch(folded) or _MONTH_DATE.fullmatch(folded):
        return "dates without a whole year"
    if any(seconds(folded, form) is not None for form in FORMATS):
        return "times"
    taken = dressed(folded)
    if taken is not None and _FLAT.fullmatch(folded):
        return OTHER
    if taken is not None:
        signs = [f"'{sign}'" for sign in taken.unit if sign]
        return "numbers with " + " and ".join(
            [*signs, *(["the other decimal mark"] * (not is_number(taken.number, mark)))]
        )
    if _PARENTHESES.fullmatch(folded):
        return "numbers in parentheses"
    if _BEHIND.fullmatch(folded):
        return "numbers with the sign behind"
    least = _AT_LEAST.fullmatch(folded)
    if least and all(not part or is_unit(part, blank=True) for part in (least["unit"].strip(), least["word"].strip())):
        return "limits"
    for pattern, what in ((_LIMIT, "limits"), (_ROUGH, "rough numbers")):
        match = pattern.match(folded)
        if match and _is_amount(folded[match.end() :], mark):
            return what
    return _several(folded)


def _is_amount(text: str, mark: Mark) -> bool:
    return is_number(text, mark) or dressed(text) is not None


def _several(text: str) -> str:
    match = _RANGE.fullmatch(text)
    if match is not None:
        low, high, unit = match["low"], match["high"], match["unit"].strip()
        if is_number(low) and is_number(high) and not (low[0] == "0" and low.isdecimal() and len(low) > 1):
            ordered = float(low.replace(",", "")) < float(high.replace(",", ""))
            if ordered and (not unit or is_unit(unit, blank=True)):
                return "ranges"
    match = _SEVERAL.fullmatch(text)
    if match is not None and all(
        part is None or not part.isalpha() or part == "x" or is_unit(part, blank=False)
        for part in (match["first"], match["last"])
    ):
        return "several numbers in one cell"
    return OTHER
