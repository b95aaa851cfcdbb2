"""Checkpoints of format 1, whose rows of optimizers have letters for names, are read."""

import numpy as np
import torch
from plain import make_pack, run
from sklearn.datasets import load_iris

from tenfold.data.split.folds import make_folds
from tenfold.engine.packs.lane_states import lane_rows
from tenfold.recipe.recipe import Recipe

OPTIMIZERS = ("amsgrad", "adadelta", "momentum", "sgd", "muon")


def test_a_state_with_letters_goes_on_bitwise():
    x, y = load_iris(return_X_y=True)
    y = y.astype(np.int64)
    folds = make_folds(y, 3, classification=True, seed=0)
    recipes = [Recipe.from_dict({"network": {"hidden": [5]}, "optimizer": name, "epochs": 9}) for name in OPTIMIZERS]
    whole = run(make_pack(recipes, x, y, folds), 20)
    first = run(make_pack(recipes, x, y, folds), 11)
    arrays, meta = first.state()
    largest, step = arrays.pop("largest_second_moment"), arrays.pop("step_moment")
    adadelta = np.array([lane.recipe.optimizer.family == "adadelta" for lane in first.lanes])
    arrays |= {"m": arrays.pop("first_moment"), "v": arrays.pop("second_moment")}
    arrays["u"] = np.where(adadelta[:, None], step, largest)
    restored, adopted = make_pack(recipes, x, y, folds), make_pack(recipes[1:], x, y, folds)
    restored.restore(arrays, meta)
    assert restored.rows.keys() == whole.rows.keys()
    assert torch.equal(run(restored, 20).w, whole.w)
    saved = {(number - 1, fold): row for (number, fold), row in lane_rows(arrays, meta).items()}
    adopted.adopt(saved)
    run(adopted, 20)
    places = {(lane.number, lane.fold): i for i, lane in enumerate(whole.lanes)}
    for i, lane in enumerate(adopted.lanes):
        assert torch.equal(adopted.w[i], whole.w[places[lane.number + 1, lane.fold]])
