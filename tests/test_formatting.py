"""How numbers, lists and near names are written."""

import math

import pytest

from tenfold.formatting import listed, nearest, number, visible
from tenfold.jsonable import jsonable


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98765, "0.9877"), (-9.5, "-9.5000"), (12.3456, "12.35"), (0.0001234, "0.0001234"), (0.0, "0"),
     (1234567.0, "1.235e+06"), (math.nan, "nan")],
)  # fmt: skip
def test_a_number_has_four_digits_that_matter(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, ""), (1, "0"), (2, "0, 1"), (3, "0, 1 and 1 more"), (5, "0, 1 and 3 more")]
)
def test_a_long_list_is_cut_and_counted(count: int, text: str) -> None:
    assert listed(range(count), 2) == text


def test_names_in_a_list_can_be_quoted() -> None:
    assert listed(["a", "b", "c"], 1, quoted=True) == "'a' and 2 more"


@pytest.mark.parametrize(
    ("name", "near"), [("adm", "adam"), ("Batch-Norm", "batch_norm"), ("LEAKY RELU", "Leaky_ReLU"), ("xyz", "")]
)
def test_the_nearest_name_is_found_however_it_is_spelled(name: str, near: str) -> None:
    assert nearest(name, ["adam", "batch_norm", "Leaky_ReLU"]) == near


def test_a_looser_likeness_finds_more() -> None:
    assert nearest("ab", ["axyb"]) == "axyb"
    assert nearest("ab", ["axyzb"]) == ""
    assert nearest("ab", ["axyzb"], likeness=0.5) == "axyzb"


def test_json_has_null_for_what_is_not_finite_however_deep() -> None:
    assert jsonable({"a": (1.0, math.nan), "b": [{"c": -math.inf}]}) == {"a": [1.0, None], "b": [{"c": None}]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\u009b31m"),
        ("a\rb\x08\x7f\x00", r"a\rb\x08\x7f\x00"),
        ("abc\u202efed\u2066\u200f", r"abc\u202efed\u2066\u200f"),
        ("\ufeffa\u2028b\u00ad", r"\ufeffa\u2028b\u00ad"),
        ("d\udcff.csv", r"d\xff.csv"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("line\nline\ttab", r"line\nline\ttab"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Qualit\u00e9",
        "\u5e74\u9f62\u3000x",
        "10\u00a0%",
        "\u0645\u06cc\u200c\u0634\u0648\u062f",
        "\U0001f468\u200d\U0001f469",
        "a b",
    ],
)
def test_words_of_all_languages_stay_as_they_are(text: str) -> None:
    assert visible(text) == text


def test_lines_of_a_message_stay_lines() -> None:
    assert visible("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"
