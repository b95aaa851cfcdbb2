"""Compiles the lanes: the C++ of `src/tenfold/engine/native/source/` becomes one shared library.

As hatchling's build hook it puts the library into the wheel, or into the checkout for an editable install. As a program
(`make` runs it) it puts it into the checkout too. Whatever fails, the installation does not: without the library
everything is trained in packs, and NOT_COMPILED, a line of text in its place, says why.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

ROOT = Path(__file__).resolve().parent
HOME = ROOT / "src" / "tenfold" / "engine" / "native"
SOURCE = HOME / "source"
MADE = ROOT / "build" / "lanes"
LIBRARY = {"darwin": "libtenfold.dylib", "win32": "libtenfold.dll"}.get(sys.platform, "libtenfold.so")
NOT_COMPILED = "not_compiled.txt"

X86_LEVELS = ("v4", "v3", "v2")  # in the order in which they are compiled: the one that takes longest first
# No runtime of C++ is linked: nothing may need one.
FLAGS = [
    "-std=c++17", "-fPIC", "-fno-exceptions", "-fno-rtti", "-fno-math-errno", "-fno-trapping-math",
    "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-psabi",
]  # fmt: skip
SANITIZED = ["-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# What GCC knows from version 12 on, and every clang of today.
PROBE = """
#include <math.h>
typedef float four __attribute__((vector_size(16)));
four turned(four x) { return __builtin_shufflevector(x, x, 3, 2, 1, 0); }
"""
# Where PyPI has clang: these wheels carry it with all that it needs. Only Linux was tried.
WITH_ZIGLANG = {"x86_64": "x86_64-linux-gnu.2.17", "aarch64": "aarch64-linux-gnu.2.17"}


class NotCompiled(Exception):
    """Why there is no library, in a line or two."""


# No dataclass: hatchling executes this file without registering a module, where dataclasses would look for annotations.
class Compiler(NamedTuple):
    """A C compiler that knows C++ too.

    march: how it writes the levels of x86-64; links: what linking needs at the end.
    """

    command: list[str]
    march: str = "x86-64-"
    links: tuple[str, ...] = ("-lm",)
    environment: tuple[tuple[str, str], ...] = ()

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """What the compiler answers."""
        return subprocess.run(
            [*self.command, *arguments],
            input=text, capture_output=True, text=True, check=False, errors="replace",
            env={**os.environ, "LC_ALL": "C", **dict(self.environment)},
        )  # fmt: skip

    def knows(self, *flags: str) -> bool:
        """Whether it compiles what the lanes are written in."""
        with tempfile.TemporaryDirectory() as folder:
            made = str(Path(folder) / "probe.o")
            try:
                return self.run(*FLAGS, *flags, "-x", "c++", "-c", "-", "-o", made, text=PROBE).returncode == 0
            except OSError:
                return False

    def version(self) -> str:
        """The first line that it says of itself."""
        return (self.run("--version").stdout.splitlines() or ["an unknown version"])[0]


def find_compiler() -> Compiler:
    """$CC alone where it is set; else the first of the system's compilers that is new enough; else ziglang's clang."""
    with_ziglang = (
        importlib.util.find_spec("ziglang") and platform.machine() in WITH_ZIGLANG and sys.platform == "linux"
    )
    wanted = os.environ.get("CC", "")
    if wanted and wanted != "ziglang":
        compiler = Compiler(shlex.split(wanted))
        if not compiler.knows():
            raise NotCompiled(f"CC={wanted} does not compile C++ with vectors, as GCC does from version 12 on")
        return compiler
    found = [name for name in ("cc", "gcc", "clang") if shutil.which(name) and not wanted]
    for name in found:
        if Compiler([name]).knows():
            return Compiler([name])
    if with_ziglang:
        return clang_of_ziglang()
    if found:
        raise NotCompiled(f"no C++ compiler is new enough (GCC 12, clang): {', '.join(found)} was tried")
    raise NotCompiled("no C++ compiler was found")


def clang_of_ziglang() -> Compiler:
    """It links with the C library of this process: to build its own, as it would, takes 40 seconds."""
    import math  # brings the mathematical library into this process, where that is not part of the C library

    mapped = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line]
    names = ("libm.so", "libm-", "libc.so", "libc-", "ld-musl", "libc.musl")
    libraries = tuple(dict.fromkeys(path for path in mapped if Path(path).name.startswith(names)))
    assert math.pi
    cache = str(MADE / "zig")
    return Compiler(
        [sys.executable, "-m", "ziglang", "cc", "-target", WITH_ZIGLANG[platform.machine()]],
        march="x86_64_",
        links=("-nostdlib", *libraries),
        environment=(("ZIG_GLOBAL_CACHE_DIR", cache), ("ZIG_LOCAL_CACHE_DIR", cache)),
    )


def needed_from_pypi() -> list[str]:
    """What has to be installed before, so that there is a compiler: nothing where the system has one."""
    if platform.machine() not in WITH_ZIGLANG or sys.platform != "linux" or importlib.util.find_spec("ziglang"):
        return []
    try:
        find_compiler()
    except NotCompiled:
        return ["ziglang"] if os.environ.get("CC", "ziglang") in ("", "ziglang") else []
    return []


def compile_commands(compiler: Compiler, wanted: Sequence[str], *, sanitize: bool) -> dict[str, list[str]]:
    """The arguments that make each object file: lane.cpp once a level, levels.cpp once."""
    flags = ["-x", "c++", *FLAGS, *(SANITIZED if sanitize else ["-O3"]), "-c"]
    lane, levels = str(SOURCE / "lane.cpp"), str(SOURCE / "levels.cpp")
    if platform.machine() not in ("x86_64", "AMD64") or not compiler.knows(f"-march={compiler.march}v4"):
        return {"lane-plain.o": [*flags, "-DLEVEL=plain", lane], "levels.o": [*flags, levels]}
    commands: dict[str, list[str]] = {}
    for level in [level for level in X86_LEVELS if level in wanted]:
        # Compilers prefer half the width of v4, as its first processors slowed down at the whole.
        wide = ["-mprefer-vector-width=512"] if level == "v4" else []
        commands[f"lane-{level}.o"] = [*flags, f"-march={compiler.march}{level}", *wide, f"-DLEVEL={level}", lane]
    return commands | {"levels.o": [*flags, levels]}


def digest(compiler: Compiler, commands: dict[str, list[str]]) -> str:
    """Of all that the library is made from."""
    parts = [compiler.version(), repr(compiler), repr(commands)]
    parts += [path.name + path.read_text(encoding="utf-8") for path in sorted(SOURCE.iterdir())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def compiled_library(wanted: Sequence[str], *, sanitize: bool) -> tuple[Path, str]:
    """The library, and a line that says how it was made; what was made before from the same sources is taken."""
    compiler = find_compiler()
    commands = compile_commands(compiler, wanted, sanitize=sanitize)
    ready = MADE / digest(compiler, commands) / LIBRARY
    levels = ", ".join(sorted(name[5:-2] for name in commands if name.startswith("lane-")))
    how = f"compiled lanes: {levels} by {compiler.version()}"
    if ready.exists():
        return ready, f"{how}, as they were"
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        made = build(compiler, commands, Path(folder), sanitize=sanitize)
        copy_whole(made, ready)
    return ready, f"{how} in {time.monotonic() - start:.1f} s"


def build(compiler: Compiler, commands: dict[str, list[str]], folder: Path, *, sanitize: bool) -> Path:
    """The library in a folder: objects at the same time, as many as there are cores, then linked."""
    objects, library = {name: folder / name for name in commands}, folder / LIBRARY
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = pool.map(lambda name: compiler.run(*commands[name], "-o", str(objects[name])), commands)
        for name, answer in zip(commands, answers, strict=True):
            check(answer, f"{name} could not be compiled by {compiler.version()}")
    # A function that is nowhere is an error of linking, not of loading; the sanitizers' own come with the process.
    complete = ["-Wl,-z,defs"] if sys.platform == "linux" and not sanitize else []
    flags = ["-shared", *complete, *(SANITIZED if sanitize else [])]
    answer = compiler.run(*flags, *map(str, objects.values()), "-o", str(library), *compiler.links)
    check(answer, f"the objects could not be linked by {compiler.version()}")
    return library


def check(answer: subprocess.CompletedProcess[str], failure: str) -> None:
    """Raise NotCompiled, with the line that names what is wrong, if the compiler failed."""
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or ["without a message"]
        raise NotCompiled(failure + "\n  " + next((line for line in lines if "error" in line), lines[0]))


def copy_whole(file: Path, to: Path) -> None:
    """Copy a file so that nobody sees half of it, and that whoever has loaded an older one keeps it."""
    to.parent.mkdir(parents=True, exist_ok=True)
    new = to.with_name(f"{to.name}.{os.getpid()}")
    shutil.copy(file, new)
    os.replace(new, to)


def put_library(into: Path, wanted: Sequence[str] = X86_LEVELS, *, sanitize: bool = False) -> tuple[Path, str]:
    """The file in a folder, and what to tell: the library; where it could not be made, the reason in its place."""
    library, reason = into / LIBRARY, into / NOT_COMPILED
    try:
        made, line = compiled_library(wanted, sanitize=sanitize)
    except (NotCompiled, OSError) as error:
        into.mkdir(parents=True, exist_ok=True)
        library.unlink(missing_ok=True)
        reason.write_text(str(error).splitlines()[0] + "\n", encoding="utf-8")
        return reason, f"no compiled lanes: {error}\n  all is trained in packs, several times slower"
    reason.unlink(missing_ok=True)
    copy_whole(made, library)
    return library, line


class CompileLanes(BuildHookInterface[Any]):
    """The build hook of the wheel: hatchling finds it here by its base class."""

    def dependencies(self) -> list[str]:
        """Asked before an isolated build."""
        return needed_from_pypi()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the library into the checkout for an editable install; else into the wheel, which is of this platform."""
        into = HOME if version == "editable" else MADE / "wheel"
        file, line = put_library(into)
        (self.app.display_info if file.name == LIBRARY else self.app.display_warning)(line)
        if version == "editable":
            return
        build_data["force_include"][str(file)] = f"tenfold/engine/native/{file.name}"
        if file.name == LIBRARY:
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{this_platform()}"


def this_platform() -> str:
    """As hatchling names it: without the promise to run with older C libraries that "manylinux" is."""
    return next(
        tag.platform for tag in sys_tags() if "manylinux" not in tag.platform and "musllinux" not in tag.platform
    )


def main() -> None:
    """Compile into the checkout, or say what is needed for it."""
    parser = argparse.ArgumentParser(description="Compile the lanes into the checkout.")
    parser.add_argument("--into", type=Path, default=HOME, help="another folder")
    parser.add_argument("--sanitize", action="store_true", help="with the address and undefined sanitizers")
    parser.add_argument("--levels", nargs="+", default=X86_LEVELS, help="of x86-64, only these (v2 v3 v4)")
    parser.add_argument("--needs", action="store_true", help="print what to install first from PyPI, and stop")
    asked = parser.parse_args()
    if asked.needs:
        print(*needed_from_pypi())
    else:
        print(put_library(asked.into, asked.levels, sanitize=asked.sanitize)[1])


if __name__ == "__main__":
    main()
