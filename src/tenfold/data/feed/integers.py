"""Whole numbers of few values, which may be sizes or names: a recipe says as what it takes them.

As categories they have one-hot columns beside their number, like any other category: what becomes of a level is decided
by the training rows of each fold (see `Encoding`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tenfold.data.columns.codes import are_whole
from tenfold.data.columns.in_threads import for_each
from tenfold.data.feed.encode import Inputs, side_by_side

Array = np.ndarray
MOST_VALUES = 50  # different ones, up to which whole numbers may be names
LEAST_VALUES = 3  # of two values, a number says as much as a category
SAMPLE = 1000  # rows that are looked at first


class FewIntegers(NamedTuple):
    """A numeric column (its place among the numbers) of few whole numbers, and these, in rising order (values,)."""

    column: int
    values: Array


def few_integers(inputs: Inputs) -> tuple[FewIntegers, ...]:
    """The columns of these rows that may be numbers or categories; none of an image."""
    if inputs.image is not None:
        return ()
    found: list[FewIntegers] = []
    for column in np.flatnonzero(inputs.own_flag).tolist():
        for part in (slice(SAMPLE), slice(None)):
            rows = np.ascontiguousarray(inputs.numbers[part, column])
            present = rows[~np.isnan(rows)]
            values = np.unique(present) if are_whole(present) else np.zeros(MOST_VALUES + 1)
            if len(values) > MOST_VALUES:
                break
        else:
            if len(values) >= LEAST_VALUES:
                found.append(FewIntegers(column, values))
    return tuple(found)


def with_categories(inputs: Inputs, integers: Sequence[FewIntegers]) -> Inputs:
    """The inputs with these columns as categories too, behind the others; a value that is none of theirs is unseen."""
    if not integers:
        return inputs

    def coded(few: FewIntegers) -> Array:
        numbers, values = np.ascontiguousarray(inputs.numbers[:, few.column]), few.values
        place = np.minimum(np.searchsorted(values, numbers), len(values) - 1)
        code = np.where(values[place] == numbers, place, len(values) + 1)
        return np.where(np.isnan(numbers), len(values), code)

    more = side_by_side(for_each(coded, integers, inputs.rows), inputs.rows, np.int64)
    return replace(
        inputs,
        codes=np.hstack([inputs.codes, more]),
        sizes=(*inputs.sizes, *(len(values) + 2 for _, values in integers)),
        categories=(*inputs.categories, *(inputs.names[column] for column, _ in integers)),
    )
