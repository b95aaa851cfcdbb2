"""What models without gradients reach on the kept rows: whether the inputs tell anything about the targets."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from torch import Tensor

from tenfold.doctor.measure.numbers.skill import class_skill, number_skill
from tenfold.doctor.record import OutputKind, SimpleModel

ROWS, COLUMNS, FOLDS = 1000, 64, 3


def baselines(inputs: Tensor, wanted: Tensor, task: OutputKind) -> list[SimpleModel]:
    """Cross-validated skill of a linear model, neighbours and trees on standardized (for many columns, the first 64
    principal) inputs; none of fewer than 30 rows, or where a training part holds one value only. wanted: class numbers
    (rows,), or numbers or labels (rows, targets), of which the one that varies most is looked at.

    p_value: against chance, by the binomial test of the hits, or the t-test of the correlation. Source: scikit-learn.
    """
    x = inputs.detach().reshape(len(inputs), -1)[:ROWS].double().cpu().numpy()
    y = wanted.detach().cpu().numpy()[:ROWS]
    y = y.reshape(len(y), -1)
    if len(x) < 30 or not np.isfinite(x).all() or not np.isfinite(y).all():
        return []
    # The first number of several may be one that never varies, as a picture's corner is.
    y = y[:, y.astype(float).var(0).argmax()]
    if not _two_values(y):
        return []
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model that has not converged is a baseline all the same
        for name, model in _models(task).items():
            found.append(_score(name, model, _few(x), y, task))
    return found


def _folds() -> Any:
    from sklearn.model_selection import KFold

    return KFold(FOLDS, shuffle=True, random_state=0)


def _two_values(y: np.ndarray) -> bool:
    """Whether every training part holds two values at least: of fewer no model can be fitted."""
    return all(len(np.unique(y[training])) > 1 for training, _ in _folds().split(y))


def _few(x: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    x = np.arcsinh(StandardScaler().fit_transform(x))  # linear about 0, a logarithm far out: outliers do not rule
    if x.shape[1] <= COLUMNS:
        return x
    return PCA(min(COLUMNS, len(x) - 1), svd_solver="randomized", random_state=0).fit_transform(x)


def _models(task: OutputKind) -> dict[str, Any]:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if task == "numbers":
        return {
            "linear": Ridge(1.0), "neighbours": KNeighborsRegressor(8),
            "trees": ExtraTreesRegressor(30, min_samples_leaf=3, random_state=0),
        }  # fmt: skip
    return {
        "linear": LogisticRegression(C=0.3, max_iter=60), "neighbours": KNeighborsClassifier(8),
        "trees": ExtraTreesClassifier(30, min_samples_leaf=3, random_state=0),
    }  # fmt: skip


def _score(name: str, model: object, x: np.ndarray, y: np.ndarray, task: OutputKind) -> SimpleModel:
    from scipy.stats import binomtest, pearsonr
    from sklearn.model_selection import cross_val_predict

    predicted = np.asarray(cross_val_predict(model, x, y, cv=_folds()))
    if task == "numbers":
        skill = number_skill(float(((predicted - y) ** 2).sum()), float(((y - y.mean()) ** 2).sum()))
        related: Any = pearsonr(predicted, y, alternative="greater") if predicted.std() > 0 else None
        p_value = 1.0 if related is None else related.pvalue
        return SimpleModel(name, skill or 0.0, float(p_value))
    hits = int((predicted == y).sum())
    chance = float(np.unique(y, return_counts=True)[1].max() / len(y))
    p_value = binomtest(hits, len(y), chance, alternative="greater").pvalue
    return SimpleModel(name, class_skill(hits / len(y), chance) or 0.0, float(p_value))
