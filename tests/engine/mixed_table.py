"""A table with numbers, gaps and categories, of which the folds have different columns."""

import numpy as np

from tenfold.data.feed.encode import Inputs
from tenfold.data.split.folds import Fold

ROWS, COLUMNS = 120, 4


def table():
    """Numbers with gaps, and categories with a level that one fold does not train on."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(ROWS, COLUMNS)) * [1, 10, 0.1, 1] + [0, 50, 0, 0]
    x[rng.random(ROWS) < 0.2, 1] = np.nan
    x[::3, 3] = np.nan
    codes = np.stack([rng.integers(0, 4, ROWS), rng.integers(0, 2, ROWS)], 1)
    codes[::3, 0] = 4
    y = (np.nan_to_num(x[:, 0]) + codes[:, 1] > 0.5).astype(np.int64)
    inputs = Inputs(x, codes, tuple("abcd"), (6, 4), ("k", "l"), np.ones(COLUMNS, bool))
    place = np.arange(ROWS) % 3
    folds = [Fold(np.flatnonzero(place != f), np.flatnonzero(place == f), f, 0) for f in range(3)]
    return inputs, y, folds
