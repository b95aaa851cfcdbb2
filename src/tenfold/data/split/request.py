"""How rows are to be divided into folds: the request, which checks and describes itself. `folds` cuts by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tenfold.data.columns.objects import is_absent
from tenfold.errors import BadInput, clipped
from tenfold.formatting import nearest

Array = np.ndarray
MOST_REPEATS = 100
ONE_GROUP_OUT = "leave-one-group-out"
Way = Literal["forward", "count", "one group out", "fold numbers", "pairs", "splitter"]


@dataclass(frozen=True, eq=False)
class Splits:
    """How rows are divided, repeat after repeat.

    folds: a number of folds; "leave-one-group-out"; the number of the fold that validates each row (rows,), -1 for
    rows that are always trained on; (train, validation) index arrays; or a scikit-learn splitter. groups (rows,): rows
    of one group are never on both sides. time (rows,): validation rows are later than the rows trained on, and `gap`
    rows between them are left out. Both: forward in time, and rows to train on are left out too where their group goes
    on into the validation part. by: the names of what groups and time are, for people.
    """

    folds: Any = 5
    repeats: int = 1
    groups: Array | None = None
    time: Array | None = None
    gap: int = 0
    seed: int = 0
    by: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "folds", _understood(self.folds))
        for name in ("groups", "time"):
            object.__setattr__(self, name, _column(getattr(self, name), name))
        for name, least, do in (("repeats", 1, "--repeats 1"), ("gap", 0, "gap=0"), ("seed", 0, "--seed 0")):
            if not _whole(getattr(self, name)) or getattr(self, name) < least:
                found = f"{name} is {clipped(repr(getattr(self, name)))}"
                raise BadInput(found, expected=f"a whole number from {least}", do=do)
        if self.repeats > MOST_REPEATS:
            found = f"{clipped(self.repeats)} repeats"
            raise BadInput(found, expected=f"at most {MOST_REPEATS}", do=f"--repeats {MOST_REPEATS}")
        self._check_together()
        if len({len(column) for column in self._columns.values()}) > 1:
            lengths = " and ".join(f"{len(column)} values of {name}" for name, column in self._columns.items())
            raise BadInput(f"{lengths} are of different lengths", expected="one value a row each")

    def _check_together(self) -> None:
        if self.gap and self.time is None:
            raise BadInput(f"a gap of {self.gap} rows without a time", do="--time COL, or no gap")
        if self.time is not None and not _whole(self.folds):
            raise BadInput("time is given together with folds", expected="a number of folds", do="5 folds")
        if self.way == "one group out" and self.groups is None:
            raise BadInput(f"folds is '{ONE_GROUP_OUT}' and there are no groups", do="--groups COL")
        if self.way == "one group out" and self.group_count < 2:
            raise BadInput(f"folds is '{ONE_GROUP_OUT}' and all rows are of one group", do="5 folds without groups")

    @property
    def _columns(self) -> dict[str, Array]:
        """What has one value a row."""
        columns = {"groups": self.groups, "time": self.time, "folds": self.folds}
        return {name: column for name, column in columns.items() if isinstance(column, np.ndarray)}

    @property
    def group_codes(self) -> Array | None:
        """An integer for each distinct group (rows,) int64, in order of their values where they have one."""
        return None if self.groups is None else _codes(self.groups)

    @property
    def group_count(self) -> int:
        """Number of distinct groups, 0 without groups."""
        codes = self.group_codes
        return 0 if codes is None else len(np.unique(codes))

    @property
    def way(self) -> Way:
        """How the rows are cut; all that depends on it asks here."""
        if self.time is not None:
            return "forward"
        if isinstance(self.folds, int):
            return "count"
        if isinstance(self.folds, str):
            return "one group out"
        if isinstance(self.folds, np.ndarray):
            return "fold numbers"
        return "pairs" if isinstance(self.folds, tuple) else "splitter"

    @property
    def random(self) -> bool:
        """Whether another repeat is another division; otherwise only the seeds of the training differ."""
        if self.way == "splitter":
            return hasattr(self.folds, "random_state") and bool(getattr(self.folds, "shuffle", True))
        return self.way == "count"

    def check_rows(self, rows: int) -> None:
        """BadInput where groups, time or the folds are of another number of rows."""
        for name, column in self._columns.items():
            if len(column) != rows:
                raise BadInput(f"{name} has {len(column)} values and there are {rows} rows", expected="one value a row")

    def take(self, rows: Array) -> Splits:
        """The same division of some rows (an index array). Index arrays as folds cannot be taken along."""
        if isinstance(self.folds, tuple):
            raise BadInput("folds as index arrays are of all rows", expected="folds that some rows can be taken from")
        return replace(self, **{name: column[rows] for name, column in self._columns.items()})

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks wrong, in words."""
        if self.groups is None or self.group_count < len(self.groups):
            return ()
        named = _quoted(self.by) if self.time is None else ""
        return (f"every row has its own value of {named or 'groups'}: the division is as without groups",)


def describe(splits: Splits, *, classification: bool) -> str:
    """The division in words: "5 stratified folds x 3 repeats, by patient"."""
    what = _folds_in_words(splits, classification)
    if splits.repeats > 1:
        what += f" x {splits.repeats} {'repeats' if splits.random else 'seeds'}"
    if splits.groups is not None and splits.time is not None:
        what += f", by {splits.by or 'time, no group on both sides'}"
    elif splits.groups is not None or splits.time is not None:
        what += f", by {splits.by or ('group' if splits.groups is not None else 'time')}"
    return what + (f", {splits.gap} rows apart" if splits.gap else "")


def _folds_in_words(splits: Splits, classification: bool) -> str:
    folds = splits.folds
    match splits.way:
        case "forward":
            return f"{folds} folds forward in time"
        case "count":
            return f"{folds} {'stratified ' if classification else ''}folds"
        case "one group out":
            return f"{splits.group_count} folds of one group each"
        case "splitter":
            return f"the folds of {type(folds).__name__}"
        case "fold numbers" | "pairs" as way:
            count = len(np.unique(folds[folds >= 0])) if way == "fold numbers" else len(folds)
            return f"{count} given fold{'s' * (count > 1)}"


def _codes(groups: Array) -> Array:
    try:
        return np.unique(groups, return_inverse=True)[1].astype(np.int64)
    except TypeError:  # values of several types
        index = {value: code for code, value in enumerate(dict.fromkeys(groups.tolist()))}
        return np.array([index[value] for value in groups.tolist()], np.int64)


def _understood(folds: Any) -> Any:
    """Folds as a number, a known name, an array of fold numbers, a tuple of parts, or a splitter."""
    if _whole(folds):
        if folds < 2:
            raise BadInput(f"folds is {folds}", expected="at least 2", do="5 folds")
        return int(folds)
    if isinstance(folds, str):
        if folds != ONE_GROUP_OUT:
            near = nearest(folds, [ONE_GROUP_OUT])
            raise BadInput(f"folds is '{folds}'", expected=f"a number, or '{ONE_GROUP_OUT}'", do=near or "5 folds")
        return folds
    if hasattr(folds, "split"):
        return folds
    if not isinstance(folds, Iterable):
        raise BadInput(f"folds is {folds!r}", expected="a whole number of at least 2, or a splitter", do="5 folds")
    array = np.asarray(folds) if hasattr(folds, "__array__") else None
    parts = list(folds)
    if array is None and parts and all(map(_whole, parts)):
        array = np.array(parts, np.int64)
    if array is not None and array.ndim == 1 and array.dtype.kind in "iu":
        if array.size == 0 or (array < -1).any() or (array < 0).all():
            raise BadInput(
                "a fold number is below -1, or none is 0 or more", expected="one a row, -1: always trained on"
            )
        return array.astype(np.int64)
    return tuple(_pair(part, number) for number, part in enumerate(parts))


def _pair(part: Any, number: int) -> tuple[Array, Array]:
    try:
        train, validation = (np.asarray(rows) for rows in part)
    except (TypeError, ValueError):
        raise BadInput(f"fold {number} is {part!r:.60}", expected="a pair of row index arrays") from None
    sides = []
    for rows in (train, validation):
        if rows.ndim != 1 or rows.dtype.kind not in ("iu" if rows.size else "iuf"):
            kind = "a mask of booleans" if rows.dtype.kind == "b" else f"an array of type {rows.dtype}"
            raise BadInput(f"fold {number} has {kind} and {rows.ndim} dimensions", expected="row indices")
        sides.append(rows.astype(np.int64))
    return sides[0], sides[1]


def _column(values: Any, name: str) -> Array | None:
    """Groups or time as an array without missing values."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise BadInput(f"{name} has shape {array.shape}", expected="(rows,), one value a row")
    missing = _missing(array)
    if missing.any():
        found = f"{int(missing.sum())} of {len(array)} values of {name} are missing, the first in row"
        raise BadInput(
            f"{found} {int(np.flatnonzero(missing)[0])}", expected="a value for every row", do="drop those rows"
        )
    if name == "time":
        try:
            np.sort(array)
        except TypeError:
            raise BadInput("time holds values of several types", expected="values with an order") from None
    return array


def _missing(array: Array) -> Array:
    if array.dtype.kind == "O":
        return np.array([is_absent(value) for value in array], bool)
    if array.dtype.kind in "mM":
        return np.isnat(array)
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _quoted(name: str) -> str:
    return f"'{name}'" if name else ""
