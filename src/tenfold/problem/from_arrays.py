"""A problem from X (a matrix, a frame, a list or images) and y, as Python users have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tenfold.data.columns.conform import conform
from tenfold.data.columns.schema import Schema, decide_schema
from tenfold.data.columns.table import Column
from tenfold.data.columns.target import MOST_CLASSES, Target
from tenfold.data.feed.encode import Inputs, make_inputs, matrix_inputs, pixel_inputs
from tenfold.data.profile.leaks import gives_away
from tenfold.data.read.images import as_pixels
from tenfold.data.read.read import read_table
from tenfold.data.split.request import Splits
from tenfold.errors import BadInput
from tenfold.problem.problem import Problem, make_problem
from tenfold.statistics.metrics import metric_for

Array = np.ndarray


@dataclass(frozen=True)
class Labelled:
    """X and y understood: inputs, the schema (None for a numeric matrix and images), y as learned, the classes."""

    inputs: Inputs
    schema: Schema | None
    y: Array
    labels: tuple[Any, ...]

    @property
    def task(self) -> str:
        return "classification" if self.labels else "regression"

    @cached_property
    def warnings(self) -> list[str]:
        """Columns of X that alone predict y, each in a sentence; looked for when this is first read."""
        if self.inputs.image is not None:
            return []
        leak = "alone predicts {} of y: leave it out if it is known only after y; groups=, if it names groups of rows"
        classification = bool(self.labels)
        shares = [(name, gives_away(column, self.y, classification=classification)) for name, column in self._columns()]
        return [f"{name} {leak.format(much)}" for name, much in shares if much]

    def _columns(self) -> Iterator[tuple[str, Column]]:
        """The inputs as columns, and what they are called: X[:, j] in a matrix."""
        named = "X[:, {}]" if self.schema is None else "column '{}'"
        for j, name in enumerate(self.inputs.names):
            called = named.format(j if self.schema is None else name)
            yield called, Column(name, "number", self.inputs.numbers[:, j])
        for j, name in enumerate(self.inputs.categories):
            codes = self.inputs.codes[:, j].astype(str).astype(object)
            yield named.format(name), Column(name, "text", codes)

    def problem(
        self,
        folds: Any = 5,
        *,
        seed: int = 0,
        metric: str | None = None,
        repeats: int = 1,
        groups: Any = None,
        time: Any = None,
        gap: int = 0,
    ) -> Problem:
        """Divided into folds (see `Splits`); a number of folds is lowered to the smallest class."""
        splits = Splits(folds, repeats, groups, time, gap, seed)
        names = tuple(str(label) for label in self.labels)
        return make_problem(self.inputs, self.y, names, metric_for(self.task, metric), splits)[0]


def understand(x: Any, y: Any, task: str | None = None) -> Labelled:
    """X: a 2-D numeric array, tensor or nested list, any frame that narwhals reads, or images (rows, height, width) or
    (rows, height, width, channels), uint8 or float; y: one value a row.

    Text and booleans, and integers of at most 20 distinct values, are classes; other numbers a regression target;
    `task` decides otherwise. Raises `BadInput`.
    """
    x, y = _array(x), _array(y)
    values, labels = _target(y, task)
    inputs, schema = _numeric_inputs(x), None
    if inputs is None:
        table = read_table(x)
        names = tuple(str(label) for label in labels)
        kind = "classification" if labels else "regression"
        target = Target(_unlike(table.names), kind, "given", values, names, np.arange(len(values)), 0)
        _same_length(table.rows, len(values))
        schema = decide_schema(table, target)
        inputs = make_inputs(conform(table, schema)[0], schema)
    _same_length(inputs.rows, len(values))
    if inputs.numbers.shape[1] + inputs.codes.shape[1] == 0:
        raise BadInput("X has no column to learn from", expected="at least one number, date or category column")
    return Labelled(inputs, schema, values, labels)


def _unlike(names: tuple[str, ...]) -> str:
    """A name for the target that no column has."""
    name = "y"
    while name in names:
        name += "_"
    return name


def _array(given: Any) -> Any:
    """A torch tensor as an array; anything else as it is."""
    return given.detach().cpu().numpy() if hasattr(given, "detach") and hasattr(given, "cpu") else given


def is_frame(x: Any) -> bool:
    """Whether narwhals reads x as a frame (pandas, polars, pyarrow, ...)."""
    import narwhals as nw

    return isinstance(nw.from_native(x, eager_only=True, pass_through=True), nw.DataFrame)


def _same_length(rows: int, targets: int) -> None:
    if rows != targets:
        raise BadInput(f"X has {rows} rows and y has {targets} values", expected="one value of y for every row of X")


def _numeric_inputs(x: Any) -> Inputs | None:
    """Inputs of a plain numeric array or list, rows of columns or images; None for other things. Infinities are
    refused."""
    if not isinstance(x, np.ndarray | list | tuple):
        return None
    array = np.asarray(x)
    if array.ndim in (3, 4):
        return pixel_inputs(as_pixels(array, source="X"))
    if array.ndim != 2:
        expected = "(rows, columns), or images (rows, height, width, channels)"
        raise BadInput(f"X has shape {array.shape}", expected=expected, do="X.reshape(-1, 1) for one column")
    if array.dtype.kind not in "biuf":
        return None
    if np.isinf(array).any():
        row, column = np.argwhere(np.isinf(array))[0]
        raise BadInput(f"X[{row}, {column}] is infinite", expected="finite numbers, or NaN for missing")
    return matrix_inputs(array)


def _target(y: Any, task: str | None) -> tuple[Array, tuple[Any, ...]]:
    """y as learned (int64 classes or float64) and the labels of the classes (empty for regression)."""
    if task not in (None, "classification", "regression"):
        raise BadInput(f"task {task!r}", expected="classification or regression")
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or len(y) == 0:
        raise BadInput(f"y has shape {y.shape}", expected="(rows,), one value a row")
    number = y.dtype.kind in "iuf"
    missing = np.isnan(y) if y.dtype.kind == "f" else np.array([v is None or v != v for v in y], bool)
    if missing.any():
        raise BadInput(f"y[{int(np.flatnonzero(missing)[0])}] is missing", expected="a value for every row")
    if task is None:
        integers = number and bool((y == np.floor(y)).all())
        few = integers and len(np.unique(y)) <= MOST_CLASSES
        task = "classification" if few or not number else "regression"
    if task == "regression":
        try:
            values = y.astype(np.float64)
        except (TypeError, ValueError):
            raise BadInput(f"y holds {y.dtype} values", expected="numbers, for regression") from None
        if not np.isfinite(values).all():
            raise BadInput("y holds an infinite value", expected="finite numbers")
        return values, ()
    labels, codes = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise BadInput(f"y has one class only: {labels[0]}", expected="at least two classes")
    return codes.astype(np.int64), tuple(labels)
