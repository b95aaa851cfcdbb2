"""The one-standard-error rule."""

import numpy as np
import pytest

from tenfold.errors import BadInput
from tenfold.statistics.one_standard_error import one_standard_error

MEANS = np.array([0.90, 0.89, 0.80, 0.885, 0.88])
ERRORS = np.array([0.02, 0.5, 0.5, 0.5, 0.5])
COSTS = [(900, 3), (500, 1), (10, 1), (500, 0), (500, 0)]


def test_the_cheapest_within_one_standard_error_of_the_best():
    """Within 0.02 of 0.90: places 0, 1, 3, 4; cost (500, 0) twice: the better mean."""
    assert one_standard_error(MEANS, ERRORS, COSTS, 1) == 3
    assert one_standard_error(-MEANS, ERRORS, COSTS, -1) == 3
    assert one_standard_error(MEANS, np.full(5, 1e-3), COSTS, 1) == 0
    assert one_standard_error(MEANS, np.r_[0.2, ERRORS[1:]], COSTS, 1) == 2


def test_on_the_edge_equal_and_missing():
    assert one_standard_error(np.array([1.0, 0.75]), np.array([0.25, 0]), [(2,), (1,)], 1) == 1
    assert one_standard_error(np.array([1.0, 1.0]), np.array([np.nan, 0]), [(1,), (1,)], 1) == 0
    assert one_standard_error(np.array([1.0, 0.9]), np.array([np.nan, 1]), [(2,), (1,)], 1) == 0
    assert one_standard_error(np.array([np.nan, 0.5]), np.array([0, 0.1]), [(1,), (2,)], 1) == 1
    with pytest.raises(BadInput, match="no candidate"):
        one_standard_error(np.array([np.nan]), np.array([0.1]), [(1,)], 1)
    with pytest.raises(BadInput, match="2 means, 1 errors"):
        one_standard_error(np.array([1.0, 2.0]), np.array([0.1]), [(1,), (2,)], 1)
