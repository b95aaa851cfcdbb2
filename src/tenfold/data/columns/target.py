"""The target column: its task, its classes, and the rows that have a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenfold.data.columns.characters import composed
from tenfold.data.columns.codes import are_whole
from tenfold.data.columns.numbers import spell_number
from tenfold.data.columns.table import Column, Table, missing_column
from tenfold.errors import BadInput
from tenfold.formatting import listed, nearest
from tenfold.rules.losses import Task

Array = np.ndarray
TASKS = ("classification", "regression")
MANY_ALONE = 0.5  # share of rows whose class no other row has, from which a target looks like an ID
MOST_CLASSES = 20  # distinct integers up to which an integer target is classes


@dataclass(frozen=True)
class Target:
    """The target of the rows that have one.

    task and reason: what is learned, and why, in words. keep (n,) int64: the rows of the table that have a target, in
    order. values (n,): int64 codes into classes, or float64 numbers. classes: names by code, () for regression.
    dropped: number of rows without a target.
    """

    name: str
    task: Task
    reason: str
    values: Array
    classes: tuple[str, ...]
    keep: Array
    dropped: int

    def __post_init__(self) -> None:
        if self.task not in TASKS or len(self.values) != len(self.keep):
            raise BadInput(
                f"target '{self.name}': task {self.task}, {len(self.values)} values of {len(self.keep)} rows"
            )


def read_target(table: Table, name: str | None, task: str | None = None) -> Target:
    """The target column `name` of a table (None: the one that the source itself declares).

    task None: text, booleans and integers of at most 20 distinct values are classes; other numbers are a regression.
    BadInput: no such column (with the nearest name), every value missing, one class or value only, a class with a
    single member, a date, text for a regression.
    """
    if task is not None and task not in TASKS:
        near = nearest(task, TASKS)
        do = f"--task {near}" if near else ""
        raise BadInput(f"task is '{task}'", expected="classification or regression", do=do)
    if not name and not table.target:
        names = listed(table.names, 8, quoted=True)
        raise BadInput(
            "no target column is named", where=table.source, expected=f"one of {names}", do="--target COLUMN"
        )
    name = composed(name or table.target)
    if name not in table.names:
        raise missing_column(name, table.names, table.source)
    column = table.column(name)
    keep = np.flatnonzero(~column.missing)
    if not keep.size:
        raise _refuse(table, name, "every row lacks its target", "rows with a target", "give another column")
    if column.kind == "date":
        raise _refuse(table, name, "the target is a date", "numbers or classes", "turn it into a number, such as days")
    inferred, reason = _task(column, keep)
    if task is not None and task != inferred:
        inferred, reason = task, f"taken as asked; by itself it is {reason}"
    if inferred == "regression":
        return _regression(table, column, keep, reason)
    codes, classes = _classes(column, keep)
    _check_classes(table, column, keep, codes, classes)
    return Target(name, "classification", reason, codes, classes, keep, table.rows - len(keep))


def read_labels(table: Table, target: Target) -> Target:
    """The same target in another table, such as a file of test rows: its classes, coded as `target` codes them.

    BadInput: no such column, every value missing, a class that `target` lacks, text for a regression.
    """
    if target.name not in table.names:
        raise missing_column(target.name, table.names, table.source)
    column = table.column(target.name)
    keep = np.flatnonzero(~column.missing)
    if not keep.size:
        raise _refuse(table, target.name, "every row lacks its target", "rows with a target", "give another file")
    dropped = table.rows - len(keep)
    if target.task == "regression":
        if column.kind in ("text", "date"):
            raise _refuse(table, target.name, f"the target is {column.kind}", "numbers", "fix those cells")
        values = column.values[keep].astype(np.float64)
        return Target(target.name, "regression", target.reason, values, (), keep, dropped)
    codes, names = _classes(column, keep)
    unknown = [name for name in names if name not in target.classes]
    if unknown:
        row = int(keep[np.flatnonzero(codes == names.index(unknown[0]))[0]])
        found = f"the class '{unknown[0][:40]}' ({table.place(row, target.name)}) is not among those to learn"
        classes = listed(target.classes, 8, quoted=True)
        raise _refuse(table, target.name, found, f"one of {classes}", "drop those rows, or train with that class")
    place = np.array([target.classes.index(name) for name in names], np.int64)
    return Target(target.name, "classification", target.reason, place[codes], target.classes, keep, dropped)


def _refuse(table: Table, name: str, found: str, expected: str, do: str) -> BadInput:
    return BadInput(found, where=f"{table.source}, target '{name}'", expected=expected, do=do)


def _task(column: Column, keep: Array) -> tuple[Task, str]:
    if column.kind == "text":
        return "classification", "text"
    if column.kind == "boolean":
        return "classification", "boolean"
    values = column.values[keep]
    distinct = len(np.unique(values))
    if not are_whole(values):
        return "regression", "numbers with decimals"
    if distinct > MOST_CLASSES:
        return "regression", f"integers with {distinct} distinct values, more than {MOST_CLASSES}"
    return "classification", f"integers with {distinct} distinct values, at most {MOST_CLASSES}"


def _regression(table: Table, column: Column, keep: Array, reason: str) -> Target:
    if column.kind == "text":
        row = int(keep[0])
        where = f"'{column.values[row]}' ({table.place(row, column.name)})"
        what = column.doubt or f"the target is text, such as {where}"
        raise _refuse(table, column.name, what, "numbers for a regression", "--task classification, or fix those cells")
    values = column.values[keep].astype(np.float64)
    if values.min() == values.max():
        found = f"every row has the target {spell_number(values[0])}"
        raise _refuse(table, column.name, found, "at least two different values", "give another column")
    return Target(column.name, "regression", reason, values, (), keep, table.rows - len(keep))


def _classes(column: Column, keep: Array) -> tuple[Array, tuple[str, ...]]:
    """Codes (n,) int64 and class names, sorted: numbers by value, false before true, text by its letters."""
    if column.kind == "text":
        names = sorted(set(column.values[keep]))
        index = {name: code for code, name in enumerate(names)}
        return np.array([index[value] for value in column.values[keep]], np.int64), tuple(names)
    distinct, codes = np.unique(column.values[keep], return_inverse=True)
    if column.kind == "number":
        return codes.astype(np.int64), tuple(spell_number(value) for value in distinct)
    names = [_spelling(column, value) for value in distinct]
    if None in names:
        names = [("false", "true")[int(value)] for value in distinct]
    return codes.astype(np.int64), tuple(str(name) for name in names)


def _spelling(column: Column, value: float) -> str | None:
    """How the file spells this boolean, if it uses one spelling only."""
    if column.spelled is None:
        return None
    spellings = set(column.spelled[column.values == value])
    return spellings.pop() if len(spellings) == 1 else None


def _check_classes(table: Table, column: Column, keep: Array, codes: Array, classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        found = f"every row has the class '{''.join(classes)}'"
        raise _refuse(
            table, column.name, found, "at least two classes", "give another column, or rows of other classes"
        )
    counts = np.bincount(codes)
    alone = np.flatnonzero(counts == 1)
    if not alone.size:
        return
    if len(alone) > MANY_ALONE * len(codes) and not column.doubt:
        found = f"{len(alone)} values occur once: this looks like an ID, not a target"
        if column.kind == "number":
            raise _refuse(table, column.name, found, "classes", "another column, or --task regression")
        raise _refuse(table, column.name, found, "at least two rows of every class", "give another column")
    row = int(keep[np.flatnonzero(codes == alone[0])[0]])
    more = f" (and {len(alone) - 1} more classes)" if len(alone) > 1 else ""
    what = f"the class '{classes[alone[0]][:40]}' has a single member{more}, in {table.place(row, column.name)}"
    do = "drop that row, or merge its class with another"
    if column.kind == "number":
        do = f"--task regression, or {do}"
    elif column.doubt:
        what, do = f"{what}; {column.doubt}", "fix those cells"
    raise _refuse(table, column.name, what, "at least two members of every class", do)
