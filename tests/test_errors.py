"""Errors reach the main process from the workers of others (such as joblib's), with all that they say."""

import pickle

import pytest

from tenfold.errors import BadInput, Corrupt, RunFailed, Stopped


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
