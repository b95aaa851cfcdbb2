"""The layers of a recipe's network, listed and rewritten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

from tenfold.recipe.layers import Residual
from tenfold.recipe.network import Layers, Network
from tenfold.recipe.recipe import Recipe
from tenfold.rules.activations import Activation

LayerEdit = Callable[[Any], list[Any]]


def layers_of(network: Network) -> list[Any]:
    """All layers, those inside residual blocks too."""
    return _flat(network.sequence())


def _flat(layers: Sequence[Any]) -> list[Any]:
    return [inner for layer in layers for inner in (_flat(layer.layers) if isinstance(layer, Residual) else [layer])]


def activations_of(network: Network) -> list[Any]:
    """The hidden activations, in order."""
    return [layer for layer in layers_of(network) if isinstance(layer, get_args(Activation))]


def with_layers(recipe: Recipe, edit: LayerEdit) -> Recipe:
    """Every layer of a network that is written out replaced by what `edit` gives for it."""
    assert isinstance(recipe.network, Layers)
    return replace(recipe, network=Layers(layers=_rewritten(recipe.network.layers, edit)))


def _rewritten(layers: Sequence[Any], edit: LayerEdit) -> tuple[Any, ...]:
    rewritten: list[Any] = []
    for layer in layers:
        if isinstance(layer, Residual):
            rewritten.append(replace(layer, layers=_rewritten(layer.layers, edit)))
        else:
            rewritten += edit(layer)
    return tuple(rewritten)
