"""What a recipe costs to train, in seconds of one core: a formula, used to size a search before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from tenfold.errors import BadInput
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.space import Space
from tenfold.rules.normalization import BatchNorm

SAMPLE = 16  # recipes whose mean cost stands for a space


@dataclass(frozen=True)
class CostModel:
    """Seconds on one core of a 2020s server CPU (AVX-512, float32), calibrated by the benchmarks in bench/."""

    flops: float = 50e9  # of stacked matrix products, a second
    weight: float = 4e-9  # optimizer update, a weight and step
    unit: float = 3e-9  # element-wise work forward and backward, a row and unit
    normalized: float = 4e-9  # more of it where a unit is normalized
    dropped: float = 3e-9  # more of it where a unit can be dropped
    step: float = 12e-6  # a lane's share of starting the operations of a step


MODEL = CostModel()


def lane_step_seconds(
    recipe: Recipe, *, columns: int, outputs: int, batch: int | None = None, model: CostModel = MODEL
) -> float:
    """Seconds of one training step of one lane: 6 batch weights / flops + weights weight + batch units unit + step.

    columns: encoded inputs; outputs: units of the output layer; batch: rows of the step, default the recipe's
    batch size (a recipe with `full` needs it: `BadInput`).
    """
    rows = recipe.batch_size if batch is None else batch
    if rows == "full":
        raise BadInput("a full batch has no size of its own", where="batch_size", do="give batch=, the training rows")
    weights, units = _sizes(recipe, columns, outputs)
    unit = model.unit + model.normalized * isinstance(recipe.network.normalization, BatchNorm)
    unit += model.dropped * (recipe.network.dropout > 0)
    return 6 * rows * weights / model.flops + weights * model.weight + rows * units * unit + model.step


def recipe_seconds(
    recipe: Recipe, *, rows: int, columns: int, outputs: int, folds: int, model: CostModel = MODEL
) -> float:
    """Seconds of a recipe on all its folds and epochs, validation after every epoch included.

    rows: development rows, of which each fold trains on (folds - 1) / folds and validates on the rest (a third of
    a training step's work a row); folds=1 trains on all rows and validates on none.
    """
    train = rows if folds == 1 else max(1, rows * (folds - 1) // folds)
    batch = train if recipe.batch_size == "full" else min(recipe.batch_size, train)
    steps = math.ceil(train / batch)
    weights, units = _sizes(recipe, columns, outputs)
    training = steps * lane_step_seconds(recipe, columns=columns, outputs=outputs, batch=batch, model=model)
    validation = (rows - train) * (2 * weights / model.flops + units * model.unit / 3) + model.step
    return folds * recipe.epochs * (training + (validation if folds > 1 else 0.0))


def _sizes(recipe: Recipe, columns: int, outputs: int) -> tuple[int, int]:
    """(weights, units) of the network: products of neighbouring widths, and all units."""
    widths = (columns, *recipe.network.hidden, outputs)
    return sum(a * b for a, b in pairwise(widths)), sum(widths[1:])


def mean_seconds(space: Space, *, rows: int, columns: int, outputs: int, folds: int) -> float:
    """Mean `recipe_seconds` over the first 16 recipes of the space at seed 0."""
    sample = space.sample(SAMPLE, seed=0)
    return sum(recipe_seconds(r, rows=rows, columns=columns, outputs=outputs, folds=folds) for r in sample) / len(
        sample
    )


def plan_trials(
    space: Space,
    *,
    rows: int,
    columns: int,
    outputs: int,
    folds: int,
    budget_seconds: float,
    cores: int = 2,
    most: int = 48,
) -> int:
    """How many recipes fit into the budget on that many cores: budget cores / `mean_seconds`, at least 8, at most
    `most`, never more than the space has."""
    mean = mean_seconds(space, rows=rows, columns=columns, outputs=outputs, folds=folds)
    fitting = min(max(math.floor(budget_seconds * cores / mean), 8), most)
    return fitting if space.size is None else min(fitting, space.size)


def epochs_within(
    recipes: list[Recipe], *, rows: int, columns: int, outputs: int, folds: int, core_seconds: float
) -> int:
    """The epochs (at least 1) for which the mean of the recipes costs at most `core_seconds` of one core."""
    one = [replace(recipe, epochs=1) for recipe in recipes]
    total = sum(recipe_seconds(r, rows=rows, columns=columns, outputs=outputs, folds=folds) for r in one)
    return max(1, math.floor(core_seconds * len(one) / total))
