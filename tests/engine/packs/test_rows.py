"""Inputs made for several updates at once are those of each update alone, bit by bit."""

import pytest
import torch
from plain import make_pack
from sklearn.datasets import load_digits

from tenfold.data.split.folds import make_folds
from tenfold.engine.packs import rows
from tenfold.engine.packs.rows import Ahead
from tenfold.recipe.recipe import Recipe


@pytest.fixture(scope="module", params=["standardize", "whiten_zca", "robust_clip", "quantile_normal"])
def pack(request):
    x, y = load_digits(return_X_y=True)
    folds = make_folds(y[:400], 3, classification=True, seed=0)
    settings = [{"preprocess": request.param}, {"preprocess": "min_max"}]
    recipes = [Recipe.from_dict({"network": {"hidden": [8]}, "batch_size": 24, **more}) for more in settings]
    return make_pack(recipes, x[:400], y[:400], folds)


@pytest.mark.parametrize("most", [1, 10_000, 1 << 20])
def test_inputs_made_ahead_are_those_of_each_update(pack, most, monkeypatch):
    monkeypatch.setattr(rows, "INPUTS_AHEAD", most)  # one update at a time; a few, with a rest; all of an epoch
    plan = pack.batches.plan_epoch(0)
    ahead = Ahead(pack.feed, pack.batches.groups)
    updates = len(plan.rows)
    alone = [pack.feed.inputs(plan.rows[update], pack.batches.groups) for update in range(updates)]
    for update in [*range(updates), 2, updates - 1, 0]:
        assert torch.equal(ahead(plan.rows, update, update), alone[update])
    other = pack.batches.plan_epoch(1).rows  # the inputs of an epoch are not those of the next
    assert torch.equal(ahead(other, 0, updates), pack.feed.inputs(other[0], pack.batches.groups))
    assert not torch.equal(ahead(other, 0, updates), alone[0])
