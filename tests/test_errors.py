"""Errors reach the main process from the workers of others (such as joblib's), with all that they say."""

import pickle

import numpy as np
import pytest

from tenfold.errors import BadInput, Corrupt, RunFailed, Stopped, check_whole, clipped


@pytest.mark.parametrize(
    "error",
    [
        BadInput("3 cells", where="a.csv, line 2", expected="2", do="quote commas"),
        Corrupt("changed", file="model.safetensors", expected="12ab", found="34cd"),
        RunFailed("the disk is full"),
        Stopped("stopped", 143),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_pickled_with_all_that_it_says(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    "value",
    [0, 11, -1, 10**30, 10**5000, 2.0, float("nan"), "3", None, True, [3], np.float64(3)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_whole_number_in_range_is_refused_in_a_short_sentence(value):
    with pytest.raises(BadInput) as caught:
        check_whole("trials", value, least=1, most=10)
    assert len(str(caught.value)) < 150


def test_whole_numbers_of_any_kind_pass():
    for value in (1, 10, np.int64(3), np.uint8(3)):
        check_whole("trials", value, least=1, most=10)


def test_a_message_repeats_long_values_in_part():
    assert clipped("9" * 40) == "9" * 40
    assert clipped("9" * 400) == "9" * 40 + "... (400 characters)"
    assert clipped(10**5000) == "of thousands of digits"
