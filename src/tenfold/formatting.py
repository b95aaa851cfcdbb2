"""How numbers and lists are written wherever a person reads them, and the name that a misspelled one most resembles."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def number(value: float) -> str:
    """A score with four decimals; what is very small or large with four significant digits."""
    return f"{value:.4f}" if 1e-3 < abs(value) < 10 else f"{value:.4g}"


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
