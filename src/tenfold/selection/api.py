"""Cross-validation and search in Python: `cross_validate` and `search`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.errors import BadInput
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.space import Space
from tenfold.selection.arrays import Labelled, understand
from tenfold.selection.model import Model
from tenfold.selection.search import Crew, Trained, device_named, train_all


@dataclass(frozen=True)
class CrossValidation:
    """What `cross_validate` measured.

    table: one dict a recipe in the order given - recipe, mean (in the metric's own sign), se, scores (one a fold),
    outcomes (counts), epochs (chosen on the fold-mean curve). trials: one dict a trial - recipe (its index), fold,
    seed, score, outcome, epoch, curve (validation score, one an epoch). out_of_fold: (recipes, rows, classes or 1)
    predictions at the chosen epoch for every row by the fold that did not see it; NaN for a diverged trial.
    """

    trained: Trained
    data: Labelled

    @property
    def table(self) -> list[dict[str, Any]]:
        """One dict a recipe, in the order given."""
        return self.trained.table()

    @property
    def trials(self) -> list[dict[str, Any]]:
        """One dict a trial."""
        return self.trained.trials()

    @property
    def out_of_fold(self) -> np.ndarray:
        """(recipes, rows, classes or 1)."""
        return np.stack([self.trained.out_of_fold(number) for number in range(len(self.trained.recipes))])

    def to_frame(self) -> Any:
        """The table as a frame of the library at hand (pandas, polars or pyarrow, whichever is installed)."""
        return as_frame([_flat(row) for row in self.table])


@dataclass(frozen=True)
class Search:
    """What `search` found. best: the winning recipe; table: as for `cross_validate`, best first."""

    trained: Trained
    data: Labelled
    seed: int
    device: str

    @property
    def best(self) -> Recipe:
        """The recipe with the best mean score over the folds; raises `RunFailed` if none has a finite one."""
        return self.trained.recipes[self.trained.best()]

    @property
    def table(self) -> list[dict[str, Any]]:
        """One dict a recipe, best first."""
        return [self.trained.row(number) for number in self.trained.ranking()]

    @property
    def trials(self) -> list[dict[str, Any]]:
        """One dict a trial; `recipe` is the index in `trained.recipes`, the order of sampling."""
        return self.trained.trials()

    def to_frame(self) -> Any:
        """The table as a frame of the library at hand."""
        return as_frame([_flat(row) for row in self.table])

    def refit(self) -> Model:
        """The best recipe trained on all rows, for the updates that the folds chose."""
        from tenfold.selection.refit import refit

        best = self.trained.best()
        return refit(
            self.trained.problem,
            self.trained.recipes[best],
            self.trained.records[best].epoch,
            seed=self.seed,
            schema=self.data.schema,
            classes=self.data.labels,
            device=device_named(self.device),
        )


def cross_validate(
    recipes: Recipe | Sequence[Recipe],
    X: Any,
    y: Any,
    *,
    folds: Any = 5,
    seed: int = 0,
    task: str | None = None,
    metric: str | None = None,
    groups: Any = None,
    repeats: int = 1,
    device: str = "auto",
) -> CrossValidation:
    """Train every fold of every recipe, together, and score each on the rows that it did not see.

    recipes: one or many. X: numeric array (rows, columns), nested list, or any frame; y: (rows,). folds: a number
    (stratified for classes, by group with `groups`, shuffled), or any scikit-learn splitter. metric: accuracy (the
    default for classes), log_loss, balanced_accuracy, roc_auc; r2 (the default for numbers), rmse, mae. The epoch of
    each recipe is the best of its fold-mean curve. Raises `BadInput` for what cannot be used.
    """
    recipes = [recipes] if isinstance(recipes, Recipe) else list(recipes)
    if not recipes or not all(isinstance(recipe, Recipe) for recipe in recipes):
        raise BadInput("recipes holds something else than recipes", expected="a Recipe or a non-empty list of them")
    data = understand(X, y, task)
    problem = data.problem(folds, seed=seed, metric=metric, repeats=repeats, groups=groups)
    return CrossValidation(train_all(problem, recipes, Crew.local(device)), data)


def search(
    space: Space,
    X: Any,
    y: Any,
    *,
    trials: int = 64,
    folds: Any = 5,
    seed: int = 0,
    task: str | None = None,
    metric: str | None = None,
    groups: Any = None,
    device: str = "auto",
    time_limit: float | None = None,
) -> Search:
    """Sample `trials` recipes from the space and cross-validate them all to the end; see `cross_validate`.

    The same seed samples the same recipes. time_limit: seconds of training, after which what is unfinished ends as
    `timeout` and can win only if nothing is finished.
    """
    data = understand(X, y, task)
    problem = data.problem(folds, seed=seed, metric=metric, groups=groups)
    trained = train_all(problem, space.sample(trials, seed=seed), Crew.local(device, limit=time_limit))
    return Search(trained, data, seed, device)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table with values that a frame takes."""
    flat = {"recipe": row["recipe"].describe(), "mean": row["mean"], "se": row["se"], "epochs": row["epochs"]}
    return flat | {f"score_{fold}": score for fold, score in enumerate(row["scores"])}


def as_frame(rows: Sequence[dict[str, Any]]) -> Any:
    """A frame of the first of pandas, polars and pyarrow that is installed."""
    from importlib.util import find_spec

    import narwhals as nw

    columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    for library in ("pandas", "polars", "pyarrow"):
        if find_spec(library):
            return nw.from_dict(columns, backend=library).to_native()
    raise BadInput("no frame library is installed", do="pip install pandas, or use .table, a list of dicts")
