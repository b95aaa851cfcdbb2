"""Tables at the limits of size and of shape: time and peak memory of a run, beside what its plan says.

    python -m bench.loads [--only wide ...] [--fit] [--small]

Each table is written to a temporary folder and read by `tenfold fit --dry-run` in a process of its own; with --fit it
is also trained by a plain `tenfold fit`, or with --small by one small recipe. Processor seconds are compared with those
of the plan, because they say nearly the same on a busy machine: training is planned for all workers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import describe, facts
from bench.speed import RESULTS, markdown

Array = np.ndarray
RECIPE = "network: {hidden: [16]}\nepochs: 3\n"
HEAD = (
    "table", "command", "plan s", "wall s", "plan processor s", "processor s", "plan MB", "peak MB", "score", "load",
)  # fmt: skip


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


def write_classes(path: Path, rows: int, columns: int, *, classes: int = 2, missing: float = 0.0) -> None:
    """scikit-learn's clusters of points, at most twelve columns of which tell the class; some cells are missing."""
    from sklearn.datasets import make_classification

    make: Any = make_classification
    x, y = make(
        rows, columns, n_informative=min(columns, 12), n_redundant=0, n_classes=classes, n_clusters_per_class=1,
        random_state=0,
    )  # fmt: skip
    x[np.random.default_rng(0).random(x.shape) < missing] = np.nan
    _write(path, x, [f"c{value}" for value in y.tolist()])


def write_curve(path: Path, rows: int) -> None:
    """One column, and a number that bends with it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 1))
    _write(path, x, (np.sin(3 * x[:, 0]) + 0.3 * rng.normal(size=rows)).tolist())


def write_regression(path: Path, rows: int, columns: int) -> None:
    """scikit-learn's linear target with noise."""
    from sklearn.datasets import make_regression

    make: Any = make_regression
    x, y = make(rows, columns, n_informative=10, noise=10, random_state=0)
    _write(path, x, y.tolist())


def _write(path: Path, x: Array, y: list[Any]) -> None:
    with path.open("w") as file:
        file.write(",".join([*(f"x{j}" for j in range(x.shape[1])), "y"]) + "\n")
        for row, target in zip(x.tolist(), y, strict=True):
            file.write(",".join("" if np.isnan(v) else f"{v:.5g}" for v in row) + f",{target}\n")


TABLES: dict[str, Callable[[Path], None]] = {
    "1,000 x 1": lambda path: write_curve(path, 1_000),
    "2,000 x 20": lambda path: write_classes(path, 2_000, 20),
    "90 % missing": lambda path: write_classes(path, 1_500, 20, missing=0.9),
    "32 classes": lambda path: write_classes(path, 3_000, 20, classes=32),
    "100 classes": lambda path: write_classes(path, 5_000, 20, classes=100),
    "500 x 2,000": lambda path: write_classes(path, 500, 2_000),
    "500 x 5,000": lambda path: write_numbers(path, 500, 5_000),
    "10,000 x 20": lambda path: write_classes(path, 10_000, 20),
    "200,000 x 20": lambda path: write_regression(path, 200_000, 20),
    "1,000,000 x 20": lambda path: write_numbers(path, 1_000_000, 20),
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


def rows_of(name: str, folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What was planned and found for a table: of its plan, and of a run where one is asked for."""
    recipe = ["--recipe", "recipe.yaml"] if options.small else []
    fit = ["fit", "table.csv", "--target", "y", *recipe, "--json"]
    load = os.getloadavg()[0]
    out, wall, processor, peak = measured([*fit, "--dry-run"], folder)
    row = {"table": name, "command": "plan", "wall": wall, "processor": processor, "peak": peak, "load": load}
    found: list[dict[str, Any]] = [row]
    if not out.startswith("{"):
        row["refused"] = " ".join(out.split())
    elif options.fit and name not in LARGE:
        planned, load, before = json.loads(out)["estimate"], os.getloadavg()[0], processor
        out, wall, processor, peak = measured(fit, folder)
        workers = len(os.sched_getaffinity(0))
        training = planned["training_seconds"]
        found.append({
            "table": name, "command": "fit", "wall": wall, "processor": processor, "peak": peak, "load": load,
            # What the plan says of a run is what follows the plan.
            "planned_wall": planned["seconds"], "planned_memory": planned["memory_bytes"],
            "planned_processor": before + planned["seconds"] + (workers - 1) * training,
            "score": json.loads(out)["best"]["cv_mean"] if out.startswith("{") else None,
        })  # fmt: skip
    return found


def line(row: dict[str, Any]) -> list[str]:
    """A row of the table."""

    def words(key: str, unit: float = 1.0, digits: int = 0) -> str:
        return "" if row.get(key) is None else f"{row[key] / unit:,.{digits}f}"

    return [
        row["table"], row["command"], words("planned_wall"), words("wall"), words("planned_processor"),
        words("processor"), words("planned_memory", 1e6), words("peak", 1e6), words("score", digits=4),
        words("load", digits=1),
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Print a line a table; with --fit also write loads.md and loads.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(TABLES), help="tables by name, or a part of it")
    parser.add_argument("--fit", action="store_true", help="train the smaller tables as well, with the default space")
    parser.add_argument("--small", action="store_true", help="with one small recipe instead of the default space")
    parser.add_argument("--out", type=Path, default=RESULTS / "loads.json", help="a markdown table goes beside it")
    options = parser.parse_args(arguments)
    machine, found = facts(), list[dict[str, Any]]()
    command = "python -m bench.loads " + " ".join(sys.argv[1:] if arguments is None else arguments)
    print(" | ".join(HEAD))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "recipe.yaml").write_text(RECIPE)
        for name in (name for name in TABLES if any(part in name for part in options.only)):
            TABLES[name](Path(folder) / "table.csv")
            for row in rows_of(name, Path(folder), options):
                found.append(row)
                print(" | ".join([*line(row), row.get("refused", "")[:300]]), flush=True)
            if options.fit:
                report = {"command": command.strip(), "machine": machine, "measured": found}
                options.out.write_text(json.dumps(report, indent=1) + "\n")
                options.out.with_suffix(".md").write_text(
                    f"Command: `{report['command']}`\n\n{describe(machine)}\n\n{markdown(list(map(line, found)), HEAD)}"
                )


if __name__ == "__main__":
    main()
