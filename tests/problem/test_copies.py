"""Rows that all stand several times, as after oversampling, are never on both sides: random labels score as chance."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tenfold
from tenfold import Recipe
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings

DISTINCT, TIMES = 150, 3
ORDER = np.random.default_rng(1).permutation(DISTINCT * TIMES)
X = np.tile(np.random.default_rng(0).normal(size=(DISTINCT, 8)).round(3), (TIMES, 1))[ORDER]
Y = np.tile(np.random.default_rng(2).integers(2, size=DISTINCT), TIMES)[ORDER]
RECIPE = Recipe.from_dict(
    {"network": {"hidden": [64]}, "optimizer": {"adam": {"lr": 0.02}}, "batch_size": 16, "epochs": 30}
)


@pytest.mark.parametrize("frame", [False, True])
def test_random_labels_of_an_oversampled_table_are_predicted_as_by_chance(frame: bool) -> None:
    x = pd.DataFrame(X, columns=list("abcdefgh")).assign(level=np.where(X[:, 0] > 0, "u", "v")) if frame else X
    found = tenfold.cross_validate(RECIPE, x, Y, folds=5)
    assert found.table[0]["mean"] < 0.65


def test_no_copy_of_a_row_of_a_file_is_on_two_sides(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(X, columns=list("abcdefgh")).assign(y=np.where(Y, "p", "n"))
    frame.to_csv(path)  # with the index, which numbers the rows in another order each time
    prepared = prepare(Settings(data=str(path), target="y"))
    development = {tuple(row) for row in prepared.problem.inputs.numbers}
    assert not development & {tuple(row) for row in prepared.sealed.inputs.numbers}
    for fold in prepared.problem.folds:
        train, validation = (
            {tuple(row) for row in prepared.problem.inputs.numbers[rows]} for rows in (fold.train, fold.validation)
        )
        assert not train & validation
