"""Frames and arrays as people have them: nullable types, any objects, names that occur twice, large integers."""

import decimal
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tenfold.data.columns.schema import decide_schema
from tenfold.data.columns.table import Column
from tenfold.data.columns.target import read_target
from tenfold.data.read.options import ReadOptions
from tenfold.data.read.read import read_as, read_table
from tenfold.errors import BadInput

pandas, polars, arrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
parquet = pytest.importorskip("pyarrow.parquet")
LARGE = 2**60


def column(values: object) -> Column:
    return read_table(pandas.DataFrame({"a": values, "b": 1.5})).column("a")


NULLABLE = {
    "strings": (pandas.array(["u", None, "v"], dtype="string"), ["u", None, "v"]),
    "strings of arrow": (pandas.array(["u", None, "v"], dtype="string[pyarrow]"), ["u", None, "v"]),
    "objects": (pandas.Series(["u", pandas.NA, "v"], dtype=object), ["u", None, "v"]),
    "objects of two sorts": (pandas.Series(["u", pandas.NA, 7], dtype=object), ["u", None, "7"]),
    "integers": (pandas.array([1, None, 3], dtype="Int64"), [1.0, np.nan, 3.0]),
    "integers as objects": (pandas.Series([1, pandas.NA, 3], dtype=object), [1.0, np.nan, 3.0]),
    "booleans": (pandas.array([True, None, False], dtype="boolean"), [1.0, np.nan, 0.0]),
    "floats": (pandas.array([1.5, None, 2.0], dtype="Float64"), [1.5, np.nan, 2.0]),
    "decimals": (
        pandas.Series([decimal.Decimal("1.5"), decimal.Decimal("NaN"), decimal.Decimal(2)]),
        [1.5, np.nan, 2.0],
    ),
    "durations as objects": (
        pandas.Series([timedelta(seconds=3), None, timedelta(1)], dtype=object),
        [3, np.nan, 86400],
    ),
    "an integer of 400 digits": (pandas.Series([10**400, 2, 3], dtype=object), [np.nan, 2.0, 3.0]),
}


@pytest.mark.parametrize("case", NULLABLE)
def test_missing_values_of_nullable_types_are_missing(case: str) -> None:
    values, expected = NULLABLE[case]
    np.testing.assert_array_equal(column(values).values, np.array(expected, column(values).values.dtype))


@pytest.mark.parametrize(
    ("cell", "kind"), [([1], "list"), ({"x": 1}, "dict"), (np.zeros(2), "ndarray"), (b"x", "bytes"), (1j, "complex")]
)
def test_cells_that_are_no_cells_are_refused_by_column_and_row(cell: object, kind: str) -> None:
    values = pandas.Series(["u", None, "v"], dtype=object)
    values[1] = cell
    with pytest.raises(BadInput, match=rf"column 'a' holds {kind} \(the first in row 2\)"):
        column(values)


@pytest.mark.parametrize(
    "frame", [pandas.DataFrame([[1, 2]], columns=["a", "a"]), arrow.table([[1], [2]], names=["a", "a"])]
)
def test_two_columns_of_one_name_in_a_frame_are_refused(frame: object) -> None:
    with pytest.raises(BadInput, match="two columns have one name: 'a' 2 times"):
        read_table(frame)


def test_integers_of_128_bits() -> None:
    table = read_table(polars.DataFrame({"a": polars.Series([5, None, 7], dtype=polars.Int128), "b": [1, 2, 3]}))
    np.testing.assert_array_equal(table.column("a").values, [5, np.nan, 7])
    frame = polars.DataFrame({"a": polars.Series([2**100 + 1, 2**100 + 2], dtype=polars.Int128)})
    codes = read_table(frame).column("a")
    assert codes.values.tolist() == [str(2**100 + 1), str(2**100 + 2)]


def frames_of(values: list[int | None], tmp_path: Path) -> list[object]:
    parquet.write_table(arrow.table({"a": values}), tmp_path / "a.parquet")
    objects = pandas.DataFrame({"a": pandas.Series(values, dtype=object)})
    return [polars.DataFrame({"a": values}), arrow.table({"a": values}), objects, tmp_path / "a.parquet"]


def test_integers_that_rounding_would_merge_are_exact_text(tmp_path: Path) -> None:
    for frame in frames_of([LARGE + 1, LARGE + 2, None], tmp_path):
        table = read_table(frame)
        assert table.column("a").values.tolist() == [str(LARGE + 1), str(LARGE + 2), None]
        assert "codes, taken as text" in table.notes[0]


def test_other_large_integers_are_numbers_that_remember_their_spelling(tmp_path: Path) -> None:
    for frame in frames_of([LARGE + 1, 3, None], tmp_path):
        found = read_table(frame).column("a")
        assert found.kind == "number"
        assert found.spelled is not None
        assert found.spelled.tolist() == [str(LARGE + 1), "3", None]


def test_structured_and_record_arrays_are_tables() -> None:
    rows = np.array([(1, "u", 0.5), (2, "v", np.nan)], [("n", "i4"), ("t", "U3"), ("f", "f4")])
    for x in (rows, rows.view(np.recarray)):
        table = read_table(x)
        assert table.names == ("n", "t", "f")
        assert table.column("t").values.tolist() == ["u", "v"]
        np.testing.assert_array_equal(table.column("f").values, [0.5, np.nan])
    with pytest.raises(BadInput, match="several values in each cell of 'n'"):
        read_table(np.zeros(3, [("n", "f8", (2,))]))


# ---- Parquet --------------------------------------------------------------------------------------------------------


def written(tmp_path: Path, table: object) -> Path:
    parquet.write_table(table, tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def test_names_of_a_parquet_file_are_its_own(tmp_path: Path) -> None:
    nested = arrow.array([{"p": 1, "q": [2]}])
    table = arrow.table([[1], [2], [3], [4]], names=["a", "A", "", 'q"t'])
    found = read_table(written(tmp_path, table))
    assert found.names == ("a", "A", "column 3", 'q"t')
    assert [column.values[0] for column in found.columns] == [1, 2, 3, 4]
    assert "column 3 has no name" in found.notes[0]
    with pytest.raises(BadInput, match=r"two columns are named 'a' \(columns 1 and 3\)"):
        read_table(written(tmp_path, arrow.table([[1], [2], [3]], names=["a", "b", "a"])))
    with pytest.raises(BadInput, match="column 'n' holds STRUCT"):
        read_table(written(tmp_path, arrow.table([[1], nested, [2]], names=["a", "n", "b"])))


def test_decimals_times_and_empty_columns_of_a_parquet_file(tmp_path: Path) -> None:
    wide = arrow.array([decimal.Decimal(10**25 + 1), None, decimal.Decimal(10**25 + 2)], arrow.decimal128(38, 0))
    cents = arrow.array([decimal.Decimal("1.10"), None, decimal.Decimal("2.50")], arrow.decimal128(20, 2))
    zoned = arrow.array([datetime(2020, 1, 1, 12), None, datetime(2020, 1, 2)], arrow.timestamp("us", tz="Asia/Tokyo"))
    table = arrow.table({"wide": wide, "cents": cents, "zoned": zoned, "none": arrow.nulls(3)})
    found = read_table(written(tmp_path, table))
    np.testing.assert_array_equal(found.column("cents").values, [1.1, np.nan, 2.5])
    assert found.column("zoned").values[0] == np.datetime64("2020-01-01T12:00:00")
    assert found.column("none").missing.all()
    assert np.isnan(found.column("wide").values[1]) if found.column("wide").kind == "number" else True


def test_words_that_stand_for_missing_are_those_asked_for_in_every_source(tmp_path: Path) -> None:
    cells = ["None", "u", "", "v"]
    frame = pandas.DataFrame({"a": cells, "b": [1, 2, 3, 4]})
    rows = np.array([*zip(cells, "1234", strict=True)])
    np.savez(tmp_path / "d.npz", x=rows, y=np.arange(4) % 2)
    sources = (written(tmp_path, arrow.table({"a": cells})), frame, polars.from_pandas(frame), rows, rows.tolist())
    for source in (*sources, tmp_path / "d.npz"):
        for words, kept in ((None, None), ("", "None"), ("u", "None")):
            found = read_table(source, options=ReadOptions(missing=words)).columns[0].values.tolist()
            assert found == [kept, None if words == "u" else "u", None, "v"]


def test_a_later_file_of_another_kind_is_read_with_the_words_of_training(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"roof": ["None", "tile"] * 10, "y": ["p", "q"] * 10})
    table = read_table(written(tmp_path, arrow.Table.from_pandas(frame)), options=ReadOptions(missing=""))
    schema = decide_schema(table.drop("y"), read_target(table, "y"))
    frame.to_csv(tmp_path / "later.csv", index=False)
    for later in (tmp_path / "later.csv", frame):
        assert read_as(later, schema)[0].column("roof").values.tolist() == ["None", "tile"] * 10
