"""Where the table is in a file: titles, units, several header lines, missing headers, notes, totals, other tables."""

from pathlib import Path

import pytest

from tenfold.data.columns.table import Table
from tenfold.data.read.options import ReadOptions
from tenfold.data.read.read import read_table
from tenfold.errors import BadInput

ROWS = [f"2020-01-{i + 1:02d},{i * 0.5 + 1},{20 - i % 7},{'ab'[i % 2]}" for i in range(24)]
HEADER = "day,temp,load,kind"
BODY = "\n".join(ROWS) + "\n"
BASE = f"{HEADER}\n{BODY}"
NAMES = ("day", "temp", "load", "kind")
NUMBERED = ("column 1", "column 2", "column 3", "column 4")


def load(tmp_path: Path, content: str, **options: object) -> Table:
    path = tmp_path / "data.csv"
    path.write_text(content, encoding="utf-8")
    return read_table(path, options=ReadOptions(**options))  # pyright: ignore[reportArgumentType]


def refusal(tmp_path: Path, content: str, **options: object) -> str:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, content, **options)
    assert len(str(caught.value).splitlines()) <= 4
    return str(caught.value)


def assert_rows(table: Table, names: tuple[str, ...] = NAMES) -> None:
    assert table.names == names
    assert [column.kind for column in table.columns] == ["date", "number", "number", "text"]
    assert table.column(names[1]).values.tolist() == [i * 0.5 + 1 for i in range(24)]
    assert table.column(names[3]).values.tolist() == ["ab"[i % 2] for i in range(24)]


RIGHT: dict[str, tuple[str, tuple[str, ...], str]] = {
    "a title": (f"Readings of January\n{BASE}", NAMES, "line 1 above the header left out: 'Readings of January'"),
    "a title and a blank line": (f"Readings\n\n{BASE}", NAMES, "left out: 'Readings'"),
    "a title filled up with delimiters": (f"Readings,,,\n,,,\n{BASE}", NAMES, "left out: 'Readings'"),
    "several titles": (f"Office of Weather\nReadings\n\n{BASE}", NAMES, "2 lines from line 1 on above the header"),
    "a title with a comma": (f"Readings, January\n\n{BASE}", NAMES, "left out: 'Readings January'"),
    "a title in quotes": (f'"Readings, January"\n{BASE}', NAMES, "left out: 'Readings, January'"),
    "units": (f"{HEADER}\nUTC,degC,kW,-\n{BODY}", NAMES, "line 2 holds no values but units or notes"),
    "units in brackets": (f"{HEADER}\n,(°C),[kW],\n{BODY}", NAMES, "line 2 holds no values but units or notes"),
    "descriptions": (f"{HEADER}\nwhen,how warm,how much,which\n{BODY}", NAMES, "units or notes ('when how warm"),
    "names in two lines": (
        f"date,sensor,,type\n,temp,load,\n{BODY}",
        ("date", "sensor temp", "sensor load", "type"),
        "the names are in 2 lines (1 to 2) and joined",
    ),
    "groups above the names": (f"when,sensor,,\n{HEADER}\n{BODY}", NAMES, "line 1 above the header left out"),
    "a note below": (f"{BASE}Source: Office of Weather\n", NAMES, "notes below the table: 'Source: Office of Weather'"),
    "notes after a blank line": (f"{BASE}\n* provisional\n(c) 2020\n", NAMES, "2 lines from line 27 on left out"),
    "a note filled up": (f"{BASE},,,\nSource: Office,,,\n", NAMES, "notes below the table: 'Source: Office'"),
    "empty lines at the end": (f"{BASE},,,\n,,,\n", NAMES, "2 lines from line 26 on left out, empty lines"),
    "a total": (f"{BASE}Total,162.0,413,\n", NAMES, "totals of the rows above: 'Total 162.0 413'"),
    "means": (f"{BASE}\nAverage,6.75,17.2,\n", NAMES, "totals of the rows above: 'Average 6.75 17.2'"),
    "a delimiter ends every row": (
        BASE.replace("\n", ",\n").replace("kind,", "kind", 1), NAMES, "the empty last column is dropped"),
    "three delimiters end every line": (BASE.replace("\n", ",,,\n"), NAMES, "3 last columns have neither a name nor"),
    "comments among the rows": (
        BASE.replace(ROWS[9], "# a pause, of an hour\n" + ROWS[9]), NAMES, "comments left out (line 11)"),
    "a comment as wide as a row": (
        BASE.replace(ROWS[9], "# a pause, of, an, hour\n" + ROWS[9]), NAMES, "left out, comment lines"),
    "no header": (BODY, NUMBERED, "no header: line 1 looks like data"),
    "no header and a blank first cell": (
        BODY.replace("2020-01-01,1.0,20", "2020-01-01,1.0,"), NUMBERED, "no header: line 1 looks like data"),
    "a title above two columns": ("Loads\n% of January\nload,kind\n" + "20,a\n19,b\n" * 6, ("load", "kind"), "2 lines"),
    "a header of numbers where the rows are levels": (
        "0,1,2,3\n" + BODY, ("0", "1", "2", "3"), "the header holds only numbers"),
    "row names as R writes them": (
        '"day","temp","load","kind"\n' + "".join(f'"{i + 1}",{row}\n' for i, row in enumerate(ROWS)),
        ("column 1", *NAMES), "the first cell of a row is its name"),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_the_table_is_found_and_what_is_left_out_is_said(tmp_path: Path, case: str) -> None:
    content, names, note = RIGHT[case]
    table = load(tmp_path, content)
    assert note in "\n".join(table.notes)
    if len(names) == 2:
        assert table.names == names
        assert table.rows == 12
        return
    if len(names) == 5:
        assert table.column("column 1").values.tolist() == list(range(1, 25))
        table = table.drop("column 1")
        names = names[1:]
    assert_rows(table, names)


PLAIN = {
    "as it is": BASE,
    "a row of one cell at the end": f"{BASE}2020-02-01,,,\n",
    "a row that starts with total among others": BASE.replace("a\n", "Total\n"),
    "years as names": "place,1990,1991,1992\n" + "".join(f"p{i},{i},{1985 + i},{2 * i}\n" for i in range(20)),
    "two years as names": "place,2019,2020\n" + "".join(f"p{i},{1990 + 2 * i},{1985 + 3 * i}\n" for i in range(20)),
    "all text": "colour,shape\n" + "red,round\nblue,square\n" * 8,
    "a level that is also a name": "colour,red\n" + "red,7\nblue,8\n" * 8,
    "words for missing numbers": "n,x,y\n" + "a,1,2\nb,3,4\n" * 6 + "c,suppressed,suppressed\n" + "a,5,6\n" * 6,
    "the second row has words": "n,x,y\nc,unknown,unknown\n" + "a,1,2\nb,3,4\n" * 6 + "d,unknown,unknown\n",
    "colours": "colour,x\n" + "#ff0000,1\n#00ff00,2\nred,3\n" * 8,
    "numbers of issues": "issue,x\n" + "#12 fixed,1\n#13 open,2\n" * 9,
    "one column": "y\n" + "1\n2\n3\n" * 5,
    "two rows": "a,b\n1,x\n2,y\n",
}


@pytest.mark.parametrize("case", PLAIN)
def test_a_plain_table_keeps_all_its_rows_without_a_word_on_its_layout(tmp_path: Path, case: str) -> None:
    content = PLAIN[case]
    table = load(tmp_path, content)
    assert table.names == tuple(content.split("\n", 1)[0].split(","))
    assert table.rows == content.count("\n") - 1
    assert not [note for note in table.notes if "left out" in note or "header" in note]


REFUSED: dict[str, tuple[str, list[str]]] = {
    "a second table": (f"{BASE}\nname,age,size,town\nAda,36,160,Paris\nBob,44,180,Rome\n", ["line 27", "another"]),
    "a second table with a title": (f"{BASE}\nStaff,,,\nname,age,size,town\nAda,36,1,Paris\n", ["line 28", "another"]),
    "a narrower second table": (f"{BASE}\nname,age\nAda,36\n", ["line 27", "another table", "--skip-rows 27-"]),
    "a quote before a missing delimiter": (
        BASE.replace("2020-01-10,5.5,", '2020-01-10,5.5"a load, of 20""",', 1), ["line 11, column 2", "a quote in"]),
    "a name too few": ("day temp,load,kind\n" + BODY, ["line 2, column 4", "too many cells: 4, the header has 3"]),
    "a name too few over an empty column": (
        "DateTime,Price,Url\n" + "2020-01-01,07:30,5.5,\n2020-01-02,07:45,6.5,\n" * 5, ["names do not fit", "'Price'"]),
    "a quote in a name": ('"day""temp",load,kind\n' + BODY.replace(",a\n", ",\n").replace(",b\n", ",\n"),
                          ["line 1, column 1", "a quote in the name"]),
    "two names too many": (f"{HEADER},x,z\n{BODY}", ["line 2, column 5", "too few cells: 4, the header has 6"]),
    "a title over rows without names": (f"Readings\n{BODY}", ["line 1, column 1", "looks like data"]),
    "bad rows": (BASE.replace("a\n", "a,9\n", 1), ["line 2, column 5", "--bad-rows drop"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_doubtful_file_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    content, words = REFUSED[case]
    message = refusal(tmp_path, content)
    for word in words:
        assert word in message


def test_a_quote_that_can_only_stand_for_itself_is_kept_and_said(tmp_path: Path) -> None:
    table = load(tmp_path, 'pipe",x\n5" long,1\n7" long,2\n"6"" long, new",3\nm,4\n')
    assert table.column('pipe"').values.tolist() == ['5" long', '7" long', '6" long, new', "m"]
    sizes = load(tmp_path, "size,x\n" + '5",1\n7",2\n3 1/4",4\n' * 4)
    assert sizes.column("size").values.tolist()[:3] == ['5"', '7"', '3 1/4"']
    assert "line 3, column 1: a quote inside" in refusal(tmp_path, 'size,x\n5,1\n7",2\n3,4\n')
    assert "line 2, column 1: a quote inside" in refusal(tmp_path, 'size,x\nm"g,1\n7,2\n3,4\n')
    assert "a quote inside an unquoted cell stands for itself (3 lines, the first is 1)" in table.notes


def test_a_level_in_the_first_row_only_is_no_name_beside_numbers_like_the_others(tmp_path: Path) -> None:
    table = load(tmp_path, BODY.replace("20,a", "20,z", 1))
    assert table.names == NUMBERED
    assert table.column("column 4").values[0] == "z"


def test_levels_that_occur_below_are_no_names(tmp_path: Path) -> None:
    rows = ["p,x,s,n", "e,x,s,y", "e,b,s,w", "p,x,y,w", "e,x,s,g", "e,x,y,y", "e,b,s,w", "e,b,y,w", "p,x,y,w"]
    table = load(tmp_path, "\n".join(rows) + "\n")
    assert table.names == NUMBERED
    assert table.rows == 9
    assert "every line has 3 words" in load(tmp_path, "a b c\n1 2 x\n3 4 y\n").notes[0]
    assert "only numbers" in load(tmp_path, "5\n6\n7\n8\n").notes[0]


def test_options_overrule_what_the_file_looks_like(tmp_path: Path) -> None:
    assert load(tmp_path, BODY, header_row=1).names[0] == "2020-01-01"
    assert load(tmp_path, BASE.replace("day,temp,load", "1,2,3"), no_header=True).rows == 25
    assert_rows(load(tmp_path, f"x,y,z,w\n{BASE}", header_row=2))
    assert_rows(load(tmp_path, f"x,y,z,w\n1,2,3,4\n{BASE}", skip_rows="2"))
    assert_rows(load(tmp_path, f"{BASE}\nname,age\nAda,36\n", skip_rows="27-"))
    assert_rows(load(tmp_path, f'{BASE}"open\n', skip_rows="26-26"))
    table = load(tmp_path, BASE, skip_rows="5-6,8-8")
    assert table.lines is not None
    assert table.lines.tolist() == [2, 3, 4, 7, *range(9, 26)]
    assert_rows(load(tmp_path, f"Readings\n{BODY}", no_header=True, skip_rows="1"), NUMBERED)


def test_an_option_that_does_not_fit_the_file_says_so(tmp_path: Path) -> None:
    assert "no row starts there" in refusal(tmp_path, BASE, header_row=99)
    assert "--skip-rows" in refusal(tmp_path, BASE, skip_rows="9-3")
    assert "both --header-row and --no-header" in refusal(tmp_path, BASE, header_row=1, no_header=True)
    assert "expected: refuse, drop" in refusal(tmp_path, BASE, bad_rows="skip")
    assert "'number'" not in refusal(tmp_path, BASE, kind=(("temp", "colour"),))
    assert "no column 'tmp'" in refusal(tmp_path, BASE, kind=(("tmp", "number"),))


def test_words_for_missing_values_stand_in_place_of_the_usual_ones_or_beside_them(tmp_path: Path) -> None:
    content = "a,b\n" + "None,1\nred,NA\nunknown,-999\n" * 5
    assert load(tmp_path, content).column("a").missing.sum() == 5
    kept = load(tmp_path, content, missing="NA,-999")
    assert kept.column("a").values.tolist() == ["None", "red", "unknown"] * 5
    assert kept.column("b").missing.sum() == 10
    assert load(tmp_path, content, missing="+unknown,-999").column("a").missing.sum() == 10
    assert load(tmp_path, content, missing="").column("b").kind == "text"


def test_bad_rows_are_dropped_up_to_a_share_and_named(tmp_path: Path) -> None:
    lines = BASE.splitlines()
    lines[3] += ",9"
    lines[8] = '2020-01-08,"4.5"x,20,b'
    content = "\n".join(lines) + "\n"
    assert "line 9, column 2: unbalanced quote" in refusal(tmp_path, content)
    message = refusal(tmp_path, content, bad_rows="drop")
    assert "2 of 24 rows cannot be read (8.3%)" in message
    assert "--bad-rows drop:8.4%" in message
    table = load(tmp_path, content, bad_rows="drop:8.4%")
    assert table.rows == 22
    assert "dropped: line 4 (a row with too many cells: 5, the header has 4), line 9 (unbalanced" in table.notes[-1]


def test_a_kind_that_the_user_names_holds(tmp_path: Path) -> None:
    content = "id,code,when,n,y\n" + "".join(f"k{i},{i % 4},2020-01-{i + 1:02d},{i},{i % 2}\n" for i in range(20))
    kinds = (("code", "category"), ("id", "category"), ("n", "number"), ("when", "text"))
    table = load(tmp_path, content, kind=kinds)
    assert [column.asked for column in table.columns] == ["category", "category", "text", "number", ""]
    assert table.column("code").values.tolist()[:3] == ["0", "1", "2"]
    message = refusal(tmp_path, content.replace("k7,3", "k7,x"), kind=(("code", "number"),))
    assert "line 9, column 2 ('code')" in message
    assert "'x' is not a number" in message


@pytest.mark.parametrize(
    ("content", "names", "cells"),
    [
        ('"a"\n"# no"\n"b;c"\n', ["a"], ["# no", "b;c"]),
        ('"a","b"\n"# 1 of 2","x"\n"c","y"\n', ["a", "b"], ["# 1 of 2", "c"]),
        ('"a"\n"p"\n"q"\n""\n', ["a"], ["p", "q", None]),
        ('"the ""new"" price","b"\n"p","x"\n"q","z"\n', ['the "new" price', "b"], ["p", "q"]),
    ],
    ids=["a number sign in one column", "a number sign beside a cell", "a missing cell at the end", "a quoted word"],
)
def test_what_stands_in_quotes_is_a_cell(tmp_path: Path, content: str, names: list[str], cells: list[str]) -> None:
    path = tmp_path / "d.csv"
    path.write_text(content)
    table = read_table(path)
    assert list(table.names) == names
    assert table.columns[0].values.tolist() == cells


def test_two_names_that_look_alike_are_refused_with_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("caf\u00e9,cafe\u0301\n1,2\n3,4\n", "utf-8")
    with pytest.raises(BadInput, match=r"line 1, column 2: two columns are named 'caf\u00e9' \(columns 1 and 2\)"):
        read_table(path)


def test_of_numbers_with_a_unit_the_word_among_them_is_named(tmp_path: Path) -> None:
    content = "w,y\n" + "3.3 kg,a\n4 kg,b\nunknown,a\n" * 5
    assert "'unknown' is not a number" in refusal(tmp_path, content, kind=(("w", "number"),))
