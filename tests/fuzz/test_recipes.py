"""Random recipes and spaces are accepted and come back the same from all forms, or are refused in words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tenfold.errors import BadInput
from tenfold.recipe import Recipe, Space
from tenfold.recipe.grammar.files import dump_yaml

from .budget import TIMES, tried
from .recipes import plain, python, spaces

PIECES = (
    *("\n", "  ", ": ", "- ", "[", "]", "{", "}", "#", "&a ", "*a", "|", ">", "'", '"', "\t", "? ", "!!str ", "--- "),
    *("%", "\x00", "\ufeff", "<<: ", "network", "optimizer", "adam", "lr", "1e-3", "0x1F", "1:30", "2001-01-01", "~"),
    *("=", "epochs: 3\n", "layers", "😀"),
)


def refused(build: Any, data: Any) -> Any:
    """What is built; None where it is refused, in a message of few lines."""
    try:
        return build(data)
    except BadInput as error:
        assert len(str(error).splitlines()) <= 12
        return None


def check_forms(recipe: Recipe) -> None:
    data = json.loads(json.dumps(recipe.to_dict(), allow_nan=False))
    assert Recipe.from_dict(data) == Recipe.from_yaml(recipe.to_yaml()) == Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_dict(data).key() == recipe.key()
    assert recipe.describe()


@pytest.mark.parametrize("times", TIMES)
def test_a_recipe_survives_all_forms_or_is_refused(times: int) -> None:
    accepted = []

    @tried(times)
    @given(python)
    def holds(data: Any) -> None:
        recipe = refused(Recipe.from_dict, data)
        accepted.append(recipe is not None)
        if recipe is not None:
            check_forms(recipe)
            assert Space.from_dict(recipe.to_dict()).sample(2) == [recipe]

    holds()
    assert 0.1 < np.mean(accepted) < 0.95


@pytest.mark.parametrize("times", TIMES)
def test_a_recipe_means_the_same_as_yaml(times: int) -> None:
    @tried(times)
    @given(plain)
    def holds(data: Any) -> None:
        recipe = refused(Recipe.from_dict, data)
        try:
            text = dump_yaml(data)
        except ValueError:  # Python writes no integers of over 4,300 digits
            return
        again = refused(Recipe.from_yaml, text)
        if recipe is not None and again is not None:
            assert again == recipe
        assert recipe is None or again is not None

    holds()


@pytest.mark.parametrize("times", TIMES)
def test_a_space_survives_all_forms_or_is_refused(times: int) -> None:
    @tried(times)
    @given(spaces, st.integers(0, 2**70))
    def holds(data: Any, seed: int) -> None:
        space = refused(Space.from_dict, data)
        if space is None:
            return
        assert Space.from_dict(json.loads(json.dumps(space.to_dict(), allow_nan=False))) == space
        assert Space.from_yaml(space.to_yaml()) == space
        sample = space.sample(3, seed)
        assert len(set(sample)) == len(sample) <= (space.size or 3)
        for recipe in sample:
            check_forms(recipe)

    holds()


@pytest.mark.parametrize("times", TIMES)
def test_damaged_yaml_is_read_or_refused(times: int) -> None:
    pieces = st.lists(st.sampled_from(PIECES), max_size=14)

    @tried(times)
    @given(plain, pieces, st.floats(0, 1))
    def holds(data: Any, parts: list[str], place: float) -> None:
        try:
            text = dump_yaml(data)
        except ValueError:
            return
        cut = int(place * len(text))
        for damaged in (text[:cut] + "".join(parts) + text[cut:], "\n" + "".join(parts), text[:cut] + "\n"):
            for build in (Recipe.from_yaml, Space.from_yaml):
                refused(build, damaged)

    holds()
