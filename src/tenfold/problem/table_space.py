"""The space that is searched for a table when the user gives none: recipes that did best on many tables, then samples.

What RealMLP and TabM do for tables (docs/tables.md) is where it starts: numbers scaled by their quartiles and bent,
embedded, behind a scaling layer; rates by kind of parameter; a cyclic schedule whose valleys lie where a race decides.
"""

from __future__ import annotations

import math
from typing import Any

from tenfold.engine.plan.cost import COMPILED, epochs_within
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space
from tenfold.rules.rate_factors import REALMLP_FACTORS

FOLDS = 5
FEWEST, MOST = 12, 256  # epochs
# Up to so many rows: hidden layers of most recipes, of wider ones, and of those with views, each row of which is many.
HIDDEN: dict[float, tuple[list[int], list[int], list[int]]] = {
    1_000: ([64, 64], [128, 128], [64, 64]),
    5_000: ([128, 128, 128], [256, 256], [64, 64]),
    math.inf: ([128, 128, 128], [256, 256, 256], [128, 128]),
}
BATCH: dict[float, int] = {1_000: 32, 2_500: 64, 25_000: 128, 100_000: 256, math.inf: 512}  # up to so many rows
VIEWS = 8
ENCODED = 640  # numbers that all columns together are encoded as
MOST_EMBEDDED = 160  # numeric columns: of more than that an embedding would take all the time
WITHIN = {"clip_predictions": True}
FEW = 1_000  # rows up to which regularization matters most
NORMAL: dict[str, Any] = {"preprocess": "quantile_normal"}
# With a learned map behind it an embedding must move more than RealMLP's, whose numbers are random from the start.
FASTER_EMBEDDING: dict[str, Any] = {**REALMLP_FACTORS, "embedding": 0.3}
VALLEYS = {"coslog": {"base": 3, "cycles": 4}}  # at 1/27, 1/9, 1/3 of a training, about, and at its end


def table_space(size: Size, *, rows: int, task: str, core_seconds: float | None = None) -> Space:
    """The space for a table of `rows` development rows.

    core_seconds: of compiled training that the mean recipe may take on its folds; by default `recipe_budget(rows)`,
    which decides the epochs, 12 to 256. More than 160 numeric columns are not embedded.
    """
    recipes, samples = first_recipes(size, rows=rows, task=task), _samples(size, rows, task)
    if size.image is not None or size.numeric > MOST_EMBEDDED:
        pixels = size.image is not None
        recipes = [_plain(recipe, pixels) for recipe in recipes if not _has_views(recipe)]
        samples = _plain(samples, pixels)
    budget = recipe_budget(rows) if core_seconds is None else core_seconds
    usual = [Recipe.from_dict(recipe) for recipe in recipes if not _has_views(recipe)]
    fitting = epochs_within(usual, size, rows=rows, folds=FOLDS, core_seconds=budget, model=COMPILED)
    epochs = min(max(fitting, FEWEST), MOST)
    # An epoch of many views costs as much as many epochs, and needs no valley of a schedule: its views are averaged.
    few = max(FEWEST, epochs // 4)
    first = [{**recipe, "epochs": few if _has_views(recipe) else epochs} for recipe in recipes]
    if task == "regression":
        first, samples = [{**recipe, **WITHIN} for recipe in first], {**samples, **WITHIN}
    return Space.from_dict({"first": first, **samples, "epochs": epochs})


def recipe_budget(rows: int) -> float:
    """Seconds of one core for one recipe on its folds: 8 up to 2,000 rows, 60 at 10,000, 70 at 20,000. A race of 16
    trains about five of them whole."""
    if rows <= 10_000:
        return 8.0 + 6.5e-3 * max(rows - 2_000, 0)
    return 60.0 + 1e-3 * (min(rows, 20_000) - 10_000) + 5e-4 * max(rows - 20_000, 0)


def first_recipes(size: Size, *, rows: int, task: str) -> list[dict[str, Any]]:
    """The recipes that are tried before any sample, without their epochs.

    Where integer columns may be categories, or categories have many levels, some recipes take them so; a linear model
    is among them.
    """
    usual, wide, seen = _upto(HIDDEN, rows)
    codes: dict[str, Any] = {"integers": "categories"} if "integers" in both_ways(size) else {}
    means: dict[str, Any] = {"categories": "target_means"} if "categories" in both_ways(size) else {}
    bins = {"ple": {"bins": most_bins(size)}}
    viewed = _viewed(rows, seen, embedding={"ple": {"bins": max(4, most_bins(size) // 2), "size": 8}})
    if task == "regression":
        learned: dict[str, Any] = {
            "embedding": {"ple": {"bins": most_bins(size), "size": 8}},
            "rate_factors": FASTER_EMBEDDING,
        }
        return [
            _recipe(rows, usual, "mish", 0.05, embedding=bins, dropout=0.25),
            _recipe(rows, usual, "mish", 0.03, embedding={"pbld": {"sigma": 0.3}}, **NORMAL),
            _recipe(rows, wide, "mish", 0.05, dropout=0.3, **codes),
            viewed,
            _recipe(rows, usual, "mish", 0.05, embedding="none", dropout=0.3, weight_decay=0.05, **NORMAL),
            _recipe(rows, wide, "mish", 0.05, embedding=bins, dropout=0.3, weight_decay=0.05, **means),
            _recipe(rows, usual, "mish", 0.02, **learned, **codes),
            _recipe(rows, usual, "mish", 0.05, **NORMAL, **means),
            _linear(rows),
        ]
    return [
        _recipe(rows, usual, "selu", 0.04),
        _recipe(rows, usual, "mish", 0.02, embedding=bins, dropout=0.25),
        _recipe(rows, wide, "mish", 0.02, dropout=0.3, **codes),
        viewed,
        _recipe(rows, usual, "selu", 0.04, embedding="none", dropout=0.3, weight_decay=0.05, **NORMAL),
        _recipe(rows, wide, "selu", 0.02, embedding=bins, dropout=0.3, weight_decay=0.05, **means),
        _recipe(rows, usual, "mish", 0.01, embedding={"pbld": {"sigma": 0.5}}, dropout=0.1, **codes),
        _recipe(rows, wide, "selu", 0.04, embedding={"pbld": {"sigma": 0.05}}, dropout=0.4, weight_decay=0.1, **NORMAL),
        _linear(rows),
    ]


def most_bins(size: Size) -> int:
    """Bins of a piecewise-linear encoding: 32 up to 20 numeric columns, fewer of more columns, so that not all of a
    training goes into the first layer."""
    return min(32, max(4, ENCODED // max(1, size.numeric)))


def both_ways(size: Size) -> dict[str, list[str]]:
    """The columns that may be taken in two ways, as the fields of a space: integers of few values, and categories of
    many levels."""
    integers = any(way[0] == "categories" for way in size.ways)
    means = any(way[1] == "target_means" for way in size.ways)
    found = {"integers": ["numbers", "categories"]} if integers else {}
    return found | ({"categories": ["one_hot", "target_means"]} if means else {})


def _recipe(
    rows: int, hidden: list[int], activation: str, rate: float, *, embedding: Any = "pbld", dropout: float = 0.15,
    weight_decay: float = 0.02, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """RealMLP's recipe with other numbers."""
    return {
        **_in_common(rows),
        "preprocess": "robust_clip",
        "network": {
            "hidden": hidden, "activation": {"parametric": activation}, "embedding": embedding, "scale": True,
            "dropout": dropout,
        },
        "optimizer": {"adamw": {"lr": rate, "beta2": 0.95}},
        "weight_decay": weight_decay,
        **more,
    }  # fmt: skip


def _in_common(rows: int) -> dict[str, Any]:
    """What RealMLP's recipe and the samples around it share."""
    return {
        "init": "data_driven",
        "decay": VALLEYS,
        "rate_factors": REALMLP_FACTORS,
        "weight_decay_schedule": "flat_cos",
        "dropout_schedule": "flat_cos",
        "batch_size": _upto(BATCH, rows),
    }


def _viewed(rows: int, hidden: list[int], *, embedding: Any) -> dict[str, Any]:
    """TabM-mini's recipe, with few views."""
    return {
        "preprocess": "robust_clip",
        "network": {
            "hidden": hidden, "activation": "relu", "embedding": embedding, "views": VIEWS, "dropout": 0.1,
        },
        "optimizer": {"adamw": {"lr": 2e-3}},
        "weight_decay": 3e-4,
        "clip_norm": 1.0,
        "batch_size": _upto(BATCH, rows),
    }  # fmt: skip


def _linear(rows: int) -> dict[str, Any]:
    """A linear model, which networks must not lose to on small tables."""
    return {
        "preprocess": "robust_clip",
        "network": {"hidden": []},
        "optimizer": {"adamw": {"lr": 3e-3}},
        "decay": VALLEYS,
        "weight_decay": 0.1 if rows <= FEW else 0.01,
        "batch_size": _upto(BATCH, rows),
    }


def _samples(size: Size, rows: int, task: str) -> dict[str, Any]:
    """What follows: the same recipe with numbers drawn from ranges, after the authors' own search space."""
    numbers = task == "regression"
    usual, wide, _ = _upto(HIDDEN, rows)
    return {
        **_in_common(rows),
        "preprocess": ["robust_clip", "quantile_normal"],
        **both_ways(size),
        "network": {
            "hidden": [usual, wide],
            "activation": [{"parametric": "mish"}, {"parametric": "selu"}],
            "embedding": [
                {"pbld": {"sigma": {"log_uniform": [0.05, 0.7]}}},
                {"ple": {"bins": {"int_log_uniform": [max(4, most_bins(size) // 4), 2 * most_bins(size)]}}},
            ],
            "scale": True,
            "dropout": [0.0, {"uniform": [0.1, 0.5]}],
        },
        "optimizer": {
            "adamw": {"lr": {"log_uniform": [0.02, 0.15] if numbers else [0.01, 0.1]}, "beta2": [0.95, 0.98]}
        },
        "weight_decay": {"log_uniform": [1e-3, 0.1]},
    }


def _has_views(recipe: dict[str, Any]) -> bool:
    return "views" in recipe["network"]


def _plain(recipe: dict[str, Any], pixels: bool) -> dict[str, Any]:
    """The same without an embedding, for many columns and for images that are too small for convolutions: pixels have
    one unit."""
    changed: dict[str, Any] = {"preprocess": "standardize"} if pixels else {}
    return {**recipe, **changed, "network": {**recipe["network"], "embedding": "none"}}


def _upto(table: dict[Any, Any], rows: int) -> Any:
    return next(entry for most, entry in table.items() if rows <= most)
