"""The levels of the compiled lanes that this processor has, and arrays as they take them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tenfold.engine.native.library import LEVELS, CompiledLanes, compiled_lanes
from tenfold.engine.native.records import TargetRecord, address

VECTOR = 64  # bytes of the widest vector


def aligned(numbers: Any, dtype: Any) -> np.ndarray:
    """The numbers in whole vectors at a place where a vector may begin: the last one is repeated."""
    numbers = np.asarray(numbers, dtype).ravel()
    count = -(-len(numbers) * numbers.itemsize // VECTOR) * VECTOR
    memory = np.zeros(count + VECTOR, np.uint8)
    start = -memory.ctypes.data % VECTOR
    made = memory[start : start + count].view(dtype)
    made[: len(numbers)], made[len(numbers) :] = numbers, numbers[-1]
    return made


@dataclass(frozen=True)
class Level:
    """What checks.h exports for one level of the processor."""

    lanes: CompiledLanes

    @staticmethod
    def aligned(numbers: Any, dtype: Any) -> np.ndarray:
        """The numbers where vectors can be loaded."""
        return aligned(numbers, dtype)

    def function(self, name: str, x: np.ndarray) -> np.ndarray:
        """A function of functions.h over an aligned array."""
        out = self._empty(x)
        known = self._call("function", name.encode(), x.dtype == np.float64, x, out, ctypes.c_int64(len(x)))
        assert known, name
        return out

    def activations(self) -> dict[str, int]:
        """The table of activations.h: names and numbers."""
        return self.table("activation")

    def table(self, kind: str) -> dict[str, int]:
        """A table of the sources, "activation", "loss" or "family": names and numbers."""
        ask = self.lanes.function(f"{kind}_name")
        ask.restype = ctypes.c_char_p
        numbers: dict[str, int] = {}
        while (name := ask(len(numbers))) is not None:
            numbers[name.decode()] = len(numbers)
        return numbers

    def value(self, number: int, z: np.ndarray, own: float, into: np.ndarray | None = None) -> np.ndarray:
        """An activation of an aligned array."""
        y = self._empty(z) if into is None else into
        self._call("activate", number, z.dtype == np.float64, z, y, ctypes.c_int64(len(z)), ctypes.c_double(own))
        return y

    def back(
        self, number: int, z: np.ndarray, dy: np.ndarray, own: float, into: np.ndarray | None = None
    ) -> np.ndarray:
        """dy times the slope of an activation."""
        y, dz = self.value(number, z, own), self._empty(z) if into is None else into
        count = ctypes.c_int64(len(z))
        self._call("activate_back", number, z.dtype == np.float64, z, y, dy, dz, count, ctypes.c_double(own))
        return dz

    def lose(
        self, number: int, output: np.ndarray, target: np.ndarray, weight: np.ndarray, numbers: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """A loss of losses.h for outputs (rows, C), and the gradient of the sum of all, each times its weight."""
        rows, outputs = output.shape
        panel = 2 * self.lanes.vector_bytes // output.itemsize
        whole = np.zeros((-(-rows // panel) * panel, outputs), output.dtype)
        whole[:rows], whole[rows:] = output, output[0]
        flat = aligned(whole.reshape(-1, panel, outputs).transpose(0, 2, 1), output.dtype)
        back, losses, weights = self._empty(flat), aligned(np.zeros(len(whole)), output.dtype), np.zeros(len(whole))
        weights[:rows] = weight
        classes = target.dtype == np.int64
        aim = TargetRecord(address(target) if classes else None, None if classes else address(target), 0.0, 1.0)
        order, of_rule = np.arange(len(whole)), np.array([*numbers, 0.0, 0.0])
        self._call(
            "lose", number, output.dtype == np.float64, flat, back, ctypes.c_int64(outputs), ctypes.byref(aim), order,
            ctypes.c_int64(rows), aligned(weights, output.dtype), of_rule, losses,
        )  # fmt: skip
        back = back[: whole.size].reshape(-1, outputs, panel).transpose(0, 2, 1).reshape(-1, outputs)
        return losses[:rows], back[:rows]

    def _empty(self, like: np.ndarray) -> np.ndarray:
        """A place for results, full of a number that none of them is."""
        return aligned(np.full_like(like, 123456), like.dtype)

    def _call(self, name: str, *arguments: Any) -> Any:
        take = [ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else a for a in arguments]
        return self.lanes.function(name)(*(int(a) if isinstance(a, bool | np.bool_) else a for a in take))


def usable_levels() -> list[Any]:
    """Every level that the library and the processor have; one that skips, with the reason, where there is none."""
    lanes = compiled_lanes()
    if lanes.missing:
        return [pytest.param("none", marks=pytest.mark.skip(f"no compiled lanes: {lanes.missing}"))]
    up_to = LEVELS[: LEVELS.index(lanes.level) + 1]
    return [level for level in up_to if hasattr(lanes.library, f"tenfold_vector_bytes_{level}")]


@pytest.fixture(params=usable_levels())
def level(request: pytest.FixtureRequest) -> Level:
    """A level of the processor."""
    return Level(CompiledLanes(level=request.param, library=compiled_lanes().library))
