"""What one update of compiled lanes costs, against torch's stacked products, against its own products, and against packs;
one thread, processor time."""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from bench.cases import FOLDS, case_named
from bench.machine import describe, facts
from bench.speed import RESULTS, markdown
from tenfold.data.feed.encode import matrix_inputs
from tenfold.data.split.folds import Fold
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.solo_lanes import SoloLanes
from tenfold.engine.packs.lane_states import LaneStates
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe
from tenfold.statistics.metrics import metric_for

RECIPES = (1, 4, 12)  # trained together; times 5 folds are the lanes
EPOCHS = 32  # that compiled lanes make at a time
WIDTHS = (64, 100, 128, 256, 512)  # of the square products whose share of a core's peak is measured
HEAD = (
    "case", "lanes", "compiled update, µs a lane", "its products alone", "torch's products", "pack's update",
    "update / torch's products", "update / own products", "pack / compiled",
)  # fmt: skip


def make_lanes(name: str, recipes: int, kind: type[Any]) -> LaneStates:
    """Lanes of that many recipes of a case on all folds, trained by that engine."""
    case = case_named(name, recipes * FOLDS)
    x, y = case.load()
    folds = tuple(Fold(*part, number, 0) for number, part in enumerate(case.folds(x, y)))
    classes = tuple(str(label) for label in range(int(y.max()) + 1))
    problem = Problem(matrix_inputs(x), y, classes, folds, metric_for("classification", None))
    found = [Recipe.from_dict(case.recipe(setting)) for setting in case.settings]
    feed = problem.feed(found, torch.device("cpu"), torch.float32)
    shape = Shape.of(found[0], problem.size, folds)
    lanes = [Lane(recipe, number, fold) for number, recipe in enumerate(found) for fold in range(FOLDS)]
    if kind is SoloLanes:
        return SoloLanes(lanes, shape, feed, threads=1, scored=False, ahead=True)
    return kind(lanes, shape, feed)


def make_pack(name: str, recipes: int) -> Pack:
    """A pack of that many recipes of a case on all folds, one update made."""
    pack = make_lanes(name, recipes, Pack)
    assert isinstance(pack, Pack)
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


def torch_products(lanes: LaneStates) -> Callable[[], None]:
    """The matrix products of one update, forward and backward, and nothing else: torch.bmm on the stored shapes."""
    count, rows = len(lanes.lanes), lanes.shape.dealing.rows
    kinds = [slot.kind for slot in lanes.layout.slots]
    weights = [leaf.detach() for leaf, kind in zip(lanes.leaves, kinds, strict=True) if kind == "weight"]
    inputs = [torch.randn(count, rows, weight.shape[1]) for weight in weights]
    above = [torch.randn(count, rows, weight.shape[2]) for weight in weights]

    def work() -> None:
        for layer, (h, weight, gradient) in enumerate(zip(inputs, weights, above, strict=True)):
            torch.bmm(h, weight)
            torch.bmm(h.transpose(1, 2), gradient)
            if layer:
                torch.bmm(gradient, weight.transpose(1, 2))

    return work


def own_products(lanes: SoloLanes, count: int) -> Callable[[], None]:
    """The products of so many updates of one lane by the compiled code."""
    network = lanes.network(lanes.lanes[0].recipe)
    function, rows = compiled_lanes().function("products"), lanes.shape.dealing.rows
    return lambda: function(ctypes.addressof(network.record), rows, count, 0)


def epochs(lanes: LaneStates, count: int) -> Callable[[], object]:
    """So many epochs, as a search makes them."""

    def work() -> None:
        last = lanes.update + count * lanes.per_epoch
        while lanes.update < last:
            lanes.run_epoch(last=last)

    return work


def parts(name: str, recipes: int, seconds: float) -> dict[str, Any]:
    """Microseconds a lane of an update by both engines and of the products, measured in turn."""
    solo, pack = make_lanes(name, recipes, SoloLanes), make_lanes(name, recipes, Pack)
    assert isinstance(solo, SoloLanes)
    lanes, updates = len(solo.lanes), solo.per_epoch
    several = 200
    rounds = [
        {
            "compiled": microseconds(epochs(solo, EPOCHS), seconds / 3) / updates / lanes / EPOCHS,
            "own_products": microseconds(own_products(solo, several), seconds / 3) / several,
            "torch_products": microseconds(torch_products(solo), seconds / 3) / lanes,
            "pack": microseconds(epochs(pack, 1), seconds / 3) / updates / lanes,
        }
        for _ in range(3)
    ]
    return {"case": name, "lanes": lanes, **{part: median(r[part] for r in rounds) for part in rounds[0]}}


def line(found: dict[str, Any]) -> list[str]:
    """One line of the table."""
    update = found["compiled"]
    times = [found[part] for part in ("compiled", "own_products", "torch_products", "pack")]
    ratios = [update / found["torch_products"], update / found["own_products"], found["pack"] / update]
    return [found["case"], str(found["lanes"]), *(f"{t:.1f}" for t in times), *(f"{ratio:.2f}" for ratio in ratios)]


def share_of_peak(width: int, seconds: float) -> float:
    """What the products of a square layer of that width, on 128 rows, reach of what the core can multiply, forward and
    back, in float32."""
    from tenfold.data.feed.batches import Dealing
    from tenfold.engine.native.network import compiled_network
    from tenfold.engine.plan.shape import Layout
    from tenfold.engine.plan.size import Size

    lanes, rows, count = compiled_lanes(), 128, max(1, int(2e9 / (6 * 128 * width * width)))
    recipe = Recipe.from_dict({"network": {"hidden": [width]}})
    shape = Shape.of_network(recipe, Size(width, width), Dealing(1, rows))
    network = compiled_network(shape.steps(recipe), Layout.of(shape), width, width)
    flops = 2 * rows * width * width * 5 * count  # two layers, of which the first has no gradient to hand down
    function, peak = lanes.function("products"), lanes.function("peak")
    shares: list[float] = []
    for _ in range(5):
        products = flops / microseconds(lambda: function(ctypes.addressof(network.record), rows, count, 0), seconds / 5)
        some = 5_000_000
        shares.append(products / (peak(some, 0) / microseconds(lambda: peak(some, 0), seconds / 5)))
    return median(shares)


def main(arguments: list[str] | None = None) -> None:
    """Measure the lanes that were asked for; write step.md and step.json."""
    found = argparse.ArgumentParser(prog="python -m bench.step", description=__doc__)
    found.add_argument("--case", nargs="+", choices=["a", "b", "wide"], default=["a", "b"])
    found.add_argument("--recipes", nargs="+", type=int, default=list(RECIPES), help=f"together; default {RECIPES}")
    found.add_argument("--seconds", type=float, default=1.0, help="spent on each part (default 1)")
    found.add_argument("--out", type=Path, default=RESULTS / "step.json", help="a markdown table goes beside it")
    asked = found.parse_args(arguments)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    machine = facts()
    print(describe(machine), f"level {compiled_lanes().level}", flush=True)
    results = []
    for name in asked.case:
        for recipes in asked.recipes:
            results.append(parts(name, recipes, asked.seconds))
            print(", ".join(f"{k} {v}" for k, v in zip(HEAD, line(results[-1]), strict=True)), flush=True)
    shares = {width: share_of_peak(width, asked.seconds) for width in WIDTHS}
    for width, share in shares.items():
        print(f"products of width {width}: {share:.0%} of one core's peak", flush=True)
    level = compiled_lanes().level
    report = {"machine": machine, "level": level, "steps": results, "share_of_peak": shares}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report, indent=1) + "\n")
    table = markdown([line(one) for one in results], HEAD)
    peaks = markdown([[str(width), f"{share:.0%}"] for width, share in shares.items()], ("width", "share of the peak"))
    asked.out.with_suffix(".md").write_text(
        f"Command: `python -m bench.step`\n\n{describe(machine)}; level {level}\n\n{table}\n{peaks}"
    )


if __name__ == "__main__":
    main()
