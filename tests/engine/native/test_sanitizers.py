"""The tests of the compiled lanes once more, on a library that stops at the first access out of bounds and at the first
step into undefined behaviour."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    """The environment in which the library with sanitizers is the one that Tenfold loads."""
    compiler = os.environ.get("CC") or next((name for name in ("cc", "gcc") if shutil.which(name)), None)
    if compiler is None:
        pytest.skip("no compiler")
    runtimes = [
        subprocess.check_output([*compiler.split(), f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    if not all(Path(path).is_absolute() for path in runtimes):
        pytest.skip(f"{compiler} has no shared runtimes of GCC's sanitizers")
    into = tmp_path_factory.mktemp("sanitized")
    command = [sys.executable, "compile_lanes.py", "--sanitize", "--into", str(into)]
    said = subprocess.check_output(command, cwd=ROOT, text=True)
    [made] = into.iterdir()
    assert made.name != "not_compiled.txt", said
    return {
        **os.environ,
        # The program, python, has none of them in it: they must be there before everything else.
        "LD_PRELOAD": " ".join(runtimes),
        # Python frees little at its end.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TENFOLD_LIBRARY": str(made),
    }


@pytest.mark.slow
@pytest.mark.parametrize("level", ["highest", "v2"])
def test_the_native_tests_pass_under_sanitizers(sanitized, level):
    environment = {name: value for name, value in sanitized.items() if name not in ("TENFOLD_LEVEL", "TENFOLD_ENGINE")}
    known = subprocess.check_output([sys.executable, "-m", "tenfold.cli.main", "--version"], env=environment, text=True)
    if level != "highest":
        if "x86-64" not in known:
            pytest.skip("one level only")
        environment["TENFOLD_LEVEL"] = level
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, "-m", "not slow", str(HERE), f"--ignore={HERE / 'test_compile_lanes.py'}"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout
