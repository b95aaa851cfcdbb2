"""What a recipe costs to train, in seconds of one core: a formula, used to size a search before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tenfold.engine.operations.operation import Work, views_before
from tenfold.engine.plan.network import plan_network
from tenfold.engine.plan.size import Size
from tenfold.errors import BadInput
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space

START_SECONDS = 1e-3  # of starting the operations of one update of a pack, whatever its lanes
SAMPLE = 16  # recipes whose mean cost stands for a space


@dataclass(frozen=True)
class CostModel:
    """Seconds on one core of a 2020s server CPU (AVX-512, float32), calibrated by the benchmarks in bench/."""

    flops: float = 50e9  # of stacked matrix products, a second
    conv_flops: float = 70e9  # of convolutions, a second
    conv: float = 150e-6  # starting a convolution, its gradients, and the operations behind it
    image: float = 0.6  # what element-wise work takes of that on rows where images flow, in torch's own kernels
    weight: float = 4e-9  # optimizer update, a weight and step
    unit: float = 3e-9  # element-wise work forward and backward, a row and unit
    normalized: float = 4e-9  # more of it where a unit is normalized
    dropped: float = 3e-9  # more of it where a unit can be dropped
    step: float = 12e-6  # a lane's share of starting the operations of a step
    row: float = 0.0  # gathering a row, its loss, and what it takes whatever the network
    epoch: float = 0.0  # looking at the results of an epoch of a lane, which takes turns at the interpreter
    lane: float = 0.0  # making a lane, which does too

    def at_speed(self, speed: float) -> CostModel:
        """The costs of arithmetic on a core that is so many times as fast as the one they were measured on."""
        scaled = {
            name: getattr(self, name) / speed for name in ("weight", "unit", "normalized", "dropped", "step", "row")
        }
        return replace(self, flops=self.flops * speed, conv_flops=self.conv_flops * speed, **scaled)


# Of packs. What follows from cost by default (how many recipes, how many epochs) follows from this one everywhere, so
# that it is the same with and without compiled lanes.
MODEL = CostModel()
# Of compiled lanes, on a core that multiplies and adds COMPILED_PEAK numbers a second in float32, fitted to networks of
# 8 to 100 inputs, one or two layers of 16 to 256 units, and batches of 32 to 512 (bench/cost.py).
COMPILED_PEAK = 88.5e9
COMPILED = CostModel(
    flops=60e9, weight=0.4e-9, unit=0.1e-9, normalized=0.85e-9, dropped=1.35e-9, step=1e-6, row=41e-9, epoch=1.1e-4,
    lane=2e-3,
)  # fmt: skip


def network_work(recipe: Recipe, size: Size) -> Work:
    """The work of a recipe's network: that of its operations."""
    steps = plan_network(recipe.network, size.of(recipe))
    views = views_before([step.op for step in steps])
    return sum((step.op.work(step.layer).of_views(k) for step, k in zip(steps, views, strict=False)), start=Work())


def gradient_seconds(work: Work, rows: float, model: CostModel) -> float:
    """Seconds of the gradient of that many rows, without starting it: 6 flops a product, 2 of them forward."""
    flops = 6 * rows * (work.products / model.flops + work.conv_products / model.conv_flops) + rows * model.row
    units = work.units * model.unit + work.normalized * model.normalized + work.dropped * model.dropped
    return flops + rows * units * (model.image if work.convs else 1.0)


def lane_step_seconds(recipe: Recipe, size: Size, *, batch: int | None = None, model: CostModel = MODEL) -> float:
    """Seconds of one training step of one lane: `gradients` times the gradient of the batch, the update of the
    weights, and what starting the operations takes.

    batch: rows of the step, default the recipe's batch size (a recipe with `full` needs it: `BadInput`).
    """
    rows = recipe.batch_size if batch is None else batch
    if rows == "full":
        raise BadInput("a full batch has no size of its own", where="batch_size", do="give batch=, the training rows")
    work = network_work(recipe, size)
    starting = model.step + work.convs * model.conv
    steps, flops = recipe.optimizer.work(rows=rows, weights=work.weights, outputs=size.outputs)
    return steps * (gradient_seconds(work, rows, model) + starting) + work.weights * model.weight + flops / model.flops


def recipe_seconds(recipe: Recipe, size: Size, *, rows: int, folds: int, model: CostModel = MODEL) -> float:
    """Seconds of a recipe on all its folds and epochs, validation after every epoch included.

    rows: development rows, of which each fold trains on (folds - 1) / folds and validates on the rest (a third of
    a gradient's work a row); folds=1 trains on all rows and validates on none.
    """
    train = rows if folds == 1 else max(1, rows * (folds - 1) // folds)
    batch = train if recipe.batch_size == "full" else min(recipe.batch_size, train)
    training = math.ceil(train / batch) * lane_step_seconds(recipe, size, batch=batch, model=model)
    validation = gradient_seconds(network_work(recipe, size), (rows - train) / 3, model) + model.step
    return folds * recipe.epochs * (training + (validation if folds > 1 else 0.0))


def mean_seconds(space: Space, size: Size, *, rows: int, folds: int) -> float:
    """Mean `recipe_seconds` over the first 16 recipes of the space at seed 0."""
    seconds = [recipe_seconds(recipe, size, rows=rows, folds=folds) for recipe in space.sample(SAMPLE, seed=0)]
    return sum(seconds) / len(seconds)


def plan_trials(
    space: Space, size: Size, *, rows: int, folds: int, budget_seconds: float, cores: int = 2, most: int = 48
) -> int:
    """How many recipes fit into the budget on that many cores: budget cores / `mean_seconds`, at least 8, at most
    `most`, never more than the space has."""
    mean = mean_seconds(space, size, rows=rows, folds=folds)
    fitting = min(max(math.floor(budget_seconds * cores / mean), 8), most)
    return fitting if space.size is None else min(fitting, space.size)


def epochs_within(
    recipes: list[Recipe], size: Size, *, rows: int, folds: int, core_seconds: float, model: CostModel = MODEL
) -> int:
    """The epochs (at least 1) for which the mean of the recipes costs at most `core_seconds` of one core."""
    once = [replace(recipe, epochs=1) for recipe in recipes]
    total = sum(recipe_seconds(recipe, size, rows=rows, folds=folds, model=model) for recipe in once)
    return max(1, math.floor(core_seconds * len(recipes) / total))
