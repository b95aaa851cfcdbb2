"""The user's own functions on their way to another process, which may not have the files that they are in."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tenfold.errors import BadInput, clipped

INSTALLED = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def as_bytes(value: Any, functions: Sequence[Any] = ()) -> bytes:
    """A value as another process reads it, with the code of these functions.

    Errors: `BadInput` where something in it cannot leave this process.
    """
    from ray import cloudpickle

    with travelling_as_code(functions):
        try:
            return cloudpickle.dumps(value, protocol=5)  # pyright: ignore[reportPrivateImportUsage]
        except Exception as error:  # of the objects' own methods: any
            raise not_sent(functions, error) from error


def not_sent(functions: Sequence[Any], error: Exception) -> BadInput:
    """The error where something cannot leave this process."""
    names = ", ".join(sorted({getattr(f, "__name__", type(f).__name__) for f in functions}))
    what = f"{clipped(names)} cannot be sent to" if names else "this cannot be sent to"
    return BadInput(
        f"{what} another process: {clipped(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)}",
        expected="functions that open, load and lock what they need themselves", do="--engine local",
    )  # fmt: skip


@contextmanager
def travelling_as_code(functions: Iterable[Any]) -> Generator[None]:
    """In here, functions and classes of the user's modules that these are from are pickled as code, not by name."""
    from ray import cloudpickle

    modules = own_modules(functions)
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def own_modules(functions: Iterable[Any]) -> list[ModuleType]:
    """The loaded modules that these functions are from and that are not installed, and those in files beside them:
    what a file imports from its neighbours is as unknown elsewhere as the file itself."""
    found: dict[str, ModuleType] = {}
    for function in functions:
        module = sys.modules.get(getattr(function, "__module__", None) or type(function).__module__)
        file = getattr(module, "__file__", None)
        if module is None or module.__name__ == "__main__" or file is None or _is_installed(Path(file)):
            continue
        found[module.__name__] = module
        folder = Path(file).resolve().parent
        for other in list(sys.modules.values()):
            beside = getattr(other, "__file__", None)
            if isinstance(beside, str) and Path(beside).resolve().parent == folder and other.__name__ != "__main__":
                found[other.__name__] = other
    return list(found.values())


def _is_installed(file: Path) -> bool:
    """Whether a module's file is one of Python's, of its packages or of ours."""
    places = (*INSTALLED, Path(__file__).resolve().parents[1])
    return any(file.resolve().is_relative_to(place) for place in places)
