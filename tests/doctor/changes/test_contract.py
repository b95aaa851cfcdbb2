"""What every change owes: words, an effect, and a plan of its own."""

from __future__ import annotations

import pytest

from tenfold.doctor.changes.all_changes import CHANGES, COMBINED, REFERENCES, SINGLE, change_label
from tenfold.doctor.changes.change import TrainingPlan
from tenfold.doctor.changes.recipe_changes import changed_recipe
from tenfold.doctor.record import Facts, Operation, OptimizerFacts, ParameterFacts, Record
from tenfold.recipe.recipe import Recipe

LABEL = 28  # characters of a row's name in a figure
SMALL = "larger_batch"  # the one that does nothing to a plan with large batches


def record(**facts: object) -> Record:
    """Of a network with two layers and nothing wrong with it."""
    layers = [Operation("0", "linear", "linear", 8, 4), Operation("2", "linear", "linear", 2, 8)]
    known: dict[str, object] = {
        "task": "classes", "classes": 2, "operations": layers, "parameters": [], "optimizers": [], "after": "",
        "criterion": "CrossEntropyLoss", "reduction": "mean", "output_shape": [2], "target_shape": [], "batch_rows": 32,
        "rows_kept": 100, "steps": 500,
    }  # fmt: skip
    return Record(Facts(**known | facts))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CHANGES)
def test_words_and_a_label(name: str) -> None:
    change = CHANGES[name]
    assert change.name == name
    assert change.words[0].islower()
    assert not change.words.endswith(".")
    assert 0 < len(change_label(name)) <= LABEL
    assert change_label(f"control: {name}") == f"control: {change_label(name)}"


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "as_is"])
def test_an_effect_on_a_module_or_a_recipe(name: str) -> None:
    change = CHANGES[name]
    assert change.module is not None or change.recipe is not None
    if change.module is not None:
        rows = 8 if name == SMALL else 300
        assert change.plan(20, rows) != TrainingPlan(20, rows)
        assert change.plan(20, rows).start is not change.plan(20, rows).start


def test_a_plan_that_nothing_changes() -> None:
    plan = CHANGES["as_is"].plan(20, 300, 0.5)
    assert plan == TrainingPlan(asked=20, batch_rows=300, clip_norm=0.5, steps=20)


@pytest.mark.parametrize(
    ("name", "steps"),
    [("longer", 80), ("smaller_batch", 180), ("larger_batch", 20), ("one_batch", 200), ("right_long", 200),
     ("right", 20)],
)  # fmt: skip
def test_how_many_updates_a_change_makes(name: str, steps: int) -> None:
    assert CHANGES[name].plan(20, 300).steps == steps


def test_what_is_tried_can_be_tried_on_a_module() -> None:
    for name in (*REFERENCES, *SINGLE, "one_batch"):
        assert CHANGES[name].module is not None
    for name in set(CHANGES) - {"as_is", *REFERENCES, *SINGLE, "one_batch"}:
        assert CHANGES[name].module is None
        assert not CHANGES[name].applies(record())


def test_what_repair_chooses_among_has_a_preference() -> None:
    costlier = {"longer", "smaller_batch"}
    chosen = [CHANGES[name] for name in SINGLE if CHANGES[name].recipe is not None and name not in costlier]
    assert all(change.preference > 0 for change in chosen)
    by_preference: dict[int, set[str]] = {}
    for change in chosen:
        by_preference.setdefault(change.preference, set()).add(change.name[:3])
    assert all(len(names) == 1 for names in by_preference.values())  # the rates share one


def test_all_at_once_changes_a_recipe_as_the_single_changes_do() -> None:
    faulty = Recipe.from_dict({"preprocess": "none", "init": "zeros", "weight_decay": 3.0, "loss": "hinge"})
    assert set(COMBINED) == {name for name in REFERENCES if name != "right_long"}
    right = changed_recipe(faulty, "right")
    assert right is not None
    for name in ("standardize_inputs", "reinitialize", "head", "no_decay"):
        single = changed_recipe(faulty, name)
        assert single is not None
        for field in ("preprocess", "init", "weight_decay", "loss"):
            if getattr(single, field) != getattr(faulty, field):
                assert getattr(right, field) == getattr(single, field)


def test_changes_apply_where_their_fault_can_be() -> None:
    sound = {name for name in SINGLE if CHANGES[name].applies(record())}
    assert sound == {"activation", "normalize", "reinitialize", "head", "adam", "flip", "clip", "longer",
                     *(name for name in SINGLE if name.startswith("lr_"))}  # fmt: skip
    cases: dict[str, dict[str, object]] = {
        "standardize_targets": {"task": "numbers"},
        "mean_loss": {"reduction": "sum"},
        "smaller_batch": {"batch_rows": 65},
        "larger_batch": {"batch_rows": 15},
        "training_mode": {"training_mode": 0.4},
        "no_decay": {"optimizers": [OptimizerFacts("adam", 1e-3, weight_decay=0.1)]},
        "epsilon": {"optimizers": [OptimizerFacts("adam", 1e-3, eps=1e-3)]},
        "unfreeze": {"parameters": [ParameterFacts("w", [2, 2], trainable=False, optimized=True)]},
        "no_dropout": {"operations": [Operation("0", "dropout", "dropout", rate=0.5)]},
    }
    for name, facts in cases.items():
        assert CHANGES[name].applies(record(**facts)), name
    untrained = {name for name in SINGLE if CHANGES[name].applies(record(steps=0))}
    assert untrained == {"activation", "normalize", "reinitialize", "head"}
