"""Tables at the limits of size: processor time and peak memory from the command to the plan, beside what the plan says.

    python -m bench.loads [--only wide ...] [--fit]

Each table is written to a temporary folder and read by `tenfold fit --dry-run` in a process of its own; with --fit the
smaller ones are also trained (one small recipe), to compare the time and memory of a whole run with its plan.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Array = np.ndarray
RECIPE = "network: {hidden: [16]}\nepochs: 3\n"


def write_numbers(path: Path, rows: int, columns: int, *, classes: int = 2, scale: float = 1.0) -> None:
    """Numbers of four digits, and a target that the first two decide: classes, or with 0 of them a number."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(",".join([*(f"x{j}" for j in range(columns)), "y"]) + "\n")
        for first in range(0, rows, 50_000):
            x = rng.normal(size=(min(50_000, rows - first), columns)).round(4)
            signal = x[:, 0] + x[:, 1]
            y = (
                (np.argsort(np.argsort(signal)) * classes // len(x)).astype(str)
                if classes
                else (signal * scale).astype(str)
            )
            for row, target in zip(x.tolist(), y.tolist(), strict=True):
                file.write(",".join(map(str, row)) + f",{'c' if classes else ''}{target}\n")


def write_categories(path: Path, rows: int, levels: int) -> None:
    """A column of very many categories, each about three times, beside two numbers."""
    rng = np.random.default_rng(0)
    code, x = rng.integers(0, levels, rows), rng.normal(size=(rows, 2)).round(3)
    lines = [f"k{c},{a},{b},{'yes' if a + b > 0 else 'no'}\n" for c, (a, b) in zip(code, x.tolist(), strict=True)]
    path.write_text("code,x0,x1,y\n" + "".join(lines))


TABLES: dict[str, Callable[[Path], None]] = {
    "1,000,000 x 20": lambda path: write_numbers(path, 1_000_000, 20),
    "500 x 5,000": lambda path: write_numbers(path, 500, 5_000),
    "60 x 4,000": lambda path: write_numbers(path, 60, 4_000),
    "20 x 20,000": lambda path: write_numbers(path, 20, 20_000),
    "200 classes": lambda path: write_numbers(path, 4_000, 8, classes=200),
    "100,000 categories": lambda path: write_categories(path, 300_000, 100_000),
    "targets of 1e12": lambda path: write_numbers(path, 2_000, 8, classes=0, scale=1e12),
    "targets of 1e-12": lambda path: write_numbers(path, 2_000, 8, classes=0, scale=1e-12),
}
LARGE = ("1,000,000 x 20", "100,000 categories", "20 x 20,000")


def measured(arguments: list[str], folder: Path) -> tuple[str, float, float, float]:
    """Standard output, wall seconds, processor seconds and peak memory (bytes) of a command."""
    code = "import sys; from tenfold.cli.main import run; sys.exit(run())"
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", f"import resource,sys\n{PEAK}\n{code}", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = next((float(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("peak ")), 0.0)
    if done.returncode:
        return done.stderr[-400:], wall, processor, peak
    return done.stdout, wall, processor, peak


PEAK = (
    "import atexit\n"
    "atexit.register(lambda: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr))"
)


def main() -> None:
    """Print a line a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(TABLES), help="tables by name, or a part of it")
    parser.add_argument("--fit", action="store_true", help="train the smaller tables as well")
    options = parser.parse_args()
    names = [name for name in TABLES if any(part in name for part in options.only)]
    print(f"{'table':<20} {'command':<8} {'wall s':>7} {'processor s':>12} {'memory MB':>10}  plan")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        (Path(folder) / "recipe.yaml").write_text(RECIPE)
        for name in names:
            TABLES[name](path)
            fit = ["fit", "table.csv", "--target", "y", "--recipe", "recipe.yaml", "--json"]
            out, *figures = measured([*fit, "--dry-run"], Path(folder))
            print(f"{name:<20} {'plan':<8} {line(figures)}  {planned(out)}", flush=True)
            if options.fit and name not in LARGE:
                out, *figures = measured(fit, Path(folder))
                score = json.loads(out)["best"]["cv_mean"] if out.startswith("{") else out
                print(f"{'':<20} {'fit':<8} {line(figures)}  score {score}", flush=True)


def line(figures: list[float]) -> str:
    """Wall and processor seconds, and megabytes."""
    wall, processor, peak = figures
    return f"{wall:>7.1f} {processor:>12.1f} {peak / 1e6:>10.0f}"


def planned(out: str) -> str:
    """What the plan says, or why there is none."""
    if not out.startswith("{"):
        return " ".join(out.split())[:300]
    estimate = json.loads(out)["estimate"]
    return ", ".join(f"{name} {value:,.0f}" for name, value in estimate.items() if value is not None)


if __name__ == "__main__":
    main()
