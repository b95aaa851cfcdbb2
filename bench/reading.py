"""How long it takes from the command to the plan, and how that grows with rows and with columns: files of numbers, each
read and checked to its last row by `tenfold fit FILE --target t --dry-run`, in a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import describe, facts
from bench.speed import RESULTS, markdown

SIZES = ((250_000, 20), (500_000, 20), (1_000_000, 20), (500_000, 10), (500_000, 40))  # rows, columns but the target
WRITTEN = 20_000  # rows at a time
HEAD = (
    "rows", "columns", "file, MB", "wall, s", "processor, s", "wall over starting alone, s", "peak, MB",
    "times the cells", "times the time",
)  # fmt: skip


@dataclass(frozen=True)
class Timed:
    """One command: wall and processor seconds, and the largest resident memory in MB."""

    wall: float
    processor: float
    peak: float


def write(path: Path, rows: int, columns: int) -> None:
    """A CSV of normal numbers with five decimals, and a target that depends on three of them."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(",".join([f"x{i}" for i in range(columns)] + ["t"]) + "\n")
        for start in range(0, rows, WRITTEN):
            x = rng.normal(size=(min(WRITTEN, rows - start), columns))
            y = 2 * x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x))
            lines = np.column_stack([x, y]).round(5).tolist()
            file.write("\n".join(",".join(map(repr, line)) for line in lines) + "\n")


def timed(arguments: list[str]) -> Timed:
    """A command of Tenfold in a fresh process."""
    command = [sys.executable, "-m", "tenfold.cli.main", "fit", *arguments, "--dry-run"]
    since = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - since
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    unit = 1024.0 if sys.platform == "linux" else 1024.0**2  # Linux counts in KB, macOS in bytes
    return Timed(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / unit)


def middle(runs: list[Timed]) -> Timed:
    """The median of each number."""
    return Timed(*(statistics.median(getattr(run, name) for run in runs) for name in ("wall", "processor", "peak")))


def measured(sizes: list[tuple[int, int]], repeat: int) -> tuple[Timed, list[dict[str, Any]]]:
    """What starting takes (150 rows that come with scikit-learn), and every size, all in turn."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {size: Path(folder) / f"{size[0]}x{size[1]}.csv" for size in sizes}
        for (rows, columns), path in paths.items():
            write(path, rows, columns)
        timed(["sklearn:iris"])  # the first start reads the libraries from the disk
        starts: list[Timed] = []
        runs: dict[tuple[int, int], list[Timed]] = {size: [] for size in sizes}
        for _ in range(repeat):
            starts.append(timed(["sklearn:iris"]))
            for size, path in paths.items():
                runs[size].append(timed([str(path), "--target", "t"]))
        megabytes = {size: path.stat().st_size / 1e6 for size, path in paths.items()}
    found = [
        {"rows": size[0], "columns": size[1], "file_mb": megabytes[size], **vars(middle(each))}
        for size, each in runs.items()
    ]
    return middle(starts), found


def line(row: dict[str, Any], start: Timed, first: dict[str, Any]) -> list[str]:
    """One line of the table; first: the size that it is compared with."""
    cells, spent = row["rows"] * row["columns"], row["processor"] - start.processor
    return [
        f"{row['rows']:,}", str(row["columns"]), f"{row['file_mb']:.0f}", f"{row['wall']:.1f}",
        f"{row['processor']:.1f}", f"{row['wall'] - start.wall:.1f}", f"{row['peak']:.0f}",
        f"{cells / (first['rows'] * first['columns']):g}", f"{spent / (first['processor'] - start.processor):.2f}",
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure the sizes that were asked for; write reading.md and reading.json."""
    found = argparse.ArgumentParser(prog="python -m bench.reading", description=__doc__)
    found.add_argument("--rows", nargs="+", type=int, help="measure files of 20 columns with so many rows instead")
    found.add_argument(
        "--repeat", type=int, default=3, help="runs of each size, of which the median counts (default 3)"
    )
    found.add_argument("--out", type=Path, default=RESULTS / "reading.json", help="a markdown table goes beside it")
    asked = found.parse_args(arguments)
    machine = facts()
    print(describe(machine), flush=True)
    sizes = [(rows, 20) for rows in asked.rows] if asked.rows else list(SIZES)
    start, rows = measured(sizes, asked.repeat)
    table = markdown([line(row, start, rows[0]) for row in rows], HEAD)
    starting = (
        f"Starting alone: {start.wall:.1f} s wall, {start.processor:.1f} s of processor time, {start.peak:.0f} MB."
    )
    print(f"{starting}\n{table}")
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine, "repeat": asked.repeat, "start": vars(start), "files": rows}
    asked.out.write_text(json.dumps(report, indent=1) + "\n")
    told = "The last two columns compare cells, and processor time less that of starting, with the first line.\n"
    head = f"Command: `python -m bench.reading`\n\n{describe(machine)}\n\n{starting}\n\n"
    asked.out.with_suffix(".md").write_text(f"{head}{table}\n{told}")


if __name__ == "__main__":
    main()
