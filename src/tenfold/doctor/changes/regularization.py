"""Dropout and penalties: less of them, and more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tenfold.doctor.changes.change import Change, RecipeChange, Replaced, edit, option
from tenfold.doctor.changes.networks import with_layers
from tenfold.doctor.record import Operation
from tenfold.recipe.layers import ChannelDropout, Dropout
from tenfold.recipe.network import MLP
from tenfold.recipe.recipe import Recipe


def _without_dropout(operations: Sequence[Operation], replaced: Replaced) -> Replaced:
    from tenfold.doctor.changes.surgery import without_dropout

    return replaced | without_dropout(operations)


def _dropout_of(rate: float) -> RecipeChange:
    """At most this rate, everywhere."""

    def change(recipe: Recipe) -> Recipe:
        network = recipe.network
        if isinstance(network, MLP):
            rates = {name: min(getattr(network, name), rate) for name in ("dropout", "input_dropout")}
            return replace(recipe, network=replace(network, **rates))
        drops = Dropout | ChannelDropout
        return with_layers(recipe, lambda x: [replace(x, rate=min(x.rate, rate))] if isinstance(x, drops) else [x])

    return change


def _regularized(recipe: Recipe) -> Recipe:
    recipe = replace(recipe, weight_decay=max(recipe.weight_decay, 1e-3))
    network = recipe.network
    if not isinstance(network, MLP):
        return recipe
    return replace(recipe, network=replace(network, dropout=max(network.dropout, 0.3)))


NO_DROPOUT = Change(
    "no_dropout",
    "leave dropout out",
    applies=lambda record: any(op.kind == "dropout" and op.rate > 0 for op in record.facts.operations),
    module=edit(network=_without_dropout),
    recipe=_dropout_of(0.0),
    preference=8,
)
DROPOUT_02 = Change("dropout_02", "lower dropout to 0.2", recipe=_dropout_of(0.2))
NO_DECAY = Change(
    "no_decay",
    "leave out the penalties on the weights",
    "no weight decay",
    applies=lambda record: any(o.weight_decay > 0 for o in record.facts.optimizers),
    module=option("weight_decay", 0),
    recipe=lambda recipe: replace(recipe, weight_decay=0.0, l1=0.0, max_norm=None),
    preference=9,
)
REGULARIZE = Change("regularize", "add dropout and weight decay", recipe=_regularized)
