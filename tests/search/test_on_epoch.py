"""The callback of every epoch: it is told what the curves hold, and what it raises ends the search."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

import tenfold
from tenfold.recipe import Recipe
from tenfold.search.trial_outcome import CURVES

X, Y = load_iris(return_X_y=True)
RECIPES = [Recipe.from_dict({"network": {"hidden": [4]}, "epochs": epochs, "batch_size": 32}) for epochs in (3, 5)]
# an activation that only packs know, and a recipe that diverges
RECIPES.append(Recipe.from_dict({"optimizer": {"sgd": {"lr": 1e12}}, "preprocess": "none", "epochs": 4}))


def told_by(run):
    """{(recipe, fold, epoch): the three values} of a call, each told once."""
    told = {}

    def note(epoch):
        place = epoch.recipe, epoch.fold, epoch.epoch
        assert place not in told
        told[place] = (epoch.train_loss, epoch.loss, epoch.score)

    return run(note), told


def test_it_is_told_what_the_curves_hold():
    found, told = told_by(lambda note: tenfold.cross_validate(RECIPES, X, Y, folds=3, on_epoch=note))
    expected = {}
    for number, record in found.trained.records.items():
        for fold in range(3):
            for epoch, values in enumerate(record.curves[:, fold].T, 1):
                if np.isfinite(values[2]):
                    expected[number, fold, epoch] = tuple(values)
    assert told == expected
    assert len([place for place in told if place[0] == 1]) == 15
    assert found.trained.records[2].outcomes[0] is not None
    assert len(CURVES) == 3


def test_a_race_tells_no_epoch_twice_and_no_audit():
    space = tenfold.Space.from_dict({
        "network": {"hidden": [4]}, "optimizer": {"adam": {"lr": {"log_uniform": [1e-4, 1e-1]}}}, "epochs": 9,
    })  # fmt: skip
    options = {"trials": 9, "folds": 3, "strategy": "halving", "audit": True}
    found, told = told_by(lambda note: tenfold.search(space, X, Y, on_epoch=note, **options))
    assert len(found.trained.audit) > 0
    assert len(told) == found.trained.epochs()[0]


def test_what_it_raises_ends_the_search_and_loses_nothing(tmp_path):
    def give_up(epoch):
        told.append(epoch)
        if len(told) == 4:
            raise ZeroDivisionError("enough")

    told = []
    with pytest.raises(ZeroDivisionError, match="enough"):
        tenfold.cross_validate(RECIPES[:2], X, Y, folds=3, run_dir=tmp_path / "run", on_epoch=give_up)
    assert len(told) == 4  # it is not asked again while the others end
    again = tenfold.cross_validate(RECIPES[:2], X, Y, folds=3, run_dir=tmp_path / "run")
    plain = tenfold.cross_validate(RECIPES[:2], X, Y, folds=3)
    for one, other in zip(again.table, plain.table, strict=True):
        assert one["scores"] == other["scores"]
