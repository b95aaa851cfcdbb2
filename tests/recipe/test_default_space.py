"""The default space and the cost formula that sizes it."""

import pytest

from tenfold.errors import BadInput
from tenfold.recipe import MLP, Recipe, Space, default_space
from tenfold.recipe.cost import (
    CostModel,
    epochs_within,
    lane_step_seconds,
    mean_seconds,
    plan_trials,
    recipe_seconds,
)
from tenfold.rules.optimizers import AdamW
from tenfold.rules.schedules import Cosine

SIZES = [(30, 4), (569, 30), (891, 40), (4_000, 20), (6_000, 12), (16_000, 20), (60_000, 100), (1_000_000, 50)]


def space_for(rows, columns, task="classification"):
    return default_space(rows=rows, columns=columns, task=task, outputs=2 if task == "classification" else 1)


@pytest.mark.parametrize(("rows", "columns"), SIZES)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_it_is_what_it_says(rows, columns, task):
    space = space_for(rows, columns, task)
    sample = space.sample(60, seed=0)
    assert len(set(sample)) == 60
    shapes = {(r.network.hidden, r.network.normalization, r.batch_size) for r in sample}
    assert len(shapes) == 4
    assert 0.3 < sum(isinstance(r.optimizer, AdamW) for r in sample) / 60 < 0.7
    assert 0.55 < sum(isinstance(r.decay, Cosine) for r in sample) / 60 < 0.95
    assert len({type(r.network.activation) for r in sample}) == 4
    assert len({type(r.optimizer) for r in sample}) == 4
    assert 32 <= sample[0].batch_size <= 512
    assert 8 <= sample[0].epochs <= 120
    assert Space.from_yaml(space.to_yaml()) == space


def test_it_grows_with_the_rows():
    widest = [max(max(r.network.hidden) for r in space_for(rows, 20).sample(40)) for rows, _ in SIZES]
    epochs = [space_for(rows, 20).sample(1)[0].epochs for rows, _ in SIZES]
    batch = [space_for(rows, 20).sample(1)[0].batch_size for rows, _ in SIZES]
    assert widest == sorted(widest)
    assert batch == sorted(batch)
    assert min(epochs[:3]) > max(epochs[3:5]) > epochs[5] > epochs[6] >= epochs[7]
    assert widest[0] <= 64
    assert widest[5] >= 256
    assert max(r.network.dropout for r in space_for(500, 20).sample(60)) > 0.3


def test_every_line_has_a_comment_above():
    lines = space_for(16_000, 20).to_yaml().splitlines()
    for i, line in enumerate(lines):
        if line and not line.startswith((" ", "#", "-")):
            assert lines[i - 1].startswith("# ")
    assert sum(line.startswith("  # ") for line in lines) == 4


@pytest.mark.parametrize(("rows", "columns"), [(16_000, 20), (16_000, 100), (20_000, 20), (20_000, 60)])
def test_twenty_thousand_rows_fit_into_the_budget(rows, columns):
    size = {"rows": rows, "columns": columns, "outputs": 2, "folds": 5}
    space = space_for(rows, columns)
    trials = plan_trials(space, **size, budget_seconds=100)
    assert trials >= 12
    sample = space.sample(trials)
    assert sum(recipe_seconds(r, **size) for r in sample) / 2 < 108


def test_another_task_is_refused():
    with pytest.raises(BadInput, match="classification or regression"):
        default_space(rows=10, columns=2, task="clustering", outputs=1)


def test_step_formula_by_hand():
    recipe = Recipe(network=MLP(hidden=(10, 20)), batch_size=32)
    model = CostModel(flops=1e9, weight=1e-6, unit=1e-7, step=1e-3)
    weights, units = 5 * 10 + 10 * 20 + 20 * 3, 10 + 20 + 3
    expected = 6 * 32 * weights / 1e9 + weights * 1e-6 + 32 * units * 1e-7 + 1e-3
    assert lane_step_seconds(recipe, columns=5, outputs=3, model=model) == pytest.approx(expected, rel=1e-12)


def test_recipe_formula_by_hand():
    model = CostModel(flops=float("inf"), weight=0, unit=0, step=1.0)
    recipe = Recipe(batch_size=30, epochs=7)
    seconds = recipe_seconds(recipe, rows=100, columns=5, outputs=3, folds=5, model=model)
    assert seconds == 5 * 7 * (3 + 1)  # 80 training rows are 3 steps; one validation
    assert recipe_seconds(recipe, rows=100, columns=5, outputs=3, folds=1, model=model) == 7 * 4
    full = Recipe(batch_size="full", epochs=7)
    assert recipe_seconds(full, rows=100, columns=5, outputs=3, folds=5, model=model) == 5 * 7 * (1 + 1)
    with pytest.raises(BadInput, match="full batch"):
        lane_step_seconds(full, columns=5, outputs=3)


def test_plan_clamps_and_divides():
    size = {"rows": 5_000, "columns": 10, "outputs": 1, "folds": 5}
    space = space_for(5_000, 10)
    mean = mean_seconds(space, **size)
    assert plan_trials(space, **size, budget_seconds=0) == 8
    assert plan_trials(space, **size, budget_seconds=1e9) == 48
    assert plan_trials(space, **size, budget_seconds=20.5 * mean, cores=1) == 20
    assert plan_trials(space, **size, budget_seconds=10.25 * mean, cores=2) == 20
    assert plan_trials(Space.from_dict({"epochs": [1, 2, 3]}), **size, budget_seconds=1e9) == 3


def test_epochs_within_is_the_last_that_fits():
    recipes = [Recipe(), Recipe(network=MLP(hidden=(8,)))]
    size = {"rows": 3_000, "columns": 10, "outputs": 1, "folds": 5}
    epochs = epochs_within(recipes, **size, core_seconds=3.0)

    def mean(n):
        return sum(recipe_seconds(Recipe(network=r.network, epochs=n), **size) for r in recipes) / 2

    assert mean(epochs) <= 3.0 < mean(epochs + 1)
    assert epochs_within(recipes, **size, core_seconds=0.0) == 1
