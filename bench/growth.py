"""How the cost of training grows with lanes, rows and width, on one and on several threads: time of a lane-update."""

from __future__ import annotations

import argparse
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.machine import cores, describe, facts
from bench.speed import RESULTS, markdown, spread

FIGURE = Path(__file__).parent.parent / "docs" / "images" / "growth.svg"
FOLDS, COLUMNS, BATCH = 5, 30, 32
HEAD = ("grows", "lanes", "rows", "units a layer", "workers", "updates a lane", "µs a lane-update", "wall s")
Array = np.ndarray


@dataclass(frozen=True)
class Point:
    """What is trained: that many lanes of a network with two hidden layers on a table of two classes."""

    lanes: int = 20
    rows: int = 1000
    width: int = 32

    def data(self) -> tuple[Array, Array]:
        """Normal inputs, and classes that a line through ten of them divides, with noise."""
        random = np.random.default_rng(0)
        x = random.standard_normal((self.rows, COLUMNS))
        return x, (x[:, :10].sum(1) + random.standard_normal(self.rows) > 0).astype(np.int64)

    def recipes(self, epochs: int) -> list[dict[str, Any]]:
        """One for every five lanes, at Adam rates from 1e-4 to 1e-2."""
        return [
            {
                "preprocess": "standardize", "network": {"hidden": [self.width] * 2}, "init": "xavier",
                "optimizer": {"adam": {"lr": float(rate)}}, "decay": "none", "weight_decay": 0.0,
                "batch_size": BATCH, "epochs": epochs,
            }
            for rate in np.logspace(-4, -2, self.lanes // FOLDS)
        ]  # fmt: skip

    def epochs(self, updates: int) -> int:
        """Those that make at least so many updates."""
        return math.ceil(updates / self.batches)

    @property
    def batches(self) -> int:
        """Updates of an epoch."""
        return math.ceil(self.rows * (FOLDS - 1) / FOLDS / BATCH)


GROWTH = {
    "lanes": [Point(lanes=lanes) for lanes in (5, 10, 20, 40, 80, 160, 320)],
    "rows": [Point(rows=rows) for rows in (100, 300, 1000, 3000, 10000, 30000)],
    "width": [Point(width=width) for width in (8, 16, 32, 64, 128, 256)],
}


def train(recipes: list[dict[str, Any]], x: Array, y: Array, workers: int) -> None:
    """Cross-validate all recipes: the one place that knows how an engine is called."""
    from sklearn.model_selection import StratifiedKFold

    from tenfold.data.feed.encode import matrix_inputs
    from tenfold.data.split.folds import Fold
    from tenfold.problem.problem import Problem
    from tenfold.recipe.recipe import Recipe
    from tenfold.search.context import SearchContext
    from tenfold.search.search import train_all
    from tenfold.statistics.metrics import metric_for

    parts = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y)
    folds = tuple(Fold(*part, number, 0) for number, part in enumerate(parts))
    problem = Problem(matrix_inputs(x), y, ("0", "1"), folds, metric_for("classification", None))
    context = replace(SearchContext.local("cpu"), workers=workers)
    found = train_all(problem, [Recipe.from_dict(recipe) for recipe in recipes], context)
    if len(found.records) != len(recipes):
        raise RuntimeError(f"{len(found.records)} records of {len(recipes)} recipes")


def seconds(point: Point, workers: tuple[int, ...], updates: int, repeat: int) -> list[list[float]]:
    """Wall times of whole searches in this process, (workers, repeat), in turn, after a first search of an epoch."""
    import torch

    torch.set_num_threads(1)
    x, y = point.data()
    for count in workers:
        train(point.recipes(1), x, y, count)
    found: list[list[float]] = [[] for _ in workers]
    for _ in range(repeat):
        for count, walls in zip(workers, found, strict=True):
            start = time.perf_counter()
            train(point.recipes(point.epochs(updates)), x, y, count)
            walls.append(time.perf_counter() - start)
    return found


def measure_point(point: Point, workers: tuple[int, ...], updates: int, repeat: int) -> list[dict[str, Any]]:
    """Everything about one point, measured in a process of its own: one record for every number of workers."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(seconds, point, workers, updates, repeat).result()
    made = point.epochs(updates) * point.batches
    return [
        {
            "lanes": point.lanes, "rows": point.rows, "width": point.width, "workers": count, "updates": made,
            "seconds": walls, "microseconds": [1e6 * wall / made / point.lanes for wall in walls],
        }
        for count, walls in zip(workers, found, strict=True)
    ]  # fmt: skip


def table_line(what: str, found: dict[str, Any]) -> list[str]:
    """One line of the table."""
    numbers = [str(found[name]) for name in ("lanes", "rows", "width", "workers", "updates")]
    return [what, *numbers, spread(found["microseconds"], 1), spread(found["seconds"], 2)]


def draw(measured: dict[str, list[dict[str, Any]]], out: Path) -> None:
    """A panel for what grows, a line for the number of workers."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    titles = {
        "lanes": f"lanes ({Point.rows} rows, {Point.width} units)",
        "rows": f"rows ({Point.lanes} lanes, {Point.width} units)",
        "width": f"units of a layer ({Point.lanes} lanes, {Point.rows} rows)",
    }
    with mpl.rc_context({"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        panels = figure.subplots(1, len(measured), sharey=True, squeeze=False)[0]
        for panel, (what, found) in zip(panels, measured.items(), strict=True):
            for workers, marker in zip(sorted({one["workers"] for one in found}), "os^v", strict=False):
                line = [one for one in found if one["workers"] == workers]
                times = [median(one["microseconds"]) for one in line]
                label = f"{workers} worker{'s' * (workers > 1)}"
                panel.plot([one[what] for one in line], times, marker=marker, markersize=4, label=label)
            panel.set(xscale="log", yscale="log", xlabel=titles[what])
            ticks = sorted({one[what] for one in found})
            panel.set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
            panel.minorticks_off()
            panel.grid(alpha=0.3)
        panels[0].set_ylabel("µs a lane-update")
        panels[0].legend(frameon=False)
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, metadata={"Date": None})


def main(arguments: list[str] | None = None) -> None:
    """Measure what was asked for; write growth.json, growth.md and the figure."""
    found = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    found.add_argument("--grows", nargs="+", choices=list(GROWTH), default=list(GROWTH))
    found.add_argument("--workers", nargs="+", type=int, default=sorted({1, cores()}))
    found.add_argument("--updates", type=int, default=500, help="of every lane, at least (default 500)")
    found.add_argument("--repeat", type=int, default=3, help="measurements of every point (default 3)")
    found.add_argument("--out", type=Path, default=RESULTS / "growth.json", help="a markdown table goes beside it")
    found.add_argument("--figure", type=Path, default=FIGURE)
    asked = found.parse_args(arguments)
    machine, measured = facts(), dict[str, list[dict[str, Any]]]()
    print(describe(machine), flush=True)
    for what in asked.grows:
        for point in GROWTH[what]:
            for one in measure_point(point, tuple(asked.workers), asked.updates, asked.repeat):
                measured.setdefault(what, []).append(one)
                print(", ".join(f"{k} {v}" for k, v in zip(HEAD, table_line(what, one), strict=True)), flush=True)
    lines = [table_line(what, one) for what, those in measured.items() for one in those]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"machine": machine, "growth": measured}, indent=1) + "\n")
    asked.out.with_suffix(".md").write_text(
        f"Command: `python -m bench.growth`\n\n{describe(machine)}\n\n{markdown(lines, HEAD)}\n"
        f"Two hidden layers, {COLUMNS} columns, batches of {BATCH}, {FOLDS} folds, Adam; whole searches, planning and "
        f"validation after every epoch included. Median [least, most] of {asked.repeat}.\n"
    )
    draw(measured, asked.figure)


if __name__ == "__main__":
    main()
