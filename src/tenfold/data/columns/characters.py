"""One form for text that looks alike: composed letters, nothing invisible around it, digits of any script as 0 to 9."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Not blanks to Python, and not to be seen: a byte-order mark inside a file, joiners, marks of direction, soft hyphens.
UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
_WITHOUT_UNSEEN = dict.fromkeys(map(ord, UNSEEN))
_BLANKS_AND_UNSEEN = UNSEEN + "".join(c for c in map(chr, range(0x3001)) if c.isspace())
# What spreadsheets write so that nothing turns a text into a number: ="00123".
GUARDED = re.compile(r'^="([^"]*)"$')
_SIGNS = str.maketrans(
    {"\u2212": "-", "\uff0d": "-", "\uff0b": "+", "\uff0e": ".", "\uff0c": ",", "\u066b": ".", "\u066c": ","}
    | {"\u066a": "%", "\uff05": "%", "\uff04": "$", "\ufe69": "$", "\ufe6a": "%"}
)


def composed(text: str) -> str:
    """The text in Unicode normal form C, in which two texts that look alike are alike."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def clean(cells: Iterable[str]) -> list[str]:
    """Cells composed, without what cannot be seen around them, and without the guard of a spreadsheet."""
    cells = list(cells)
    text = "".join(cells)
    if text.isascii():  # as nearly all are
        stripped = [cell.strip() for cell in cells]
    else:
        stripped = [composed(cell).strip(_BLANKS_AND_UNSEEN) for cell in cells]
    return [GUARDED.sub(r"\1", cell).strip() for cell in stripped] if '="' in text else stripped


def ascii_digits(text: str) -> str:
    """The text with the digits, signs and separators of numbers as ASCII has them, and nothing invisible in it."""
    if text.isascii():
        return text
    text = text.translate(_WITHOUT_UNSEEN).translate(_SIGNS)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
