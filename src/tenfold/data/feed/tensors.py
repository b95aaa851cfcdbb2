"""X as only a user's module takes it: a tensor of any type, or a tuple or dict of tensors, first axis the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from tenfold.errors import BadInput, clipped

Array = np.ndarray
TensorsKind = Literal["tensor", "tuple", "dict"]
SINGLE = "tensor"  # the name of the only one


class TensorShape(NamedTuple):
    """One tensor of X: its name, the shape of one row, its type, its least and its greatest number."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    least: float
    greatest: float


class TensorShapes(NamedTuple):
    """What X is where it is handed to a user's module as it is."""

    kind: TensorsKind
    tensors: tuple[TensorShape, ...]

    def to_list(self) -> list[Any]:
        """As JSON."""
        return [self.kind, *([*tensor[:1], list(tensor.shape), *tensor[2:]] for tensor in self.tensors)]

    @staticmethod
    def of(values: list[Any]) -> TensorShapes:
        """The inverse of `to_list`."""
        kind, *tensors = values
        if kind not in ("tensor", "tuple", "dict") or not tensors:
            raise ValueError(f"tensors of kind {kind!r}")
        shapes = [
            TensorShape(str(name), tuple(int(size) for size in shape), np.dtype(dtype).name, float(least), float(most))
            for name, shape, dtype, least, most in tensors
        ]
        return TensorShapes(kind, tuple(shapes))

    @property
    def row_shape(self) -> Any:
        """The shape of one row: a tuple of numbers, a tuple of such tuples, or a dict of them."""
        shapes = [tensor.shape for tensor in self.tensors]
        if self.kind == "dict":
            return {tensor.name: tensor.shape for tensor in self.tensors}
        return shapes[0] if self.kind == "tensor" else tuple(shapes)


@dataclass(frozen=True)
class GivenTensors:
    """The tensors of X, by name, as arrays (rows, ...) of bool, integers or floats."""

    kind: TensorsKind
    arrays: dict[str, Array]

    @property
    def rows(self) -> int:
        """How many."""
        return len(next(iter(self.arrays.values())))

    def take(self, rows: Array | slice) -> GivenTensors:
        """Some rows."""
        return replace(self, arrays={name: array[rows] for name, array in self.arrays.items()})

    def followed_by(self, others: GivenTensors) -> GivenTensors:
        """These rows, and others behind them."""
        return replace(self, arrays={name: np.concatenate([a, others.arrays[name]]) for name, a in self.arrays.items()})

    @property
    def shapes(self) -> TensorShapes:
        """What they are."""
        ends = {name: (float(a.min()), float(a.max())) if a.size else (0.0, 0.0) for name, a in self.arrays.items()}
        return TensorShapes(
            self.kind,
            tuple(TensorShape(name, a.shape[1:], a.dtype.name, *ends[name]) for name, a in self.arrays.items()),
        )

    def handed(self, tensors: dict[str, Any]) -> Any:
        """Tensors of these names as a module is called with them."""
        if self.kind == "dict":
            return tensors
        return tuple(tensors.values()) if self.kind == "tuple" else tensors[SINGLE]


def given_tensors(x: Any) -> GivenTensors | None:
    """X as tensors; None where it is a table or images: an array, list or frame, or a tensor (rows, columns) of floats.

    Raises `BadInput` for tensors of different lengths, of other types, or with numbers that are not finite.
    """
    parts = list(x.values()) if isinstance(x, dict) else list(x) if isinstance(x, tuple) else []
    # columns of a table, one number a row each, are none
    if parts and all(_is_array(part) for part in parts) and any(part.ndim != 1 or _is_tensor(part) for part in parts):
        names = map(str, x) if isinstance(x, dict) else map(str, range(len(parts)))
        return _checked("dict" if isinstance(x, dict) else "tuple", dict(zip(names, parts, strict=True)))
    single: Any = x
    if _is_tensor(single) and not (single.ndim == 2 and single.is_floating_point()):
        return _checked("tensor", {SINGLE: single})
    return None


def given_arrays(arrays: dict[str, Array]) -> GivenTensors:
    """Arrays of these names as tensors that a module is called with by name, or alone where it is called `SINGLE`.

    Raises `BadInput` as `given_tensors`."""
    return _checked("tensor" if set(arrays) == {SINGLE} else "dict", dict(arrays))


def as_given(x: Any, shapes: TensorShapes) -> GivenTensors:
    """X for a model that was trained on tensors of these shapes. Raises `BadInput` where it is something else."""
    names = [tensor.name for tensor in shapes.tensors]
    if shapes.kind == "dict":
        fits = isinstance(x, dict) and set(names) <= set(x)
        parts = {name: x[name] for name in names} if fits else {}
    elif shapes.kind == "tuple":
        fits = isinstance(x, tuple | list) and len(x) == len(names)
        parts = dict(zip(names, x, strict=True)) if fits else {}
    else:
        fits, parts = _is_array(x), {SINGLE: x}
    if not fits:
        raise BadInput(f"X is a {type(x).__name__}", expected=f"a {shapes.kind} of {', '.join(names)}, as in training")
    given = _checked(shapes.kind, parts)
    for tensor in shapes.tensors:
        array = given.arrays[tensor.name]
        if array.shape[1:] != tensor.shape:
            raise BadInput(f"X has rows of shape {array.shape[1:]}", where=tensor.name, expected=str(tensor.shape))
        given.arrays[tensor.name] = array.astype(tensor.dtype)
    return given


def _checked(kind: TensorsKind, parts: dict[str, Any]) -> GivenTensors:
    arrays = {name: _as_array(part, name) for name, part in parts.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise BadInput(
            f"the tensors of X have {', '.join(map(str, lengths.values()))} rows",
            expected="one length: axis 0 is the rows",
        )
    return GivenTensors(kind, arrays)


def _as_array(part: Any, name: str) -> Array:
    where = "X" if name == SINGLE else f"X[{name}]"
    array = np.asarray(part.detach().cpu().numpy() if _is_tensor(part) else part)
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise BadInput(f"values of type {clipped(array.dtype)}", where=where, expected="numbers or booleans")
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(1))[0])
        raise BadInput(f"row {row} has a number that is not finite", where=where, expected="finite numbers")
    return array


def _is_tensor(x: Any) -> bool:
    return hasattr(x, "detach") and hasattr(x, "cpu")


def _is_array(x: Any) -> bool:
    return _is_tensor(x) or isinstance(x, np.ndarray)
