"""The library of the compiled lanes: where it is, which level of the processor it runs at, and why there is none.

Nothing here imports torch or numpy, and nothing is loaded before it is asked for: `tenfold --version` asks.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tenfold.errors import BadInput

# Of the exported functions. Raise it together with the number in source/levels.cpp when one of them changes.
INTERFACE = 6
HOME = Path(__file__).parent
FILE = {"darwin": "libtenfold.dylib", "win32": "libtenfold.dll"}.get(sys.platform, "libtenfold.so")
NOT_COMPILED = "not_compiled.txt"  # what compile_lanes.py leaves in place of a library
LEVELS = ("plain", "v2", "v3", "v4")  # the lowest first

# What the exported functions return and take, where that is not an int and nothing.
_address, _int, _int64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
TYPES: dict[str, tuple[Any, list[Any]]] = {
    "train": (_int64, [_address, _int]),
    "predict": (_int64, [_address, _int]),
    "products": (_int, [_address, _int64, _int64, _int]),
    "peak": (ctypes.c_double, [_int64, _int]),
    "encode": (_int, [_address, _int64, _address, _int64, _int]),
    **{table: (_int, [ctypes.c_char_p]) for table in ("activation", "loss", "family")},
}

COMPILE = "install a C++ compiler (GCC 12 or newer, or clang) and `pip install` again to train several times faster"
AGAIN = "`pip install` again to train several times faster"


@dataclass(frozen=True)
class CompiledLanes:
    """What this process has of them.

    level: of the processor, "" where there are no compiled lanes; missing: why there are none, in words; remedy: what
    would bring them.
    """

    level: str = ""
    missing: str = ""
    remedy: str = ""
    library: ctypes.CDLL | None = field(default=None, repr=False, compare=False)

    def function(self, name: str) -> Callable[..., Any]:
        """The exported function of that name, of this level."""
        function = getattr(self.library, f"tenfold_{name}_{self.level}")
        function.restype, function.argtypes = TYPES.get(name, (ctypes.c_int, []))
        return function

    def number(self, table: str, name: str) -> int:
        """The number of a name in a table of the sources: "activation", "loss" or "family"; -1 where it has none."""
        return self.function(table)(name.encode())

    @property
    def vector_bytes(self) -> int:
        """How wide the vectors of this level are."""
        return self.function("vector_bytes")()


def compiled_lanes() -> CompiledLanes:
    """The compiled lanes, as the environment wants them.

    TENFOLD_ENGINE=packs turns them off, TENFOLD_LEVEL=v2 (v3, v4) takes a lower level than the processor has, and
    TENFOLD_LIBRARY names another library. What is asked for and cannot be had is an error; what is missing of itself is
    not: everything is trained in packs then.
    """
    engine, level = os.environ.get("TENFOLD_ENGINE", ""), os.environ.get("TENFOLD_LEVEL", "")
    if engine not in ("", "packs"):
        raise BadInput(f"unknown engine {engine!r}", where="TENFOLD_ENGINE", expected="packs, or nothing")
    if engine:
        return CompiledLanes(
            missing="TENFOLD_ENGINE=packs turns them off", remedy="unset it to train several times faster"
        )
    if named := os.environ.get("TENFOLD_LIBRARY", ""):
        lanes = open_library(Path(named))
        if lanes.missing:
            raise BadInput(lanes.missing, where="TENFOLD_LIBRARY", expected="a library made by compile_lanes.py")
    else:
        lanes = open_library(HOME / FILE)
    return _at_level(lanes, level) if level and not lanes.missing else lanes


@cache
def open_library(path: Path) -> CompiledLanes:
    """A library at the highest level that it and the processor have, or the reason why it cannot be used."""
    if not path.exists():
        return CompiledLanes(missing=_why_not_compiled(path), remedy=COMPILE)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        return CompiledLanes(missing=f"{path} cannot be loaded ({error})", remedy=AGAIN)
    interface = _answer(library, "tenfold_interface", ctypes.c_int)
    if interface != INTERFACE:
        missing = f"{path} is of other sources than this Python code: interface {interface}, expected {INTERFACE}"
        return CompiledLanes(missing=missing, remedy=AGAIN)
    best = _answer(library, "tenfold_best_level", ctypes.c_char_p).decode()
    usable = _levels(library, best)
    if not usable:
        return CompiledLanes(missing=f"{path} needs a newer processor than this one ({best})", remedy=AGAIN)
    return CompiledLanes(level=usable[-1], library=library)


def engine_in_words() -> str:
    """Which engine trains here, and what would make it faster."""
    lanes = compiled_lanes()
    if lanes.missing:
        return f"packs: no compiled lanes, as {lanes.missing}; {lanes.remedy}"
    machine = "x86-64" if platform.machine() in ("x86_64", "AMD64") else platform.machine()
    return f"compiled lanes, {machine}" + ("" if lanes.level == "plain" else f"-{lanes.level}")


def _why_not_compiled(path: Path) -> str:
    """In one line."""
    reason = path.with_name(NOT_COMPILED)
    return reason.read_text(encoding="utf-8").strip() if reason.exists() else f"{path} does not exist"


def _answer(library: ctypes.CDLL, name: str, kind: Any) -> Any:
    """What a function without arguments answers; None where there is none of that name."""
    function = getattr(library, name, None)
    if function is None:
        return None
    function.restype = kind
    return function()


def _levels(library: ctypes.CDLL, best: str) -> list[str]:
    """Of the library, those that the processor has, the lowest first."""
    up_to = LEVELS[: LEVELS.index(best) + 1]
    return [level for level in up_to if hasattr(library, f"tenfold_vector_bytes_{level}")]


def _at_level(lanes: CompiledLanes, level: str) -> CompiledLanes:
    """The same library at a lower level."""
    assert lanes.library is not None
    usable = _levels(lanes.library, lanes.level)
    if level not in usable:
        raise BadInput(f"no level {level!r} here", where="TENFOLD_LEVEL", expected=" or ".join(usable))
    return CompiledLanes(level=level, library=lanes.library)
