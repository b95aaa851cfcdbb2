"""Nothing leaks: arbitrary changes of validation rows leave every fitted number and trained weight bit-identical."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.feature_selection import SelectKBest
from sklearn.preprocessing import StandardScaler

import tenfold
from tenfold import BadInput, Recipe
from tenfold.problem.problem import Problem

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:160], Y[:160]
SMALL = {"network": {"hidden": [8], "normalization": "batch", "dropout": 0.2}, "batch_size": 32, "epochs": 2}


@pytest.mark.parametrize(
    "preprocess",
    ["none", "center", "standardize", "min_max", "robust_clip", "quantile_normal", "pca", "whiten_pca", "whiten_zca"],
)
def test_no_preprocessing_leaks(preprocess):
    found = tenfold.audit(Recipe.from_dict(SMALL | {"preprocess": preprocess}), X[:, :6], Y, folds=3)
    assert found.clean, found.report()
    assert len(found.changes) == 3
    assert "bit-identical" in found.report()


def test_no_initialization_schedule_or_average_leaks():
    recipe = SMALL | {"init": "lsuv", "decay": "plateau", "optimizer": "adam", "weight_average": 0.9}
    found = tenfold.audit(Recipe.from_dict(recipe), X, Y, folds=3)
    assert found.clean, found.report()


def test_target_scale_medians_indicators_and_categories_do_not_leak():
    x, y = load_diabetes(return_X_y=True)
    frame = pd.DataFrame(x[:150, :4], columns=list("abcd")).assign(e=np.where(x[:150, 4] > 0, "high", "low"))
    frame.loc[::7, "b"] = np.nan
    found = tenfold.audit(Recipe.from_dict(SMALL | {"network": {"hidden": [8]}}), frame, y[:150], folds=3)
    assert found.clean, found.report()


@pytest.mark.parametrize("embedding", ["pbld", {"ple": {"bins": 6}}, {"ple": {"bins": 4, "edges": "target"}}])
def test_what_is_fitted_to_the_rows_of_a_table_does_not_leak(embedding):
    rng = np.random.default_rng(0)
    x = np.c_[rng.integers(0, 6, 150), rng.normal(size=(150, 2)), np.ones(150)].astype(np.float64)
    frame = pd.DataFrame(x, columns=list("abcd")).assign(e=rng.choice([f"level {i}" for i in range(12)], 150))
    recipe = {
        "preprocess": "robust_clip", "integers": "categories", "categories": "target_means", "init": "data_driven",
        "network": {"hidden": [8], "embedding": embedding, "scale": True, "activation": {"parametric": "mish"}},
        "clip_predictions": True, "batch_size": 32, "epochs": 2,
    }  # fmt: skip
    found = tenfold.audit(Recipe.from_dict(recipe), frame, x[:, 1] + x[:, 0], folds=3)
    assert found.clean, found.report()


def test_images_do_not_leak():
    x, y = load_digits(return_X_y=True)
    network = {"layers": [{"conv": {"channels": 2, "kernel": 3}}, "batch_norm", "relu", "flatten"]}
    recipe = Recipe.from_dict({"preprocess": "standardize_channel", "network": network, "epochs": 1})
    found = tenfold.audit(recipe, (x[:90] * 15).astype(np.uint8).reshape(-1, 8, 8), y[:90] % 2, folds=2)
    assert found.clean, found.report()


@pytest.mark.parametrize(
    "step",
    [lambda x, train: StandardScaler().fit_transform(x), lambda x, train: x - np.median(x, 0)],
    ids=["scaler", "median"],
)
def test_a_step_that_is_fitted_on_all_rows_is_found(step):
    recipe = Recipe.from_dict(SMALL)
    found = tenfold.audit(recipe, X, Y, step=step, folds=3)
    assert not found.clean
    assert {leak.fold for leak in found.leaks} == {0, 1, 2}
    assert found.leaks[0].part == "the inputs of the training rows"
    assert "LEAK" in found.report()
    assert "training rows of the fold only" in found.report()
    clean = tenfold.audit(recipe, X, Y, step=lambda x, train: StandardScaler().fit(x[train]).transform(x), folds=3)
    assert clean.clean, clean.report()


def test_a_selection_of_features_by_the_labels_of_all_rows_is_found():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 200)), rng.integers(0, 2, 60)

    def outside(values, train):
        safe = np.where(np.abs(values) < 1e6, np.nan_to_num(values), 0.0)
        return safe[:, SelectKBest(k=5).fit(safe, y).get_support(indices=True)]

    assert not tenfold.audit(Recipe.from_dict(SMALL), x, y, step=outside, folds=2).clean


def test_a_broken_preprocessing_of_ours_would_be_found(monkeypatch):
    def leaking(self, fold):
        return float(self.y.mean()), float(self.y.std())

    x, y = load_diabetes(return_X_y=True)
    recipe = Recipe.from_dict(SMALL | {"network": {"hidden": [4]}})
    assert tenfold.audit(recipe, x[:80], y[:80], folds=2).clean
    monkeypatch.setattr(Problem, "scale", leaking)
    found = tenfold.audit(recipe, x[:80], y[:80], folds=2)
    assert found.leaks[0].part == "the target's scale"
    assert any(leak.part.startswith("weights") for leak in found.leaks)


def test_a_step_needs_a_matrix_and_must_keep_the_rows():
    with pytest.raises(BadInput, match="numeric matrix"):
        tenfold.audit(Recipe.from_dict(SMALL), pd.DataFrame(X), Y, step=lambda x, train: x)
    with pytest.raises(BadInput, match="shape"):
        tenfold.audit(Recipe.from_dict(SMALL), X, Y, step=lambda x, train: x[:3])
