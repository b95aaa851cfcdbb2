"""Shared by the tests of data: columns, a table as a CSV file, labels of classes."""

from pathlib import Path

import numpy as np

from tenfold.data.columns.table import Column, Table
from tenfold.data.read.read import read_table


def number(name, values) -> Column:
    return Column(name, "number", np.asarray(values, np.float64))


def text(name, values) -> Column:
    return Column(name, "text", np.array(values, object))


def csv_table(path: Path, columns) -> Table:
    """The table that is read from a CSV file of these columns, by name."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return read_table(path)


def labels(counts, seed=0):
    """So many rows of each class, in random order."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
