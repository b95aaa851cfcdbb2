"""Embedded categories: which level has which row, in both engines, as nn.Embedding in plain torch, and in a model."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import KFold
from torch import nn

import tenfold
from tenfold.data.feed.batches import deal
from tenfold.data.feed.level_rows import LEAST_ROWS, MOST_LEVELS, rows_of_levels, table_rows
from tenfold.doctor.measure.lanes import lane_inputs, lane_module
from tenfold.doctor.measure.numbers.rows import RowBatch, standardized_inputs
from tenfold.engine.engines import make_lanes
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.operations.lookup import LEVEL_SIZE, LookupOp
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.problem.from_arrays import understand
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.recipe.recipe import Recipe
from tenfold.repair.repair_recipe import diagnose_recipe
from tenfold.run.plan import make_plan
from tenfold.store.bundle import read_bundle, write_bundle

ROWS = 240
RNG = np.random.default_rng(0)
CITY = RNG.integers(0, 40, ROWS)
SIZE = RNG.normal(size=ROWS)
EFFECT = RNG.normal(size=40)
FRAME = pd.DataFrame(
    {
        "city": [f"c{c}" for c in CITY], "size": SIZE, "few": np.where(SIZE > 0, "up", "down"), "rank": CITY % 11,
        "gap": np.where(RNG.random(ROWS) < 0.2, np.nan, SIZE + 1),
    }
)  # fmt: skip
FRAME.loc[::19, "city"] = None
NUMBER = EFFECT[CITY] + 0.1 * SIZE
TARGETS = {
    "two classes": np.where(NUMBER > 0, "yes", "no"),
    "three classes": np.digitize(NUMBER, [-0.5, 0.5]),
    "numbers": NUMBER,
}
targets = pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
PLAIN = {"network": {"hidden": [8]}, "optimizer": {"adam": {"lr": 0.02}}, "batch_size": 16, "epochs": 6}
NETWORKS = {
    "plain": {"network": {"hidden": [8], "dropout": 0.2, "input_dropout": 0.1}},
    "integers": {"integers": "categories", "weight_decay": 0.1},
    "pbld": {
        "network": {"hidden": [8], "embedding": "pbld", "scale": True, "activation": "selu"}, "init": "data_driven",
        "integers": "categories", "rate_factors": {"embedding": 0.1, "categories": 0.5},
    },
    "bins": {"network": {"hidden": [8], "embedding": {"ple": {"bins": 5, "size": 3}}, "views": 3}},
    "views": {"network": {"hidden": [8], "views": 3, "normalization": "batch"}},
    "linear": {"network": {"hidden": []}},
}  # fmt: skip


def recipe(**changes):
    return Recipe.from_dict({**PLAIN, "categories": "embedded", **changes})


def problem(y=NUMBER, frame=FRAME):
    return understand(frame, y).problem(3, seed=1)


def lanes_of(found, chosen, engine, dtype=torch.float64):
    feed = found.feed([chosen], torch.device("cpu"), dtype)
    lanes = [Lane(chosen, 0, fold) for fold in range(3)]
    return make_lanes(lanes, Shape.of(chosen, found.size, found.folds), feed, engine=engine, threads=1)


def test_a_level_has_a_row_where_it_is_not_rare():
    codes = np.repeat([0, 1, 2, 4, 5], [LEAST_ROWS, LEAST_ROWS - 1, 9, LEAST_ROWS, 7])  # 4 is missing, 5 unseen
    np.testing.assert_array_equal(rows_of_levels(codes, 6), [1, 0, 2, 0, 3, 0])
    assert table_rows(6) == 6


def test_of_too_many_levels_the_most_frequent_have_rows():
    codes = np.repeat(np.arange(MOST_LEVELS + 50), LEAST_ROWS)
    codes = np.concatenate([codes, np.arange(50, MOST_LEVELS + 50)])
    rows = rows_of_levels(codes, MOST_LEVELS + 52)
    np.testing.assert_array_equal(rows[:50], 0)
    np.testing.assert_array_equal(rows[50:-2], 1 + np.arange(MOST_LEVELS))
    assert table_rows(MOST_LEVELS + 52) == MOST_LEVELS + 1


def test_columns_are_numbers_rows_of_tables_and_the_rest():
    found = problem()
    chosen = recipe(integers="categories")
    view, size = found.view(chosen), found.size.of(chosen)
    names = view.inputs.categories
    assert [names[c] for c in view.inputs.large_categories] == ["city", "rank"]
    assert size.tables == (1 + 39 + 1, 1 + 11 + 1)
    for fold, encoding in zip(found.folds, view.encodings, strict=True):
        x = encoding.matrix(view.inputs)
        levels = [rows for _, rows in encoding.levels]
        for place, (category, rows) in enumerate(encoding.levels):
            np.testing.assert_array_equal(x[:, 3 + place], rows[view.inputs.codes[:, category]])
        assert levels[0].min() == 0
        assert levels[0].max() < size.tables[0] <= levels[1].min()
        assert levels[1].max() < sum(size.tables)
        np.testing.assert_array_equal(x[:, 5], FRAME.gap.isna())
        plain = found.view(recipe(categories="one_hot")).encodings[fold.number].matrix(found.inputs)
        few = found.inputs.categories.index("few")
        own = np.unique(found.plain.encodings[fold.number].slots[few])
        np.testing.assert_array_equal(x[:, 6:], plain[:, own.min() : own.max() + 1])
    assert size.inputs == view.width == max(encoding.width for encoding in view.encodings)
    assert found.view(recipe(categories="one_hot")) is found.plain
    np.testing.assert_array_equal(view.moments[0].mean, found.plain.moments[0].mean)


def test_other_rows_decide_nothing():
    for preprocess in ("standardize", "robust_clip", "whiten_pca"):
        chosen = recipe(preprocess=preprocess, epochs=1, integers="categories")
        found = tenfold.audit(chosen, FRAME, NUMBER, folds=3)
        assert found.clean, found.report()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("preprocess", ["standardize", "robust_clip", "pca"])
def test_what_enters_is_the_encoding(preprocess, dtype):
    found, chosen = problem(), recipe(preprocess=preprocess, integers="categories")
    view, feed = found.view(chosen), found.feed([chosen], torch.device("cpu"), dtype).of(chosen)
    keys = [(f, chosen.preprocess, chosen.augment) for f in range(3)]
    rows = torch.arange(ROWS)[None].repeat(3, 1)
    entering = feed.inputs(rows, feed.groups(keys)).numpy()
    for f, encoding in enumerate(view.encodings):
        expected = encoding.matrix(view.inputs)[:, 3:]
        np.testing.assert_array_equal(entering[f][:, 3 : encoding.width], expected)
        np.testing.assert_array_equal(entering[f][:, encoding.width :], 0)


@pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)
@targets
@pytest.mark.parametrize("changes", NETWORKS.values(), ids=NETWORKS)
def test_both_engines_train_the_same(y, changes):
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-3)):
        pack, solo = (lanes_of(problem(y), recipe(**changes), engine, dtype) for engine in ("packs", "compiled"))
        for made in (pack, solo):
            while made.update < 40:
                made.run_epoch(last=40)
        for one, two in zip(pack.evaluate(), solo.evaluate(), strict=True):
            np.testing.assert_allclose(one, two, rtol=tolerance, atol=tolerance)
        for i in range(3):
            expected, got = pack.parameters(i), solo.parameters(i)
            for name in expected:
                np.testing.assert_allclose(got[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_a_lane_of_a_pack_is_what_it_is_alone():
    found = problem()
    kinds = [recipe(), recipe(weight_decay=0.1), recipe(rate_factors={"categories": 3.0}, preprocess="min_max")]
    feed = found.feed(kinds, torch.device("cpu"), torch.float32)
    shape = Shape.of(kinds[0], found.size, found.folds)
    lanes = [Lane(kind, number, fold) for number, kind in enumerate(kinds) for fold in range(3)]
    together = Pack(lanes, shape, feed.of(kinds[0]))
    alone = [Pack([lane], shape, feed.of(kinds[0])) for lane in together.lanes]
    for pack in (together, *alone):
        while pack.update < 25:
            pack.run_epoch(last=25)
    for i, pack in enumerate(alone):
        np.testing.assert_array_equal(pack.parameters(0)["0.level"], together.parameters(i)["0.level"])
        np.testing.assert_array_equal(pack.evaluate()[0], together.evaluate()[i])


class Twin(nn.Module):
    """The network as anybody would write it in torch."""

    def __init__(self, arrays, tables, numbers):
        super().__init__()
        table = torch.from_numpy(arrays["0.level"]).view(-1, LEVEL_SIZE)
        self.tables = nn.ModuleList(
            nn.Embedding.from_pretrained(part.clone(), freeze=False) for part in table.split(tables)
        )
        self.first = nn.ParameterDict(
            {"w": torch.from_numpy(arrays["2.weight"]), "b": torch.from_numpy(arrays["2.bias"])}
        )
        self.last = nn.ParameterDict(
            {"w": torch.from_numpy(arrays["5.weight"]), "b": torch.from_numpy(arrays["5.bias"])}
        )
        self.starts, self.numbers = np.cumsum([0, *tables]), numbers

    def forward(self, x):
        n, behind = self.numbers, self.numbers + len(self.tables)
        found = [table(x[:, n + i].long() - self.starts[i]) for i, table in enumerate(self.tables)]
        h = torch.cat([x[:, :n], *found, x[:, behind:]], 1)
        return torch.relu(h @ self.first["w"] + self.first["b"]) @ self.last["w"] + self.last["b"]


def test_it_is_an_embedding_of_torch():
    chosen = recipe(
        integers="categories", weight_decay=0.05, rate_factors={"categories": 0.3}, optimizer={"adamw": 0.01}
    )
    found = problem()
    pack = lanes_of(found, chosen, "packs")
    shape, feed = pack.shape, pack.feed
    twins = [Twin(pack.parameters(i), shape.tables, shape.numbers) for i in range(3)]
    while pack.update < 30:
        pack.run_epoch(last=30)
    for f, (fold, twin) in enumerate(zip(found.folds, twins, strict=True)):
        lane = [lane.fold for lane in pack.lanes].index(f)
        width = feed.folds[f].encoding.width
        groups = feed.groups([(f, chosen.preprocess, chosen.augment)])
        rows = lambda part, f=f, g=groups, w=width: feed.inputs(torch.from_numpy(part)[None].repeat(3, 1), g)[0][:, :w]  # noqa: E731
        weights = [twin.first["w"], twin.last["w"]]
        optimizer = torch.optim.AdamW([
            {"params": weights, "weight_decay": 0.05},
            {"params": [twin.first["b"], twin.last["b"]], "weight_decay": 0.0},
            {"params": twin.tables.parameters(), "weight_decay": 0.0, "lr": 0.003},
        ], lr=0.01)  # fmt: skip
        mean, std = found.scale(f)
        for update in range(30):
            dealt, weight = deal(fold, shape.dealing, update // shape.dealing.updates)
            batch = dealt[update % shape.dealing.updates][weight[update % shape.dealing.updates] > 0]
            loss = nn.functional.mse_loss(twin(rows(batch))[:, 0], torch.from_numpy((found.y[batch] - mean) / std))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        np.testing.assert_allclose(twin(rows(fold.validation)).detach(), pack.evaluate()[lane], rtol=1e-9, atol=1e-9)


def test_where_it_starts():
    op = LookupOp(2, (40, 30), 5)
    table = op.draw("level", None, np.random.default_rng(0)).reshape(-1, LEVEL_SIZE)
    np.testing.assert_array_equal(table[[0, 40]], 0)
    rest = np.delete(table, [0, 40], 0)
    assert abs(rest.mean()) < 0.1
    assert abs(rest.std() - 1) < 0.1


def test_an_unseen_level_is_a_rare_one_and_else_the_middle_of_all():
    """Where no training row is rare, its row stays at zero."""
    frame, y = FRAME.assign(city=[f"c{c}" for c in CITY % 12]), NUMBER
    model = tenfold.search(tenfold.Space.from_dict(recipe().to_dict()), frame, y, trials=1, folds=3).refit()
    table = model.members[0].weights["0.level"].reshape(-1, LEVEL_SIZE)
    np.testing.assert_array_equal(table[0], 0)
    new = model.predict(frame.assign(city="never seen"))
    missing = model.predict(frame.assign(city=None))
    np.testing.assert_array_equal(new, missing)
    assert not np.allclose(new, model.predict(frame))
    often = tenfold.search(tenfold.Space.from_dict(recipe().to_dict()), FRAME, y, trials=1, folds=3).refit()
    assert not np.allclose(often.predict(FRAME.assign(city="never seen")), often.predict(FRAME.assign(city=None)))


@targets
@pytest.mark.parametrize("keep", ["refit", "ensemble"])
def test_a_model_predicts_the_same_when_it_is_loaded(tmp_path, y, keep):
    space = tenfold.Space.from_dict({**PLAIN, "categories": "embedded", "integers": "categories"})
    model = tenfold.search(space, FRAME, y, trials=1, folds=KFold(3)).refit(keep)
    model.save(tmp_path / "m")
    again = tenfold.load(tmp_path / "m")
    new = FRAME.assign(city="never seen")
    for rows in (FRAME, new):
        np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    member = again.members[0]
    x = torch.from_numpy(member.encode(again.inputs(FRAME)[0]))
    outputs = len(again.classes) or 1
    expected = member.network(outputs, None)(x).detach()
    np.testing.assert_allclose(member.compiled(outputs, None)(x.numpy()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"embedded_categories": np.array([9])},
        {"embedded_categories": np.array([-1])},
        {"embedded_categories": np.array([0, 0])},
        {"embedded_categories": np.array([1])},
        {"level_rows0": None},
        {"level_rows0": np.zeros(3, np.int64)},
        {"level_rows0": np.full(41, 41)},
        {"level_rows0": np.full(41, -1)},
        {"level_rows0": np.zeros(41)},
        {"level_rows1": np.zeros(41, np.int64)},
    ],
    ids=["none", "negative", "twice", "another", "missing", "few", "behind", "below", "fractions", "one more"],
)
def test_other_rows_in_a_model_are_refused(tmp_path, change):
    tenfold.search(tenfold.Space.from_dict(recipe(epochs=1).to_dict()), FRAME, NUMBER, trials=1, folds=2).refit().save(
        tmp_path / "m"
    )
    whole = read_bundle(tmp_path / "m")
    assert len(whole.preprocess_arrays["level_rows0"]) == 41
    arrays = {name: array for name, array in (whole.preprocess_arrays | change).items() if array is not None}
    write_bundle(
        tmp_path / "m", spec=whole.spec, arrays=whole.arrays, schema=whole.schema, preprocess=whole.preprocess,
        preprocess_arrays=arrays, card=whole.card, meta=whole.meta,
    )  # fmt: skip
    with pytest.raises(tenfold.TenfoldError):
        tenfold.load(tmp_path / "m")


def test_a_search_finds_it_where_levels_are_many():
    space = tenfold.Space.from_dict({**PLAIN, "categories": ["one_hot", "embedded"], "epochs": 20})
    city = np.arange(1800) % 300  # six rows of each
    y = RNG.normal(size=300)[city] + 0.1 * RNG.normal(size=1800)
    frame = pd.DataFrame({"city": [f"c{c}" for c in city], "noise": RNG.normal(size=1800)})
    found = tenfold.search(space, frame, y, trials=2, folds=3, seed=0)
    assert found.best.categories == "embedded"


def test_images_refuse_it():
    images = RNG.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8)
    with pytest.raises(tenfold.BadInput, match="categories: embedded is for the columns of a table"):
        tenfold.cross_validate([recipe()], images, np.arange(40) % 2, folds=2)


def test_modules_of_the_user_refuse_it():
    chosen = Recipe(network=tenfold.Module(lambda columns: nn.Linear(columns, 1)), categories="embedded", epochs=1)
    with pytest.raises(tenfold.BadInput, match="a layer of our own networks"):
        tenfold.cross_validate([chosen], FRAME, NUMBER, folds=2)


def test_the_plan_names_such_categories(tmp_path):
    FRAME.assign(y=NUMBER).to_csv(tmp_path / "cities.csv", index=False)

    def notes(**space):
        space = tenfold.Space.from_dict({**PLAIN, **space})
        settings = Settings(data=str(tmp_path / "cities.csv"), target="y", space=space, trials=4)
        return [note for note in make_plan(prepare(settings), 1).notes if "embed" in note]

    both = ["one_hot", "embedded"]
    assert notes(categories=both) == ["categories of many levels are tried as embeddings: city (38 levels)"]
    wide = notes(categories="embedded", integers="categories")
    assert wide == ["categories of many levels are taken as embeddings: city (38 levels), rank (11 levels)"]
    assert notes() == []
    FRAME[["size", "few"]].assign(y=NUMBER).to_csv(tmp_path / "cities.csv", index=False)
    assert notes(categories=both) == ["no category has 9 levels or more, so categories: embedded changes nothing"]


@pytest.mark.parametrize("preprocess", ["none", "standardize"])
def test_the_doctor_takes_rows_of_levels_for_no_numbers(preprocess):
    """Proofs that scale the inputs leave them alone."""
    frame = FRAME.assign(size=SIZE * 1e4)
    chosen = recipe(integers="categories", preprocess=preprocess, network={"hidden": [8], "embedding": "pbld"})
    found = diagnose_recipe(chosen, frame, TARGETS["two classes"], folds=3, budget=0.5, device="cpu")
    assert "rows of levels" not in str(found)
    lanes = lanes_of(problem(TARGETS["two classes"]), chosen, "packs")
    x, levels = lane_inputs(lanes, 0, np.arange(20))
    assert levels.dtype == torch.int64
    module = lane_module(lanes, lanes.lanes[0], lanes.w[:1], lanes.rows["moments"][0]).eval()
    expected = lanes.predict([np.arange(20)] * 3)[0]
    np.testing.assert_allclose(module(x, levels).detach(), expected, rtol=1e-10)
    part = RowBatch((x, levels), {}, torch.zeros(20))
    (scaled,), _ = standardized_inputs([part], None)
    assert torch.equal(scaled.inputs[1], levels)
    assert torch.isfinite(module(*scaled.inputs)).all()
