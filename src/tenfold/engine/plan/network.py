"""A network on given inputs as a straight list of operations with their sizes: what costs, packs and modules share.

`plan_network` walks the layers once, lets each operation infer its size, appends the output layer (of views their
heads), and flattens where a layer needs a row. Embedded categories are looked up in front of all layers. A residual
block is `ResidualBegin ... ResidualEnd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from tenfold.engine.operations import operation_of
from tenfold.engine.operations.dense import DenseOp
from tenfold.engine.operations.flatten import flattened
from tenfold.engine.operations.lookup import LookupOp
from tenfold.engine.operations.operation import FlowSize, PlannedOp, Site, count, misfit, views_before
from tenfold.engine.operations.user_module import ModuleOp
from tenfold.engine.operations.views import HeadsOp, ViewsOp
from tenfold.engine.plan.size import Image, Size
from tenfold.recipe.layers import Layer, Residual
from tenfold.recipe.module import Module
from tenfold.recipe.network import Network
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.record import rule_name
from tenfold.rules.views import ViewMean


@lru_cache(1024)
def plan_network(network: Network, size: Size) -> tuple[PlannedOp, ...]:
    """The operations of a network on inputs of this size, in order.

    Raises `BadInput` that names the layer where the shapes do not fit.
    """
    if isinstance(network, Module):
        return (PlannedOp(ModuleOp(network, size)),)
    layers = network.sequence()
    flow: FlowSize = entering_image(network, size) or size.inputs
    if not isinstance(flow, tuple):
        _check_first(layers)
    looked_up: list[PlannedOp] = []
    if size.tables:
        looked_up = LookupOp.plan(None, Site(flow, (), layers, (), _walk, size))
        flow = size.inputs + looked_up[0].op.more_columns
        size = size._replace(inputs=flow, tables=())
    steps, flow = _walk(layers, flow, (), size)
    steps = looked_up + steps + flattened(flow)
    views = views_before([step.op for step in steps])[-1]
    if any(isinstance(step.op, ViewsOp) for step in steps):
        mean = ViewMean("softmax" if size.outputs > 1 else "identity")
        steps.append(PlannedOp(HeadsOp(count(flow), size.outputs, views), mean))
    else:
        steps.append(PlannedOp(DenseOp(count(flow), size.outputs, bias=True, output=True)))
    return tuple(_with_gains(steps))


def plan_recipe(recipe: Recipe, size: Size) -> tuple[PlannedOp, ...]:
    """The operations of a recipe's network, with the values that its loss decides."""
    steps = plan_network(recipe.network, size)
    if not isinstance(steps[-1].op, HeadsOp):
        return steps
    mean = ViewMean(loss_of(recipe, size.outputs > 1).link)
    return (*steps[:-1], replace(steps[-1], layer=mean))


def entering_image(network: Network, size: Size) -> Image | None:
    """The size of the images that enter a network; None where rows of numbers do, the pixels of images too: the first
    layer that needs one of them decides."""
    if isinstance(network, Module):
        return size.image
    return size.image if next(_needs(network.sequence()), None) == "image" else None


def _needs(layers: Sequence[Layer]) -> Iterator[Literal["image", "row"]]:
    """What the layers, those of blocks too, need to get."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from _needs(layer.layers)
        elif needed := operation_of(layer).needs(layer):
            yield needed


def _check_first(layers: Sequence[Layer]) -> None:
    """Refuse a network on rows of numbers whose first layer turns columns of zeros into something else: the rows of
    folds with fewer columns than others are padded with them."""
    for place, layer in enumerate(layers):
        operation = operation_of(layer)
        if operation.columns == "ignored" or operation.needs(layer) == "image":  # an error of its own names the latter
            return
        if operation.columns == "changed":
            found = f"{rule_name(layer)} is the first layer on a row of numbers"
            raise misfit((place,), found, "dense first (and preprocess to scale the inputs)")


def _walk(
    layers: Sequence[Layer], size: FlowSize, path: tuple[int, ...], entering: Size
) -> tuple[list[PlannedOp], FlowSize]:
    """The operations of layers that such a size enters, and the size that leaves them; entering: what enters the
    network."""
    steps: list[PlannedOp] = []
    for i, layer in enumerate(layers):
        site = Site(size, layers[:i], layers[i + 1 :], (*path, i), _walk, entering)
        planned = operation_of(layer).plan(layer, site)
        for step in planned:
            size = step.op.output_size or size
        steps += planned
    return steps, size


def _with_gains(steps: Sequence[PlannedOp]) -> list[PlannedOp]:
    """Each weight layer gets the gain of the activation that follows it before the next one; 1 where none does."""
    planned: list[PlannedOp] = []
    gain = 1.0
    for step in reversed(steps):
        if step.op.is_activation:
            gain = step.layer.gain
        if step.op.is_weight:
            is_output = isinstance(step.op, HeadsOp) or (isinstance(step.op, DenseOp) and step.op.output)
            step, gain = replace(step, gain=1.0 if is_output else gain), 1.0
        planned.append(step)
    return planned[::-1]
