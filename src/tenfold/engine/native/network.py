"""Whether the compiled lanes know a recipe, and its network as they take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tenfold.engine.native.library import CompiledLanes, compiled_lanes
from tenfold.engine.native.records import KINDS, NetworkRecord, OperationRecord, SlotRecord
from tenfold.engine.operations.operation import PlannedOp
from tenfold.engine.plan.network import entering_image, plan_network
from tenfold.engine.plan.shape import Layout
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.optimizers.muon import Muon
from tenfold.rules.optimizers.second_order import SecondOrder
from tenfold.rules.record import rule_name

MOST_OPEN = 64  # residual blocks in one another, as in source/network.h


def only_packs_know(recipe: Recipe, size: Size, *, classification: bool) -> str:
    """What of a recipe only packs can train, in words; "" where compiled lanes train it."""
    if network := unknown_network(recipe, size):
        return network
    if isinstance(recipe.optimizer, SecondOrder | Muon):
        return rule_name(recipe.optimizer)
    if recipe.augment.active:
        return "augment"
    loss = loss_of(recipe, classification)
    return rule_name(loss) if loss.native is None else ""


def unknown_network(recipe: Recipe, size: Size) -> str:
    """What of its network they do not know, in words; "" where they can predict with it."""
    if entering_image(recipe.network, size) is not None:
        return "convolutions"
    depth = 0
    for step in plan_network(recipe.network, size.of(recipe)):
        op = step.op.compiled(step.layer)
        if op is None:
            return step.op.name
        depth += (op.kind == "residual_begin") - (op.kind == "residual_end")
        if depth > MOST_OPEN:
            return f"more than {MOST_OPEN} residual blocks in one another"
    return ""


class CompiledNetwork(NamedTuple):
    """The record of a network, and what it points to; dropping: the numbers of the operations that drop something, in
    the order in which they ask for their draws."""

    record: NetworkRecord
    operations: Any
    slots: Any
    dropping: tuple[int, ...]


def compiled_network(
    steps: Sequence[PlannedOp], layout: Layout, inputs: int, outputs: int, lanes: CompiledLanes | None = None
) -> CompiledNetwork:
    """The network of a recipe. steps: its operations with their layers; layout: where its parameters lie; inputs: the
    width of the rows that enter."""
    lanes = lanes or compiled_lanes()
    slots = (SlotRecord * max(1, len(layout.slots)))()
    first: dict[int, tuple[int, int]] = {}  # of each operation: its first slot, and how many
    for i, slot in enumerate(layout.slots):
        slots[i] = SlotRecord(slot.start, *slot.size, slot.stored[1], slot.kind == "weight")
        first[slot.op] = (first[slot.op][0], first[slot.op][1] + 1) if slot.op in first else (i, 1)
    operations, dropping = (OperationRecord * max(1, len(steps)))(), list[int]()
    for number, step in enumerate(steps):
        op = step.op.compiled(step.layer)
        assert op is not None
        record = operations[number]
        record.kind, record.inputs, record.outputs, record.stored = (
            KINDS.index(op.kind),
            op.inputs,
            op.outputs,
            op.stored,
        )
        record.slot, record.slots = first.get(number, (-1, 0))
        record.mean, record.var = layout.moments.get(number, (0, 0, 0))[:2]
        record.option = lanes.number("activation", op.option) if isinstance(op.option, str) else op.option
        record.numbers[: len(op.numbers)] = [float(value) for value in op.numbers]
        if op.kind == "dropout" and op.numbers[0] > 0:
            record.option = len(dropping)
            dropping.append(number)
    network = NetworkRecord(
        operations, slots, len(steps), len(layout.slots), inputs, outputs, layout.total, layout.moment_total
    )
    return CompiledNetwork(network, operations, slots, tuple(dropping))
