"""A recipe under the doctor: its scores and short trainings against slow twins, what it finds, and what it repairs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import accuracy_score, r2_score

import tenfold
from tenfold.data.feed.randomness import derive_int
from tenfold.doctor.measure.numbers.skill import WORST
from tenfold.doctor.record import Trial
from tenfold.engine.engines import make_lanes
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.plan.shape import Shape
from tenfold.errors import BadInput
from tenfold.problem.from_arrays import understand
from tenfold.recipe.recipe import Recipe
from tenfold.repair.diagnose_recipe import (
    RecipeDiagnosis,
    ShortTrainings,
    across_folds,
    lane_skills,
    skill_of,
    train_watched,
)
from tenfold.repair.repair_recipe import chosen, diagnose_recipe, repair
from tenfold.search.context import SearchContext

ROWS = 240
BASE = {"network": {"hidden": [16]}, "batch_size": 32, "epochs": 12, "optimizer": {"adam": {"lr": 0.01}}}
QUICK = {"folds": 3, "budget": 0.5, "device": "cpu"}


def cancer():
    x, y = load_breast_cancer(return_X_y=True)
    return x[:ROWS], y[:ROWS]


def recipe(**fields):
    return Recipe.from_dict(BASE | fields)


def problem(data=cancer, folds=3, **options):
    return understand(*data()).problem(folds, **options)


def context():
    return SearchContext.local("cpu")


def test_skill_is_accuracy_above_the_largest_class_and_r2():
    found, rng = problem(), np.random.default_rng(0)
    rows = found.folds[0].train
    outputs = rng.normal(size=(len(rows), 2))
    chance = max(np.mean(found.y[rows]), 1 - np.mean(found.y[rows]))
    wanted = (accuracy_score(found.y[rows], outputs.argmax(1)) - chance) / (1 - chance)
    assert skill_of(found, outputs, rows, 0, recipe()) == pytest.approx(max(wanted, WORST), abs=1e-12)
    outputs[3, 1] = np.nan
    assert skill_of(found, outputs, rows, 0, recipe()) == WORST
    same = np.flatnonzero(found.y == 0)
    assert skill_of(found, rng.normal(size=(len(same), 2)), same, 0, recipe()) is None
    numbers = problem(lambda: load_diabetes(return_X_y=True))
    rows = numbers.folds[1].validation
    mean, std = numbers.scale(1)
    z = (numbers.y[rows] - mean) / std + rng.normal(size=len(rows)) / 3
    value = skill_of(numbers, z[:, None], rows, 1, recipe())
    assert value == pytest.approx(r2_score(numbers.y[rows], z * std + mean), abs=1e-12)


def test_a_trial_is_a_pack_trained_alone_for_so_many_updates():
    found, base = problem(), recipe(preprocess="none", optimizer={"sgd": {"lr": 0.1}})
    tries = ShortTrainings(found, base, context(), steps=25)
    names = ["as_is", "flip", "standardize_inputs", "lr_d10", "longer", "one_batch"]
    trials = tries(names, (0,))
    assert [t.change for t in trials] == ["as_is", "standardize_inputs", "lr_d10", "longer", "one_batch"]
    assert [t.steps for t in trials] == [25, 25, 25, 100, 25]
    by_name = {t.change: t for t in trials}
    changed = recipe(preprocess="standardize", optimizer={"sgd": {"lr": 0.1}})
    for name, alone in (("as_is", base), ("standardize_inputs", changed)):
        skills, held, losses = trained_alone(tries, alone, 25)
        assert by_name[name].skill == skills
        assert by_name[name].held_out == held
        assert by_name[name].loss == losses
    assert by_name["longer"].skill == trained_alone(tries, base, 100)[0]
    heart = ShortTrainings(found, recipe(), context(), steps=100)(["as_is", "one_batch"], (0,))[1]
    assert heart.held_out == by_name["one_batch"].held_out == [None, None, None]
    assert heart.skill == [1.0, 1.0, 1.0]


def trained_alone(tries, alone, updates):
    """The recipe by itself on the folds and seeds of the first round of trials."""
    folds = tuple(replace(f, seed=derive_int(f.seed, "doctor", 1, 1)) for f in tries.problem.folds)
    feed = tries.problem.feed([alone], tries.context.device, tries.context.dtype, folds)
    lanes = [Lane(alone, 0, fold) for fold in range(len(folds))]
    shape = Shape.of(alone, tries.problem.size, folds)
    pack = make_lanes(lanes, shape, feed, engine=tries.context.engine)
    torch.set_num_threads(1)
    while pack.update < updates:
        pack.run_epoch(last=updates)
    return lane_skills(tries.problem, pack)


def test_smaller_batches_make_an_equal_share_of_updates_and_the_budget_decides_how_many():
    wide = recipe(batch_size="full")
    trials = ShortTrainings(problem(), wide, context(), steps=12)(["as_is", "smaller_batch"], (0,))
    assert [t.steps for t in trials] == [12, 60]  # 160 training rows: 5 updates an epoch instead of 1
    few, many = (
        ShortTrainings(problem(), recipe(epochs=100), context(), 1e-6),
        ShortTrainings(problem(), recipe(epochs=100), context(), 9.0),
    )
    assert few(["as_is"], (0,))[0].steps == 20
    many.steps = many._affordable([recipe()], problem().folds)
    assert many.steps == 400
    short = ShortTrainings(problem(), recipe(epochs=2), context(), 9.0)
    assert short(["as_is"], (0,))[0].steps == 10  # all that the recipe makes


def test_rounds_of_trials_differ_and_repeat_exactly():
    tries = ShortTrainings(problem(), recipe(), context(), steps=20)
    once, again, proof = (tries(["as_is", "lr_d100"], seeds) for seeds in ((0,), (0,), (0, 1, 2, 3, 4)))
    assert [(t.skill, t.held_out, t.loss) for t in once] == [(t.skill, t.held_out, t.loss) for t in again]
    assert once[0].loss != proof[0].loss
    assert len(proof[0].skill) == 3


def test_a_healthy_recipe_is_healthy():
    found = diagnose_recipe(recipe(), *cancer(), **QUICK)
    assert found.healthy, found.report()


def test_a_network_with_views_is_diagnosed():
    views = {"hidden": [16], "views": 3, "dropout": 0.1}
    assert diagnose_recipe(recipe(network=views), *cancer(), **QUICK).healthy
    found = diagnose_recipe(recipe(network=views, **FAULTS["lr_too_low"]), *cancer(), **QUICK)
    assert found.findings[0].cause == "lr_too_low", found.report()


FAULTS = {
    "unscaled_inputs": {"preprocess": "none", "optimizer": {"sgd": {"lr": 0.1}}},
    "lr_too_low": {"optimizer": {"sgd": {"lr": 1e-5}}},
}


@pytest.mark.parametrize("cause", FAULTS)
def test_a_planted_fault_is_named_with_the_lines_that_cure_it(cause):
    found = diagnose_recipe(recipe(**FAULTS[cause]), *cancer(), **QUICK)
    first = found.findings[0]
    assert first.cause == cause, found.report()
    if cause == "unscaled_inputs":
        assert "preprocess: standardize" in first.remedy
    assert "3 folds" in first.proof
    assert "(3 of 3 better)" in first.proof


def test_what_holds_across_folds_is_said():
    found = problem(repeats=2)
    diverging = recipe(optimizer={"sgd": {"lr": 1e30}})
    training = train_watched(found, diverging, context())
    bad = training.pack.bad.numpy()
    sentences = across_folds(found, training)
    assert (bad >= 0).all()
    assert sentences[0] == f"diverged in 6 of 6 trainings (folds and seeds), first at update {bad.min()}"
    assert training.skill == [WORST] * 6
    assert training.mean_score() is None
    dead = across_folds(problem(), train_watched(problem(), recipe(init={"he": {"bias": -1e4}}), context()))
    assert "no better than a constant answer on the training rows in 3 of 3 folds" in dead
    assert "over half of a layer's units are dead in 3 of 3 folds" in dead
    assert across_folds(problem(), train_watched(problem(), recipe(), context())) == []


def test_a_lane_that_was_not_finite_once_has_failed():
    training = train_watched(problem(), recipe(epochs=2), context())
    assert [p.step for p in training.observer.validation[0, 1]] == [5, 10]
    training.pack.bad[1] = 3
    skills, held, losses = lane_skills(problem(), training.pack)
    assert (skills[1], held[1], losses[1]) == (WORST, WORST, math.inf)
    assert min(skills[0], skills[2], held[0], held[2]) > WORST
    assert max(losses[0], losses[2]) < 10


def test_the_judged_lane_is_the_middle_one_or_one_far_behind():
    training = train_watched(problem(), recipe(epochs=1), context())
    training.skill[:] = [0.9, 0.8, 0.95]
    assert training.judged_lane() == 0
    training.skill[:] = [0.9, 0.1, 0.95]
    assert training.judged_lane() == 1
    training.skill[:] = [0.9, None, 0.95]
    assert training.judged_lane() == 1


def test_a_time_limit_ends_the_training_and_is_said():
    diagnosis = RecipeDiagnosis(problem(), recipe(epochs=100_000), SearchContext.local("cpu", limit=0.3), 0.1)
    assert diagnosis.trained.pack.epoch < 100_000
    assert "the time was out" in diagnosis.trained.notes[0]


def test_a_recipe_that_does_not_fit_is_refused():
    with pytest.raises(BadInput, match="loss"):
        diagnose_recipe(recipe(loss="squared"), *cancer(), **QUICK)


def trial(name, held, loss=None):
    return Trial(name, 10, list(held), list(held), list(loss or [1.0] * len(held)))


def test_the_change_to_make():
    before = trial("as_is", [0.1, 0.1, 0.2, 0.1, 0.1])
    better = trial("lr_d10", [0.8] * 5)
    best = trial("adam", [0.81] * 5)
    lucky = trial("clip", [0.0, 0.0, 0.0, 0.0, 1.0])
    whole = trial("right", [0.99] * 5)
    same = trial("reinitialize", before.held_out, [0.5] * 5)
    assert chosen(before, 0.1, {"clip": lucky}) is None  # better on one fold alone
    assert chosen(before, 0.1, {"clip": lucky, "adam": best}) == "adam"
    assert chosen(before, 0.1, {"lr_d10": better, "adam": best}) == "lr_d10"  # first of those that are about the best
    assert chosen(before, 0.9, {"lr_d10": better}) is None  # random changes do better
    assert chosen(before, 0.1, {"lr_d10": better, "right": whole}) == "right"
    assert chosen(before, 0.1, {"lr_d10": trial("lr_d10", [0.9] * 5), "right": whole}) == "lr_d10"
    assert chosen(before, 0.1, {"reinitialize": same}) is None
    assert chosen(before, 0.1, {"reinitialize": same}, ["reinitialize"]) == "reinitialize"
    assert chosen(before, 0.1, {"head": same}, ["head"]) is None
    failed = trial("lr_x10", [None] * 5, [math.inf] * 5)
    assert chosen(before, 0.1, {"lr_x10": failed}) is None


@pytest.mark.slow
def test_several_faults_are_repaired_together_and_only_what_was_needed():
    faulty = recipe(init="zeros", network={"hidden": [16], "dropout": 0.95}, preprocess="none", weight_decay=1e-6)
    found = repair(faulty, *cancer(), folds=3, budget=1.0, device="cpu")
    assert found.recipe.init == Recipe().init
    assert found.recipe.network.dropout == 0.0
    assert found.recipe.weight_decay == 1e-6  # harmless: stays
    assert found.last.healthy, found.report()
    assert not found.first.healthy
    assert found.score_last > found.score_first + 0.2
    for change in found.changes:
        assert change.better >= 0.8 * change.folds
        assert change.after > change.control
        if change.remedy is not None:  # another change than the first finding's: it did better
            assert change.after > change.remedy - 0.02
            assert f"the remedy: {change.remedy:.2f})" in found.report()
    assert found.to_dict()["recipe"] == found.recipe.to_dict()
    assert "trained to the end: accuracy" in found.report()
    assert "these settings changed together, each of them needed:\n  " in found.report()


def test_a_healthy_recipe_is_left_alone():
    found = repair(recipe(), *cancer(), **QUICK)
    assert found.recipe == recipe()
    assert found.changes == []
    assert found.first is found.last
    assert found.notes == []


@pytest.mark.slow
def test_what_cannot_be_repaired_is_left_as_it_is():
    x, y = cancer()
    shuffled = np.random.default_rng(0).permutation(y)
    found = repair(recipe(), x, shuffled, **QUICK)
    assert found.recipe == recipe()
    assert "no change was proven to help" in found.notes


@pytest.mark.parametrize("function", [tenfold.diagnose_recipe, tenfold.repair])
def test_what_is_no_recipe_is_refused(function):
    with pytest.raises(tenfold.BadInput, match="a str"):
        function("adam", *cancer())


SICK = {
    "healthy": {},
    "rate too high": {"optimizer": {"sgd": {"lr": 1e4}}},
    "rate too low": {"optimizer": {"sgd": {"lr": 1e-7}}},
    "zeros": {"init": "zeros"},
}


@pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)
@pytest.mark.parametrize("fields", SICK.values(), ids=SICK.keys())
def test_both_engines_find_the_same(fields, monkeypatch):
    """Causes, layers, remedies and probabilities; scores to what float32 leaves."""
    x, y = cancer()
    found = []
    for engine in ("", "packs"):
        monkeypatch.setenv("TENFOLD_ENGINE", engine)
        assert SearchContext.local("cpu").engine == (engine or "compiled")
        found.append(tenfold.diagnose_recipe(recipe(**fields), x, y, folds=3, device="cpu"))
    compiled, packs = found
    assert compiled.healthy == packs.healthy == (not fields)
    assert [(f.cause, f.layer, f.remedy) for f in compiled.findings] == [
        (f.cause, f.layer, f.remedy) for f in packs.findings
    ]
    assert [f.probability for f in compiled.findings] == pytest.approx(
        [f.probability for f in packs.findings], abs=0.02
    )
    assert compiled.probability == pytest.approx(packs.probability, abs=0.02)
    assert compiled.notes == packs.notes
