"""The scale of inputs and targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tenfold.doctor.changes.change import Change, Rows, edit
from tenfold.doctor.changes.networks import layers_of
from tenfold.doctor.record import OutputKind, Record
from tenfold.recipe.layers import Conv
from tenfold.recipe.recipe import Recipe
from tenfold.rules.preprocessing import Standardize, StandardizeChannel


def _has_inputs(record: Record) -> bool:
    return record.inputs is not None and (not record.inputs.integers or record.inputs.columns > 0)


def _standardized_inputs(parts: list[Any], held: Any, task: OutputKind) -> Rows:
    from tenfold.doctor.measure.numbers.rows import standardized_inputs

    return standardized_inputs(parts, held)


def _standardized_targets(parts: list[Any], held: Any, task: OutputKind) -> Rows:
    from tenfold.doctor.measure.numbers.rows import standardized_targets

    return standardized_targets(parts, held) if task == "numbers" else (parts, held)


def _standardized(recipe: Recipe) -> Recipe:
    """Columns, or the channels of images."""
    if isinstance(recipe.preprocess, StandardizeChannel):
        return recipe
    images = recipe.preprocess.images_only or any(isinstance(x, Conv) for x in layers_of(recipe.network))
    return replace(recipe, preprocess=StandardizeChannel() if images else Standardize())


STANDARDIZE_INPUTS = Change(
    "standardize_inputs",
    "standardize the inputs with the training rows' mean and std",
    applies=_has_inputs,
    module=edit(rows=_standardized_inputs),
    recipe=_standardized,
    preference=1,
)
STANDARDIZE_TARGETS = Change(  # recipes always do
    "standardize_targets",
    "train on (y - y_train.mean()) / y_train.std() and undo it in predictions",
    applies=lambda record: record.facts.task == "numbers",
    module=edit(rows=_standardized_targets),
    other_loss=True,
)
