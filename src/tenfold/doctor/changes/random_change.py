"""A random change of a recipe, as a control: what a change that nobody thought about brings."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np

from tenfold.errors import BadInput
from tenfold.recipe.module import Module
from tenfold.recipe.network import MLP
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space
from tenfold.rules.losses import Task

SMALL = 5_000  # rows up to which regularization matters more


def random_recipe_change(
    recipe: Recipe, rng: np.random.Generator, *, task: str = "classification", rows: int = 1000
) -> Recipe:
    """Another value of one field, drawn from those that people usually try. It costs what the recipe costs: the shape
    of the network, the batch and the epochs stay.

    task: "classification" or "regression"; rows: development rows. Raises `ValueError` where nothing can be changed.
    """
    space = _usual_values(rows, task)
    own = isinstance(recipe.network, Module)  # whose layers and first weights stay
    fields = ["weight_decay"] if own else ["init", "weight_decay", "activation", "dropout"]
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


def _usual_values(rows: int, task: str) -> Space:
    """What is usually tried, each field by itself."""
    if task not in get_args(Task):
        raise BadInput(f"the task {task!r}", expected=" or ".join(get_args(Task)))
    small, lr = rows <= SMALL, {"log_uniform": [3e-4, 1e-2]}
    return Space.from_dict({
        "network": {
            "activation": ["relu", "leaky_relu", "elu", "tanh"],
            "dropout": [0.0, {"uniform": [0.05, 0.5] if small else [0.02, 0.3]}],
        },
        "init": ["he", "lecun"],
        "optimizer": [
            {"adamw": {"lr": lr, "beta2": [0.99, 0.999]}},
            [
                {"adam": {"lr": lr}},
                {"nesterov": {"lr": {"log_uniform": [3e-3, 0.1]}, "momentum": [0.9, 0.95]}},
                {"rmsprop": {"lr": {"log_uniform": [1e-4, 3e-3]}}},
            ],
        ],
        "decay": [
            {"cosine": {"warmup": {"uniform": [0.02, 0.2]}}},
            [{"cosine": {"warmup": 0.05, "end": {"log_uniform": [0.01, 0.1]}}}, ["none", {"exponential": {"k": 0.03}}]],
        ],
        "weight_decay": {"log_uniform": [1e-5, 3e-2] if small else [1e-6, 1e-2]},
        "clip_norm": [None, 1.0] if task == "classification" else [None, 1.0, 5.0],
    })  # fmt: skip
