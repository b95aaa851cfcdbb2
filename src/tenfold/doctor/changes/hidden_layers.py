"""Hidden layers: their activation, normalization, number and width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from tenfold.doctor.changes.change import Change, Replaced, edit
from tenfold.doctor.changes.networks import activations_of, layers_of, with_layers
from tenfold.doctor.record import Operation, Record, hidden_layers
from tenfold.recipe.layers import Conv, Dense
from tenfold.recipe.network import MLP
from tenfold.recipe.recipe import Recipe
from tenfold.rules.activations import Activation, ReLU
from tenfold.rules.initialization import He
from tenfold.rules.normalization import BatchNorm, NormLayer

WIDE, MOST_HIDDEN = 64, 2  # least units of a hidden layer, most hidden layers
SEVERAL_ROWS = 32  # batch normalization takes no batch of one row


def _has_hidden(record: Record) -> bool:
    return bool(hidden_layers(record.facts.operations))


def _he_start(model: Any, operations: Sequence[Operation], seed: int) -> None:
    from tenfold.doctor.changes.surgery import reinitialize

    reinitialize(model, operations, "relu", seed)


def _rectified(operations: Sequence[Operation], replaced: Replaced) -> Replaced:
    from tenfold.doctor.changes.surgery import rectify

    return replaced | rectify(operations)


def _normalized(operations: Sequence[Operation], replaced: Replaced) -> Replaced:
    from tenfold.doctor.changes.surgery import normalize

    return normalize(operations, replaced)


def _relu_recipe(recipe: Recipe) -> Recipe:
    """ReLU for every activation, and behind every layer where there is none at all; He initialization."""
    network = recipe.network
    if isinstance(network, MLP):
        return replace(recipe, network=replace(network, activation=ReLU()), init=He())
    linear = not activations_of(network)

    def changed(layer: Any) -> list[Any]:
        if isinstance(layer, get_args(Activation)):
            return [ReLU()]
        return [layer, ReLU()] if linear and isinstance(layer, Dense | Conv) else [layer]

    return replace(with_layers(recipe, changed), init=He())


def _normalized_recipe(recipe: Recipe) -> Recipe:
    """Batch normalization behind every hidden map, where the network has no normalization."""
    network = recipe.network
    if any(isinstance(layer, NormLayer) for layer in layers_of(network)):
        return recipe
    if recipe.batch_size == 1:
        recipe = replace(recipe, batch_size=SEVERAL_ROWS)
    if isinstance(network, MLP):
        return replace(recipe, network=replace(network, normalization=BatchNorm())) if network.hidden else recipe
    return with_layers(recipe, lambda layer: [layer, BatchNorm()] if isinstance(layer, Dense | Conv) else [layer])


def _shallower_recipe(recipe: Recipe) -> Recipe:
    network = recipe.network
    if not isinstance(network, MLP):
        return recipe
    return replace(recipe, network=replace(network, hidden=network.hidden[:MOST_HIDDEN]))


def _wider_recipe(recipe: Recipe) -> Recipe:
    network = recipe.network
    if isinstance(network, MLP):
        return replace(recipe, network=replace(network, hidden=tuple(max(units, WIDE) for units in network.hidden)))

    def changed(layer: Any) -> list[Any]:
        if isinstance(layer, Dense):
            return [Dense(units=max(layer.units, WIDE))]
        return [replace(layer, channels=max(layer.channels, WIDE // 2))] if isinstance(layer, Conv) else [layer]

    return with_layers(recipe, changed)


ACTIVATION = Change(
    "activation",
    "use ReLU in the hidden layers, with He initialization",
    "ReLU inside",
    applies=_has_hidden,
    module=edit(start=_he_start, network=_rectified),
    recipe=_relu_recipe,
    preference=6,
)
NORMALIZE = Change(
    "normalize",
    "put batch normalization behind every hidden layer",
    "normalization",
    applies=_has_hidden,
    module=edit(network=_normalized),
    recipe=_normalized_recipe,
    preference=12,
)
SHALLOWER = Change("shallower", f"use at most {MOST_HIDDEN} hidden layers", recipe=_shallower_recipe)
WIDER = Change("wider", f"give every hidden layer at least {WIDE} units", recipe=_wider_recipe)
