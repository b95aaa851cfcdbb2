"""Random tables as text files, and what each of their cells means: an account of its own, not that of the readers."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from tenfold.data.columns.table import Column, Table

Value = float | bool | datetime.datetime | str | None

MISSING = ("", "NA", "n/a", "?", "NULL", "nan", "-", "#N/A")
WORDS = ("red", "Grün", "bleu ciel", "naïve", "O'Brien", "façade", "x1", "A/B", "a_b", "Zürich", "señor", "non-stop")
OTHER_SCRIPTS = ("красный", "赤い", "أحمر", "κόκκινο", "e\u0301te\u0301", "🙂 fine", "Ⅷ", "한국")
SPECIAL = (
    *('say "hi"', "a,b", "a;b", "p|q", "two\nlines", "tab\there", "# no", "=1+1", "a, b; c", '"', "it''s", "(5", "é,ü"),
    *("<b>", "\u200bx", "NaN%", "1 2", "\\", "'", "x\u00a0y", "#12", "-5-", "1.2.3", "\x07"),
)
NAMES = (
    *("age", "Preis (€)", "unit price", "größe", "y", "x.1", "température", "名前", "Qualite\u0301", "is_new", "n°"),
    *("Tag/Monat", "a,b", 'the "x"', "<i>"),
)
DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "utf-16-le")
TITLES = ("Sales report", "Exported on 2024-01-31", "All figures in thousands", "Prepared by: A. Person")
NOTES = ("Source: own data", "End of report", "(c) the authors")


@dataclass(frozen=True)
class Written:
    """A column: its name, its kind here, its cells as they are written, and what each of them means."""

    name: str
    kind: str
    cells: tuple[str, ...]
    values: tuple[Value, ...]

    def take(self, rows: list[int]) -> Written:
        """Some of the rows, in that order."""
        return replace(self, cells=tuple(self.cells[i] for i in rows), values=tuple(self.values[i] for i in rows))


@dataclass(frozen=True)
class File:
    """How a table is written."""

    columns: tuple[Written, ...]
    delimiter: str = ","
    quoted: int = csv.QUOTE_MINIMAL
    line_end: str = "\n"
    encoding: str = "utf-8"
    packed: bool = False
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    last_line_end: bool = True

    @property
    def rows(self) -> int:
        return len(self.columns[0].cells)

    @property
    def names(self) -> list[str]:
        return [unicodedata.normalize("NFC", column.name) for column in self.columns]

    def bytes(self) -> bytes:
        """The content of the file."""
        stream = io.StringIO(newline="")
        cells = [cell for column in self.columns for cell in (column.name, *column.cells)]
        # What could be a delimiter or begin a comment is quoted by a careful program, and no reader could tell else.
        quoted = csv.QUOTE_ALL if any(set(cell) & set(',;\t|"\r\n#') for cell in cells) else self.quoted
        writer = csv.writer(stream, delimiter=self.delimiter, quoting=quoted, lineterminator=self.line_end)
        for title in self.above:
            writer.writerow([title] if title else [])
        writer.writerow([column.name for column in self.columns])
        writer.writerows(zip(*(column.cells for column in self.columns), strict=True))
        for note in self.below:
            writer.writerow([note] if note else [])
        text = stream.getvalue()
        text = text if self.last_line_end else text.removesuffix(self.line_end)
        try:
            raw = text.encode(self.encoding)
        except UnicodeEncodeError:
            raw = text.encode("utf-8")
        return gzip.compress(raw, 1, mtime=0) if self.packed else raw

    def write(self, folder: Path, name: str = "table.csv") -> Path:
        """Write the file."""
        path = folder / name
        path.write_bytes(self.bytes())
        return path


def spelled(kind: str, number: int, style: int) -> tuple[str, Value]:
    """A cell of a kind, and what it means; style: one for a column."""
    x = number / 8
    day = datetime.datetime(2000, 1, 1) + datetime.timedelta(days=number % 9000, hours=number % 24)
    match kind:
        case "whole":
            return str(number), float(number)
        case "decimal":
            text = (repr(x), f"{x:.3f}", f"{x:.3e}", f"{x:+.3f}")[style % 4]
            return text, float(text)
        case "decimal comma":
            return f"{x:.3f}".replace(".", ","), float(f"{x:.3f}")
        case "grouped":
            return f"{x:,.2f}", float(f"{x:.2f}")
        case "unit":
            text = (f"{number} kg", f"{x:.1f} %", f"${abs(number):,}.00", f"€ {abs(x):.2f}")[style % 4]
            return text, (float(number), float(f"{x:.1f}"), float(abs(number)), float(f"{abs(x):.2f}"))[style % 4]
        case "date":
            form = ("%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%d %H:%M", "%d/%m/%Y", "%Y-%m-%dT%H:%M:%S", "%d %b %Y")[style % 6]
            text = day.strftime(form)
            return text, datetime.datetime.strptime(text, form)
        case "boolean":
            pair = (("yes", "no"), ("True", "False"), ("T", "F"), ("Y", "N"))[style % 4]
            return pair[number % 2], number % 2 == 0
        case "code":
            return f"{abs(number) % 100000:05d}", f"{abs(number) % 100000:05d}"
        case "word":
            return WORDS[number % len(WORDS)], WORDS[number % len(WORDS)]
        case "script":
            text = (WORDS + OTHER_SCRIPTS)[number % len(WORDS + OTHER_SCRIPTS)]
            return text, text
    text = (SPECIAL + WORDS[:3])[number % len(SPECIAL + WORDS[:3])]
    return text, text


KINDS = ("whole", "decimal", "decimal comma", "grouped", "unit", "date", "boolean", "code", "word", "script", "special")
NUMBERS = ("whole", "decimal", "decimal comma", "grouped", "unit")
SCALES = (3, 40, 3000, 10**6, 10**9)


@st.composite
def columns(draw: st.DrawFn, rows: int, name: str, kinds: tuple[str, ...] = KINDS) -> Written:
    """A column of so many rows."""
    kind, style, scale = draw(st.sampled_from(kinds)), draw(st.integers(0, 11)), draw(st.sampled_from(SCALES))
    gaps = draw(st.sampled_from([(), (), (MISSING[0],), MISSING]))
    cells: list[tuple[str, Value]] = []
    for _ in range(rows):
        if gaps and draw(st.integers(0, 5)) == 5:
            cells.append((draw(st.sampled_from(gaps)), None))
        else:
            cells.append(spelled(kind, draw(st.integers(-scale, scale)), style))
    return Written(name, kind, tuple(cell for cell, _ in cells), tuple(value for _, value in cells))


@st.composite
def files(draw: st.DrawFn, *, around: bool = True, least: int = 1, kinds: tuple[str, ...] = KINDS) -> File:
    """A table, and how it is written; around: with titles above and notes below, too."""
    rows = draw(st.integers(least, 16))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1 if around else 2, max_size=6, unique=True))
    table = tuple(draw(columns(rows, name, kinds)) for name in names)
    # A title above words would be a header as good as any.
    numbers = around and len(names) > 2 and any(column.kind in NUMBERS for column in table)
    above = draw(st.sampled_from([(), (), TITLES[:1], (TITLES[1], ""), (*TITLES[2:], "")])) if numbers else ()
    below = draw(st.sampled_from([(), (), NOTES[:1], ("", *NOTES[1:])])) if numbers else ()
    return File(
        table,
        draw(st.sampled_from(DELIMITERS)),
        draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        draw(st.sampled_from(["\n", "\r\n", "\r"])),
        draw(st.sampled_from(ENCODINGS)) if around else "utf-8",
        draw(st.integers(0, 9)) == 9,
        above,
        below,
        draw(st.booleans()),
    )


def wrong(file: File, table: Table) -> str:
    """What a table has otherwise than its file means; "" for nothing."""
    if list(table.names) != file.names:
        return f"names {table.names} instead of {file.names}"
    empty = 0
    while empty < file.rows and all(not column.cells[-1 - empty] for column in file.columns):
        empty += 1
    # Rows without a filled cell below the last one that has any may be left out, which is said.
    if table.rows != file.rows and not (
        table.rows == file.rows - empty and "empty lines at the end" in str(table.notes)
    ):
        return f"{table.rows} rows instead of {file.rows}"
    pairs = zip(file.columns, table.columns, strict=True)
    return next((why for written, column in pairs if (why := _wrong(written, column, table.notes))), "")


def _wrong(written: Written, column: Column, notes: tuple[str, ...]) -> str:
    about = [note for note in notes if f"'{column.name}'" in note]
    said = any("can be read two ways" in note for note in about)
    # Where commas separate cells a comma inside one sets off thousands, and that is said.
    said |= written.kind == "decimal comma" and any("thousands separators taken out" in note for note in about)
    for row, found in enumerate(column.values):
        cell, meant = written.cells[row], written.values[row]
        missing = bool(column.missing[row])
        text = unicodedata.normalize("NFC", cell).strip().strip("\u200b")
        if meant is None:
            right = missing
        elif missing:
            right = False
        elif column.kind == "text":
            right = str(found) == text
        elif column.kind == "date":
            right = _day(text, meant) == found
        elif column.kind == "boolean":
            right = isinstance(meant, bool) and float(meant) == found
        else:
            right = _number(written, text, meant) == float(found) or (said and written.kind in NUMBERS)
        if not right:
            return f"'{column.name}' ({column.kind}), row {row}: {cell!r} is read as {found!r}"
    return ""


def _day(text: str, meant: Value) -> np.datetime64 | None:
    if isinstance(meant, datetime.datetime):
        return np.datetime64(meant, "s")
    # Eight digits that are a day of the calendar.
    day = text.isdecimal() and len(text) == 8
    return np.datetime64(datetime.datetime.strptime(text, "%Y%m%d"), "s") if day else None


def _number(written: Written, text: str, meant: Value) -> float | None:
    if written.kind == "code" and not any(cell.startswith("0") and len(cell) > 1 for cell in written.cells):
        return float(text)
    return meant if type(meant) is float else None
