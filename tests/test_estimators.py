"""The scikit-learn estimators: all of scikit-learn's own checks, and that they are the search behind them."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import tenfold
from tenfold import BadInput, Classifier, Recipe, Regressor, Space

X, Y = load_iris(return_X_y=True)
LABELS = np.array(["setosa", "versicolor", "virginica"])[Y]
FIELDS = {"network": {"hidden": [16]}, "batch_size": 32, "epochs": 15}
RECIPE = Recipe.from_dict(FIELDS | {"optimizer": {"adam": {"lr": 0.05}}})
SPACE = Space.from_dict(FIELDS | {"optimizer": {"adam": {"lr": {"log_uniform": [2e-2, 1e-1]}}}, "epochs": 8})


DEFAULTS = import_module("tenfold.problem.table_space")  # the package has a function of that name
FORMS, SEARCHES = (
    [kind(form, trials=2, folds=2, random_state=0, device="cpu") for form in forms for kind in (Classifier, Regressor)]
    for forms in ((RECIPE,), (SPACE, None))
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # scikit-learn's own
@parametrize_with_checks(FORMS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@parametrize_with_checks(SEARCHES)
def test_scikit_learns_checks_of_a_search(estimator, check, monkeypatch):
    monkeypatch.setattr(DEFAULTS, "MOST", 15)  # epochs of a search without a space: 256 would take many times as long
    check(estimator)


@pytest.fixture(scope="module")
def fitted():
    return Classifier(SPACE, trials=3, folds=3, random_state=0).fit(X, LABELS)


def test_it_is_the_search_and_its_refit(fitted):
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    search = tenfold.search(SPACE, X, LABELS, trials=3, folds=3, strategy="halving", seed=seed)
    assert fitted.best_recipe_ == search.best
    assert fitted.search_.table == search.table
    np.testing.assert_array_equal(fitted.predict_proba(X), search.refit("blend").predict_proba(X))
    np.testing.assert_array_equal(fitted.predict_proba(X), fitted.model_.predict_proba(X))
    assert fitted.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert fitted.predict(X).tolist() == fitted.classes_[fitted.predict_proba(X).argmax(1)].tolist()
    assert fitted.score(X, LABELS) > 0.6


def test_the_report_lists_what_was_tried_best_first(fitted):
    lines = fitted.report().splitlines()
    assert lines[0] == "accuracy over 3 folds"
    assert len(lines) == 4
    assert fitted.best_recipe_.describe() in lines[1]
    scores = [float(line.split()[0]) for line in lines[1:]]
    assert scores == sorted(scores, reverse=True)


def test_a_recipe_is_taken_as_it_is():
    found = Classifier(RECIPE, folds=2, random_state=3).fit(X, Y)
    assert found.best_recipe_ == RECIPE
    assert len(found.search_.table) == 1


def test_without_a_space_the_default_one_is_searched():
    found = Classifier(trials=1, folds=2, random_state=0, time_limit=1.0).fit(X[::3], Y[::3])
    assert isinstance(found.best_recipe_, Recipe)


def test_equal_random_states_give_equal_models():
    one, two = (Classifier(RECIPE, folds=2, random_state=5).fit(X, Y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (one != Classifier(RECIPE, folds=2, random_state=6).fit(X, Y).predict_proba(X)).any()


def test_frames_with_categories_and_columns_named_by_numbers():
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(leaf=np.where(X[:, 3] > 1, "broad", "narrow"))
    found = Classifier(RECIPE, folds=2, random_state=0).fit(frame, LABELS)
    assert found.feature_names_in_.tolist() == ["a", "b", "c", "leaf"]
    assert found.n_features_in_ == 4
    assert found.score(frame, LABELS) > 0.6
    with pytest.raises(BadInput, match="'leaf'"):
        found.predict(frame.drop(columns="leaf"))
    numbered = Classifier(RECIPE, folds=2, random_state=0).fit(pd.DataFrame(X), LABELS)
    assert numbered.score(pd.DataFrame(X), LABELS) > 0.6


def test_in_pipelines_grids_and_cross_validation():
    model = Classifier(RECIPE, folds=2, random_state=0)
    assert cross_val_score(make_pipeline(MinMaxScaler(), model), X, Y, cv=2).mean() > 0.6
    grid = GridSearchCV(model, {"recipe": [RECIPE, Recipe.from_dict(FIELDS | {"epochs": 1})]}, cv=2).fit(X, Y)
    assert grid.best_params_["recipe"] == RECIPE
    assert clone(model).get_params() == model.get_params()


def test_regression_in_the_targets_unit():
    x, y = make_regression(80, 4, noise=1.0, random_state=0)
    found = Regressor(RECIPE, folds=2, random_state=0).fit(x, 1e4 * y + 1e6)
    assert found.score(x, 1e4 * y + 1e6) > 0.8
    assert found.predict(x).shape == (80,)
    assert "r2 over 2 folds" in found.report()


@pytest.mark.parametrize("method", ["predict", "predict_proba", "report"])
def test_not_fitted(method):
    with pytest.raises(NotFittedError):
        getattr(Classifier(), method)(*([] if method == "report" else [X]))


def test_one_class_and_missing_targets_are_refused():
    with pytest.raises(BadInput, match="one class"):
        Classifier(RECIPE).fit(X, np.zeros(150, int))
    with pytest.raises(BadInput, match=r"y\[3\] is missing"):
        Regressor(RECIPE).fit(X, np.where(np.arange(150) == 3, np.nan, 1.0 * Y))


def test_text_where_numbers_belong_is_named():
    with pytest.raises(BadInput, match=r"y is text, such as 'setosa'\n.*numbers\n.*Classifier"):
        Regressor(RECIPE).fit(X, LABELS)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(name=LABELS)
    model = Classifier(RECIPE, folds=2, random_state=0).fit(frame, Y)
    with pytest.raises(
        BadInput, match=r"X has no column names.*\n  expected: a frame with the columns a, b, c, d, name"
    ):
        model.predict(frame.to_numpy())
