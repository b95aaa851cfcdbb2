"""Labels that look like two spellings of one: they differ in capitals, blanks, punctuation or Unicode form only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from tenfold.data.columns.numbers import EXACT, has_leading_zero, parse_numbers

OUTER = " .,;:!?'\"`()[]{}_"  # around a label these say nothing; a sign such as + or - does (A+, A-)
QUOTES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'") | dict.fromkeys("\u201c\u201d\u00ab\u00bb", '"'))
DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
GAPS = re.compile(r"(?<![0-9])[\s_]+|[\s_]+(?![0-9])")  # "1 0" is not "10"
JOINTS = re.compile(r"(?<=[^\W\d_])[-'.]+(?=[^\W\d_])")  # between letters: "New-York", "U.S"


def plain_form(label: str) -> str:
    """What two spellings of one label share: without capitals, blanks, punctuation around it, and invisible marks."""
    text = unicodedata.normalize("NFKC", label)
    text = "".join(mark for mark in text if unicodedata.category(mark) not in ("Cf", "Cc") or mark in "\t\n")
    text = text.casefold().translate(QUOTES).translate(DASHES).strip(OUTER + "\t\n\r\f\v")
    return GAPS.sub("", JOINTS.sub("", text))


def number_of(label: str) -> float | None:
    """The number that a label is; None for other labels, codes with leading zeros, and what float64 would round."""
    found = None if has_leading_zero([label]) else parse_numbers([label], ".")
    if found is None or not abs(found.values[0]) < EXACT:
        return None
    return float(found.values[0])


def alike(labels: Iterable[str]) -> list[list[str]]:
    """Groups of labels that may be spellings of one, each sorted; in the order of their first labels."""
    groups: dict[object, list[str]] = {}
    for label in labels:
        number = number_of(label)
        groups.setdefault((plain_form(label) or label) if number is None else number, []).append(label)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def alike_in_words(labels: Iterable[str], most: int) -> str:
    """ "'a' and 'A', ... differ in capitals, blanks or punctuation only": at most so many groups; "" for none."""
    groups = [" and ".join(f"'{label}'" for label in group) for group in alike(labels)]
    more = f", and {len(groups) - most} more such groups" if len(groups) > most else ""
    return f"{', '.join(groups[:most])} differ in capitals, blanks or punctuation only{more}" if groups else ""
