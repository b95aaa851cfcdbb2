"""Embeddings in compiled lanes, on rows whose other columns pass by and differ between folds."""

import numpy as np
import pytest
import torch
from mixed_table import table
from plain import make_feed

from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.solo_lanes import SoloLanes
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe

pytestmark = pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)
NETWORKS = {
    "scale": {"hidden": [9], "scale": True},
    "pbld": {"hidden": [9], "embedding": {"pbld": {"frequencies": 3}}, "scale": True},
    "plr": {"hidden": [9], "embedding": {"plr": {"frequencies": 2, "size": 17, "sigma": 0.5}}},
    "ple": {"hidden": [9], "embedding": {"ple": 6}, "scale": True},
    "ple with a map": {"hidden": [9], "embedding": {"ple": {"bins": 9, "size": 5}}},
    "ple behind a scale": {"layers": ["scale", {"ple": {"bins": 4, "size": 3, "relu": False}}, {"dense": 7}, "tanh"]},
    "linear_relu behind a scale": {"layers": ["scale", {"linear_relu": 3}, {"dense": 7}, "tanh"]},
}


def lanes_of(network, dtype):
    x, y, folds = table()
    feed = make_feed(x, y, folds, dtype)
    widths = [part.encoding.width for part in feed.folds]
    assert len(set(widths)) > 1
    recipe = Recipe.from_dict(
        {"network": network, "optimizer": {"adam": {"lr": 3e-3}}, "batch_size": 16, "epochs": 30, "weight_average": 0.9}
    )
    shape = Shape.of(recipe, Size(max(widths), int(y.max()) + 1, None, x.numbers.shape[1]), folds)
    lanes = [Lane(recipe, 0, fold) for fold in range(len(folds))]
    return Pack(lanes, shape, feed), SoloLanes(lanes, shape, feed, threads=2)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)], ids=["64", "32"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_equals_packs(network, dtype, tolerance):
    pack, solo = lanes_of(network, dtype)
    for lanes in (pack, solo):
        while lanes.update < 24:
            assert lanes.run_epoch(last=24)
    for expected, found in zip(pack.evaluate(), solo.evaluate(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    for i in range(len(pack.lanes)):
        expected, found = pack.parameters(i), solo.parameters(i)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_part_of_a_turn(level, dtype):
    """Without whole turns, which float64 can say exactly; of huge numbers 0, of infinity NaN."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=500), rng.normal(size=500) * 1e4, [1e30, -1e30, np.inf, np.nan]]).astype(dtype)
    got = level.function("part_of_a_turn", level.aligned(x, dtype))[: len(x)]
    exact = x[:1000].astype(np.float64)
    expected = exact - np.round(exact)
    np.testing.assert_array_equal(got[:1000], expected.astype(dtype))
    np.testing.assert_array_equal(got[1000:], np.array([0, 0, np.nan, np.nan], dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "function"), [("cosine_of_a_turn", np.cos), ("sine_of_a_turn", np.sin)])
def test_waves_of_a_turn(level, dtype, name, function):
    rng = np.random.default_rng(1)
    t = np.concatenate([rng.uniform(-0.5, 0.5, 4000), [0, 0.25, -0.25, 0.5, -0.5], rng.normal(size=100) / 1e6]).astype(
        dtype
    )
    got = level.function(name, level.aligned(t, dtype))[: len(t)]
    off = np.abs(got - function(2 * np.longdouble("3.14159265358979323846264338327950288") * t.astype(np.longdouble)))
    assert off.max() < 2 * np.finfo(dtype).eps
    assert np.abs(got).max() <= 1 + np.finfo(dtype).eps
