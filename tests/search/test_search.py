"""`search`, the refit, the saved model, time limits and baselines."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_regression
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tenfold
from tenfold import BadInput, Corrupt, Recipe, RunFailed, Space
from tenfold.checks.baselines import NAMES, run_baseline
from tenfold.data.feed.batches import Dealing
from tenfold.engine.native.solo_lanes import LaneWork
from tenfold.engine.packs.pack import Pack
from tenfold.model.refit import refit
from tenfold.problem.from_arrays import understand
from tenfold.search.leaderboard import leaderboard_row
from tenfold.store.bundle import MANIFEST

X, Y = load_iris(return_X_y=True)
LABELS = np.array(["setosa", "versicolor", "virginica"])[Y]
FIELDS = {"network": {"hidden": [8], "activation": ["relu", "tanh"]}, "batch_size": 20, "epochs": 6}
SPACE = Space.from_dict(FIELDS | {"optimizer": {"adam": {"lr": {"log_uniform": [1e-3, 1e-1]}}}})
STEEP = FIELDS | {"network": {"hidden": [8], "activation": "relu"}}
HOPELESS = Space.from_dict(STEEP | {"optimizer": {"sgd": {"lr": [1e30, 1e31]}}})
FRAME = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(leaf=np.where(X[:, 3] > 1, "broad", "narrow"))


@pytest.fixture(scope="module")
def found():
    return tenfold.search(SPACE, X, LABELS, trials=5, folds=3, seed=2)


@pytest.fixture(scope="module")
def model(found):
    return found.refit()


@pytest.fixture(scope="module")
def framed():
    return tenfold.search(SPACE, FRAME, LABELS, trials=2, folds=3).refit()


# ---- search -----------------------------------------------------------------------------------------------------


def test_recipes_are_the_sample_of_the_space(found):
    assert list(found.trained.recipes) == SPACE.sample(5, seed=2)
    direct = tenfold.cross_validate(SPACE.sample(5, seed=2), X, LABELS, folds=3, seed=2)
    assert [leaderboard_row(found.trained, n) for n in range(5)] == direct.table
    assert found.trials == direct.trials


def test_the_table_is_sorted_and_the_best_is_first(found):
    means = [line["mean"] for line in found.table]
    assert means == sorted(means, reverse=True)
    assert found.table[0]["recipe"] == found.best
    assert len(found.to_frame()) == 5


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
def test_lower_is_better_where_it_is(metric):
    again = tenfold.search(SPACE, X, LABELS, trials=3, folds=2, metric=metric)
    means = [line["mean"] for line in again.table]
    assert means == sorted(means, reverse=metric == "accuracy")


def test_a_diverged_recipe_never_wins():
    mixed = Space.from_dict(STEEP | {"optimizer": [{"sgd": {"lr": 1e30}}, {"adam": {"lr": [0.01, 0.02]}}]})
    table = tenfold.search(mixed, X, Y, trials=3, folds=2).table
    assert [math.isnan(line["mean"]) for line in table] == [False, False, True]


def test_all_diverged_is_a_failure_that_says_so():
    lost = tenfold.search(HOPELESS, X, Y, trials=2, folds=2)
    with pytest.raises(RunFailed, match="4 diverged") as caught:
        _ = lost.best
    assert "lower learning rate" in str(caught.value)
    with pytest.raises(RunFailed):
        lost.refit()
    assert len(lost.table) == 2


@pytest.mark.parametrize("engine", ["compiled", "packs"])
def test_what_lacks_memory_is_an_outcome_and_the_others_are_trained(engine, monkeypatch):
    """Of two networks one asks for more memory than any machine has."""
    small, large = (Recipe.from_dict({"network": {"hidden": [width]}, "epochs": 3}) for width in (8, 16))
    if engine == "packs":
        monkeypatch.setenv("TENFOLD_ENGINE", "packs")
        begin = Pack.run_epoch

        def run_epoch(pack, *args):
            if pack.lanes[0].recipe is large:
                torch.empty(1 << 60)
            return begin(pack, *args)

        monkeypatch.setattr(Pack, "run_epoch", run_epoch)
    else:
        work = LaneWork.__init__

        def widen(self, lanes, i):
            work(self, lanes, i)
            if lanes.lanes[0].recipe is large:
                self.record.batch = 1 << 56

        monkeypatch.setattr(LaneWork, "__init__", widen)
    found = tenfold.cross_validate([large, small], X, LABELS, folds=3)
    assert found.trained.ranking() == [1, 0]
    assert found.trained.outcomes(0) == {"out_of_memory": 3}
    assert found.trained.outcomes(1) == {"ok": 3}
    with pytest.raises(RunFailed, match=r"3 out_of_memory. Try a smaller batch_size"):
        tenfold.cross_validate([large], X, LABELS, folds=3).trained.best()


def test_no_time_at_all_is_a_timeout():
    late = tenfold.search(SPACE, X, Y, trials=3, folds=2, time_limit=0.0)
    assert late.trained.outcomes() == {"timeout": 6}
    with pytest.raises(RunFailed, match=r"6 timeout\. Try a longer time limit"):
        _ = late.best


def test_what_runs_out_of_time_keeps_the_scores_it_has():
    space = Space.from_dict(FIELDS | {"epochs": 50_000, "network": {"hidden": [4]}})
    late = tenfold.search(space, X, Y, trials=1, folds=2, time_limit=0.5)
    assert late.trained.outcomes() == {"timeout": 2}
    line = late.table[0]
    assert math.isfinite(line["mean"])
    curves = [trial["curve"] for trial in late.trials]
    assert 0 < len(curves[0]) == len(curves[1]) < 50_000
    mean = np.mean(curves, axis=0)
    assert line["epochs"] == np.flatnonzero(mean >= mean.max() - 1e-12)[-1] + 1
    assert late.best == late.trained.recipes[0]


# ---- refit and model --------------------------------------------------------------------------------------------


def test_the_refit_makes_the_updates_that_the_folds_chose(found, model):
    problem, line = found.trained.problem, found.table[0]
    per_epoch = Dealing.of(problem.folds, found.best.batch_size).updates
    whole = Dealing.of(problem.whole(2).folds, found.best.batch_size).updates
    assert model.updates == line["epochs"] * per_epoch
    assert model.epochs == pytest.approx(model.updates / whole)
    assert model.epochs < line["epochs"]
    assert model.recipe == found.best


def test_predictions_have_the_labels_that_were_given(model):
    p = model.predict_proba(X)
    assert p.shape == (150, 3)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)
    assert model.predict(X).tolist() == np.array(model.classes)[p.argmax(1)].tolist()
    assert (model.predict(X) == LABELS).mean() > 0.6
    assert len(model.predict(X[:0])) == 0


def test_the_module_is_the_network(model):
    import torch

    assert isinstance(model.module, torch.nn.Module)
    rows = torch.from_numpy(model.encode(model.inputs(X)[0]))
    assert torch.autograd.grad(model.module(rows).sum(), [model.module[0].weight])  # it may be trained further
    np.testing.assert_allclose(model.module(rows).softmax(-1).detach().numpy(), model.predict_proba(X), rtol=1e-5)


def test_a_row_alone_has_the_same_bits(model):
    together = model.predict_proba(X)
    np.testing.assert_array_equal(np.concatenate([model.predict_proba(X[i : i + 1]) for i in range(20)]), together[:20])
    np.testing.assert_array_equal(model.predict_proba(X[::-1])[::-1], together)


def test_refitting_again_gives_the_same_bits(found, model):
    again, weights = found.refit().members[0].weights, model.members[0].weights
    assert again.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(again[name], array)


def test_a_refit_that_diverges_fails_with_a_remedy(found):
    wild = Recipe.from_dict({"optimizer": {"sgd": {"lr": 1e30}}, "network": {"hidden": [8]}, "epochs": 3})
    with pytest.raises(RunFailed, match="clip_norm"):
        refit(found.trained.problem, wild, 3, seed=0)


@pytest.mark.parametrize("which", ["model", "framed"])
def test_saved_and_loaded_it_predicts_the_same_bits(which, request, tmp_path):
    saved = request.getfixturevalue(which)
    x = X if which == "model" else FRAME
    saved.save(tmp_path / "m")
    loaded = tenfold.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(x), saved.predict_proba(x))
    assert loaded.predict(x).tolist() == saved.predict(x).tolist()
    assert (loaded.recipe, loaded.classes, loaded.updates) == (saved.recipe, saved.classes, saved.updates)
    assert {path.suffix for path in (tmp_path / "m").iterdir()} <= {".json", ".safetensors", ".md"}


def test_a_changed_file_is_refused_by_name(model, tmp_path):
    model.save(tmp_path / "m")
    files = [path for path in sorted((tmp_path / "m").iterdir()) if path.name != MANIFEST]
    assert len(files) >= 4
    for path in files:
        raw = path.read_bytes()
        path.write_bytes(raw[:-2] + bytes([raw[-2] ^ 1]) + raw[-1:])
        with pytest.raises(Corrupt, match=path.name):
            tenfold.load(tmp_path / "m")
        path.write_bytes(raw)
    tenfold.load(tmp_path / "m")


def test_a_matrix_of_another_width_is_refused(model):
    for x in (X[:, :3], X[0]):
        with pytest.raises(BadInput, match="as in training"):
            model.predict(x)


def test_frames_are_checked_by_name(framed):
    expected = framed.predict_proba(FRAME)
    np.testing.assert_array_equal(framed.predict_proba(FRAME[["leaf", "c", "a", "b"]].assign(more=1)), expected)
    with pytest.raises(BadInput, match="'b'"):
        framed.predict(FRAME.rename(columns={"b": "bb"}))
    assert np.isfinite(framed.predict_proba(FRAME.assign(leaf="never seen"))).all()
    assert np.isfinite(framed.predict_proba(FRAME.assign(a=np.nan))).all()


def test_regression_predicts_numbers_in_their_unit_and_no_probabilities():
    x, y = make_regression(60, 3, noise=1.0, random_state=0)
    space = Space.from_dict({"network": {"hidden": [16]}, "optimizer": {"adam": {"lr": [0.03, 0.05]}}, "epochs": 15})
    model = tenfold.search(space, x, 1e4 * y + 1e6, trials=2, folds=2).refit()
    prediction = model.predict(x)
    assert np.corrcoef(prediction, y)[0, 1] > 0.8
    assert abs(prediction.mean() - 1e6) < 1e6
    with pytest.raises(BadInput, match="regression"):
        model.predict_proba(x)


# ---- baselines --------------------------------------------------------------------------------------------------

CLASSIFIERS = {
    "dummy": DummyClassifier(strategy="prior"),
    "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "boosting": HistGradientBoostingClassifier(random_state=4),
}
REGRESSORS = {
    "dummy": DummyRegressor(),
    "linear": make_pipeline(StandardScaler(), Ridge()),
    "boosting": HistGradientBoostingRegressor(random_state=4),
}


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", NAMES)
def test_baselines_are_scikit_learns_on_the_same_folds(name, task):
    x, y = (X, Y) if task == "classification" else make_regression(90, 3, noise=20.0, random_state=0)
    problem = understand(x, y).problem(2)
    parts = [(fold.train, fold.validation) for fold in problem.folds]
    model = (CLASSIFIERS if task == "classification" else REGRESSORS)[name]
    expected = cross_val_score(model, x, y, cv=parts)
    result = run_baseline(problem, name, seed=4)
    np.testing.assert_allclose(result.scores, expected, rtol=1e-6, atol=1e-9)
    assert result.mean == pytest.approx(np.mean(expected))
    assert (result.name, result.folds) == (name, 2)


def test_the_linear_baseline_sees_categories_and_gaps():
    frame = FRAME.assign(a=FRAME["a"].where(np.arange(150) % 5 > 0))
    problem = understand(frame, LABELS).problem(3)
    fold = problem.folds[0]
    one_hot = ColumnTransformer([("n", StandardScaler(), [0, 1, 2])], remainder="passthrough")
    x = problem.encodings[0].matrix(problem.inputs)
    model = make_pipeline(one_hot, LogisticRegression(max_iter=1000)).fit(x[fold.train], problem.y[fold.train])
    score = model.score(x[fold.validation], problem.y[fold.validation])
    assert run_baseline(problem, "linear", seed=0).scores[0] == pytest.approx(score)


def test_a_baseline_over_its_budget_is_cut_short_and_asked_to_stop_in_between():
    problem, asked = understand(X, Y).problem(5), []
    short = run_baseline(problem, "linear", seed=0, budget=0.0, idle=lambda: asked.append(1))
    assert len(short.scores) == len(asked) == 1
    with pytest.raises(KeyboardInterrupt):
        run_baseline(problem, "linear", seed=0, idle=lambda: (_ for _ in ()).throw(KeyboardInterrupt))


def test_a_search_and_its_models_are_shown_in_a_few_lines(found):
    lines = repr(found).splitlines()
    assert lines[0].startswith(f"Search: {len(found.table)} recipes x ")
    assert found.best.describe() in lines[1]
    model, ensemble = found.refit(), found.refit("ensemble")
    assert repr(model) == f"Model: {found.best.describe()}, {model.epochs:g} epochs ({model.updates} updates)"
    assert repr(ensemble).startswith(f"Model of {len(ensemble.members)} networks: {found.best.describe()}")


def test_a_list_of_recipes_takes_the_place_of_a_space_and_a_grid_is_whole():
    space = Space.from_dict(FIELDS | {"epochs": 2, "optimizer": {"adam": {"lr": [1e-2, 1e-1]}}})
    found = tenfold.search(space, X, LABELS, proposals="grid", folds=2)
    recipes = list(found.trained.recipes)
    assert len(recipes) == space.size == 4
    assert len(set(recipes)) == 4
    again = tenfold.search(recipes, X, LABELS, folds=2)
    assert again.table == found.table
    assert again.trained.recipes == tuple(recipes)
    assert [row["recipe"] for row in tenfold.search(recipes, X, LABELS, trials=1, folds=2).table] == recipes[:1]
    with pytest.raises(BadInput, match="there are no recipes"):
        tenfold.search([], X, LABELS)
    with pytest.raises(BadInput, match="trials"):
        tenfold.search(recipes, X, LABELS, trials=0)
