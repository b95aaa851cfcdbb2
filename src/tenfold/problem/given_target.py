"""y as Python users give it (an array, a list, a series of any library) as one value of one sort for every row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenfold.data.columns.codes import are_whole
from tenfold.data.columns.objects import as_float, is_absent, is_integer, sort_of
from tenfold.data.columns.target import MOST_CLASSES, are_amounts, unusable_numbers
from tenfold.errors import BadInput

Array = np.ndarray
EXPECTED = "numbers, booleans or text, one value a row"


def values_of(y: Any) -> Array:
    """y as an array of any shape and type. BadInput: what is no array."""
    if hasattr(y, "detach") and hasattr(y, "cpu"):
        y = y.detach().cpu().numpy()
    if isinstance(y, np.ma.MaskedArray):
        missing = np.ma.getmaskarray(y)
        y = np.ma.getdata(y).astype(object) if missing.any() else np.ma.getdata(y)
        y[missing] = None
    try:
        found = np.asarray(y)
        # numpy makes text of a list that holds text and numbers.
        return np.array(y, object) if found.dtype.kind in "US" and isinstance(y, (list, tuple)) else found
    except Exception as error:  # every library has errors of its own for types that numpy lacks
        cells: Any = getattr(y, "to_list", None)
        if cells is not None:
            return np.array([*cells(), None], object)[:-1]
        raise BadInput(f"y cannot be read: {str(error).splitlines()[0][:80]}", expected=EXPECTED) from error


def one_value_a_row(y: Any) -> Array:
    """y (rows,): booleans, integers, floats, or text; integers beyond 64 bits as objects.

    BadInput, with the row: a missing value, one that is neither number, boolean nor text, text beside numbers.
    """
    y = values_of(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or len(y) == 0:
        raise BadInput(f"y has shape {y.shape}", expected="(rows,), one value a row")
    if y.dtype.kind in "biuU":
        return y  # none of these has a way to say that a value is missing
    gone = np.isnan(y) if y.dtype.kind == "f" else np.array([is_absent(value) for value in y], bool)
    if gone.any():
        what = "Input y contains NaN. " if y.dtype.kind == "f" else ""
        raise BadInput(f"{what}y[{int(np.flatnonzero(gone)[0])}] is missing", expected="a value for every row")
    if y.dtype.kind == "f":
        return y
    sorts = [sort_of(value) for value in y]
    other = next((row for row, sort in enumerate(sorts) if sort not in ("number", "boolean", "text")), None)
    if other is not None:
        kind = sorts[other] if sorts[other] != "other" else type(y[other]).__name__
        do = "turn it into a number, such as days" if kind in ("date", "duration") else ""
        raise BadInput(f"y[{other}] is a {kind}", expected=EXPECTED, do=do)
    kinds = set(sorts)
    if "text" in kinds and len(kinds) > 1:
        text, number = sorts.index("text"), next(row for row, sort in enumerate(sorts) if sort != "text")
        raise BadInput(
            f"y mixes text and {sorts[number]}s: y[{text}] is {str(y[text])[:40]!r}, y[{number}] is {y[number]!r:.40}",
            expected="values of one sort",
            do="text for all classes, such as [str(value) for value in y]",
        )
    if kinds == {"text"}:
        return y
    if kinds == {"boolean"}:
        return y.astype(bool)
    if all(is_integer(value) for value in y):
        whole = [int(value) for value in y]
        fits = all(-(2**63) <= value < 2**63 for value in whole)
        return np.array(whole, np.int64 if fits else object)
    return np.array([as_float(value) for value in y], np.float64)


def read_given(y: Any, task: str | None) -> tuple[Array, tuple[Any, ...]]:
    """y as learned (int64 classes or float64) and the labels of the classes (empty for regression)."""
    if task not in (None, "classification", "regression"):
        raise BadInput(f"task {task!r}", expected="classification or regression")
    several = several_numbers(y, task)
    if several is not None:
        return several, ()
    y = one_value_a_row(y)
    if task is None:
        number = y.dtype.kind in "iuf" or (y.dtype.kind == "O" and not isinstance(y[0], str))
        distinct = np.unique(y) if number and (y.dtype.kind != "f" or are_whole(y)) else y
        few = number and len(distinct) <= MOST_CLASSES and not are_amounts(distinct)
        task = "classification" if few or not number else "regression"
    if task == "regression":
        return regression_values(y), ()
    labels, codes = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise BadInput(f"y has one class only: {labels[0]}", expected="at least two classes")
    return codes.astype(np.int64), tuple(labels)


def several_numbers(y: Any, task: str | None) -> Array | None:
    """A target of several numbers (rows, k) as float64, or of any shape with more axes as it is; None where it has one
    value a row. Raises `BadInput` where a number is not finite."""
    found = values_of(y)
    if found.dtype.kind not in "biuf" or found.ndim < 2 or (found.ndim == 2 and found.shape[1] == 1):
        return None
    if task == "classification":
        raise BadInput(f"y has shape {found.shape}", expected="(rows,), one class a row, for classification")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found.reshape(len(found), -1)).all(1))[0])
        raise BadInput(f"y[{row}] has a number that is not finite", expected="finite numbers")
    return found.astype(np.float64) if found.ndim == 2 else found


def regression_values(y: Array) -> Array:
    """The numbers of a regression (rows,) float64, held to the rule for targets of files."""
    if y.dtype.kind == "U" or isinstance(y[0], str):
        raise BadInput(f"y is text, such as '{y[0]}'", expected="numbers, for regression", do="task classification")
    values = as_floats(y)
    wrong = unusable_numbers(values)
    if wrong is not None:
        found, row = wrong
        if row >= 0:
            raise BadInput(f"y[{row}] is {found}", expected="finite numbers in a usual unit", do="change their unit")
        raise BadInput(f"y: {found}", expected="at least two different values")
    return values


def as_floats(y: Array) -> Array:
    """Numbers of any type (rows,) as float64; what is too large is infinite."""
    return np.array([as_float(value) for value in y]) if y.dtype.kind == "O" else y.astype(np.float64)
