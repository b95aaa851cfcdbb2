"""The estimators among scikit-learn's tools: pipelines, grids, frames, groups and metadata routing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tenfold import BadInput, Classifier, Recipe, Regressor, Space

X, Y = load_iris(return_X_y=True)
FIELDS = {"network": {"hidden": [16]}, "batch_size": 32, "epochs": 10}
RECIPE = Recipe.from_dict(FIELDS | {"optimizer": {"adam": {"lr": 0.05}}})
SPACE = Space.from_dict(FIELDS | {"optimizer": {"adam": {"lr": [0.05, 0.02]}}})
OPTIONS = {"folds": 2, "random_state": 0, "device": "cpu"}
GROUPS = np.repeat(np.arange(30), 5)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # scikit-learn's own
@parametrize_with_checks([make_pipeline(StandardScaler(), Classifier(RECIPE, **OPTIONS))])
def test_scikit_learns_checks_of_a_pipeline(estimator, check):
    holds_but_for_the_pipeline(estimator, check)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@parametrize_with_checks([make_pipeline(Normalizer(), Regressor(SPACE, trials=2, **OPTIONS))])
def test_scikit_learns_checks_of_a_pipeline_with_a_search(estimator, check):
    holds_but_for_the_pipeline(estimator, check)


def holds_but_for_the_pipeline(estimator, check):
    """A check that scikit-learn's own boosted trees fail in the same place is the pipeline's fault: it changes its
    parameter `steps`, and does not say that all its steps take NaN."""
    try:
        check(estimator)
    except AssertionError:
        peer = HistGradientBoostingClassifier() if is_classifier(estimator) else HistGradientBoostingRegressor()
        with pytest.raises(AssertionError):
            check(Pipeline([("first", clone(estimator[0])), ("last", peer)]))
        name = check.func.__name__
        assert name in {
            "check_estimators_overwrite_params", "check_dont_overwrite_parameters", "check_estimators_nan_inf",
        }  # fmt: skip
        assert name != "check_estimators_nan_inf" or isinstance(estimator[0], StandardScaler)


def frame(library):
    """Iris with a string category and missing cells in both kinds of columns."""
    leaf = np.where(X[:, 3] > 1, "broad", "narrow").astype(object)
    leaf[::17] = None
    table = {"a": np.where(np.arange(150) % 13 == 0, np.nan, X[:, 0]), "b": X[:, 1], "c": X[:, 2], "leaf": leaf}
    return pd.DataFrame(table) if library == "pandas" else pl.DataFrame(table, nan_to_null=True)


@pytest.mark.parametrize("recipe", [RECIPE, SPACE])
def test_pandas_and_polars_frames_give_the_same(recipe):
    found = {}
    for library in ("pandas", "polars"):
        model = Classifier(recipe, trials=2, **OPTIONS).fit(frame(library), Y)
        assert model.feature_names_in_.tolist() == ["a", "b", "c", "leaf"]
        found[library] = model.predict_proba(frame(library))
        np.testing.assert_array_equal(model.predict_proba(frame("polars")), model.predict_proba(frame("pandas")))
    np.testing.assert_array_equal(found["pandas"], found["polars"])
    assert found["pandas"].argmax(1).tolist().count(0) > 40


def test_frames_in_cross_validation_and_grids():
    model = Classifier(RECIPE, **OPTIONS)
    assert cross_val_score(model, frame("pandas"), Y, cv=3).mean() > 0.8
    assert cross_val_score(model, frame("polars"), Y, cv=3).mean() > 0.8
    grid = GridSearchCV(model, {"keep": ["refit", "ensemble"]}, cv=2).fit(frame("polars"), Y)
    assert grid.score(frame("polars"), Y) > 0.8


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_behind_a_step_whose_output_is_a_frame(library):
    plain = make_pipeline(StandardScaler(), Classifier(RECIPE, **OPTIONS)).fit(X, Y)
    model = make_pipeline(StandardScaler(), Classifier(RECIPE, **OPTIONS)).set_output(transform=library).fit(X, Y)
    assert model[-1].feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]
    assert not hasattr(plain[-1], "feature_names_in_")
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-4)
    assert cross_val_score(model, X, Y, cv=2).mean() > 0.8


def test_grids_over_trials_folds_and_what_is_kept():
    grid = {"trials": [1, 2], "folds": [2, 3], "strategy": ["exhaustive"], "rule": ["one-se"], "repeats": [1, 2]}
    found = GridSearchCV(Classifier(SPACE, **OPTIONS), grid, cv=2).fit(X, Y)
    best = found.best_estimator_
    assert len(best.search_.table) == best.trials
    assert len(best.search_.trained.problem.folds) == best.folds * best.repeats
    assert found.cv_results_["mean_test_score"].min() > 0.7


def test_a_step_of_a_pipeline_is_searched_by_name():
    piped = make_pipeline(StandardScaler(), Regressor(RECIPE, **OPTIONS))
    one = Recipe.from_dict(FIELDS | {"epochs": 1})
    found = GridSearchCV(piped, {"regressor__recipe": [one, RECIPE]}, cv=2).fit(X[:, :3], X[:, 3])
    assert found.best_params_ == {"regressor__recipe": RECIPE}


# ---- what is passed on to the search --------------------------------------------------------------------------------


def test_what_the_search_found_is_told():
    model = Classifier(SPACE, trials=2, repeats=2, strategy="exhaustive", **OPTIONS).fit(X, Y)
    assert model.corrected_score_ == model.search_.corrected
    assert 0.5 < model.corrected_score_ <= model.search_.table[0]["mean"] + 1e-12
    assert model.n_iter_ == model.search_.table[0]["epochs"]
    assert 1 <= model.n_iter_ <= 10
    assert {trial["seed"] for trial in model.search_.trials} == {
        fold.seed for fold in model.search_.trained.problem.folds
    }
    assert len(model.search_.trials) == 2 * 2 * 2


def test_a_race_drops_recipes_and_exhaustive_none():
    space = Space.from_dict(FIELDS | {"epochs": 9, "optimizer": {"adam": {"lr": {"log_uniform": [1e-4, 1e-1]}}}})
    raced = Classifier(space, trials=9, **OPTIONS).fit(X, Y).search_
    assert len(raced.racing) > 0
    assert Classifier(space, trials=9, strategy="exhaustive", **OPTIONS).fit(X, Y).search_.racing == ()


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_the_ensemble_is_the_mean_of_its_folds_models(kind):
    model = kind(RECIPE, keep="ensemble", **OPTIONS).fit(X, Y)
    predict = "predict_proba" if kind is Classifier else "predict"
    members = [getattr(replace(model.model_, members=(member,)), predict)(X) for member in model.model_.members]
    assert len(members) == 2
    np.testing.assert_allclose(getattr(model, predict)(X), np.mean(members, 0), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("name", "value"), [("strategy", "halfing"), ("rule", "bets"), ("keep", "all"), ("folds", 1)])
@pytest.mark.parametrize("recipe", [RECIPE, SPACE])
def test_unknown_words_are_refused(name, value, recipe):
    with pytest.raises(BadInput, match=name if name == "folds" else value):
        Classifier(recipe, **(OPTIONS | {name: value})).fit(X, Y)


def test_a_target_that_is_not_finite_is_refused_with_its_row():
    for value, word in ((np.inf, "infinite"), (np.nan, "missing")):
        y = X[:, 0].copy()
        y[7] = value
        with pytest.raises(BadInput, match=rf"Input y contains (?s:.*)y\[7\] is {word}"):
            Regressor(RECIPE, **OPTIONS).fit(X, y)


# ---- groups ---------------------------------------------------------------------------------------------------------


def sides(model, groups):
    """Groups that stand on both sides of a fold of the model's own cross-validation."""
    folds = model.search_.trained.problem.folds
    return [set(groups[fold.train]) & set(groups[fold.validation]) for fold in folds]


@pytest.mark.parametrize("recipe", [RECIPE, SPACE])
def test_groups_stay_together(recipe):
    model = Classifier(recipe, trials=2, **OPTIONS)
    assert not any(sides(model.fit(X, Y, groups=GROUPS), GROUPS))
    assert not any(sides(model.fit(X, Y, pl.Series(GROUPS)), GROUPS))
    assert all(sides(model.fit(X, Y), GROUPS))


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match="150, 149"):
        Classifier(RECIPE, **OPTIONS).fit(X, Y, groups=GROUPS[:-1])


class Spy(Classifier):
    """Remembers the groups that it was fitted with."""

    def fit(self, X, y, groups=None):
        self.seen_ = None if groups is None else np.array(groups)
        return super().fit(X, y, groups)


@pytest.mark.usefixtures("routing")
def test_groups_are_routed_through_cross_validate():
    model = Spy(RECIPE, **OPTIONS).set_fit_request(groups=True)
    found = cross_validate(
        model, X, Y, cv=GroupKFold(3), params={"groups": GROUPS}, return_estimator=True, return_indices=True
    )
    for one, train in zip(found["estimator"], found["indices"]["train"], strict=True):
        np.testing.assert_array_equal(one.seen_, GROUPS[train])
        assert not any(sides(one, GROUPS[train]))


@pytest.mark.usefixtures("routing")
def test_groups_are_routed_through_a_grid():
    model = Spy(SPACE, trials=2, **OPTIONS).set_fit_request(groups=True)
    found = GridSearchCV(model, {"trials": [1, 2]}, cv=GroupKFold(2)).fit(X, Y, groups=GROUPS).best_estimator_
    np.testing.assert_array_equal(found.seen_, GROUPS)
    assert not any(sides(found, GROUPS))


@pytest.mark.usefixtures("routing")
def test_groups_are_routed_through_a_pipeline():
    piped = make_pipeline(StandardScaler(), Spy(RECIPE, **OPTIONS).set_fit_request(groups=True))
    assert not any(sides(piped.fit(X, Y, groups=GROUPS)[-1], GROUPS))
    grid = GridSearchCV(piped, {"spy__folds": [2, 3]}, cv=GroupKFold(2)).fit(X, Y, groups=GROUPS)
    assert not any(sides(grid.best_estimator_[-1], GROUPS))


@pytest.mark.usefixtures("routing")
def test_groups_that_nobody_asked_for_are_not_dropped_in_silence():
    with pytest.raises(UnsetMetadataPassedError, match="groups"):
        make_pipeline(StandardScaler(), Classifier(RECIPE, **OPTIONS)).fit(X, Y, groups=GROUPS)


def test_without_routing_a_pipeline_takes_groups_by_the_name_of_the_step():
    piped = make_pipeline(StandardScaler(), Classifier(RECIPE, **OPTIONS)).fit(X, Y, classifier__groups=GROUPS)
    assert not any(sides(piped[-1], GROUPS))
    found = GridSearchCV(Classifier(RECIPE, **OPTIONS), {"folds": [2]}, cv=GroupKFold(2)).fit(X, Y, groups=GROUPS)
    assert found.best_score_ > 0.7  # the groups are for the outer folds alone
