"""An ONNX model held against `predict`, row by row, in ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tenfold.data.feed.encode import Inputs
from tenfold.errors import RunFailed
from tenfold.export.onnx_graph import onnx_library
from tenfold.export.onnx_model import IMAGES, pixel_kind, used_schema
from tenfold.model.model import Model

Array = np.ndarray
TOLERANCE = 1e-5  # of probabilities, and of numbers in standard deviations of what is predicted
ROWS_AT_ONCE = 4096
DATE_PARTS = 7  # numbers that a date becomes, the days first
ONLY_ERRORS = 3  # what the runtime prints


@dataclass(frozen=True)
class OnnxCheck:
    """How far an ONNX model is from `predict`: the greatest difference over so many rows, of probabilities, or of
    predictions in standard deviations of them; and in how many rows the class is another, although its probability is
    not level with that of the next one."""

    rows: int
    difference: float
    other_classes: int = 0

    @property
    def holds(self) -> bool:
        """Whether the two are the same."""
        return self.difference <= TOLERANCE and not self.other_classes


def check_onnx(made: Any, model: Model, inputs: Inputs) -> OnnxCheck:
    """Compare an ONNX model with the model that it was made of, on all rows. Raises `BadInput` where ONNX Runtime is
    not installed."""
    runtime = onnx_library("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = ONLY_ERRORS
    session = runtime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = model.finite_outputs(inputs)  # (rows, classes or 1)
    given = onnx_inputs(model, inputs)
    found = [
        session.run(None, {name: values[start : start + ROWS_AT_ONCE] for name, values in given.items()})
        for start in range(0, inputs.rows, ROWS_AT_ONCE)
    ]
    last = np.concatenate([outputs[-1] for outputs in found])
    if not model.classes:
        spread = float(wanted.std()) or 1.0
        return OnnxCheck(inputs.rows, _greatest(np.abs(last - wanted[:, 0]) / spread))
    labels = np.concatenate([outputs[0] for outputs in found])
    two_best = np.sort(wanted, axis=1)[:, -2:]
    level = two_best[:, 1] - two_best[:, 0] <= TOLERANCE
    other = int(((labels != model.labels(wanted)) & ~level).sum())
    return OnnxCheck(inputs.rows, _greatest(np.abs(last - wanted)), other)


def refuse_other_onnx(check: OnnxCheck) -> None:
    """Raise `RunFailed` where the two differ."""
    if not check.holds:
        other = f", and {check.other_classes} rows have another class" if check.other_classes else ""
        raise RunFailed(
            f"the ONNX model differs from predict by up to {check.difference:.2g} on {check.rows} rows{other}; "
            f"at most {TOLERANCE:g} is allowed, so no file was written"
        )


def onnx_inputs(model: Model, inputs: Inputs) -> dict[str, Array]:
    """Encoded rows as the ONNX model takes them: the columns as the user has them, by name (see `onnx_model`)."""
    if model.contract is not None:
        pixels = inputs.numbers.reshape(inputs.rows, *model.contract.image)
        known = model.contract.pixel_range
        if pixel_kind(model.contract) != "uint8" and known is not None:
            pixels = pixels * ((known.high - known.low) or 1.0) + known.low
        return {IMAGES: pixels}
    found: dict[str, Array] = {}
    numbers, codes = iter(inputs.numbers.T), iter(inputs.codes.T)
    for column in used_schema(model).used:
        if column.kind == "category":
            # Of the two codes behind the levels one is a missing value, the other one that is no level.
            texts = np.array([*column.levels, "", "".join(column.levels) + "?"], object)
            values: Array = texts[next(codes)]
        elif column.kind == "date":
            days, *_ = islice(numbers, DATE_PARTS)
            values = _dates(days)
        elif column.cell_kind == "boolean":
            numbers_of = next(numbers)
            values = np.where(np.isnan(numbers_of), "", np.where(numbers_of == 1, "true", "false")).astype(object)
        else:
            values = next(numbers)
        found[column.name] = np.ascontiguousarray(values)[:, None]
    return found


def _dates(days: Array) -> Array:
    """Days since 1970 as text; "" where one is missing."""
    missing = np.isnan(days)
    seconds = np.round(np.where(missing, 0.0, days) * 86400).astype(np.int64).astype("datetime64[s]")
    return np.where(missing, "", seconds.astype(str)).astype(object)


def _greatest(differences: Array) -> float:
    return float("inf") if np.isnan(differences).any() else float(differences.max(initial=0.0))
