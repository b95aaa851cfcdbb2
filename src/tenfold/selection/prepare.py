"""From a file to a problem: read and type-check every row, seal the test rows, decide about the others."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tenfold.data.card import Card, make_card
from tenfold.data.encode import Inputs, make_inputs, pixel_inputs
from tenfold.data.folds import hold_out, make_folds, usable_folds
from tenfold.data.image_card import make_image_card
from tenfold.data.images import Images
from tenfold.data.read import read_any
from tenfold.data.schema import Schema, conform, decide
from tenfold.data.table import Table
from tenfold.data.target import Target, read_target
from tenfold.errors import BadInput
from tenfold.recipe.cost import plan_trials, recipe_seconds
from tenfold.recipe.default_space import default_space
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.space import Space
from tenfold.selection.baselines import coarse_size
from tenfold.selection.problem import Problem
from tenfold.statistics.metrics import Metric, metric_for

Array = np.ndarray
TRAINING_SECONDS = 75.0  # that a default search is planned to train for
SHARE_FOR_TRAINING = 0.6  # of a time limit; the rest is for baselines, the refit and the report
MOST_TRIALS = 400


@dataclass(frozen=True)
class Settings:
    """What `fit` was asked for. recipe and space: plain data, or None; time_limit: seconds, or None."""

    data: str
    target: str | None = None
    trials: int | None = None
    recipe: dict[str, Any] | None = None
    space: dict[str, Any] | None = None
    folds: int = 5
    holdout: float = 0.2
    task: str | None = None
    metric: str | None = None
    device: str = "auto"
    seed: int = 0
    time_limit: float | None = None

    def __post_init__(self) -> None:
        if self.recipe is not None and self.space is not None:
            raise BadInput("both a recipe and a space are given", do="--recipe FILE or --space FILE, not both")
        if self.trials is not None and (self.trials < 1 or self.recipe is not None):
            found = f"--trials {self.trials}" + (" beside --recipe" if self.recipe is not None else "")
            raise BadInput(found, expected="a number of recipes to sample, at least 1, from a space")
        if not 0 <= self.holdout < 1:
            raise BadInput(f"--holdout {self.holdout}", expected="a share in [0, 1); 0 seals no test rows")
        if self.folds < 2:
            raise BadInput(f"--folds {self.folds}", expected="at least 2", do="--folds 5")
        if self.time_limit is not None and self.time_limit <= 0:
            raise BadInput("the time limit is not positive", do="--time-limit 10m")
        if not 0 <= self.seed < 2**63:
            raise BadInput(f"--seed {self.seed}", expected="an integer from 0 to 2^63 - 1")

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """What will be done, said before it is: recipes in order, and estimates for this machine."""

    recipes: tuple[Recipe, ...]
    folds: int
    metric: Metric
    why_metric: str
    why_task: str
    workers: int
    seconds: float  # of training
    memory: int  # bytes
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """The development rows as a problem, and the sealed rows, whose labels nothing has looked at.

    schema: of the columns, None for images. target: the name of what is learned.
    """

    settings: Settings
    name: str
    source: str
    target: str
    schema: Schema | None
    card: Card
    problem: Problem
    notes: tuple[str, ...]
    why_task: str
    rows: tuple[int, ...]  # (with a target, development, test, without a target)
    _sealed: Table | Images
    _sealed_y: Array

    @cached_property
    def sealed_inputs(self) -> Inputs:
        """The test rows' inputs; unseen categories go to their own slot."""
        return _inputs(self._sealed, self.schema)

    @cached_property
    def sealed_sha(self) -> str:
        """A hash of the test rows' inputs, which recognizes them."""
        inputs = self.sealed_inputs
        return hashlib.sha256(inputs.numbers.tobytes() + inputs.codes.tobytes()).hexdigest()

    def unseal(self) -> Array:
        """The labels of the test rows. To be called once the intent to open the lockbox is on the ledger."""
        return self._sealed_y


def prepare(settings: Settings) -> Prepared:
    """Read the data and divide it. Raises `BadInput` for whatever cannot be used."""
    found = read_any(settings.data)
    target = read_target(found.labels if isinstance(found, Images) else found, settings.target, settings.task)
    metric = metric_for(target.task, settings.metric)
    classification = target.task == "classification"
    usable = (found if isinstance(found, Images) else found.drop(target.name)).take(target.keep)
    if len(target.values) < settings.folds:
        usable_folds(target.values, settings.folds, classification=False)  # says so
    development, test = hold_out(target.values, settings.holdout, classification=classification, seed=settings.seed)
    y = target.values[development]
    folds, note = usable_folds(y, settings.folds, classification=classification)
    ours = replace(target, values=y, keep=target.keep[development])
    schema, card, inputs = _understand(usable.take(development), ours)
    parts = make_folds(y, folds, classification=classification, seed=settings.seed)
    problem = Problem(inputs, y, target.classes, parts, metric)
    counts = len(target.values), len(development), len(test), target.dropped
    return Prepared(
        settings, found.name, found.source, target.name, schema, card, problem, (note,) if note else (),
        _reason(target), counts, usable.take(test), target.values[test],
    )  # fmt: skip


def _understand(rows: Table | Images, target: Target) -> tuple[Schema | None, Card, Inputs]:
    """The schema, the card and the inputs of the development rows."""
    if isinstance(rows, Images):
        inputs = _inputs(rows, None)
        return None, make_image_card(rows, inputs, target), inputs
    schema = decide(rows, target)
    return schema, make_card(rows, schema, target.values, dropped_rows=target.dropped), _inputs(rows, schema)


def _inputs(rows: Table | Images, schema: Schema | None) -> Inputs:
    if isinstance(rows, Images):
        return pixel_inputs(rows.pixels)
    assert schema is not None
    return make_inputs(conform(rows, schema)[0], schema)


def _reason(target: Target) -> str:
    return f"{target.task}: the target is {target.reason}"


def make_plan(prepared: Prepared, workers: int) -> Plan:
    """The recipes to compare - the one given, or sampled from the space given or the default one - and estimates."""
    settings, problem = prepared.settings, prepared.problem
    rows, columns, outputs = problem.inputs.rows, problem.width, problem.outputs
    size: dict[str, Any] = {"rows": rows, "columns": columns, "outputs": outputs, "image": problem.inputs.image}
    notes = list(prepared.notes)
    if settings.recipe is not None:
        recipes = [Recipe.from_dict(settings.recipe)]
    else:
        given = settings.space is not None
        space = Space.from_dict(settings.space) if given else default_space(task=problem.task, **size)
        trials = settings.trials or _trials(space, settings, size, workers)
        recipes = space.sample(trials, seed=settings.seed)
        if settings.trials and len(recipes) < settings.trials:
            notes.append(f"the space has {len(recipes)} distinct recipes, fewer than {settings.trials}")
    problem.check_recipes(recipes)
    notes += _image_note(problem)
    work = sum(recipe_seconds(recipe, folds=len(problem.folds), **size) for recipe in recipes)
    why = "the default for " + problem.task if settings.metric is None else "asked for"
    data = problem.inputs.numbers.nbytes + problem.inputs.codes.nbytes
    predictions = 4 * rows * outputs * len(recipes)
    memory = 2 * data + predictions + 350_000_000
    return Plan(
        tuple(recipes), len(problem.folds), problem.metric, why, prepared.why_task, workers,
        work / min(workers, 2), memory, tuple(notes),
    )  # fmt: skip


def _image_note(problem: Problem) -> list[str]:
    """What the baselines see of images, where that is not all."""
    image = problem.inputs.image
    if image is None or coarse_size(image) == image:
        return []
    height, width, _ = coarse_size(image)
    return [f"the linear and the boosting baseline see the images averaged down to {height} x {width} pixels"]


def _trials(space: Space, settings: Settings, size: dict[str, Any], workers: int) -> int:
    """As many recipes as fit the time: by the cost formula, between 8 and 48; up to 400 for a long time limit."""
    if settings.time_limit is None:
        return plan_trials(space, folds=settings.folds, budget_seconds=TRAINING_SECONDS, cores=2, **size)
    budget = settings.time_limit * SHARE_FOR_TRAINING
    return plan_trials(space, folds=settings.folds, budget_seconds=budget, cores=workers, most=MOST_TRIALS, **size)
