"""Errors in the user's own code after the first check: outcomes with recipe, fold and epoch, and no raw traces."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch import nn

import tenfold
from tenfold import BadInput, Module, Recipe, Regressor, RunFailed, Space


class Touchy(nn.Module):
    """Of width 5 it fails once its weights have grown."""

    def __init__(self, input_shape, outputs, width=4):
        super().__init__()
        self.first, self.last = nn.Linear(input_shape[0], width), nn.Linear(width, outputs)
        self.width = width

    def forward(self, x):
        if self.width == 5 and float(self.first.weight.detach().abs().max()) > 0.7:
            raise ValueError("weights too large\nand more")
        return self.last(torch.relu(self.first(x)))


def not_a_number(outputs, targets):
    return outputs.sum() * float("nan")


def late(outputs, targets):
    raise KeyError("not here")


def linear(input_shape, outputs):
    return nn.Linear(input_shape[0], outputs)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def test_a_forward_pass_that_fails_is_an_outcome_and_leaves_the_others_alone(iris):
    space = {"network": Module(Touchy, width=[4, 5]), "optimizer": {"adam": {"lr": 0.05}}, "epochs": 6}
    search = tenfold.search(Space.from_dict(space), *iris, trials=2, folds=3, device="cpu")
    good, bad = search.table
    assert bad["outcomes"] == {"failed": 3}
    assert np.isnan(bad["mean"])
    assert any("its forward pass fails: ValueError: weights too large" in note for note in search.notes)
    assert any("Touchy(width=5), Adam at 0.05), fold" in note for note in search.notes)
    alone = tenfold.cross_validate(good["recipe"], *iris, folds=3, device="cpu")
    assert alone.table[0]["scores"] == good["scores"]
    again = search.replay("all")
    assert all(trial.equal for trial in again.trials), again.in_words()
    with pytest.raises(RunFailed, match="call it on such rows"):
        tenfold.cross_validate(bad["recipe"], *iris, folds=3, device="cpu").trained.best()


@pytest.mark.parametrize(
    ("loss", "outcome", "note"),
    [
        (not_a_number, "diverged", "update 0: its loss not_a_number is not a finite number"),
        (late, "failed", "epoch 1: its loss late fails: KeyError: 'not here'"),
    ],
)
def test_a_loss_that_fails_or_gives_nan_is_an_outcome_with_a_note(loss, outcome, note, iris):
    recipe = Recipe(network=Module(linear, loss=loss), epochs=3)
    found = tenfold.cross_validate(recipe, *iris, folds=3, device="cpu")
    assert found.table[0]["outcomes"] == {outcome: 3}
    assert any(note in line for line in found.notes), found.notes


def test_a_metric_that_fails_is_refused_with_the_fold_and_the_epoch(iris):
    calls = []

    def metric(y, prediction):
        calls.append(1)
        if len(calls) > 4:
            raise IndexError("late")
        return (prediction.argmax(1) == y).astype(float)

    with pytest.raises(BadInput, match=r"fold \d, epoch 1, .*: the metric metric fails: IndexError: late"):
        tenfold.cross_validate(Recipe(network=Module(linear), epochs=3), *iris, folds=3, metric=metric, device="cpu")


ONE = nn.Linear(4, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ONE, "returns one shared module each time"),
        (lambda: nn.Sequential(ONE), "share the parameter 0.weight"),
    ],
)
def test_a_function_that_shares_a_module_is_refused(make, message, iris):
    with pytest.raises(BadInput, match=message):
        tenfold.cross_validate(Recipe(network=Module(make), epochs=1), *iris, folds=3, device="cpu")


def test_a_regressor_takes_several_targets_where_the_network_does(iris):
    x = iris[0]
    recipe = Recipe(network=Module(linear), epochs=3)
    model = Regressor(recipe, folds=3, keep="refit", device="cpu").fit(x[:, :2], x[:, 2:])
    assert model.predict(x[:5, :2]).shape == (5, 2)
    with pytest.raises(ValueError, match="1d array"):
        Regressor(Recipe(epochs=1), folds=3).fit(x[:, :2], x[:, 2:])


def test_findings_say_what_was_wrong_and_what_cannot_be_judged(iris):
    space = Space.from_dict({"network": Module(Touchy), "optimizer": {"sgd": {"lr": [1e20, 0.1]}}, "epochs": 2})
    found = tenfold.search(space, *iris, trials=2, folds=3, device="cpu").findings()
    assert found[0]["what"] == "diverged"
    assert found[0]["cause"]
    own = Recipe(network=Module(linear, loss=not_a_number), epochs=2)
    found = tenfold.search([own], *iris, folds=3, device="cpu").findings()
    assert "not looked at: its loss is a function of your own" in found[0]["sentence"]
