"""What an observer costs a pack: the same epochs with and without it, in turn; one thread, processor time.

The differences of whole epochs are of the size of their noise on a shared machine. So what a measured and any other
update cost the observer is timed by itself too, and counted over the updates: "counted".
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

from bench.machine import describe, facts
from bench.speed import RESULTS, markdown
from bench.step import make_pack, microseconds
from tenfold.doctor.measure.lanes import LaneObserver, sampled
from tenfold.engine.packs.pack import Pack

WIDTHS = (1, 12, 48)  # recipes in a pack; times 5 folds are its lanes
UPDATES, SECONDS = 1200, 12.0  # of each pack: so many updates, or fewer that take so long
HEAD = (
    "case", "lanes", "updates", "of them measured", "update, µs", "measuring one, µs", "passing one, µs", "counted",
    "overhead of the whole", "of the median pair",
)  # fmt: skip


def epoch_seconds(pack: Pack) -> float:
    """Processor time of the next epoch."""
    start = time.process_time()
    pack.run_epoch()
    return time.process_time() - start


def cost(pack: Pack, update: int) -> float:
    """Microseconds of the observer's work at that update."""
    made, pack.update = pack.update, update
    observer = LaneObserver(pack)
    loss = torch.zeros(len(pack.lanes))

    def work() -> None:
        observer.before(pack, loss)
        observer.after(pack)
        observer.sizes.clear()

    found = microseconds(work, 0.5)
    pack.update, pack.observer = made, None
    return found


def overhead(name: str, recipes: int) -> dict[str, Any]:
    """A pack with and one without an observer, epoch by epoch, in an order that turns."""
    plain, seen = make_pack(name, recipes), make_pack(name, recipes)
    parts = {"measuring": cost(seen, 0), "passing": cost(seen, 4)}
    LaneObserver(seen)
    first = epoch_seconds(plain), epoch_seconds(seen)  # warms up, and ends the epoch that `make_pack` began
    epochs = min(-(-UPDATES // plain.per_epoch), int(SECONDS / first[0]))
    pairs: list[tuple[float, float]] = []
    for epoch in range(max(6, epochs)):
        turn = [plain, seen] if epoch % 2 else [seen, plain]
        seconds = {id(pack): epoch_seconds(pack) for pack in turn}
        pairs.append((seconds[id(plain)], seconds[id(seen)]))
    per_epoch, made = plain.per_epoch, len(pairs) * plain.per_epoch
    measured = sum(sampled(update, per_epoch) for update in range(made))
    whole = sum(without for without, _ in pairs)
    return {
        "case": name,
        "lanes": len(seen.lanes),
        "updates": made,
        "measured": measured,
        "update": 1e6 * whole / made,
        **parts,
        "counted": 1e-6 * (measured * parts["measuring"] + (made - measured) * parts["passing"]) / whole,
        "whole": sum(observed for _, observed in pairs) / whole - 1,
        "median": median(observed / without for without, observed in pairs) - 1,
    }


def line(found: dict[str, Any]) -> list[str]:
    """One line of the table."""
    counts = [str(found[part]) for part in ("lanes", "updates", "measured")]
    times = [f"{found[part]:.0f}" for part in ("update", "measuring", "passing")]
    return [found["case"], *counts, *times, *(f"{100 * found[part]:.2f} %" for part in ("counted", "whole", "median"))]


def main(arguments: list[str] | None = None) -> None:
    """Measure the packs that were asked for; write lane_overhead.md and lane_overhead.json."""
    found = argparse.ArgumentParser(prog="python -m bench.lane_overhead", description=__doc__)
    found.add_argument("--case", nargs="+", choices=["a", "b", "c"], default=["a", "b"])
    found.add_argument("--recipes", nargs="+", type=int, default=list(WIDTHS), help=f"in a pack; default {WIDTHS}")
    found.add_argument("--out", type=Path, default=RESULTS / "lane_overhead.json", help="a table goes beside it")
    asked = found.parse_args(arguments)
    torch.set_num_threads(1)
    machine = facts()
    print(describe(machine), flush=True)
    results = []
    for name in asked.case:
        for recipes in asked.recipes:
            results.append(overhead(name, recipes))
            print(", ".join(f"{k} {v}" for k, v in zip(HEAD, line(results[-1]), strict=True)), flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"machine": machine, "packs": results}, indent=1) + "\n")
    table = markdown([line(one) for one in results], HEAD)
    asked.out.with_suffix(".md").write_text(
        f"Command: `python -m bench.lane_overhead`\n\n{describe(machine)}\n\n{table}"
    )


if __name__ == "__main__":
    main()
