"""Mean targets of levels: as scikit-learn's TargetEncoder, fitted out of fold, in both engines and in a model."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

import tenfold
from tenfold.data.feed.encode import fit_encoding
from tenfold.data.feed.moments import training_moments, training_quantiles
from tenfold.data.feed.target_means import (
    SMOOTH,
    fit_target_means,
    level_means,
    mean_columns,
    target_columns,
)
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

ROWS = 240
RNG = np.random.default_rng(0)
CITY = RNG.integers(0, 40, ROWS)
SIZE = RNG.normal(size=ROWS)
EFFECT = RNG.normal(size=40)
FRAME = pd.DataFrame(
    {"city": [f"c{c}" for c in CITY], "size": SIZE, "few": np.where(SIZE > 0, "up", "down"), "rank": CITY % 11}
)
FRAME.loc[::19, "city"] = None
NUMBER = EFFECT[CITY] + 0.1 * SIZE
TARGETS = {
    "two classes": np.where(NUMBER > 0, "yes", "no"),
    "three classes": np.digitize(NUMBER, [-0.5, 0.5]),
    "numbers": NUMBER,
}
targets = pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
PLAIN = {"network": {"hidden": [8]}, "optimizer": {"adam": {"lr": 0.02}}, "batch_size": 16, "epochs": 6}

DEEP = {
    "network": {"hidden": [8], "embedding": "pbld", "scale": True, "activation": "selu"}, "init": "data_driven",
    "integers": "categories",
}  # fmt: skip


def recipe(**changes):
    return Recipe.from_dict({**PLAIN, "categories": "target_means", **changes})


def problem(y, **options):
    return understand(FRAME, y).problem(3, seed=1, **options)


@targets
def test_means_are_those_of_scikit_learn(y):
    found = problem(y)
    columns, classes = target_columns(found.y, len(found.classes)), len(found.classes)
    assert columns.shape[1] == (classes if classes > 2 else 1)
    assert found.inputs.large_categories == [0]
    codes, size = found.inputs.codes[:, 0], found.inputs.sizes[0]
    train, rest = np.arange(160), np.arange(160, ROWS)
    ours = level_means(codes[train], size, columns[train])[codes[rest]]
    kind = "continuous" if not classes else "binary" if classes == 2 else "multiclass"
    encoder = TargetEncoder(target_type=kind, smooth=SMOOTH).fit(codes[train, None], found.y[train])
    np.testing.assert_allclose(ours, encoder.transform(codes[rest, None]), rtol=1e-10, atol=1e-12)


def test_a_level_without_rows_has_the_mean_of_all():
    table = level_means(np.array([0, 0, 1]), 4, np.array([[1.0], [3.0], [8.0]]))
    np.testing.assert_allclose(table[:, 0], [(4 + 40) / 12, (8 + 40) / 11, 4, 4])


@targets
def test_training_rows_get_the_means_of_other_training_rows(y):
    found = problem(y)
    columns, train = target_columns(found.y, len(found.classes)), np.arange(160)
    means, given = fit_target_means(found.inputs, columns, train, None, np.random.default_rng(5))
    np.testing.assert_array_equal(given[160:], mean_columns(found.inputs, means)[160:])
    order = np.random.default_rng(5).permutation(160) % 5
    codes, size = found.inputs.codes[:, 0], found.inputs.sizes[0]
    for part in range(5):
        mine, others = train[order == part], train[order != part]
        np.testing.assert_array_equal(given[mine], level_means(codes[others], size, columns[others])[codes[mine]])
    # No number of a row depends on its own target.
    for row in (3, 77):
        changed = columns.copy()
        changed[row] += 1e3
        after = fit_target_means(found.inputs, changed, train, None, np.random.default_rng(5))[1]
        np.testing.assert_array_equal(after[row], given[row])
        same = train[order == order[row]]
        np.testing.assert_array_equal(after[same], given[same])


def test_rows_that_belong_together_stay_in_one_part():
    found = problem(NUMBER)
    units, train = np.arange(ROWS) // 8, np.arange(ROWS)
    columns = target_columns(found.y, 0)
    given = fit_target_means(found.inputs, columns, train, units, np.random.default_rng(0))[1]
    changed = columns.copy()
    changed[units == 4] += 1e3
    after = fit_target_means(found.inputs, changed, train, units, np.random.default_rng(0))[1]
    np.testing.assert_array_equal(after[units == 4], given[units == 4])
    alone = fit_target_means(found.inputs, columns, train, np.zeros(ROWS, int), np.random.default_rng(0))
    np.testing.assert_array_equal(alone[1], mean_columns(found.inputs, alone[0]))


@targets
@pytest.mark.parametrize("integers", ["numbers", "categories"])
def test_the_size_is_known_before_anything_is_fitted(y, integers):
    found = problem(y)
    chosen = recipe(integers=integers)
    view, size = found.view(chosen), found.size.of(chosen)
    assert size.inputs == view.width
    assert {len(encoding.medians) for encoding in view.encodings} == {size.numbers}
    of_categories = 2 if integers == "categories" else 1  # the rank has eleven values
    assert size.numbers - found.inputs.numbers.shape[1] == of_categories * (
        len(found.classes) if len(found.classes) > 2 else 1
    )
    assert found.view(recipe(categories="one_hot")) is found.plain


def test_nothing_of_validation_rows_is_in_a_view():
    found = problem(NUMBER)
    fold = found.folds[0]
    y = found.y.copy()
    y[fold.validation] *= 1e16
    after = tenfold.problem.problem.replace(found, y=y).view(recipe())
    before = found.view(recipe())
    np.testing.assert_array_equal(after.columns[0], before.columns[0])
    again = fit_encoding(before.of_fold(0), fold.train)
    np.testing.assert_array_equal(before.encodings[0].medians, again.medians)


@pytest.mark.parametrize("integers", ["numbers", "categories"])
def test_a_view_is_fitted_as_if_all_its_columns_were_one_table(integers):
    view = problem(NUMBER).view(recipe(integers=integers))
    for f, fold in enumerate(view.folds):
        whole = view.of_fold(f)
        encoding = fit_encoding(whole, fold.train)
        moments = training_moments(whole, [fold], [encoding])[0]
        np.testing.assert_array_equal(view.encodings[f].matrix(whole), encoding.matrix(whole))
        for found, expected in zip(view.moments[f][:5], moments[:5], strict=True):
            # Sums of blocks of rows are merged in another order.
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(view.quantiles[f], training_quantiles(whole, [fold])[0])


@pytest.mark.parametrize("preprocess", ["standardize", "robust_clip", "whiten_pca"])
@targets
def test_no_leak_is_found(preprocess, y):
    found = tenfold.audit(recipe(preprocess=preprocess, epochs=1, integers="categories"), FRAME, y, folds=3)
    assert found.clean, found.report()


def trained(found, chosen, engine):
    feed = found.feed([chosen], torch.device("cpu"), torch.float64)
    lanes = [Lane(chosen, 0, fold) for fold in range(3)]
    made = make_lanes(lanes, Shape.of(chosen, found.size, found.folds), feed, engine=engine, threads=1)
    while made.update < 40:
        made.run_epoch(last=40)
    return [*made.evaluate(), made.w.numpy()]


@pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)
@targets
@pytest.mark.parametrize("preprocess", ["standardize", "robust_clip", "pca"])
@pytest.mark.parametrize("changes", [{}, {"integers": "categories"}, DEEP], ids=["plain", "integers", "embedded"])
def test_both_engines_train_the_same(y, preprocess, changes):
    chosen = recipe(**{**changes, "preprocess": preprocess})
    for one, two in zip(*(trained(problem(y), chosen, engine) for engine in ("packs", "compiled")), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-10)


@targets
@pytest.mark.parametrize("keep", ["refit", "ensemble"])
def test_a_model_predicts_the_same_when_it_is_loaded(tmp_path, y, keep):
    space = tenfold.Space.from_dict({**PLAIN, "categories": "target_means", "integers": "categories"})
    model = tenfold.search(space, FRAME, y, trials=1, folds=KFold(3)).refit(keep)
    model.save(tmp_path / "m")
    again = tenfold.load(tmp_path / "m")
    new = FRAME.assign(city="never seen")
    for rows in (FRAME, new):
        np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    assert any(name.endswith("means1") for name in read_bundle(tmp_path / "m").preprocess_arrays)


def test_a_matrix_of_ranks_has_means_too(tmp_path):
    x = np.column_stack([CITY % 11, SIZE])
    space = tenfold.Space.from_dict({**PLAIN, "categories": "target_means", "integers": "categories"})
    model = tenfold.search(space, x, TARGETS["two classes"], trials=1, folds=3).refit()
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(tenfold.load(tmp_path / "m").predict_proba(x), model.predict_proba(x))


@pytest.mark.parametrize(
    "change",
    [
        {"mean_categories": np.array([9])},
        {"mean_categories": np.array([-1])},
        {"mean_categories": np.array([0, 0])},
        {"means0": None},
        {"means0": np.zeros((3, 1))},
        {"means0": np.zeros(42)},
        {"means0": np.full((42, 1), np.nan)},
        {"means1": np.zeros((42, 1))},
    ],
    ids=["no category", "negative", "twice", "missing", "few codes", "flat", "not finite", "one more"],
)
def test_other_means_in_a_model_are_refused(tmp_path, change):
    space = tenfold.Space.from_dict({**PLAIN, "categories": "target_means", "epochs": 1})
    tenfold.search(space, FRAME, NUMBER, trials=1, folds=2).refit().save(tmp_path / "m")
    whole = read_bundle(tmp_path / "m")
    arrays = {name: array for name, array in (whole.preprocess_arrays | change).items() if array is not None}
    write_bundle(
        tmp_path / "m", spec=whole.spec, arrays=whole.arrays, schema=whole.schema, preprocess=whole.preprocess,
        preprocess_arrays=arrays, card=whole.card, meta=whole.meta,
    )  # fmt: skip
    with pytest.raises(tenfold.TenfoldError):
        tenfold.load(tmp_path / "m")


def test_a_search_finds_them_where_levels_are_many():
    space = tenfold.Space.from_dict({**PLAIN, "categories": ["one_hot", "target_means"], "epochs": 20})
    city = np.arange(1800) % 300  # six rows of each
    y = RNG.normal(size=300)[city] + 0.1 * RNG.normal(size=1800)
    frame = pd.DataFrame({"city": [f"c{c}" for c in city], "noise": RNG.normal(size=1800)})
    found = tenfold.search(space, frame, y, trials=2, folds=3, seed=0)
    assert found.best.categories == "target_means"


def test_images_refuse_it():
    images = RNG.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8)
    with pytest.raises(tenfold.BadInput, match="categories: target_means is for the columns of a table"):
        tenfold.cross_validate([recipe()], images, np.arange(40) % 2, folds=2)


def test_the_plan_names_such_categories(tmp_path):
    FRAME.assign(y=NUMBER).to_csv(tmp_path / "cities.csv", index=False)

    def notes(**space):
        space = tenfold.Space.from_dict({**PLAIN, **space})
        settings = Settings(data=str(tmp_path / "cities.csv"), target="y", space=space, trials=4)
        return [note for note in make_plan(prepare(settings), 1).notes if "target" in note]

    both = ["one_hot", "target_means"]
    assert notes(categories=both) == ["categories of many levels are also tried as mean targets: city (38 levels)"]
    wide = notes(categories="target_means", integers="categories")
    assert wide == ["categories of many levels are also taken as mean targets: city (38 levels), rank (11 levels)"]
    assert notes() == []
    FRAME[["size", "few"]].assign(y=NUMBER).to_csv(tmp_path / "cities.csv", index=False)
    assert notes(categories=both) == ["no category has 9 levels or more, so categories: target_means changes nothing"]
