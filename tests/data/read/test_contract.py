"""What was decided about the file of training holds for the files to predict, unless an option says otherwise."""

from pathlib import Path

import numpy as np
import pytest

from tenfold.data.columns.schema import Schema, decide_schema
from tenfold.data.columns.target import read_target
from tenfold.data.read.options import ReadOptions
from tenfold.data.read.read import read_as, read_table
from tenfold.errors import BadInput

HEADER = "size,colour,y\n"
BODY = "".join(f"{i % 9 + 0.5},{('red', 'blue', 'None')[i % 3]},{'ab'[i % 2]}\n" for i in range(30))


def learn(path: Path, content: str, target: str = "y", **options: object) -> Schema:
    """The schema of a table, written as JSON and read back."""
    path.write_text(content)
    table = read_table(path, options=ReadOptions(**options))  # pyright: ignore[reportArgumentType]
    found = read_target(table, target)
    return Schema.from_dict(decide_schema(table.drop(target), found).to_dict())


def read_new(tmp_path: Path, content: str, schema: Schema, **options: object) -> tuple[dict[str, list[object]], str]:
    path = tmp_path / "new.csv"
    path.write_text(content)
    asked = ReadOptions(**options) if options else None  # pyright: ignore[reportArgumentType]
    table, _ = read_as(path, schema, asked)
    values = {column.name: column.values.tolist() for column in table.columns}
    return values, "\n".join(table.notes)


def test_words_for_missing_values_are_those_of_training(tmp_path: Path) -> None:
    schema = learn(tmp_path / "old.csv", HEADER + BODY, missing="unknown")
    assert schema.columns[1].levels == ("None", "blue", "red")
    values, _ = read_new(tmp_path, "size,colour\n1,None\nunknown,red\n", schema)
    assert values["colour"] == ["None", "red"]
    assert np.isnan(values["size"][1])  # pyright: ignore[reportArgumentType]
    values, _ = read_new(tmp_path, "size,colour\n1,None\n2,red\n", schema, missing="None")
    assert values["colour"] == [None, "red"]


def test_a_file_without_a_header_is_predicted_with_or_without_its_target(tmp_path: Path) -> None:
    schema = learn(
        tmp_path / "old.csv", "".join(f"{'ab'[i % 2]},{i % 9},{i % 4 + 0.5}\n" for i in range(40)), "column 1"
    )
    assert schema.reading.no_header
    whole, _ = read_new(tmp_path, "a,3,1.5\nb,4,2.5\n", schema)
    bare, _ = read_new(tmp_path, "3,1.5\n4,2.5\n", schema)
    named, _ = read_new(tmp_path, "column 3,column 2\n1.5,3\n2.5,4\n", schema)
    assert whole == bare == named == {"column 2": [3, 4], "column 3": [1.5, 2.5]}
    with pytest.raises(BadInput, match="4 columns and no header"):
        read_new(tmp_path, "a,3,1.5,9\n", schema)


def test_the_header_is_found_by_the_names_of_training(tmp_path: Path) -> None:
    schema = learn(tmp_path / "old.csv", HEADER + BODY)
    values, notes = read_new(tmp_path, "New customers, May\nnumbers,words\nsize,colour\n1,red\n", schema)
    assert values == {"size": [1], "colour": ["red"]}
    assert "2 lines from line 1 on above the header left out" in notes
    values, _ = read_new(tmp_path, "size,colour\n1,2\n1,2\n1,2\n", schema)
    assert values["size"] == [1, 1, 1]


def test_a_bad_row_keeps_its_place_with_a_word_where_bad_rows_are_dropped(tmp_path: Path) -> None:
    schema = learn(tmp_path / "old.csv", HEADER + BODY)
    content = "size,colour\n1,red\n2,blue,9\n3,red\nx,red\n5,blue\n"
    with pytest.raises(BadInput, match="line 3, column 3"):
        read_new(tmp_path, content, schema)
    with pytest.raises(BadInput, match="--bad-rows drop:"):
        read_new(tmp_path, content, schema, bad_rows="drop")
    values, notes = read_new(tmp_path, content, schema, bad_rows="drop:40%")
    np.testing.assert_array_equal(values["size"], [1, np.nan, 3, np.nan, 5])
    assert "line 3 (a row with too many cells: 3, the header has 2)" in notes
    assert "line 5 ('x' is not a number, column 'size')" in notes
    trained = learn(tmp_path / "old.csv", HEADER + BODY, bad_rows="drop:40%")
    assert read_new(tmp_path, content, trained)[1] == notes


@pytest.mark.parametrize("note", ["Source: the office\n", "\nExported on Monday\n"])
def test_notes_below_the_rows_to_predict_are_no_rows(tmp_path: Path, note: str) -> None:
    schema = learn(tmp_path / "old.csv", "a,b,c,y\n" + "".join(f"{i},{i % 7},{i % 3},{i % 2}\n" for i in range(30)))
    values, notes = read_new(tmp_path, f"a,b,c\n1,2,3\n4,5,6\n{note}", schema)
    assert values["b"] == [2, 5]
    assert "notes below the table" in notes
