"""What every operation of a network promises to those that cost, pack, initialize and export it."""

import math
import subprocess
import sys
import typing

import numpy as np
import pytest
import torch
from torch import nn

from tenfold.engine.operations import OPERATIONS
from tenfold.engine.operations.activation import ActivationOp, PooledActivationOp
from tenfold.engine.operations.bins import BinsOp
from tenfold.engine.operations.column_map import ColumnMapOp
from tenfold.engine.operations.convolution import ConvOp
from tenfold.engine.operations.dense import DenseOp
from tenfold.engine.operations.dropout import DropoutOp
from tenfold.engine.operations.flatten import FlattenOp
from tenfold.engine.operations.global_pooling import GlobalPoolOp
from tenfold.engine.operations.lookup import LookupOp
from tenfold.engine.operations.maxout import MaxoutOp
from tenfold.engine.operations.normalization import NormalizeOp
from tenfold.engine.operations.operation import MATRICES, Operands, padded
from tenfold.engine.operations.parametric import ParametricOp
from tenfold.engine.operations.periodic import PeriodicOp
from tenfold.engine.operations.pooling import PoolOp
from tenfold.engine.operations.prelu import PReLUOp
from tenfold.engine.operations.residual import ResidualBegin, ResidualEnd
from tenfold.engine.operations.scale import ScaleOp
from tenfold.engine.operations.views import HeadsOp, ViewsOp
from tenfold.recipe.layers import Dropout, Layer, Scale, Views
from tenfold.rules.activations import ELU, Maxout, Parametric, PReLU, Tanh
from tenfold.rules.activations.base import ActivationRule
from tenfold.rules.embeddings import PBLD, PL, PLE, LinearReLU
from tenfold.rules.normalization import BatchNorm, GroupNorm, LayerNorm
from tenfold.rules.views import ViewMean

IMAGE = (9, 8, 6)
LANES, ROWS = 3, 32
# what enters, and operations in order, each with the layer that its values come from
EXAMPLES = {
    "dense": (7, [(DenseOp(7, 5, True), None)]),
    "dense without bias": (70, [(DenseOp(70, 50, False, 3), None)]),
    "convolution": (IMAGE, [(ConvOp(IMAGE, (5, 4, 4), 5, 2, 2, True), None)]),
    "convolution of one pixel": (IMAGE, [(ConvOp(IMAGE, (5, 4, 4), 1, 2, 0, False, 2), None)]),
    "batch norm": (7, [(NormalizeOp(7, 0), BatchNorm(eps=0.1))]),
    "batch norm of images": (IMAGE, [(NormalizeOp(IMAGE, 0), BatchNorm(average="cumulative"))]),
    "layer norm": (7, [(NormalizeOp(7, 1), LayerNorm())]),
    "group norm of images": (IMAGE, [(NormalizeOp(IMAGE, 3), GroupNorm(groups=3))]),
    "activation": (7, [(ActivationOp(7), ELU(alpha=0.3))]),
    "activation of images": (IMAGE, [(ActivationOp(IMAGE), Tanh())]),
    "prelu": (7, [(PReLUOp(7, 1), PReLU(start=0.1))]),
    "prelu by channel": (IMAGE, [(PReLUOp(IMAGE, 6), PReLU(per="channel"))]),
    "parametric": (7, [(ParametricOp(7), Parametric())]),
    "parametric by channel": (IMAGE, [(ParametricOp(IMAGE), Parametric(of="selu"))]),
    "maxout": (14, [(MaxoutOp(7, 2), Maxout())]),
    "maxout of images": (IMAGE, [(MaxoutOp((9, 8, 2), 3), Maxout(pieces=3))]),
    "dropout": (7, [(DropoutOp(7, False), Dropout(rate=0.5))]),
    "dropout of channels": (IMAGE, [(DropoutOp(IMAGE, True), Dropout(rate=0.5))]),
    "max pool": (IMAGE, [(PoolOp(IMAGE, (4, 4, 6), "max", 2, 2), None)]),
    "average pool": (IMAGE, [(PoolOp(IMAGE, (7, 6, 6), "average", 3, 1), None)]),
    "global average": (IMAGE, [(GlobalPoolOp(IMAGE, "average"), None)]),
    "global max": (IMAGE, [(GlobalPoolOp(IMAGE, "max"), None)]),
    "flatten": (IMAGE, [(FlattenOp(IMAGE), None)]),
    "scale": (7, [(ScaleOp(7), Scale())]),
    "waves with phases": (9, [(PeriodicOp(5, 1, 4, 4, 3, True), PBLD(frequencies=3))]),
    "waves": (9, [(PeriodicOp(5, 1, 6, 4, 3, False), PL(frequencies=3))]),
    "bins": (9, [(BinsOp(5, 1, 6, 4), PLE(bins=6))]),
    "map of columns": (17, [(ColumnMapOp(5, 3, 2, 2, 1, False), PBLD(frequencies=2, size=2))]),
    "rectified map of columns": (5, [(ColumnMapOp(5, 1, 6, 0, 0, True), LinearReLU(size=6))]),
    "lookup": (9, [(LookupOp(3, (5, 2), 4), None)]),
    "views": (7, [(ViewsOp(7, 2), Views()), (HeadsOp(7, 3, 2), ViewMean("softmax"))]),
    "views of rates": (5, [(ViewsOp(5, 3), Views()), (HeadsOp(5, 1, 3), ViewMean("exp"))]),
    "residual": (7, [(ResidualBegin(7), None), (DenseOp(7, 7, True), None), (ResidualEnd(None, 7), None)]),
    "residual with a shortcut": (IMAGE, [
        (ResidualBegin(IMAGE), None), (PoolOp(IMAGE, (5, 4, 6), "average", 1, 2), None),
        (ResidualEnd(ConvOp(IMAGE, (5, 4, 6), 1, 2, 0, False), (5, 4, 6)), None),
    ]),
}  # fmt: skip


def test_every_layer_is_planned_as_an_operation():
    for layer in typing.get_args(Layer):
        assert issubclass(layer, ActivationRule) or layer in OPERATIONS, layer


def test_every_operation_has_an_example():
    shown = {type(op) for _, steps in EXAMPLES.values() for op, _ in steps}
    assert shown == {*OPERATIONS.values(), ActivationOp, ResidualEnd, HeadsOp, LookupOp}


def drawn(op, rng):
    """Parameters of all lanes, a (L, *stored) tensor a slot, 0 in the padding; and running moments."""
    parameters = []
    for slot in op.slots():
        assert len(slot.size) == len(slot.stored)
        assert all(size <= stored for size, stored in zip(slot.size, slot.stored, strict=True))
        stored = torch.zeros(LANES, *slot.stored, dtype=torch.float64)
        slot.real(stored).copy_(torch.from_numpy(rng.normal(size=(LANES, *slot.size))))
        parameters.append(stored)
    moments = torch.from_numpy(rng.uniform(0.5, 2, (2, LANES, 1, op.moment_width)))
    return parameters, tuple(moments) if op.moment_width else None


def kinds(op, parameters, moments, lane):
    """One lane's arrays by kind, as `build_module` takes them."""
    arrays = {slot.kind: slot.real(p)[lane].numpy() for slot, p in zip(op.slots(), parameters, strict=True)}
    arrays = {kind: array if kind in MATRICES else array[0] for kind, array in arrays.items()}
    if moments is not None:
        count = arrays["gamma"].size
        mean, var = (moment[lane, 0, :count].numpy() for moment in moments)
        arrays |= {"running_mean": mean, "running_var": var}
    return arrays


def column(values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def inputs(size, rng):
    """The same numbers for one network (lanes, rows, ...) and as they flow through a pack."""
    if isinstance(size, tuple):
        alone = torch.from_numpy(rng.normal(size=(LANES, ROWS, size[2], *size[:2])))
        return alone, list(alone)
    alone = torch.from_numpy(rng.normal(size=(LANES, ROWS, size)))
    return alone, nn.functional.pad(alone, (0, padded(size) - size))


def shape_of(size):
    return (size[2], *size[:2]) if isinstance(size, tuple) else (size,)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_module_computes_what_the_lanes_compute(name):
    size, steps = EXAMPLES[name]
    rng = np.random.default_rng(0)
    alone, h = inputs(size, rng)
    if name == "lookup":  # whole numbers
        alone, h = alone.abs(), h.abs()
    stacks, remembered = [[[]] for _ in range(LANES)], []
    for op, layer in steps:
        parameters, moments = drawn(op, rng)
        for lane, stack in enumerate(stacks):
            op.extend(stack, layer, kinds(op, parameters, moments, lane))
        values = op.lane_values([layer] * LANES, column)
        h = op.forward(h, Operands(parameters, values, moments, None, None, remembered))
        size = op.output_size or size
        modules = nn.Sequential(*op.modules(layer, kinds(op, parameters, moments, 0)))
        assert op.parameter_count == sum(p.numel() for p in modules.parameters())
    for lane, stack in enumerate(stacks):
        expected = nn.Sequential(*stack[0]).double().eval()(alone[lane])
        assert expected.shape[1:] == shape_of(size)
        found = h[lane] if isinstance(h, list) else h[lane][:, :size]
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        assert isinstance(h, list) or bool((h[lane][:, size:] == 0).all() or isinstance(op, NormalizeOp | ActivationOp))


@pytest.mark.parametrize(("op", "layer"), [step for _, steps in EXAMPLES.values() for step in steps])
def test_counts_and_costs(op, layer):
    assert op.name.replace(" ", "").isalpha()
    assert op.output_count == (0 if op.output_size is None else math.prod(shape_of(op.output_size)))
    work = op.work(layer)
    assert work.weights == op.parameter_count == sum(math.prod(slot.size) for slot in op.slots() if slot.learned)
    assert all(value >= 0 for value in vars(work).values())
    assert all(op.initial_value(slot.kind, layer) is None or slot.fans is None for slot in op.slots())


def test_a_monotone_activation_is_pooled_first_without_a_difference():
    pool = PoolOp(IMAGE, (4, 4, 6), "max", 2, 2)
    _, images = inputs(IMAGE, np.random.default_rng(1))
    op = ActivationOp(IMAGE)
    layers = [ELU(alpha=0.3), Tanh(), Tanh()]
    lanes = Operands((), op.lane_values(layers, column), None, None, None, [])
    together = PooledActivationOp(IMAGE, pool).forward(images, lanes)
    for one, other in zip(together, pool.forward(op.forward(images, lanes), lanes), strict=True):
        assert torch.equal(one, other)


def test_plans_and_costs_need_no_torch():
    code = """
import sys
from tenfold.engine.plan.cost import recipe_seconds
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe
recipe = Recipe(network={"layers": ["conv", "batch_norm", "relu"]})
assert recipe_seconds(recipe, Size(192, 2, (8, 8, 3)), rows=9, folds=3) > 0
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
