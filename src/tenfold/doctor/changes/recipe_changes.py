"""Changes of a recipe by name: the recipe with the change, and in words with the lines of its file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tenfold.doctor.changes.all_changes import CHANGES
from tenfold.errors import BadInput
from tenfold.recipe.grammar.files import dump_yaml
from tenfold.recipe.module import Module
from tenfold.recipe.network import MLP
from tenfold.recipe.recipe import Recipe


def changed_recipe(recipe: Recipe, name: str) -> Recipe | None:
    """The recipe with that change; None where it is so already, or cannot have the fault that the change cures:
    Tenfold standardizes targets, averages losses, descends, and trains all of what it builds. "as_is" gives the recipe
    itself."""
    if name == "as_is":
        return recipe
    change = CHANGES.get(name)
    if change is None or change.recipe is None:
        return None
    if isinstance(recipe.network, Module):
        # what is around a user's module may change, and not the module: neither its layers nor its first weights
        stand_in = replace(recipe, network=MLP())
        changed = changed_recipe(stand_in, name)
        if changed is None or (changed.network, changed.init) != (stand_in.network, stand_in.init):
            return None
        return replace(changed, network=recipe.network)
    try:
        changed = change.recipe(recipe)
    except BadInput:  # two values that do not go together, such as clipping with a second-order method
        return None
    return None if changed == recipe else changed


def words(recipe: Recipe, name: str) -> str:
    """What a change does to this recipe: a sentence, and the lines of the recipe file as they are after it."""
    changed = changed_recipe(recipe, name)
    if changed is None or changed == recipe:
        return "leave the recipe as it is"
    return f"{CHANGES[name].words}:\n{lines(recipe, changed)}"


def lines(before: Recipe, after: Recipe) -> str:
    """The fields that differ as lines of YAML, with the values of the second recipe."""
    old, new = before.to_dict(), after.to_dict()
    differing: dict[str, Any] = {}
    for name, value in new.items():
        if value == old.get(name):
            continue
        former = old.get(name)
        if name == "network" and isinstance(value, dict) and isinstance(former, dict) and value.keys() == former.keys():
            value = {field: inner for field, inner in value.items() if inner != former[field]}
        differing[name] = value
    return "\n".join(f"  {line}" for line in dump_yaml(differing).splitlines())
