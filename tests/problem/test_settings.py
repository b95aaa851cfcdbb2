"""The words that `fit` takes are those that are there."""

from tenfold.problem import settings
from tenfold.search.proposals import PROPOSERS
from tenfold.search.racing import NAMES


def test_the_words_of_the_options_are_those_behind_them():
    assert set(settings.STRATEGIES) == set(NAMES)
    assert set(settings.PROPOSALS) == set(PROPOSERS)
