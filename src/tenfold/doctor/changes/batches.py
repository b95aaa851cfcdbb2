"""The batches, and how many of them: their size, the length of the training, and one batch to memorize."""

from __future__ import annotations

from dataclasses import replace

from tenfold.doctor.changes.change import Change, TrainingPlan, after_training, always
from tenfold.doctor.record import Record
from tenfold.recipe.recipe import Recipe

ROWS = 32  # of a batch
LONGER = 4
MOST_UPDATES, ENOUGH = 300, 200  # most of a short training; of one that is not cut to what the user made
ONE_BATCH, ONE_BATCH_RATE = 20, 3e-3  # rows that should be memorized, and Adam's rate for it


def _smaller(plan: TrainingPlan) -> None:
    # as many epochs, so more updates
    more = plan.asked * max(1, plan.batch_rows // ROWS)
    plan.steps = min(max(MOST_UPDATES, plan.asked), more)
    plan.batch_rows = min(plan.batch_rows, ROWS)


def _larger(plan: TrainingPlan) -> None:
    plan.batch_rows = max(plan.batch_rows, ROWS)


def _smaller_recipe(recipe: Recipe) -> Recipe:
    small = recipe.batch_size != "full" and recipe.batch_size <= ROWS
    return recipe if small else replace(recipe, batch_size=ROWS)


def _larger_recipe(recipe: Recipe) -> Recipe:
    large = recipe.batch_size == "full" or recipe.batch_size >= ROWS
    return recipe if large else replace(recipe, batch_size=ROWS)


def _has_tiny_batches(record: Record) -> bool:
    return record.facts.batch_rows < 16 and record.facts.rows_kept > 64


def _longer(plan: TrainingPlan) -> None:
    plan.steps = LONGER * plan.asked


def enough_updates(plan: TrainingPlan) -> None:
    """As many updates as a short training needs, however few the user made."""
    plan.steps = max(plan.asked, ENOUGH)


def _one_batch(plan: TrainingPlan) -> None:
    plan.few_rows, plan.adam_rate = ONE_BATCH, ONE_BATCH_RATE
    enough_updates(plan)


SMALLER_BATCH = Change(
    "smaller_batch",
    f"use batches of {ROWS} rows",
    applies=lambda record: record.facts.batch_rows > 2 * ROWS,
    module=_smaller,
    recipe=_smaller_recipe,
)
LARGER_BATCH = Change(
    "larger_batch",
    f"use batches of {ROWS} rows",
    applies=_has_tiny_batches,
    module=_larger,
    recipe=_larger_recipe,
    preference=11,
)
LONGER_TRAINING = Change(
    "longer",
    f"train {LONGER} times as long",
    f"{LONGER} × longer",
    applies=after_training,
    module=_longer,
    recipe=lambda recipe: replace(recipe, epochs=LONGER * recipe.epochs),
)
MEMORIZE_ONE_BATCH = Change("one_batch", "memorize one batch", applies=always, module=_one_batch)
