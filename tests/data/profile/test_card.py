"""The data card: every suspicious thing is named, nothing else is, and the terminal is respected."""

import json

import numpy as np
import pytest

from tenfold.data.columns.schema import decide_schema
from tenfold.data.columns.table import Column, Table
from tenfold.data.columns.target import read_target
from tenfold.data.profile import leaks
from tenfold.data.profile.card import Card, make_card
from tenfold.data.read.read import read_table

from ..examples import number, text

N = 400
RNG = np.random.default_rng(0)
Y = (RNG.random(N) < 0.3).astype(float)
NOISE = RNG.normal(size=N)


def card(*columns: Column, y: np.ndarray = Y, dropped: int = 0) -> Card:
    table = Table("t", "memory", (*columns, number("y", y)))
    target = read_target(table, "y")
    inputs = table.drop("y").take(target.keep)
    return make_card(inputs, decide_schema(inputs, target), target.values, dropped_rows=dropped)


def warnings(found: Card) -> str:
    return "\n".join(found.warnings)


def test_a_clean_table_has_no_warnings() -> None:
    percent = number("percent", RNG.permutation(N) % 100)
    found = card(number("a", NOISE), number("b", NOISE**2), number("weak", NOISE + Y), percent)
    assert found.warnings == ()
    assert found.rows == N
    assert "'y': classification, 0 7" in found.target


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (number("leak", Y * 2 + 5), "'leak' alone predicts 100% of the target"),
        (number("close", Y + 0.1 * NOISE), "'close' alone predicts"),
        (number("k", np.ones(N)), "constant or empty, not used: 'k'"),
        (number("row_id", RNG.permutation(N) * 3), "ID-like, not used: 'row_id'"),
        (number("copy", NOISE), "duplicates of an earlier column, not used: 'copy'"),
        (number("gaps", np.where(np.arange(N) % 3, np.nan, NOISE)), "mostly missing: 'gaps'"),
        (number("odd", np.where(np.arange(N) % 9, NOISE, -999)), "'odd': -999 (45 cells) stands apart"),
        (
            text("plan", ["Pro", "pro ", "basic", "P ro"] * (N // 4)),
            "'plan': 'P ro' and 'Pro' and 'pro ' differ in capitals, blanks or punctuation only",
        ),
        (
            number("months", np.where(np.arange(N) % 9, np.arange(N) % 17, -1)),
            "'months': -1 (45 cells) is its only negative number; if it means never, unknown or missing, leave",
        ),
        (
            number("score", np.where(np.arange(N) % 9, np.arange(N) % 17, -7 - np.arange(N) % 2)),
            "'score': -8 (22 cells), -7 (23 cells) are its only negative numbers; if they mean never",
        ),
        (
            number("fahrenheit", 1.8 * NOISE + 32),
            "columns that say the same: 'a' and 'fahrenheit' (a straight line)",
        ),
        (number("top", np.where(np.arange(N) % 9, NOISE, 9999)), "'top': 9999 (45 cells) stands apart"),
        (
            text("note", [f"a long remark about case {i}" for i in range(N)]),
            "free text, not used: 'note'",
        ),
        (Column("d", "text", np.array(["u", "v"] * (N // 2), object), doubt="nearly numbers"), "'d': nearly numbers"),
    ],
)
def test_what_is_suspicious_is_named(column: Column, words: str) -> None:
    found = warnings(card(number("a", NOISE), column))
    assert words in found
    assert found.count("\n") == 0


def test_columns_that_match_value_by_value_are_named() -> None:
    code = RNG.integers(0, 12, N)
    land, other = text("land", [f"l{c}" for c in code]), number("other", code * 3 % 13)
    found = card(number("a", NOISE), land, other, text("more", [f"m{(c + 1) // 2}" for c in code]))
    assert warnings(found) == "columns that say the same: 'land' and 'other' (one to one)"


@pytest.mark.parametrize(
    "column",
    [
        number("signed", RNG.integers(-1, 2, N)),  # -1, 0 and 1 are values of their own
        number("degrees", RNG.integers(-3, 20, N)),
        number("decimals", np.r_[-1.0, np.abs(NOISE[1:])]),  # once, among numbers with decimals
        number("almost", NOISE + 1e-3 * RNG.normal(size=N)),
        number("twice", Y * 0 + np.arange(N) % 2 * 5),
    ],
    ids=lambda column: column.name,
)
def test_what_may_well_be_a_value_is_not_named(column: Column) -> None:
    assert warnings(card(number("a", NOISE), column)) == ""


def test_groups_are_suggested_for_names_alone() -> None:
    assert "--groups close" not in warnings(card(number("a", NOISE), number("close", Y + 0.1 * NOISE)))
    assert "--groups who" in warnings(card(number("a", NOISE), number("who", 7.0 + 3 * Y)))


def test_a_column_that_names_groups_of_rows_is_a_leak_and_random_labels_are_not() -> None:
    y = np.repeat(np.arange(40) % 2, 10).astype(float)
    groups = text("mouse", [f"m{i}" for i in np.repeat(np.arange(40), 10)])
    assert "'mouse' alone predicts 100%" in warnings(card(number("a", NOISE), groups, y=y))
    labels = text("many", [f"v{i}" for i in RNG.integers(0, 180, N)])
    assert leaks.settled_share(labels, Y.astype(int), classification=True) < 0.1
    own = text("own", [f"v{i}" for i in range(N)])
    assert leaks.settled_share(own, Y.astype(int), classification=True) == 0


@pytest.mark.parametrize("positives", [8, 33])
def test_a_leak_in_a_small_table(positives: int) -> None:
    y = (RNG.permutation(60) < positives).astype(float)
    leak = number("leak", RNG.normal(size=60) + 9 * y)
    assert leaks.settled_share(leak, y.astype(int), classification=True) < leaks.PREDICTIVE
    assert "'leak' alone predicts 100%" in warnings(card(leak, number("a", RNG.normal(size=60)), y=y))


def test_a_regression_leak() -> None:
    y = NOISE * 3 + 1
    assert "'line' alone predicts nearly all" in warnings(
        card(number("line", y * 2), number("a", RNG.normal(size=N)), y=y)
    )
    whole = RNG.integers(-9, 10, N)
    assert leaks.settled_share(number("curve", whole), whole**2.0, classification=False) == 1
    assert leaks.settled_share(number("a", RNG.normal(size=N)), y, classification=False) < 0.1


def test_repeated_rows_and_rare_classes() -> None:
    values, y = NOISE.copy(), Y.copy()
    values[10:15], y[10:15] = values[0], y[0]
    assert "5 rows repeat an earlier row exactly (1.2%)" in warnings(card(number("a", values), y=y))
    y[:3] = 2
    assert "rare class: '2' (3 rows)" in warnings(card(number("a", NOISE), y=y))


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_no_false_alarm_of_a_leak_on_bundled_sets(name: str) -> None:
    table = read_table(f"sklearn:{name}")
    target = read_target(table, None)
    inputs = table.drop("target")
    found = make_card(inputs, decide_schema(inputs, target), target.values)
    assert "alone predicts" not in warnings(found)


def test_the_terminal_lines_fit_and_long_tables_are_cut() -> None:
    columns = [number(f"a rather long name of a column {i}", RNG.normal(size=N)) for i in range(100)]
    columns.append(text("bad\x1b[31m", ["x\x1b[2J", "y"] * (N // 2)))
    found = card(*columns[-1:], *columns[:-1], dropped=7)
    for width in (60, 100, 160):
        lines = found.lines(width)
        assert max(map(len, lines[1:])) <= width
        assert "... and 71 more" in lines
        assert "7 rows without a target dropped" in lines
        assert "\x1b" not in "\n".join(lines)
    assert len(found.lines()) < 45


def test_the_card_is_json() -> None:
    values = json.loads(json.dumps(card(number("a", NOISE)).to_dict(), allow_nan=False))
    assert values["columns"][0]["name"] == "a"
    assert values["columns"][0]["levels"] == N
