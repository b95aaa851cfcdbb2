"""Draws of dropout depend on seed, fold, update and operation, and on nothing else."""

import numpy as np
import pytest
import torch

from tenfold.data.split.folds import Fold
from tenfold.engine.packs.dropout_masks import DRAWN, Draws, updates_per_draw

FOLDS = [Fold(np.arange(4), np.arange(4, 6), number, 3) for number in range(3)]


@pytest.mark.parametrize(
    ("numbers", "updates"), [(1, 16), (DRAWN // 16, 16), (DRAWN // 16 + 1, 8), (DRAWN, 1), (10**9, 1)]
)
def test_small_draws_are_made_together(numbers, updates):
    assert updates_per_draw(numbers) == updates
    assert updates_per_draw(numbers) * numbers <= max(DRAWN, numbers)


@pytest.mark.parametrize("shape", [(8, 16), (64, 200)])
def test_an_update_has_its_draws_in_any_order_and_beside_any_folds(shape):
    device = torch.device("cpu")
    forward, alone = Draws(FOLDS, device), Draws(FOLDS[1:2], device)
    inward = [forward(2, update, shape).clone() for update in range(20)]
    assert all(0 <= float(x.min()) <= float(x.max()) < 1 for x in inward)
    for update in (17, 3, 16, 0):
        assert torch.equal(alone(2, update, shape)[0], inward[update][1])
    assert len({float(x.sum()) for x in inward}) == 20
    assert not torch.equal(forward(4, 0, shape), inward[0])
    assert not torch.equal(inward[0][0], inward[0][1])
