"""Times of day and durations with colons as seconds: 1:19:20, 07:30 PM, 2 days 03:00:00."""

from __future__ import annotations

import re

import numpy as np

from tenfold.data.columns.characters import ascii_digits

Array = np.ndarray
LONG, SHORT, BOTH, HALF_DAYS = "h:mm:ss", "0:00", "h:mm:ss or mm:ss", "h:mm am/pm"
FORMATS = (LONG, SHORT, BOTH, HALF_DAYS)
_LONG = re.compile(
    r"(?P<sign>[-+]?)(?:(?P<days>[0-9]+) days?,? [+]?)?(?P<h>[0-9]+):(?P<m>[0-5][0-9]):(?P<s>[0-5][0-9](?:\.[0-9]+)?)"
)
_SHORT = re.compile(r"(?P<sign>[-+]?)(?P<m>[0-9]+):(?P<s>[0-5][0-9](?:\.[0-9]+)?)")
_HALF = re.compile(r"(?P<h>0?[1-9]|1[0-2])(?::(?P<m>[0-5][0-9])(?::(?P<s>[0-5][0-9]))?)?\s?(?P<half>[ap])\.?m\.?", re.I)


def seconds(cell: str, form: str) -> float | None:
    """The cell in this format as seconds; None where it is not in it.

    h:mm:ss: with days before it, if need be. 0:00: 60 times the first part and the second, so seconds if the parts are
    minutes and seconds, and minutes if they are hours and minutes. h:mm am/pm: since midnight.
    """
    text = ascii_digits(cell)
    if form == HALF_DAYS:
        match = _HALF.fullmatch(text)
        if match is None:
            return None
        hour = int(match["h"]) % 12 + 12 * (match["half"] in "pP")
        return hour * 3600.0 + int(match["m"] or 0) * 60 + int(match["s"] or 0)
    match = None if form == SHORT else _LONG.fullmatch(text)
    if match is not None:
        size = (int(match["days"] or 0) * 24 + int(match["h"])) * 3600.0 + int(match["m"]) * 60 + float(match["s"])
        return -size if match["sign"] == "-" else size
    match = None if form == LONG else _SHORT.fullmatch(text)
    if match is None:
        return None
    size = int(match["m"]) * 60.0 + float(match["s"])
    return -size if match["sign"] == "-" else size


def parse_durations(cells: list[str]) -> tuple[Array, str] | None:
    """Seconds (cells,) and the format that all cells have; None where they have none.

    Cells with two and with three parts are told apart only if the first of two parts is at times too large for an hour.
    """
    if ":" not in cells[0] and cells[0][-1:] not in "mM.":
        return None
    for form in (LONG, SHORT, HALF_DAYS):
        values = [seconds(cell, form) for cell in cells]
        if None not in values:
            return np.array(values, np.float64), form
    values = [seconds(cell, BOTH) for cell in cells]
    short = [minutes for cell in cells if (minutes := seconds(cell, SHORT)) is not None]
    if None in values or not short or max(map(abs, short)) < 24 * 60:
        return None
    return np.array(values, np.float64), BOTH
