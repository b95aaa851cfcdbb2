"""Typed sources: bundled sets, arrays, lists, frames, Parquet and npz."""

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from tenfold.data.columns.target import read_target
from tenfold.data.read.read import read_table
from tenfold.errors import BadInput

MIXED = {
    "a": [1, None, 3],
    "b": ["x", None, "y"],
    "c": [True, False, None],
    "d": [datetime(2020, 1, 1), None, datetime(2020, 1, 2, 3)],
    "e": ["1", "2", "?"],
    "f": [1.5, float("nan"), float("inf")],
    "g": ["00123", "7", "8"],
}


def frames() -> list[object]:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    return [pandas.DataFrame(MIXED), polars.DataFrame(MIXED), arrow.table(MIXED), polars.DataFrame(MIXED).lazy()]


@pytest.mark.parametrize("index", range(4), ids=["pandas", "polars", "pyarrow", "lazy polars"])
def test_a_frame_of_any_library(index: int) -> None:
    table = read_table(frames()[index])
    assert [column.kind for column in table.columns] == [
        "number",
        "text",
        "boolean",
        "date",
        "number",
        "number",
        "text",
    ]
    np.testing.assert_array_equal(table.column("a").values, [1, np.nan, 3])
    assert table.column("b").values.tolist() == ["x", None, "y"]
    np.testing.assert_array_equal(table.column("c").values, [1, 0, np.nan])
    assert table.column("d").values[2] == np.datetime64("2020-01-02T03:00:00")
    assert np.isnat(table.column("d").values[1])
    np.testing.assert_array_equal(table.column("e").values, [1, 2, np.nan])
    np.testing.assert_array_equal(table.column("f").values, [1.5, np.nan, np.nan])
    assert any("'f': 1 infinite" in note for note in table.notes)


def test_labels_of_a_frame_stay_text() -> None:
    pandas = pytest.importorskip("pandas")
    table = read_table(pandas.DataFrame({"a": pandas.Categorical(["1", "2", None]), "b": [1, 2, 3]}))
    assert table.column("a").values.tolist() == ["1", "2", None]


def test_zoned_times_of_a_frame_become_utc() -> None:
    polars = pytest.importorskip("polars")
    moments = polars.Series([datetime(2020, 1, 1, 12, tzinfo=UTC)]).dt.convert_time_zone("Asia/Tokyo")
    assert read_table(polars.DataFrame({"a": moments})).column("a").values[0] == np.datetime64("2020-01-01T12:00:00")


def test_nested_columns_are_refused_by_name() -> None:
    polars = pytest.importorskip("polars")
    with pytest.raises(BadInput, match="column 'a' holds List"):
        read_table(polars.DataFrame({"a": [[1], [2]]}))


@pytest.mark.parametrize("name", ["x.parquet", "é [1] *.parquet", "really parquet.csv"])
def test_parquet(tmp_path: Path, name: str) -> None:
    polars = pytest.importorskip("polars")
    polars.DataFrame(MIXED).write_parquet(tmp_path / name)
    polars.DataFrame(MIXED).write_parquet(tmp_path / name.replace("*", "matched too").replace("[1]", "1"))
    table = read_table(tmp_path / name)
    frame = read_table(frames()[1])
    for column, expected in zip(table.columns, frame.columns, strict=True):
        assert (column.name, column.kind) == (expected.name, expected.kind)
        np.testing.assert_array_equal(column.values, expected.values)


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    path = tmp_path / "x.parquet"
    polars.DataFrame(MIXED).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BadInput, match=r"x\.parquet: the Parquet file cannot be read"):
        read_table(path)
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(BadInput, match="not a Parquet file"):
        read_table(path)


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=np.arange(6, dtype=np.float32).reshape(3, 2), y=np.array(["a", "b", "a"]))
    table = read_table(path)
    assert table.names == ("x0", "x1", "target")
    assert table.column("x1").values.tolist() == [1, 3, 5]
    assert table.target == "target"
    assert table.column("target").values.tolist() == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((3, 2))}, "no array 'y'"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, r"\(3, 2\) and y \(2,\)"),
        ({"x": np.zeros((3, 2, 2)), "y": np.zeros(3)}, "images of 2 x 2 x 1 pixels\n  expected: a table"),
        ({"x": np.array([[1, None]], dtype=object), "y": np.zeros(1)}, "could execute code"),
    ],
)
def test_npz_that_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=words):
        read_table(path)


def test_damaged_npz_is_refused_at_every_cut(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, x=np.random.default_rng(0).normal(size=(20, 3)), y=np.arange(20))
    whole = stream.getvalue()
    path = tmp_path / "d.npz"
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        with pytest.raises(BadInput):
            read_table(path)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_bundled_sets(name: str) -> None:
    table = read_table(f"sklearn:{name}")
    found = getattr(datasets, f"load_{name}")()
    target = read_target(table, None)
    np.testing.assert_array_equal(np.stack([c.values for c in table.drop("target").columns], 1), found.data)
    np.testing.assert_array_equal(target.values, 1 - found.target if name == "breast_cancer" else found.target)
    if name != "diabetes":
        assert list(target.classes) == sorted(str(label) for label in found.target_names)


def test_arrays_and_lists() -> None:
    table = read_table(np.arange(6).reshape(3, 2))
    assert table.names == ("x0", "x1")
    assert table.column("x1").values.tolist() == [1, 3, 5]
    rows = read_table([[1, "a", None], [2, "b", True]])
    assert [column.kind for column in rows.columns] == ["number", "text", "boolean"]
    assert read_table(table) is table


@pytest.mark.parametrize(
    "source",
    [
        *(np.zeros(3), np.zeros((2, 2, 2)), np.zeros((0, 2)), np.zeros((1, 1), complex)),
        *([], [1, 2], [[1], [1, 2]], [[object()]], 5, {}, "sklearn:boston"),
    ],
    ids=range(11),
)
def test_what_is_no_table(source: object) -> None:
    with pytest.raises(BadInput):
        read_table(source)
