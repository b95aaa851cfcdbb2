"""What the cells of a text file look like: the evidence by which its header, its rows and the lines around are told.

Nothing here decides how a cell is read (that is done column by column, see `kinds.py`): a cell that looks like a number
here may turn out as a category.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from tenfold.data.columns.dates import parse_dates
from tenfold.data.columns.missing import USUAL_MISSING, MissingWords

Look = Literal["missing", "number", "date", "text"]
# A number with a sign of money, a percentage or thousands separators around it.
NUMBER = re.compile(
    r"[-+(~<>]{0,2}\s?[$€£¥]?\s?[-+]?(?:\d[\d.,'’\s]*|[.,]\d+)(?:[eE][-+]?\d+)?\s?[%€£$]?\)?|[-+]?inf", re.IGNORECASE
)
DOTTED = re.compile(r"\d{1,4}\.\d{1,2}\.\d{1,4}.*")  # 31.01.2011, which could be a number with separators of thousands
CLOCK = re.compile(r"\d{1,3}:\d\d(?::\d\d(?:[.,]\d+)?)?\s?(?:[ap]m)?", re.IGNORECASE)
DATE_LIKE = re.compile(r"\d{1,4}[-./ ](?:\d{1,2}|[A-Za-z]{3,9})[-./ ,]+\d{1,4}\b.*|[A-Za-z]{3,9}[ -]\d{1,2},? \d{4}")
UNIT = re.compile(
    r"[\[(].{1,20}[\])]|[°º%€£$Åµμ].{0,8}|.{0,12}/[a-zA-Zµ³²0-9^-]{1,6}|.{0,10}[²³]|"
    r"(?:[kmcndµμ]?(?:m|s|g|l|v|w|a|hz|pa|j|n|k|mol|bar|wh|ev|ha)|km2|m2|m3|h|hr|hrs|min|sec|ms|deg|degc|degf|utc|gmt|"
    r"ppm|ppb|mg/l|usd|eur|gbp|psi|mph|kmh|ft|in|lb|lbs|kg|rpm|db|count|counts|units?|n/a|-)",
    re.IGNORECASE,
)
TOTAL = re.compile(
    r"(?:grand |sub ?-?)?(?:totals?|sum|sums|summe|gesamt(?:summe)?|insgesamt|totale|totaal|somme|ensemble|"
    r"média|moyenne|mittelwert|average|mean|all)\s*:?",
    re.IGNORECASE,
)
NOTE = re.compile(
    r"(?:source|sources|note|notes|nb|n\.b\.|quelle|anmerkung|hinweis|fuente|nota|footnotes?|generated|exported|created|"
    r"produced|printed|copyright|©|\(c\)|\*+|†|‡|--+|==+|end of|rows?:|records?:|last updated?|downloaded|prepared|"
    r"revised|provisional|data (?:from|as)|see |for more|https?://|[¹²³\d]{1,2}[.)] )",
    re.IGNORECASE,
)


def looks(cell: str, words: MissingWords = USUAL_MISSING) -> Look:
    """What a cell looks like."""
    cell = cell.strip()
    if cell in words:
        return "missing"
    if NUMBER.fullmatch(cell):
        return "date" if DOTTED.fullmatch(cell) and parse_dates([cell]) is not None else "number"
    if CLOCK.fullmatch(cell) or DATE_LIKE.fullmatch(cell):
        return "date"
    return "text"


def column_looks(rows: Sequence[Sequence[str]], width: int, words: MissingWords = USUAL_MISSING) -> list[Look]:
    """For each column what nine in ten of its cells look like that are not missing; "missing" where all are."""
    found: list[Look] = []
    for column in range(width):
        seen: list[Look] = [
            look for row in rows if column < len(row) and (look := looks(row[column], words)) != "missing"
        ]
        counts = Counter(seen)
        most = next(iter(counts.most_common(1)), ("missing", 0))
        found.append(most[0] if most[1] >= 0.9 * len(seen) else "text")
    return found


def against(cells: Sequence[str], columns: Sequence[Look], words: MissingWords = USUAL_MISSING) -> tuple[int, int]:
    """In how many columns of numbers or dates these cells are text, and in how many they are what the column is."""
    differ = agree = 0
    for cell, column in zip(cells, columns, strict=False):
        if column in ("number", "date"):
            look = looks(cell, words)
            differ += look == "text"
            agree += look in ("number", "date")
    return differ, agree


def looks_like_unit(cell: str) -> bool:
    """Whether a cell looks like a unit of measurement."""
    return UNIT.fullmatch(cell.strip()) is not None


def plain_value(cell: str) -> float | None:
    """The number in a cell, without money, percent and commas; None for another cell."""
    try:
        return float(cell.replace(",", "").strip("$€£¥% "))
    except ValueError:
        return None
