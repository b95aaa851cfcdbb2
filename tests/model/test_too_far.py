"""A row without a finite output is refused by its row and column; never a label beside nan."""

import re

import numpy as np
import pytest

import tenfold
from tenfold.errors import BadInput


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_cell_too_far_to_compute_with_is_refused_by_its_row_and_column(task: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 2)) * 1e-3
    y = (x[:, 0] > 0).astype(int) if task == "classification" else x[:, 0]
    recipe = tenfold.Recipe(network=tenfold.MLP(hidden=(4,)), epochs=2)
    estimator = {"classification": tenfold.Classifier, "regression": tenfold.Regressor}[task](recipe, random_state=0)
    model = estimator.fit(x, y).model_
    far = x[:4].copy()
    far[2, 1] = 3e38
    assert np.isfinite(model.finite_outputs(model.inputs(x)[0])).all()
    for predict in (model.predict, *([model.predict_proba] if task == "classification" else [])):
        with pytest.raises(BadInput, match=re.escape("row 3, column 'x1': 3e+38 is so far from")):
            predict(far)
