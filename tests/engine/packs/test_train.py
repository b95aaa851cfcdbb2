"""The loop over a pack's epochs: where it ends, and what it asks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from tenfold import Recipe
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.packs.train import train
from tenfold.engine.plan.shape import Shape
from tenfold.problem.from_arrays import understand

PROBLEM = understand(*load_iris(return_X_y=True)).problem(3)  # 100 rows to train on: 5 updates an epoch


def pack(lr: float = 0.1) -> Pack:
    recipe = Recipe.from_dict({"network": {"hidden": [8]}, "optimizer": {"sgd": {"lr": lr}}, "batch_size": 20})
    feed = PROBLEM.feed([recipe], torch.device("cpu"), torch.float32)
    return Pack([Lane(recipe, 0, fold) for fold in range(3)], Shape.of(recipe, PROBLEM.size, PROBLEM.folds), feed)


def test_it_ends_at_an_update_or_when_the_lanes_have_left():
    some, epochs = pack(), []
    assert train(some, last=12, each_epoch=lambda: epochs.append(some.update))
    assert epochs == [5, 10, 12]
    assert train(some, last=12)
    assert some.update == 12
    assert train(some, each_epoch=lambda: some.keep([False] * 3) if some.update == 20 else None)
    assert some.update == 20


@pytest.mark.parametrize("order", ["stop", "late"])
def test_any_order_but_to_go_on_stops_it_and_nothing_is_lost(order):
    orders = iter(["go on"] * 7 + [order])
    stopped, straight = pack(), pack()
    assert not train(stopped, last=10, tick=lambda: next(orders))
    assert stopped.update == 7
    assert train(stopped, last=10)
    assert train(straight, last=10)
    np.testing.assert_array_equal(stopped.w, straight.w)


def test_it_ends_when_every_lane_has_diverged():
    wild = pack(lr=1e30)
    assert train(wild, last=1000)
    assert wild.update < 50
