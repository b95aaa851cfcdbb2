"""Recipes and spaces of a file with the functions of the user's own that `--module` names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tenfold.errors import BadInput
from tenfold.recipe.module import Module
from tenfold.recipe.network import MLP
from tenfold.recipe.own_functions import OwnFunctions, not_given
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import FIRST, Space, made_by

NETWORK = "network"


def with_own_network(recipe: Recipe, functions: OwnFunctions) -> Recipe:
    """The recipe with the functions that its `Module` names; one that says nothing of the network gets the first one.
    Raises `BadInput` for a name that is not given, and for functions beside a network of our layers."""
    if isinstance(recipe.network, Module):
        if not functions and not recipe.network.bound:
            raise not_given(recipe.network.name, "the recipe")
        bound = recipe.with_modules(functions.by_name)
        _refuse_names(made_by([bound]), "the recipe")
        return bound
    if not functions:
        return recipe
    if recipe.network != MLP():
        raise _beside("recipe", functions)
    return replace(recipe, network=Module(functions.first))


def space_of_own_networks(space: Space, functions: OwnFunctions) -> Space:
    """The same for a space."""
    named = space.made_by
    if not functions:
        _refuse_names(named, "the space")
        return space
    if NETWORK not in space.to_dict() and not named:
        data = {**space.to_dict(), NETWORK: Module(functions.first)}
        data.pop(FIRST, None)
        first = tuple(with_own_network(recipe, functions) for recipe in space.first)
        return Space(Space.from_dict(data).tree, first)
    if not named:
        raise _beside("space", functions)
    bound = space.with_modules(functions.by_name)
    _refuse_names(bound.made_by, "the space")
    return bound


def _refuse_names(made: Sequence[Any], where: str) -> None:
    """Refuse what is still the name of a function."""
    unbound = next((name for name in made if isinstance(name, str)), None)
    if unbound is not None:
        raise not_given(unbound, where)


def _beside(what: str, functions: OwnFunctions) -> BadInput:
    name = next(iter(functions.by_name))
    return BadInput(
        f"--module {name} beside a {what} whose network has layers of ours",
        expected=f"a {what} without {NETWORK}, or with {NETWORK}: {{module: {{make_model: {name}}}}}",
        do="one of the two",
    )
