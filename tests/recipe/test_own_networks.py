"""Recipes and spaces of files with the functions of a user's own: by name, or where nothing is said of the network."""

import pytest

from tenfold import MLP, BadInput, Module, Recipe, Space
from tenfold.recipe.module import NoFunction
from tenfold.recipe.own_functions import OwnFunctions
from tenfold.recipe.spaces.own_networks import space_of_own_networks, with_own_network


def make_model(outputs, width=3): ...


def my_loss(outputs, targets): ...


GIVEN = OwnFunctions({"make_model": make_model, "my_loss": my_loss}, {}, ("make_model", "my_loss"))
NAMED = {"module": {"make_model": "make_model", "loss": "my_loss", "width": [3, 4]}}


def test_a_recipe_without_a_network_gets_the_first_function():
    assert with_own_network(Recipe(epochs=3), GIVEN) == Recipe(network=Module(make_model), epochs=3)
    assert with_own_network(Recipe(epochs=3), OwnFunctions()) == Recipe(epochs=3)


def test_a_space_gets_its_functions_by_name():
    space = Space.from_dict({"network": NAMED, "first": [{"network": {"module": {"make_model": "make_model"}}}]})
    bound = space_of_own_networks(space, GIVEN)
    assert bound.to_dict() == space.to_dict()
    assert all(recipe.network.make_model is make_model for recipe in bound.sample(3))
    assert {recipe.network.loss for recipe in bound.sample(3)} == {None, my_loss}


def test_a_space_without_a_network_gets_the_first_function():
    space = Space.from_dict({"epochs": [3, 4], "first": [{"epochs": 5}]})
    bound = space_of_own_networks(space, GIVEN)
    assert [recipe.network for recipe in bound.sample(3)] == [Module(make_model)] * 3
    assert {recipe.epochs for recipe in bound.sample(3)} == {3, 4, 5}


@pytest.mark.parametrize(
    ("recipe", "given", "message"),
    [
        (Recipe(network=Module("make_model")), OwnFunctions(), "'make_model', of which only the name is stored"),
        (Recipe(network=Module("other")), GIVEN, "a function 'other'; given: make_model, my_loss"),
        (Recipe(network=Module("make_model", loss="no_loss")), GIVEN, "'no_loss', of which only the name"),
        (Recipe(network=MLP(hidden=(3,))), GIVEN, "--module make_model beside a recipe"),
    ],
)
def test_what_does_not_fit_is_refused(recipe, given, message):
    with pytest.raises(BadInput, match=message):
        with_own_network(recipe, given)
    space = Space.from_dict({"network": recipe.network if isinstance(recipe.network, Module) else {"hidden": [3]}})
    with pytest.raises(BadInput, match=message.replace("a recipe", "a space")):
        space_of_own_networks(space, given)


def test_a_changed_file_is_noted_or_refused():
    given = OwnFunctions({"make_model": make_model}, {"make_model": "a" * 64})
    given.check({"make_model": "a" * 64}, "RUN")
    with pytest.raises(BadInput, match="RUN: the file of make_model is not what it was"):
        given.check({"make_model": "b" * 64}, "RUN")
    with pytest.raises(NoFunction, match="--module FILE:other"):
        given.check({"other": "a" * 64}, "RUN")
    assert given.changed({"make_model": "b" * 64}) == [
        "the file of make_model is not what it was when the model was trained"
    ]
