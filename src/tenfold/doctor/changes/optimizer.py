"""The optimizer: its rule, learning rate and epsilon, and what is done to gradients before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tenfold.doctor.changes.change import Change, RecipeChange, after_training, option, setting
from tenfold.doctor.record import Record
from tenfold.recipe.recipe import BATCH, Recipe
from tenfold.rules.optimizers import Adam
from tenfold.rules.rate_factors import RateFactors
from tenfold.rules.schedules import NoDecay

LARGE_STEPS, SMALL_STEPS = 0.02, 2e-4  # early updates relative to the weights: no larger or smaller rate is tried
EPSILON = 1e-8  # the default of torch's optimizers


def _recipe_rate(factor: float) -> RecipeChange:
    def change(recipe: Recipe) -> Recipe:
        optimizer: Any = recipe.optimizer
        names = [name for name in ("lr", "adam_lr") if getattr(optimizer, name, None) is not None]  # Muon has both
        # twelve digits: 0.01, not 0.010000000000000002
        rates = {name: float(f"{getattr(optimizer, name) * factor:.12g}") for name in names}
        return replace(recipe, optimizer=replace(optimizer, **rates))

    return change


def _may_rise(record: Record) -> bool:
    ratio = record.early_update_ratio()
    return record.facts.steps > 0 and (ratio is None or ratio <= LARGE_STEPS)


def _may_fall(record: Record) -> bool:
    ratio = record.early_update_ratio()
    return record.facts.steps > 0 and (ratio is None or ratio >= SMALL_STEPS)


def _rate(factor: int, *, up: bool) -> Change:
    times = float(factor) if up else 1.0 / factor
    return Change(
        f"lr_{'x' if up else 'd'}{factor}",
        f"{'raise' if up else 'lower'} the learning rate {factor} times",
        f"learning rate {'×' if up else '/'} {factor}",
        applies=_may_rise if up else _may_fall,
        module=setting(rate_factor=times),
        recipe=_recipe_rate(times),
        preference=3,
    )


RATES = (*(_rate(10**k, up=True) for k in (1, 2, 3)), *(_rate(10**k, up=False) for k in (1, 2, 3)))


def adam(rate: float) -> Change:
    """Adam with this learning rate."""

    def recipe(recipe: Recipe) -> Recipe:
        # the full batch of a second-order method would leave Adam with one update an epoch
        full = recipe.optimizer.family == "second_order"
        batch = BATCH if full else recipe.batch_size
        return replace(recipe, optimizer=Adam(lr=rate), rate_factors=RateFactors(), batch_size=batch)

    return Change("adam", "let Adam train it", "Adam", after_training, setting(adam_rate=rate), recipe, preference=4)


def _has_large_epsilon(record: Record) -> bool:
    return record.facts.steps > 0 and any(o.eps is not None and o.eps > 1e-6 for o in record.facts.optimizers)


def _default_epsilon(recipe: Recipe) -> Recipe:
    optimizer: Any = recipe.optimizer
    default = getattr(type(optimizer)(), "eps", None)
    if default is None or optimizer.eps <= default:
        return recipe
    return replace(recipe, optimizer=replace(optimizer, eps=default))


def _clipped_recipe(recipe: Recipe) -> Recipe:
    return recipe if recipe.clip_norm is not None and recipe.clip_norm <= 1 else replace(recipe, clip_norm=1.0)


ADAM = adam(1e-3)
EPSILON_DEFAULT = Change(
    "epsilon",
    "leave the optimizer's epsilon at its default",
    applies=_has_large_epsilon,
    module=option("eps", EPSILON),
    recipe=_default_epsilon,
    preference=5,
)
CLIP = Change(
    "clip",
    "clip the gradient's norm at 1",
    "clipped gradients",
    applies=after_training,
    module=setting(clip_norm=1.0),
    recipe=_clipped_recipe,
    preference=10,
)
STEADY = Change(
    "steady",
    "keep the learning rate, without averaged weights",
    recipe=lambda recipe: replace(recipe, decay=NoDecay(), weight_average=0.0),
)
