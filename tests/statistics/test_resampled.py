"""Weighted scores against the score of a sample in which every row stands as often as its weight says."""

import numpy as np
import pytest

from tenfold.statistics.metrics import METRICS
from tenfold.statistics.resampled import draw_counts


def test_counts():
    found = draw_counts(np.array([[0, 0, 2], [1, 1, 1]]), 4)
    assert found.tolist() == [[2, 0, 1, 0], [0, 3, 0, 0]]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", METRICS)
def test_whole_weights_are_repeated_rows(name, classes, ties):
    rng = np.random.default_rng(3)
    rows, metric = 25, METRICS[name]
    if metric.task == "classification":
        y, p = rng.integers(classes, size=rows), rng.dirichlet(np.ones(classes), rows)
        p = (np.round(3 * p) + 1) / (np.round(3 * p) + 1).sum(1, keepdims=True) if ties else p
    else:
        y, p = np.round(rng.standard_normal(rows), 0 if ties else 9), rng.standard_normal((rows, 1))
    w = draw_counts(rng.integers(rows, size=(40, rows)), rows)
    w[0] = 2 * (y == y[0])  # a draw of one class, or of one value
    expected = [metric.score(np.repeat(y, n), np.repeat(p, n, 0)[None])[0] for n in w.astype(int)]
    found = metric.weighted(y, p, w)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose(metric.weighted(y, p, 0.3 * w), expected, rtol=1e-10)  # only shares count
