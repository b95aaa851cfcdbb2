"""What watching a plain loop costs: the same training with and without `tenfold.watch`, a few updates of the one and a
few of the other in turn, so that a machine that changes its speed changes both."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import nn

import tenfold
from bench.machine import describe, facts
from bench.speed import RESULTS

CASES = ("mlp", "conv", "lstm", "transformer")
SCHEDULES = ("default", "sparse")
CHUNK = {"mlp": 20, "conv": 2, "lstm": 4, "transformer": 4}  # updates in a row: an epoch


class Last(nn.Module):
    """An LSTM whose last state is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(8, 64, batch_first=True), nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(x)[0][:, -1])


class Tokens(nn.Module):
    """A transformer's mean over the tokens, classified."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
        self.embed, self.out = nn.Embedding(50, 64), nn.Linear(64, 2)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layers(self.embed(x)).mean(1))


def program(case: str) -> tuple[nn.Module, torch.optim.Optimizer, torch.Tensor, torch.Tensor, int]:
    """Model, optimizer, inputs, labels and updates: 30-64-64-2 with Adam on shuffled batches of 32 of 640 rows; two
    convolutions (16, 32 channels) on 28 x 28 images with momentum on shuffled batches of 64 of 128; an LSTM of 64 units
    on 30 steps of 8 numbers, and a transformer of two layers of width 64 on 30 tokens, both with Adam on batches of 32
    of 128."""
    torch.manual_seed(0)
    if case == "mlp":
        model: nn.Module = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
        return model, torch.optim.Adam(model.parameters()), torch.randn(640, 30), torch.randint(2, (640,)), 2000
    if case in ("lstm", "transformer"):
        model = Last() if case == "lstm" else Tokens()
        x = torch.randn(128, 30, 8) if case == "lstm" else torch.randint(50, (128, 30))
        return model, torch.optim.Adam(model.parameters()), x, torch.randint(2, (128,)), 400
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
    return model, optimizer, torch.randn(128, 1, 28, 28), torch.randint(10, (128,)), 150


def training(case: str) -> tuple[nn.Module, torch.optim.Optimizer, nn.Module, Callable[[], float]]:
    """Model, optimizer, criterion, and an epoch of the plain loop: the seconds it took."""
    model, optimizer, x, y, _ = program(case)
    criterion = nn.CrossEntropyLoss()

    def epoch() -> float:
        since = time.perf_counter()
        for rows in torch.randperm(len(x)).split(len(x) // CHUNK[case]):
            optimizer.zero_grad()
            criterion(model(x[rows]), y[rows]).backward()
            optimizer.step()
        return time.perf_counter() - since

    return model, optimizer, criterion, epoch


def ratio(case: str, schedule: str) -> float:
    """Seconds of a watched training over those of a plain one, both made in one go, a chunk of each in turn. What
    entering and leaving the context costs is counted."""
    *_, updates = program(case)
    *_, plain = training(case)
    model, optimizer, criterion, watched = training(case)
    spent = {plain: 0.0, watched: 0.0}
    for epoch in (plain, watched):
        epoch()
    since = time.perf_counter()
    watch = tenfold.watch(model, optimizer, criterion, schedule=cast(Literal["default", "sparse"], schedule))
    with watch:
        spent[watched] += time.perf_counter() - since
        for chunk in range(updates // CHUNK[case]):
            for epoch in (plain, watched) if chunk % 2 else (watched, plain):
                spent[epoch] += epoch()
        since = time.perf_counter()
    spent[watched] += time.perf_counter() - since
    return spent[watched] / spent[plain]


def measured(pairs: int) -> dict[str, Any]:
    """Watched over plain: median of the pairs, and quartiles. A first pair warms up."""
    found: dict[str, Any] = {}
    for case in CASES:
        for schedule in SCHEDULES:
            ratios = [ratio(case, schedule) for _ in range(pairs + 1)][1:]
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
