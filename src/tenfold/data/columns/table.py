"""A table of typed columns: what every source is read into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tenfold.data.columns.characters import composed
from tenfold.data.columns.codes import distinct_values, text_codes, value_codes
from tenfold.data.columns.kinds import KINDS, ColumnKind
from tenfold.data.columns.read_contract import USUAL_READING, ReadContract
from tenfold.errors import BadInput
from tenfold.formatting import listed, nearest

Array = np.ndarray


@dataclass(frozen=True)
class Column:
    """One column: a name, a kind, and one value a row.

    values (rows,): float64 with NaN for missing (number; boolean as 0 and 1), datetime64[s] with NaT (date), or
    an object array of str | None (text). spelled (rows,): the cells of a number, boolean or date column as the file
    spells them (None for missing), kept where classes or categories may need them. format: how the cells are written
    (see `Writing`, `DateWriting` and the formats of durations; "" for the plain way). doubt: what makes the kind
    questionable, with the first such line. asked: what the user says that the column is ("" for nothing). markers: the
    spelled-out words that were read as missing without being asked to, with their rows in the whole source. two_ways:
    the numbers can be read with the other decimal mark, and nothing in their file decides. overflow: the first row of
    the whole source whose number is infinite or too large, and read as missing, and that number as it is spelled.
    """

    name: str
    kind: ColumnKind
    values: Array
    spelled: Array | None = None
    format: str = ""
    doubt: str = ""
    asked: str = ""
    markers: tuple[tuple[str, int], ...] = ()
    two_ways: bool = False
    overflow: tuple[int, str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", composed(self.name))
        if self.kind not in KINDS or self.values.dtype != KINDS[self.kind].dtype or self.values.ndim != 1:
            raise BadInput(f"column '{self.name}' of kind {self.kind} has values of type {self.values.dtype}")

    @property
    def doubted(self) -> str:
        """The doubt as a sentence that names the column; "" for none."""
        return f"column '{self.name}': {self.doubt}" if self.doubt else ""

    @property
    def missing(self) -> Array:
        """Boolean (rows,): which cells are missing."""
        if self.kind == "text":
            return self._once("_missing", lambda: np.array([value is None for value in self.values], bool))
        return np.isnat(self.values) if self.kind == "date" else np.isnan(self.values)

    @property
    def present(self) -> Array:
        """The values that are not missing, in order."""
        return self.values[~self.missing]

    @property
    def distinct(self) -> int:
        """Number of distinct values that are not missing."""
        count = (lambda present: len(set(present))) if self.kind == "text" else distinct_values
        return self._once("_distinct", lambda: count(self.present))

    @property
    def codes(self) -> Array:
        """One integer for each distinct value (rows,); missing cells share one. Numbers, booleans and dates are in
        order of value, missing last."""
        return self._once("_codes", lambda: (text_codes if self.kind == "text" else value_codes)(self.values))

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """What is made when it is first asked for."""
        # Not a cached_property: that of Python 3.11 has one lock for all columns, and threads would wait.
        if name not in self.__dict__:
            self.__dict__[name] = make()
        return self.__dict__[name]

    def take(self, rows: Array) -> Column:
        """The same column for some rows (an index array)."""
        return replace(self, values=self.values[rows], spelled=None if self.spelled is None else self.spelled[rows])


def blank_column(name: str, kind: ColumnKind, rows: int) -> Column:
    """A column without a value."""
    return Column(name, kind, np.full(rows, KINDS[kind].blank, KINDS[kind].dtype))


@dataclass(frozen=True)
class Table:
    """Columns of equal length with distinct names.

    source: where they come from (a path, "sklearn:iris", "pandas frame"). notes: what was noticed on reading. lines
    (rows,) int64: the line on which each row starts in the file, None where there are no lines. target: the column
    that the source declares as its target ("" for none). reading: what holds for later files too. bad: rows that could
    not be read and have no value, with a word on each; only in data to predict.
    """

    name: str
    source: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()
    lines: Array | None = None
    target: str = ""
    reading: ReadContract = USUAL_READING
    bad: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        if len({len(column.values) for column in self.columns}) > 1:
            raise BadInput("columns of different lengths", where=self.source)
        if len(set(self.names)) < len(self.columns):
            twice = next(name for name, count in Counter(self.names).items() if count > 1)
            raise BadInput(f"two columns are named '{twice}'", where=self.source, do="rename one of them")

    @property
    def rows(self) -> int:
        return len(self.columns[0].values) if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was noticed on reading, and the doubts about columns."""
        return (*self.notes, *(column.doubted for column in self.columns if column.doubt))

    def column(self, name: str) -> Column:
        """The column of that name; BadInput with the nearest name when there is none."""
        place = self._places.get(composed(name))
        if place is None:
            raise missing_column(name, self.names, self.source)
        return self.columns[place]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {column.name: place for place, column in enumerate(self.columns)}

    def take(self, rows: Array) -> Table:
        """The same columns for some rows (an index array), in that order."""
        lines = None if self.lines is None else self.lines[rows]
        return replace(self, columns=tuple(column.take(rows) for column in self.columns), lines=lines)

    def drop(self, name: str) -> Table:
        """The table without one column; BadInput with the nearest name when there is none."""
        dropped = self.column(name)
        return replace(self, columns=tuple(column for column in self.columns if column is not dropped))

    def place(self, row: int, name: str = "") -> str:
        """Where a row (from 0) is in its source, in words: file and line (or row from 1), and column."""
        return place_of(self.source, self.lines, row, self.names, name)


def place_of(source: str, lines: Array | None, row: int, names: tuple[str, ...], name: str = "") -> str:
    """Where a row (from 0) is in a source, in words: see `Table.place`."""
    line = f"row {row + 1}" if lines is None else f"line {int(lines[row])}"
    column = f", column {names.index(name) + 1} ('{name}')" if name else ""
    return f"{source}, {line}{column}"


def missing_column(name: str, names: Iterable[str], source: str) -> BadInput:
    """The error for a column that is not there: names the nearest of `names`, or lists the first few."""
    names = list(names)
    near = nearest(name, names)
    return BadInput(
        f"there is no column '{name}'",
        where=source,
        expected=f"one of {listed(names, 8, quoted=True)}",
        do=f"'{near}'" if near else "one of the names above",
    )
