"""Whole numbers of few values as categories: which columns, which codes, and the same as one-hot columns of pandas."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import KFold

import tenfold
from tenfold.data.feed.encode import fit_encodings, matrix_inputs, pixel_inputs
from tenfold.data.feed.integers import few_integers, with_categories
from tenfold.engine.engines import make_lanes
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.plan.shape import Shape
from tenfold.problem.from_arrays import understand
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.recipe.recipe import Recipe
from tenfold.run.plan import make_plan
from tenfold.store.bundle import read_bundle, write_bundle

ROWS = 150
RNG = np.random.default_rng(0)
RANK, FILE = RNG.integers(1, 9, ROWS), RNG.integers(-2, 4, ROWS)
SIZE = RNG.normal(size=ROWS)
X = np.column_stack([RANK, SIZE, FILE]).astype(float)
X[::17, 2] = np.nan
Y = ((RANK % 3 == 1) ^ (np.nan_to_num(X[:, 2]) % 2 == 0)).astype(np.int64)
PLAIN = {"network": {"hidden": [8]}, "optimizer": {"adam": {"lr": 0.02}}, "batch_size": 16, "epochs": 6}


def recipe(integers="categories", **changes):
    return Recipe.from_dict({**PLAIN, "integers": integers, **changes})


def problem():
    return understand(X, Y).problem(3, seed=1)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (RANK, True),
        (RANK * 1000, True),
        (np.where(RANK == 3, np.nan, RANK), True),
        (RANK % 2, False),  # two values say as much as a number
        (RANK + 0.5, False),
        (np.arange(ROWS) % 50, True),
        (np.arange(ROWS) % 51, False),
        (np.full(ROWS, np.nan), False),
        (np.r_[RANK[:-1], 2.5], False),
    ],
)
def test_whole_numbers_of_3_to_50_values_may_be_categories(values, found, monkeypatch):
    monkeypatch.setattr("tenfold.data.feed.integers.SAMPLE", 100)
    inputs = matrix_inputs(np.column_stack([SIZE, values]).astype(float))
    integers = few_integers(inputs)
    assert [column for column, _ in integers] == [1] * found
    for _, levels in integers:
        np.testing.assert_array_equal(levels, np.unique(values[~np.isnan(values)]))


def test_pixels_are_no_categories():
    assert few_integers(pixel_inputs(RNG.integers(0, 4, (20, 3, 3, 1)).astype(np.uint8))) == ()


def test_the_codes_are_levels_then_missing_then_unseen():
    inputs = matrix_inputs(X)
    integers = few_integers(inputs)
    new = matrix_inputs(np.array([[8.0, 0.0, -2.0], [9.0, 0.0, np.nan], [1.5, 0.0, 0.0], [-1e300, 0.0, 3.0]]))
    wide = with_categories(new, integers)
    np.testing.assert_array_equal(wide.codes, [[7, 0], [9, 6], [9, 2], [9, 5]])
    assert wide.sizes == (10, 8)
    assert wide.categories == ("x0", "x2")
    np.testing.assert_array_equal(wide.numbers, new.numbers)


def test_a_matrix_is_that_of_one_hot_columns_of_pandas():
    found = problem()
    for encoding, fold in zip(found.view(recipe()).encodings, found.folds, strict=True):
        matrix = encoding.matrix(found.wide.inputs, fold.train)
        narrow = found.view(recipe("numbers")).encodings[fold.number].matrix(found.inputs, fold.train)
        np.testing.assert_array_equal(matrix[:, : narrow.shape[1]], narrow)
        frame = pd.DataFrame({"rank": RANK, "file": X[:, 2]}).astype(object).iloc[fold.train]
        expected = pd.get_dummies(frame, columns=["rank", "file"], dummy_na=True).to_numpy(float)
        hot = matrix[:, narrow.shape[1] :]
        hot, expected = (part[:, part.any(0)] for part in (hot, expected))
        np.testing.assert_array_equal(sorted(map(tuple, hot.T)), sorted(map(tuple, expected.T)))


def test_the_wide_encodings_are_those_of_the_wide_inputs():
    found = problem()
    again = fit_encodings(found.wide.inputs, [fold.train for fold in found.folds])
    for one, two in zip(found.wide.encodings, again, strict=True):
        assert one.width == two.width
        for mine, other in zip(one.slots, two.slots, strict=True):
            np.testing.assert_array_equal(mine, other)


def trained(found, chosen, among, engine):
    feed = found.feed(among, torch.device("cpu"), torch.float64)
    lanes = [Lane(chosen, 0, fold) for fold in range(3)]
    made = make_lanes(lanes, Shape.of(chosen, found.size, found.folds), feed, engine=engine, threads=1)
    while made.update < 40:
        made.run_epoch(last=40)
    return [*made.evaluate(), made.w.numpy()]


@pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)
@pytest.mark.parametrize("preprocess", ["standardize", "robust_clip", "pca"])
def test_both_engines_train_the_same(preprocess):
    chosen = recipe(preprocess=preprocess, network={"hidden": [8], "dropout": 0.2})
    for one, two in zip(
        *(trained(problem(), chosen, [chosen], engine) for engine in ("packs", "compiled")), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("engine", ["packs", "compiled"])
def test_numbers_have_the_same_bits_beside_categories(engine):
    if engine == "compiled" and compiled_lanes().missing:
        pytest.skip(compiled_lanes().missing)
    plain, other = recipe("numbers"), recipe()
    for one, two in zip(
        *(trained(problem(), plain, among, engine) for among in ([plain], [other, plain])), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_a_search_tries_both_and_names_that_count_are_learned():
    space = tenfold.Space.from_dict({**PLAIN, "integers": ["numbers", "categories"], "epochs": 30})
    found = tenfold.search(space, X, Y, trials=2, folds=3, seed=0)
    assert found.best.integers == "categories"


@pytest.mark.parametrize("frame", [False, True])
@pytest.mark.parametrize("keep", ["refit", "ensemble"])
def test_a_model_predicts_the_same_when_it_is_loaded(tmp_path, frame, keep):
    x = pd.DataFrame(X, columns=["rank", "size", "file"]).assign(land=np.where(RANK > 4, "a", "b")) if frame else X
    space = tenfold.Space.from_dict({**PLAIN, "integers": "categories"})
    found = tenfold.search(space, x, Y, trials=1, folds=KFold(3))
    model = found.refit(keep)
    model.save(tmp_path / "m")
    again = tenfold.load(tmp_path / "m")
    new = x.copy()
    (new.loc.__setitem__((0, "rank"), 77) if frame else new.__setitem__((0, 0), 77))  # never seen
    for rows in (x, new):
        np.testing.assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))
    names = read_bundle(tmp_path / "m").preprocess_arrays
    assert any(name.endswith("integer_values1") for name in names)


def test_images_refuse_it():
    images = RNG.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8)
    with pytest.raises(tenfold.BadInput, match="integers: categories is for the columns of a table"):
        tenfold.cross_validate([recipe()], images, np.arange(40) % 2, folds=2)


@pytest.mark.parametrize(
    "change",
    [
        {"integer_columns": np.array([0, 0])},
        {"integer_columns": np.array([0, 9])},
        {"integer_columns": np.array([0])},
        {"integer_columns": np.array([0.5, 2.0])},
        {"integer_values1": None},
        {"integer_values1": np.zeros(6)},
        {"integer_values1": np.arange(5.0)},
        {"integer_values7": np.arange(5.0)},
    ],
    ids=str,
)
def test_other_integers_in_a_model_are_refused(tmp_path, change):
    space = tenfold.Space.from_dict({**PLAIN, "integers": "categories", "epochs": 1})
    tenfold.search(space, X, Y, trials=1, folds=2).refit().save(tmp_path / "m")
    whole = read_bundle(tmp_path / "m")
    arrays = {name: array for name, array in (whole.preprocess_arrays | change).items() if array is not None}
    write_bundle(
        tmp_path / "m", spec=whole.spec, arrays=whole.arrays, schema=whole.schema, preprocess=whole.preprocess,
        preprocess_arrays=arrays, card=whole.card, meta=whole.meta,
    )  # fmt: skip
    with pytest.raises(tenfold.TenfoldError):
        tenfold.load(tmp_path / "m")


def test_the_plan_names_such_columns(tmp_path):
    pd.DataFrame(X, columns=["rank", "size", "file"]).assign(y=Y).to_csv(tmp_path / "board.csv", index=False)

    def notes(space):
        settings = Settings(
            data=str(tmp_path / "board.csv"), target="y", space=tenfold.Space.from_dict(space), trials=2
        )
        return [note for note in make_plan(prepare(settings), 1).notes if "whole numbers" in note]

    both = {**PLAIN, "integers": ["numbers", "categories"]}
    assert notes(both) == ["whole numbers of few values are tried as numbers and as categories: rank (8), file (6)"]
    assert notes({**PLAIN, "integers": "categories"})[0].startswith(
        "whole numbers of few values are taken as categories"
    )
    assert notes(PLAIN) == []
    (tmp_path / "board.csv").write_text("size,y\n" + "".join(f"{x},{y}\n" for x, y in zip(SIZE, Y, strict=True)))
    assert notes(both) == ["no column has 3 to 50 whole numbers, so integers: categories changes nothing"]
