"""Codes that look like numbers: what would be lost if they were read as numbers, in words ("" for nothing).

Each function takes the distinct cells of a column that are all numbers, and the numbers.
"""

from __future__ import annotations

import re

import numpy as np

from tenfold.data.columns.numbers import EXACT

Array = np.ndarray
MOST_CODES = 1000  # distinct cells: with more than that, codes would be neither classes nor levels
MOST_VERSIONS = 100
_INTEGER = re.compile(r"[+-]?[0-9]+")
_EXPONENT = re.compile(r"[0-9]+[eE][0-9]+")
# Versions and chapters: 1.9, 1.10, 1.11, never 1.05; and what is written with and without a last zero is an early one
# of many. 1.5 and 1.50, 0.1 and 0.10 are more often one number.
_VERSION = re.compile(r"[1-9][0-9]{0,2}\.(?:0|[1-9][0-9]?)")
_EARLY = re.compile(r"[0-9]+\.[1-4]")
_DECIMALS = re.compile(r"[+-]?[0-9]+[.,][0-9]+")


def merged_integers(cells: list[str], values: Array) -> str:
    """Integers beyond 2^53 of which two would become one number."""
    large = [i for i in np.flatnonzero(np.abs(values) >= EXACT) if _INTEGER.fullmatch(cells[i])]
    exact = {int(cells[i]) for i in large}
    if len(exact) == len(set(values[large].tolist())):
        return ""
    example = cells[large[0]]
    return f"stays text: integers beyond 2^53, such as {example}, of which some would become equal as numbers"


def exponent_codes(cells: list[str], values: Array) -> str:
    """Digits, an e, and digits in every cell: no program writes numbers so, which have a sign or a point."""
    if not 1 < len(cells) <= MOST_CODES or not all(map(_EXPONENT.fullmatch, cells)):
        return ""
    return f"stays text: '{cells[0]}' may be a code; if these are numbers, write them with a sign or a point, as 1e+5"


def version_codes(cells: list[str], values: Array) -> str:
    """1.10 beside 1.1, where all cells look like versions or chapters."""
    if len(cells) > MOST_VERSIONS or not all(map(_VERSION.fullmatch, cells)):
        return ""
    pairs = _written_twice(cells, values)
    if not pairs or not all(_EARLY.fullmatch(short) for short, _ in pairs):
        return ""
    return (
        f"stays text: '{pairs[0][0]}' and '{pairs[0][1]}' may be two codes; if they are one number, give all cells as "
        "many decimals"
    )


def same_number(cells: list[str], values: Array) -> str:
    """1.10 beside 1.1 among other numbers, which is said and no more."""
    pairs = _written_twice(cells, values)
    return f"'{pairs[0][0]}' and '{pairs[0][1]}' are read as one number: as codes they would be two" if pairs else ""


def _written_twice(cells: list[str], values: Array) -> list[tuple[str, str]]:
    """Pairs of cells with decimals that are one number, the shorter one first; a number with and without decimals (1
    and 1.0) is no such pair."""
    # Where all numbers differ, none is written twice.
    if len(cells) > MOST_CODES or len(np.unique(values)) == len(values):
        return []
    seen: dict[float, str] = {}
    pairs: list[tuple[str, str]] = []
    for cell, value in zip(cells, values.tolist(), strict=True):
        if not _DECIMALS.fullmatch(cell):
            continue
        first = seen.setdefault(value, cell)
        if len(first) != len(cell) and first.lstrip("+-").rstrip("0") == cell.lstrip("+-").rstrip("0"):
            pairs.append((first, cell) if len(first) < len(cell) else (cell, first))
    return pairs
