"""A file that DuckDB cuts into cells gives what the strict reader gives: the same table to the bit, the same notes, or
the same refusal with its place."""

import itertools
import math
import re
import string
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tenfold.data.columns import cells, number_codes
from tenfold.data.columns.cells import TextTable
from tenfold.data.columns.conform import conform
from tenfold.data.columns.numbers import GRAMMARS, decide_mark
from tenfold.data.columns.plain_numbers import GROUPED_BY_POINTS, PLAIN_NUMBER, PlainNumbers
from tenfold.data.columns.schema import ColumnSchema, Schema
from tenfold.data.columns.table import Table
from tenfold.data.read import unquoted
from tenfold.data.read.delimited import read_delimited
from tenfold.data.read.read import read_table
from tenfold.errors import BadInput

from .test_read_files import BASE, RIGHT, WRONG

NEVER = 10**12
# Cells that are read in some special way somewhere, or look as if they were.
CELLS = (
    *("", "1", "-1", "+1", "0", "-0", "1.5", "-1.50", ".5", "5.", "-.5", "1e3", "1E-3", "+1e+3", "00", "007", "-007"),
    *("0.0", "1,5", "1.234", "12.345.678", "1,234", "1'234", "1 234", "1_000", "\u22125", "٣", "１", "0x10", "1d"),
    *("1f", "1e", "e5", "1e5.", "+-5", "inf", "-Infinity", "nan", "NaN", "-nan", "1e999", "-1e999", "1e-999"),
    *("9007199254740992", "9007199254740993", "0.1000000000000000055511151231257827", "2.2250738585072011e-308"),
    *("5e-324", "1.7976931348623157e308", "NA", "na", "N/A", "?", "-", "--", ".", "null", "None", " ", "  ", " 1"),
    *("1 ", " NA", "NA ", "\t", "\xa0", "\u2003", "1\xa0", "1\t", "yes", "no", "Yes", "true", "FALSE", "t", "f"),
    *("y", "red", "Zoë", "é", "日本", "id,name", "31.01.2011", "01/02/2020", "2011-01-31", "2011-01-31T18:00Z"),
    *("$5", "50%", "'", "'a'", "#", "# x", "\\", "\\N", "''", "3 kg", "3.5 kg", "4 lb", "07:30", "1:19:20", "1.10"),
    *("1.1", "1e5", "2e3", "2008-09", "20110131", "20110201", "20110202", "20110203", "20110204", "1,00,000", "3e38"),
    *("1e39", "\u200b3", "3\u200b", "\ufeff", "e\u0301", "2,345", "2.345", "10-20", "~5", "(20)", "43831"),
    *("1580000000000000001", "1580000000000000002"),
)  # fmt: skip


@contextmanager
def few_spelled() -> Iterator[None]:
    """A column remembers the spelling of two distinct cells only, so that small files have plain numbers too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "SPELLED", 2)
        patch.setattr(unquoted, "SPELLED", 2)
        patch.setattr(number_codes, "MOST_CODES", 2)
        patch.setattr(number_codes, "MOST_VERSIONS", 2)
        yield


def outcome(content: bytes, least: int, tabs: bool = False) -> object:
    """Everything that is read, bit by bit, or the refusal in words."""
    try:
        table = read_delimited(content, name="data", source="data.csv", notes=[], tabs=tabs, least=least).infer()
    except BadInput as error:
        return str(error)
    assert table.lines is not None
    return [table.names, table.notes, table.lines.dtype, table.lines.tolist(), *map(facts, table.columns)]


def facts(column) -> object:  # type: ignore[no-untyped-def]
    values = column.values.tolist() if column.kind == "text" else column.values.tobytes()
    spelled = None if column.spelled is None else column.spelled.tolist()
    return column.name, column.kind, values, spelled, column.format, column.doubt, column.two_ways


def assert_alike(content: bytes | str) -> None:
    raw = content.encode() if isinstance(content, str) else content
    assert outcome(raw, 0) == outcome(raw, NEVER)


def fast(content: str) -> TextTable:
    return read_delimited(content.encode(), name="data", source="data.csv", notes=[], least=0)


@pytest.mark.parametrize("case", [*RIGHT, *WRONG])
@pytest.mark.parametrize("numbers", [True, False], ids=["plain numbers", "cells"])
def test_the_corpus_of_good_and_bad_files(case: str, numbers: bool) -> None:
    content = (RIGHT | WRONG)[case][0]
    if numbers:
        with few_spelled():
            assert_alike(content)
    else:
        assert_alike(content)


def test_regular_files_are_cut_by_duckdb_and_numbers_never_become_strings() -> None:
    for content in (BASE, BASE.replace("\n", "\r\n"), BASE.replace(",", "\t"), BASE.replace(",", ", "), BASE[:-1]):
        with few_spelled():
            made = [make() for make in fast(content).columns]
        assert [isinstance(column, PlainNumbers) for column in made] == [True, False, True, False]
        numbers = made[2]
        assert isinstance(numbers, PlainNumbers)
        assert numbers.cells().texts == [str(i * 1.5) for i in range(120)]


IRREGULAR = {
    "quote": BASE.replace("n1", '"n1"', 1),
    "blank line": BASE.replace("50,", "\n50,", 1),
    "blank line at the end": BASE + "\n",
    "short and long row": BASE.replace("5,n2,7.5,1\n", "5,n2,7.5\n").replace("6,n0,", "6,n0,,", 1),
    "mixed line ends": BASE.replace("\n", "\r\n", 3),
    "lone CR": BASE.replace("n1", "n\r1", 1),
    "byte-order mark in the first row": BASE.replace("\n0,", "\n\ufeff0,", 1),
    "header repeated": BASE.replace("\n9,n0", "\nid,name,x,y\n9,n0", 1),
    "header repeated with blanks": BASE.replace("\n9,n0", "\n  id, name,x,  y\n9,n0", 1),
    "header repeated at the end": BASE + "id,name,x,y",
    "cell beyond the limit": BASE.replace("n1", "n" * 140_000, 1),
    "one column": "a\n1\n2\n",
}


@pytest.mark.parametrize("case", IRREGULAR)
def test_what_is_not_regular_is_left_to_the_strict_reader(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = outcome(IRREGULAR[case].encode(), NEVER)
    monkeypatch.setattr("tenfold.data.read.delimited.read_unquoted", lambda rows: pytest.fail("it was cut"))
    assert outcome(IRREGULAR[case].encode(), 0) == expected


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_file_of_odd_cells(data: st.DataObject) -> None:
    width = data.draw(st.integers(2, 4))
    delimiter = data.draw(st.sampled_from([",", ",", ";", "\t", "|"]))
    end = data.draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    # A column is of a few sorts of cells, so that it is often all numbers, all dates, or nearly so.
    pools = [data.draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=5)) for _ in range(width)]
    numbers = st.floats(allow_nan=False, allow_infinity=False).map(repr)
    column = [st.sampled_from(pool) if data.draw(st.booleans()) else numbers | st.sampled_from(pool) for pool in pools]
    rows = data.draw(st.lists(st.tuples(*column).map(list), min_size=1, max_size=12))
    fault = data.draw(st.sampled_from(["none"] * 6 + ["short", "long", "blank", "quote", "header", "last delimiter"]))
    header = data.draw(st.lists(st.sampled_from(["a", "b", "c d", "1", "", "é", " e"]), min_size=width, max_size=width))
    if fault in ("short", "long"):
        place = data.draw(st.integers(0, len(rows) - 1))
        rows[place] = rows[place][:-1] if fault == "short" else [*rows[place], "1"]
    lines = [delimiter.join(row) for row in [header, *rows]]
    if fault == "blank":
        lines.insert(data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from(["", "  "])))
    if fault == "quote":
        lines[-1] += '"'
    if fault == "header":
        lines.append(lines[0])
    if fault == "last delimiter":
        lines = [line + delimiter for line in lines]
    text = end.join(lines) + (end if data.draw(st.booleans()) else "")
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))
    with few_spelled():
        assert_alike(text.encode(encoding))


def test_a_column_of_each_odd_cell_among_numbers() -> None:
    """Whatever single cell is among plain numbers."""
    for cell in CELLS:
        rows = [f"{i / 7};{cell if i in (5, 9) else i - 3}" for i in range(12)]
        with few_spelled():
            assert_alike("\n".join(["a;b", *rows]) + "\n")


def large(rows: int) -> str:
    """More distinct numbers than a column remembers, few and many distinct texts, missing cells."""
    rng = np.random.default_rng(3)
    x, k = rng.normal(size=rows) * 10.0 ** rng.integers(-12, 12, rows), rng.integers(0, 50, rows)
    lines: list[str] = []
    for i, (a, b) in enumerate(zip(x.tolist(), k.tolist(), strict=True)):
        plain, marked = "" if i % 11 == 0 else repr(a), "NA" if i % 13 == 0 else f"{3 * a:.6g}"
        lines.append(f"{plain},{marked},{b},{'?' if b == 7 else f'level {b}'},id{i:07d}")
    return "\n".join(["plain,marked,few,category,text", *lines]) + "\n"


def test_a_file_of_several_chunks_with_everything_at_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    content = large(30_000)
    expected = outcome(content.encode(), NEVER)
    monkeypatch.setattr(unquoted, "CHUNK_BYTES", 200_000)
    assert outcome(content.encode(), 0) == expected
    made = [make() for make in fast(content).columns]
    assert [isinstance(column, PlainNumbers) for column in made] == [True, True, False, False, False]
    assert outcome(content[:-30].encode(), 0) == outcome(content[:-30].encode(), NEVER)


def test_a_large_file_is_read_so_from_its_path(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "data.csv"
    path.write_text(large(30_000))
    assert path.stat().st_size > unquoted.LEAST_BYTES
    strict = read_delimited(path.read_bytes(), name="data", source=str(path), notes=[], least=NEVER).infer()
    monkeypatch.setattr("tenfold.data.read.delimited._bad_rows", lambda *a, **k: pytest.fail("read record by record"))
    table = read_table(path)
    assert isinstance(table, Table)
    assert list(map(facts, table.columns)) == list(map(facts, strict.columns))
    assert table.notes == strict.notes


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("cells", [["1.234", "2.5", "", "NA", "17", "2.5", "0"], ["1.234", "2.345", "3.456", "7.125"]])
@pytest.mark.parametrize(
    ("kind", "form"),
    [
        *(("number", ""), ("category", ""), ("date", ""), ("boolean", ""), ("number", "1234,5"), ("number", "1.234,5")),
        *(("number", "1234.5 kg"), ("number", "h:mm:ss"), ("boolean", "0/1")),
    ],
)  # fmt: skip
def test_a_new_file_meets_the_schema_in_the_same_way(kind, form: str, cells: list[str], delimiter: str) -> None:  # type: ignore[no-untyped-def]
    content = f"a{delimiter}b\n" + "".join(f"{cell}{delimiter}{i}\n" for i, cell in enumerate(cells))
    levels = ("2.50", "17") if kind == "category" else ()
    schema = Schema((ColumnSchema("a", kind, True, "", levels, format=form),), "t", "regression")

    def conformed(least: int) -> object:
        try:
            table, notes = conform(
                read_delimited(content.encode(), name="d", source="d.csv", notes=[], least=least), schema
            )
        except BadInput as error:
            return str(error)
        return notes, *map(facts, table.columns)

    with few_spelled():
        assert conformed(0) == conformed(NEVER)


def cast(texts: list[str], *, odd: bool) -> list[float | None]:
    """What DuckDB reads in these cells."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE file AS SELECT unnest(?::VARCHAR[]) AS c0", [texts])
        return [row[0] for row in connection.execute(f"SELECT {unquoted._number(0, odd=odd)} FROM file").fetchall()]


def expected(text: str) -> float | None:
    return float(text) if re.fullmatch(PLAIN_NUMBER, text) else None


@pytest.mark.parametrize("odd", [True, False])
def test_duckdb_takes_the_plain_numbers_and_nothing_else(odd: bool) -> None:
    short = ("".join(letters) for n in range(1, 5) for letters in itertools.product("0179.-+eE_ xinfa:/", repeat=n))
    printable = ("".join(letters) for n in (1, 2) for letters in itertools.product(string.printable, repeat=n))
    texts = list(dict.fromkeys([*short, *printable, *CELLS]))
    if not odd:
        signs = "".join(character.decode() for character in unquoted.ODD) + "\t\r\n"  # the others are never in a cell
        texts = [text for text in texts if not set(text) & set(signs)]
    for text, found in zip(texts, cast(texts, odd=odd), strict=True):
        if found is not None and not odd and not math.isfinite(found):
            continue  # the reader looks for these itself
        assert found == expected(text), text


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=20, max_size=200),
    st.lists(st.from_regex(r"-?[1-9][0-9]{0,30}(\.[0-9]{0,30})?(e-?[1-9][0-9]?)?", fullmatch=True), min_size=20),
)
def test_numbers_are_the_nearest_ones_bit_by_bit(values: list[float], digits: list[str]) -> None:
    texts = [*map(repr, values), *(f"{v:.16e}" for v in values), *(f"{v:.25g}" for v in values), *digits]
    texts = [text for text in texts if "+" not in text]
    found = np.array(cast(texts, odd=False), float)
    assert found.tobytes() == np.array(list(map(float, texts))).tobytes()


@given(st.from_regex(PLAIN_NUMBER, fullmatch=True))
def test_a_plain_number_is_one_to_the_rules_of_the_kinds(text: str) -> None:
    assert GRAMMARS["."].fullmatch(text)
    both = "." in text and bool(re.fullmatch(GROUPED_BY_POINTS, text))
    assert (decide_mark([text])[1] == "only") == ("." in text and not both)
