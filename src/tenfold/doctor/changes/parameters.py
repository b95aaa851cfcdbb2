"""What trains, and in which mode; a recipe trains all that it builds, in training mode."""

from __future__ import annotations

from tenfold.doctor.changes.change import Change, setting

UNFREEZE = Change(
    "unfreeze",
    "give the optimizer all parameters (model.parameters()) and set requires_grad to True",
    "all parameters train",
    applies=lambda record: any(not p.trainable or not p.optimized for p in record.facts.parameters),
    module=setting(all_parameters=True),
)
TRAINING_MODE = Change(
    "training_mode",
    "call model.train() before training and model.eval() before evaluating",
    applies=lambda record: record.facts.training_mode < 0.5,
    module=setting(training_mode=True),
    other_loss=True,
)
