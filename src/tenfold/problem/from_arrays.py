"""A problem from X (a matrix, a frame, a list or images) and y, as Python users have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tenfold.data.columns.conform import conform
from tenfold.data.columns.markers import marker_warnings
from tenfold.data.columns.numbers import EXACT, LARGEST
from tenfold.data.columns.schema import Schema, decide_schema
from tenfold.data.columns.table import Column
from tenfold.data.columns.target import Target, label_warnings
from tenfold.data.feed.encode import Inputs, PixelRange, make_inputs, matrix_inputs, pixel_inputs, tensor_inputs
from tenfold.data.feed.tensors import given_tensors
from tenfold.data.profile.leaks import gives_away
from tenfold.data.read.images import as_pixels
from tenfold.data.read.read import read_table
from tenfold.data.read.sparse import dense, is_sparse
from tenfold.data.split.request import Splits
from tenfold.errors import BadInput, clipped
from tenfold.problem.given_target import read_given
from tenfold.problem.problem import Problem, make_problem
from tenfold.rules.losses import Task
from tenfold.statistics.metrics import Metric, metric_for
from tenfold.statistics.metrics.own import OwnScores, over_columns, own_metric

Array = np.ndarray


@dataclass(frozen=True)
class Labelled:
    """X and y understood: inputs, the schema (None for a numeric matrix and images), y as learned, the classes; doubts:
    about labels and words that read as missing."""

    inputs: Inputs
    schema: Schema | None
    y: Array
    labels: tuple[Any, ...]
    doubts: tuple[str, ...] = ()

    @property
    def task(self) -> Task:
        return "classification" if self.labels else "regression"

    @cached_property
    def warnings(self) -> list[str]:
        """What labels and words may mean, and columns of X that alone predict y, each in a sentence; looked for when
        this is first read."""
        if self.inputs.image is not None or self.y.ndim > 1:
            return list(self.doubts)
        leak = "alone predicts {} of y: leave it out if it is known only after y; groups=, if it names groups of rows"
        classification = bool(self.labels)
        shares = [(name, gives_away(column, self.y, classification=classification)) for name, column in self._columns()]
        return [*self.doubts, *(f"{name} {leak.format(much)}" for name, much in shares if much)]

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
        metric: str | OwnScores | None = None,
        metrics: Sequence[str | OwnScores] = (),
        repeats: int = 1,
        groups: Any = None,
        time: Any = None,
        gap: int = 0,
    ) -> Problem:
        """Divided into folds (see `Splits`); a number of folds is lowered to the smallest class."""
        splits = Splits(folds, repeats, groups, time, gap, seed)
        names = tuple(str(label) for label in self.labels)
        chosen, *also = self._metrics(metric, metrics)
        asked = metric is not None or bool(metrics)
        return make_problem(self.inputs, self.y, names, chosen, splits, also, asked=asked)[0]

    def _metrics(self, metric: str | OwnScores | None, also: Sequence[str | OwnScores]) -> list[Metric]:
        """The metric that selects, by default the first of the others, then those that are reported besides."""
        if isinstance(also, str) or not isinstance(also, Sequence):
            raise BadInput(f"metrics is {clipped(repr(also))}", expected="a list of names or functions")
        chosen, others = metric if metric is not None or not also else also[0], list(also)
        if chosen is not None and chosen in others:
            others.remove(chosen)
        found = [self._metric(one) for one in (chosen, *others)]
        names = [one.name for one in found]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            expected = "each metric once, and functions of different names"
            raise BadInput(f"metric {clipped(twice)!r} is there twice", expected=expected)
        return found

    def _metric(self, given: str | OwnScores | None) -> Metric:
        if callable(given):
            return own_metric(self.task, given)
        found = metric_for(self.task, given)
        return over_columns(found) if self.y.ndim == 2 else found


def understand(x: Any, y: Any, task: str | None = None) -> Labelled:
    """X: a 2-D numeric array, tensor, sparse matrix or nested list, a structured array, any frame that narwhals reads,
    or images (rows, height, width) or (rows, height, width, channels), uint8 or float; for a user's module any other
    tensor, or a tuple or dict of tensors or arrays, is taken as it is; y: one value a row.

    Text and booleans, and integers of at most 20 distinct values, are classes; other numbers a regression target;
    `task` decides otherwise. Raises `BadInput`.
    """
    said: list[str] = []
    tensors = given_tensors(x)
    if tensors is not None:
        values, labels = read_given(y, task)
        _same_length(tensors.rows, len(values))
        return Labelled(tensor_inputs(tensors), None, values, labels, ())
    if is_sparse(x):
        x, size = dense(x)
        said = [size]
    x = _array(x)
    values, labels = read_given(y, task)
    inputs, schema = _numeric_inputs(x), None
    doubts = [*label_warnings([label for label in labels if isinstance(label, str)]), *said]
    if inputs is None:
        table = read_table(x)
        names = tuple(str(label) for label in labels)
        kind = "classification" if labels else "regression"
        target = Target(_unlike(table.names), kind, "given", values, names, np.arange(len(values)), 0)
        _same_length(table.rows, len(values))
        doubts += table.notes
        doubts += marker_warnings(table.columns, "give the column a type that keeps it (pandas: category)")
        schema = decide_schema(table, target)
        inputs = make_inputs(conform(table, schema)[0], schema)
    _same_length(inputs.rows, len(values))
    if inputs.numbers.shape[1] + inputs.codes.shape[1] == 0:
        raise BadInput("X has no column to learn from", expected="at least one number, date or category column")
    return Labelled(inputs, schema, values, labels, tuple(doubts))


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
    x = with_gaps(x)
    try:
        array = np.asarray(x)
    except ValueError:
        return None  # rows of unequal length: `read` names the first
    if array.dtype.names is not None:
        return None
    if array.ndim in (3, 4):
        pixels = as_pixels(array, source="X")
        return pixel_inputs(pixels, PixelRange.of(pixels))
    if array.ndim != 2:
        expected = "(rows, columns), or images (rows, height, width, channels)"
        raise BadInput(f"X has shape {array.shape}", expected=expected, do="X.reshape(-1, 1) for one column")
    if array.dtype.kind not in "biuf" or (array.dtype.kind in "iu" and array.size and _beyond_exact(array)):
        return None
    # numpy would turn the bound into a half, which cannot hold it.
    wide = array.astype(np.float64) if array.dtype == np.float16 else array
    far = np.abs(wide) > LARGEST if array.dtype.kind == "f" else np.zeros(0, bool)
    if far.any():
        row, column = np.argwhere(far)[0]
        value = array[row, column]
        what = "infinite" if np.isinf(value) else f"{value:.6g}, too large for a network, which computes in 32 bits"
        raise BadInput(f"X[{row}, {column}] is {what}", expected="finite numbers, or NaN for missing")
    return matrix_inputs(array)


def with_gaps(x: Any) -> Any:
    """A masked array of numbers with NaN for what is masked; anything else as it is."""
    if not isinstance(x, np.ma.MaskedArray) or x.dtype.kind not in "biuf":
        return x
    return np.ma.filled(x.astype(np.float64), np.nan)


def _beyond_exact(array: Array) -> bool:
    """Whether float64 rounds some of these integers."""
    return max(abs(int(array.min())), abs(int(array.max()))) > EXACT
