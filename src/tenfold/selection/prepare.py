"""From a file to a problem: read and type-check every row, seal the test rows, decide about the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tenfold.data.card import Card, make_card
from tenfold.data.encode import Inputs
from tenfold.data.folds import usable_folds
from tenfold.data.holdout import hold_out
from tenfold.data.image_card import make_image_card
from tenfold.data.images import Images
from tenfold.data.read import read_any
from tenfold.data.schema import Schema, decide
from tenfold.data.splits import Splits, describe
from tenfold.data.table import Column, Table
from tenfold.data.target import Target, read_labels, read_target
from tenfold.data.units import duplicate_units
from tenfold.errors import BadInput
from tenfold.recipe.cost import plan_trials, recipe_seconds
from tenfold.recipe.default_space import default_space
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.space import Space
from tenfold.selection.baselines import coarse_size
from tenfold.selection.nested import inner_problem
from tenfold.selection.problem import Problem, divided
from tenfold.selection.proposals import Proposer, proposer
from tenfold.selection.racing import Strategy
from tenfold.selection.sealed import Sealed, row_inputs
from tenfold.selection.search import FEWER_LANES, Given
from tenfold.selection.settings import Settings
from tenfold.statistics.metrics import Metric, metric_for

Array = np.ndarray
TRAINING_SECONDS = 75.0  # that a default search is planned to train for
SHARE_FOR_TRAINING = 0.6  # of a time limit; the rest is for baselines, the refit and the report
DEFAULT_TRIALS, MOST_TRIALS = 48, 400  # at most, without and with a time limit
RACED = 16  # recipes from which on a search is a race by default


@dataclass(frozen=True)
class Plan:
    """What will be done, said before it is: recipes in order, and estimates for this machine.

    recipes: of the first round, all of them unless later rounds are proposed from what was found. trials: recipes
    over all rounds. space: that they are from, None for one recipe. inner: of a nested cross-validation, the rows with
    the folds inside every fold.
    """

    recipes: tuple[Recipe, ...]
    folds: int  # of one repeat
    metric: Metric
    why_metric: str
    why_task: str
    workers: int
    seconds: float  # of training
    memory: int  # bytes
    notes: tuple[str, ...]
    trials: int
    strategy: Strategy
    proposer: Proposer
    space: Space | None
    inner: Problem | None = None


@dataclass(frozen=True)
class Prepared:
    """The development rows as a problem, and the sealed rows, whose labels nothing has looked at.

    schema: of the columns, None for images. target: the name of what is learned. division: the folds in words.
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
    sealed: Sealed
    division: str


def prepare(settings: Settings) -> Prepared:
    """Read the data and divide it. Raises `BadInput` for whatever cannot be used."""
    found = read_any(settings.data)
    target = read_target(found.labels if isinstance(found, Images) else found, settings.target, settings.task)
    metric = metric_for(target.task, settings.metric)
    splits = _splits(found, target, settings)
    if len(target.values) < settings.folds:
        usable_folds(target.values, settings.folds, classification=False)  # says so
    usable = _inputs_of(found, target, settings).take(target.keep)
    given = None if settings.test is None else _test_file(found, target, settings)
    development, test = _sides(usable, target, splits, settings, alone=given is not None)
    y = target.values[development]
    ours = replace(target, values=y, keep=target.keep[development])
    schema, card, inputs = _understand(usable.take(development), ours, grouped=settings.groups is not None)
    problem, notes = divided(inputs, y, target.classes, metric, splits.take(development))
    if settings.drop:
        notes.append("left out, as asked: " + ", ".join(f"'{name}'" for name in settings.drop))
    lost = len(target.values) - len(development) - len(test)
    if lost:
        notes.append(
            f"{lost} rows are on neither side: they equal a sealed row, or lie in the gap before the sealed ones"
        )
    if given is None:
        sealed = Sealed(usable.take(test), target.values[test], schema)
    else:
        sealed = Sealed(given[0], given[1].values, schema)
        notes += [*given[2], *_copies(inputs, sealed.inputs)]
    counts = len(target.values), len(development), sealed.rows, target.dropped
    folds = replace(splits, folds=problem.divisions) if isinstance(splits.folds, int) else splits
    return Prepared(
        settings, found.name, found.source, target.name, schema, card, problem, tuple(notes), _reason(target), counts,
        sealed, describe(folds, classification=target.task == "classification"),
    )  # fmt: skip


def _splits(found: Table | Images, target: Target, settings: Settings) -> Splits:
    """How the rows with a target are to be divided."""
    columns: dict[str, Array | None] = {"groups": None, "time": None}
    for name in columns:
        column = getattr(settings, name)
        if column is None:
            continue
        if isinstance(found, Images):
            raise BadInput(f"--{name} {column}: these are images", expected="a table with such a column")
        if column == target.name:
            raise BadInput(f"--{name} {column} is the target", expected="another column")
        columns[name] = _dividing(found, column, name, target.keep)
    by = settings.groups or settings.time or ""
    return Splits(settings.folds, settings.repeats, columns["groups"], columns["time"], settings.gap, settings.seed, by)


def _dividing(table: Table, name: str, option: str, keep: Array) -> Array:
    """The values of the column that rows are divided by; it has one for every row, and for time an order."""
    column = table.column(name)
    gaps = keep[column.missing[keep]]
    if len(gaps):
        what = f"{len(gaps)} rows have no value of --{option} {name}, the first in {table.place(int(gaps[0]))}"
        raise BadInput(what, expected="a value in every row", do="fill those cells, or drop the rows")
    if option == "time" and column.kind in ("text", "boolean"):
        found = f"--time {name}: the column is {column.kind}, such as '{column.values[keep[0]]}'"
        raise BadInput(column.doubt or found, expected="dates or numbers", do="another column")
    return column.values[keep]


def _inputs_of(found: Table | Images, target: Target, settings: Settings, *, other: bool = False) -> Table | Images:
    """What may be learned from: everything but the target, the columns to be left out, and the one that names the
    groups. other: a file of test rows, which may lack those."""
    if isinstance(found, Images):
        if settings.drop:
            raise BadInput(f"--drop {settings.drop[0]}: these are images", expected="a table with such a column")
        return found
    for option in ("target", "groups", "time"):
        name = target.name if option == "target" else getattr(settings, option)
        if name in settings.drop:
            raise BadInput(f"--drop {name} is the column of --{option}", expected="another column")
    rest = found.drop(target.name)
    for name in settings.drop:
        rest = rest.drop(name) if name in rest.names or not other else rest
    return rest if settings.groups is None or other else rest.drop(settings.groups)


def _sides(
    usable: Table | Images, target: Target, splits: Splits, settings: Settings, *, alone: bool
) -> tuple[Array, Array]:
    """Development and test rows; alone: the test rows come from elsewhere."""
    share = 0.0 if alone else settings.holdout
    copies = duplicate_units(usable.pixels if isinstance(usable, Images) else _without_names(usable))[0]
    classification = target.task == "classification"
    return hold_out(
        target.values, share, classification=classification, seed=settings.seed, splits=splits, units=copies
    )


def _without_names(table: Table) -> Table:
    """The table without columns that name its rows: text or whole numbers, of which no two are equal."""

    def names(column: Column) -> bool:
        present = column.values[~column.missing]
        if column.kind == "text":
            return len(set(present)) == table.rows
        return column.kind == "number" and len(np.unique(present)) == table.rows and bool((present % 1 == 0).all())

    rest = tuple(column for column in table.columns if not names(column))
    return replace(table, columns=rest) if rest else table


def _test_file(found: Table | Images, target: Target, settings: Settings) -> tuple[Table | Images, Target, list[str]]:
    """The rows of the file of test rows, their target, and what is to be said of them."""
    other = read_any(str(settings.test))
    if isinstance(found, Images) != isinstance(other, Images):
        raise BadInput(
            "the test rows are of another kind than the data", where=other.source, expected="rows like those"
        )
    labels = read_labels(other.labels if isinstance(other, Images) else other, target)
    rows = _inputs_of(other, target, settings, other=True).take(labels.keep)
    if isinstance(found, Images) and isinstance(other, Images) and found.pixels.shape[1:] != other.pixels.shape[1:]:
        raise BadInput("the test images are of another size", where=other.source, expected=f"{found.pixels.shape[1:]}")
    said = [f"test rows: {labels.values.size} of {other.source}"]
    if settings.groups is not None and isinstance(other, Table) and settings.groups in other.names:
        assert isinstance(found, Table)
        both = set(other.column(settings.groups).values.tolist()) & set(found.column(settings.groups).values.tolist())
        said += (
            [f"{len(both)} of the test file's values of '{settings.groups}' occur in the data as well"] if both else []
        )
    return rows, labels, said


def _copies(development: Inputs, test: Inputs) -> list[str]:
    """What is to be said of rows of the test file that equal a development row."""
    both = replace(
        development, numbers=np.concatenate([development.numbers, test.numbers]),
        codes=np.concatenate([development.codes, test.codes]),
    )  # fmt: skip
    units = duplicate_units(both, always=True)[0]
    if units is None:
        return []
    count = int(np.isin(units[development.rows :], units[: development.rows]).sum())
    return [f"{count} of {test.rows} test rows equal a development row in all inputs"] if count else []


def _understand(rows: Table | Images, target: Target, *, grouped: bool) -> tuple[Schema | None, Card, Inputs]:
    """The schema, the card and the inputs of the development rows."""
    if isinstance(rows, Images):
        inputs = row_inputs(rows, None)
        return None, make_image_card(rows, inputs, target), inputs
    schema = decide(rows, target)
    card = make_card(rows, schema, target.values, dropped_rows=target.dropped, grouped=grouped)
    return schema, card, row_inputs(rows, schema)


def _reason(target: Target) -> str:
    return f"{target.task}: the target is {target.reason}"


def make_plan(prepared: Prepared, workers: int) -> Plan:
    """The recipes to compare - the one given, or proposed from the space given or the default one - and estimates."""
    settings, problem = prepared.settings, prepared.problem
    rows, columns, outputs = problem.inputs.rows, problem.width, problem.outputs
    size: dict[str, Any] = {"rows": rows, "columns": columns, "outputs": outputs, "image": problem.inputs.image}
    notes = list(prepared.notes)
    if settings.recipe is not None:
        space, chosen = None, Given((Recipe.from_dict(settings.recipe),))
    else:
        given = settings.space is not None
        space = Space.from_dict(settings.space) if given else default_space(task=problem.task, **size)
        chosen = proposer(settings.proposals, space, _trials(space, settings, problem, size, workers), settings.seed)
    recipes = chosen.propose([])
    trials = len(recipes) if chosen.rounds == 1 else chosen.trials
    if settings.trials and trials < settings.trials:
        notes.append(f"the space has {len(recipes)} distinct recipes, fewer than {settings.trials}")
    problem.check_recipes(recipes)
    inner = inner_problem(problem, problem.divisions, settings.seed) if settings.nested else None
    if settings.keep == "both":
        from tenfold.selection.keep import inner_folds

        inner_folds(problem, settings.seed)  # says so now where there are none
    notes += _image_note(problem)
    strategy = _strategy(settings, trials)
    full = sum(recipe_seconds(recipe, folds=problem.divisions, **size) for recipe in recipes) / len(recipes) * trials
    longest = max(recipe.epochs for recipe in recipes)
    share = strategy.work(problem.folds, trials, longest) / (trials * longest * len(problem.folds))
    nested = 1 + problem.divisions * (problem.divisions - 1) / problem.divisions if settings.nested else 1.0
    work = full * share * settings.repeats * nested
    why = "the default for " + problem.task if settings.metric is None else "asked for"
    data = problem.inputs.numbers.nbytes + problem.inputs.codes.nbytes
    predictions = 4 * rows * outputs * trials
    memory = 2 * data + predictions + 350_000_000
    return Plan(
        tuple(recipes), problem.divisions, problem.metric, why, prepared.why_task, workers, work / min(workers, 2),
        memory, tuple(notes), trials, strategy, chosen, space, inner,
    )  # fmt: skip


def _strategy(settings: Settings, trials: int) -> Strategy:
    """The race that was asked for; else halving for many recipes, or in a limited time."""
    if settings.strategy is not None:
        return Strategy(settings.strategy)  # pyright: ignore[reportArgumentType]
    raced = (trials >= RACED or settings.audit or settings.time_limit is not None) and not settings.nested
    return Strategy("halving" if raced else "exhaustive")


def _image_note(problem: Problem) -> list[str]:
    """What the baselines see of images, where that is not all."""
    image = problem.inputs.image
    if image is None or coarse_size(image) == image:
        return []
    height, width, _ = coarse_size(image)
    return [f"the linear and the boosting baseline see the images averaged down to {height} x {width} pixels"]


def _trials(space: Space, settings: Settings, problem: Problem, size: dict[str, Any], workers: int) -> int:
    """As many recipes as fit the time: by the cost formula, between 8 and 48; up to 400 for a long time limit. A race
    fits more of them into it than a search that trains all to the end."""
    if settings.trials is not None:
        return settings.trials
    limit = settings.time_limit
    seconds = TRAINING_SECONDS if limit is None else limit * SHARE_FOR_TRAINING
    cost: dict[str, Any] = {"folds": len(problem.folds), **size}
    if settings.nested:
        cost["folds"] *= problem.divisions
    cost |= {"cores": 2 if limit is None else workers, "most": DEFAULT_TRIALS if limit is None else MOST_TRIALS}
    whole = plan_trials(space, budget_seconds=seconds, **cost)
    strategy = _strategy(settings, DEFAULT_TRIALS)
    if strategy.name in ("exhaustive", "racing"):
        return whole
    longest = max(recipe.epochs for recipe in space.sample(16, seed=0))
    every = DEFAULT_TRIALS * longest * len(problem.folds)
    share = FEWER_LANES * strategy.work(problem.folds, DEFAULT_TRIALS, longest) / every
    raced = plan_trials(space, budget_seconds=seconds / share, **cost)
    return raced if raced >= RACED or settings.strategy is not None or limit is not None else whole
