"""The bits of a lane are its own: whatever the threads, its neighbours, how far it is trained ahead, when it is
stopped, what is kept of the data, and from which checkpoint it goes on."""

import numpy as np
import pytest
import torch
from plain import make_feed

from tenfold.data.feed.encode import Inputs, matrix_inputs, pixel_inputs
from tenfold.data.feed.level_rows import table_rows
from tenfold.data.split.folds import Fold
from tenfold.engine.native import lane_data, solo_lanes, threads
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.solo_lanes import SoloLanes
from tenfold.engine.packs.lane_states import lane_rows
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe

pytestmark = pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)

ROWS, COLUMNS, CLASSES, UPDATES = (
    130,
    6,
    3,
    34,
)  # four epochs and a part of a fifth, not of the same length on all folds
OF_ONE_SHAPE = {
    "adam": {"weight_average": 0.9},
    "momentum, plateau": {"optimizer": {"momentum": {"lr": 0.05}}, "decay": {"plateau": {"patience": 1}}},
    "amsgrad, whitened": {"optimizer": {"amsgrad": {"lr": 3e-3}}, "preprocess": "whiten_pca"},
    "adadelta, clipped": {"optimizer": {"adadelta": {"lr": 1.0}}, "clip_norm": 0.2, "max_norm": 0.9, "l1": 1e-3},
    "look ahead": {"optimizer": {"nesterov": {"lr": 0.02, "form": "look_ahead"}}, "weight_decay": 0.01},
    "diverges": {"optimizer": {"sgd": {"lr": 1e200}}},
    "lion, cosine": {"optimizer": {"lion": {"lr": 1e-3}}, "decay": {"cosine": {"warmup": 0.2}}, "weight_decay": 0.1},
    "rates and schedules": {
        "rate_factors": {"bias": 0.1, "fan_in": True},
        "dropout_schedule": "flat_cos",
        "weight_decay": 0.1,
        "weight_decay_schedule": {"linear": 0.1},
        "decay": "coslog",
        "optimizer": {"adamw": {"lr": 0.04}},
    },
}
NETWORK = {"hidden": [13, 9], "normalization": "batch", "dropout": 0.3}
ACTIVATIONS = ["relu", "tanh", "gelu", "elu", "sigmoid", "relu", "mish", "selu"]
KINDS = ["numbers", "gaps and categories", "pixels"]
DTYPES = [torch.float64, torch.float32]


def recipes():
    plain = {"optimizer": {"adam": {"lr": 3e-3}}, "batch_size": 11, "epochs": 8}
    return [
        Recipe.from_dict({**plain, "network": {**NETWORK, "activation": activation}, **changes})
        for activation, changes in zip(ACTIVATIONS, OF_ONE_SHAPE.values(), strict=True)
    ]


def unequal_folds():
    order = np.random.default_rng(5).permutation(ROWS)
    parts = [order[:41], order[41:86], order[86:]]
    return [
        Fold(np.sort(np.concatenate(parts[:k] + parts[k + 1 :])), np.sort(part), k, 7) for k, part in enumerate(parts)
    ]


def rows_of(kind):
    """Inputs and classes. Of some gaps and categories only some folds have a column, so their widths differ."""
    rng, folds = np.random.default_rng(3), unequal_folds()
    x = rng.normal(size=(ROWS, COLUMNS)) * np.arange(1, COLUMNS + 1) + 5
    y = np.digitize(np.sin(x[:, 0]) + 0.3 * x[:, 1], [-0.5, 1.5]).astype(np.int64)
    if kind == "numbers":
        return matrix_inputs(x), y
    if kind == "pixels":
        return pixel_inputs(rng.integers(0, 256, (ROWS, 4, 3, 2)).astype(np.uint8)), y
    x[rng.random(ROWS) < 0.2, 1] = np.nan
    x[folds[2].validation, 3] = np.nan
    codes = np.stack([rng.integers(0, 4, ROWS), rng.integers(0, 2, ROWS)], 1)
    codes[folds[0].validation, 1] = 3
    names = tuple(f"n{i}" for i in range(COLUMNS))
    # the last two are embedded
    codes = np.hstack([codes, rng.integers(0, 15, (ROWS, 1)), rng.integers(0, 40, (ROWS, 1))])
    return Inputs(x, codes, names, (6, 5, 15, 40), ("a", "b", "c", "d"), np.ones(COLUMNS, bool)), y


def feed_of(kind, dtype=torch.float32):
    return make_feed(*rows_of(kind), unequal_folds(), dtype, scatter=True, embedded=kind == "gaps and categories")


def lanes_of(feed, keep=None, engine=SoloLanes, **options):
    """The lanes of all recipes on all folds, or of some (recipe, fold)."""
    made, folds = recipes(), unequal_folds()
    encoding = feed.folds[0].encoding
    tables = tuple(table_rows(len(rows)) for _, rows in encoding.levels)
    width, numbers = max(part.encoding.width for part in feed.folds), len(encoding.medians)
    size = Size(width, CLASSES, feed.image, numbers, tables=tables)
    shape = Shape.of(made[0], size, folds)
    assert all(Shape.of(recipe, size, folds) == shape for recipe in made)
    lanes = [Lane(recipe, n, f) for n, recipe in enumerate(made) for f in range(3) if keep is None or (n, f) in keep]
    return engine(lanes, shape, feed, **options)


def go_on(lanes, last=UPDATES, tick=None):
    """Train to update `last`; by lane, what was to be seen after every epoch, and how often it was stopped."""
    seen, stops = {}, 0
    with np.errstate(all="ignore"):
        while lanes.update < last:
            if not lanes.run_epoch(tick, last) if tick else not lanes.run_epoch(last=last):
                stops += 1
                continue
            losses, outputs, bad = lanes.train_loss(), lanes.evaluate(), lanes.bad.tolist()
            for i, lane in enumerate(lanes.lanes):
                found = [losses[i].tobytes(), outputs[i].tobytes()] if bad[i] < 0 else [bad[i]]
                seen.setdefault((lane.number, lane.fold), []).append((lanes.update, *found))
    return seen, stops


def state_of(lanes):
    """The bits of every lane's state, by name."""
    return {
        (lane.number, lane.fold): {name: row[i].numpy().tobytes() for name, row in lanes.rows.items()}
        for i, lane in enumerate(lanes.lanes)
    }


def assert_same(found, expected):
    """What two trainings have seen and where they have come to: for the lanes of the first one, whose rows of state may
    be fewer."""
    (seen, state), (other_seen, other_state) = found, expected
    for key, epochs in seen.items():
        assert epochs == other_seen[key], key
        for name, bits in state[key].items():
            assert bits == other_state[key][name], (key, name)


@pytest.fixture(scope="module", params=[(kind, dtype) for kind in KINDS for dtype in DTYPES], ids=str)
def trained(request):
    """A kind of rows, a dtype, and what one thread makes of all lanes, epoch by epoch."""
    lanes = lanes_of(feed_of(*request.param), threads=1)
    seen, _ = go_on(lanes)
    bad = lanes.bad.tolist()
    diverged = list(OF_ONE_SHAPE).index("diverges")
    assert all((b >= 0) == (lane.number == diverged) for b, lane in zip(bad, lanes.lanes, strict=True))
    assert len({len(part.fold.train) for part in lanes.feed.folds}) > 1
    if request.param[0] == "gaps and categories":
        assert len({part.encoding.width for part in lanes.feed.folds}) > 1
    return *request.param, (seen, state_of(lanes))


@pytest.mark.parametrize("count", [2, 3])
def test_threads(trained, count):
    kind, dtype, expected = trained
    lanes = lanes_of(feed_of(kind, dtype), threads=count)
    seen, _ = go_on(lanes)
    assert_same((seen, state_of(lanes)), expected)


def test_neighbours(trained):
    """Alone, among some, and with others that have trained the same feed before."""
    kind, dtype, expected = trained
    feed, rng = feed_of(kind, dtype), np.random.default_rng(1)
    keys = list(expected[0])
    for size in (1, 1, 1, 1, 4, 9):
        keep = {keys[i] for i in rng.choice(len(keys), size, replace=False)}
        lanes = lanes_of(feed, keep, threads=2)
        seen, _ = go_on(lanes)
        assert seen.keys() == keep
        assert_same((seen, state_of(lanes)), expected)


@pytest.mark.parametrize("seconds", [1e-9, 0.01, 1e3])
def test_how_far_ahead(trained, seconds, monkeypatch):
    """Update by update, some, and as many epochs as are allowed; those who leave on the way change nothing."""
    kind, dtype, expected = trained
    monkeypatch.setattr(solo_lanes, "AHEAD_SECONDS", seconds)
    lanes = lanes_of(feed_of(kind, dtype), threads=2, ahead=True)
    first, _ = go_on(lanes, lanes.per_epoch)
    second, _ = go_on(lanes, 2 * lanes.per_epoch) if seconds != 1e3 else ({}, 0)
    rest, _ = go_on(lanes)
    seen = {key: [*first[key], *second.get(key, []), *rest[key]] for key in rest}
    assert_same((seen, state_of(lanes)), expected)


def test_lanes_that_leave_while_others_are_ahead(trained, monkeypatch):
    kind, dtype, expected = trained
    monkeypatch.setattr(solo_lanes, "AHEAD_SECONDS", 1e3)
    lanes = lanes_of(feed_of(kind, dtype), {key for key in expected[0] if key[0] != 1}, threads=2, ahead=True)
    seen, most = {}, 0
    while lanes.update < UPDATES:
        assert lanes.run_epoch(last=UPDATES)
        most = max(most, len(lanes.made_ahead()))
        outputs, losses, bad = lanes.evaluate(), lanes.train_loss(), lanes.bad.tolist()
        for i, lane in enumerate(lanes.lanes):
            found = [losses[i].tobytes(), outputs[i].tobytes()] if bad[i] < 0 else [bad[i]]
            seen.setdefault((lane.number, lane.fold), []).append((lanes.update, *found))
        lanes.keep([not (lane.number == lanes.epoch and lane.fold == 1) for lane in lanes.lanes])
    assert most > 1
    for key, epochs in seen.items():
        assert epochs == expected[0][key][: len(epochs)], key
    state = state_of(lanes)
    assert len(state) < len(seen)
    for key, rows in state.items():
        assert all(bits == expected[1][key][name] for name, bits in rows.items()), key


def test_stopped_at_any_moment(trained, monkeypatch):
    """At once, and up to some milliseconds after it has begun: what had begun is made again."""
    kind, dtype, expected = trained
    monkeypatch.setattr(solo_lanes, "AHEAD_SECONDS", 1e3)
    rng, lanes = np.random.default_rng(2), lanes_of(feed_of(kind, dtype), threads=2, ahead=True)
    halted = 0

    def stopping(work, count, tick=None):
        nonlocal halted
        if tick is None:  # the end of a part of an epoch is evaluated
            return threads.run_side_by_side(work, count)
        # later than at once it may have ended by then
        monkeypatch.setattr(threads, "LOOK_SECONDS", 0.0 if halted < 3 else rng.choice([0.0, 1e-4, 1e-3]))
        done = threads.run_side_by_side(work, count, tick if halted >= 20 else lambda: "stop")
        halted += not done
        return done

    monkeypatch.setattr(solo_lanes, "run_side_by_side", stopping)
    seen, stops = go_on(lanes, tick=lambda: "go on")
    assert stops == halted >= 3
    assert_same((seen, state_of(lanes)), expected)


@pytest.mark.parametrize("most", [0, 20_000])
def test_what_is_kept_of_the_data(trained, most, monkeypatch):
    """Rows encoded one by one, and orders and draws that are made again."""
    kind, dtype, expected = trained
    monkeypatch.setattr(lane_data, "KEPT_BYTES", most)
    lanes = lanes_of(feed_of(kind, dtype), threads=2)
    seen, _ = go_on(lanes)
    source = lanes.shared.source(0, lanes.lanes[0].recipe.preprocess)
    assert (source.record.table is None) == (most == 0 or len(source.arrays) > 1)
    assert_same((seen, state_of(lanes)), expected)


@pytest.mark.parametrize("at", [5, 21])
def test_restored_in_the_middle_of_an_epoch(trained, at):
    kind, dtype, expected = trained
    first, second = (lanes_of(feed_of(kind, dtype), threads=2) for _ in range(2))
    assert at % first.per_epoch
    before, _ = go_on(first, at)
    second.restore(*first.state())
    after, _ = go_on(second)
    seen = {key: [*(e for e in before[key] if e[0] < at), *after[key]] for key in after}
    assert_same((seen, state_of(second)), expected)


@pytest.mark.parametrize("at", [5, 21])
def test_adopted_in_the_middle_of_an_epoch_by_other_neighbours(trained, at):
    kind, dtype, expected = trained
    first = lanes_of(feed_of(kind, dtype), threads=2)
    go_on(first, at)
    saved = lane_rows(*first.state())
    for keep in ({(0, 1)}, {(1, 0), (1, 2), (4, 1)}, {key for key in expected[0] if key[1] == 2}):
        second = lanes_of(feed_of(kind, dtype), keep, threads=2)
        second.adopt(saved)
        after, _ = go_on(second)
        expected_after = {key: [e for e in expected[0][key] if e[0] > at] for key in keep}
        assert_same((after, state_of(second)), (expected_after, expected[1]))


@pytest.mark.parametrize("order", [(Pack, SoloLanes), (SoloLanes, Pack)], ids=["pack first", "compiled first"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_engine_goes_on_from_a_checkpoint_of_the_other(kind, order):
    """In the middle of an epoch; to 1e-10 of an uninterrupted training by either."""
    feed = feed_of(kind, torch.float64)
    begun, ended, *whole = (lanes_of(feed, engine=engine) for engine in (*order, *order))
    go_on(begun, 21)
    assert begun.update % begun.per_epoch
    ended.restore(*begun.state())
    for lanes in (*whole, ended):
        go_on(lanes)
    good = [i for i, bad in enumerate(ended.bad.tolist()) if bad < 0]
    assert 0 < len(good) < len(ended.lanes)
    for lanes in whole:
        assert lanes.bad.tolist() == ended.bad.tolist()
        assert lanes.rows.keys() == ended.rows.keys()
        np.testing.assert_allclose(ended.train_loss()[good], lanes.train_loss()[good], rtol=1e-10)
        outputs, others = ended.evaluate(), lanes.evaluate()
        for i in good:
            arrays = lanes.parameters(i)
            pairs = [(outputs[i], others[i]), *((found, arrays[n]) for n, found in ended.parameters(i).items())]
            for found, expected in pairs:
                scale = max(1.0, float(np.abs(expected).max()))
                np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-10)


def test_lanes_with_views(monkeypatch):
    """Behind an embedding, on folds of different widths, by either engine."""
    monkeypatch.setitem(NETWORK, "views", 3)
    monkeypatch.setitem(NETWORK, "embedding", {"linear_relu": 3})
    kind, dtype = "gaps and categories", torch.float32
    lanes = lanes_of(feed_of(kind, dtype), threads=1)
    seen, _ = go_on(lanes)
    expected = kind, dtype, (seen, state_of(lanes))
    test_threads(expected, 3)
    test_neighbours(expected)
    test_how_far_ahead(expected, 0.01, monkeypatch)
    test_restored_in_the_middle_of_an_epoch(expected, 21)
    test_each_engine_goes_on_from_a_checkpoint_of_the_other(kind, (Pack, SoloLanes))
