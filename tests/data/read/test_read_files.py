"""Files as they come: each loads right and says what it noticed, or is refused with file, line and column."""

import csv
import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tenfold.data.columns.characters import clean
from tenfold.data.columns.table import Table
from tenfold.data.read.read import read_table
from tenfold.errors import BadInput

ROWS = [(i, f"n{i % 3}", i * 1.5, i % 2) for i in range(120)]
BASE = "id,name,x,y\n" + "".join(f"{a},{b},{c},{d}\n" for a, b, c, d in ROWS)


def load(tmp_path: Path, content: bytes | str, name: str = "data.csv") -> Table:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path)


def refusal(tmp_path: Path, content: bytes | str, name: str = "data.csv") -> str:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, content, name)
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    assert name in message
    return message


def assert_base(table: Table) -> None:
    assert table.names == ("id", "name", "x", "y")
    assert [column.kind for column in table.columns] == ["number", "text", "number", "number"]
    for column, expected in zip(table.columns, zip(*ROWS, strict=True), strict=True):
        assert column.values.tolist() == list(expected)


RIGHT = {
    "plain": (BASE, ""),
    "UTF-16": (BASE.encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark, little": (BASE.encode("utf-16-le"), "UTF-16-LE"),
    "UTF-16 without a mark, big": (BASE.encode("utf-16-be"), "UTF-16-BE"),
    "UTF-32": (BASE.encode("utf-32"), "UTF-32"),
    "byte-order mark": (BASE.encode("utf-8-sig"), "byte-order mark"),
    "semicolon": (BASE.replace(",", ";"), "semicolon"),
    "tab": (BASE.replace(",", "\t"), "tab"),
    "bar": (BASE.replace(",", "|"), "bar"),
    "decimal comma": (BASE.replace(",", ";").replace(".", ","), "decimal comma in 'x'"),
    "CR only": (BASE.replace("\n", "\r"), ""),
    "CRLF": (BASE.replace("\n", "\r\n"), ""),
    "float after row 100": (BASE.replace(",150.0,", ",1.5e2,"), ""),
    "delimiter ends every line": (BASE.replace("\n", ",\n"), "empty last column is dropped"),
    "delimiter ends every row": (BASE.replace("\n", ",\n").replace("y,\n", "y\n", 1), "empty last column is dropped"),
    "delimiter ends the header": (BASE.replace("y\n", "y,\n", 1), ""),
    "comments": ("# made by x\n# on Monday\n" + BASE, "2 comment lines"),
    "comment that is the header": ("# made by x\n#" + BASE, "the header is the last line"),
    "blank lines": ("\n" + BASE.replace("\n", "\n\n"), ""),
    "gzip": (gzip.compress(BASE.encode()), "gzip"),
    "sep= line": ("sep=;\n" + BASE.replace(",", ";"), "semicolon"),
    "blanks after the delimiter": (BASE.replace(",", ", "), ""),
    "single quotes": (
        "\n".join(",".join(f"'{c}'" for c in line.split(",")) for line in BASE.split()) + "\n",
        "quotes: '",
    ),
    "no line end at the end": (BASE[:-1], "is the file complete?"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_readable_file_gives_the_right_table_and_says_what_it_noticed(tmp_path: Path, case: str) -> None:
    content, note = RIGHT[case]
    table = load(tmp_path, content)
    assert_base(table)
    assert note in "\n".join(table.notes)
    if not note:
        assert table.notes == ()


def test_quotes_with_delimiters_line_ends_and_doubled_quotes_inside(tmp_path: Path) -> None:
    rows = [["a, b", "1"], ['say "hi"', "2"], ["two\nlines", "3"], ["C:\\dir\\", "4"], ["x", "5"]]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([["t", "y"], *rows])
    table = load(tmp_path, stream.getvalue())
    assert table.column("t").values.tolist() == [row[0] for row in rows]
    assert table.lines is not None
    assert table.lines.tolist() == [2, 3, 4, 6, 7]


def test_line_numbers_count_the_preamble(tmp_path: Path) -> None:
    table = load(tmp_path, "#one\n#two\na,b\n1,x\n\n2,y\n")
    assert table.lines is not None
    assert table.lines.tolist() == [4, 6]
    assert table.take(np.array([1])).place(0, "b").endswith("line 6, column 2 ('b')")


def test_latin_1_is_read_and_said(tmp_path: Path) -> None:
    table = load(tmp_path, "name,y\nZoë,1\nBjörk,2\n".encode("latin-1"))
    assert table.column("name").values.tolist() == ["Zoë", "Björk"]
    assert "line 2" in table.notes[0]
    assert "Windows-1252" in table.notes[0]


WRONG: dict[str, tuple[bytes | str, list[str]]] = {
    "short row": (BASE.replace("5,n2,7.5,1\n", "5,n2,7.5\n", 1), ["line 7, column 4 ('y')", "too few cells: 3"]),
    "long row": (BASE.replace("5,n2,7.5,1\n", "5,n2,7.5,1,9\n", 1), ["line 7, column 5", "too many cells: 5"]),
    "duplicate name": (BASE.replace("id,name,x", "id,x,x"), ["line 1, column 3", "'x' (columns 2 and 3)"]),
    "quote to the end": (BASE.replace("n2", '"n2', 1), ["line 4, column 2", "unbalanced quote", "never ends"]),
    "quote to another": (BASE.replace("n2", '"n2', 1) + '9,"n1",2,0\n', ["line 4, column 2", "unbalanced quote"]),
    "quote swallows rows": (BASE.replace("n2", '"n2', 1) + '9,n1",2,0\n', ["line 4, column 2", "look like rows"]),
    "cut in a quote": (BASE + '200,"abc', ["line 122, column 2", "unbalanced quote"]),
    "NUL": (BASE.replace("n2", "n\x002", 1), ["line 4", "column 4", "NUL"]),
    "NUL in UTF-16": ("a,b\n1,\x00\n".encode("utf-16"), ["line 2", "NUL"]),
    "header repeated": (BASE.replace("50,n2", "id,name,x,y\n50,n2", 1), ["line 52, column 1", "header is repeated"]),
    "cut in a row": (BASE[:-3], ["line 121", "column 3", "ends inside a row"]),
    "cut in a character": ("a,b\né,ü\nx,é".encode()[:-1], ["line 3", "inside a character"]),
    "two encodings": ("a,b\né,1\nü,2\n".encode() + b"\xe9,3\n", ["line 4", "0xe9 is not UTF-8"]),
    "HTML": ("<!DOCTYPE html>\n<html>404, gone</html>", ["line 1, column 1", "HTML"]),
    "JSON": ('[{"a": 1}]', ["line 1, column 1", "JSON"]),
    "empty": ("", ["line 1, column 1", "empty"]),
    "only blanks": (" \n\n", ["line 1, column 1", "empty"]),
    "only a header": ("a,b,c\n", ["line 2, column 1", "without rows"]),
    "only a comment": ("# nothing\n", ["line 1, column 1", "no header"]),
    "a workbook": (b"PK\x03\x04....", ["Excel"]),
    "gzip cut off": (gzip.compress(BASE.encode())[:-12], ["cut off"]),
    "gzip damaged": (gzip.compress(BASE.encode())[:-8] + b"\0" * 8, ["damaged"]),
    "one field too many beyond the trailing delimiter": ("a,b\n1,2,\n3,4,5\n", ["line 3, column 3", "too many"]),
    "free text in one column": ("text\nhello, world\nfoo\n", ["line 2, column 2", "too many cells: 2"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    content, words = WRONG[case]
    message = refusal(tmp_path, content)
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["m.pkl", "m.PKL", "m.pkl.gz", "m.joblib", "m.h5", "m.pt", "m.npy"])
def test_formats_that_can_execute_code_are_refused_by_name(tmp_path: Path, name: str) -> None:
    assert "runs when it is loaded" in refusal(tmp_path, b"anything", name)


def test_paths_with_blanks_letters_and_backslashes(tmp_path: Path) -> None:
    for name in ("mit Leerzeichen é.csv", "C:\\data\\x.csv", "[a] *.csv"):
        assert_base(load(tmp_path, BASE, name))
    assert load(tmp_path, gzip.compress(BASE.encode()), "churn.v2.csv.gz").name == "churn.v2"


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "churn.csv").write_text(BASE)
    with pytest.raises(BadInput, match=r"no such file(.|\n)*churn\.csv"):
        read_table(tmp_path / "chrun.csv")
    with pytest.raises(BadInput, match="a folder"):
        read_table(tmp_path)
    with pytest.raises(BadInput, match="an address"):
        read_table("https://example.com/x.csv")


def test_unnamed_columns_get_a_name(tmp_path: Path) -> None:
    table = load(tmp_path, ",a\n0,5\n1,6\n")
    assert table.names == ("column 1", "a")
    assert "column 1 has no name" in table.notes[0]
    assert "only numbers" in load(tmp_path, "1,2\n3,4\n5,6\n").notes[0]


def test_one_column_with_blank_lines_keeps_its_rows(tmp_path: Path) -> None:
    values = load(tmp_path, "a\n1\n\n2\n\n\n").column("a").values
    np.testing.assert_array_equal(values, [1, np.nan, 2])


cell = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs", "Cc"]), max_size=8)
DIALECTS = st.sampled_from([",", ";", "\t", "|"])


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(2, 5).flatmap(lambda k: st.lists(st.lists(cell, min_size=k, max_size=k), min_size=2, max_size=12)),
    DIALECTS,
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_wrote_is_read_back(tmp_path: Path, rows: list[list[str]], delimiter: str, end: str) -> None:
    header = [f"name {i}" for i in range(len(rows[0]))]
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    table = load(tmp_path, stream.getvalue())
    assert table.names == tuple(header)
    assert table.rows == len(rows)
    for j, column in enumerate(table.columns):
        if column.kind == "text":
            for value, row in zip(column.values, rows, strict=True):
                assert value is None or value == clean([row[j]])[0]


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_table_or_a_refusal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    try:
        assert read_table(path).rows > 0
    except BadInput as error:
        assert "any.csv" in str(error)


@pytest.mark.parametrize("end", range(1, 40, 3))
def test_a_file_cut_anywhere_is_refused_or_said(tmp_path: Path, end: int) -> None:
    content = BASE.encode()[:-end]
    try:
        table = load(tmp_path, content)
    except BadInput as error:
        assert "ends inside a row" in str(error)
    else:
        assert content.endswith(b"\n") or "is the file complete?" in "\n".join(table.notes)


def test_reading_imports_no_heavy_library(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(BASE)
    code = (
        "import sys; from tenfold.data.read.read import read_table;"
        "import tenfold.data.profile.card; read_table(sys.argv[1]);"
        "assert not {'torch', 'sklearn', 'duckdb', 'pandas', 'narwhals', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.csv")], check=True, env=dict(os.environ))
