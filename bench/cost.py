"""What an update of a compiled lane costs for many networks, and the numbers of the cost model that fit them best.

One lane on one thread, processor time of the compiled code alone. `engine/plan/cost.py` holds the result, rounded, for
a core of the speed that is printed; a plan scales it by a measurement of some milliseconds.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from bench.machine import describe, facts
from bench.speed import RESULTS, markdown
from tenfold.data.feed.encode import matrix_inputs
from tenfold.data.split.folds import Fold
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.solo_lanes import SoloLanes
from tenfold.engine.native.speed import core_speed
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.plan.cost import COMPILED, COMPILED_PEAK, lane_step_seconds, network_work
from tenfold.engine.plan.shape import Shape
from tenfold.engine.plan.size import Size
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe
from tenfold.statistics.metrics import metric_for

ROWS = 2048
COLUMNS, HIDDEN, BATCHES = (8, 30, 100), ([16], [32, 32], [64, 64], [128, 128], [256, 256]), (32, 128, 512)
KINDS: tuple[dict[str, Any], ...] = (
    {}, {"normalization": "batch"}, {"dropout": 0.2}, {"activation": "gelu"}, {"normalization": "layer"},
)  # fmt: skip
COSTS = ("multiplication", "unit", "normalized unit", "dropped unit", "weight", "update", "row")
QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)


def seconds_of(recipe: Recipe, columns: int) -> tuple[float, float, SoloLanes]:
    """Seconds of an update of a lane (the least of four epochs), and the mean rows of its batches."""
    rng = np.random.default_rng(columns)
    x = rng.normal(size=(ROWS, columns))
    y = (x[:, 0] > 0).astype(np.int64)
    rows = np.arange(ROWS)
    folds = (Fold(rows[:-100], rows[-100:], 0, 0),)
    problem = Problem(matrix_inputs(x), y, ("0", "1"), folds, metric_for("classification", None))
    feed = problem.feed([recipe], torch.device("cpu"), torch.float32)
    lanes = SoloLanes([Lane(recipe, 0, 0)], Shape.of(recipe, problem.size, folds), feed, threads=1, scored=False)
    lanes.run_epoch()
    found: list[float] = []
    for _ in range(4):
        lanes.run_epoch()
        found.append(lanes.pace)
    return min(found), (ROWS - 100) / lanes.per_epoch, lanes


def features(recipe: Recipe, lanes: SoloLanes, rows: float) -> list[float]:
    """How many of each of COSTS an update has."""
    work = network_work(recipe, Size(lanes.shape.inputs, 2))
    return [6 * rows * work.products, rows * work.units, rows * work.normalized, rows * work.dropped,
            float(work.weights), 1.0, rows]  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure, fit, and write cost.md and cost.json."""
    found = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    found.add_argument("--networks", type=int, default=90, help="how many, drawn from all (default 90 of 450)")
    found.add_argument("--out", type=Path, default=RESULTS / "cost.json", help="a markdown table goes beside it")
    asked = found.parse_args(arguments)
    machine, begun = facts(), time.monotonic()
    rng = np.random.default_rng(0)
    every = list(product(COLUMNS, HIDDEN, BATCHES, KINDS, ("adam", "sgd")))
    table, seconds, ratios = list[list[float]](), list[float](), list[float]()
    model = COMPILED.at_speed(core_speed())
    for place in rng.permutation(len(every))[: asked.networks]:
        columns, hidden, batch, kind, optimizer = every[place]
        network: dict[str, Any] = {"hidden": hidden, **kind}
        recipe = Recipe.from_dict({"network": network, "optimizer": {optimizer: {"lr": 1e-3}}, "batch_size": batch,
                                   "epochs": 1000})  # fmt: skip
        spent, rows, lanes = seconds_of(recipe, columns)
        table.append(features(recipe, lanes, rows))
        seconds.append(spent)
        ratios.append(lane_step_seconds(recipe, Size(lanes.shape.inputs, 2), batch=round(rows), model=model) / spent)
    counts, weight = np.array(table), 1 / np.array(seconds)
    costs, _ = nnls(counts * weight[:, None], np.array(seconds) * weight)
    fitted = counts @ costs * weight
    report = {
        "machine": machine, "level": compiled_lanes().level, "networks": len(seconds), "speed": core_speed(),
        "peak": core_speed() * COMPILED_PEAK, "costs": dict(zip(COSTS, costs.tolist(), strict=True)),
        "fitted_over_measured": np.quantile(fitted, QUANTILES).tolist(),
        "model_over_measured": np.quantile(ratios, QUANTILES).tolist(), "seconds": time.monotonic() - begun,
    }  # fmt: skip
    lines = [[name, f"{1e9 * cost:.3g}"] for name, cost in report["costs"].items()]
    spread = [
        [name, *(f"{value:.2f}" for value in report[key])]
        for name, key in (("best fit", "fitted_over_measured"), ("model in use", "model_over_measured"))
    ]
    text = (
        f"Command: `python -m bench.cost`\n\n{describe(machine)}; level {report['level']}, a core multiplies and adds "
        f"{report['peak'] / 1e9:.0f}e9 numbers a second at most; {report['networks']} networks\n\n"
        f"{markdown(lines, ('cost', 'ns each'))}\nEstimated over measured, quantiles:\n\n"
        f"{markdown(spread, ('', *(f'{q:.0%}' for q in QUANTILES)))}"
    )
    print(text)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=1) + "\n")
    asked.out.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
