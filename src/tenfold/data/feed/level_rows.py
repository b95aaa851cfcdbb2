"""Categories of many levels as rows of tables that networks learn: which level has which row.

It is decided inside a fold. The first row of each table is that of all levels that are rare among the training rows or
absent there, so that a level which nobody has seen gets what the rare ones have learned.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tenfold.data.feed.encode import Encoding, Inputs, LevelRows, frequent_codes

Array = np.ndarray
MOST_LEVELS = 1000  # of one category with a row of their own, the most frequent ones
LEAST_ROWS = 3  # training rows of a level that has a row of its own


def table_rows(codes: int) -> int:
    """The rows of the table of a category with so many codes, of which two are missing and unseen: one for what is rare
    or unseen, and for each level, and for what is missing, one of its own."""
    return 1 + min(MOST_LEVELS, codes - 1)


def rows_of_levels(codes: Array, size: int) -> Array:
    """The row (size,) of each code of a category in its own table, by the codes of the training rows."""
    frequent = frequent_codes(np.bincount(codes, minlength=size), LEAST_ROWS, MOST_LEVELS)
    rows = np.zeros(size, np.int64)
    rows[frequent] = 1 + np.arange(len(frequent))
    return rows


def width_with_rows(encoding: Encoding, inputs: Inputs) -> int:
    """How many input columns there are when large categories have rows in place of one-hot columns."""
    large = inputs.large_categories
    return encoding.width + sum(1 - columns_of_levels(encoding.slots[category]) for category in large)


def columns_of_levels(slots: Array) -> int:
    """The one-hot columns of a category, that of unknown levels among them."""
    return int(slots.max() - slots.min()) + 1


def with_level_rows(encoding: Encoding, inputs: Inputs, train: Array) -> Encoding:
    """The encoding of these training rows with large categories as rows of tables in place of one-hot columns."""
    count, large = len(encoding.medians), inputs.large_categories
    width, first = count + len(large) + len(encoding.indicators), 0
    slots: list[Array] = []
    levels: list[LevelRows] = []
    for category, size in enumerate(inputs.sizes):
        if category in large:
            slots.append(np.full(size, count + len(levels)))
            levels.append(LevelRows(category, first + rows_of_levels(inputs.codes[train, category], size)))
            first += table_rows(size)
        else:
            own = encoding.slots[category]
            slots.append(own - own.min() + width)
            width += columns_of_levels(own)
    return replace(encoding, slots=tuple(slots), width=width, levels=tuple(levels))
