"""`tenfold.read`: a table as Tenfold reads it, with what was decided about it and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tenfold.data.columns.schema import ColumnSchema, decide_columns
from tenfold.data.columns.table import Column, Table
from tenfold.data.read.options import ReadOptions
from tenfold.data.read.read import read_any
from tenfold.errors import BadInput

Array = np.ndarray


@dataclass(frozen=True, repr=False)
class DataRead:
    """A table that was read.

    - columns: the names, in order; rows: their number.
    - kinds: of each column number, boolean, category, date, id, text (free text) or constant.
    - values: of each column an array (rows,): float64 with NaN for a missing cell (numbers; booleans as 0 and 1),
      datetime64[s] with NaT, or str with None.
    - decisions: of each column what `fit` does with it and why, in words, decided on all rows. (`fit` decides on the
      development rows, and not about the target.)
    - notes: what was noticed and decided about the file as a whole: delimiter, encoding, lines left out, markers of
      missing values, doubts.
    - lines: the line of the file on which each row starts; None where the source has no lines.
    """

    table: Table
    decided: tuple[ColumnSchema, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return self.table.names

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.table.rows

    @property
    def source(self) -> str:
        """Where the table comes from."""
        return self.table.source

    @property
    def lines(self) -> Array | None:
        """The line on which each row starts (rows,), None where there are no lines."""
        return self.table.lines

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noticed and decided about the file, in sentences."""
        return self.table.remarks

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each column."""
        return {column.name: column.kind for column in self.decided}

    @cached_property
    def decisions(self) -> dict[str, str]:
        """What is done with each column, and why."""
        return {column.name: ("" if column.used else "not used: ") + column.reason for column in self.decided}

    @cached_property
    def values(self) -> dict[str, Array]:
        """The values of each column (rows,)."""
        return {column.name: column.values for column in self.table.columns}

    def __getitem__(self, name: str) -> Array:
        """The values of one column; BadInput with the nearest name where there is none."""
        return self.table.column(name).values

    def __len__(self) -> int:
        """The number of rows."""
        return self.rows

    def __repr__(self) -> str:
        """The columns with their kinds and decisions, and the notes."""
        size = max(map(len, self.columns), default=0)
        lines = [f"{self.source}: {self.rows:,} rows, {len(self.columns)} columns"]
        lines += [f"  {name:<{size}}  {self.kinds[name]:<8}  {self.decisions[name]}" for name in self.columns]
        return "\n".join([*lines, *(f"  - {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """The decisions as JSON values: source, rows, notes, reading (what later files are read by), columns."""
        return {
            "source": self.source,
            "rows": self.rows,
            "notes": list(self.notes),
            "reading": {**asdict(self.table.reading), "columns": list(self.table.reading.columns)},
            "columns": [
                {"name": column.name, "kind": column.kind, "used": column.used, "decision": column.reason}
                for column in self.decided
            ],
        }

    def to_frame(self) -> Any:
        """The values as a frame of the first of pandas, polars and pyarrow that is installed; BadInput without any."""
        from tenfold.data.profile.frames_at_hand import as_frame

        return as_frame({column.name: _framed(column) for column in self.table.columns})


def _framed(column: Column) -> Any:
    """The values as a frame library takes them."""
    if column.kind == "boolean" and not column.missing.any():
        return column.values.astype(bool)
    return column.values.tolist() if column.kind == "text" else column.values


def read(
    source: Any,
    *,
    header_row: int | None = None,
    no_header: bool = False,
    skip_rows: str | int = "",
    missing: str | None = None,
    kind: Mapping[str, str] | None = None,
    bad_rows: str = "refuse",
) -> DataRead:
    """A table as `fit` reads it: `tenfold.read("churn.csv").kinds`.

    source: a CSV, TSV (also gzipped), Parquet or npz file, "sklearn:NAME", a frame, a 2-D array, a list of rows. The
    other arguments are the options of the command line: header_row: line of the names; no_header: there is none;
    skip_rows: lines to leave out, 3 or "3" (the first three), "60-", "5-5,12-14"; missing: words for a missing value in
    place of the usual ones, or beside them with a plus sign in front; kind: of columns, one of category, number, text,
    date, id; bad_rows: "refuse", "drop" or "drop:5%".
    Raises `BadInput`, with file, line and column, where the table cannot be read without a doubt.
    """
    options = ReadOptions(header_row, no_header, str(skip_rows or ""), missing, tuple((kind or {}).items()), bad_rows)
    table = read_any(source, options=options)
    if not isinstance(table, Table):
        raise BadInput("images, not a table", where=table.source, expected="a file or a frame with columns")
    return DataRead(table, decide_columns(table))
