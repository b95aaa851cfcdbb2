"""The words that `fit` takes are those that are there."""

from tenfold.selection import settings
from tenfold.selection.proposals import PROPOSERS
from tenfold.selection.racing import NAMES


def test_the_words_of_the_options_are_those_behind_them():
    assert set(settings.STRATEGIES) == set(NAMES)
    assert set(settings.PROPOSALS) == set(PROPOSERS)
