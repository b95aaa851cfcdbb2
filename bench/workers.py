"""Worker threads against worker processes: the same recipes to their end, on a table of 569 rows.

python -m bench.workers [--recipes N] [--repeats N]

Small packs spend much of an update on starting operations, and threads of one process take turns at that. All ways
train the same packs, in turn; their scores must be the same bits. "with their start" is with new worker processes,
"that are there" with those that an earlier search has left.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from loky import get_reusable_executor

from bench.machine import cores, describe, facts
from bench.speed import RESULTS, markdown
from tenfold.executors import choose
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.run.plan import make_plan
from tenfold.search.context import SearchContext
from tenfold.search.search import train_all

HEAD = ("workers", "median seconds", "of all repeats", "times as fast as one")
ONE, THREADS, BEGUN, THERE = "one", "threads", "processes, with their start", "processes that are there"


def main(arguments: list[str] | None = None) -> None:
    """Measure every way `--repeats` times, in turn; write workers.md and workers.json."""
    found = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    found.add_argument("--recipes", type=int, default=12)
    found.add_argument("--repeats", type=int, default=5)
    found.add_argument("--out", type=Path, default=RESULTS / "workers.json", help="a table goes beside it")
    asked = found.parse_args(arguments)
    machine = facts()
    print(describe(machine), flush=True)
    prepared = prepare(Settings(data="sklearn:breast_cancer", trials=asked.recipes))
    recipes = make_plan(prepared, cores()).recipes
    seconds: dict[str, list[float]] = {}
    scores: list[np.ndarray] = []

    def measure(way: str) -> None:
        choose.COLD_SECONDS = 0.0 if way in (BEGUN, THERE) else float("inf")
        context = SearchContext.local("cpu")
        context = replace(context, workers=1) if way == ONE else context
        if way == BEGUN:
            get_reusable_executor().shutdown(wait=True, kill_workers=True)
        start = time.perf_counter()
        trained = train_all(prepared.problem, recipes, context)
        seconds.setdefault(way, []).append(time.perf_counter() - start)
        scores.append(np.concatenate([record.curves[2].ravel() for _, record in sorted(trained.records.items())]))
        assert np.array_equal(scores[0], scores[-1], equal_nan=True), f"{way}: other numbers"
        print(f"{way}: {seconds[way][-1]:.2f} s", flush=True)

    for _ in range(asked.repeats):
        for way in (ONE, THREADS, BEGUN, THERE):
            measure(way)
    one = median(seconds[ONE])
    lines = [
        [f"{cores() if way != ONE else ''} {way}".strip(), f"{median(all_):.2f}", ", ".join(f"{s:.2f}" for s in all_),
         f"{one / median(all_):.2f}"]
        for way, all_ in seconds.items()
    ]  # fmt: skip
    table = markdown(lines, HEAD)
    print(table)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"machine": machine, "recipes": len(recipes), "seconds": seconds}, indent=1) + "\n")
    what = f"{len(recipes)} recipes of the default space, {prepared.problem.divisions} folds, breast_cancer; same bits"
    asked.out.with_suffix(".md").write_text(
        f"Command: `python -m bench.workers`\n\n{describe(machine)}\n\n{what}\n\n{table}"
    )


if __name__ == "__main__":
    main()
