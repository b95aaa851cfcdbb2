"""One temperature: what logits were made with, a grid, and where it stays 1."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from tenfold.statistics.temperature import after_averaging, best_temperature

ONE = np.ones(1)


def drawn(rows, classes, temperature, *, seed=0):
    """Logits (1, rows, classes) of a network that is as sure as if the true ones were multiplied by the temperature."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(rows, classes)) * 1.5
    y = (softmax(true, -1).cumsum(1) > rng.random((rows, 1))).argmax(1)
    return true[None] * temperature, y


@pytest.mark.parametrize("temperature", [0.3, 1.7, 4.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_it_finds_the_temperature_that_the_logits_were_made_with(temperature, classes):
    logits, y = drawn(20_000, classes, temperature)
    assert best_temperature(softmax(logits, -1), y, ONE) == pytest.approx(temperature, rel=0.05)


def test_its_minimum_is_that_of_a_grid():
    """Of the mean of two members with different shares."""
    first, y = drawn(400, 3, 2.5, seed=1)
    second = first + np.random.default_rng(2).normal(size=first.shape)
    p, shares = softmax(np.concatenate([first, second]), -1).astype(np.float32), np.array([0.7, 0.3])
    grid = np.exp(np.linspace(-3, 3, 601))
    losses = [log_loss(y, np.tensordot(shares, softmax(np.log(p.astype(float)) / t, -1), 1)) for t in grid]
    assert best_temperature(p, y, shares) == pytest.approx(grid[np.argmin(losses)], rel=0.011)


def test_it_is_one_where_nothing_is_gained_and_never_extreme():
    logits, y = drawn(3000, 3, 1.0, seed=2)
    assert best_temperature(softmax(logits, -1), y, ONE) == 1.0
    assert best_temperature(np.eye(3)[None, y], y, ONE) == 1.0
    wrong = np.eye(3)[None, (y + 1) % 3]  # sure and wrong: the flattest that is allowed
    assert best_temperature(wrong, y, ONE) == pytest.approx(np.exp(3), rel=1e-3)
    right = np.array([[[0.4, 0.6], [0.6, 0.4]]])
    assert np.exp(-3) == pytest.approx(best_temperature(right, np.array([1, 0]), ONE), rel=1e-3)


def test_averaging_does_a_part_of_it():
    assert [after_averaging(t) for t in (1.0, 4.0, 0.5)] == [1.0, 2.0, 0.5]
