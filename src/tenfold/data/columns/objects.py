"""What a Python object is as a cell: missing, or of which sort. Of objects nobody knows what comparing them does."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import numpy as np

Sort = Literal["number", "boolean", "date", "duration", "text", "other"]
MISSING_TYPES = ("NAType", "NaTType", "MaskedConstant")  # pandas.NA, pandas.NaT, numpy.ma.masked


def is_absent(value: Any) -> bool:
    """Whether this object stands for a missing value: None, NaN, pandas.NA, NaT, a masked value."""
    if value is None or type(value).__name__ in MISSING_TYPES:
        return True
    if isinstance(value, (float, np.floating)):
        return math.isnan(value)
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return isinstance(value, Decimal) and value.is_nan()


def sort_of(value: Any) -> Sort:
    """The sort of an object that is not missing; "other" for what is no cell (a list, an array, bytes, ...)."""
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    if isinstance(value, (timedelta, np.timedelta64)):  # before numbers: numpy's is an integer too
        return "duration"
    if isinstance(value, (int, float, np.integer, np.floating, Decimal)):
        return "number"
    if isinstance(value, (date, datetime, np.datetime64)):
        return "date"
    return "text" if isinstance(value, str) else "other"


def as_float(value: Any) -> float:
    """A number, boolean or duration (in seconds) as float64; what is too large is infinite."""
    if isinstance(value, np.timedelta64):
        return float(value.astype("timedelta64[us]").astype(np.float64) / 1e6)
    if isinstance(value, timedelta):
        return value.total_seconds()
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_integer(value: Any) -> bool:
    """Whether a number is whole and exact, as float64 may not be."""
    return isinstance(value, (int, np.integer)) or (isinstance(value, Decimal) and value == value.to_integral_value())
