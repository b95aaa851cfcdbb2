"""The tests of the compiled lanes once more, on a library that stops at the first access out of bounds and at the first
step into undefined behaviour."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tenfold.engine.native.library import compiled_lanes

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
    level = compiled_lanes().level
    assert level, "there is a compiler, and no library of the compiled lanes: run make setup"
    into = tmp_path_factory.mktemp("sanitized")
    command = [sys.executable, "compile_lanes.py", "--sanitize", "--levels", level, "--into", str(into)]
    said = subprocess.check_output(command, cwd=ROOT, text=True)
    [made] = into.iterdir()
    assert made.name != "not_compiled.txt", said
    return {
        **os.environ,
        # The program, python, has none of them in it: they must be there before everything else.
        "LD_PRELOAD": " ".join(runtimes),
        # Python frees little at its end.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
        "TENFOLD_LIBRARY": str(made),
    }


@pytest.mark.slow
def test_the_native_tests_pass_under_sanitizers(sanitized):
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow"]
    done = subprocess.run(
        # Nothing is captured in there: what a sanitizer says when it ends the process would be lost.
        [*command, "--capture=no", str(HERE), f"--ignore={HERE / 'test_compile_lanes.py'}"],
        cwd=ROOT, env=sanitized, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[:3000]
    assert " passed" in done.stdout
