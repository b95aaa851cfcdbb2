"""Functions of a file of the user's own, that the user names: `--module my_model.py:make_model`.

Nothing that Tenfold stores names a file or holds code: a run has the names of functions, and the SHA-256 of the files
that they stood in, by which a changed file is recognized.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from tenfold.errors import BadInput, clipped
from tenfold.formatting import listed, nearest
from tenfold.recipe.module import NoFunction, function_name

EXPECTED = "FILE:FUNCTION, such as my_model.py:make_model"


@dataclass(frozen=True)
class OwnFunctions:
    """by_name: the functions, in the order given; one whose own name is another stands under both. files: by the same
    names, the SHA-256 of the file. asked: the names that the user gave."""

    by_name: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.by_name)

    @property
    def first(self) -> Callable[..., Any]:
        """The one that makes the network where no recipe says which does."""
        return next(iter(self.by_name.values()))

    def check(self, stored: Mapping[str, str], where: str) -> None:
        """Raise `BadInput` unless all of these names are here, of files with these hashes: the bits depend on them."""
        for name, sha in stored.items():
            if name not in self.by_name:
                raise not_given(name, where)
            if self.files[name] != sha:
                raise BadInput(
                    f"the file of {clipped(name)} is not what it was when the run was begun", where=where,
                    expected=f"SHA-256 {sha[:16]}...", do="give the old file, or start a new run",
                )  # fmt: skip

    def changed(self, stored: Mapping[str, str]) -> list[str]:
        """A note of each function whose file is another one than that of these hashes."""
        lost = [name for name, sha in stored.items() if self.files.get(name, sha) != sha]
        return [f"the file of {name} is not what it was when the model was trained" for name in lost]


def not_given(name: str, where: str) -> NoFunction:
    """The error where a run names a function of its user's own, and it is not given."""
    return NoFunction(
        f"the network is made by a function {clipped(name)!r}, of which only the name is stored", where=where,
        expected="the file that the function is in", do=f"--module FILE:{clipped(name)}", name=name,
    )  # fmt: skip


def own_functions(given: Sequence[str] | None) -> OwnFunctions:
    """The functions of the options `--module FILE:FUNCTION`; each file is run once, as `python FILE` would run it but
    for `__main__`. Raises `BadInput` where there is no such file or function, or the file fails."""
    by_name: dict[str, Callable[..., Any]] = {}
    files: dict[str, str] = {}
    made: dict[Path, tuple[ModuleType, str]] = {}
    asked: list[str] = []
    for option in given or ():
        path, name = _parts(option)
        if path not in made:
            made[path] = _run_file(path)
        module, sha = made[path]
        asked.append(name)
        function = _function(module, name, path)
        for known in dict.fromkeys((name, function_name(function))):
            if by_name.get(known, function) is not function:
                raise BadInput(f"two functions are called {clipped(known)}", do="give one of them another name")
            by_name[known], files[known] = function, sha
    return OwnFunctions(by_name, files, tuple(asked))


def _parts(option: str) -> tuple[Path, str]:
    file, _, name = option.rpartition(":")
    if not file or not name.isidentifier():
        raise BadInput(f"--module {clipped(option, 80)}", expected=EXPECTED)
    path = Path(file)
    if path.suffix != ".py":
        raise BadInput(f"--module {clipped(file, 80)}: no Python file", expected=EXPECTED)
    if not path.is_file():
        raise BadInput("there is no such file", where=str(path), expected=EXPECTED)
    return path.resolve(), name


def _run_file(path: Path) -> tuple[ModuleType, str]:
    """The file as a module, and the SHA-256 of its bytes."""
    try:
        code = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path)) from error
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"own_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up; files beside it are imported as in a program of the user's
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        with contextlib.redirect_stdout(sys.stderr):  # --json leaves standard output to one object
            exec(compile(code, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise BadInput(
            f"it fails: {type(error).__name__}: {clipped(error, 200)}", where=_place(path, error),
            expected="a file that defines the function", do=f"python {path.name}",
        ) from error  # fmt: skip
    return module, hashlib.sha256(code).hexdigest()


def _place(path: Path, error: BaseException) -> str:
    """The file, and the last line of it that the error came from."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return str(path) if line is None else f"{path}:{line}"


def _function(module: ModuleType, name: str, path: Path) -> Callable[..., Any]:
    found: Any = getattr(module, name, None)
    own = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
    if found is None:
        near = nearest(name, own, likeness=0.5)
        do = f"{path.name}:{near}" if near else ""
        raise BadInput(f"there is no {clipped(name)!r} in it", where=str(path), expected=listed(own, 8) or "a function",
                       do=do)  # fmt: skip
    if not callable(found):
        raise BadInput(f"{name} is a {type(found).__name__}", where=str(path), expected="a function or a class")
    if hasattr(found, "state_dict") and not isinstance(found, type):
        raise BadInput(f"{name} is a {type(found).__name__}, one module", where=str(path),
                       expected="a function (or a class) that makes a new one each time")  # fmt: skip
    return found
