"""Cells as users have them, inside an ONNX model: they become what a file's cells become, or are refused."""

from dataclasses import replace

import numpy as np
import pytest

from tenfold.data.columns.conform import conform
from tenfold.data.columns.schema import ColumnSchema, Schema
from tenfold.data.columns.table import Column, Table
from tenfold.data.feed.encode import make_inputs
from tenfold.export.onnx_columns import add_columns
from tenfold.export.onnx_graph import OnnxGraph

runtime = pytest.importorskip("onnxruntime")
MISSING = ["", " ", "NA", "n/a", "NaN", "None", "?", "#N/A"]


def schema_of(kind, **fields):
    return Schema((ColumnSchema("c", kind, True, "", **fields),), "y", "regression")


def session_of(schema):
    graph = OnnxGraph(["c"])
    columns = add_columns(graph, schema)
    if columns.numbers:
        graph.output("n", columns.numbers, "DOUBLE", ["rows", "numbers"])
    for codes in columns.codes:
        graph.output("codes", codes, "INT64", ["rows"])
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # refusals are expected
    return runtime.InferenceSession(graph.model("", {}).SerializeToString(), options)


def cells_in_onnx(schema, cells):
    return session_of(schema).run(None, {"c": np.array(cells, object)[:, None]})[0]


def read_from_text(schema, cells):
    """What reading the same cells from a frame of text makes of them."""
    values = np.array([None if cell in MISSING else cell for cell in cells], object)
    return make_inputs(conform(Table("t", "a test", (Column("c", "text", values),)), schema)[0], schema)


DAYS = ["1970-01-01", "1969-12-31", "2000-02-29", "1900-02-28", "2024-02-29", "2023-12-31", "1000-01-01", "2999-12-31"]
TIMES = [
    "2011-01-31 18:00",
    "2011-01-31T18:00:05",
    "2011-01-31 00:00:00",
    "1969-07-20 20:17:40",
    "2011-03-01 23:59:59.75",
]


@pytest.mark.parametrize(
    ("form", "dates"),
    [
        ("year-month-day, days", DAYS),
        ("year-month-day, days", [*DAYS, *TIMES]),
        ("year-month-day, times", [*DAYS, *TIMES]),
        ("day.month.year, days", DAYS),
        ("year-month, months", DAYS),
        ("", TIMES),
    ],
)
def test_dates_become_the_same_numbers(form, dates):
    schema = schema_of("date", format=form)
    expected = read_from_text(schema, [*dates, ""]).numbers
    found = cells_in_onnx(schema, [*dates, ""])
    assert np.isnan(found[-1]).all()
    np.testing.assert_array_equal(found[:, 0], expected[:, 0])
    np.testing.assert_allclose(found[:-1], expected[:-1], atol=2e-15)


def test_every_day_of_two_centuries():
    days = np.arange("1899-12-25", "2101-01-05", dtype="datetime64[D]").astype(str).tolist()
    schema = schema_of("date", format="year-month-day, days")
    found, expected = cells_in_onnx(schema, days), read_from_text(schema, days).numbers
    np.testing.assert_array_equal(found[:, 0], expected[:, 0])
    np.testing.assert_allclose(found[:, 1:], expected[:, 1:], atol=2e-15)


@pytest.mark.parametrize("cell", ["2023-02-29", "2023-04-31", "31.01.2011", "2011-13-01", "2011-01-31 25:00", "soon"])
def test_what_is_no_date_stops_the_model_with_the_name_of_the_column(cell):
    with pytest.raises(Exception, match="column 'c' takes dates"):
        cells_in_onnx(schema_of("date", format="year-month-day, days"), ["2011-01-31", cell])


def test_yes_and_no_in_every_spelling():
    schema = schema_of("boolean")
    found = cells_in_onnx(schema, ["yes", "No", "TRUE", "false", "t", "F", "1", "0", *MISSING])[:, 0]
    np.testing.assert_array_equal(found, [1, 0, 1, 0, 1, 0, 1, 0, *[np.nan] * len(MISSING)])
    with pytest.raises(Exception, match="column 'c' takes yes or no"):
        cells_in_onnx(schema, ["yes", "perhaps"])


def test_levels_missing_and_unseen():
    schema = schema_of("category", levels=("red", "3", "7.0", "7", "gr\u00fcn", "a'b\\c\"d"))
    cells = ["red", "3", "3.0", "7.0", "7", "gr\u00fcn", "a'b\\c\"d", "blue", "Red", *MISSING]
    assert cells_in_onnx(schema, cells).tolist() == [0, 1, 1, 2, 3, 4, 5, 7, 7, *[6] * len(MISSING)]


def test_words_that_the_user_named_for_missing():
    schema = schema_of("category", levels=("NA", "b"))
    named = replace(schema, reading=replace(schema.reading, missing="none,n.d."))
    assert cells_in_onnx(named, ["NA", "b", "none", "N.D.", ""]).tolist() == [0, 1, 2, 2, 2]


def test_numbers_that_are_too_large_are_missing():
    found = session_of(schema_of("number")).run(None, {"c": np.array([[1.5], [1e39], [-np.inf], [np.nan]])})[0]
    np.testing.assert_array_equal(found[:, 0], [1.5, np.nan, np.nan, np.nan])
