"""Where the time of one stacked update goes, against its matrix products alone; one thread, processor time."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from bench.cases import FOLDS, case_named
from bench.machine import describe, facts
from bench.speed import RESULTS, markdown
from tenfold.data.feed.encode import matrix_inputs
from tenfold.data.split.folds import Fold
from tenfold.engine.packs.first_order import FirstOrderStep
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe
from tenfold.statistics.metrics import metric_for

WIDTHS = (1, 4, 12, 24, 48)  # recipes in a pack; times 5 folds are its lanes
HEAD = (
    "case", "lanes", "update, µs", "per lane", "gather", "forward + backward", "optimizer", "matrix products alone",
    "update / products", "dealing, per update", "evaluation, per update",
)  # fmt: skip


def make_pack(name: str, recipes: int) -> Pack:
    """A pack of that many recipes of a case on all folds, one update made."""
    case = case_named(name, recipes * FOLDS)
    x, y = case.load()
    folds = tuple(Fold(*part, number, 0) for number, part in enumerate(case.folds(x, y)))
    classes = tuple(str(label) for label in range(int(y.max()) + 1))
    problem = Problem(matrix_inputs(x), y, classes, folds, metric_for("classification", None))
    found = [Recipe.from_dict(case.recipe(setting)) for setting in case.settings]
    feed = problem.feed(found, torch.device("cpu"), torch.float32)
    shape = Shape.of(found[0], problem.size, folds)
    lanes = [Lane(recipe, number, fold) for number, recipe in enumerate(found) for fold in range(FOLDS)]
    pack = Pack(lanes, shape, feed)
    pack.run_epoch(last=1)
    return pack


def microseconds(work: Callable[[], object], seconds: float) -> float:
    """Median processor time of a call, over as many calls (at least 5) as fit into that many seconds."""
    work()
    times: list[float] = []
    end = time.monotonic() + seconds
    while len(times) < 5 or time.monotonic() < end:
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e6 * median(times)


def products(pack: Pack) -> Callable[[], None]:
    """The matrix products of one update, forward and backward, and nothing else: torch.bmm on the stored shapes."""
    lanes, rows = len(pack.lanes), pack.shape.dealing.rows
    kinds = [slot.kind for slot in pack.layout.slots]
    weights = [leaf.detach() for leaf, kind in zip(pack.leaves, kinds, strict=True) if kind == "weight"]
    inputs = [torch.randn(lanes, rows, weight.shape[1]) for weight in weights]
    above = [torch.randn(lanes, rows, weight.shape[2]) for weight in weights]

    def work() -> None:
        for layer, (h, weight, gradient) in enumerate(zip(inputs, weights, above, strict=True)):
            torch.bmm(h, weight)
            torch.bmm(h.transpose(1, 2), gradient)
            if layer:
                torch.bmm(gradient, weight.transpose(1, 2))

    return work


def parts(name: str, recipes: int, seconds: float) -> dict[str, Any]:
    """Microseconds of each part of an update, from whole epochs where a part does some work for several updates."""
    pack = make_pack(name, recipes)
    plan, update_step = pack.batches.plan_epoch(0), pack._step
    assert isinstance(update_step, FirstOrderStep)
    epoch = iter(range(1, 10**9))

    def every(update: Callable[[int], object]) -> Callable[[], None]:
        def work() -> None:
            pack.batches.restart()
            for step in range(pack.per_epoch):
                update(step)
            pack._settle()

        return work

    def deal() -> None:
        number = next(epoch)
        pack.batches.plan_epoch(number)
        update_step.plan_epoch(number, pack.per_epoch, pack.per_epoch, factors)

    factors = np.ones(len(pack.lanes))  # of plateau schedules
    epochs = {
        "gather": every(lambda step: pack.batch_loss(plan, step)),
        "gradient": every(lambda step: pack._note(update_step.differentiate(pack.batch_loss(plan, step)))),
        "optimizer": every(update_step.move),
        "dealing": deal,
        "evaluation": pack.evaluate,
    }
    found = {part: microseconds(work, seconds) / pack.per_epoch for part, work in epochs.items()}
    found["products"] = microseconds(products(pack), seconds)
    found["update"] = found["gradient"] + found["optimizer"]
    return {"case": name, "lanes": len(pack.lanes), **found}


def line(found: dict[str, Any]) -> list[str]:
    """One line of the table."""
    values = [
        found["update"], found["update"] / found["lanes"], found["gather"], found["gradient"] - found["gather"],
        found["optimizer"], found["products"],
    ]  # fmt: skip
    ratio = f"{found['update'] / found['products']:.2f}"
    per_epoch = [f"{found[part]:.1f}" for part in ("dealing", "evaluation")]
    return [found["case"], str(found["lanes"]), *(f"{value:.1f}" for value in values), ratio, *per_epoch]


def main(arguments: list[str] | None = None) -> None:
    """Measure the packs that were asked for; write step.md and step.json."""
    found = argparse.ArgumentParser(prog="python -m bench.step", description=__doc__)
    found.add_argument("--case", nargs="+", choices=["a", "b", "c"], default=["a", "b"])
    found.add_argument("--recipes", nargs="+", type=int, default=list(WIDTHS), help=f"in a pack; default {WIDTHS}")
    found.add_argument("--seconds", type=float, default=1.0, help="spent on each part (default 1)")
    found.add_argument("--out", type=Path, default=RESULTS / "step.json", help="a markdown table goes beside it")
    asked = found.parse_args(arguments)
    torch.set_num_threads(1)
    machine = facts()
    print(describe(machine), flush=True)
    results = []
    for name in asked.case:
        for recipes in asked.recipes:
            results.append(parts(name, recipes, asked.seconds))
            print(", ".join(f"{k} {v}" for k, v in zip(HEAD, line(results[-1]), strict=True)), flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"machine": machine, "steps": results}, indent=1) + "\n")
    table = markdown([line(one) for one in results], HEAD)
    asked.out.with_suffix(".md").write_text(f"Command: `python -m bench.step`\n\n{describe(machine)}\n\n{table}")


if __name__ == "__main__":
    main()
