"""The sealed test rows. Their inputs may be read; their labels only after the ledger records that they will be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tenfold.data.columns.conform import conform
from tenfold.data.columns.schema import Schema
from tenfold.data.columns.table import Table
from tenfold.data.feed.encode import Inputs, make_inputs, pixel_inputs, tensor_inputs
from tenfold.data.read.images import Images
from tenfold.data.read.tensor_rows import TensorRows
from tenfold.data.split.row_fingerprint import RowFingerprint

Array = np.ndarray


@dataclass(frozen=True)
class Sealed:
    """Test rows, which no statistic has seen. schema: of the development rows, None for images and tensors; whole: the
    rows with all that was read of them, the target and the columns left out too. source_sha: of their file, "" for
    none."""

    _rows: Table | Images | TensorRows
    _y: Array
    schema: Schema | None
    whole: Table | Images | TensorRows
    target: str = ""
    source_sha: str = ""

    @property
    def rows(self) -> int:
        return len(self._y)

    @cached_property
    def inputs(self) -> Inputs:
        """Their inputs as the schema reads them; unseen categories go to their own slot."""
        return row_inputs(self._rows, self.schema)

    @cached_property
    def sha(self) -> str:
        """A hash of the cells that are used, without the labels: a resumed run sees by it that nothing has changed."""
        digest = hashlib.sha256()
        if isinstance(self._rows, Images):
            digest.update(np.ascontiguousarray(self._rows.pixels).tobytes())
            return digest.hexdigest()
        if isinstance(self._rows, TensorRows):
            for name, array in sorted(self._rows.tensors.arrays.items()):
                digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
            return digest.hexdigest()
        for column in sorted(self._rows.columns, key=lambda column: column.name):
            digest.update(f"\n{column.name}\n{column.kind}\n".encode("utf-8", "backslashreplace"))
            if column.kind == "text":
                cells = ("\0" if cell is None else cell for cell in column.values)
                digest.update("\x1f".join(cells).encode("utf-8", "backslashreplace"))
            else:
                digest.update(np.ascontiguousarray(column.values).tobytes())
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> RowFingerprint:
        """What recognizes the rows in another run, whatever columns are used there, and however the file is read."""
        return RowFingerprint.of(self.whole, self.target, self.source_sha)

    def unseal(self) -> Array:
        """Their labels. To be called once the intent to open the lockbox is on the ledger."""
        return self._y


def row_inputs(rows: Table | Images | TensorRows, schema: Schema | None) -> Inputs:
    """The inputs of rows whose schema was decided."""
    if isinstance(rows, TensorRows):
        return tensor_inputs(rows.tensors)
    if isinstance(rows, Images):
        return pixel_inputs(rows.pixels, rows.pixel_range)
    assert schema is not None
    return make_inputs(conform(rows, schema)[0], schema)
