"""A user's module in recipes and spaces: its fields, its plain data, its function."""

import json

import pytest
from torch import nn

from tenfold import BadInput, Module, Recipe, Space
from tenfold.recipe.module import NoFunction, functions_by_name
from tenfold.recipe.spaces.decisions import locate
from tenfold.recipe.spaces.narrow import narrow


def make_model(outputs, width=3, hidden=(1, 2)): ...


def test_a_recipe_goes_through_plain_data_without_its_function():
    network = Module(make_model, width=32, hidden=(4, 5), groups={"head.*": {"rate": 0.1, "decay": False}})
    recipe = Recipe(network=network, epochs=3)
    read = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert read.key() == recipe.key()
    assert read.network.make_model == "make_model"
    assert read.with_modules({"make_model": make_model}) == recipe
    with pytest.raises(NoFunction, match="'make_model'; none is given"):
        read.with_modules({})
    assert recipe.describe().startswith("make_model(hidden=(4, 5), width=32), Adam")
    assert Recipe.from_yaml(recipe.to_yaml()) == read


def test_a_space_varies_its_fields():
    network = Module(make_model, width=[32, 64], hidden=[(4, 5), (6,)])
    space = Space.from_dict({"network": network, "epochs": 3})
    assert space.size == 4
    assert {(r.network.width, r.network.hidden) for r in space.sample(9)} == {
        (w, h) for w in (32, 64) for h in ((4, 5), (6,))
    }
    drawn = Space.from_dict({"network": [Module(make_model, width={"int_log_uniform": [8, 64]}), {"hidden": [8]}]})
    assert drawn.size == 58
    for one in (space, drawn, Space.from_dict({"network": Module(make_model, hidden=(4, 5))})):
        again = Space.from_dict(json.loads(json.dumps(one.to_dict())))
        assert (again.to_dict(), again.size) == (one.to_dict(), one.size)
        assert all(locate(one, recipe) is not None for recipe in one.sample(3))
    assert narrow(space, space.sample(1)).size in (1, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recipe(network=Module(make_model, width=[32, 64])), "network.width: found a list, a choice that only"),
        (lambda: Module(nn.Linear(2, 2)), "a Linear, one module"),
        (lambda: Module(3), "a module made by 3"),
        (lambda: Module(make_model, width=nn), "width=<module"),
        (lambda: Module(make_model, name="x"), "a field called name"),
        (lambda: Module(make_model, groups={"a": {"speed": 1}}), "group 'a'"),
        (lambda: Recipe.from_dict({"network": {"module": {"width": 3}}}), "make_model is missing"),
        (lambda: Recipe.from_dict({"network": {"module": 3}}), "found 3; expected a mapping"),
        (lambda: functions_by_name([make_model, lambda: 0, lambda: 1]), "two functions are called <lambda>"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(BadInput, match=message):
        make()
