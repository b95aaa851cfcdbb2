"""The initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tenfold.doctor.changes.change import Change, always, edit
from tenfold.doctor.changes.networks import activations_of
from tenfold.doctor.record import Operation
from tenfold.recipe.recipe import Recipe
from tenfold.rules.activations import Identity


def _drawn_anew(model: Any, operations: Sequence[Operation], seed: int) -> None:
    from tenfold.doctor.changes.surgery import reinitialize

    reinitialize(model, operations, seed=seed)


def _suited_init(recipe: Recipe) -> Recipe:
    """The initialization that keeps the second moment through the recipe's activation, with biases of 0."""
    activations = activations_of(recipe.network)
    return replace(recipe, init=(activations[0] if activations else Identity()).suited_init)


REINITIALIZE = Change(
    "reinitialize",
    "draw the first weights with the variance that fits the activation, biases 0",
    applies=always,
    module=edit(start=_drawn_anew),
    recipe=_suited_init,
    preference=2,
)
