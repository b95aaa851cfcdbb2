"""New rows that are written otherwise than those of training: converted where that is certain, else refused with the
cell. Never another value without a word."""

from pathlib import Path

import numpy as np
import pytest

from tenfold.data.columns.conform import conform, conform_numbers
from tenfold.data.columns.schema import Schema, decide_schema
from tenfold.data.columns.target import read_target
from tenfold.data.read.read import read_as, read_table
from tenfold.errors import BadInput


def contract(folder: Path, cells: list[str], delimiter: str = ";") -> Schema:
    """What a model holds that was trained on a column of these cells."""
    rows = [f"{cell}{delimiter}{'ab'[i % 2]}" for i, cell in enumerate(cells * 3)]
    path = folder / "train.csv"
    path.write_text("\n".join([f"v{delimiter}y", *rows]), "utf-8")
    table = read_table(path)
    return decide_schema(table.drop("y"), read_target(table, "y"))


def both_ways(folder: Path, schema: Schema, cells: list[str], delimiter: str = ";") -> list[tuple[list[object], str]]:
    """The values and the notes of new rows, as `predict` and as `--test` read them."""
    path = folder / "new.csv"
    path.write_text("\n".join([f"v{delimiter}z", *(f"{cell}{delimiter}x" for cell in cells)]), "utf-8")
    direct, notes = read_as(path, schema)
    typed, _ = conform(read_table(path), schema)
    return [(table.column("v").values.tolist(), "\n".join(table.notes)) for table in (direct, typed)] + [
        (direct.column("v").values.tolist(), "\n".join(notes))
    ]


COMMA = ["1,00", "2,50", "3,75"]
POINT = ["1.00", "2.50", "3.75"]
GROUPED = ["1.234,50", "2,5", "7,25"]
NUMBERS: dict[str, tuple[list[str], str, list[str], str, list[float], str]] = {
    "a point where a comma was": (COMMA, ";", ["1.5", "2.25"], ";", [1.5, 2.25], "decimal point, in training"),
    "a comma where a point was": (POINT, ";", ["1,5", "2,25"], ";", [1.5, 2.25], "decimal comma, in training"),
    "a comma in a comma file": (COMMA, ";", ["1,250"], "\t", [1.25], "two ways"),
    "thousands as in training": (GROUPED, ";", ["1.500", "2.250"], ";", [1500, 2250], ""),
    "the rest of the column decides": (COMMA, ";", ["1.500", "2.5"], ";", [1.5, 2.5], "decimal point"),
    "whole numbers": (COMMA, ";", ["1", "2"], ";", [1, 2], ""),
    "thousands in a comma file": (POINT, ",", ['"1,250"', "2"], ",", [1250, 2], "thousands"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_are_converted_where_one_reading_is_certain(tmp_path: Path, case: str) -> None:
    trained, its_delimiter, cells, delimiter, expected, said = NUMBERS[case]
    schema = contract(tmp_path, trained, its_delimiter)
    found = both_ways(tmp_path, schema, cells, delimiter)
    assert [values for values, _ in found] == [expected] * 3
    assert said in found[-1][1]


AMBIGUOUS = {
    "points where commas were": (COMMA, ["1.500", "2.250"], "'1.500' can be 1500 or 1.5"),
    "commas where points were": (POINT, ["1,500"], "'1,500' can be 1500 or 1.5"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_numbers_that_can_be_read_two_ways_are_refused_with_the_cell(tmp_path: Path, case: str) -> None:
    trained, cells, found = AMBIGUOUS[case]
    schema = contract(tmp_path, trained)
    with pytest.raises(BadInput, match=r"new\.csv, line 2, column 1 \('v'\)") as refused:
        both_ways(tmp_path, schema, cells)
    assert found in str(refused.value)
    with pytest.raises(BadInput):
        conform(read_table(tmp_path / "new.csv"), schema)


def test_a_comma_file_has_points_for_decimals_and_the_contract_for_commas(tmp_path: Path) -> None:
    schema = contract(tmp_path, COMMA)
    for cells, expected in ((["1.250", "2.500"], [1.25, 2.5]), (['"1,250"', '"2,500"'], [1.25, 2.5])):
        assert [values for values, _ in both_ways(tmp_path, schema, cells, ",")] == [expected] * 3


def test_another_column_of_the_file_decides_about_the_mark(tmp_path: Path) -> None:
    schema = contract(tmp_path, COMMA)
    (tmp_path / "new.csv").write_text("v\tw\n1.500\t2.25\n2.250\t7.5\n")
    for table in (read_as(tmp_path / "new.csv", schema)[0], conform(read_table(tmp_path / "new.csv"), schema)[0]):
        assert table.column("v").values.tolist() == [1.5, 2.25]


UNITS = ["3.3 kg", "4 kg", "5.25kg"]
REFUSED: dict[str, tuple[list[str], list[str], str]] = {
    "another unit": (UNITS, ["4 lb"], "'4 lb' has another unit than training ('kg')"),
    "no unit": (UNITS, ["4"], "'4' stands without 'kg'"),
    "a share without a sign": (["12 %", "7%", "9 %"], ["0.12"], "'0.12' stands without '%'"),
    "another currency": (["$1,200.00", "$5", "$7.5"], ["€5"], "'€5' has another unit"),
    "minutes for hours": (["1:19:20", "0:45:10", "2:00:00"], ["45:10"], "'45:10' is not written as the times"),
    "a zone": (["2021-03-11T02:00", "2021-03-12T03:00"], ["2021-03-11T02:00+09:00"], "has a time zone"),
    "no zone": (["2021-03-11T02:00Z", "2021-03-12T03:00Z"], ["2021-03-11T02:00"], "has no time zone"),
    "no day": (["2021-03-11", "2021-04-12"], ["2021-04"], "'2021-04' has no day"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_means_something_else_is_refused_with_the_cell(tmp_path: Path, case: str) -> None:
    trained, cells, found = REFUSED[case]
    schema = contract(tmp_path, trained)
    (tmp_path / "new.csv").write_text("v;z\n" + "".join(f"{cell};x\n" for cell in cells))
    for way in (
        lambda: read_as(tmp_path / "new.csv", schema),
        lambda: conform(read_table(tmp_path / "new.csv"), schema),
    ):
        with pytest.raises(BadInput, match=r"new\.csv, line 2, column 1 \('v'\)") as refused:
            way()
        if case != "no zone":
            assert found in str(refused.value)


TAKEN: dict[str, tuple[list[str], list[str], list[object], str]] = {
    "the unit of training": (UNITS, ["4 kg", "5kg", ""], [4.0, 5.0, np.nan], ""),
    "plural and singular": (["3 days", "1 day", "2 days"], ["4 days"], [4.0], ""),
    "a decimal comma and the unit": (UNITS, ["4,5 kg", "6,25 kg"], [4.5, 6.25], "decimal comma"),
    "durations": (["1:19:20", "0:45:10"], ["0:01:00"], [60.0], ""),
    "days of a month": (["2021-03", "2021-05", "2021-07"], ["2021-04-17"], ["2021-04-01"], "taken as their months"),
    "times of a day": (["2021-03-11", "2021-05-02"], ["2021-04-17 18:00"], ["2021-04-17"], "times of day left out"),
    "days for times": (["2021-03-11 10:00", "2021-05-02 11:00"], ["2021-04-17"], ["2021-04-17"], "midnight"),
    "zones": (["2021-03-11T02:00Z", "2021-05-02T03:00Z"], ["2021-03-11T02:00+02:00"], ["2021-03-11"], ""),
    "another format": (["2021-03-11", "2021-05-02"], ["17.04.2021"], ["2021-04-17"], "day.month.year, in training"),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_means_the_same_is_taken_and_said(tmp_path: Path, case: str) -> None:
    trained, cells, expected, said = TAKEN[case]
    schema = contract(tmp_path, trained)
    both_ways(tmp_path, schema, cells)
    direct, notes = read_as(tmp_path / "new.csv", schema)
    typed, _ = conform(read_table(tmp_path / "new.csv"), schema)
    for table in (direct, typed):
        values = table.column("v").values
        np.testing.assert_array_equal(values, np.array(expected, values.dtype))
    assert said in "\n".join(notes)


def test_what_reading_noticed_is_said_at_prediction_by_column_and_count(tmp_path: Path) -> None:
    schema = contract(tmp_path, POINT, ",")
    (tmp_path / "new.csv").write_text("v,z\n1e999,x\n-,x\n?,x\nNone,x\n-,x\n2.5,x\n")
    notes = read_as(tmp_path / "new.csv", schema)[1]
    assert "column 'v': 1 infinite or too large (1e999; first on line 2), read as missing" in notes
    assert [note for note in notes if "read as missing: " in note] == [
        "'-' read as missing: 2 cells in 'v'",
        "'?' read as missing: 1 cell in 'v'",
        "'None' read as missing: 1 cell in 'v'",
    ]


def test_a_contract_of_a_former_version_takes_what_it_took(tmp_path: Path) -> None:
    values = contract(tmp_path, ["2021-03-11", "2021-05-02"]).to_dict()
    values["columns"][0]["format"] = ""
    schema = Schema.from_dict(values)
    (tmp_path / "new.csv").write_text("v;z\n2021-04-17 18:00;x\n")
    found = read_as(tmp_path / "new.csv", schema)[0].column("v").values
    assert found.tolist() == [np.datetime64("2021-04-17T18:00").item()]
    values = contract(tmp_path, COMMA).to_dict()
    values["columns"][0]["format"] = "decimal comma"
    (tmp_path / "new.csv").write_text("v;z\n1,5;x\n")
    assert read_as(tmp_path / "new.csv", Schema.from_dict(values))[0].column("v").values.tolist() == [1.5]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_and_categories_that_look_alike_are_alike(tmp_path: Path, form: str) -> None:
    import unicodedata

    other = "NFD" if form == "NFC" else "NFC"
    one, two = (unicodedata.normalize(which, "Qualité") for which in (form, other))
    path = tmp_path / "train.csv"
    path.write_text(
        f"{one},y\n" + "".join(f"{cell},{y}\n" for cell, y in [(one, "a"), (two, "b"), ("x", "a")] * 4), "utf-8"
    )
    table = read_table(path)
    assert table.column(two).distinct == 2
    schema = decide_schema(table.drop("y"), read_target(table, "y"))
    assert len(schema.columns[0].levels) == 2
    assert read_target(table, two).classes == read_target(table, one).classes
    (tmp_path / "new.csv").write_text(f"{two}\n{two}\n\u200b{one}\ufeff\n", "utf-8")
    found, notes = read_as(tmp_path / "new.csv", schema)
    assert set(found.columns[0].values) == {unicodedata.normalize("NFC", one)}
    assert notes == []


@pytest.mark.parametrize(
    ("trained", "cells", "expected"),
    [
        (COMMA, ["1,5", "2,5"], [1.5, 2.5]),
        (COMMA, ["1.5", "2.25"], [1.5, 2.25]),
        (COMMA, ["1,500"], [1.5]),
        (COMMA, ["1.500"], "can be 1500 or 1.5"),
        (UNITS, ["4 kg"], [4.0]),
        (UNITS, ["4 lb"], "another unit"),
        (POINT, ["7"], [7.0]),
        (POINT, ["seven"], None),
    ],
)
def test_the_target_of_a_file_of_test_rows_is_read_as_that_of_training_is_written(
    tmp_path: Path, trained: list[str], cells: list[str], expected: list[float] | str | None
) -> None:
    tables = []
    for name, column in (("train.csv", trained), ("test.csv", cells)):
        (tmp_path / name).write_text("v;z\n" + "".join(f"{cell};x\n" for cell in column))
        tables.append(read_table(tmp_path / name))
    if isinstance(expected, str):
        with pytest.raises(BadInput, match=expected):
            conform_numbers(tables[1], tables[0].column("v"))
    else:
        found = conform_numbers(tables[1], tables[0].column("v")).column("v")
        assert found.values.tolist() == (cells if expected is None else expected)


@pytest.mark.parametrize("cell", ['="00123"', '"=""00123"""', ' ="00123"'])
def test_codes_that_a_spreadsheet_guards_are_read_with_and_without_outer_quotes(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(f"code,y\n{cell},a\n00456,b\n{cell},b\n")
    assert read_table(path).column("code").values.tolist() == ["00123", "00456", "00123"]


def test_a_comma_separated_file_is_read_as_it_was_in_training_beside_a_column_with_decimal_commas(
    tmp_path: Path,
) -> None:
    rows = [f'"{1 + i},500","51743,2{i}",{"ab"[i % 2]}' for i in range(6)]
    path = tmp_path / "train.csv"
    path.write_text("\n".join(["v,w,y", *rows]), "utf-8")
    table = read_table(path)
    schema = decide_schema(table.drop("y"), read_target(table, "y"))
    again, _ = read_as(path, schema)
    assert (
        again.column("v").values.tolist() == table.column("v").values.tolist() == [1500.0 + 1000 * i for i in range(6)]
    )


def test_some_rows_of_a_file_with_both_decimal_marks_are_read_as_in_training(tmp_path: Path) -> None:
    rows = [f"{1 + i},500;{i}.25;{'ab'[i % 2]}" for i in range(6)]
    path = tmp_path / "train.csv"
    path.write_text("\n".join(["v;w;y", *rows, "1,25;1.5;a"]), "utf-8")
    table = read_table(path)
    schema = decide_schema(table.drop("y"), read_target(table, "y"))
    path.write_text("\n".join(["v;w", "3,500;7.25"]), "utf-8")
    for found, notes in (read_as(path, schema), conform(read_table(path), schema)):
        assert found.column("v").values.tolist() == [3.5]
        assert "two ways" in "\n".join(notes)


@pytest.mark.parametrize("cells", [["0 kg", "1 kg", "1 kg"], ["$0", "$1", "$0"], ["0:00:00", "0:00:01", "0:00:01"]])
def test_only_0_and_1_with_a_unit_are_read_again(tmp_path: Path, cells: list[str]) -> None:
    schema = contract(tmp_path, cells)
    found, _ = read_as(tmp_path / "train.csv", schema)
    assert found.column("v").values.tolist() == read_table(tmp_path / "train.csv").column("v").values.tolist()
