"""Does a pack equal its trials alone and plain torch, on this machine and device? Exit code 1 if not.

Every activation with every optimizer, batch normalization and dropout on and off, unequal folds, 200 updates.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer

from tenfold.data.split.folds import make_folds
from tenfold.recipe.recipe import Recipe

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engine"))
plain: Any = importlib.import_module("plain")  # the slow twin of the tests: torch.nn, torch.optim and a LambdaLR

UPDATES = 200
FOLD = 4  # of 5, one with fewer training rows than the longest
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}  # relative to the largest output of the trial, at least 1
OPTIMIZERS = (
    {"sgd": {"lr": 0.05}}, {"momentum": {"lr": 0.01}}, {"nesterov": {"lr": 0.01}}, {"adagrad": {"lr": 0.01}},
    {"rmsprop": {"lr": 1e-3}}, {"adam": {"lr": 1e-3}}, {"adamw": {"lr": 1e-3}},
)  # fmt: skip
ACTIVATIONS = ("relu", "tanh", "sigmoid", "leaky_relu", "elu")
DECAYS = ("none", {"cosine": {"warmup": 0.1}}, "exponential")


@dataclass(frozen=True)
class Worst:
    """The largest relative differences of a pack's outputs from those of its trials alone and of plain torch, with
    the recipes that they come from; bits: whether all outputs alone had the very same bits."""

    alone: float
    plain: float
    bits: bool
    where: str


def recipes(normalization: str, dropout: float) -> list[Recipe]:
    """Every activation with every optimizer; decay, weight decay and clipping vary along."""
    pairs = itertools.product(ACTIVATIONS, OPTIMIZERS)
    return [
        Recipe.from_dict({
            "network": {
                "hidden": [32, 20], "activation": activation, "normalization": normalization, "dropout": dropout
            },
            "optimizer": optimizer, "decay": DECAYS[i % 3], "weight_decay": [0.0, 1e-3][i % 2],
            "clip_norm": [None, 0.5][i % 2], "batch_size": 32, "epochs": 20,
        })
        for i, (activation, optimizer) in enumerate(pairs)
    ]  # fmt: skip


def compare(found: list[Recipe], dtype: torch.dtype, device: str, every: int) -> Worst:
    """Train all recipes in one pack; then every `every`-th alone, and with plain torch on the CPU."""
    data: Any = load_breast_cancer()
    x, y = data.data, data.target.astype(np.int64)
    folds = make_folds(y, 5, classification=True, seed=0)
    pack = plain.make_pack(found, x, y, folds, dtype, device=device)
    start = plain.init_layers(pack)
    plain.run(pack, UPDATES)
    differences: list[tuple[float, float, bool, str]] = [(0.0, 0.0, True, "")]
    for lane, together in zip(pack.lanes, pack.evaluate(), strict=True):
        if lane.fold != FOLD or lane.number % every:
            continue
        key = lane.number, lane.fold
        single = plain.make_pack(found, x, y, folds, dtype, keep={key}, device=device)
        alone = plain.run(single, UPDATES).evaluate()[0]
        model, rows = plain.train_plain(
            lane.recipe, x, y, folds[FOLD], UPDATES, shape=pack.shape, layers=start[key], dtype=dtype
        )
        twin = model(rows).detach().numpy()
        size = max(1.0, float(np.abs(twin).max()))
        from_alone, from_plain = (float(np.abs(together - other).max()) / size for other in (alone, twin))
        differences.append((from_alone, from_plain, bool(np.array_equal(together, alone)), lane.recipe.describe()))
    return Worst(
        max(d[0] for d in differences), max(d[1] for d in differences), all(d[2] for d in differences),
        max(differences, key=lambda d: max(d[0], d[1]))[3],
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Print the worst differences; exit 1 if one is above its tolerance or is no number."""
    found = argparse.ArgumentParser(prog="python -m bench.equal", description=__doc__)
    found.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    found.add_argument("--every", type=int, default=1, help="compare every n-th recipe (default: all 35)")
    asked = found.parse_args(arguments)
    torch.set_num_threads(1)
    good = True
    for dtype, normalization, dropout in itertools.product(TOLERANCE, ("none", "batch"), (0.0, 0.3)):
        worst = compare(recipes(normalization, dropout), dtype, asked.device, asked.every)
        here = max(worst.alone, worst.plain) <= TOLERANCE[dtype]
        good &= here
        print(
            f"{str(dtype).removeprefix('torch.')}, normalization {normalization}, dropout {dropout}: "
            f"alone {worst.alone:.1e}{' (same bits)' if worst.bits else ''}, plain torch {worst.plain:.1e}; "
            f"{'ok' if here else 'TOO FAR'} at {TOLERANCE[dtype]:.0e}, worst: {worst.where}",
            flush=True,
        )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
