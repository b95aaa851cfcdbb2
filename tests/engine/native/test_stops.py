"""An order to stop is seen inside an operation of an update, not only between operations."""

import time

import numpy as np
import pytest
import torch
from plain import make_feed

from tenfold.data.split.folds import Fold
from tenfold.engine.native import solo_lanes
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.solo_lanes import SoloLanes
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.plan.shape import Shape
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe

pytestmark = pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)

ROWS, COLUMNS = 20_000, 100
# The same update at any of these moments, as shares of its time; in networks whose operations are few and long.
MOMENTS = [0.1, 0.25, 0.4, 0.55, 0.7, 0.85]
NETWORKS = {
    "dense maps": {"hidden": [800]},
    "activations": {"hidden": [800, 8], "activation": "mish"},
    "a block": {"layers": [{"dense": 400}, {"residual": [{"dense": 4}, "relu", {"dense": 400}]}, "relu"]},
}


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_a_full_batch_is_stopped_soon(network, monkeypatch):
    """Within a tenth of the update's own time, where a single operation takes a quarter to a third: the time that the
    processor works is counted, since other programs may hold it up."""
    recipe = Recipe.from_dict({"network": network, "batch_size": "full", "epochs": 9})
    x = np.random.default_rng(0).normal(size=(ROWS + 10, COLUMNS))
    folds = [Fold(np.arange(10, ROWS + 10), np.arange(10), 0, 1)]
    feed = make_feed(x, (x[:, 0] > 0).astype(np.int64), folds, torch.float32)
    lanes = SoloLanes([Lane(recipe, 0, 0)], Shape.of(recipe, Size(COLUMNS, 2), folds), feed, threads=1)
    asked = []

    def at(moment):
        def tick():
            if not asked and time.process_time() - begun < moment:
                return "go on"
            asked.append(time.process_time())
            return "stop"

        return tick

    run = solo_lanes.run_side_by_side
    monkeypatch.setattr("tenfold.engine.native.threads.LOOK_SECONDS", 0.002)
    assert lanes.run_epoch()
    begun = time.process_time()
    assert lanes.run_epoch()
    whole, late = time.process_time() - begun, []
    for share in MOMENTS:
        asked.clear()

        def ordered(work, threads, tick, share=share):
            nonlocal begun
            begun = time.process_time()
            return run(work, threads, at(share * whole))

        monkeypatch.setattr(solo_lanes, "run_side_by_side", ordered)
        if not lanes.run_epoch():
            late.append(time.process_time() - asked[0])
    assert len(late) > 3
    assert np.median(late) < 0.1 * whole, (late, whole)
