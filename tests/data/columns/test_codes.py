"""Codes, distinct values and ranks, against numpy's and scipy's own."""

import threading

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import rankdata

from tenfold.data.columns import in_threads
from tenfold.data.columns.codes import are_whole, average_ranks, distinct_values, text_codes, value_codes

from ..examples import number, text

VALUES = st.lists(
    st.sampled_from([0.0, -0.0, 1.5, -2.0, 1e300, -np.inf, np.inf, np.nan]) | st.floats(-3, 3), min_size=1, max_size=40
)


@given(VALUES)
def test_codes_are_those_of_unique(values: list[float]) -> None:
    array = np.array(values)
    distinct, expected = np.unique(array, return_inverse=True)
    np.testing.assert_array_equal(value_codes(array), expected)
    present = array[~np.isnan(array)]
    assert distinct_values(present) == len(np.unique(present)) == len(distinct) - np.isnan(array).any()
    np.testing.assert_array_equal(average_ranks(value_codes(present)), rankdata(present))


def test_codes_of_dates_and_of_text() -> None:
    dates = np.array(["2020-01-02", "NaT", "2019-01-01", "NaT", "2020-01-02"], "datetime64[s]")
    assert value_codes(dates).tolist() == [1, 2, 0, 2, 1]
    assert text_codes(np.array(["b", None, "a", "b", None], object)).tolist() == [0, 1, 2, 0, 1]
    assert distinct_values(dates[:0]) == 0
    column = number("x", [2.0, np.nan, 2.0, 1.0])
    assert (column.codes.tolist(), column.distinct) == ([1, 2, 1, 0], 2)
    assert text("t", ["b", None, "b"]).codes.tolist() == [0, 1, 0]
    assert column.take(np.array([3, 1])).codes.tolist() == [0, 1]


def test_whole_numbers() -> None:
    assert are_whole(np.array([-3.0, 0.0, 2.0**60]))
    assert not are_whole(np.array([1.0, 2.5]))


@pytest.mark.parametrize("rows", [10, in_threads.LARGE])
def test_results_keep_the_order_of_the_items(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_threads.os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    both, threads = threading.Barrier(2, timeout=60), set[int]()

    def square(item: int) -> int:
        threads.add(threading.get_ident())
        if rows == in_threads.LARGE and item < 2:
            both.wait()  # only passed by two at a time
        return item**2

    assert in_threads.for_each(square, range(20), rows) == [item**2 for item in range(20)]
    assert len(threads) == (1 if rows == 10 else 2)
