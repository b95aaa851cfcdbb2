"""The output layer and the loss."""

from __future__ import annotations

from dataclasses import replace

from tenfold.doctor.changes.change import Change, TrainingPlan, always, setting
from tenfold.doctor.record import Record
from tenfold.recipe.recipe import Recipe

DESCENDS = 0.05  # cosine of the first update with the way down


def _task_loss(recipe: Recipe) -> Recipe:
    return replace(recipe, loss="auto")


def _descend(plan: TrainingPlan) -> None:
    plan.descend = True
    plan.options["maximize"] = False


def _may_climb(record: Record) -> bool:
    return record.facts.steps > 0 and record.extra.get("descent", 0.0) < DESCENDS


HEAD = Change(
    "head",
    "use the loss of the task",
    "bare output, its loss",
    applies=always,
    module=setting(task_output=True),
    recipe=_task_loss,
    preference=7,
    other_loss=True,
)
LOSS = Change("loss", "use the loss of the task", recipe=_task_loss, other_loss=True)
MEAN_LOSS = Change(
    "mean_loss",
    'average the loss over the rows: reduction="mean"',
    "mean loss",
    applies=lambda record: record.facts.reduction == "sum",
    module=setting(mean_loss=True),
    other_loss=True,
)
FLIP = Change(
    "flip",
    "minimize the loss: backward() on the loss itself, not on its negative, and maximize=False",
    "loss negated",
    applies=_may_climb,
    module=_descend,
    other_loss=True,
)
