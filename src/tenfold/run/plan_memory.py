"""How much memory a run is likely to take at its peak: the sum of what is there while networks are trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tenfold.engine.native.records import AHEAD_BYTES, AHEAD_EPOCHS, KEPT_BYTES
from tenfold.engine.plan.cost import network_work
from tenfold.engine.plan.network import plan_network
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe
from tenfold.rules.preprocessing import QuantileNormal
from tenfold.rules.preprocessing.moments import INTERVALS
from tenfold.search.search import recorded_at_most

STARTED_BYTES = 520_000_000  # of a process that has loaded everything, with scikit-learn's trees and the figures
NUMBER_BYTES = 16  # that a learned number takes while it is trained: itself, its slope, and what its optimizer keeps
STATE_BYTES = 12  # that a learned number takes in a checkpoint: itself and what its optimizer keeps of it
KEPT_NUMBER_BYTES = 4  # that it takes in the network of the best epoch, which is kept for the final model
# Of a compiled lane under way: its state before and after the updates that are made ahead, and its best network so far.
UNDER_WAY_BYTES = 2 * STATE_BYTES + 2 * KEPT_NUMBER_BYTES
BASELINE_COPIES = 4  # of the encoded rows, that a linear model and trees make


def run_memory(
    problem: Problem, recipes: Sequence[Recipe], trials: int, workers: int, *, compiled: Sequence[Recipe], kept: bool
) -> int:
    """Bytes. recipes: of the first of the rounds in which so many `trials` recipes are trained; compiled: those of them
    that compiled lanes train; kept: whether the networks of the best epochs are kept."""
    inputs, more = problem.inputs, trials / len(recipes)
    columns = problem.wide.inputs.codes.nbytes if any(recipe.integers == "categories" for recipe in recipes) else 0
    data = 2 * (inputs.numbers.nbytes + inputs.codes.nbytes) + columns
    training = _of_lanes(problem, recipes, workers, compiled, kept) + _of_inputs(problem, recipes, compiled)
    # What is noted of a round stays.
    training += more * _of_records(problem, recipes, trials)
    if kept:
        learned = sum(network_work(recipe, problem.size).weights for recipe in recipes)
        training += more * KEPT_NUMBER_BYTES * len(problem.folds) * learned
    baselines = BASELINE_COPIES * 8 * inputs.rows * problem.width
    return STARTED_BYTES + data + round(max(training, baselines))


def _of_lanes(
    problem: Problem, recipes: Sequence[Recipe], workers: int, compiled: Sequence[Recipe], kept: bool
) -> float:
    """Of the lanes of these recipes: some are under way, the others wait for the end of the stage."""
    folds, size = len(problem.folds), problem.size
    learned = [network_work(recipe, size).weights for recipe in recipes]
    fast = set(map(id, compiled))
    # Compiled lanes of a shape are one pack or several; one pack more than there are workers is under way.
    most = math.ceil(len(recipes) / (workers + 1))
    packs: dict[object, list[int]] = {}
    for recipe, numbers in zip(recipes, learned, strict=True):
        if id(recipe) in fast:
            ops = tuple(step.op for step in plan_network(recipe.network, size.of(recipe)))
            packs.setdefault((ops, recipe.batch_size), []).append(numbers)
    parts = [sum(part[i : i + most]) for part in packs.values() for i in range(0, len(part), most)]
    largest = sorted(parts)[-(workers + 1) :]
    under_way, ahead = sum(largest), kept * sum(_ahead(KEPT_NUMBER_BYTES * folds * part) for part in largest)
    alone = max(
        (numbers for recipe, numbers in zip(recipes, learned, strict=True) if id(recipe) not in fast), default=0
    )
    waiting = sum(learned) - under_way
    every = STATE_BYTES * waiting + UNDER_WAY_BYTES * under_way
    # The state of a pack that ends is there three times: where it was, as it is handed over, and as it is written.
    every += 2 * STATE_BYTES * max(parts, default=0)
    return folds * every + ahead + workers * NUMBER_BYTES * alone


def _ahead(epoch: int) -> int:
    """Of the networks of all epochs that a pack makes ahead, by those of one epoch."""
    return max(epoch, min(AHEAD_BYTES, AHEAD_EPOCHS * epoch))


def _of_records(problem: Problem, recipes: Sequence[Recipe], trials: int) -> float:
    """Of what is noted of these recipes: out-of-fold predictions, and what each row contributes to every score."""
    epochs = sum(recipe.epochs for recipe in recipes)
    rows = recorded_at_most(trials * max(recipe.epochs for recipe in recipes))
    predicted = 8 * problem.inputs.rows * problem.size.outputs * len(recipes)
    return predicted + 4 * epochs * min(rows, problem.inputs.rows)


def _of_inputs(problem: Problem, recipes: Sequence[Recipe], compiled: Sequence[Recipe]) -> float:
    """Of what makes inputs of the rows: encoded tables and orders of compiled lanes, and quantiles of columns."""
    rows, size, folds = problem.inputs.rows, problem.size, len(problem.folds)
    total = 0.0
    if compiled:
        longest = max(recipe.epochs for recipe in recipes)
        ways = len({(recipe.preprocess, recipe.integers, recipe.categories) for recipe in compiled})
        total += min(4 * rows * size.inputs * problem.divisions * ways, KEPT_BYTES)
        total += min(8 * rows * problem.divisions * longest, KEPT_BYTES)
    rules = {recipe.preprocess for recipe in recipes}
    # Quantiles of every fold; where they are lines, knots and heights too.
    arrays = any(rule.needs_quantiles for rule in rules) + 2 * sum(isinstance(rule, QuantileNormal) for rule in rules)
    return total + 8 * arrays * (INTERVALS + 1) * size.numeric * folds
