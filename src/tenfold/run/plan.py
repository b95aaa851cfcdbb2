"""What a search will do: recipes, folds, strategy, and an estimate of its time and memory."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.checks.baselines import PIXELS, baseline_seconds, coarse_size, flat_tensors
from tenfold.data.feed.encode import LEAST_LEVELS
from tenfold.engine.engines import Engine, best_engine, engine_of
from tenfold.engine.native.speed import core_speed
from tenfold.engine.plan.cost import COMPILED, START_SECONDS, network_work, plan_trials, recipe_seconds
from tenfold.engine.plan.network import plan_network
from tenfold.errors import BadInput
from tenfold.executors.choose import gain
from tenfold.formatting import listed
from tenfold.problem.default_space import default_space, is_table
from tenfold.problem.from_file import Prepared
from tenfold.problem.module_space import module_space
from tenfold.problem.problem import Problem
from tenfold.problem.settings import Settings
from tenfold.problem.table_space import FOLDS, recipe_budget
from tenfold.recipe.module import Module
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.grid import grid_size
from tenfold.recipe.spaces.space import Space
from tenfold.run.plan_memory import NUMBER_BYTES, STATE_BYTES, run_memory
from tenfold.search.deadline import planned_training, seconds_after_training
from tenfold.search.nested import inner_problem
from tenfold.search.proposals import Proposer, proposer
from tenfold.search.racing import Strategy
from tenfold.search.search import FEWER_LANES, Given, SearchPlan, keeps_weights
from tenfold.statistics.metrics import Metric, metric_for

TRAINING_SECONDS = 75.0  # that a default search is planned to train for
DEFAULT_TRIALS, MOST_TRIALS = 48, 400  # at most, without and with a time limit
TABLE_TRIALS = 16  # recipes of the default space for a table: those that it names, and some samples
TABLE_EPOCHS = 81  # of a training whose race is counted
LONGER = 2.0  # times the usual length that a training of the default space may have where there is time
RACED = 16  # recipes from which on a search is a race by default
FINALISTS = 3  # packs of a race that train to the end
LOADING_SECONDS = 4.0  # of all that is imported
NAMED = 12  # columns in one note
WRITTEN_BYTES = 1.5e8  # a second, of checkpoints that are hashed and synchronized


@dataclass(frozen=True)
class RunPlan:
    """What will be done, with estimates for this machine.

    recipes: of the first round, all of them unless later rounds are proposed from what was found. trials: recipes
    over all rounds. space: that they are from, None for one recipe. inner: of a nested cross-validation, the rows with
    the folds inside every fold. engine: what trains the recipes that it knows.
    """

    recipes: tuple[Recipe, ...]
    folds: int  # of one repeat
    metric: Metric
    why_metric: str
    why_task: str
    workers: int
    seconds: float  # of training
    whole: float  # seconds of all that is left to do: training, baselines, checkpoints, the final model, the report
    memory: int  # bytes
    notes: tuple[str, ...]
    trials: int
    search: SearchPlan
    proposer: Proposer
    space: Space | None
    engine: Engine = "packs"
    inner: Problem | None = None


def make_plan(prepared: Prepared, workers: int) -> RunPlan:
    """The recipes to compare - the one given, or proposed from the space given or the default one - and estimates."""
    settings, problem = prepared.settings, prepared.problem
    notes = list(prepared.notes)
    space, chosen = _chosen(settings, problem, workers)
    recipes = chosen.propose([])
    trials = len(recipes) if chosen.rounds == 1 else chosen.trials
    if settings.trials and trials < settings.trials:
        there = f"{trials} distinct recipe{'s' if trials != 1 else ''}"
        notes.append(f"the space has {there}, fewer than the {settings.trials} asked for")
    asked = settings.trials is not None and settings.proposals == "grid"
    if asked and space is not None and (every := grid_size(space)) > trials:
        notes.append(f"--trials {trials} cuts a grid of {every} recipes: the last {every - trials} are not tried")
    problem.check_recipes(recipes)
    _check_fits(recipes, problem)
    inner = inner_problem(problem, problem.divisions, settings.seed) if settings.nested else None
    if settings.keep == "both":
        from tenfold.model.refit_or_ensemble import inner_folds

        inner_folds(problem, settings.seed)  # raises here, not after the search, if there can be none
    notes += [*_image_note(problem), *_module_notes(problem, recipes, settings.device)]
    notes += [*_integers_note(problem, recipes), *_categories_notes(problem, recipes)]
    strategy = _strategy(settings, trials)
    longest = max(recipe.epochs for recipe in recipes)
    shares = {
        epochs: strategy.expected_epochs(problem.folds, trials, longest, epochs) / epochs
        for epochs in {recipe.epochs for recipe in recipes}
    }
    nested = 1 + problem.divisions * (problem.divisions - 1) / problem.divisions if settings.nested else 1.0
    compiled, stacked = by_engine(recipes, prepared, best_engine())
    seconds = _stacked_seconds(stacked, problem, shares, workers, raced=strategy.name != "exhaustive")
    seconds += _compiled_seconds(compiled, problem, shares, workers)
    seconds *= trials / len(recipes) * settings.repeats * nested
    whole = LOADING_SECONDS + seconds + baseline_seconds(problem) + _saving_seconds(recipes, problem)
    kept = keeps_weights(problem, recipes, trials)
    whole += seconds_after_training(problem, recipes, settings.keep, compiled=compiled, kept=kept)
    why = "asked for" if settings.asks_metric else _why_metric(problem)
    memory = run_memory(problem, recipes, trials, workers, compiled=compiled, kept=kept)
    return RunPlan(
        tuple(recipes), problem.divisions, problem.metric, why, prepared.why_task, workers, seconds, whole, memory,
        tuple(notes), trials, SearchPlan(strategy, settings.rule, settings.audit, settings.seed), chosen, space,
        best_engine(), inner,
    )  # fmt: skip


def _why_metric(problem: Problem) -> str:
    """Why the default is the default."""
    if problem.metric.name == metric_for(problem.task, None).name:
        return "the default for " + problem.task
    counts = np.bincount(problem.y)
    largest = f"{problem.classes[int(counts.argmax())]} is {counts.max() / counts.sum():.0%} of the rows"
    return f"the default where one class dwarfs the others: {largest}; --metric accuracy overrules"


def by_engine(recipes: Sequence[Recipe], prepared: Prepared, engine: Engine) -> tuple[list[Recipe], list[Recipe]]:
    """The recipes that compiled lanes train in a run with that engine, and those that packs train."""
    problem = prepared.problem
    kind = "cuda" if prepared.settings.device.startswith("cuda") else "cpu"
    how: Any = {"classification": bool(problem.classes), "engine": engine, "device": kind}
    compiled, stacked = list[Recipe](), list[Recipe]()
    for recipe in recipes:
        (compiled if engine_of(recipe, problem.size, **how) == "compiled" else stacked).append(recipe)
    return compiled, stacked


def _chosen(settings: Settings, problem: Problem, workers: int) -> tuple[Space | None, Proposer]:
    """The space that was given, or the default one, and what proposes from it; the one recipe that was given."""
    if settings.recipe is not None:
        return None, Given((settings.recipe,))
    if settings.space is None and not settings.modules and is_table(problem.size):
        space, trials = _for_a_table(settings, problem, workers)
    else:
        space = settings.space or _default_space(settings, problem)
        whole = settings.proposals == "grid" and settings.trials is None
        trials = grid_size(space) if whole else _trials(space, settings, problem, workers)
    return space, proposer(settings.proposals, space, trials, settings.seed)


def _default_space(settings: Settings, problem: Problem) -> Space:
    """Around the user's own network, where one is given, or for images."""
    rows = problem.inputs.rows
    if settings.modules:
        return module_space(settings.modules.first, problem.size, rows=rows)
    return default_space(problem.size, rows=rows, task=problem.task)


def _for_a_table(settings: Settings, problem: Problem, workers: int) -> tuple[Space, int]:
    """The default space for a table, and how many recipes of it. A time limit makes trainings shorter where it is too
    short for those of `TABLE_TRIALS` recipes, and adds recipes, and longer trainings, where it leaves time for them."""
    rows, folds = problem.inputs.rows, len(problem.folds) * (problem.divisions if settings.nested else 1)
    asked = settings.trials or TABLE_TRIALS
    strategy, usual = _strategy(settings, asked), recipe_budget(rows)

    def whole(recipes: int) -> float:
        """How many recipes trained to the end cost as much as a race of so many."""
        return strategy.work(problem.folds, recipes, TABLE_EPOCHS) / (TABLE_EPOCHS * len(problem.folds))

    if settings.time_limit is None:
        return default_space(problem.size, rows=rows, task=problem.task), asked
    seconds = planned_training(settings.time_limit) * workers * core_speed() * FOLDS / folds
    each = min(seconds / whole(asked), LONGER * usual)
    space = default_space(problem.size, rows=rows, task=problem.task, core_seconds=each)
    if settings.trials:
        return space, asked
    most = asked
    while most < MOST_TRIALS and whole(most + 1) * each <= seconds:
        most += 1
    return space, most


def _stacked_seconds(
    recipes: Sequence[Recipe], problem: Problem, shares: Mapping[int, float], workers: int, *, raced: bool
) -> float:
    """Seconds that packs of these recipes take. shares: of the epochs of a recipe with so many, that it trains."""
    how: Any = {"rows": problem.inputs.rows, "folds": problem.divisions}
    trained = sum(shares[recipe.epochs] * recipe_seconds(recipe, problem.size, **how) for recipe in recipes)
    packs = _starting_seconds(recipes, problem, raced=raced)
    return trained / min(workers, 2) + sum(packs) / gain(len(packs), workers)


def _compiled_seconds(recipes: Sequence[Recipe], problem: Problem, shares: Mapping[int, float], workers: int) -> float:
    """Seconds that compiled lanes of these recipes take: their arithmetic, by a core as fast as this machine's, and
    what takes turns at the interpreter while others compute."""
    if not recipes:
        return 0.0
    folds, model = problem.divisions, COMPILED.at_speed(core_speed())
    how: Any = {"rows": problem.inputs.rows, "folds": folds, "model": model}
    arithmetic = sum(shares[recipe.epochs] * recipe_seconds(recipe, problem.size, **how) for recipe in recipes)
    in_turn = folds * sum(model.lane + shares[r.epochs] * r.epochs * model.epoch for r in recipes)
    return max(in_turn, (arithmetic + in_turn) / workers)


def _starting_seconds(recipes: Sequence[Recipe], problem: Problem, *, raced: bool) -> list[float]:
    """Seconds that starting the operations of all updates takes, whatever the number of lanes, for each pack: one a
    shape; of a race about as many packs as it has finalists."""
    found: dict[Any, int] = {}  # most updates of any recipe, by shape
    train = problem.inputs.rows * (problem.divisions - 1) // problem.divisions
    for recipe in recipes:
        steps = plan_network(recipe.network, problem.size.of(recipe))
        batch = train if recipe.batch_size == "full" else min(recipe.batch_size, train)
        updates = math.ceil(train / max(1, batch)) * recipe.epochs
        key = tuple(step.op for step in steps), recipe.batch_size
        found[key] = max(updates, found.get(key, 0))
    longest = sorted(found.values(), reverse=True)
    return [START_SECONDS * updates for updates in (longest[:FINALISTS] if raced else longest)]


def _check_fits(recipes: Sequence[Recipe], problem: Problem) -> None:
    """BadInput where one lane of the largest network alone needs more memory than there is."""
    largest = max(recipes, key=lambda recipe: network_work(recipe, problem.size).weights)
    learned = network_work(largest, problem.size).weights
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    needed = NUMBER_BYTES * learned
    if needed > there:
        raise BadInput(
            f"a network of {learned:.3g} learned numbers takes {needed / 1e9:,.4g} GB of memory to train",
            where=largest.describe()[:80],
            expected=f"at most the {there / 1e9:,.4g} GB of this machine",
            do="fewer units or layers",
        )


def _saving_seconds(recipes: Sequence[Recipe], problem: Problem) -> float:
    """Seconds that committing the lanes of these recipes takes: once at least, at the end of their first stage."""
    learned = sum(network_work(recipe, problem.size).weights for recipe in recipes)
    return STATE_BYTES * learned * len(problem.folds) / WRITTEN_BYTES


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


def _module_notes(problem: Problem, recipes: Sequence[Recipe], device: str) -> list[str]:
    """How the lanes of the user's own modules are trained, and what the baselines see of their inputs."""
    size = problem.size
    networks = dict.fromkeys((r.network, size.of(r)) for r in recipes if isinstance(r.network, Module))
    if not networks:
        return []
    from tenfold.engine.user_modules.skeleton import module_sentences

    kind = "cuda" if device.startswith("cuda") else "cpu"
    lines = [line for network, own in networks for line in module_sentences(network, own, kind)]
    tensors = problem.inputs.tensors
    if tensors is not None:
        count = sum(array[0].size for array in tensors.arrays.values())
        thinned = f", {flat_tensors(problem.inputs.take(slice(1))).shape[1]} of them" if count > PIXELS else ""
        lines.append(f"the linear and the boosting baseline see the {count} numbers of each row side by side{thinned}")
    return list(dict.fromkeys(lines))


def _integers_note(problem: Problem, recipes: Sequence[Recipe]) -> list[str]:
    """Which columns of whole numbers are taken as what, where a recipe takes them as categories."""
    ways = {recipe.integers for recipe in recipes}
    if "categories" not in ways:
        return []
    if not problem.wide.integers:
        return ["no column has 3 to 50 whole numbers, so integers: categories changes nothing"]
    found = (f"{problem.inputs.names[column]} ({len(values)})" for column, values in problem.wide.integers)
    how = "are tried as numbers and as categories" if len(ways) > 1 else "are taken as categories"
    return [f"whole numbers of few values {how}: {listed(found, NAMED)}"]


def _categories_notes(problem: Problem, recipes: Sequence[Recipe]) -> list[str]:
    """Which categories are numbers too, the mean targets of their levels; and which are embedded."""
    notes: list[str] = []
    for way, words in (("target_means", "also {} as mean targets"), ("embedded", "{} as embeddings")):
        some = [recipe for recipe in recipes if recipe.categories == way]
        if not some:
            continue
        inputs = (problem.wide if any(recipe.integers == "categories" for recipe in some) else problem.plain).inputs
        found = [f"{inputs.categories[c]} ({inputs.sizes[c] - 2} levels)" for c in inputs.large_categories]
        how = words.format("tried" if len(some) < len(recipes) else "taken")
        if found:
            notes.append(f"categories of many levels are {how}: {listed(found, NAMED)}")
        else:
            notes.append(f"no category has {LEAST_LEVELS} levels or more, so categories: {way} changes nothing")
    return notes


def _trials(space: Space, settings: Settings, problem: Problem, workers: int) -> int:
    """As many recipes as fit the time: by the cost formula, between 8 and 48; up to 400 for a long time limit. A race
    fits more of them into it than a search that trains all to the end."""
    if settings.trials is not None:
        return settings.trials
    limit = settings.time_limit
    seconds = TRAINING_SECONDS if limit is None else planned_training(limit)
    folds = len(problem.folds) * (problem.divisions if settings.nested else 1)
    cost: dict[str, Any] = {"rows": problem.inputs.rows, "folds": folds}
    cost |= {"cores": 2 if limit is None else workers, "most": DEFAULT_TRIALS if limit is None else MOST_TRIALS}
    to_the_end = plan_trials(space, problem.size, budget_seconds=seconds, **cost)
    strategy = _strategy(settings, DEFAULT_TRIALS)
    if strategy.name in ("exhaustive", "racing"):
        return to_the_end
    longest = max(recipe.epochs for recipe in space.sample(16, seed=0))
    every = DEFAULT_TRIALS * longest * len(problem.folds)
    share = FEWER_LANES * strategy.work(problem.folds, DEFAULT_TRIALS, longest) / every
    raced = plan_trials(space, problem.size, budget_seconds=seconds / share, **cost)
    return raced if raced >= RACED or settings.strategy is not None or limit is not None else to_the_end
