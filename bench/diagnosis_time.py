"""How long a preflight and a proven diagnosis of small tables take: programs that do not train, with a fault each."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from sklearn import datasets
from torch import Tensor, nn

import tenfold
from bench.machine import describe, facts
from bench.speed import RESULTS

TABLES = ("wine", "breast_cancer", "diabetes")


@dataclass(frozen=True)
class Program:
    """A training: table and its rows, hidden layers of 32, learning rate of Adam. raw: columns in their own units."""

    table: str
    raw: bool = False
    depth: int = 2
    activation: Callable[[], nn.Module] = nn.ReLU
    lr: float = 1e-3
    start: Callable[[nn.Module], None] | None = None
    epochs: int = 20

    def rows(self) -> tuple[Tensor, Tensor]:
        """x (n, d) and y (n,) of classes or (n, 1) of numbers."""
        x, y = getattr(datasets, f"load_{self.table}")(return_X_y=True)
        inputs, target = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
        inputs = inputs if self.raw else (inputs - inputs.mean(0)) / inputs.std(0)
        if self.table == "diabetes":
            return inputs, ((target - target.mean()) / target.std()).float()[:, None]
        return inputs, target

    def module(self) -> nn.Module:
        """A fresh one."""
        x, y = self.rows()
        widths = [x.shape[1], *[32] * self.depth]
        layers = [part for i, o in pairwise(widths) for part in (nn.Linear(i, o), self.activation())]
        made = nn.Sequential(*layers, nn.Linear(32, 1 if y.dim() == 2 else int(y.max()) + 1))
        if self.start is not None:
            made.apply(self.start)
        return made

    def criterion(self) -> nn.Module:
        """Cross-entropy or squared error."""
        return nn.MSELoss() if self.table == "diabetes" else nn.CrossEntropyLoss()


def zeros(part: nn.Module) -> None:
    """All weights and biases zero."""
    for parameter in part.parameters(recurse=False):
        nn.init.zeros_(parameter)


def large(part: nn.Module) -> None:
    """Weights from a normal distribution of standard deviation 5."""
    if isinstance(part, nn.Linear):
        nn.init.normal_(part.weight, std=5.0)


FAULTS: dict[str, dict[str, Any]] = {
    "raw columns": {"raw": True}, "weights zero": {"start": zeros}, "weights large": {"start": large},
    "learning rate 10": {"lr": 10.0}, "learning rate 1e-6": {"lr": 1e-6},
    "20 sigmoid layers": {"depth": 20, "activation": nn.Sigmoid},
}  # fmt: skip


def measured(program: Program) -> tuple[float, float, tenfold.Diagnosis]:
    """Seconds of a preflight, seconds of a proven diagnosis, and the diagnosis."""
    (x, y), criterion = program.rows(), program.criterion()
    torch.manual_seed(0)
    module = program.module()
    since = time.perf_counter()
    tenfold.preflight(module, x, y, criterion)
    preflight = time.perf_counter() - since
    since = time.perf_counter()
    found = tenfold.diagnose(program.module, x, y, criterion, lambda p: torch.optim.Adam(p, program.lr),
                             epochs=program.epochs)  # fmt: skip
    return preflight, time.perf_counter() - since, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    machine = facts()
    measured(Program("wine", epochs=2))  # imports and first calls
    found = []
    for table in TABLES:
        for name, changes in FAULTS.items():
            preflight, seconds, diagnosis = measured(replace(Program(table), **changes))
            cause = diagnosis.findings[0].cause if diagnosis.findings else "healthy"
            proven = any(f.proof for f in diagnosis.findings[:2])
            found.append(
                {
                    "program": f"{table}, {name}",
                    "preflight": preflight,
                    "seconds": seconds,
                    "cause": cause,
                    "proven": proven,
                }
            )
            print(found[-1], flush=True)
    rows = [
        f"| {r['program']} | {r['preflight']:.2f} | {r['seconds']:.1f} | {r['cause']} | {('no', 'yes')[r['proven']]} |"
        for r in found
    ]
    middle = {n: statistics.median(r[n] for r in found) for n in ("preflight", "seconds")}
    head = f"Command: `python -m bench.diagnosis_time`\n\n{describe(machine)}\n\n"
    head += f"Medians: preflight {middle['preflight']:.2f} s, a proven diagnosis {middle['seconds']:.1f} s.\n\n"
    head += "| program | preflight, s | proven diagnosis, s | first cause | proven |\n| --- | --- | --- | --- | --- |\n"
    (RESULTS / "diagnosis-time.json").write_text(json.dumps({"machine": machine, "programs": found}, indent=1) + "\n")
    (RESULTS / "diagnosis-time.md").write_text(head + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
