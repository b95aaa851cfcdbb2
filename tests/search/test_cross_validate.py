"""`cross_validate`: table, trials and out-of-fold predictions agree with each other and with scikit-learn."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from plain import make_pack, run
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import accuracy_score, log_loss, r2_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, TimeSeriesSplit

import tenfold
from tenfold import BadInput, Recipe
from tenfold.data.feed.encode import Inputs
from tenfold.data.feed.randomness import derive_int
from tenfold.data.split.folds import make_folds
from tenfold.formatting import number as printed
from tenfold.problem.problem import Problem
from tenfold.rules.preprocessing import Standardize
from tenfold.statistics.metrics import METRICS

ROWS, FOLDS, EPOCHS = 90, 3, 5
X, Y = make_classification(ROWS, 5, n_informative=3, n_redundant=0, n_classes=3, n_clusters_per_class=1, random_state=0)
X[::7, 2] = np.nan
Y = Y.astype(np.int64)


def recipe(optimizer="adam", lr=0.02, **fields):
    network = {"hidden": [8], **fields.pop("network", {})}
    plain = {"network": network, "optimizer": {optimizer: {"lr": lr}}, "batch_size": 16, "epochs": EPOCHS}
    return Recipe.from_dict(plain | fields)


WILD = recipe("sgd", 1e30)
RECIPES = [
    recipe(), WILD, recipe("nesterov", 0.01, network={"activation": "tanh", "dropout": 0.3}), recipe(),
    recipe(network={"normalization": "batch", "activation": "elu"}, decay="cosine", preprocess="min_max"),
    recipe("rmsprop", 0.01, epochs=3, batch_size="full"),
]  # fmt: skip


@pytest.fixture(scope="module")
def result():
    return tenfold.cross_validate(RECIPES, X, Y, folds=FOLDS, seed=3)


@pytest.fixture(scope="module")
def folds():
    return make_folds(Y, FOLDS, classification=True, seed=3)


def test_the_table_has_a_line_a_recipe_in_the_order_given(result):
    assert [line["recipe"] for line in result.table] == RECIPES
    for number, line in enumerate(result.table):
        assert list(line) == ["recipe", "mean", "se", "scores", "outcomes", "epochs", "metrics"]
        assert line["metrics"] == pytest.approx({"accuracy": line["mean"]}, nan_ok=True)
        assert len(line["scores"]) == FOLDS
        if number != 1:
            assert line["mean"] == pytest.approx(np.mean(line["scores"]))
            assert line["se"] == pytest.approx(np.std(line["scores"], ddof=1) / math.sqrt(FOLDS))
            assert line["outcomes"] == {"ok": FOLDS}
            assert 1 <= line["epochs"] <= RECIPES[number].epochs
            assert line["mean"] > 0.3


def test_the_trials_are_those_of_the_table(result):
    assert len(result.trials) == len(RECIPES) * FOLDS
    for place, trial in enumerate(result.trials):
        number, fold = divmod(place, FOLDS)
        assert list(trial) == ["recipe", "fold", "seed", "score", "outcome", "epoch", "metrics", "curve"]
        assert (trial["recipe"], trial["fold"], trial["seed"]) == (number, fold, 3)
        assert trial["epoch"] == result.table[number]["epochs"]
        if number != 1:
            assert trial["outcome"] == "ok"
            assert trial["score"] == result.table[number]["scores"][fold]
            assert len(trial["curve"]) == RECIPES[number].epochs
            assert trial["curve"][trial["epoch"] - 1] == trial["score"]


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_epoch_is_the_best_of_the_fold_mean_curve(metric):
    found = tenfold.cross_validate([RECIPES[0], RECIPES[4]], X, Y, folds=FOLDS, metric=metric)
    for number, line in enumerate(found.table):
        mean = np.mean([trial["curve"] for trial in found.trials if trial["recipe"] == number], axis=0)
        best = mean.argmin() if metric == "log_loss" else mean.argmax()
        assert line["epochs"] == best + 1
        assert line["mean"] == pytest.approx(mean[best])


def test_what_diverges_says_so_and_has_no_score(result):
    line = result.table[1]
    assert line["outcomes"] == {"diverged": FOLDS}
    assert math.isnan(line["mean"])
    assert all(math.isnan(score) for score in line["scores"])
    assert np.isnan(result.out_of_fold[1]).all()
    assert {trial["outcome"] for trial in result.trials if trial["recipe"] == 1} == {"diverged"}


def test_out_of_fold_predictions_give_the_scores(result, folds):
    out = result.out_of_fold
    assert out.shape == (len(RECIPES), ROWS, 3)
    assert out.dtype == np.float32
    for number, line in enumerate(result.table):
        if number == 1:
            continue
        np.testing.assert_allclose(out[number].sum(1), 1, rtol=1e-6)
        for fold, score in zip(folds, line["scores"], strict=True):
            rows = fold.validation
            assert accuracy_score(Y[rows], out[number, rows].argmax(1)) == pytest.approx(score, abs=1e-12)


def test_equal_recipes_have_equal_results(result):
    assert result.table[0] == result.table[3]
    np.testing.assert_array_equal(result.out_of_fold[0], result.out_of_fold[3])


@pytest.mark.parametrize("number", [0, 2, 4, 5])
def test_a_recipe_alone_has_the_same_bits(result, number):
    alone = tenfold.cross_validate(RECIPES[number], X, Y, folds=FOLDS, seed=3)
    assert alone.table == [result.table[number]]
    np.testing.assert_array_equal(alone.out_of_fold[0], result.out_of_fold[number])


def test_the_order_of_recipes_does_not_matter(result):
    turned = tenfold.cross_validate(RECIPES[::-1], X, Y, folds=FOLDS, seed=3)
    for one, two in zip(turned.table[::-1], result.table, strict=True):
        assert repr(one) == repr(two)  # NaN where diverged


def test_the_seed_decides(result):
    assert tenfold.cross_validate(RECIPES[0], X, Y, folds=FOLDS, seed=4).table[0] != result.table[0]


def test_a_result_is_shown_in_a_line_a_recipe(result):
    head, *lines = repr(result).splitlines()
    assert head == f"CrossValidation: {len(RECIPES)} recipes x {FOLDS} folds, {ROWS} rows, accuracy"
    for line, row in zip(lines, result.table, strict=True):
        assert row["recipe"].describe() in line
        mean, _, se, *_ = line.split()
        assert (mean, se) == (printed(row["mean"]), printed(row["se"]))


def test_to_frame(result):
    frame = result.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["recipe", "mean", "se", "epochs", "score_0", "score_1", "score_2"]
    assert frame["mean"][0] == result.table[0]["mean"]


# ---- what it takes ----------------------------------------------------------------------------------------------


def test_frames_of_all_libraries_and_lists_of_mixed_columns():
    rng = np.random.default_rng(0)
    columns = {"n": rng.standard_normal(60).round(3), "c": rng.choice(["u", "v", "w"], 60)}
    y = np.where((columns["c"] == "u") ^ (columns["n"] > 0), "yes", "no")
    one, two = (tenfold.cross_validate(recipe(), frame(columns), y, folds=2) for frame in (pd.DataFrame, pl.DataFrame))
    assert one.table == two.table
    assert one.table[0]["mean"] > 0.4


@pytest.mark.parametrize(
    "splitter",
    [KFold(4), ShuffleSplit(2, test_size=0.3, random_state=0), TimeSeriesSplit(3)],
    ids=lambda s: type(s).__name__,
)
def test_scikit_learns_splitters(splitter):
    found = tenfold.cross_validate(recipe(), X, Y, folds=splitter)
    parts = [rows for _, rows in splitter.split(X)]
    assert len(found.table[0]["scores"]) == len(parts)
    unseen = np.setdiff1d(np.arange(ROWS), np.concatenate(parts))
    assert np.isnan(found.out_of_fold[0, unseen]).all()
    assert np.isfinite(np.delete(found.out_of_fold[0], unseen, 0)).all()


def test_number_of_folds_is_the_stratified_splitter_of_the_seed(result):
    state = derive_int(3, "folds", 0)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=state)
    alone = tenfold.cross_validate(RECIPES[0], X, Y, folds=splitter, seed=3)
    assert alone.table[0] == result.table[0]


def test_repeats_and_groups():
    found = tenfold.cross_validate(recipe(), X, Y, folds=2, repeats=2, seed=5)
    assert [(t["fold"], t["seed"]) for t in found.trials] == [(0, 5), (1, 5), (0, 6), (1, 6)]
    assert np.isfinite(found.out_of_fold).all()
    groups = np.arange(ROWS) // 9
    found = tenfold.cross_validate(recipe(), X, Y, folds=3, groups=groups)
    for fold in found.trained.problem.folds:
        assert not set(groups[fold.train]) & set(groups[fold.validation])


@pytest.mark.parametrize("name", ["roc_auc", "log_loss"])
def test_other_metrics_are_scikit_learns(name):
    y = (Y == 1).astype(int)
    found = tenfold.cross_validate(recipe(), X, y, folds=FOLDS, metric=name, seed=3)
    oracle = {"roc_auc": lambda t, p: roc_auc_score(t, p[:, 1]), "log_loss": log_loss}[name]
    for fold, score in zip(found.trained.problem.folds, found.table[0]["scores"], strict=True):
        rows = fold.validation
        assert score == pytest.approx(oracle(y[rows], found.out_of_fold[0, rows]), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipes": []}, "there are no recipes"),
        ({"recipes": ["adam"]}, "a str among the recipes"),
        ({"X": X[:, 0]}, "X has shape"),
        ({"X": X[:50]}, "50 rows and y has 90"),
        ({"X": np.where(np.isnan(X), np.inf, X)}, "infinite"),
        ({"y": np.zeros(ROWS, int)}, "one class only"),
        ({"y": np.where(np.arange(ROWS) == 4, np.nan, 1.0 * Y)}, r"y\[4\] is missing"),
        ({"folds": 1}, "folds is 1"),
        ({"folds": 200}, "fewer than 200 folds"),
        ({"metric": "rmse"}, "metric 'rmse'"),
        ({"task": "ranking"}, "task 'ranking'"),
        ({"device": "abacus"}, "abacus"),
        ({"recipes": recipe(loss="squared")}, "loss squared is for regression"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value.split()[0],
)
def test_what_cannot_be_used_is_refused(arguments, message):
    given = {"recipes": recipe(), "X": X, "y": Y, "folds": FOLDS} | arguments
    with pytest.raises(BadInput, match=message):
        tenfold.cross_validate(**given)


# ---- regression -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbers():
    x, y = make_regression(80, 4, n_informative=3, noise=5.0, random_state=0)
    return x, 1000 * y + 50_000


@pytest.mark.parametrize(("name", "oracle"), [("r2", r2_score), ("rmse", root_mean_squared_error)])
def test_scores_and_predictions_are_in_the_targets_unit(numbers, name, oracle):
    x, y = numbers
    found = tenfold.cross_validate(recipe(lr=0.05, epochs=15), x, y, folds=FOLDS, metric=name)
    assert found.out_of_fold.shape == (1, 80, 1)
    for fold, score in zip(found.trained.problem.folds, found.table[0]["scores"], strict=True):
        rows = fold.validation
        assert score == pytest.approx(oracle(y[rows], found.out_of_fold[0, rows, 0]), rel=1e-9)
    assert r2_score(y, found.out_of_fold[0, :, 0]) > 0.5


def test_the_unit_of_the_target_changes_nothing(numbers):
    x, y = numbers
    one, two = (tenfold.cross_validate(recipe(), x, t, folds=FOLDS) for t in (y, y / 1000))
    np.testing.assert_allclose(one.table[0]["scores"], two.table[0]["scores"], rtol=1e-5)


# ---- leaks ------------------------------------------------------------------------------------------------------


def test_validation_rows_cannot_touch_what_is_fitted():
    """Their inputs times 1e16 and other labels: the fold's encoding, moments, map and weights keep every bit."""
    rng = np.random.default_rng(0)
    folds = make_folds(Y, FOLDS, classification=True, seed=0)
    codes, metric = rng.integers(5, size=(ROWS, 1)), METRICS["accuracy"]

    def problem(x, y, codes):
        inputs = Inputs(x, codes, tuple(f"x{i}" for i in range(x.shape[1])), (7,), ("c",), np.ones(x.shape[1], bool))
        return Problem(inputs, y, ("a", "b", "c"), folds, metric)

    recipes = [RECIPES[0], RECIPES[2]]
    before, trained = problem(X, Y, codes), run(make_pack(recipes, X, Y, folds), 20)
    for f, fold in enumerate(folds):
        x, y, other = X.copy(), Y.copy(), codes.copy()
        x[fold.validation] = np.nan_to_num(x[fold.validation] + 1) * 1e16
        y[fold.validation] = (y[fold.validation] + 1) % 3
        other[fold.validation] = 6
        after = problem(x, y, other)
        np.testing.assert_array_equal(after.encodings[f].medians, before.encodings[f].medians)
        np.testing.assert_array_equal(after.encodings[f].slots[0], before.encodings[f].slots[0])
        assert after.encodings[f].width == before.encodings[f].width
        for one, two in zip(after.moments[f], before.moments[f], strict=True):
            np.testing.assert_array_equal(one, two)
        for one, two in zip(Standardize().fit(after.moments[f]), Standardize().fit(before.moments[f]), strict=True):
            np.testing.assert_array_equal(one, two)
        again = run(make_pack(recipes, x, y, folds), 20)
        for i, lane in enumerate(trained.lanes):
            if lane.fold == f:
                for one, two in zip(again.parameters(i), trained.parameters(i), strict=True):
                    for a, b in zip(one, two, strict=True):
                        np.testing.assert_array_equal(a, b)


def test_a_shuffled_target_is_not_learned():
    y = np.random.default_rng(0).permutation(np.arange(200) % 2)
    x = np.random.default_rng(1).standard_normal((200, 20))
    found = tenfold.cross_validate(recipe(epochs=3, batch_size=32), x, y, folds=5)
    assert abs(found.table[0]["mean"] - 0.5) < 0.15


def test_groups_of_another_length_are_refused():
    with pytest.raises(BadInput, match="groups has 3 values"):
        tenfold.cross_validate(recipe(), X, Y, groups=[1, 2, 3])


def test_a_column_that_gives_y_away_is_said(result):
    assert result.warnings == []
    assert "warning" not in repr(result)
    frame = pd.DataFrame(X, columns=list("abcde")).assign(y=np.array(["red", "green", "blue"])[Y])
    for data, name in ((frame, "column 'y'"), (np.c_[X, Y], "X[:, 5]")):
        found = tenfold.cross_validate(recipe(epochs=1), data, Y, folds=FOLDS)
        (warning,) = found.warnings
        assert warning.startswith(f"{name} alone predicts 100% of y")
        assert f"  warning: {name} alone" in repr(found)
    search = tenfold.search(tenfold.Space.from_dict({"epochs": 1}), frame, Y, trials=1, folds=FOLDS)
    assert search.warnings == [warning.replace("X[:, 5]", "column 'y'")]


def test_tensors_are_taken_as_arrays_are(result):
    found = tenfold.cross_validate(RECIPES[:1], torch.tensor(X), torch.tensor(Y), folds=FOLDS, seed=3)
    assert found.table[0]["scores"] == result.table[0]["scores"]


def test_a_space_must_be_one():
    said = r"the space is a dict\n  expected: a Space, or a list of recipes\n  try: tenfold.Space.from_dict"
    with pytest.raises(BadInput, match=said):
        tenfold.search({"epochs": [1, 2]}, X, Y)
