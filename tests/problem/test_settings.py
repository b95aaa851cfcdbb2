"""The words that `fit` takes are those that are there."""

from tenfold.data.split.request import MOST_REPEATS
from tenfold.problem import settings
from tenfold.recipe.spaces.space import MOST_RECIPES
from tenfold.search.proposals import PROPOSERS
from tenfold.search.racing import NAMES


def test_the_words_of_the_options_are_those_behind_them():
    assert set(settings.STRATEGIES) == set(NAMES)
    assert set(settings.PROPOSALS) == set(PROPOSERS)


def test_the_bounds_of_the_options_are_those_behind_them():
    assert settings.MOST_TRIALS == MOST_RECIPES
    assert settings.MOST_REPEATS == MOST_REPEATS
