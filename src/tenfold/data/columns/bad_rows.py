"""Rows that cannot be read, where the user lets them be dropped: how many may be, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tenfold.errors import BadInput
from tenfold.formatting import listed

NAMED = 3


def refuse_too_many(bad: int, rows: int, most: float, *, first: str, where: str) -> None:
    """BadInput where more than a share `most` of the rows are bad. first: what is wrong with the first of them."""
    share = bad / rows
    if share > most:
        least = np.ceil(share * 1000) / 10
        raise BadInput(
            f"{bad} of {rows} rows cannot be read ({share:.1%}), the first: {first}",
            where=where,
            expected=f"at most {most:.1%} bad rows to drop",
            do=f"mend the file, or --bad-rows drop:{least:g}%",
        )


def bad_rows_note(lines: Iterable[tuple[int, str]], rows: int, fate: str) -> str:
    """The note on bad rows, each by its line and a word on it. fate: what becomes of them."""
    every = [f"line {line} ({word})" for line, word in lines]
    return f"{len(every)} of {rows} rows ({len(every) / rows:.1%}) cannot be read and {fate}: {listed(every, NAMED)}"
