"""What watching a plain loop costs: alternating pairs of the same training with and without `tenfold.watch`."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import tenfold
from bench.machine import describe, facts
from bench.speed import RESULTS

CASES = ("mlp", "conv")
SCHEDULES = ("default", "sparse")


def program(case: str) -> tuple[nn.Module, torch.optim.Optimizer, torch.Tensor, torch.Tensor, int]:
    """Model, optimizer, inputs, labels and updates: 30-64-64-2 with Adam on batches of 32, or two convolutions (16, 32
    channels) on 28 x 28 images with momentum on batches of 64."""
    torch.manual_seed(0)
    if case == "mlp":
        model: nn.Module = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
        return model, torch.optim.Adam(model.parameters()), torch.randn(32, 30), torch.randint(2, (32,)), 2000
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3872, 10),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return model, optimizer, torch.randn(64, 1, 28, 28), torch.randint(10, (64,)), 150


def seconds(case: str, schedule: str | None) -> float:
    """Of one training."""
    model, optimizer, x, y, updates = program(case)
    criterion = nn.CrossEntropyLoss()

    def loop() -> None:
        for _ in range(updates):
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()

    since = time.perf_counter()
    if schedule is None:
        loop()
    else:
        with tenfold.watch(model, optimizer, criterion, schedule=schedule):  # type: ignore[arg-type]
            loop()
    return time.perf_counter() - since


def measured(pairs: int, timed: Callable[[str, str | None], float] = seconds) -> dict[str, Any]:
    """Ratio of neighbouring runs, watched over plain: median, and quartiles."""
    found: dict[str, Any] = {}
    for case in CASES:
        for schedule in SCHEDULES:
            timed(case, schedule)
            ratios = []
            for pair in range(pairs):
                first, second = (None, schedule) if pair % 2 else (schedule, None)
                one, two = timed(case, first), timed(case, second)
                ratios.append(two / one if first is None else one / two)
            found[f"{case} {schedule}"] = {
                "median": statistics.median(ratios),
                "quartiles": statistics.quantiles(ratios),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    torch.set_num_threads(1)
    machine = facts()
    found = measured(parser.parse_args().pairs)
    percent = lambda ratio: f"{100 * (ratio - 1):.1f} %"  # noqa: E731
    rows = []
    for name, row in found.items():
        low, _, high = row["quartiles"]
        rows.append(f"| {name} | {percent(row['median'])} | {percent(low)} to {percent(high)} |")
    head = f"Command: `python -m bench.watch_overhead`\n\n{describe(machine)}\n\n"
    head += "| loop and schedule | overhead, median pair | quartiles |\n| --- | --- | --- |\n"
    (RESULTS / "watch-overhead.json").write_text(json.dumps({"machine": machine, "overhead": found}, indent=1) + "\n")
    (RESULTS / "watch-overhead.md").write_text(head + "\n".join(rows) + "\n")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
