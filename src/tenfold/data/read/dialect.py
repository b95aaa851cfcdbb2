"""How a text file separates its cells: detected from its first lines, explicit from then on."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tenfold.data.read.options import DEFAULT, ReadOptions

DELIMITERS = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma"}  # the first wins a tie: commas occur in text
HEAD_LINES = 400
HEAD_CHARACTERS = 262_144
DELIMITING_COMMA = re.compile(r"(?<!\d),|,(?!\d)")
SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """delimiter and quote character; skip: lines before the header; header_comment: the header starts with '#'."""

    delimiter: str = ","
    quote: str = '"'
    skip: int = 0
    header_comment: bool = False
    notes: tuple[str, ...] = ()

    def options(self) -> dict[str, Any]:
        """The options for csv.reader: strict, so that a damaged quote is an error and not a guess."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote,
            "doublequote": True,
            # 'a, "b, c"': a quote after a blank opens a cell as well. Between tabs a blank belongs to the cell.
            "skipinitialspace": self.delimiter != "\t",
            "strict": True,
        }


def text_lines(raw: bytes, skip: int = 0) -> Iterator[str]:
    """The lines of UTF-8 text, with their line ends (LF, CRLF or CR), after the first `skip` of them."""
    stream = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline="")
    for _ in range(skip):
        next(stream, "")
    return stream


def detect(raw: bytes, *, tabs: bool = False, options: ReadOptions = DEFAULT) -> Dialect:
    """The dialect of UTF-8 text. tabs: the file's name says that it holds tabs, which decides a tie only.

    The delimiter is the one with which the most lines of the head have as many cells as most of them (at least 2);
    among equals the one with the most cells, then tab, semicolon, bar, comma. If no delimiter fits there is one column,
    which is read with commas.
    """
    lines = ["\n" if options.skips(number) else line for number, line in enumerate(_head(raw), 1)]
    skip, notes, forced = 0, [], ""
    if lines and _separator(lines[0]):
        forced, skip = _separator(lines[0]), 1
    if options.header_row is not None:
        above = text_lines(raw, options.header_row - 1)
        lines = [*lines[: options.header_row - 1], *islice(above, HEAD_LINES)]
        skip = options.header_row - 1
    while options.header_row is None and skip < len(lines) and (not lines[skip].strip() or lines[skip].startswith("#")):
        skip += 1
    comments = sum(1 for line in lines[:skip] if line.startswith("#"))
    body = lines[skip:]
    quote = _quote(body)
    delimiter = forced or _delimiter(body, quote, tabs)
    header_comment = comments > 0 and _comment_is_header(lines[:skip], body, delimiter, quote)
    if header_comment:
        skip = max(i for i, line in enumerate(lines[:skip]) if line.startswith("#"))
        comments = sum(1 for line in lines[:skip] if line.startswith("#"))
        notes.append("the header is the last line that starts with '#'")
    if comments:
        notes.append(f"{comments} comment line{'s' * (comments > 1)} before the header skipped")
    if delimiter != ("\t" if tabs else ","):
        notes.append(f"delimiter: {DELIMITERS.get(delimiter, repr(delimiter))}")
    if quote != '"':
        notes.append("quotes: '")
    return Dialect(delimiter, quote, skip, header_comment, tuple(notes))


def _head(raw: bytes) -> list[str]:
    lines: list[str] = []
    budget = HEAD_CHARACTERS
    for line in text_lines(raw):
        lines.append(line)
        budget -= len(line)
        if len(lines) >= HEAD_LINES or budget < 0:
            break
    return lines


def _separator(line: str) -> str:
    """The delimiter that a first line such as 'sep=;' declares (Excel writes it), else ""."""
    match = SEPARATOR_LINE.fullmatch(line.strip("\r\n").lstrip())
    return match.group(1) if match else ""


def _quote(lines: list[str]) -> str:
    """The double quote; the single one where there is no double quote and most lines have a cell in single quotes."""
    if any('"' in line for line in lines):
        return '"'
    single = sum(1 for line in lines if re.search(r"(^|[,;\t|])\s*'[^']*'\s*($|[,;\t|])", line))
    return "'" if lines and single > len(lines) / 2 else '"'


def _delimiter(lines: list[str], quote: str, tabs: bool) -> str:
    best: tuple[float, int, int] = (0.0, 0, 0)
    chosen = "\t" if tabs else ","
    for rank, delimiter in enumerate(reversed(DELIMITERS)):
        widths = _widths(lines, delimiter, quote)
        counts = Counter(width for width in widths if width > 1)
        if not counts:
            continue
        width = max(counts, key=lambda width: (counts[width], width))
        # A header of one cell fewer agrees too: some programs end every line but the header with a delimiter.
        first = next(width for width in widths if width > 1)
        agreement = counts[width] + (first == width - 1)
        score = (agreement / len(widths), width, rank)
        decimal = chosen == "," and score[0] >= best[0] > 0 and _decimal_commas(lines, delimiter)
        if score > best or decimal:
            best, chosen = score, delimiter
    return chosen


def _decimal_commas(lines: list[str], delimiter: str) -> bool:
    """Whether every comma stands between two digits, while another delimiter stands in every line."""
    present = [line for line in lines if line.strip()]
    return all(delimiter in line for line in present) and not any(DELIMITING_COMMA.search(line) for line in present)


def _widths(lines: list[str], delimiter: str, quote: str) -> list[int]:
    """Cells of each record of the head (blank lines left out), as far as it can be parsed."""
    widths: list[int] = []
    records = csv.reader(lines, delimiter=delimiter, quotechar=quote, skipinitialspace=delimiter != "\t")
    with contextlib.suppress(csv.Error):
        widths.extend(len(record) for record in records if record)
    return widths


def _comment_is_header(before: list[str], body: list[str], delimiter: str, quote: str) -> bool:
    """Whether the last comment line has a name for every cell of the first data line, which holds a number."""
    comment = [line for line in before if line.startswith("#")][-1].lstrip("# ")
    first = next(csv.reader(body[:1], delimiter=delimiter, quotechar=quote, skipinitialspace=True), [])
    names = _widths([comment], delimiter, quote)
    return (
        names == [len(first)]
        and len(first) > 1
        and any(_is_number(cell) for cell in first)
        and not any(_is_number(cell) for cell in comment.split(delimiter))
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return True
