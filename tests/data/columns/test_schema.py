"""The schema contract: what is decided on development rows, and how it is enforced on new ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from tenfold.data.columns.conform import conform
from tenfold.data.columns.schema import Schema, decide_schema
from tenfold.data.columns.table import Table
from tenfold.data.columns.target import read_target
from tenfold.data.read.read import read_as, read_table
from tenfold.errors import BadInput

from ..examples import csv_table

N = 40
COLUMNS: dict[str, list[object]] = {
    "PassengerId": list(range(1, N + 1)),
    "customer_id": [(i * 7919) % 100003 for i in range(N)],
    "age": [(i * 37) % 60 for i in range(N)],
    "big": [(i * 7919) % 100003 for i in range(N - 1)] + [5],
    "year": [1950 + i for i in range(N)],
    "price": [i + 0.25 for i in range(N)],
    "colour": [("red", "red", "blue", "green")[i % 4] for i in range(N)],
    "flag": [("Yes", "No")[i % 2] for i in range(N)],
    "bit": [i % 2 for i in range(N)],
    "when": [f"2020-01-{i % 28 + 1:02d}" for i in range(N)],
    "ticket": [f"T{i // 2}" for i in range(N)],
    "code": [f"c{i:03d}" for i in range(N)],
    "remark": [f"number {i} came by and left again" for i in range(N)],
    "same": ["k"] * N,
    "nothing": [""] * N,
    "twin": [("red", "red", "blue", "green")[i % 4] for i in range(N)],
    "some": [("x", "")[i % 2] for i in range(N)],
    "zip": [("00123", "04567", "12345")[i % 3] for i in range(N)],
    "slash": [f"{(i + 12) % 28 + 1:02d}/03/2021" for i in range(N)],
    "y": [i % 2 for i in range(N)],
}
KINDS = {
    **{"PassengerId": "id", "customer_id": "id", "age": "number", "big": "number", "year": "number", "price": "number"},
    **{"colour": "category", "flag": "boolean", "bit": "boolean", "when": "date", "ticket": "category", "code": "id"},
    **{"remark": "text", "same": "constant", "nothing": "constant", "twin": "category", "some": "category"},
    **{"zip": "category", "slash": "date"},
}


def write(tmp_path: Path, columns: dict[str, list[object]], name: str = "data.csv") -> Table:
    return csv_table(tmp_path / name, columns)


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    table = write(tmp_path, COLUMNS)
    target = read_target(table, "y")
    return decide_schema(table.drop("y").take(target.keep), target)


def new(tmp_path: Path, **changes: object) -> Table:
    columns = {name: list(cells[:8]) for name, cells in COLUMNS.items() if name != "y"}
    for name, cells in changes.items():
        columns[name] = list(cells)  # type: ignore[call-overload]
    return write(tmp_path, columns, "new.csv")


def test_the_decision_about_each_column(schema: Schema) -> None:
    assert {column.name: column.kind for column in schema.columns} == KINDS
    unused = {column.name for column in schema.columns if not column.used}
    assert unused == {"PassengerId", "customer_id", "code", "remark", "same", "nothing", "twin", "bit"} - {"bit"}
    by_name = {column.name: column for column in schema.columns}
    assert by_name["colour"].levels == ("red", "blue", "green")
    assert (by_name["age"].minimum, by_name["age"].maximum) == (0, 58)
    assert by_name["twin"].reason == "the same as 'colour'"
    assert by_name["some"].missing == 0.5
    assert all(column.reason for column in schema.columns)
    assert by_name["when"].example == "2020-01-01"


def test_an_id_is_still_seen_in_a_part_of_the_rows(tmp_path: Path) -> None:
    table = write(tmp_path, COLUMNS)
    rows = np.sort(np.random.default_rng(0).choice(N, 30, replace=False))
    target = read_target(table.take(rows), "y")
    kinds = {c.name: c.kind for c in decide_schema(table.take(rows).drop("y"), target).columns}
    assert kinds["PassengerId"] == "id"
    assert kinds["age"] == "number"


def test_a_schema_survives_json_and_refuses_what_it_does_not_know(schema: Schema) -> None:
    values = json.loads(json.dumps(schema.to_dict(), allow_nan=False))
    assert Schema.from_dict(values) == schema
    for change in (
        lambda v: v.update(targt="y"),
        lambda v: v["columns"][0].update(level=1),
        lambda v: v["columns"][0].update(kind="thing"),
        lambda v: v["columns"][0].update(used="perhaps"),
        lambda v: v.pop("task"),
        lambda v: v["columns"].append(v["columns"][0]),
    ):
        broken = json.loads(json.dumps(values))
        change(broken)
        with pytest.raises((BadInput, ValueError), match="schema"):
            Schema.from_dict(broken)


def test_no_usable_column_is_refused(tmp_path: Path) -> None:
    table = write(tmp_path, {"id": COLUMNS["PassengerId"], "k": COLUMNS["same"], "y": COLUMNS["y"]})
    with pytest.raises(BadInput, match="no column is left to learn from: 'id' ID"):
        decide_schema(table.drop("y"), read_target(table, "y"))


def test_order_and_extra_columns_change_nothing_and_are_said(tmp_path: Path, schema: Schema) -> None:
    table = new(tmp_path)
    expected, notes = conform(table, schema)
    assert notes == []
    assert expected.names == tuple(column.name for column in schema.used)
    mixed = {name: list(COLUMNS[name][:8]) for name in reversed(COLUMNS)}
    found, notes = conform(write(tmp_path, {**mixed, "extra": [1] * 8}, "new.csv"), schema)
    text = "\n".join(notes)
    assert "1 column not in the schema ignored: 'extra'" in text
    assert "the target 'y' is in the data" in text
    assert "order of the schema" in text
    for ours, theirs in zip(found.columns, expected.columns, strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)


def test_the_example_of_a_boolean_is_as_the_file_has_it(tmp_path: Path) -> None:
    table = write(tmp_path, {"member": ["", "no", "yes"] * 4, "y": ["a", "b", "a"] * 4}, "new.csv")
    found = decide_schema(table.drop("y"), read_target(table, "y"))
    assert [(c.kind, c.example) for c in found.columns] == [("boolean", "no")]


def test_a_missing_column_is_refused_with_the_nearest_name(tmp_path: Path, schema: Schema) -> None:
    columns = {("Colour " if name == "colour" else name): list(cells[:8]) for name, cells in COLUMNS.items()}
    rename = "try: the file has 'Colour'; rename it to 'colour'"
    with pytest.raises(BadInput, match=rf"new\.csv: there is no column 'colour'(.|\n)*{rename}"):
        conform(write(tmp_path, columns, "new.csv"), schema)
    shouted = {name.upper(): cells for name, cells in columns.items()}
    with pytest.raises(BadInput) as refused:
        conform(write(tmp_path, shouted, "shouted.csv"), schema)
    used = [column.name for column in schema.used]
    has, to = (", ".join(f"'{name}'" for name in names) for names in ([name.upper() for name in used], used))
    assert f"try: the file has {has}; rename them to {to}" in str(refused.value)
    with pytest.raises(BadInput) as refused:
        conform(write(tmp_path, {"COLOUR": list(COLUMNS["colour"][:8])}, "one.csv"), schema)
    assert "try: the file has 'COLOUR'; rename it to 'colour'; add '" in str(refused.value)
    del columns["Colour "], columns["remark"]
    conform(write(tmp_path, {**columns, "colour": list(COLUMNS["colour"][:8])}, "new.csv"), schema)


CASTS: dict[str, tuple[str, list[object], list[object]]] = {
    "codes as numbers": ("zip", ["12345"] * 8, ["12345"] * 8),
    "leading zeros lost": ("zip", ["123"] * 8, ["123"] * 8),
    "one level that looks boolean": ("colour", ["yes"] * 8, ["yes"] * 8),
    "whole numbers for decimals": ("price", [3] * 8, [3.0] * 8),
    "nothing for a number": ("age", [""] * 8, [np.nan] * 8),
    "nothing for a date": ("when", [""] * 8, [np.datetime64("NaT")] * 8),
    "nothing for a category": ("colour", [""] * 8, [None] * 8),
    "digits for booleans": ("flag", [1, 0] * 4, [1.0, 0.0] * 4),
    "odd spellings of booleans": ("flag", ["y", "0"] * 4, [1.0, 0.0] * 4),
    "another date format": ("when", ["31.01.2020"] * 8, [np.datetime64("2020-01-31")] * 8),
    "dates that are unclear alone": ("slash", ["02/03/2021"] * 8, [np.datetime64("2021-03-02")] * 8),
    "numbers with leading zeros": ("age", ["007"] * 8, [7.0] * 8),
    "values beyond 0 and 1 for numbers": ("bit", [2] * 8, [2.0] * 8),
}


@pytest.mark.parametrize("case", CASTS)
def test_lossless_casts(tmp_path: Path, schema: Schema, case: str) -> None:
    name, cells, expected = CASTS[case]
    typed = conform(new(tmp_path, **{name: cells}), schema)[0].column(name)
    for column in (typed, read_as(tmp_path / "new.csv", schema)[0].column(name)):
        np.testing.assert_array_equal(column.values, np.array(expected, typed.values.dtype))


REFUSED = {
    "text for a number": ("age", ["1", "2", "old"] + ["3"] * 5, "'old' is not a number", "line 4, column 3 ('age')"),
    "booleans for a number": ("age", ["yes", "no"] * 4, "'yes' is not a number", "line 2, column 3 ('age')"),
    "a third value for a boolean": ("flag", ["Yes", "perhaps"] * 4, "'perhaps' is not a boolean", "line 3, column 8"),
    "numbers for a boolean": ("flag", [0, 1, 5] + [1] * 5, "'5' is not a boolean", "line 4, column 8"),
    "numbers for a date": ("when", [5] * 8, "'5' is not a date", "line 2, column 10"),
    "day and month swapped": ("slash", ["03/13/2021"] * 8, "'03/13/2021' is not a date", "line 2, column 19"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_changed_kind_is_refused_with_its_row(tmp_path: Path, schema: Schema, case: str) -> None:
    name, cells, found, place = REFUSED[case]
    table = new(tmp_path, **{name: cells})
    for read_again in (lambda: conform(table, schema), lambda: read_as(tmp_path / "new.csv", schema)):
        with pytest.raises(BadInput) as caught:
            read_again()
        assert found in str(caught.value)
        assert place in str(caught.value)


def test_what_training_did_not_see_is_counted(tmp_path: Path, schema: Schema) -> None:
    notes = conform(new(tmp_path, colour=["pink"] + ["red"] * 7, age=[999] * 2 + [5] * 6), schema)[1]
    assert notes == [
        "warning: column 'age': 2 of 8 rows (25.0%) have values outside the training range",
        "warning: column 'colour': 1 of 8 rows (12.5%) have unseen categories, such as 'pink'",
    ]
    columns = {name: [cells[i % 8] for i in range(100)] for name, cells in COLUMNS.items() if name != "y"}
    columns["colour"][3] = "pink"
    notes = conform(write(tmp_path, columns, "new.csv"), schema)[1]
    assert notes == ["column 'colour': 1 of 100 rows (1.0%) have unseen categories, such as 'pink'"]
    assert conform(new(tmp_path, age=[""] * 8), schema)[1] == ["column 'age': every cell is missing"]


def test_a_category_keeps_its_spelling_when_a_part_looks_like_numbers_or_booleans(tmp_path: Path) -> None:
    cells = ["1", "2.0", "x", "No"] * 10
    table = write(tmp_path, {"c": cells, "y": COLUMNS["y"]})
    schema = decide_schema(table.drop("y"), read_target(table, "y"))
    assert set(schema.columns[0].levels) == {"1", "2.0", "x", "No"}
    for part, expected in ((["1", "2.0"], ["1", "2.0"]), (["1.0", "2"], ["1", "2.0"]), (["No", "No"], ["No", "No"])):
        found, _ = conform(write(tmp_path, {"c": part}, "new.csv"), schema)  # type: ignore[dict-item]
        assert found.column("c").values.tolist() == expected
        assert read_as(tmp_path / "new.csv", schema)[0].column("c").values.tolist() == expected


def test_a_file_is_read_by_the_schema_as_it_is_by_its_cells(tmp_path: Path, schema: Schema) -> None:
    typed, notes = conform(new(tmp_path, colour=["pink"] * 8), schema)
    direct, same = read_as(tmp_path / "new.csv", schema)
    assert same == notes
    for ours, theirs in zip(direct.columns, typed.columns, strict=True):
        assert (ours.name, ours.kind) == (theirs.name, theirs.kind)
        np.testing.assert_array_equal(ours.values, theirs.values)


def test_the_decimal_comma_of_a_new_file_holds_for_known_columns_too(tmp_path: Path, schema: Schema) -> None:
    columns = {name: list(cells[:8]) for name, cells in COLUMNS.items()}
    rows = [";".join(map(str, row)).replace(".25", ",25") for row in zip(*columns.values(), strict=True)]
    (tmp_path / "new.csv").write_text("\n".join([";".join(columns), *rows]))
    assert read_as(tmp_path / "new.csv", schema)[0].column("price").values.tolist() == [i + 0.25 for i in range(8)]


RNG = np.random.default_rng(0)
INDEX_ROWS = 60
INDEXES = {
    "shuffled, as after sample": RNG.permutation(INDEX_ROWS),
    "some of many, as after a larger sample": RNG.choice(5000, INDEX_ROWS, replace=False),
    "counted from 1": np.arange(1, INDEX_ROWS + 1),
}


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__", "index", "level_0", "...1"])
@pytest.mark.parametrize("case", INDEXES)
def test_the_index_that_a_frame_was_written_with_is_dropped_and_said(tmp_path: Path, case: str, name: str) -> None:
    columns = {name: INDEXES[case], "a": RNG.normal(size=INDEX_ROWS), "b": ["u", "v", "w"] * 20, "y": ["p", "q"] * 30}
    frame = pytest.importorskip("pandas").DataFrame(columns)
    for table in (write(tmp_path, columns), read_table(frame)):
        target = read_target(table, "y")
        first = decide_schema(table.drop("y"), target).columns[0]
        assert (first.kind, first.used) == ("id", False)


def test_an_index_that_oversampling_repeated_is_dropped(tmp_path: Path) -> None:
    rows = np.tile(np.arange(INDEX_ROWS), 3)
    columns = {"": rows, "a": RNG.normal(size=INDEX_ROWS)[rows], "b": RNG.normal(size=INDEX_ROWS)[rows], "y": rows % 2}
    table = write(tmp_path, columns)
    found = decide_schema(table.drop("y"), read_target(table, "y")).columns[0]
    assert found.reason.startswith("an exported index")


def test_an_unnamed_column_that_does_not_number_the_rows_is_kept(tmp_path: Path) -> None:
    noise = RNG.normal(size=INDEX_ROWS)
    for values, name in (
        (RNG.integers(9, size=INDEX_ROWS), ""),
        (np.sort(RNG.choice(np.arange(1800, 2100), INDEX_ROWS, replace=False)), ""),
        (RNG.permutation(INDEX_ROWS) + 0.5, ""),
        (RNG.permutation(INDEX_ROWS), "first"),
    ):
        table = write(tmp_path, {name: values, "a": noise, "y": ["p", "q"] * 30})
        assert decide_schema(table.drop("y"), read_target(table, "y")).columns[0].used
    numbered = write(tmp_path, {"column 1": RNG.permutation(INDEX_ROWS), "column 2": noise, "y": ["p", "q"] * 30})
    assert decide_schema(numbered.drop("y"), read_target(numbered, "y")).columns[0].used
