"""Predicted numbers are cut to the range of the training targets, wherever they are made."""

import numpy as np
import pytest
import torch

import tenfold
from tenfold.data.feed.encode import matrix_inputs
from tenfold.data.split.request import Splits
from tenfold.errors import BadInput
from tenfold.model.refit import train_lanes
from tenfold.problem.outputs import in_unit, output_bounds
from tenfold.problem.problem import make_problem
from tenfold.recipe import Recipe, Space
from tenfold.statistics.metrics import metric_for

PLAIN = {"network": {"hidden": [6]}, "optimizer": {"adam": {"lr": 0.05}}, "epochs": 3}


def data(*, counts=False):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2))
    y = 2 + x[:, 0] + 0.1 * rng.normal(size=90)
    return x, np.maximum(0, np.round(np.exp(y / 2))) if counts else y


@pytest.mark.parametrize("link", ["identity", "exp"])
def test_bounds_of_outputs_are_those_in_the_unit(link):
    outputs = np.linspace(-9, 9, 50)[:, None]
    low, high = output_bounds((1.0, 5.0), link, 2.0, 0.5)
    inside = in_unit(np.clip(outputs, low, high), link, 2.0, 0.5)
    np.testing.assert_allclose(in_unit(outputs, link, 2.0, 0.5, (1.0, 5.0)), inside, rtol=1e-12)
    assert output_bounds((0.0, 5.0), "exp", 2.0, 0.5)[0] == -np.inf


@pytest.mark.parametrize("loss", ["auto", "poisson"])
@pytest.mark.parametrize("keep", ["refit", "ensemble"])
def test_a_model_predicts_within_the_training_range(tmp_path, loss, keep):
    x, y = data(counts=loss == "poisson")
    far = np.concatenate([x, 50 * x])
    for clip in (False, True):
        recipe = Recipe.from_dict({**PLAIN, "loss": loss, "clip_predictions": clip})
        found = tenfold.search(Space.from_dict([recipe]), x, y, trials=1, folds=3, task="regression")
        model = found.refit(keep)
        got = model.predict(far)
        assert (y.min() <= got.min() and got.max() <= y.max()) == clip
        model.save(tmp_path / f"{clip}")
        np.testing.assert_array_equal(tenfold.load(tmp_path / f"{clip}").predict(far), got)
        if not clip:
            continue
        inputs = torch.from_numpy(model.encode(model.inputs(far)[0]))
        out = model.module(inputs).detach().numpy()[:, 0]
        if keep == "refit":
            mean, std = model.members[0].target_scale
            out = np.exp(out) * mean if loss == "poisson" else out * std + mean
        np.testing.assert_allclose(out, got, rtol=1e-4)


def test_out_of_fold_predictions_lie_in_the_range_of_their_own_training_part():
    x, y = data()
    recipe = Recipe.from_dict({**PLAIN, "network": {"hidden": []}, "epochs": 40, "clip_predictions": True})
    metric = metric_for("regression", None)
    problem, _ = make_problem(matrix_inputs(x), y, (), metric, Splits(folds=3))
    feed = problem.feed([recipe], torch.device("cpu"), torch.float32)
    pack = train_lanes(problem, recipe, feed, 60)
    for lane, raw in zip(pack.lanes, pack.evaluate(), strict=True):
        part = problem.y[problem.folds[lane.fold].train]
        free, cut = (problem.readable(100 * raw, lane.fold, "identity", clip=clip) for clip in (False, True))
        assert free.min() < part.min() == cut.min()
        assert free.max() > part.max() == cut.max()


def test_classes_refuse_it():
    x, y = data()
    recipe = Recipe.from_dict({**PLAIN, "clip_predictions": True})
    with pytest.raises(BadInput, match="clip_predictions is for numbers"):
        tenfold.cross_validate(recipe, x, (y > 2).astype(int))
