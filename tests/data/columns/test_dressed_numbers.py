"""Numbers with something around them: read where one unit stands in all cells, else named with what would settle it."""

import numpy as np
import pytest

from tenfold.data.columns.cells import Cells, infer, infer_all
from tenfold.data.columns.dates import DateWriting
from tenfold.data.columns.durations import parse_durations
from tenfold.data.columns.plain_numbers import PlainNumbers
from tenfold.data.columns.table import Column
from tenfold.data.columns.units import dressed
from tenfold.data.columns.writing import Writing


def column(cells: list[str], name: str = "c") -> Column:
    return infer(Cells.of(name, cells))[0]


READ: dict[str, tuple[list[str], list[float]]] = {
    "unit after a blank": (["3.3 kg", "4 kg", "-1 kg"], [3.3, 4, -1]),
    "unit without a blank": (["3.3kg", "4 kg"], [3.3, 4]),
    "percent": (["12 %", "7%"], [12, 7]),
    "currency and thousands": (["$1,200.00", "$5", "-$3", "($4.50)"], [1200, 5, -3, -4.5]),
    "currency behind": (["1,200.50 €", "3€"], [1200.5, 3]),
    "code of a currency": (["USD 12", "USD 7.5"], [12, 7.5]),
    "thousand": (["1.2k", "3k"], [1.2, 3]),
    "a word": (["3 apples", "1 apple"], [3, 1]),
    "a ratio of units": (["3.5 km/h", "12 km/h"], [3.5, 12]),
    "degrees": (["21 °C", "-3 °C"], [21, -3]),
    "areas": (["50 m2", "70.5 m2"], [50, 70.5]),
    "ordinals": (["1st", "2nd", "3rd", "4th"], [1, 2, 3, 4]),
    "letter cases": (["3 kg", "4 KG", "5 Kg"], [3, 4, 5]),
    "a currency on either side": (["€5", "7 €"], [5, 7]),
    "inches": (['68"', '70.5"'], [68, 70.5]),
    "stars": (["4★", "3.5 ★"], [4, 3.5]),
    "h:mm:ss": (["1:19:20", "0:45:10", "26:00:00"], [4760, 2710, 93600]),
    "days": (["2 days 01:00:00", "0 days 00:00:05"], [176400, 5]),
    "two parts": (["07:30", "12:15"], [450, 735]),
    "minutes where some have hours": (["59:10", "1:02:03"], [3550, 3723]),
    "am and pm": (["07:30 PM", "12:05 AM", "8 a.m."], [70200, 300, 28800]),
    "thin spaces": (["1\u2009000", "2\u2009500.5"], [1000, 2500.5]),
    "spaces that do not break": (["1\u00a0000", "12\u202f500"], [1000, 12500]),
    "lakhs": (["1,00,000", "12,34,567.5"], [100000, 1234567.5]),
    "full width": (["１２", "３．５"], [12, 3.5]),
    "Arabic": (["٣٫٥", "١٢"], [3.5, 12]),
    "marks that cannot be seen": (["\u200b12", "1\u200d3\ufeff"], [12, 13]),
    "guarded by a spreadsheet": (['="12"', '="13"'], [12, 13]),
}


@pytest.mark.parametrize("case", READ)
def test_what_stands_in_all_cells_is_taken_off_and_said(case: str) -> None:
    cells, expected = READ[case]
    found, notes = infer(Cells.of("c", cells))
    assert found.kind == "number"
    np.testing.assert_allclose(found.values, expected)
    assert found.doubt == ""
    if not any(mark in case for mark in ("cannot be seen", "guarded")):
        assert notes
    assert found.spelled is not None


DOUBTFUL: dict[str, tuple[list[str], str, str]] = {
    "parentheses": (["(20)", "7", "(5)"], "numbers in parentheses (2 cells, '(20)' on row 1)", "-20"),
    "sign behind": (["20-", "7"], "numbers with the sign behind", "-20"),
    "limits": (["<0.5", "0.7", "1"], "limits (1 cell, '<0.5' on row 1)", "one number"),
    "about": (["~5", "~7"], "rough numbers", "one number"),
    "feet and inches": (["5 ft 3", "6 ft 1"], "several numbers in one cell", "one number"),
    "ranges": (["10-20", "20-30", "30+"], "ranges", "one number"),
    "two units": (["5 kg", "4 lb", "7 kg"], "numbers with 'lb' (1 cell, '4 lb' on row 2)", "one unit"),
    "megawatts and milliwatts": (["5 MW", "7 mW"], "numbers with 'mW'", "one unit"),
    "some without": (["12%", "12", "15%"], "plain numbers (1 cell, '12' on row 2)", "one unit or none"),
    "letters for thousands": (["1.2k", "900", "3M"], "numbers with 'k'", "one unit"),
    "hours that may be minutes": (["07:30", "07:30:15"], "times", "h:mm:ss"),
    "days and months swapped": (["31/01/2020", "01/31/2020"], "dates as month/day/year", "2011-01-31"),
    "short years": (["31/01/20", "15/02/20"], "dates without a whole year", "2011-01-31"),
    "month and day or year": (["Mar-21", "Apr-21"], "dates without a whole year", "2011-01-31"),
    "zones in part": (["2021-03-11T02:00Z", "2021-03-11T02:00"], "with a zone", "or none"),
    "months and days": (["2021-04", "2021-04-05"], "dates as year-month (", "2011-01-31"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_is_not_certain_stays_text_and_one_sentence_says_what_would_settle_it(case: str) -> None:
    cells, found, advice = DOUBTFUL[case]
    made = column(cells)
    assert made.kind == "text"
    assert made.values.tolist() == cells
    assert made.doubt.startswith("text, because it holds ")
    assert found in made.doubt
    assert advice in made.doubt


@pytest.mark.parametrize("share", [0.01, 0.05, 0.17, 0.3, 0.49])
def test_words_among_numbers_are_named_whatever_their_share(share: float) -> None:
    rows = 200
    words = round(share * rows)
    cells = [str(i / 4) for i in range(rows - words)] + ["unknown"] * words
    made = column(np.random.default_rng(3).permutation(cells).tolist())
    assert made.kind == "text"
    assert f"{words} of {rows} cells are no numbers while the others are: 'unknown' on row" in made.doubt
    assert "leave them empty" in made.doubt


@pytest.mark.parametrize(
    "cells",
    [
        *(["red", "blue"], ["C85", "E46", "A12"], ["12 Main Street", "4 Oak Road"], ["5-door", "3-door"]),
        *(["12A", "4B", "7C"], ["Q1", "Q2"], ["2500-07", "1047-11"], ["a1", "b2", "7"], ["x", "1", "y"]),
        *(["1.2.3", "1.10.0"], ["01-60", "07-11"], ["Room 5", "Room 7"], ["AB-12-34", "CD-56-78"]),
    ],
)  # fmt: skip
def test_plain_text_gets_no_doubt(cells: list[str]) -> None:
    made = column(cells)
    assert (made.kind, made.doubt) == ("text", "")


@pytest.mark.parametrize("cells", [["007 kg", "12 kg"], ["Marsh 1, 2020", "Marsh 2, 2020"], ["12 Elm", "4 Oak"]])
def test_what_only_looks_like_it_stays_text(cells: list[str]) -> None:
    assert column(cells).kind == "text"


CODES: dict[str, list[str]] = {
    "integers that rounding would merge": ["9007199254740993", "9007199254740992", "1"],
    "nineteen digits": ["1580000000000000001", "1580000000000000002", "1580000000000000003"],
    "digits, e, digits": ["1e5", "2e3", "7e1"],
    "versions": ["1.9", "1.10", "1.1", "2.0"],
    "seasons": ["2008-09", "2009-10", "2010-11"],
    "the turn of a century": ["1998-99", "1999-00", "2000-01"],
}


@pytest.mark.parametrize("case", CODES)
def test_codes_that_numbers_or_dates_would_merge_or_bend_stay_text(case: str) -> None:
    made = column(CODES[case])
    assert made.kind == "text"
    assert made.values.tolist() == CODES[case]
    assert case.startswith("the turn") or made.doubt.startswith("stays text: ")


NUMBERS: dict[str, list[str]] = {
    "prices": ["1.50", "2.0", "3"],
    "prices with two decimals": ["1.50", "2.00", "1.10", "1.05"],
    "one with and without a last zero": ["1.5", "1.50", "3", "0.05"],
    "powers with a sign": ["1e-3", "1e+5", "2e3"],
    "one long integer": ["99999999999999999999", "1"],
    "with and without a point": ["1", "1.0", "2", "2.0"],
    "halves": ["4.5", "4.50", "3.5"],
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_stay_numbers(case: str) -> None:
    made = column(NUMBERS[case])
    assert made.kind == "number"
    assert ("read as one number" in made.doubt) == (case in ("one with and without a last zero", "halves"))


def test_months_are_no_seasons() -> None:
    assert column(["2008-09", "2008-10", "2010-11"]).kind == "date"
    assert column(["2008-09", "2008-09"]).kind == "date"


def test_days_written_without_hyphens_are_dates_if_all_of_several_are_days() -> None:
    days = [str(day).replace("-", "") for day in np.arange("2019-01-01", "2022-12-31", dtype="datetime64[D]")]
    made = column(days)
    assert made.kind == "date"
    assert made.values[-1] == np.datetime64("2022-12-30")
    few = column(days[:3])
    assert (few.kind, few.values[0]) == ("number", 20190101)
    assert "may be dates" in few.doubt
    assert column([*days, "20190230"]).kind == "number"
    # So they are in a column that a reader parsed.
    plain = PlainNumbers("c", np.array(days, float), "", 0, "same", lambda: Cells.of("c", days))
    np.testing.assert_array_equal(infer(plain)[0].values, made.values)


def test_the_days_of_a_spreadsheet_are_named_where_the_column_is_called_a_date() -> None:
    assert "days of a spreadsheet (2019-12-31)" in column(["43830", "43831.5"], "start_date").doubt
    assert column(["43830", "43831"], "price").doubt == ""
    assert column(["3", "43831"], "date").doubt == ""


def test_a_decimal_comma_inside_a_unit_is_decided_as_elsewhere() -> None:
    cells = [["3,5 kg", "1.234,25 kg"], ["1,5", "2,5"]]
    columns, said = infer_all([lambda c=c: Cells.of(c[0], c) for c in cells], point_only=False)
    assert columns[0].values.tolist() == [3.5, 1234.25]
    assert columns[0].format == "1.234,5 kg"
    assert any("decimal comma in '3,5 kg', '1,5'" in note for note in said)


def test_a_writing_and_its_picture_are_one() -> None:
    for writing in (
        *(Writing(), Writing(","), Writing(".", ","), Writing(",", ".", "", "kg"), Writing(".", ",", "$", "")),
        *(Writing(".", "\u202f", "", "%"), Writing(",", "", "USD", ""), Writing(".", "", "", "m2")),
    ):
        assert Writing.of(writing.picture) == writing
    for dates in (DateWriting(), DateWriting("year-month", "months"), DateWriting("day.month.year", "times", True)):
        assert DateWriting.of(dates.format) == dates


@pytest.mark.parametrize(
    "cell", ["5 kg - 7 kg", "$", "kg", "5 5 kg", "A5", "5e", "(5 kg", "5 kg)", "(-$5)", "5-door", "5(3)", "#5", ""]
)
def test_what_is_no_number_with_a_unit(cell: str) -> None:
    assert dressed(cell) is None


@pytest.mark.parametrize("cells", [["25:61"], ["10:75"], ["1:2"], ["13:00 PM"], ["x:30"], [":30"], ["1:19:20", "x"]])
def test_what_is_no_duration(cells: list[str]) -> None:
    assert parse_durations(cells) is None


def test_of_very_many_cells_only_some_are_counted_and_a_rare_stray_is_found() -> None:
    cells = [str(i) for i in range(30_000)] + ["abc"]
    assert "'abc' on row 30001 is the first" in column(cells).doubt
    ranges = column([f"{i}-{i + 5}" for i in range(1, 30_000)]).doubt
    assert ranges.startswith("text, because it holds ranges (15000 cells, '1-6' on row 1)")
