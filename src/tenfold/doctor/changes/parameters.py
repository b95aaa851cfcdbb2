"""What trains, and in which mode; a recipe trains all that it builds, in training mode."""

from __future__ import annotations

from tenfold.doctor.changes.change import Change, TrainingPlan


def _all_parameters(plan: TrainingPlan) -> None:
    plan.all_parameters = True


def _training_mode(plan: TrainingPlan) -> None:
    plan.training_mode = True


UNFREEZE = Change(
    "unfreeze",
    "give the optimizer all parameters (model.parameters()) and set requires_grad to True",
    "all parameters train",
    applies=lambda record: any(not p.trainable or not p.optimized for p in record.facts.parameters),
    module=_all_parameters,
)
TRAINING_MODE = Change(
    "training_mode",
    "call model.train() before training and model.eval() before evaluating",
    applies=lambda record: record.facts.training_mode < 0.5,
    module=_training_mode,
    other_loss=True,
)
