"""A user's own torch modules: 16 recipes x 5 folds by `tenfold.Module`, by a serial loop of plain torch, and by skorch
in scikit-learn's GridSearchCV.

    python -m bench.modules            (--parts 4: the loop and skorch train every fourth recipe, their time is scaled)

The same modules, folds, batch sizes, epochs and optimizer. Tenfold and the loop validate after every epoch, skorch
after the last one. The accuracies are those after the last epoch, mean over folds and the recipes that all have
trained. Seconds are those of the clock, and of the processor (of all threads and worker processes): where other
programs share the machine, only the latter can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from torch import nn

import tenfold
from bench.machine import cores, describe, facts

RESULTS = Path(__file__).parent / "results" / "modules.json"
RATES = tuple(10 ** (-3.5 + 2 * i / 15) for i in range(16))
FOLDS = 5


class SmallMlp(nn.Module):
    """30-32-32-2."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.layers(x)


class SmallCnn(nn.Module):
    """Two convolutions of 8 x 8 digits."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(16 * 16, 10),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.layers(x)


@dataclass(frozen=True)
class ModuleCase:
    """A module and what it is trained on: inputs as the module takes them."""

    name: str
    make: Any
    x: Any
    y: Any
    batch: int
    epochs: int


def cases() -> list[ModuleCase]:
    """A small MLP and a small CNN."""
    x, y = load_breast_cancer(return_X_y=True)
    mlp = ModuleCase("mlp", SmallMlp, ((x - x.mean(0)) / x.std(0)).astype(np.float32), y, 32, 30)
    x, y = load_digits(return_X_y=True)
    return [mlp, ModuleCase("cnn", SmallCnn, (x / 16).astype(np.float32).reshape(-1, 1, 8, 8), y, 64, 10)]


def by_tenfold(case: ModuleCase, folds: list[Any], rates: tuple[float, ...], parts: int = 1) -> float:
    """All recipes; mean accuracy, of every so many-th recipe alone, as the others train them."""
    recipes = [
        tenfold.Recipe(
            network=tenfold.Module(case.make), optimizer=tenfold.Adam(lr=rate), batch_size=case.batch,
            epochs=case.epochs, preprocess="none",
        )
        for rate in rates
    ]  # fmt: skip
    x = torch.from_numpy(case.x) if case.x.ndim > 2 else case.x
    found = tenfold.cross_validate(recipes, x, case.y, folds=folds, device="cpu")
    print(*found.notes, sep="\n")
    return float(np.mean([trial["curve"][-1] for trial in found.trials if trial["recipe"] % parts == 0]))


def by_loop(case: ModuleCase, folds: list[Any], rates: tuple[float, ...]) -> float:
    """One trial after another, validation after every epoch; mean accuracy."""
    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y).long()
    scores: list[float] = []
    for rate in rates:
        for number, parts in enumerate(folds):
            train, validation = (torch.from_numpy(part) for part in parts)
            torch.manual_seed(number)
            model, criterion = case.make(), nn.CrossEntropyLoss()
            optimizer = torch.optim.Adam(model.parameters(), lr=rate)
            score = 0.0
            for _ in range(case.epochs):
                model.train()
                for batch in train[torch.randperm(len(train))].split(case.batch):
                    optimizer.zero_grad()
                    criterion(model(x[batch]), y[batch]).backward()
                    optimizer.step()
                model.eval()
                with torch.no_grad():
                    score = float((model(x[validation]).argmax(1) == y[validation]).float().mean())
            scores.append(score)
    return float(np.mean(scores))


def by_skorch(case: ModuleCase, folds: list[Any], rates: tuple[float, ...]) -> float:
    """Mean accuracy of a grid over the rates."""
    from joblib.externals.loky import get_reusable_executor
    from skorch import NeuralNetClassifier

    options: dict[str, Any] = {
        "criterion": nn.CrossEntropyLoss, "max_epochs": case.epochs, "batch_size": case.batch, "train_split": None,
        "iterator_train__shuffle": True, "verbose": 0, "optimizer": torch.optim.Adam,
    }  # fmt: skip
    grid = {"lr": list(rates)}
    search = GridSearchCV(NeuralNetClassifier(case.make, **options), grid, cv=folds, refit=False, n_jobs=cores())
    search.fit(case.x, case.y.astype(np.int64))
    get_reusable_executor().shutdown(wait=True)  # what its processes have used is known when they have ended
    return float(np.mean(search.cv_results_["mean_test_score"]))


def processor_seconds() -> float:
    """Of this process, and of those of its children that have ended."""
    own = os.times()
    return own.user + own.system + own.children_user + own.children_system


def main() -> None:
    """Time all, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--case", choices=["mlp", "cnn"])
    options = parser.parse_args()
    machine, rows = facts(), list[dict[str, Any]]()
    for case in (case for case in cases() if options.case in (None, case.name)):
        folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(case.x, case.y))
        for name, train in (("tenfold", by_tenfold), ("torch loop", by_loop), ("skorch", by_skorch)):
            rates = RATES if name == "tenfold" else RATES[:: options.parts]
            scale = len(RATES) / len(rates)
            start, before = time.perf_counter(), processor_seconds()
            more = {"parts": options.parts} if name == "tenfold" else {}
            score = train(case, folds, rates, **more)
            seconds, used = (time.perf_counter() - start) * scale, (processor_seconds() - before) * scale
            rows.append(
                {"case": case.name, "contestant": name, "seconds": seconds, "processor": used, "accuracy": score}
            )
            print(f"{case.name} {name}: {seconds:.1f} s, processor {used:.1f} s, accuracy {score:.4f}", flush=True)
    own = {row["case"]: row for row in rows if row["contestant"] == "tenfold"}
    head = ["case", "contestant", "seconds", "times Tenfold", "processor seconds", "times Tenfold", "accuracy"]
    table = [head, ["---"] * len(head)]
    for row in rows:
        numbers: list[str] = []
        for what in ("seconds", "processor"):
            numbers += [f"{row[what]:.1f}", f"{row[what] / own[row['case']][what]:.1f}"]
        numbers.append(f"{row['accuracy']:.4f}")
        table.append([row["case"], row["contestant"], *numbers])
    lines = [describe(machine), "", *(f"| {' | '.join(cells)} |" for cells in table)]
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps({"machine": machine, "parts": options.parts, "rows": rows}, indent=1))
    options.out.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
