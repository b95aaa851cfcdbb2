"""Where training starts: initial weights and running moments of the lanes of a pack; old names of its state."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.data.feed.batches import align
from tenfold.data.feed.randomness import derive
from tenfold.data.split.folds import Fold
from tenfold.engine.operations.operation import BatchContext, Flow, PlannedOp, Slot
from tenfold.engine.operations.user_module import ModuleOp
from tenfold.engine.packs.forward import Forward
from tenfold.engine.packs.lanes import Lane, LaneValues
from tenfold.engine.packs.rows import Feed
from tenfold.engine.plan.shape import Layout, Shape
from tenfold.rules.initialization import base_draw, bias_draw, deviation_factor, lsuv_factor
from tenfold.rules.optimizers.base import FIRST_MOMENT, LARGEST_SECOND_MOMENT, SECOND_MOMENT, STEP_MOMENT

LSUV_ROWS, LSUV_ROUNDS = 256, 3  # training rows that unit variances are measured on, and how often
DEVIATION_ROWS = 1024  # training rows that the deviations of units are measured on


def initial_parameters(
    lanes: Sequence[Lane], folds: Sequence[Fold], widths: Sequence[int], shape: Shape, layout: Layout
) -> np.ndarray:
    """Initial parameters (lanes, layout.total) float64, from base draws that all recipes of a fold and seed share.

    widths: the number of input columns that each fold really has; weights of padding columns are 0.
    """
    base: dict[tuple[Any, ...], np.ndarray] = {}
    own: dict[tuple[Any, ...], dict[str, np.ndarray]] = {}  # of a user's module, by fold
    out = np.zeros((len(lanes), layout.total))
    planned = {recipe: shape.steps(recipe) for recipe in dict.fromkeys(lane.recipe for lane in lanes)}
    for row, lane in zip(out, lanes, strict=True):
        steps, rule, fold = planned[lane.recipe], lane.recipe.init, folds[lane.fold]
        layer = -1
        for slot in layout.slots:
            module = steps[slot.op].op
            if isinstance(module, ModuleOp):
                key = (lane.fold, module)
                if key not in own:
                    own[key] = module.start(fold, widths[lane.fold])
                row[slot.start : slot.stop] = own[key][slot.kind].reshape(-1)
                continue
            layer += slot.kind == "weight"
            if not slot.learned:  # see `fit_parameters`
                continue
            block = row[slot.start : slot.stop].reshape(slot.stored)
            step = steps[slot.op]
            real = slot.cut(layout.inputs - widths[lane.fold])
            value = step.op.initial_value(slot.kind, step.layer)
            if value is None and slot.fans is None:
                place = [other.kind for other in step.op.slots()].index(slot.kind)
                rng = derive(fold.seed, "embedding", fold.number, slot.op, place)
                value = step.op.draw(slot.kind, step.layer, rng)
            if value is not None:
                block[: real.size[0], : real.size[1]] = np.atleast_1d(value)[..., : real.size[1]]
            elif not rule.silent(slot.kind, output=slot.output):
                draw = rule.draw_of(slot.kind)
                key = (lane.fold, slot.kind, layer, draw)
                if key not in base:
                    rng = derive(fold.seed, "init" if slot.kind == "weight" else "bias", fold.number, layer)
                    rows, columns = real.matrix
                    base[key] = base_draw(draw, rng, rows if slot.kind == "weight" else 1, columns)
                _fill(block, real, rule, base[key], step.gain)
    return out


def fit_parameters(lanes: Sequence[Lane], feed: Feed, shape: Shape, layout: Layout, start: np.ndarray) -> None:
    """Put what is fitted and not learned into the initial parameters (lanes, layout.total), in place."""
    fitted = [slot for slot in layout.slots if not slot.learned and not slot.own]
    for row, lane in zip(start, lanes, strict=True):
        f, preprocess = lane.fold, lane.recipe.preprocess
        for slot in fitted:
            step = shape.steps(lane.recipe)[slot.op]

            def decide(slot: Slot = slot, step: PlannedOp = step, f: int = f, by: Any = preprocess) -> np.ndarray:
                target = feed.target.cpu().numpy()[feed.folds[f].fold.train]
                value = step.op.fit(slot.kind, step.layer, feed.training_columns(f, by), target)
                assert value is not None
                return value

            row[slot.start : slot.start + slot.size[1]] = feed.fitted((f, preprocess, slot.kind, step.layer), decide)


def rate_factors(lanes: Sequence[Lane], widths: Sequence[int], layout: Layout) -> np.ndarray | None:
    """The factor of the rate of every parameter of every lane, (lanes, slots) float64; None where all are 1.

    widths: as `initial_parameters` has them: a unit's inputs are those that its fold really has.
    """
    if any(slot.rate != 1 for slot in layout.slots):
        return np.array([[slot.rate for slot in layout.slots]] * len(lanes))
    if not any(lane.recipe.rate_factors.active for lane in lanes):
        return None
    first = layout.slots[layout.weights[0]].op
    slots = {width: [slot.cut(layout.inputs - width) for slot in layout.slots] for width in set(widths)}

    def factor(lane: Lane, slot: Slot) -> float:
        fan_in = None if slot.fans is None else slot.fans.fan_in
        return lane.recipe.rate_factors.of(slot.kind, fan_in=fan_in, first_layer=slot.op == first)

    return np.array([[factor(lane, slot) for slot in slots[widths[lane.fold]]] for lane in lanes])


def _fill(block: np.ndarray, slot: Slot, rule: Any, base: np.ndarray, gain: float) -> None:
    """Initial values of one weight or bias."""
    assert slot.fans is not None
    fans = slot.fans._replace(gain=gain)
    if slot.kind == "bias":
        block[:, : slot.size[1]] = rule.biases(base[0], fans)
    elif len(slot.size) == 2:
        block[: slot.size[0], : slot.size[1]] = rule.weights(base, fans)
    else:
        block[...] = rule.weights(base, fans).T.reshape(slot.size)


def initial_moments(values: LaneValues, layout: Layout) -> np.ndarray:
    """Running moments (lanes, layout.moment_total): means 0, variances as the normalization says."""
    moments = np.zeros((len(values.steps), layout.moment_total))
    for number, (_, var, width) in layout.moments.items():
        moments[:, var : var + width] = np.array(values.of_op[number].initial_variance)[:, None]
    return moments


def renamed_state(arrays: Mapping[str, np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
    """The arrays of a pack's state under the names of a pack whose rows have these `names`.

    Checkpoints of format 1 have letters for the rows of optimizers; u served two families.
    """
    letters = {"m": [FIRST_MOMENT], "v": [SECOND_MOMENT], "u": [LARGEST_SECOND_MOMENT, STEP_MOMENT]}
    return {new: array for name, array in arrays.items() for new in letters.get(name, [name]) if new in names}


def rows_to_measure(folds: Sequence[Fold], most: int) -> np.ndarray:
    """Training rows (folds, rows) that initial weights are measured on; a smaller part repeats its own."""
    size = align(min(most, *(len(fold.train) for fold in folds)))
    order = [derive(fold.seed, "lsuv", fold.number).permutation(fold.train) for fold in folds]
    return np.stack([np.resize(part, size) for part in order])


def unit_variance(
    forward: Forward, lanes: Sequence[Lane], x: Flow, parameters: Sequence[Tensor], moments: Tensor
) -> None:
    """LSUV (Mishkin & Matas 2016), in place: scale each layer's weights in turn so that its sums have variance 1."""
    rows = len(x[0])  # of a lane
    weight = torch.full((len(lanes), 1, rows), 1 / rows, dtype=moments.dtype, device=moments.device)
    batch = BatchContext(weight, [rows] * len(lanes), 1, {}, frozen=True)
    chosen = [i for i, lane in enumerate(lanes) if lane.recipe.init.unit_variance]
    for number in forward.layout.weights:
        slot, view = forward.layout.slots[number], parameters[number]

        def rescale(sums: Flow, slot: Slot = slot, view: Tensor = view) -> None:
            for lane in chosen:
                z = sums[lane] if isinstance(sums, list) else sums[lane][:, : slot.matrix[1]]
                view[lane].mul_(lsuv_factor(z.var(correction=0)))

        for _ in range(LSUV_ROUNDS):
            forward(x, parameters, moments, batch, until=(slot.op, rescale))


def _own_sums(z: Tensor, rows: int, real: int, units: int) -> Tensor:
    """The sums (rows, units) of the rows that are not repeated, of `rows` in all, and of all their views."""
    z = z.unflatten(0, (-1, rows))[:, :real]  # (views, rows, units of a layer or of a head)
    heads = units > z.shape[2]
    return z.movedim(1, 0).flatten(1) if heads else z.flatten(0, 1)[:, :units]


def unit_deviation(
    forward: Forward, lanes: Sequence[Lane], folds: Sequence[Fold], x: Flow, real: Sequence[int],
    parameters: Sequence[Tensor], moments: Tensor,
) -> None:  # fmt: skip
    """What `DataDriven` says, in place: each unit's weights divided by the standard deviation of its sums, and its bias
    drawn from them, layer by layer. x: the inputs of `rows_to_measure`, of which the first `real` ones of a lane are
    not repeated."""
    rows = max(len(part) for part in x)  # of a lane, repeated ones too
    weight = torch.zeros(len(lanes), 1, rows, dtype=moments.dtype, device=moments.device)
    for i, count in enumerate(real):
        weight[i, :, :count] = 1 / count
    batch = BatchContext(weight, real, 1, {}, frozen=True)
    chosen = [i for i, lane in enumerate(lanes) if lane.recipe.init.unit_deviation]
    slots = forward.layout.slots
    biases = {slot.op: i for i, slot in enumerate(slots) if slot.kind == "bias"}
    for layer, number in enumerate(forward.layout.weights):
        slot, view = slots[number], parameters[number]

        def fit(sums: Flow, layer: int = layer, slot: Slot = slot, view: Tensor = view) -> None:
            units = slot.matrix[1]
            for i in chosen:
                z = sums[i]
                images = z.dim() == 4  # (rows, channels, H, W), without rows that are repeated
                z = z.movedim(1, -1).flatten(0, -2) if images else _own_sums(z, rows, real[i], units)  # (rows, units)
                factor = deviation_factor(z.std(0, correction=0))
                if images:
                    view[i].mul_(factor[:, None, None, None])
                else:
                    view[i][:, :units].mul_(factor)
                rule: Any = lanes[i].recipe.init
                if slot.op in biases and rule.bias_rows:
                    fold = folds[lanes[i].fold]
                    rng = derive(fold.seed, "bias", fold.number, layer)
                    rows_of, shares = bias_draw(rng, len(z), rule.bias_rows, units)
                    at = torch.from_numpy(rows_of).to(z.device)
                    mean = (z.gather(0, at) * torch.from_numpy(shares).to(z)).sum(0) * factor
                    parameters[biases[slot.op]][i, 0, :units] = -mean

        forward(x, parameters, moments, batch, until=(slot.op, fit))
