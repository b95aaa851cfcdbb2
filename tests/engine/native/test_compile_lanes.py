"""How the lanes are built, on small sources in a folder of their own: what is made, and what is said where it fails."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = Path("src/tenfold/engine/native/source")
LANE = '#include "exports.h"\nEXPORT int FOR_LEVEL(vector_bytes)(void) { return sizeof(long); }\n'
# As on a machine without compilers, be it that of a developer who has ziglang.
HIDDEN = "import runpy, sys; sys.modules['ziglang'] = None; runpy.run_path('compile_lanes.py', run_name='__main__')"

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler")


pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path):
    """A copy in which a lane is one small function."""
    shutil.copy(ROOT / "compile_lanes.py", tmp_path)
    (tmp_path / SOURCE).mkdir(parents=True)
    for name in ("levels.cpp", "exports.h"):
        shutil.copy(ROOT / SOURCE / name, tmp_path / SOURCE)
    (tmp_path / SOURCE / "lane.cpp").write_text(LANE)
    return tmp_path


def compile_lanes(checkout, *arguments, hidden=False, **environment):
    """What the program says, and the folder that it fills."""
    clean = {name: value for name, value in os.environ.items() if name not in ("CC", "LD_PRELOAD")}
    clean |= {"PATH": "/nowhere"} if hidden else {}
    start = ["-c", HIDDEN] if hidden else ["compile_lanes.py"]
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=checkout, env=clean | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, checkout / SOURCE.parent


def files(home):
    return sorted(path.name for path in home.iterdir() if path.is_file())


@needs_compiler
def test_every_level_is_in_one_library(checkout):
    said, home = compile_lanes(checkout)
    levels = ["v2", "v3", "v4"] if platform.machine() == "x86_64" else ["plain"]
    assert said.startswith(f"compiled lanes: {', '.join(levels)} by ")
    [name] = files(home)
    made = ctypes.CDLL(str(home / name))
    assert [getattr(made, f"tenfold_vector_bytes_{level}")() for level in levels] == [8] * len(levels)


@needs_compiler
def test_what_is_there_is_taken_and_a_change_is_compiled(checkout):
    compile_lanes(checkout)
    assert compile_lanes(checkout)[0].endswith(", as they were\n")
    (checkout / SOURCE / "exports.h").write_text((checkout / SOURCE / "exports.h").read_text() + "// changed\n")
    assert not compile_lanes(checkout)[0].endswith(", as they were\n")


@needs_compiler
def test_a_mistake_leaves_the_reason_in_place_of_a_library(checkout):
    compile_lanes(checkout)
    (checkout / SOURCE / "lane.cpp").write_text(LANE.replace("return", "retrun"))
    said, home = compile_lanes(checkout)
    assert said.startswith("no compiled lanes: lane-")
    assert "lane.cpp:2:" in said
    assert "retrun" in said
    assert len(said.splitlines()) == 3
    assert files(home) == ["not_compiled.txt"]
    assert "could not be compiled by" in (home / "not_compiled.txt").read_text()
    (checkout / SOURCE / "lane.cpp").write_text(LANE)
    compile_lanes(checkout)
    assert "not_compiled.txt" not in files(home)


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="linkers elsewhere name this otherwise")
def test_what_needs_the_runtime_of_cpp_is_refused(checkout):
    (checkout / SOURCE / "lane.cpp").write_text(
        "int* volatile kept;\n" + LANE.replace("sizeof(long)", "*(kept = new int)")
    )
    said, home = compile_lanes(checkout)
    assert "could not be linked" in said
    assert files(home) == ["not_compiled.txt"]


def test_without_a_compiler_the_reason_is_left(checkout):
    said, home = compile_lanes(checkout, hidden=True)
    assert said == ("no compiled lanes: no C++ compiler was found\n  all is trained in packs, several times slower\n")
    assert (home / "not_compiled.txt").read_text() == "no C++ compiler was found\n"


def test_a_compiler_that_fails_is_named(checkout):
    assert compile_lanes(checkout, CC="false")[0].startswith("no compiled lanes: CC=false does not compile C++")
    assert compile_lanes(checkout, CC="/nowhere/cc")[0].startswith("no compiled lanes: CC=/nowhere/cc does not")


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="no wheel of ziglang was tried here",
)
def test_clang_is_asked_of_pypi_only_where_there_is_no_compiler(checkout):
    assert compile_lanes(checkout, "--needs", hidden=True)[0] == "ziglang\n"
    assert compile_lanes(checkout, "--needs", CC="false")[0] == "\n"
    if shutil.which("cc"):
        assert compile_lanes(checkout, "--needs")[0] == "\n"
