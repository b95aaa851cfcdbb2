"""A lane of a user's module has the same bits whatever is beside it, and depends on its fold's training rows alone."""

import numpy as np
import pytest
import torch
from own_modules import Cnn, Lstm, mlp
from sklearn.datasets import load_iris
from torch import nn

import tenfold
from tenfold import BadInput, Module, Recipe
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.problem.from_arrays import understand


def odd(input_shape, outputs, width=5):
    """Numbers that fill no vector."""
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.Sigmoid(), nn.Linear(width, outputs))


def normed(input_shape, outputs, width=7):
    first = nn.BatchNorm1d(input_shape[0], momentum=None)
    return nn.Sequential(
        first, nn.Linear(input_shape[0], width), nn.BatchNorm1d(width), nn.GELU(), nn.Linear(width, outputs)
    )


def grows(input_shape, outputs):
    """More units where columns are fewer."""
    width = 20 - input_shape[0]
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.Tanh(), nn.Linear(width, outputs))


def with_gaps():
    x, y = load_iris(return_X_y=True)
    x = x.copy()
    x[[3, 70], 1] = x[120, 2] = x[5, 0] = np.nan
    return x, y


def packs(network, x, y, lanes, dtype=torch.float32):
    problem = understand(x, y).problem(4, seed=0)
    recipe = Recipe(network=network, optimizer="adamw", weight_decay=0.1, clip_norm=0.5, batch_size=16, epochs=5)
    feed = problem.feed([recipe], torch.device("cpu"), dtype)
    shape = Shape.of(recipe, problem.size, problem.folds)
    made = [Pack([Lane(recipe, *lane) for lane in some], shape, feed) for some in lanes]
    for pack in made:
        pack.run_epoch()
        pack.run_epoch(last=12)
    return problem, made


@pytest.mark.parametrize("network", [Module(odd), Module(normed), Module(mlp, width=6, rate=0.3, norm=True)])
def test_a_stacked_lane_has_the_same_bits_alone(network):
    every = [(number, fold) for number in range(3) for fold in range(4)]
    _, (whole, alone, few) = packs(network, *with_gaps(), (every, [(1, 2)], [(0, 1), (1, 2)]))
    assert whole.shape.ops[0].skeleton.ways.training
    place = next(i for i, lane in enumerate(whole.lanes) if (lane.number, lane.fold) == (1, 2))
    for name, array in whole.parameters(place).items():
        assert np.array_equal(array, alone.parameters(0)[name]), name
        assert np.array_equal(array, few.parameters(1)[name]), name
    assert np.array_equal(whole.evaluate()[place], alone.evaluate()[0])


def test_every_fold_has_a_module_for_its_own_columns():
    problem, (pack,) = packs(Module(normed), *with_gaps(), [[(0, fold) for fold in range(4)]])
    widths = [encoding.width for encoding in problem.encodings]
    assert len(set(widths)) > 1
    for lane, width in enumerate(widths):
        assert pack.parameters(lane)["0.module.0.weight"].shape == (width,)
        assert pack.parameters(lane)["0.module.1.weight"].shape == (7, width)
    torch.manual_seed(0)
    alone = Pack([Lane(pack.lanes[0].recipe, 0, 0)], pack.shape, pack.feed)
    first = alone.parameters(0)["0.module.1.weight"]
    assert np.abs(first).min() > 0
    assert np.abs(first).max() <= 1 / np.sqrt(widths[0])  # as torch draws it for so many inputs


@pytest.mark.parametrize("network", [Module(normed), Module(Lstm)])
def test_validation_rows_leave_no_trace(network):
    recipe = Recipe(network=network, optimizer="adamw", clip_norm=0.5, l1=1e-3, max_norm=1.0, batch_size=32, epochs=1)
    found = tenfold.audit(recipe, *with_gaps(), folds=2)
    assert found.clean, found.report()


def test_a_module_that_grows_where_columns_are_fewer_is_refused():
    with pytest.raises(BadInput, match="on a fold with"):
        tenfold.cross_validate(Recipe(network=Module(grows), epochs=1), *with_gaps(), folds=4, device="cpu")


def test_images_keep_their_shape():
    x = np.random.default_rng(0).random((24, 4, 4))
    problem = understand(x, np.arange(24) % 2).problem(2)
    recipe = Recipe(network=Module(Cnn), epochs=1)
    shape = Shape.of(recipe, problem.size, problem.folds)
    assert shape.ops[0].of_width(16) is shape.ops[0]
