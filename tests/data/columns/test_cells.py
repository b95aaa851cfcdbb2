"""The rule table of kinds: each rule's own examples, and what must not be mistaken for something else."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tenfold.data.columns.cells import Cells, infer, infer_all
from tenfold.data.columns.dates import DATE_RULES, MONTHLY, parse_dates
from tenfold.data.columns.kinds import CELL_RULES
from tenfold.data.columns.missing import USUAL
from tenfold.data.columns.numbers import LARGEST, parse_numbers, spell_number
from tenfold.data.columns.table import Column

NAN = float("nan")


def column(cells: list[str], mark: str = ".") -> Column:
    return infer(Cells.of("c", cells), mark)[0]  # type: ignore[arg-type]


def notes(cells: list[str]) -> str:
    return "\n".join(infer_all([lambda: Cells.of("c", cells)], point_only=True)[1])


@pytest.mark.parametrize("rule", CELL_RULES, ids=lambda rule: rule.name)
def test_the_published_example_follows_its_rule(rule) -> None:  # type: ignore[no-untyped-def]
    cells = rule.example.split(", ") if rule.name in ("boolean", "compact date") else [rule.example]
    assert column(cells).kind == rule.kind


NUMBERS = {
    "plain": (["1", "-2", "+3.5", ".5", "1.", "1e3", "2.5E-1"], [1, -2, 3.5, 0.5, 1, 1000, 0.25]),
    "thousands": (["1,234", "12,345,678.5", "7"], [1234, 12345678.5, 7]),
    "thousands by blanks": (["1 234", "5"], [1234, 5]),
    "missing": (["1", "", "?", "NA", "n/k", "NaN", "null", "None", "-"], [1] + [NAN] * 8),
    "infinite": (["1", "inf", "-Infinity", "1e999"], [1, NAN, NAN, NAN]),
    "zero": (["0", "-0.5", "0.25"], [0, -0.5, 0.25]),
    "large": (["99999999999999999999", "1"], [1e20, 1]),
    "blanks around": ([" 1 ", "2"], [1, 2]),
    "minus sign": (["\u22125", "1"], [-5, 1]),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers(case: str) -> None:
    cells, expected = NUMBERS[case]
    found = column(cells)
    assert found.kind == "number"
    np.testing.assert_array_equal(found.values, expected)


@pytest.mark.parametrize(
    "cells",
    [
        *(["00123", "4"], ["1_000", "2"], ["0x10"], ["1,23", "4"], ["1,2,345"], ["1.2.3"]),
        *(["1,234,5"], ["0,123", "5"], ["--1"], ["1e"], ["infinite"], ["1-2"], ["+"]),
    ],
)
def test_what_is_no_number(cells: list[str]) -> None:
    found = column(cells)
    assert found.kind == "text"
    assert found.values.tolist() == cells


def test_what_is_noticed_is_said() -> None:
    assert "leading zeros, such as '00123'" in notes(["00123", "4"])
    assert "2^53, such as 9007199254740993" in notes(["9007199254740993", "1"])
    assert "2 infinite or too large (1e999, inf; first on row 1)" in notes(["inf", "1e999", "3"])
    assert "thousands separators" in notes(["1,234"])
    assert "'?' read as missing: 2 cells in 'c'" in notes(["?", "1", "?"])
    assert notes(["1", "", "2"]) == ""


def test_nearly_numbers_stay_text_with_a_doubt() -> None:
    found = column(["1.5"] * 60 + ["abc"] + ["2"] * 20)
    assert found.kind == "text"
    assert "1 of 81 cells are no numbers" in found.doubt
    assert "'abc' on row 61" in found.doubt
    assert "decimal comma" in column(["1,5", "2,25"]).doubt
    assert column(["red", "blue"]).doubt == ""


def test_decimal_comma_is_decided_over_the_whole_file() -> None:
    sure, unsure, whole = ["1,5", "2,25"], ["1.234", "5.678"], ["1", "2"]
    columns, said = infer_all([lambda c=c: Cells.of(c[0], c) for c in (sure, unsure, whole)], point_only=False)
    assert [c.values.tolist() for c in columns] == [[1.5, 2.25], [1234, 5678], [1, 2]]
    assert any("two ways" in note for note in said)
    alone, _ = infer_all([lambda: Cells.of("a", ["1,234", "2,5"])], point_only=False)
    assert alone[0].values.tolist() == [1.234, 2.5]
    point, _ = infer_all([lambda c=c: Cells.of(c[0], c) for c in (["1,234"], ["2.5"])], point_only=False)
    assert [c.values.tolist() for c in point] == [[1234], [2.5]]
    both, said = infer_all([lambda: Cells.of("a", ["1,234", "1.234"])], point_only=False)
    assert both[0].values.tolist() == [1234, 1.234]
    assert "two ways" in said[0]


BOOLEANS = {
    "yes": (["Yes", "no", "YES"], [1, 0, 1]),
    "letters": (["t", "f", ""], [1, 0, NAN]),
    "mixed": (["yes", "No", "TRUE", "0"], [1, 0, 1, 0]),
    "one side": (["y", "", "y"], [1, NAN, 1]),
}


@pytest.mark.parametrize("case", BOOLEANS)
def test_booleans(case: str) -> None:
    cells, expected = BOOLEANS[case]
    found = column(cells)
    assert found.kind == "boolean"
    np.testing.assert_array_equal(found.values, expected)
    assert found.spelled is not None
    assert [s or "" for s in found.spelled] == cells


def test_what_is_no_boolean() -> None:
    assert column(["yes", "no", "maybe"]).kind == "text"
    assert column(["y", "f"]).kind == "text"
    assert column(["yes", "0"]).kind == "text"
    assert column(["1", "0"]).kind == "number"
    assert "mixed spellings" in notes(["yes", "no", "TRUE"])


@pytest.mark.parametrize("rule", DATE_RULES, ids=lambda rule: rule.name)
def test_the_example_of_every_date_rule(rule) -> None:  # type: ignore[no-untyped-def]
    found = parse_dates([rule.example])
    assert found is not None
    expected = "2011-01-31T18:00" if ":" in rule.example else "2011-01-01" if rule.name in MONTHLY else "2011-01-31"
    assert found.values[0] == np.datetime64(expected, "s")
    assert found.rules == (rule.name,)


def test_day_and_month_are_resolved_over_the_column_or_left_text() -> None:
    first = column(["01/02/2020", "31/01/2020"])
    assert first.values[0] == np.datetime64("2020-02-01")
    assert column(["01/02/2020", "01/31/2020"]).values[0] == np.datetime64("2020-01-02")
    unclear = column(["01/02/2020", "02/03/2020"])
    assert unclear.kind == "text"
    assert "day/month/year or month/day/year" in unclear.doubt
    assert column(["13/13/2020"]).kind == "text"


def test_zones_become_utc_and_mixtures_stay_text() -> None:
    zoned = column(["2020-01-01T00:00:00Z", "2020-01-01 02:30:15.5+02:30", "?"])
    assert (
        zoned.values[:2].tolist() == np.array(["2020-01-01T00:00:00", "2020-01-01T00:00:15"], "datetime64[s]").tolist()
    )
    assert np.isnat(zoned.values[2])
    assert column(["2020-01-01T00:00:00Z", "2020-01-01T00:00:00"]).kind == "text"
    assert column(["2020-02-30"]).kind == "text"
    assert column(["2020-01-01 25:00"]).kind == "text"


def test_an_empty_column_is_text_without_values() -> None:
    found = column(["", "NA"])
    assert found.kind == "text"
    assert found.missing.all()
    assert "" in USUAL


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.floats(-LARGEST, LARGEST, allow_nan=False), min_size=1, max_size=8))
def test_shortest_spellings_come_back_bit_by_bit(values: list[float]) -> None:
    found = column([repr(value) for value in values])
    assert found.values.tolist() == values
    assert [float(spell_number(value)) for value in values] == values


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(-(10**12), 10**12), st.integers(0, 999))
def test_grouped_spellings_of_both_marks(whole: int, part: int) -> None:
    point = f"{whole:,}.{part:03d}"
    comma = point.translate(str.maketrans(",.", ".,"))
    expected = float(f"{whole}.{part:03d}")
    for spelling, mark in ((point, "."), (comma, ",")):
        found = parse_numbers([spelling], mark)  # type: ignore[arg-type]
        assert found is not None
        assert found.values[0] == expected
