"""scikit-learn estimators: a recipe, or a search for one, behind `fit` and `predict`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_features, check_is_fitted, validate_data

from tenfold.errors import BadInput
from tenfold.recipe.default_space import default_space
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.space import Space
from tenfold.selection.api import CrossValidation, Search, cross_validate, search
from tenfold.selection.arrays import is_frame

if TYPE_CHECKING:
    from tenfold.selection.model import Model

Array = np.ndarray


class _Network(BaseEstimator):
    """What Classifier and Regressor share: cross-validate, choose, refit on all rows."""

    _task: str

    def __init__(
        self,
        recipe: Recipe | Space | None = None,
        *,
        trials: int = 16,
        folds: int = 5,
        metric: str | None = None,
        time_limit: float | None = None,
        device: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.recipe = recipe
        self.trials = trials
        self.folds = folds
        self.metric = metric
        self.time_limit = time_limit
        self.device = device
        self.random_state = random_state

    def _fit(self, x: Any, y: Array) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        options: dict[str, Any] = {
            "folds": self.folds, "seed": seed, "task": self._task, "metric": self.metric, "device": self.device,
        }  # fmt: skip
        if isinstance(self.recipe, Recipe):
            found: CrossValidation | Search = cross_validate(self.recipe, x, y, **options)
            found = Search(found.trained, found.data, seed, self.device)
        else:
            space = self.recipe
            if space is None:
                outputs = len(np.unique(y)) if self._task == "classification" else 1
                image = _image(x)
                columns = math.prod(image) if image else _num_features(x)
                space = default_space(rows=len(y), columns=columns, task=self._task, outputs=outputs, image=image)
            found = search(space, x, y, trials=self.trials, time_limit=self.time_limit, **options)
        self.search_ = found
        self.best_recipe_ = found.best
        self.model_: Model = found.refit()

    def _check(self, x: Any, *, fitting: bool) -> Any:
        """Frames go through as they are (their columns are typed and checked by the schema), and images; else a float
        matrix."""
        if _image(x):
            if fitting:
                self.n_features_in_ = math.prod(x.shape[1:])
            return x
        if is_frame(x):
            if fitting:
                self.feature_names_in_ = np.array([str(name) for name in x.columns], object)
                self.n_features_in_ = len(self.feature_names_in_)
            return x
        return validate_data(
            self, x, reset=fitting, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=1 + fitting
        )

    def _target(self, y: Any, dtype: Any = None) -> Array:
        if y is None:
            raise BadInput(f"{type(self).__name__} requires y to be passed, but the target y is None")
        return column_or_1d(y, dtype=dtype, warn=True)

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags: NaN is a missing cell."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def report(self) -> str:
        """What was tried and what won, as text; best first."""
        check_is_fitted(self, "model_")
        lines = [f"{self.search_.trained.problem.metric.name} over {len(self.search_.trained.problem.folds)} folds"]
        lines += [
            f"{row['mean']:10.4f} +- {row['se']:.4f}  {row['recipe'].describe()}, {row['epochs']} epochs"
            for row in self.search_.table
        ]
        return "\n".join(lines)


def _image(x: Any) -> tuple[int, int, int] | None:
    """(height, width, channels) of an array (rows, height, width) or (rows, height, width, channels); else None."""
    if not isinstance(x, np.ndarray) or x.ndim not in (3, 4):
        return None
    return x.shape[1], x.shape[2], x.shape[3] if x.ndim == 4 else 1


class Classifier(ClassifierMixin, _Network):
    """A network classifier whose training configuration is chosen by cross-validation.

    recipe: a `Recipe`, a `Space` to search, or None (the default space for the data). trials: recipes sampled from
    a space; folds; metric (default accuracy); time_limit: seconds of training; random_state: seed. After `fit`:
    classes_, best_recipe_, model_ (the refitted `Model`), search_ (the table of all recipes). X: numeric array, NaN
    for missing; a frame with any columns; or images (rows, height, width) or (rows, height, width, channels), uint8 or
    float.
    """

    _task = "classification"

    def fit(self, X: Any, y: Any) -> Classifier:
        """Search, choose, and train the winner on all rows."""
        X = self._check(X, fitting=True)
        y = self._target(y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise BadInput(f"y has one class only: {self.classes_[0]!r}", expected="at least two classes")
        self._fit(X, y)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (rows, classes), columns in the order of classes_."""
        check_is_fitted(self, "model_")
        return self.model_.predict_proba(self._check(X, fitting=False))

    def predict(self, X: Any) -> Array:
        """The most probable class of each row."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(1)]


class Regressor(RegressorMixin, _Network):
    """A network regressor whose training configuration is chosen by cross-validation; see `Classifier`.

    metric default: R2.
    """

    _task = "regression"

    def fit(self, X: Any, y: Any) -> Regressor:
        """Search, choose, and train the winner on all rows."""
        X = self._check(X, fitting=True)
        self._fit(X, self._target(y, np.float64))
        return self

    def predict(self, X: Any) -> Array:
        """The predicted number of each row, in the target's own unit."""
        check_is_fitted(self, "model_")
        return self.model_.predict(self._check(X, fitting=False))
