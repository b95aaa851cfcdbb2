"""Several metrics of the same predictions: against scikit-learn on the predictions of each fold."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score

import tenfold
from tenfold.errors import BadInput

RECIPES = [tenfold.Recipe.from_dict({"network": {"hidden": [size]}, "epochs": 4}) for size in (4, 8)]
X, Y = load_breast_cancer(return_X_y=True)


def by_fold(found, number, score):
    """Of the out-of-fold predictions; each row is predicted by one fold."""
    predictions = found.out_of_fold[number]
    return [score(Y[fold.validation], predictions[fold.validation]) for fold in found.trained.problem.folds]


def test_they_are_scikit_learns_of_the_out_of_fold_predictions():
    found = tenfold.cross_validate(RECIPES, X, Y, folds=3, metrics=["accuracy", "log_loss", "roc_auc"])
    plain = tenfold.cross_validate(RECIPES, X, Y, folds=3)
    for number, row in enumerate(found.table):
        assert row["scores"] == plain.table[number]["scores"]  # the first one selects, as alone
        assert list(row["metrics"]) == ["accuracy", "log_loss", "roc_auc"]
        assert row["metrics"]["accuracy"] == row["mean"]
        losses = by_fold(found, number, lambda y, p: log_loss(y, p[:, 1].astype(np.float64)))
        areas = by_fold(found, number, lambda y, p: roc_auc_score(y, p[:, 1]))
        assert row["metrics"]["log_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
        assert row["metrics"]["roc_auc"] == pytest.approx(np.mean(areas), rel=1e-12)
        told = [trial["metrics"]["log_loss"] for trial in found.trials if trial["recipe"] == number]
        assert told == pytest.approx(losses, rel=1e-5)
    assert "accuracy, log_loss, roc_auc" in repr(found)
    assert f"log_loss {found.table[0]['metrics']['log_loss']:.4f}" in repr(found)
    frame = found.to_frame()
    assert frame["roc_auc"].to_list() == [row["metrics"]["roc_auc"] for row in found.table]


def test_the_one_that_selects_scored_again_is_what_the_curves_hold():
    found = tenfold.cross_validate(RECIPES, X, Y, folds=3, metric="log_loss", metrics=["accuracy"])
    problem = found.trained.problem
    assert [metric.name for metric in problem.metrics] == ["log_loss", "accuracy"]
    for number in range(2):
        again = [
            problem.metric.score(problem.y[fold.validation], part[None])[0]
            for fold, part in zip(problem.folds, found.trained.records[number].out_of_fold, strict=True)
        ]
        np.testing.assert_array_equal(again, found.trained.scores(number))


def test_a_function_beside_names_and_numbers():
    def within(y, prediction):
        return np.abs(y - prediction[:, 0]) < 50

    x, y = load_diabetes(return_X_y=True)
    found = tenfold.search([RECIPES[0]], x, y, folds=3, metrics=["r2", within, "mae"])
    [row] = found.table
    out = found.trained.out_of_fold(0)[:, 0]
    folds = [fold.validation for fold in found.trained.problem.folds]
    assert row["metrics"]["within"] == pytest.approx(np.mean([(abs(y - out)[rows] < 50).mean() for rows in folds]))
    assert row["metrics"]["mae"] == pytest.approx(np.mean([mean_absolute_error(y[r], out[r]) for r in folds]))


def test_a_diverged_trial_has_none_and_a_dropped_recipe_has_those_of_its_best_epoch():
    wild = tenfold.Recipe.from_dict({"optimizer": {"sgd": {"lr": 1e18}}, "preprocess": "none", "epochs": 3})
    found = tenfold.search([*RECIPES, wild], X, Y, folds=3, metrics=["accuracy", "log_loss"])
    assert np.isnan(found.table[-1]["metrics"]["log_loss"])
    space = tenfold.Space.from_dict({"optimizer": {"adam": {"lr": {"log_uniform": [1e-5, 1e-1]}}}, "epochs": 9})
    raced = tenfold.search(space, X, Y, trials=9, folds=3, strategy="halving", metrics=["accuracy", "log_loss"])
    assert np.isfinite([row["metrics"]["log_loss"] for row in raced.table]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["accuracy", "accuracy"]}, "'accuracy' is there twice"),
        ({"metrics": ["accuracy", "rmse"]}, "metric 'rmse' is not one for classification"),
        ({"metrics": "accuracy"}, "a list of names or functions"),
        ({"metrics": [lambda y, p: y, lambda y, p: y]}, "is there twice"),
    ],
    ids=["twice", "of the other task", "no list", "two of one name"],
)
def test_what_cannot_be_reported_is_refused(options, message):
    with pytest.raises(BadInput, match=message):
        tenfold.cross_validate(RECIPES, X, Y, folds=3, **options)
