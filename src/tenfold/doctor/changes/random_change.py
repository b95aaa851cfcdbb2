"""A random change of a recipe, as a control: what a change that nobody thought about brings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tenfold.engine.plan.size import Size
from tenfold.problem.default_space import default_space
from tenfold.recipe.network import MLP
from tenfold.recipe.recipe import Recipe


def random_recipe_change(
    recipe: Recipe, rng: np.random.Generator, *, task: str = "classification", rows: int = 1000
) -> Recipe:
    """Another value of one field, drawn from the default space of such data. It costs what the recipe costs: the shape
    of the network, the batch and the epochs stay.

    task: "classification" or "regression"; rows: development rows. Raises `ValueError` where nothing can be changed.
    """
    space = default_space(Size(1, 1), rows=rows, task=task)
    fields = ["init", "weight_decay", "activation", "dropout"]
    if recipe.optimizer.family != "second_order":
        fields += ["optimizer", "decay", "clip_norm"]
    for _ in range(100):
        other = space.sample(1, seed=int(rng.integers(2**31)))[0]
        changed = _with(recipe, str(rng.choice(fields)), other)
        if changed != recipe:
            return changed
    raise ValueError("no field of the recipe can be changed")


def _with(recipe: Recipe, name: str, other: Recipe) -> Recipe:
    """The recipe with one value of another one."""
    if name not in ("activation", "dropout"):
        return replace(recipe, **{name: getattr(other, name)})
    assert isinstance(other.network, MLP)
    if not isinstance(recipe.network, MLP) or not recipe.network.hidden:
        return recipe
    return replace(recipe, network=replace(recipe.network, **{name: getattr(other.network, name)}))
