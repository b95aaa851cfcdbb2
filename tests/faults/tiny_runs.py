"""Commands on tiny runs, in children of a process that has everything loaded, which a small library (`shim.c`, compiled
here) can kill or refuse at any call that changes a file. What tests of faults share.
"""

from __future__ import annotations

import ctypes
import faulthandler
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "src"))  # the package beside these tests, not another that is installed
KILL, HALF = -1, -2  # actions at a call, beside errors
TABLES = ("leaderboard.csv", "trials.csv", "metrics.csv", "recipe.yaml")
SPACE = "network: {hidden: [8], activation: [relu, tanh]}\noptimizer: {adam: {lr: 0.1}}\nepochs: 6\nbatch_size: 16\n"
WITHOUT_COMPILER = 3  # the exit code where there is none
FOLDER = "TINY_RUNS"  # in the environment of a process behind the library


def compile_shim(folder: Path) -> Path | None:
    """The library; None without a compiler."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    library = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "shim.c"), "-ldl"]
    return library if subprocess.run(command, check=False).returncode == 0 else None


def forked(work: Callable[[], int], said: Path) -> int:
    """Do `work` in a child, with standard output and error in the file `said`; gives its exit code, -9 if killed."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            output = os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            os.dup2(output, 1)
            os.dup2(output, 2)
            faulthandler.dump_traceback_later(25, exit=True)
            code = work()
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def behind_shim(what: str, work: Callable[[Path], int]) -> int:
    """Do `work` in a folder of its own, in a process behind the library: this program, begun again. The exit code."""
    if FOLDER in os.environ:
        del os.environ["LD_PRELOAD"]
        return work(Path(os.environ[FOLDER]))
    folder = Path(tempfile.mkdtemp(prefix="tiny-runs-"))
    try:
        library = compile_shim(folder)
        if library is None:
            print(f"{what} need a C compiler (cc); nothing was tried")
            return WITHOUT_COMPILER
        environment = os.environ | {"LD_PRELOAD": str(library), FOLDER: str(folder), "OMP_NUM_THREADS": "1"}
        return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class TinyRuns:
    """The commands on a tiny table, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shim = ctypes.CDLL(None)
        self.data, self.space = folder / "d.csv", folder / "space.yaml"

    def write_data(self) -> None:
        """The table and the space, and what makes so small a run quicker."""
        from sklearn.datasets import load_iris

        x, y = load_iris(return_X_y=True)
        rows = [",".join(map(str, [*x[i], f"kind{y[i]}"])) for i in range(0, 100, 2)]
        self.data.write_text("\n".join(["a,b,c,d,y", *rows]) + "\n")
        self.space.write_text(SPACE)
        from tenfold.report import run_page
        from tenfold.run.fit import Fit
        from tenfold.run.live_page import LivePage

        Fit.every = 0.0  # a checkpoint at every chance
        # one page while it goes on, and always at the same point
        LivePage.first, LivePage.every, LivePage.share = 0.0, float("inf"), float("inf")
        # Drawing takes half of the time of so small a run, and writes nothing: the figures are drawn once.
        drawn: dict[str, Any] = {}
        draw = run_page._figures  # pyright: ignore[reportPrivateUsage]

        def figures(data: Any, metric: Any) -> Any:
            if "all" not in drawn:
                drawn["all"] = draw(data, metric)
            return drawn["all"]

        run_page._figures = figures  # pyright: ignore[reportPrivateUsage]

    def fit(self, out: Path) -> list[object]:
        """The arguments of `fit`."""
        options = ["--target", "y", "--space", self.space, "--trials", 2, "--folds", 2, "--seed", 0]
        return ["fit", self.data, *options, "--out", out]

    def tenfold(self, *arguments: object) -> int:
        """The exit code of the program in this process."""
        from tenfold.cli.main import run

        sys.argv = ["tenfold", *map(str, arguments)]
        return run()

    def save(self, run: Path, path: Path) -> int:
        """`Model.save`, twice: a new directory, and one that is replaced."""
        import tenfold
        from tenfold.errors import TenfoldError

        try:
            for _ in range(2):
                tenfold.load(run).save(path)
        except TenfoldError as error:
            print(f"tenfold: {error}", file=sys.stderr)
            return 1
        return 0

    def struck(
        self, work: Callable[[], int], place: Path, call: int, action: int, *, lasting: bool = False
    ) -> Callable[[], int]:
        """The work, with an action at one call that changes a file below `place`: KILL, HALF or an errno."""

        def acted() -> int:
            self.shim.faults_set(os.fsencode(place), ctypes.c_long(call), action, int(lasting))
            try:
                return work()
            finally:
                self.shim.faults_set(b"", ctypes.c_long(0), 0, 0)

        return acted

    def counted(self, work: Callable[[], int], place: Path, kinds: Path) -> Callable[[], int]:
        """The work, after which the file `kinds` holds a letter for each call that changed a file below `place`."""

        def counting() -> int:
            self.shim.faults_set(os.fsencode(place), ctypes.c_long(0), 0, 0)
            code = work()
            found = [chr(self.shim.faults_kind(ctypes.c_long(i + 1))) for i in range(self.shim.faults_calls())]
            self.shim.faults_set(b"", ctypes.c_long(0), 0, 0)
            kinds.write_text("".join(found))
            return code

        return counting


def wrong_words(code: int, said: str) -> list[str]:
    """What a user should not see of a command that ended with this code."""
    errors = [line for line in said.splitlines() if line.startswith("tenfold: ")]
    if "Traceback" in said or "internal error" in said:
        return [f"not one line but: {said[-600:]}"]
    if code not in (0, 1, 2):
        return [f"exit code {code}: {said[-300:]}"]
    if code and len(errors) != 1:
        return [f"exit code {code} and {len(errors)} messages: {said[-300:]}"]
    return []


def begun_nothing(message: str) -> bool:
    """Whether a message says that nothing was acknowledged yet."""
    return any(part in message for part in ("before it began", "no run.db", "no such directory", "before its plan"))


def fingerprint(run: Path) -> dict[str, str]:
    """Hashes of what must not depend on what happened."""
    paths = [*(run / name for name in TABLES), *sorted((run / "model").glob("*"))]
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()
    }
