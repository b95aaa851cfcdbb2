"""What a plan says of the time and the memory of a run, against sums of a reader's own."""

from dataclasses import replace

import numpy as np
import pytest

import tenfold
from tenfold import Recipe
from tenfold.engine.native.records import AHEAD_BYTES
from tenfold.problem.from_arrays import understand
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.run.plan import make_plan
from tenfold.run.plan_memory import STARTED_BYTES, STATE_BYTES, UNDER_WAY_BYTES, run_memory

RNG = np.random.default_rng(0)


def problem_of(rows, columns):
    return understand(RNG.normal(size=(rows, columns)), np.arange(rows) % 2).problem(5)


def memory(problem, recipes, trials=None, *, compiled=True, kept=False):
    chosen = recipes if compiled else []
    return run_memory(problem, recipes, trials or len(recipes), 2, compiled=chosen, kept=kept) - STARTED_BYTES


def with_hidden(*units, **fields):
    return Recipe.from_dict({"network": {"hidden": list(units)}, "epochs": 2, "preprocess": "none", **fields})


def test_memory_counts_every_learned_number_of_a_wide_table():
    # 2,000 x 100 weights, 100 biases, 100 x 2 weights and 2 biases, on five folds.
    learned = 5 * (2_000 * 100 + 100 + 100 * 2 + 2)
    wide = problem_of(40, 2_000)
    recipe = with_hidden(100)
    # One lane's state while it is under way, and twice where it is written at the end of its pack.
    expected = (UNDER_WAY_BYTES + 2 * STATE_BYTES) * learned
    assert memory(wide, [recipe]) == pytest.approx(expected, rel=0.25)
    # Recipes that wait for others of their stage have their state alone: 12 of 15 wait, 3 packs are under way.
    shapes = [with_hidden(100, batch_size=rows) for rows in range(16, 31)]
    more = memory(wide, shapes) - memory(wide, shapes[:3])
    assert more == pytest.approx(12 * STATE_BYTES * learned, rel=0.05)
    # Networks that are kept for the final model have their numbers alone.
    kept = memory(wide, shapes, kept=True) - memory(wide, shapes)
    assert kept == pytest.approx(15 * 4 * learned + 3 * AHEAD_BYTES, rel=0.01)
    # Of later rounds only what is kept is there at the same time.
    rounds = memory(wide, shapes, 30, kept=True) - memory(wide, shapes, kept=True)
    assert rounds == pytest.approx(15 * 4 * learned, rel=0.05)


def test_memory_counts_the_quantiles_of_every_fold():
    wide = problem_of(40, 2_000)
    plain, lines = (memory(wide, [with_hidden(4, preprocess=rule)]) for rule in ("standardize", "quantile_normal"))
    assert lines - plain == 3 * 8 * 1_001 * 2_000 * 5


def test_memory_counts_the_rows_of_a_tall_table():
    few, many = (memory(problem_of(rows, 20), [with_hidden(4)]) for rows in (1_000, 20_000))
    # At least the rows twice, as they were read, and once as tables of each fold.
    assert many - few > 19_000 * 20 * (2 * 8 + 5 * 4)


def planned(settings):
    return make_plan(prepare(settings), 2)


def test_the_metric_of_lopsided_classes_is_chosen_and_said(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{'late' if i % 20 == 0 else 'paid'}" for i, a in enumerate(rng.normal(size=400))]
    (tmp_path / "loans.csv").write_text("\n".join(["amount,state", *lines]))
    settings = Settings(data=str(tmp_path / "loans.csv"), target="state", holdout=0)
    plan = planned(settings)
    assert plan.metric.name == "log_loss"  # 4 late rows in a fold
    assert plan.why_metric.endswith("paid is 95% of the rows; --metric accuracy overrules")
    assert planned(replace(settings, folds=4)).metric.name == "roc_auc"
    assert planned(replace(settings, metric="accuracy")).why_metric == "asked for"
    x, y = np.random.default_rng(0).normal(size=(400, 1)), np.arange(400) % 20 == 0
    recipe = tenfold.Recipe(network=tenfold.MLP(hidden=(4,)), epochs=1)
    found = tenfold.cross_validate(recipe, x, y, folds=4)
    assert found.table[0]["mean"] == found.table[0]["metrics"]["roc_auc"]
