"""The target column: its task, its classes, and the rows that have a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tenfold.data.columns.alike import alike_in_words, number_of, plain_form
from tenfold.data.columns.characters import composed
from tenfold.data.columns.codes import are_whole
from tenfold.data.columns.kinds import ColumnKind
from tenfold.data.columns.markers import MUCH, may_be_value
from tenfold.data.columns.numbers import LARGEST, spell_number
from tenfold.data.columns.table import Column, Table, missing_column
from tenfold.errors import BadInput
from tenfold.formatting import listed, nearest
from tenfold.rules.losses import Task

Array = np.ndarray
TASKS = ("classification", "regression")
MANY_ALONE = 0.5  # share of rows whose class no other row has, from which a target looks like an ID
MOST_CLASSES = 20  # distinct integers up to which an integer target is classes
FEW_AMOUNTS = 5  # distinct integers, none next to another, from which they are amounts (0, 10, ..., 100)
SPELLINGS = 3  # groups of labels that are named


@dataclass(frozen=True)
class Target:
    """The target of the rows that have one.

    task and reason: what is learned, and why, in words. keep (n,) int64: the rows of the table that have a target, in
    order. values (n,): int64 codes into classes, or float64 numbers. classes: names by code as the source spells them,
    () for regression. dropped: number of rows without a target. kind: of the column. numbers: what each class is as a
    number, NaN where it is none. warnings: what makes the labels questionable.
    """

    name: str
    task: Task
    reason: str
    values: Array
    classes: tuple[str, ...]
    keep: Array
    dropped: int
    kind: ColumnKind = "text"
    numbers: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in TASKS or len(self.values) != len(self.keep):
            raise BadInput(
                f"target '{self.name}': task {self.task}, {len(self.values)} values of {len(self.keep)} rows"
            )


def read_target(table: Table, name: str | None, task: str | None = None) -> Target:
    """The target column `name` of a table (None: the one that the source itself declares).

    task None: what the user says the column is (a number, a category), else text, booleans and integers of at most 20
    distinct values are classes, but for amounts (see `are_amounts`); other numbers are a regression.
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
    _check_size(table, column)
    keep = np.flatnonzero(~column.missing)
    if not keep.size:
        raise _refuse(table, name, "every row lacks its target", "rows with a target", "give another column")
    lacking = _lacking(table, column)
    if column.kind == "date":
        raise _refuse(table, name, "the target is a date", "numbers or classes", "turn it into a number, such as days")
    inferred, reason = _task(column, keep)
    if task is not None and task != inferred:
        inferred, reason = task, f"taken as asked; by itself it is {reason}"
    if inferred == "regression":
        return _regression(table, column, keep, reason)
    codes, classes, numbers = _classes(column, keep)
    _check_classes(table, column, keep, codes, classes)
    return Target(
        name, "classification", reason, codes, classes, keep, table.rows - len(keep), column.kind, numbers,
        (*label_warnings(classes), *lacking),
    )  # fmt: skip


def label_warnings(classes: Sequence[str]) -> list[str]:
    """A warning of labels that may be spellings of one class; [] for none."""
    words = alike_in_words(classes, SPELLINGS)
    return [f"classes that may be one: {words}; if they mean the same, write them alike"] if words else []


def unusable_numbers(values: Array) -> tuple[str, int] | None:
    """What makes numbers no regression target, and the first such row (-1: all of them); None where nothing does."""
    for what, bad in (
        ("missing", np.isnan(values)),
        ("infinite", np.isinf(values)),
        (f"too large for a network, which computes in 32 bits (at most {LARGEST:.1e})", np.abs(values) > LARGEST),
    ):
        if bad.any():
            return what, int(np.flatnonzero(bad)[0])
    if values.min() == values.max():
        return f"every row has the target {spell_number(values[0])}", -1
    if not np.std(values) > 0:
        return f"all targets are {values[0]:.6g} but for rounding: they differ too little to be told apart", -1
    return None


def _lacking(table: Table, column: Column) -> list[str]:
    """A warning of a word that was read as a missing target and may be a class; BadInput where much depends on it."""
    word, count = may_be_value(column)
    if not count:
        return []
    found = f"{count} of {table.rows} rows have the target '{word}', which is read as missing"
    if count < MUCH * table.rows:
        return [f"{found}; if it is a class, give --missing '', so that every word is a value"]
    raise _refuse(
        table, column.name, found, "a class, or no target: the two give different models",
        f"--missing '' if it is a class (then every word is a value), --missing '{word}' if it is none",
    )  # fmt: skip


def read_labels(table: Table, target: Target) -> Target:
    """The same target in another table, such as a file of test rows: its classes, coded as `target` codes them. Numbers
    and booleans may be spelled otherwise there (1 for 1.0).

    BadInput: no such column, every value missing, a class that `target` lacks, text for a regression.
    """
    if target.name not in table.names:
        raise missing_column(target.name, table.names, table.source)
    column = table.column(target.name)
    _check_size(table, column)
    keep = np.flatnonzero(~column.missing)
    if not keep.size:
        raise _refuse(table, target.name, "every row lacks its target", "rows with a target", "give another file")
    dropped = table.rows - len(keep)
    if target.task == "regression":
        if column.kind in ("text", "date"):
            raise _refuse(table, target.name, f"the target is {column.kind}", "numbers", "fix those cells")
        values = column.values[keep].astype(np.float64)
        _check_numbers(table, column, keep, values, rows_only=True)
        return Target(target.name, "regression", target.reason, values, (), keep, dropped)
    codes, names, numbers = _classes(column, keep)
    known = [_known(name, number, column.kind, target) for name, number in zip(names, numbers, strict=True)]
    if None in known:
        unknown = known.index(None)
        row = int(keep[np.flatnonzero(codes == unknown)[0]])
        raise _unknown_class(table, target, names[unknown], row)
    values = np.array(known, np.int64)[codes]
    return replace(target, values=values, keep=keep, dropped=dropped, kind=column.kind, warnings=())


def _known(name: str, number: float, kind: ColumnKind, target: Target) -> int | None:
    """The code that `target` has for a class of another table; None where it has none. What is a number in both is
    compared as one: 1 and 1.0 are one class however each file spells it."""
    if kind == target.kind and kind in ("number", "boolean"):
        return target.numbers.index(number) if number in target.numbers else None
    if name in target.classes:
        return target.classes.index(name)
    equal = [code for code, other in enumerate(target.numbers) if other == number]
    return equal[0] if len(equal) == 1 and "boolean" not in (kind, target.kind) else None


def _unknown_class(table: Table, target: Target, name: str, row: int) -> BadInput:
    """The error for a class that was not learned, with the nearest of those that were."""
    found = f"the class '{name[:40]}' ({table.place(row, target.name)}) is not among those to learn"
    near = next((label for label in target.classes if plain_form(label) == plain_form(name)), "")
    near = near or nearest(name, target.classes)
    do = "drop those rows, or train with that class"
    if near:
        found = f"{found}; nearest is '{near[:40]}'"
        do = f"write '{near[:40]}' there if that is what they mean, else {do}"
    return _refuse(table, target.name, found, f"one of {listed(target.classes, 8, quoted=True)}", do)


def _refuse(table: Table, name: str, found: str, expected: str, do: str) -> BadInput:
    return BadInput(found, where=f"{table.source}, target '{name}'", expected=expected, do=do)


def are_amounts(distinct: Array) -> bool:
    """Whether these whole numbers, distinct and in rising order, count something in steps (0, 10, ..., 100) rather than
    number classes: at least five, none next to another."""
    return len(distinct) >= FEW_AMOUNTS and bool((np.diff(distinct) > 1).all())


def _task(column: Column, keep: Array) -> tuple[Task, str]:
    if column.asked == "number":
        return "regression", "a number, as asked"
    if column.asked == "category":
        return "classification", "a category, as asked"
    if column.kind == "text":
        return "classification", "text"
    if column.kind == "boolean":
        return "classification", "boolean"
    values = column.values[keep]
    found = np.unique(values)
    distinct = len(found)
    if not are_whole(values):
        return "regression", "numbers with decimals"
    if distinct > MOST_CLASSES:
        return "regression", f"integers with {distinct} distinct values, more than {MOST_CLASSES}"
    if are_amounts(found):
        return "regression", f"integers with {distinct} distinct values, none next to another"
    return "classification", f"integers with {distinct} distinct values, at most {MOST_CLASSES}"


def _regression(table: Table, column: Column, keep: Array, reason: str) -> Target:
    if column.kind == "text":
        row = int(keep[0])
        where = f"'{column.values[row]}' ({table.place(row, column.name)})"
        what = column.doubt or f"the target is text, such as {where}"
        raise _refuse(table, column.name, what, "numbers for a regression", "--task classification, or fix those cells")
    values = column.values[keep].astype(np.float64)
    _check_numbers(table, column, keep, values)
    return Target(column.name, "regression", reason, values, (), keep, table.rows - len(keep))


def _check_numbers(table: Table, column: Column, keep: Array, values: Array, *, rows_only: bool = False) -> None:
    """Refuse numbers that are no regression target; rows_only: test rows, which may all be equal."""
    wrong = unusable_numbers(values)
    if wrong is None or (rows_only and wrong[1] < 0):
        return
    found, row = wrong
    if row < 0:
        raise _refuse(table, column.name, found, "at least two different values", "give another column")
    found = f"the target {spell_number(values[row])} ({table.place(int(keep[row]), column.name)}) is {found}"
    raise _refuse(table, column.name, found, "numbers in a usual unit", "fix those cells, or change their unit")


def _check_size(table: Table, column: Column) -> None:
    """Refuse a target with a number that was read as missing because it is infinite or too large."""
    if column.overflow is not None:
        row, cell = column.overflow
        found = f"the target {cell} ({table.place(row, column.name)}) is infinite or too large for 32 bits"
        raise _refuse(table, column.name, found, "numbers in a usual unit", "fix those cells, or change their unit")


def _classes(column: Column, keep: Array) -> tuple[Array, tuple[str, ...], tuple[float, ...]]:
    """Codes (n,) int64, class names, and what these are as numbers (NaN for none); sorted: numbers by value, false
    before true, text by its letters."""
    if column.kind == "text":
        names = sorted(set(column.values[keep]))
        index = {name: code for code, name in enumerate(names)}
        numbers = [number_of(name) for name in names]
        codes = np.array([index[value] for value in column.values[keep]], np.int64)
        return codes, tuple(names), tuple(np.nan if number is None else number for number in numbers)
    distinct, codes = np.unique(column.values[keep], return_inverse=True)
    names = [_spelling(column, value) for value in distinct]
    if column.kind == "boolean" and None in names:
        names = [("false", "true")[int(value)] for value in distinct]
    # A number of several spellings (1 and 1.0) is one class, by its plain one.
    names = [spell_number(value) if name is None else name for name, value in zip(names, distinct, strict=True)]
    return codes.astype(np.int64), tuple(names), tuple(distinct.tolist())


def _spelling(column: Column, value: float) -> str | None:
    """How the file spells this number or boolean, if it uses one spelling only."""
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
