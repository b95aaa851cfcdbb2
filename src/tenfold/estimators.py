"""scikit-learn estimators: a recipe, or a search for one, behind `fit` and `predict`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import assert_all_finite, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from tenfold.api import Search, cross_validate, search
from tenfold.data.columns.objects import as_float, is_absent, sort_of
from tenfold.data.feed.tensors import given_tensors
from tenfold.data.read.sparse import dense, is_sparse
from tenfold.engine.plan.size import Size
from tenfold.engine.undisturbed import undisturbed
from tenfold.errors import BadInput
from tenfold.model.final import check_kind
from tenfold.problem.default_space import default_space
from tenfold.problem.from_arrays import is_frame, with_gaps
from tenfold.problem.given_target import as_floats, one_value_a_row, several_numbers, values_of
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space, functions_of
from tenfold.search.leaderboard import printed_row
from tenfold.search.racing import Strategy
from tenfold.search.search import SearchPlan

if TYPE_CHECKING:
    from tenfold.model.model import Model

Array = np.ndarray


class _Network(BaseEstimator):
    """What Classifier and Regressor share: cross-validate, choose, refit on all rows."""

    _task: str
    search_: Search
    best_recipe_: Recipe
    n_iter_: int
    model_: Model
    n_features_in_: int
    feature_names_in_: Array

    def __init__(
        self,
        recipe: Recipe | Space | None = None,
        *,
        trials: int = 16,
        folds: Any = 5,
        repeats: int = 1,
        strategy: str = "halving",
        rule: str = "best",
        keep: str = "blend",
        metric: str | None = None,
        time_limit: float | None = None,
        device: str = "auto",
        engine: str = "local",
        address: str | None = None,
        random_state: Any = None,
    ) -> None:
        self.recipe = recipe
        self.trials = trials
        self.folds = folds
        self.repeats = repeats
        self.strategy = strategy
        self.rule = rule
        self.keep = keep
        self.metric = metric
        self.time_limit = time_limit
        self.device = device
        self.engine = engine
        self.address = address
        self.random_state = random_state

    def _fit(self, x: Any, y: Array, groups: Any) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        keep, plan = check_kind(self.keep), SearchPlan(Strategy(self.strategy), self.rule)  # type: ignore[arg-type]
        if groups is not None:
            check_consistent_length(y, groups)
        options: dict[str, Any] = {
            "folds": self.folds, "repeats": self.repeats, "groups": groups, "seed": seed, "task": self._task,
            "metric": self.metric, "device": self.device, "engine": self.engine, "address": self.address,
        }  # fmt: skip
        if isinstance(self.recipe, Recipe):
            found = cross_validate(self.recipe, x, y, **options)
            self.search_ = Search(found.trained, found.data, seed, self.device, by=found.by)
        else:
            space = self._space(x, y) if self.recipe is None else self.recipe
            options |= {"strategy": plan.strategy.name, "rule": plan.rule, "time_limit": self.time_limit}
            self.search_ = search(space, x, y, trials=self.trials, **options)
        self.best_recipe_ = self.search_.best
        self.n_iter_ = self.search_.table[0]["epochs"]
        self.model_ = self.search_.refit(keep)

    def _space(self, x: Any, y: Array) -> Space:
        """The default space for these data."""
        if given_tensors(x) is not None:
            raise BadInput("X has tensors and there is no recipe", do="recipe=Recipe(network=Module(make_model))")
        outputs = len(np.unique(y)) if self._task == "classification" else 1
        image = _image(x)
        columns = math.prod(image) if image else int(self.n_features_in_)
        return default_space(Size(columns, outputs, image), rows=len(y), task=self._task)

    @property
    def corrected_score_(self) -> float:
        """The winner's cross-validated score, corrected for having been picked."""
        check_is_fitted(self, "search_")
        return self.search_.corrected

    @undisturbed
    def _check(self, x: Any, *, fitting: bool) -> Any:
        """Frames and structured arrays go through as they are (their columns are typed and checked by the schema), and
        images; else a float matrix. Sparse matrices are made dense where they fit into memory."""
        if _image(x):
            if fitting:
                self.n_features_in_ = math.prod(x.shape[1:])
            return x
        tensors = given_tensors(x)
        if tensors is not None:
            if fitting:
                self.n_features_in_ = sum(math.prod(array.shape[1:]) for array in tensors.arrays.values())
            return x
        fields = x.dtype.names if isinstance(x, np.ndarray) else None
        if fields or is_frame(x):
            if fitting:
                names: Any = fields or getattr(x, "columns", ())
                self.feature_names_in_ = np.array([str(name) for name in names], object)
                self.n_features_in_ = len(self.feature_names_in_)
            return x
        named = getattr(self, "feature_names_in_", None)
        if not fitting and named is not None and not is_sparse(x) and np.asarray(x).dtype.kind not in "biuf":
            what = f"X has no column names and holds {np.asarray(x).dtype} values; the model learned from named columns"
            raise BadInput(what, expected=f"a frame with the columns {', '.join(named)}")
        objects = isinstance(x, np.ndarray) and x.dtype == object and x.ndim == 2
        given: Any = _with_nan(x) if objects else with_gaps(x)
        options: dict[str, Any] = {"ensure_all_finite": "allow-nan", "ensure_min_samples": 1 + fitting}
        options |= {"dtype": np.float64, "accept_sparse": ["csr", "csc", "coo"]}
        try:
            matrix = validate_data(self, given, reset=fitting, **options)
        except OverflowError:
            _with_nan(np.array(given, object))  # names the place
            raise
        return dense(matrix)[0] if is_sparse(matrix) else matrix

    def _several(self, y: Any) -> Array | None:
        """A target of several numbers a row, which only a user's own network takes; None for any other."""
        recipe = self.recipe
        made_by = functions_of([recipe]) if isinstance(recipe, Recipe) else recipe.functions if recipe else []
        return several_numbers(y, None) if made_by and y is not None else None

    def _target(self, y: Any, *, numbers: bool = False) -> Array:
        if y is None:
            raise BadInput(f"{type(self).__name__} requires y to be passed, but the target y is None")
        values = one_value_a_row(column_or_1d(values_of(y), warn=True))
        if not numbers:
            return values
        if values.dtype.kind in "US" or isinstance(values[0], str):
            raise BadInput(f"y is text, such as '{values[0]}'", expected="numbers", do="tenfold.Classifier for classes")
        return as_floats(values)

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags: NaN is a missing cell, and sparse matrices are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def report(self) -> str:
        """All recipes with their scores as text, best first."""
        check_is_fitted(self, "model_")
        lines = [f"{self.search_.trained.problem.metric.name} over {len(self.search_.trained.problem.folds)} folds"]
        lines += [printed_row(row) for row in self.search_.table]
        return "\n".join(lines)


def _image(x: Any) -> tuple[int, int, int] | None:
    """(height, width, channels) of an array (rows, height, width) or (rows, height, width, channels); else None."""
    if not isinstance(x, np.ndarray) or x.ndim not in (3, 4):
        return None
    return x.shape[1], x.shape[2], x.shape[3] if x.ndim == 4 else 1


def _with_nan(x: Array) -> Array:
    """Objects (rows, columns) with NaN for what is missing, and what float64 cannot hold refused by its place."""
    x = x.copy()
    for place, value in np.ndenumerate(x):
        if is_absent(value):
            x[place] = np.nan
        elif sort_of(value) == "number" and math.isinf(as_float(value)) and not isinstance(value, float):
            raise BadInput(f"X[{place[0]}, {place[1]}] is too large", expected="finite numbers, or NaN for missing")
    return x


def _check_finite(y: Array) -> None:
    """Refuse NaN and infinities, in scikit-learn's words and with the row."""
    try:
        assert_all_finite(y, input_name="y")
    except ValueError as error:
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        what = "missing" if np.isnan(y[row]) else "infinite"
        raise BadInput(f"{error} y[{row}] is {what}", expected="a finite number for every row") from None


class Classifier(ClassifierMixin, _Network):
    """A network classifier whose training configuration is chosen by cross-validation.

    recipe: a `Recipe`, a `Space` to search, or None (the default space for the data). trials: number of recipes from
    a space; folds, repeats: see `cross_validate`; strategy (halving, hyperband, racing, exhaustive), rule (best,
    one-se), time_limit (seconds of training): see `search`; keep: what predicts, the winner trained on all rows
    (refit), five times (refits), the mean of its folds' models (ensemble), the better of refit and ensemble (both), or
    a blend of the folds' models of several recipes (blend, the default); metric, device, engine, address: see
    `cross_validate`; random_state: seed. After `fit`: classes_, best_recipe_, model_ (the fitted model), search_ (the
    table of all recipes), corrected_score_, n_iter_ (the winner's epochs). X: numeric array, NaN for missing; a frame
    with any columns; a sparse matrix whose dense form fits into memory; or images (rows, height, width) or (rows,
    height, width, channels), uint8 or float.
    """

    _task = "classification"
    classes_: Array

    @undisturbed
    def fit(self, X: Any, y: Any, groups: Any = None) -> Classifier:
        """Search, choose, and keep the winner. groups (rows,): rows of one group are never on both sides of a fold."""
        x = self._check(X, fitting=True)
        y = self._target(y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise BadInput(f"y has one class only: {self.classes_[0]}", expected="at least two classes")
        self._fit(x, y, groups)
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

    metric default: R2. Where the recipe's network is a `Module`, y may hold several numbers for each row, or for a loss
    and a metric of your own any shape.
    """

    _task = "regression"

    @undisturbed
    def fit(self, X: Any, y: Any, groups: Any = None) -> Regressor:
        """Search, choose, and keep the winner. groups (rows,): rows of one group are never on both sides of a fold."""
        x = self._check(X, fitting=True)
        several = self._several(y)
        y = self._target(y, numbers=True) if several is None else several
        if several is None:
            _check_finite(y)
        self._fit(x, y, groups)
        return self

    def predict(self, X: Any) -> Array:
        """The predicted number of each row (rows,), or its several numbers (rows, k), in the target's own unit."""
        check_is_fitted(self, "model_")
        return self.model_.predict(self._check(X, fitting=False))
