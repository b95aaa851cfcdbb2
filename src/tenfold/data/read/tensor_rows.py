"""Rows of an npz file that only a user's module takes: arrays of any shape, first axis the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tenfold.data.columns.table import Column, Table
from tenfold.data.feed.tensors import GivenTensors
from tenfold.errors import BadInput

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class TensorRows:
    """The tensors, and where the source has them, their targets: one value a row."""

    name: str
    source: str
    tensors: GivenTensors
    target: Column | None = None
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> Table:
        """The targets as a table of one column."""
        if self.target is None:
            raise BadInput("there is no array y", where=self.source, expected="one value a row")
        return Table(self.name, self.source, (self.target,), self.notes, target=self.target.name)

    def take(self, rows: Array) -> TensorRows:
        """Some of the rows (an index array), in that order."""
        target = None if self.target is None else self.target.take(rows)
        return replace(self, tensors=self.tensors.take(rows), target=target)
