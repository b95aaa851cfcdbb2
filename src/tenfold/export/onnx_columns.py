"""The columns of a table as inputs of an ONNX model: each as the user has it, and the numbers and codes it becomes.

What `make_inputs` does to columns that are typed already. Files and how they spell numbers stay outside: a number comes
as a number, a date as 2011-01-31 or 2011-01-31 18:00:00, a category or a yes and no as its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from tenfold.data.columns.dates import MONTHLY, DateWriting
from tenfold.data.columns.durations import FORMATS
from tenfold.data.columns.kinds import FALSE, TRUE
from tenfold.data.columns.missing import MissingWords, missing_words
from tenfold.data.columns.numbers import LARGEST
from tenfold.data.columns.schema import ColumnSchema, Schema
from tenfold.data.columns.writing import Writing
from tenfold.data.feed.encode import DAY, WEEK, YEAR
from tenfold.export.onnx_graph import LEARNING, OnnxGraph

Array = np.ndarray
LONG_MONTH, SHORT_MONTH = "(?:0[13578]|1[02])", "(?:0[469]|11)"
LEAP = "(?:[12][0-9](?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00)"
A_DAY = (
    f"(?:[12][0-9]{{3}}-(?:{LONG_MONTH}-(?:0[1-9]|[12][0-9]|3[01])|{SHORT_MONTH}-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{LEAP}-02-29)"
)
A_TIME = r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?)?"


@dataclass(frozen=True)
class OnnxColumns:
    """What the columns become inside the model, by name of the value: numbers (rows, numeric columns) float64 with NaN,
    "" for none; codes: for each category (rows,) int64, as in `Inputs`."""

    numbers: str
    codes: tuple[str, ...]


def add_columns(graph: OnnxGraph, schema: Schema) -> OnnxColumns:
    """Put in an input of shape (rows, 1) for every column that the model uses, and what becomes of it."""
    numbers: list[str] = []
    codes: list[str] = []
    words = missing_words(schema.reading.missing)
    for column in schema.used:
        if column.kind == "category":
            codes.append(_category(graph, column, words))
        elif column.kind == "date":
            numbers += _date_parts(graph, _days(graph, column, words))
        elif column.cell_kind == "boolean":
            numbers.append(_boolean(graph, column, words))
        else:
            numbers.append(finite_numbers(graph, graph.input(column.name, "DOUBLE", ["rows", 1])))
    return OnnxColumns(graph.side_by_side(numbers) if numbers else "", tuple(codes))


def column_in_words(column: ColumnSchema) -> str:
    """What the input of a column takes, for people."""
    if column.kind == "category":
        return f"text, one of {len(column.levels)} levels as training has them, such as '{column.levels[0]}'"
    if column.kind == "date":
        zone = " in UTC" if DateWriting.of(column.format).zoned else ""
        return f"text, dates{zone} as 2011-01-31 or 2011-01-31 18:00:00"
    if column.cell_kind == "boolean":
        return "text, such as yes or false"
    if column.format in FORMATS:
        return "numbers, the seconds that a time such as '" + column.example + "' has"
    around = Writing.of(column.format).around
    return f"numbers, without {around}" if around else "numbers"


def finite_numbers(graph: OnnxGraph, value: str) -> str:
    """Numbers, where what is infinite or too large for float32 is missing, as when a file is read."""
    fits = graph.call("LessOrEqual", graph.call("Abs", value), graph.constant(np.float64(LARGEST)))
    return graph.call("Where", fits, value, graph.constant(np.float64(np.nan)))


def _missing(graph: OnnxGraph, text: str, words: MissingWords) -> str:
    """Which texts (rows, 1) stand for a missing value."""
    any_word = "|".join(re.escape(word) for word in sorted(words.words))
    return graph.call("RegexFullMatch", text, pattern=rf"(?i)\s*(?:{any_word})\s*")


def _category(graph: OnnxGraph, column: ColumnSchema, words: MissingWords) -> str:
    """The code of each level (rows,); of a missing and of an unseen value the two behind them."""
    text = graph.input(column.name, "STRING", ["rows", 1])
    codes = {level: code for code, level in enumerate(column.levels)}
    # Where a frame has gaps, whole numbers become floats, and their text has a point.
    codes |= {f"{level}.0": code for level, code in codes.items() if _is_plain(level) and f"{level}.0" not in codes}
    unseen = len(column.levels) + 1
    code = graph.call(
        "LabelEncoder", text, domain=LEARNING, keys_strings=list(codes), values_int64s=list(codes.values()),
        default_int64=unseen,
    )  # fmt: skip
    unknown = graph.call("Equal", code, graph.constant(np.int64(unseen)))
    missing = graph.call("And", unknown, _missing(graph, text, words))
    code = graph.call("Where", missing, graph.constant(np.int64(unseen - 1)), code)
    return graph.call("Squeeze", code, graph.constant(np.array([1])))


def _is_plain(level: str) -> bool:
    return re.fullmatch(r"-?(?:0|[1-9][0-9]{0,14})", level) is not None


def _boolean(graph: OnnxGraph, column: ColumnSchema, words: MissingWords) -> str:
    """1 for the words of truth, 0 for the others (rows, 1), NaN for a missing one."""
    text = graph.input(column.name, "STRING", ["rows", 1])
    sides = [rf"(?i)\s*(?:{'|'.join(sorted(side))})\s*" for side in ({*TRUE, "1"}, {*FALSE, "0"})]
    yes, no = (graph.call("RegexFullMatch", text, pattern=side) for side in sides)
    missing = _missing(graph, text, words)
    known = graph.call("Or", graph.call("Or", yes, no), missing)
    value = _or_nothing(graph, missing, graph.cast(yes, "DOUBLE"))
    return _refusing(graph, value, known, f"column '{column.name}' takes yes or no, true or false")


def _days(graph: OnnxGraph, column: ColumnSchema, words: MissingWords) -> str:
    """Days since 1970 (rows, 1), NaN for a missing date, at the precision of training."""
    writing = DateWriting.of(column.format)
    text = graph.input(column.name, "STRING", ["rows", 1])
    missing = _missing(graph, text, words)
    is_date = graph.call("RegexFullMatch", text, pattern=A_DAY + A_TIME)
    known = graph.call("Or", is_date, missing)
    date = graph.call("Where", is_date, text, graph.constant(np.array("1970-01-01")))
    year, month, rest = (_part(graph, date, "-", i) for i in range(3))
    day, clock = _day_and_clock(graph, rest)
    months_only = writing.precision == "months" or writing.rule in MONTHLY
    day = graph.constant(np.array([[1]])) if months_only else graph.cast(day, "INT64")
    days = graph.cast(_civil_days(graph, graph.cast(year, "INT64"), graph.cast(month, "INT64"), day), "DOUBLE")
    if writing.precision not in ("days", "months"):
        seconds = graph.cast(_seconds(graph, clock), "DOUBLE")
        # In one division, as the seconds since 1970 are divided when a file is read.
        total = graph.call("Add", graph.call("Mul", days, graph.constant(np.float64(86400))), seconds)
        days = graph.call("Div", total, graph.constant(np.float64(86400)))
    days = _or_nothing(graph, missing, days)
    return _refusing(graph, days, known, f"column '{column.name}' takes dates as 2011-01-31 or 2011-01-31 18:00:00")


def _day_and_clock(graph: OnnxGraph, rest: str) -> tuple[str, str]:
    """The day and the time of day, both text (rows, 1), of 31, 31 18:00 or 31T18:00; midnight where there is none."""
    ended = graph.call("StringConcat", rest, graph.constant(np.array("T")))
    halves = [_part(graph, ended, "T", i) for i in range(2)]
    midnight = graph.constant(np.array(" 00:00"))
    words = halves[0]
    for more in (graph.constant(np.array(" ")), halves[1], midnight):
        words = graph.call("StringConcat", words, more)
    return _part(graph, words, "", 0), _part(graph, words, "", 1)


def _seconds(graph: OnnxGraph, clock: str) -> str:
    """Seconds since midnight (rows, 1) int64 of 18:00, 18:00:05 or 18:00:05.25, whose fraction is left out."""
    filled = graph.call("StringConcat", clock, graph.constant(np.array(":00")))
    hours, minutes, seconds = (_part(graph, filled, ":", i) for i in range(3))
    total = graph.cast(_part(graph, seconds, ".", 0), "INT64")
    for part, size in ((hours, 3600), (minutes, 60)):
        total = graph.call("Add", total, graph.call("Mul", graph.cast(part, "INT64"), graph.constant(np.int64(size))))
    return total


def _part(graph: OnnxGraph, text: str, delimiter: str, number: int) -> str:
    """One part of texts (rows, 1) that a delimiter divides, "" for blanks: (rows, 1)."""
    parts = graph.call("StringSplit", text, delimiter=delimiter)  # (rows, 1, parts)
    return graph.call("Gather", parts, graph.constant(np.int64(number)), axis=2)


def _civil_days(graph: OnnxGraph, year: str, month: str, day: str) -> str:
    """Days since 1970 of a day of the Gregorian calendar, all (rows, 1) int64."""

    def whole(numerator: str, denominator: int) -> str:
        return graph.call("Div", numerator, graph.constant(np.int64(denominator)))

    # Years that begin in March end with the day that leap years add.
    early = graph.cast(graph.call("LessOrEqual", month, graph.constant(np.int64(2))), "INT64")
    year = graph.call("Sub", year, early)
    month = graph.call("Add", month, graph.call("Mul", early, graph.constant(np.int64(12))))
    months = graph.call("Mul", graph.call("Sub", month, graph.constant(np.int64(3))), graph.constant(np.int64(153)))
    before = whole(graph.call("Add", months, graph.constant(np.int64(2))), 5)
    leaps = graph.call("Add", graph.call("Sub", whole(year, 4), whole(year, 100)), whole(year, 400))
    total = graph.call("Add", graph.call("Mul", year, graph.constant(np.int64(365))), leaps)
    total = graph.call("Add", graph.call("Add", total, before), day)
    return graph.call("Sub", total, graph.constant(np.int64(719469)))


def _date_parts(graph: OnnxGraph, days: str) -> list[str]:
    """The numbers of `date_parts`, each (rows, 1)."""
    parts = [days]
    for period in (YEAR, WEEK, DAY):
        place = graph.call("Mod", days, graph.constant(np.float64(period)), fmod=1)
        # As in Python, whose remainder is never negative.
        below = graph.call("Less", place, graph.constant(np.float64(0)))
        raised = graph.call("Add", place, graph.constant(np.float64(period)))
        place = graph.call("Where", below, raised, place)
        turned = graph.call("Mul", graph.constant(np.float64(2 * np.pi)), place)
        angle = graph.call("Div", turned, graph.constant(np.float64(period)))
        # Older runtimes have no cosine of float64: cos x = 1 - 2 sin(x / 2)^2.
        half = graph.call("Sin", graph.call("Div", angle, graph.constant(np.float64(2))))
        squares = graph.call("Mul", graph.constant(np.float64(2)), graph.call("Mul", half, half))
        parts += [graph.call("Sin", angle), graph.call("Sub", graph.constant(np.float64(1)), squares)]
    return parts


def _or_nothing(graph: OnnxGraph, missing: str, value: str) -> str:
    return graph.call("Where", missing, graph.constant(np.float64(np.nan)), value)


def _refusing(graph: OnnxGraph, value: str, known: str, why: str) -> str:
    """The value (rows, 1), where every cell is known. For another one the model stops with an error that shows `why`,
    as `predict` refuses such a cell: ONNX has no errors of its own, but a place outside of an array is one."""
    place = graph.cast(graph.call("Not", known), "INT64")
    nothing = graph.call("Gather", graph.constant(np.zeros(1)), place, axis=0, named=why)
    return graph.call("Add", value, nothing)
