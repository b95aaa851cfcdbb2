"""Which way of keeping a search's result predicts best: one refit, five, the winner's fold models, or a blend?

One search a table and seed over the default space, on a part of its rows; every way makes its model of the same search,
and all predict the rows that were left out. What is compared are 1 - AUC of two classes, log loss of several, RMSE of
numbers, each against the fold models of the winner.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import tenfold
from bench.held_out import METRIC, held_out, model_error
from bench.machine import describe, facts
from bench.quality_tables import TABLES, BenchTable
from bench.speed import RESULTS, markdown
from tenfold.problem.default_space import default_space
from tenfold.problem.from_arrays import understand

Array = np.ndarray
WAYS = ("refit", "refits", "ensemble", "blend")


def errors(table: BenchTable, data: Path, rows: int, trials: int, seed: int) -> dict[str, Any]:
    """The test error of every way, lower is better, and what the blend was."""
    train, test = held_out(table, data, rows, seed)
    task = "regression" if table.kind == "number" else "classification"
    x, y = train.drop(columns=table.target), train[table.target].to_numpy()
    problem = understand(x, y, task).problem(5)
    space = default_space(problem.size, rows=len(train), task=task)
    metric, begun = METRIC[table.kind], time.monotonic()
    found = tenfold.search(
        space, x, y, trials=trials, strategy="halving", seed=seed, task=task, metric=metric, device="cpu"
    )
    line: dict[str, Any] = {"table": table.name, "seed": seed, "seconds": round(time.monotonic() - begun, 1)}
    for way in WAYS:
        line[way] = model_error(found.refit(way), table, test)
    blend = found.trained.blend
    return line | {"recipes": len(blend.numbers), "gain": blend.gain}


def against(lines: list[dict[str, Any]], way: str) -> tuple[str, str]:
    """The geometric mean of the errors by those of the fold models, less 1, with its standard error; better, worse."""
    logs = np.array([np.log(line[way] / line["ensemble"]) for line in lines])
    error = logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else np.nan
    return f"{np.expm1(logs.mean()):+.1%} +- {error:.1%}", f"{(logs < 0).sum()} / {(logs > 0).sum()}"


def main(arguments: list[str] | None = None) -> None:
    """Measure and write keeping.json, with a table beside it."""
    asked = argparse.ArgumentParser(prog="python -m bench.keeping", description=__doc__)
    asked.add_argument("--data", type=Path, required=True, metavar="DIR")
    asked.add_argument("--rows", type=int, default=2000)
    asked.add_argument("--trials", type=int, default=16)
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--tables", nargs="*", default=[table.name for table in TABLES if not table.groups])
    asked.add_argument("--out", type=Path, default=RESULTS / "keeping.json")
    given = asked.parse_args(arguments)
    lines: list[dict[str, Any]] = []
    for table in (table for table in TABLES if table.name in given.tables):
        for seed in range(given.seeds):
            lines.append(errors(table, given.data, given.rows, given.trials, seed))
            print(lines[-1], flush=True)
    rows: list[list[str]] = []
    for kind in dict.fromkeys(table.kind for table in TABLES):
        mine = [line for line in lines if next(t.kind for t in TABLES if t.name == line["table"]) == kind]
        if mine:
            rows += [[METRIC[kind], way, *against(mine, way)] for way in WAYS if way != "ensemble"]
    table = markdown(rows, ("metric", "kept", "error against the fold models", "better / worse"))
    machine = facts()
    given.out.write_text(json.dumps({"machine": machine, "lines": lines}, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(
        f"Command: `python -m bench.keeping --data DIR`\n\n{describe(machine)}\n\n{table}"
    )
    print(table)


if __name__ == "__main__":
    main()
