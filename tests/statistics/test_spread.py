"""Where scores vary: by hand and against drawn variances."""

import math

import numpy as np
import pytest

from tenfold.errors import BadInput
from tenfold.statistics.spread import spread


def test_by_hand():
    """Within: variances 0.01 and 0.04, pooled sqrt(0.025). Means 0.6 and 0.8: sd sqrt(0.02); 2 sqrt(2) sd / sqrt(2)."""
    found = spread(np.array([[0.5, 0.6, 0.7], [0.6, 0.8, 1.0]]))
    assert found.folds == pytest.approx(math.sqrt(0.025))
    assert found.seeds == pytest.approx(math.sqrt(0.02))
    assert found.resolution == pytest.approx(2 * math.sqrt(0.02))


def test_drawn_variances_are_found():
    """Fold scores = a repeat's luck (sd 0.3) + a fold's (sd 1): 20,000 repeats of 5; to 2 %."""
    rng = np.random.default_rng(0)
    found = spread(0.3 * rng.standard_normal((20_000, 1)) + rng.standard_normal((20_000, 5)))
    assert found.folds == pytest.approx(1, rel=0.02)
    assert found.seeds == pytest.approx(math.sqrt(0.09 + 1 / 5), rel=0.02)


def test_resolution_is_two_standard_errors_of_a_difference():
    """Means of 3 repeats of two equal recipes differ by more than the (true) resolution in 4.6 % of 20,000 draws."""
    rng = np.random.default_rng(1)
    one, two = rng.standard_normal((2, 20_000, 3)).mean(-1)
    at = spread(rng.standard_normal((200_000, 1))).seeds * 2 * math.sqrt(2) / math.sqrt(3)
    assert np.mean(np.abs(one - two) > at) == pytest.approx(0.0455, abs=0.008)


def test_one_repeat_or_one_fold():
    found = spread(np.array([[0.5, 0.6, 0.7]]))
    assert found.folds == pytest.approx(0.1)
    assert math.isnan(found.seeds)
    assert math.isnan(found.resolution)
    assert math.isnan(spread(np.array([[0.5], [0.6]])).folds)
    with pytest.raises(BadInput, match="scores of shape"):
        spread(np.array([0.5, 0.6]))
