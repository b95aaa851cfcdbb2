"""Baselines against the same models of scikit-learn in its own pipelines, fold by fold."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tenfold.checks.baselines import NAMES, baseline_seconds, coarse_pixels, coarse_size, random_split, run_baseline
from tenfold.problem.from_arrays import understand

SEED = 3
CLASSIFIERS = {
    "dummy": DummyClassifier(strategy="prior"),
    "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "boosting": HistGradientBoostingClassifier(random_state=SEED),
}
REGRESSORS = {
    "dummy": DummyRegressor(),
    "linear": make_pipeline(StandardScaler(), Ridge()),
    "boosting": HistGradientBoostingRegressor(random_state=SEED),
}
ON_IMAGES = {
    "dummy": CLASSIFIERS["dummy"],
    "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),
    "boosting": HistGradientBoostingClassifier(random_state=SEED, max_iter=50, learning_rate=0.2, max_bins=31),
}


def scores(model, x, y, folds, score):
    found = [score(y[f.validation], model.fit(x[f.train], y[f.train]).predict(x[f.validation])) for f in folds]
    return np.array(found)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("load", "image", "models", "score"),
    [
        (load_breast_cancer, None, CLASSIFIERS, accuracy_score),
        (load_diabetes, None, REGRESSORS, r2_score),
        (load_digits, (8, 8), ON_IMAGES, accuracy_score),
    ],
    ids=["classes", "numbers", "images"],
)
def test_a_baseline_is_scikit_learns_model_on_the_training_rows_of_each_fold(load, image, models, score, name):
    x, y = load(return_X_y=True)
    x, y = x[:300], y[:300]
    problem = understand(x if image is None else x.reshape(-1, *image), y).problem(3, seed=SEED)
    found = run_baseline(problem, name, seed=SEED)
    expected = scores(models[name], x, y, problem.folds, score)
    tolerance = 1e-6
    np.testing.assert_allclose(found.scores, expected, rtol=0, atol=tolerance)
    assert found.mean == pytest.approx(expected.mean(), abs=tolerance)


@pytest.mark.parametrize("image", [(33, 20, 1), (16, 16, 1), (17, 40, 3)])
def test_large_images_are_averaged_over_squares(image):
    height, width, channels = image
    x = np.random.default_rng(1).random((6, *image))
    rows, columns, _ = coarse_size(image)
    side = -(-height // rows)
    assert rows * columns * channels <= 256
    assert side == 1 or -(-height // (side - 1)) * -(-width // (side - 1)) * channels > 256  # no smaller squares do
    squares = [
        x[:, i : i + side, j : j + side].mean((1, 2)) for i in range(0, height, side) for j in range(0, width, side)
    ]
    inputs = understand(x, np.arange(6) % 2).problem(3).inputs
    np.testing.assert_allclose(coarse_pixels(inputs), np.stack(squares, 1).reshape(6, -1), rtol=1e-6)


def test_rows_divided_at_random_score_as_if_copies_were_strangers():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(40, 60)), 4, 0)
    y = np.repeat(rng.integers(0, 2, 40), 4)
    problem = understand(x, y).problem(4, groups=np.repeat(np.arange(40), 4))
    assert run_baseline(problem, "linear", seed=0).mean < 0.7
    assert random_split(problem, seed=0) > 0.95


def test_a_strict_budget_leaves_out_trees_that_would_take_longer():
    problem = understand(*load_breast_cancer(return_X_y=True)).problem(3, seed=SEED)
    left_out = run_baseline(problem, "boosting", seed=SEED, budget=1e-6, strict=True)
    assert (left_out.scores, left_out.cut) == ((), "0 of 3 folds, out of time")
    assert np.isnan(left_out.mean)
    assert left_out.seconds < run_baseline(problem, "boosting", seed=SEED, budget=1e-6).seconds
    whole = run_baseline(problem, "boosting", seed=SEED, budget=600, strict=True)
    assert whole.scores == run_baseline(problem, "boosting", seed=SEED).scores
    assert whole.cut == ""


def test_the_estimate_of_baselines_grows_with_all_that_they_take_time_for():
    def seconds(rows, columns, classes):
        x, y = np.random.default_rng(0).normal(size=(rows, columns)), np.arange(rows) % classes
        return baseline_seconds(understand(x, y).problem(3, seed=SEED))

    assert seconds(60, 400, 2) > 5 * seconds(60, 40, 2)  # a plan of few rows and thousands of columns left this out
    assert seconds(600, 4, 6) > 3 * seconds(600, 4, 2)
    assert seconds(6000, 40, 2) > 2 * seconds(600, 40, 2)
