"""How files as people have them are read: right, refused, or wrong.

    python -m bench.csv_corpus                      copies of one table, each with one pollution, made here
    python -m bench.csv_corpus corpus.tar.xz        the files of a corpus: NAME/csv/*.csv beside NAME/clean/*.csv

A file is right if it has the cells of its clean copy: blanks at the ends of cells, cells that stand for a missing
value, and empty last columns apart, and without the totals and titles of sections that were said to be left out. It is
refused if the refusal names a line; anything else is wrong. The kinds of pollution follow Vitagliano et al. 2023
(Pollock, PVLDB 16(8)).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tenfold.data.columns.missing import USUAL_MISSING
from tenfold.data.columns.plain_numbers import PlainNumbers
from tenfold.data.read.read import cells_in
from tenfold.errors import BadInput

ROWS = 84
LEFT_OUT = re.compile(r"^(?:(?:line|lines) (\d+)|(\d+) lines .*) left out, (?:totals|titles|notes)")


class Case(NamedTuple):
    """kind: of pollution; content: of the file; clean: header and rows as they should be read."""

    kind: str
    name: str
    content: bytes
    clean: list[list[str]]


def tidy(cell: str) -> str:
    """A cell without what makes no difference."""
    cell = " ".join(cell.split())
    return "" if cell in USUAL_MISSING else cell


def outcome(case: Case, folder: Path) -> tuple[str, str]:
    """right, refused or wrong, and why."""
    path = folder / "data.csv"
    path.write_bytes(case.content)
    try:
        table = cells_in(path)
    except BadInput as error:
        placed = "line" in error.where or "empty" in error.found
        return ("refused" if placed else "wrong"), str(error)
    columns: list[list[str]] = []
    for make in table.columns:
        found = make()
        cells = found.cells() if isinstance(found, PlainNumbers) else found
        columns.append([tidy(cells.distinct[code]) for code in cells.codes])
    rows = [list(row) for row in zip(*columns, strict=True) if any(row)]
    difference = compare([*map(tidy, table.names)], rows, case.clean, table.notes)
    return ("wrong" if difference else "right"), difference or "; ".join(table.notes)


def compare(names: list[str], rows: list[list[str]], clean: list[list[str]], notes: tuple[str, ...]) -> str:
    """In what a table differs from its clean copy; "" for nothing."""
    clean = [[tidy(cell) for cell in row] for row in clean]
    width = len(names)
    head, body = clean[0], [row for row in clean[1:] if any(row)]
    if all(re.fullmatch(r"column \d+", name) for name in names) and head and not head[0].startswith("col"):
        body = [head, *body]  # a clean copy without names either
    if any(any(row[width:]) for row in body):
        return f"{width} columns, the clean copy has {max(map(len, body))}"
    body = [(row + [""] * width)[:width] for row in body]
    if len(body) != len(rows) and any("left out, t" in note for note in notes):
        kept = Counter(map(tuple, rows))
        body = [row for row in body if tuple(row) in kept]  # totals and titles, which were said
    if len(body) != len(rows):
        return f"{len(rows)} rows, the clean copy has {len(body)}"
    for number, (ours, theirs) in enumerate(zip(rows, body, strict=True), 1):
        if ours != theirs:
            place = next(j for j in range(width) if ours[j] != theirs[j])
            return f"row {number}, column {place + 1}: {ours[place][:40]!r} and not {theirs[place][:40]!r}"
    shift = any(len(row) > len(head) and row[len(head)] for row in clean[1:])  # row names that have no name
    for ours, theirs in zip(names[shift:], head, strict=False):
        ours, plain = (re.sub("[\"']", "", name.lstrip("#$ ")) for name in (ours, theirs))
        same = ours.endswith(plain) or plain.endswith(ours) or re.match(rf"column \d+|{re.escape(plain)} ", ours)
        if not same:
            return f"a column is called {ours!r} and not {theirs!r}"
    return ""


def corpus(archive: Path) -> Iterator[Case]:
    """The files of an archive or a folder that have a clean copy."""
    with tempfile.TemporaryDirectory() as unpacked:
        if archive.is_file():
            with tarfile.open(archive) as tar:
                tar.extractall(unpacked, filter="data")
        for folder in sorted((Path(unpacked) if archive.is_file() else archive).rglob("csv")):
            for path in sorted(folder.glob("*.csv")):
                clean = (folder.parent / "clean" / path.name).read_text("utf-8")
                rows = list(csv.reader(io.StringIO(clean, newline=""))) or [[]]
                kind = (
                    re.sub(r"\d.*", "", path.stem).strip("_") if folder.parent.name.startswith("poll") else "real files"
                )
                yield Case(kind, path.name, path.read_bytes(), rows)


def base() -> list[list[str]]:
    """A table of a shop, header first: dates, times, numbers, codes, prices, text with delimiters and quotes,
    addresses, and an empty last column."""
    items = ("Hiking boots", "Running jacket, light", 'Table, round 48"', "Fly rod", "Men's socks", "Lamp")
    rows = [["DATE", "TIME", "Qty", "PRODUCTID", "Price", "Description", "URL", "Comments"]]
    for i in range(ROWS):
        code = f"{'MRY'[i % 3]}{'GI'[i % 2]}-{1000 + 37 * i % 9000}"
        rows.append([
            f"{i % 28 + 1:02d}/{i // 28 + 1:02d}/2018", f"{i // 4:02d}:{i % 4 * 15:02d}", str(i * 7 % 5), code,
            f"${i * 1.37 + 3:.2f}", f"{items[i % 6]} for all weathers, number {i}",
            f"https://example.com/{code}.html", "",
        ])  # fmt: skip
    return rows


def written(rows: list[list[str]], **options: object) -> str:
    """Rows as CSV."""
    stream = io.StringIO()
    csv.writer(stream, **{"lineterminator": "\n", **options}).writerows(rows)  # pyright: ignore[reportArgumentType]
    return stream.getvalue()


def cells_of(line: str) -> list[str]:
    """The cells of a line as they are written, quotes and all."""
    return re.findall(r'(?:^|(?<=,))(?:"(?:[^"]|"")*"|[^,"]*)(?=,|$)', line)


def pollutions(every: int = 1) -> Iterator[Case]:
    """Copies of the table, each with one pollution. every: take each so-manyth place in rows only."""
    table = base()
    lines = written(table).splitlines()

    def polluted(kind: str, number: int, cells: list[str], *, between: str = ",") -> Case:
        text = "\n".join([*lines[:number], between.join(cells), *lines[number + 1 :], ""])
        return Case(kind, f"{kind} {number}", text.encode(), table)

    for number in range(0, len(lines), every):
        cells = cells_of(lines[number])
        for j in range(len(cells)):
            with_quote = [*cells[:j], '"' + cells[j], *cells[j + 1 :]]
            inside = [*cells[:j], cells[j][:2] + '"' + cells[j][2:], *cells[j + 1 :]]
            yield polluted("row_extra_quote", number, with_quote)
            yield polluted("row_quote_inside", number, inside)
            yield polluted("row_more_sep", number, [*cells[:j], cells[j] + ",", *cells[j + 1 :]])
            # A header whose last two names run together over an empty column is one that rows with a delimiter at their
            # end may have.
            if j and (number or j < len(cells) - 1):
                yield polluted("row_less_sep", number, [*cells[: j - 1], cells[j - 1] + cells[j], *cells[j + 1 :]])
        for between in (" ", ";", "\t", ", "):
            yield polluted(f"row_field_delimiter_{ord(between[-1]):#x}", number, cells, between=between)
        yield polluted("row_doubled", number, [*cells, *cells])
        yield polluted("row_cut", number, cells[:3])
    yield from file_pollutions(table)


def file_pollutions(table: list[list[str]]) -> Iterator[Case]:
    """Copies of a table with pollutions of the whole file."""
    text, width = written(table), len(table[0])
    header, rest = text.split("\n", 1)
    other = "name,age\nAda,36\nBob,44\n"
    wide = ",".join(["a title"] + [""] * (width - 1)) + "\n"
    blank = "," * (width - 1) + "\n"
    texts = {
        "file_plain": text,
        "file_quoted": written(table, quoting=csv.QUOTE_ALL),
        "file_no_header": rest,
        "file_title": "Sales of 2018\n" + text,
        "file_title_blank": "Sales of 2018\n\n" + text,
        "file_titles": "The shop\nSales, of 2018\n\n" + text,
        "file_wide_title": wide + blank + text,
        "file_comments": "# Sales\n# of 2018, all\n" + text,
        "file_header_multirow": f"{header}\n{header}\n{rest}",
        "file_units": header + "\n,h,pieces,,USD,,,\n" + rest,
        "file_header_less": header.replace("TIME,", "TIME", 1) + "\n" + rest,
        "file_header_more": header.replace("TIME,", "TIME,,", 1) + "\n" + rest,
        "file_header_no_last": header.removesuffix(",Comments") + "\n" + rest,
        "file_multitable_same": text + text,
        "file_multitable_less": text + "\n" + other,
        "file_multitable_less_dense": text + other,
        "file_footer": text + "Source: the shop\n",
        "file_footer_blank": text + "\nSource: the shop, 2018\n",
        "file_wide_footer": text + blank + wide,
        "file_trailing_blanks": text + "\n\n\n" + blank,
        "file_trailing_delimiters": text.replace("\n", ",\n"),
        "file_trailing_delimiters_rows": header + "\n" + rest.replace("\n", ",\n"),
        "file_no_payload": "",
        "file_only_header": header + "\n",
        "file_one_data_row": "\n".join(text.split("\n")[:2]) + "\n",
        "file_crlf": text.replace("\n", "\r\n"),
        "file_cr": text.replace("\n", "\r"),
        "file_no_line_end": text[:-1],
        "file_double_line_end": text.replace("\n", "\n\n"),
        "file_quotation_char_0x27": written(table, quotechar="'"),
        "file_escape_char_0x5C": written(table, doublequote=False, escapechar="\\"),
        "file_field_delimiter_blank": text.replace(",", ", "),
        **{f"file_field_delimiter_{ord(d):#x}": written(table, delimiter=d) for d in ";\t|"},
    }
    one = {"file_one_data_row": table[:2]}
    unnamed = [[f"col_{j}" for j in range(width)], *table[1:]]
    names = {
        "file_no_header": unnamed,
        "file_field_delimiter_blank": [[c.replace(",", ", ") for c in r] for r in table],
    }
    for kind, content in texts.items():
        yield Case(kind, kind, content.encode(), names.get(kind, one.get(kind, table)))
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"):
        yield Case(f"file_encoding_{encoding}", encoding, text.replace("Lamp", "Lampe für").encode(encoding),
                   [[cell.replace("Lamp", "Lampe für") for cell in row] for row in table])  # fmt: skip


def outcomes(cases: Iterator[Case]) -> tuple[dict[str, Counter[str]], list[tuple[str, str, str]]]:
    """Of each kind of pollution how often each outcome, and the files that are wrong or refused with the reason."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    others: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            found, why = outcome(case, Path(folder))
            counts[case.kind][found] += 1
            if found != "right":
                others.append((case.name, found, why))
    return counts, others


def main() -> None:
    """Print the table of outcomes, and every wrong file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path, help="an archive or a folder of files with clean copies")
    parser.add_argument("--refused", action="store_true", help="print the refusals as well")
    parser.add_argument("--json", type=Path, help="write the table there")
    options = parser.parse_args()
    counts, others = outcomes(corpus(options.corpus) if options.corpus else pollutions())
    total: Counter[str] = sum(counts.values(), Counter())
    print(f"{'pollution':<34} {'files':>6} {'right':>6} {'refused':>8} {'wrong':>6}")
    for kind, found in [*sorted(counts.items()), ("all", total)]:
        print(f"{kind:<34} {found.total():>6} {found['right']:>6} {found['refused']:>8} {found['wrong']:>6}")
    for name, found, why in others:
        if found == "wrong" or options.refused:
            print(f"{found}: {name}: {why}")
    if options.json:
        options.json.write_text(
            json.dumps({kind: dict(found) for kind, found in sorted(counts.items())}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
