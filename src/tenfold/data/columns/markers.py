"""Missing markers that may be values: words such as None and NA where they fill much of a column of labels."""

from __future__ import annotations

from collections.abc import Sequence

from tenfold.data.columns.table import Column
from tenfold.formatting import listed

# What people also write for "there is none" or, as "-", for "negative". No program writes these for a number that it
# lacks and nothing else, as it does NaN, NaT, <NA>, #N/A and \N.
WORDS = frozenset(("none", "nil", "na", "n/a", "n.a.", "n/k", "null", "missing", "-"))
MUCH = 0.1  # share of the rows from which a word may well be a value
NAMED = 3


def may_be_value(column: Column) -> tuple[str, int]:
    """The most frequent marker that may be a value in a column of labels, and its rows; ("", 0) for none."""
    if column.kind not in ("text", "boolean"):
        return "", 0
    words = [(word, count) for word, count in column.markers if word.lower() in WORDS]
    return max(words, key=lambda found: found[1], default=("", 0))


def marker_warnings(columns: Sequence[Column], option: str) -> list[str]:
    """A warning of all columns of text that such a word fills much of; [] for none. option: what keeps the words."""
    places: list[str] = []
    for column in columns:
        word, count = may_be_value(column)
        if count and count >= MUCH * len(column.values):
            places.append(f"'{word}' in {count / len(column.values):.0%} of '{column.name}'")
    if not places:
        return []
    what = listed(places, NAMED)
    return [f"{what} read as missing; if the word is a value there, {option}"]
