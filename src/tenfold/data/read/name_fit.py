"""Whether column names fit the cells under them: what tells a header that lacks a name from rows that end with a
delimiter."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tenfold.data.read.evidence import Look, looks

# Words in a name, and what the cells below must not all be. English, since a wrong guess only costs a question.
DATES = re.compile(r"(^|[^a-z])(date|datum|fecha|timestamp|datetime|time|dob|birthday)([^a-z]|$)|date$|time$")
AMOUNTS = re.compile(
    r"(^|[^a-z])(qty|quantity|price|amount|count|total|sum|age|weight|height|length|width|depth|score|value|rate|"
    r"salary|income|revenue|cost|balance|temp|temperature|latitude|longitude|lat|lon|lng|year|distance|speed|"
    r"percent|percentage|number of .*)([^a-z]|$)"
)
WORDS = re.compile(r"(name|type|description|comments?|title|text|address|city|country|email|e-mail|url|link)s?$")
ADDRESSES = re.compile(r"(^|[^a-z])(url|link|website|homepage|href)s?([^a-z]|$)")
MAILS = re.compile(r"(^|[^a-z])(e-?mail)s?([^a-z]|$)")
CLASHES: tuple[tuple[re.Pattern[str], Callable[[set[Look]], bool]], ...] = (
    (DATES, lambda seen: seen == {"text"}),
    (AMOUNTS, lambda seen: seen <= {"text", "date"}),
    (WORDS, lambda seen: seen <= {"number", "date"}),
)


def misfits(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns whose name says that it holds something else than all of its cells do (indices from 0)."""
    found: list[int] = []
    for column, name in enumerate(names):
        cells = [cell for row in rows if column < len(row) and (cell := row[column].strip())]
        seen: set[Look] = {look for cell in cells if (look := looks(cell)) != "missing"}
        if not seen:
            continue
        # CamelCase and snake_case are words with blanks between them.
        plain = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name).lower().strip()
        wrong = any(pattern.search(plain) and clashes(seen) for pattern, clashes in CLASHES)
        wrong |= bool(ADDRESSES.search(plain)) and not any("." in cell or "/" in cell for cell in cells)
        wrong |= bool(ADDRESSES.search(plain)) and all(" " in cell for cell in cells)
        wrong |= bool(MAILS.search(plain)) and not any("@" in cell for cell in cells)
        if wrong:
            found.append(column)
    return found
