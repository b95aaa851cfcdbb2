"""How numbers, lists and foreign text are written wherever a person reads them, and the name that a misspelled one most
resembles."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches


def number(value: float) -> str:
    """A score with four decimals; what is very small or large with four significant digits."""
    return f"{value:.4f}" if 1e-3 < abs(value) < 10 else f"{value:.4g}"


def byte_size(count: int) -> str:
    """ "0.8 kB", "12 kB", "1.2 MB": two digits."""
    kilo = count / 1000
    size, unit = (kilo, "kB") if kilo < 999.5 else (kilo / 1000, "MB")
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:,.0f} {unit}"


def listed(items: Iterable[object], most: int, *, quoted: bool = False) -> str:
    """ "a, b and 3 more": at most that many items."""
    texts = [f"'{item}'" if quoted else str(item) for item in items]
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def nearest(name: str, names: Iterable[str], *, likeness: float = 0.6) -> str:
    """The name most like `name`, or "" if none is alike enough. Upper case, spaces and hyphens do not matter.

    likeness: from 0 (anything) to 1 (equal), as `difflib.get_close_matches` counts it.
    """
    by_spelling = {_spelling(candidate): candidate for candidate in names}
    close = get_close_matches(_spelling(name), by_spelling, n=1, cutoff=likeness)
    return by_spelling[close[0]] if close else ""


def _spelling(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


def visible(text: str, *, lines: bool = False) -> str:
    """Text without what a terminal obeys or hides: control characters, marks that turn the direction of writing, and
    bytes that are no UTF-8, written as in "\\\\x1b". lines: leave line ends and tabs as they are."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (lines and c in "\n\t") else _shown(c) for c in text)


def _shown(character: str) -> str:
    category, number = unicodedata.category(character), ord(character)
    # Blanks of other widths, and the two joiners that some scripts and emoji are written with.
    if category == "Zs" or character in "\u200c\u200d":
        return character
    if 0xDC80 <= number <= 0xDCFF:  # how Python holds a byte of a file name that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    if short or number < 0x80:
        return short or f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def in_utc(seconds: float) -> str:
    """Seconds since 1970 as a date and time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def in_time_words(seconds: float) -> str:
    """Seconds in words: "40 s", "3 min"."""
    return f"{max(seconds, 1):.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
