"""Where the table begins in a text file: its header among titles, units and blank lines, told by evidence.

The decision is made on the records of the head of the file. What is left out is named in a note; where the evidence
points both ways the file is refused, with the option that settles it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tenfold.data.columns.characters import composed
from tenfold.data.columns.schema import ID_NAME
from tenfold.data.read.evidence import Look, against, column_looks, looks, looks_like_unit, plain_value
from tenfold.data.read.name_fit import misfits
from tenfold.data.read.records import INCHES, RawRow, TextFile, in_one_line, lines_in_words
from tenfold.errors import BadInput
from tenfold.formatting import listed

HEAD = 400  # records that are looked at
SAMPLE, LEAST_SAMPLE, CELLS = 200, 30, 100_000  # rows among them: at most, at least, and cells that are worth a look
MOST_HEADERS = 4  # lines that together may hold the names
QUOTED_WORDS = re.compile(r'[^"]*((^|(?<=[\s(]))"[^"]+"(?=[\s),:.]|$)[^"]*)+')  # such as: the "new" price
FEW_LEVELS = 0.5  # share of distinct cells up to which a column of text holds levels


@dataclass(frozen=True)
class TableLayout:
    """titles: a name for each cell of a row, "" for none. line: of the header (the last of them), 0 for none. width:
    cells of a row. rest: number of records of the head before the first row. columns: what each column looks like.
    ends: an empty cell without a name ends every row of the head. notes: what is left out or joined. header: the cells
    of the header line as they stand, [] for none.
    """

    titles: list[str]
    line: int
    width: int
    rest: int
    columns: list[Look]
    ends: bool
    notes: list[str]
    header: list[str]


def find_table(file: TextFile, head: Sequence[RawRow], expected: Collection[str] = ()) -> TableLayout:
    """The layout of a file whose first records are `head`. expected: names that the header must hold, where they are
    known. BadInput: no header, a header without rows, names that do not belong to the rows."""
    options = file.options
    width = _width(head)
    start = _first(file, head, width, expected)
    if start is None:
        raise BadInput("there is no header", where=file.place(1, 1), expected="a header line and data rows")
    notes = _above(head[:start])
    after = [record for record in head[start:] if not record.blank]
    named = _named(after[0], expected)
    if options.no_header and not named:
        return _headless(file, head, start, width, notes, asked=True)
    above = any(not record.blank for record in head[:start]) and options.header_row is None
    data = options.header_row is None and not named and _is_data(file, after, width)
    if data and above:
        title = next(record for record in head[:start] if not record.blank)
        raise BadInput(
            f"a line above the table ('{_short(title)}'), and line {after[0].line} looks like data and not like names",
            where=file.place(title.line, 1),
            expected="a line of column names",
            do=f"--no-header --skip-rows {after[0].line - 1}, or --header-row {after[0].line}",
        )
    if data:
        return _headless(file, head, start, width, notes, asked=False)
    rows = [record.cells for record in after[1 : _sample(width) + 1] if not record.empty]
    count, columns = _headers(after, rows, width, file)
    titles, line = _titles(after[:count], notes)
    if file.dialect.header_comment:
        titles[0] = titles[0].lstrip("# ")
    rest = head.index(after[count - 1]) + 1
    below = [record for record in after[count:] if not record.empty]
    if not below:
        raise BadInput("a header without rows", where=file.place(line + 1, 1), expected="at least one data row")
    titles, ends = _to_width(file, titles, after[:count], below, width, notes)
    return TableLayout(titles, line, width, rest, columns, ends, notes, after[count - 1].cells)


def _sample(width: int) -> int:
    """The number of rows that show what the columns look like."""
    return max(LEAST_SAMPLE, min(SAMPLE, CELLS // max(1, width)))


def _width(head: Sequence[RawRow]) -> int:
    """The number of cells that most records have; the one that occurs last among equals."""
    widths = [len(record.cells) for record in head if not record.blank]
    counts = Counter(widths)
    most = max(counts.values(), default=0)
    return next((width for width in reversed(widths) if counts[width] == most), 0)


def _first(file: TextFile, head: Sequence[RawRow], width: int, expected: Collection[str]) -> int | None:
    """The place of the first record of the table, which is its header if it has one."""
    asked = file.options.header_row
    if asked is not None:
        for place, record in enumerate(head):
            if record.line == asked and not record.blank:
                return place
        where = f"{file.source}, line {asked}"
        raise BadInput(f"--header-row {asked}: no row starts there", where=where, expected="the line of the names")
    if expected:
        for place, record in enumerate(head):
            if _named(record, expected):
                return place
    present = [place for place, record in enumerate(head) if not record.empty and not record.blank]
    if width == 2:
        return _first_of_two(file, head, present)
    for place in present:
        if not _is_title(head[place], width) or place == present[-1]:
            return place
    return None


def _first_of_two(file: TextFile, head: Sequence[RawRow], present: Sequence[int]) -> int | None:
    """The place of the first record of a table of two columns. A line of one cell above it is a title if names follow,
    which text over numbers tells; it could also be a header that lacks a name."""
    wide = [place for place in present if len(head[place].cells) == 2]
    if not present or not wide or wide[0] == present[0]:
        return present[0] if present else None
    rows = [head[place].cells for place in wide[1 : SAMPLE + 1]]
    differ, agree = against(head[wide[0]].cells, column_looks(rows, 2, file.options.words), file.options.words)
    return wide[0] if differ and not agree else present[0]


def _named(record: RawRow, expected: Collection[str]) -> bool:
    """Whether a record holds all of these names."""
    names = {composed(" ".join(cell.split())) for cell in record.cells}
    return bool(expected) and {composed(name) for name in expected} <= names


def _is_title(record: RawRow, width: int) -> bool:
    """Whether a record can be no header of a table of that width: a title, or a line of another table."""
    if width < 3:
        return False
    return record.filled < 2 or len(record.cells) < min(width - 1, (width + 1) / 2)


def _short(record: RawRow) -> str:
    """The filled cells of a record, for a message, cut where they are long."""
    text = in_one_line(record.cells)
    return text[:50] + ("..." if len(text) > 50 else "")


def _above(head: Sequence[RawRow]) -> list[str]:
    """The note on what stands above the table."""
    titles = [record for record in head if not record.blank and not record.empty]
    if not titles:
        return []
    lines = [record.line for record in titles]
    return [f"{lines_in_words(lines)} above the header left out: '{_short(titles[0])}'"]


def _is_data(file: TextFile, records: Sequence[RawRow], width: int) -> bool:
    """Whether the first record is a row like the others, and not their names."""
    first, rows = records[0].cells, [record.cells for record in records[1 : _sample(width) + 1]]
    if len(first) != width or len(rows) < 2:
        return False
    words = file.options.words
    columns = column_looks(rows, width, words)
    names = new = data = counted = blank = 0
    for j, (cell, column) in enumerate(zip(first, columns, strict=True)):
        look, text = looks(cell, words), cell.strip()
        if look == "missing":
            blank += not text and column in ("number", "date")
            continue
        below = [row[j].strip() for row in rows if j < len(row) and row[j].strip()]
        if column in ("number", "date"):
            names += look == "text"
            inside = look == column and (column == "date" or _inside(text, below))
            data += inside
            counted += inside
        elif len(set(below)) <= FEW_LEVELS * len(below):
            # Levels: a name is hardly ever one of the cells below it, and a level hardly ever in the first row only.
            data += text in below
            new += text not in below
    # A blank name is more usual than a blank cell in the first row, unless the others are like the rows.
    if names or (blank and blank >= counted) or (new and counted < 2 and data < new + 2) or not counted + (data > 1):
        return False
    numbers = [text for text in (cell.strip() for cell in first) if looks(text, words) == "number"]
    return not (counted == data and _counts_up(numbers))


def _inside(cell: str, below: Sequence[str]) -> bool:
    """Whether a number lies in the range of the numbers below it, or in a third of it beside."""
    number = plain_value(cell)
    values = [value for text in below if (value := plain_value(text)) is not None]
    if number is None or not values:
        return True
    margin = (max(values) - min(values)) / 3
    return min(values) - margin <= number <= max(values) + margin


def _counts_up(names: Sequence[str]) -> bool:
    """Whether names are whole numbers that count up by one step: years, or 0, 1, 2, ..., as programs write them."""
    values = [value for name in names if (value := plain_value(name)) is not None and not value % 1]
    years = all(1900 <= value <= 2100 for value in values)
    if len(values) < len(names) or len(values) < (2 if years else 3):
        return False
    steps = {b - a for a, b in pairwise(values)}
    return len(steps) == 1 and steps.pop() > 0


def _headless(
    file: TextFile, head: Sequence[RawRow], start: int, width: int, notes: list[str], *, asked: bool
) -> TableLayout:
    """The layout of a table without a header."""
    rows = [record.cells for record in head[start:] if not record.blank][: _sample(width)]
    first = next(record for record in head[start:] if not record.blank)
    if not asked:
        notes.append(
            f"no header: line {first.line} looks like data ('{_short(first)}'), so the columns are called 'column 1' "
            f"to 'column {width}'; --header-row {first.line} takes it for the names"
        )
    titles = [f"column {number}" for number in range(1, width + 1)]
    ends = width > 1 and all(len(row) == width and not row[-1].strip() for row in rows)
    return TableLayout(titles, 0, width, start, column_looks(rows, width, file.options.words), ends, notes, [])


def _headers(
    records: Sequence[RawRow], rows: Sequence[Sequence[str]], width: int, file: TextFile
) -> tuple[int, list[Look]]:
    """The number of records that are header lines, at least 1, and what the columns below them look like."""
    words = file.options.words
    count = 1
    while count < MOST_HEADERS and len(rows) >= 3:
        columns = column_looks(rows[1:], width, words)
        record = records[count]
        differ, agree = against(record.cells, columns, words)
        if len(record.cells) != len(records[0].cells) or agree or not differ:
            break
        if [cell.strip() for cell in record.cells] == [cell.strip() for cell in records[0].cells]:
            break  # the header again, which is refused later
        if not _heads(record, records[count - 1], rows[1:], columns, differ):
            break
        count, rows = count + 1, rows[1:]
    return count, column_looks(rows, width, words)


def _heads(record: RawRow, above: RawRow, rows: Sequence[Sequence[str]], columns: Sequence[Look], differ: int) -> bool:
    """Whether a record below the header, which has text where the rows have numbers, is a header line as well."""
    places = [j for j, look in enumerate(columns) if look in ("number", "date") and record.cells[j].strip()]
    texts = [record.cells[j].strip() for j in places]
    again = {row[j].strip() for row in rows for j in places if j < len(row)}
    if again & set(texts):
        return False  # a word for a value that is not there, not a name
    whole = _complete(above.cells)
    if differ == 1:
        return not whole or looks_like_unit(texts[0])
    return not whole or len(set(texts)) > 1 or all(map(looks_like_unit, texts))


def _complete(cells: Sequence[str]) -> bool:
    """Whether these cells can name columns: each is filled, and no two are equal."""
    names = [" ".join(cell.split()) for cell in cells]
    return all(names) and len(set(names)) == len(names)


def _titles(headers: Sequence[RawRow], notes: list[str]) -> tuple[list[str], int]:
    """The names in the header lines, and the line of the last of them."""
    rows = [[" ".join(cell.split()) for cell in record.cells] for record in headers]
    line = headers[-1].line
    if len(rows) == 1:
        return rows[0], line
    if _complete(rows[0]):
        notes.append(f"line {headers[1].line} holds no values but units or notes ('{_short(headers[1])}'): left out")
        return rows[0], line
    if _complete(rows[-1]):
        notes.append(f"line {headers[0].line} above the header left out: '{_short(headers[0])}'")
        return rows[-1], line
    for row in rows[:-1]:
        # A cell that spans several columns stands in the first of them.
        for j in range(1, len(row)):
            row[j] = row[j] or (row[j - 1] if rows[-1][j] else "")
    names = [" ".join(dict.fromkeys(part for part in parts if part)) for parts in zip(*rows, strict=True)]
    notes.append(f"the names are in {len(rows)} lines ({headers[0].line} to {line}) and joined, as in '{names[-1]}'")
    return names, line


def _to_width(
    file: TextFile,
    titles: list[str],
    headers: Sequence[RawRow],
    rows: Sequence[RawRow],
    width: int,
    notes: list[str],
) -> tuple[list[str], bool]:
    """The titles, as many as a row has cells, and whether an empty cell ends every row that has no name. BadInput where
    the rows have another number of cells than the header."""
    line, extra = headers[-1].line, width - len(titles)
    _refuse_quotes(file, titles, line)
    if not extra:
        return titles, False
    if extra == -1 and width and not titles[-1]:
        return titles[:-1], False  # the delimiter ends the header, but not the rows
    wide = [record for record in rows if len(record.cells) == width]
    cells = [record.cells for record in wide]
    if extra == 1 and not headers[-1].bare and _row_names(titles, cells):
        notes.append("the header has one name fewer than the rows have cells: the first cell of a row is its name")
        return ["", *titles], False
    if extra != 1 or cells[0][-1].strip():
        raise wrong_width(file, wide[0], titles, line, header=True)
    if not any(row[-1].strip() for row in cells) and (wrong := misfits(titles, cells)):
        raise BadInput(
            f"the header has {len(titles)} names and the rows {width} cells, and names do not fit their columns: "
            f"{listed((titles[j] for j in wrong), 3, quoted=True)}",
            where=file.place(line, wrong[0] + 1),
            expected="a name for every cell; is a delimiter missing in the header?",
            do=f"mend line {line}, or give --no-header --skip-rows {line}",
        )
    return [*titles, ""], True


def wrong_width(file: TextFile, record: RawRow, titles: Sequence[str], line: int, *, header: bool) -> BadInput:
    """The error for a record with too few or too many cells. line: of the header; header: whether it is the header that
    differs from the rows."""
    cells, width = len(record.cells), len(titles)
    few = cells < width
    delimiter = repr(file.dialect.delimiter)
    mend = "add the missing cell" if few else f"quote the cell that holds a {delimiter}"
    return BadInput(
        f"a row with too {'few' if few else 'many'} cells: {cells}, the header has {width}",
        where=file.place(record.line, cells + 1 if few else width + 1, list(titles)),
        expected=f"{width} cells set off by {delimiter}",
        do=f"mend line {line}, or number the columns: --no-header --skip-rows {line}" if header
        else f"{mend}, remove the row, or --bad-rows drop",
    )  # fmt: skip


def _refuse_quotes(file: TextFile, titles: Sequence[str], line: int) -> None:
    """BadInput for a name with quotes in it, but around words of it: a delimiter is missing there."""
    for place, title in enumerate(titles, 1):
        if QUOTED_WORDS.fullmatch(title):
            continue
        if title.count('"') > 1 or ('"' in title and not INCHES.fullmatch(title) and not title.endswith('"')
                                    and title[title.index('"') + 1].isalnum()):  # fmt: skip
            raise BadInput(
                f"a quote in the name of a column: '{title[:60]}'",
                where=file.place(line, place),
                expected="one name a cell",
                do="put the missing delimiter there, or take the quote out",
            )


def _row_names(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first cell of each row is its name, which a header in quotes leaves out, as R writes tables."""
    names = [row[0].strip() for row in rows]
    others = [row[1:] for row in rows]
    if len(names) < 3 or len(set(names)) < len(names) or not all(names) or ID_NAME.search(titles[0]):
        return False
    counts = [str(number) for number in range(1, len(names) + 1)]
    text = all(looks(name) == "text" for name in names) and "number" in column_looks(others, len(titles))
    return (names == counts or text) and not misfits(titles, others)
