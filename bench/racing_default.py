"""What a race over the default space for a table saves and risks: 16 recipes whose schedules have their valleys at the
rungs, raced as `fit` does by default and trained to the end with the same seeds."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from bench.machine import facts
from bench.racing import asked_for, load, races_of, sweep, table
from bench.speed import RESULTS, markdown
from tenfold.problem.default_space import default_space
from tenfold.problem.from_arrays import understand
from tenfold.run.plan import TABLE_TRIALS
from tenfold.statistics.metrics import METRICS

# Of one core a recipe: a quarter of what a fit gives to so few rows, and so a quarter of its epochs.
CORE_SECONDS = 2.0
HEAD = ("data", "metric", "strategy", "seeds", "within one se of the best", "regret in se, mean (worst)",
        "epochs trained", "times faster, median [least, most]", "the blend's regret in se, mean (worst)")  # fmt: skip


def one_seed(name: str, data: Path | None, seed: int) -> dict[str, Any]:
    """The exhaustive search and the race over the default space with one seed."""
    x, y, task = load(name, data, seed)
    size = understand(x, y, task).problem(5, seed=seed).size
    space = default_space(size, rows=len(y), task=task, core_seconds=CORE_SECONDS)
    found = races_of(space, TABLE_TRIALS, x, y, task, seed, ("halving",))
    return {"data": name, "seed": seed, "epochs": space.to_dict()["epochs"], **found}


def with_blends(lines: list[dict[str, Any]]) -> list[list[str]]:
    """The table of `bench.racing`, and what the blend of the race is behind the blend of the exhaustive search."""
    rows = table(lines)
    for row in rows:
        behind = [
            METRICS[line["metric"]].sign
            * (line["blend"] - line["races"]["halving"]["blend"]) / line["se"]
            for line in lines if line["data"] == row[0]
        ]  # fmt: skip
        row.append(f"{statistics.mean(behind):.2f} ({max(behind):.2f})")
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Race on the sets that were asked for."""
    asked = asked_for(arguments, "bench.racing_default", __doc__, RESULTS / "racing-default.json", 3)
    sweep(asked, facts(), one_seed, lambda lines: markdown(with_blends(lines), HEAD))


if __name__ == "__main__":
    main()
