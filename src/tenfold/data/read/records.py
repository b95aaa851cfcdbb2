"""The records of a text file, one by one: their line, their cells, and what is wrong with their quotes.

The csv module splits the text, and not DuckDB or polars: it gives the line of every record and stops at the first
damaged quote, which the error messages need, and it never guesses.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tenfold.data.columns.characters import GUARDED
from tenfold.data.read.dialect import Dialect, text_lines
from tenfold.data.read.options import DEFAULT, ReadOptions
from tenfold.errors import BadInput

# A mark of inches or seconds after a digit. Before anything else the same sign is a quote that lacks its delimiter.
INCHES = re.compile(r"""(?:[^"]|(?<=\d)"(?=$|[\sx×)'-]))*""")
LETTER = re.compile(r"[^\W\d_]")
FEW_INCHES = 3  # cells below which a number with such a mark is a stray quote


def in_one_line(cells: Sequence[str]) -> str:
    """The filled cells of a row, for a message."""
    return " ".join(" ".join(cell.split()) for cell in cells if cell.strip())


def lines_in_words(lines: Sequence[int]) -> str:
    """Lines of a file, for a message."""
    return f"line {min(lines)}" if len(lines) == 1 else f"{len(lines)} lines from line {min(lines)} on"


class RawRow(NamedTuple):
    """line: where it starts, from 1. cells: as they stand. bare: no cell was put in quotes. opened: the first one
    was."""

    line: int
    cells: list[str]
    bare: bool
    opened: bool = False

    @property
    def filled(self) -> int:
        """The number of cells that are not blank."""
        return sum(1 for cell in self.cells if cell and not cell.isspace())

    @property
    def blank(self) -> bool:
        """Whether the line holds nothing."""
        return not self.cells or (len(self.cells) == 1 and not self.cells[0].strip())

    @property
    def empty(self) -> bool:
        """Whether the line holds nothing but delimiters."""
        return self.bare and not self.filled


@dataclass(frozen=True)
class TextFile:
    """UTF-8 text, how to split it, its name for messages, and what the user wants.

    damaged: the lines that could not be split and were passed over, with the reason (`bad_rows` of the options).
    kept: lines with a quote inside an unquoted cell, which stands for itself. inches: errors for such cells without a
    letter, raised where they are few.
    """

    text: bytes
    dialect: Dialect
    source: str
    options: ReadOptions = DEFAULT
    damaged: list[tuple[int, BadInput]] = field(default_factory=list[tuple[int, BadInput]])
    kept: list[int] = field(default_factory=list[int])
    inches: list[BadInput] = field(default_factory=list[BadInput])

    def records(self) -> Iterator[RawRow]:
        """Every record, blank ones included, but for the lines that the options leave out; BadInput at a damaged quote.

        Where the options drop bad rows a damaged line is passed over instead, and reading goes on with the next line.
        """
        first = self.dialect.skip  # lines before the next record
        while True:
            try:
                for record, end in self._from(first):
                    first = end
                    if not self.options.skips(record.line):
                        yield record
                if 0 < len(self.inches) < FEW_INCHES:
                    raise self.inches[0]
                return
            except _Damaged as fault:
                if not self.options.drops or self.options.skips(fault.line):
                    if not self.options.skips(fault.line):
                        raise fault.error from None
                else:
                    self.damaged.append((fault.line, fault.error))
                first = fault.line

    def _from(self, skip: int) -> Iterator[tuple[RawRow, int]]:
        """The records after so many lines, each with the line it ends on."""
        raw: list[str] = []
        # A line that is left out must not open a quote either.
        lines = self._lines(skip, raw)
        reader = csv.reader(lines, **self.dialect.options())
        last = 0
        try:
            for record in reader:
                start, last = last + 1, reader.line_num
                line = start + skip
                if last > start:
                    self._refuse_swallowed(line, record)
                text = "".join(raw)
                raw.clear()
                quoted = self.dialect.quote in text
                if quoted and any(self.dialect.quote in cell for cell in record):
                    self._check_quotes(line, text)
                opened = quoted and text.lstrip(" ").startswith(self.dialect.quote)
                yield RawRow(line, record, not quoted, opened), last + skip
        except csv.Error as error:
            raise _Damaged(last + 1 + skip, self._unbalanced(last + 1 + skip, str(error))) from error

    def _lines(self, skip: int, raw: list[str]) -> Iterator[str]:
        """The lines after so many, kept in `raw` as well; those that the options leave out are blank."""
        wanted = bool(self.options.skipped)
        for number, line in enumerate(text_lines(self.text, skip), skip + 1):
            text = "\n" if wanted and self.options.skips(number) else line
            raw.append(text)
            yield text

    def line(self, number: int) -> str:
        """The text of one line."""
        return next(iter(text_lines(self.text, number - 1)), "").rstrip("\r\n")

    def place(self, line: int, column: int, names: list[str] | None = None) -> str:
        """File, line and column in words."""
        title = f" ('{names[column - 1]}')" if names and column <= len(names) and names[column - 1] else ""
        return f"{self.source}, line {line}, column {column}{title}"

    def _unbalanced(self, line: int, reason: str) -> BadInput:
        """The error for a record that starts on this line and has a damaged quote, or a cell without an end."""
        text = self.line(line)
        # The last cell that still parses from the start of the line is the one before the damage.
        good = 0
        for end in (i for i, c in enumerate(text[:10_000]) if c == self.dialect.delimiter):
            try:
                good = len(next(csv.reader([text[:end]], **self.dialect.options())))
            except csv.Error:
                continue
        place = self.place(line, good + 1)
        if "field limit" in reason and self.dialect.quote not in text:
            return BadInput(
                f"a cell of more than {csv.field_size_limit():,} characters", where=place, do="shorten that cell"
            )
        endless = "unexpected end" in reason or "field limit" in reason
        return BadInput(
            f"unbalanced quote: {'a quoted cell that never ends' if endless else 'text goes on after a closing quote'}",
            where=place,
            expected=f"a cell in {self.dialect.quote}quotes{self.dialect.quote}, quotes inside it doubled",
            do="close or remove that quote, or leave such rows out: --bad-rows drop",
        )

    def _refuse_swallowed(self, line: int, record: list[str]) -> None:
        """Refuse a cell whose inner lines are all records of their own: a quote before them was left open."""
        for column, cell in enumerate(record, 1):
            # A quote left open swallows rows until the next quote, and the record that results can be as wide as any
            # other. So lines inside a cell are looked at: if every one of them splits like a row, it is one. With two
            # columns or fewer, text in several lines looks like that by chance.
            inner = cell.splitlines()[1:-1]
            if len(record) < 3 or not inner:
                continue
            options = {**self.dialect.options(), "strict": False}
            if all(len(next(csv.reader([text], **options), [])) == len(record) for text in inner):
                error = BadInput(
                    f"unbalanced quote: a quoted cell runs over lines that look like rows ({len(inner)} of them)",
                    where=self.place(line, column),
                    expected="a quote that closes in its own row",
                    do="close or remove that quote",
                )
                raise _Damaged(line, error)

    def _check_quotes(self, line: int, text: str) -> None:
        """Refuse a quote inside a cell that does not start with one, if it could also have been meant to open or close
        a quoted cell."""
        quote, delimiter = self.dialect.quote, self.dialect.delimiter
        for column, cell, rest in _unquoted(text, delimiter, quote):
            if quote not in cell or (quote == '"' and GUARDED.fullmatch(cell.strip())):
                continue
            error = BadInput(
                f"a quote inside a cell that does not start with one: '{cell[:60]}'",
                where=self.place(line, column),
                expected=f"a cell in {quote}quotes{quote} as a whole, with quotes inside it doubled, or none",
                do=f"put the missing {delimiter!r} or quote there, or leave such rows out: --bad-rows drop",
            )
            # In a name a quote that no other follows has cut nothing.
            name = line == self.dialect.skip + 1 and quote not in rest and cell.count(quote) == 1
            inches = quote == '"' and INCHES.fullmatch(cell)
            if not name and not inches:
                raise _Damaged(line, error)
            if not name and not LETTER.search(cell):
                self.inches.append(error)
            self.kept.append(line)


class _Damaged(Exception):
    """A record that starts on `line` and cannot be split; error: what the user gets to read."""

    def __init__(self, line: int, error: BadInput) -> None:
        super().__init__(str(error))
        self.line, self.error = line, error


def _unquoted(text: str, delimiter: str, quote: str) -> Iterator[tuple[int, str, str]]:
    """Of the raw text of a record the cells that are not in quotes: column from 1, cell, and the text after it."""
    quoted = re.compile(rf" *{quote}(?:[^{quote}]|{quote}{quote})*{quote}(?={re.escape(delimiter)}|[\r\n]*$)")
    at, column, text = 0, 1, text.rstrip("\r\n")
    while at <= len(text):
        match = quoted.match(text, at)
        if match:
            end = match.end()
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            yield column, text[at:end], text[end + 1 :]
        at, column = end + 1, column + 1
