"""The presets realmlp and realmlp_s against their authors' own package: the error after the last epoch, same rows.

Needs pytabkit (`pip install pytabkit`). Both train on the training part of a fold and predict its other rows; nothing
is chosen on these.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits, make_friedman1

from bench.machine import describe, facts
from bench.speed import RESULTS, markdown
from tenfold.data.feed.encode import matrix_inputs
from tenfold.data.split.request import Splits
from tenfold.engine.plan.shape import Shape
from tenfold.model.refit import train_lanes
from tenfold.problem.problem import Problem, make_problem
from tenfold.recipe.presets import recipe_preset
from tenfold.recipe.recipe import loss_of
from tenfold.statistics.metrics import metric_for

# Rows of which the training parts are whole batches of 256: pytabkit drops what is left over.
CLASSES, NUMBERS = 640, 1280


def tables() -> dict[str, tuple[np.ndarray, np.ndarray, tuple[str, ...]]]:
    """Inputs, target and classes by name."""
    x, y = load_digits(return_X_y=True)
    friedman = make_friedman1(NUMBERS, n_features=10, noise=1.0, random_state=0)
    labels = tuple(map(str, range(10)))
    return {"digits": (x[:CLASSES], y[:CLASSES].astype(np.int64), labels), "friedman1": (*friedman, ())}


def ours(problem: Problem, name: str, folds: list[int]) -> list[np.ndarray]:
    """Readable outputs of the validation rows of these folds, by Tenfold."""
    recipe = recipe_preset(name, problem.task)
    feed = problem.feed([recipe], torch.device("cpu"), torch.float32)
    total = Shape.of(recipe, problem.size, problem.folds).dealing.updates * recipe.epochs
    lanes = train_lanes(problem, recipe, feed, total, on=folds)
    link = loss_of(recipe, bool(problem.classes)).link
    return [
        problem.readable(raw, lane.fold, link, clip=recipe.clip_predictions)
        for lane, raw in zip(lanes.lanes, lanes.evaluate(), strict=True)
    ]


def theirs(problem: Problem, name: str, folds: list[int], seed: int) -> list[np.ndarray]:
    """The same by pytabkit."""
    import pytabkit

    kind = "Classifier" if problem.classes else "Regressor"
    make = getattr(pytabkit, f"RealMLP_TD{'_S' if name == 'realmlp_s' else ''}_{kind}")
    found: list[np.ndarray] = []
    for number in folds:
        fold, x = problem.folds[number], problem.inputs.numbers
        model = make(device="cpu", random_state=seed, n_cv=1, n_refit=0, val_fraction=0.0, n_threads=1, verbosity=0)
        model.fit(x[fold.train], problem.y[fold.train])
        part = x[fold.validation]
        found.append(model.predict_proba(part) if problem.classes else model.predict(part).reshape(-1, 1))
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train, compare, and write realmlp.md and realmlp.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.realmlp", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=2, help="of five, that are trained on")
    parser.add_argument("--out", type=Path, default=RESULTS / "realmlp.json", help="a markdown table goes beside it")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    machine, rows = facts(), list[dict[str, Any]]()
    for table, (x, y, classes) in tables().items():
        metric = metric_for("classification" if classes else "regression", "log-loss" if classes else "rmse")
        for name in ("realmlp", "realmlp_s"):
            for seed in range(asked.seeds):
                problem, _ = make_problem(matrix_inputs(x), y, classes, metric, Splits(folds=5, seed=seed))
                folds = list(range(asked.folds))
                for who in ("tenfold", "pytabkit"):
                    begun = time.monotonic()
                    outputs = ours(problem, name, folds) if who == "tenfold" else theirs(problem, name, folds, seed)
                    scores = [
                        float(metric.score(y[problem.folds[number].validation], part[None])[0])
                        for number, part in zip(folds, outputs, strict=True)
                    ]
                    rows.append({"table": table, "preset": name, "seed": seed, "who": who, "scores": scores,
                                 "seconds": time.monotonic() - begun})  # fmt: skip
                    print(rows[-1], flush=True)
    lines = []
    for table in tables():
        for name in ("realmlp", "realmlp_s"):
            own = [[r for r in rows if (r["table"], r["preset"], r["who"]) == (table, name, who)]
                   for who in ("tenfold", "pytabkit")]  # fmt: skip
            cells = [f"{np.mean([r['scores'] for r in part]):.4f} ({np.mean([r['seconds'] for r in part]):.0f} s)"
                     for part in own]  # fmt: skip
            spread = np.std([np.mean(r["scores"]) for r in own[1]])
            lines.append([table, name, *cells, f"{spread:.4f}"])
    header = ("table", "preset", "tenfold", "pytabkit", "its spread over seeds")
    text = f"Command: `python -m bench.realmlp`\n\n{describe(machine)}\n\n{markdown(lines, header)}"
    print(text)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"machine": machine, "runs": rows}, indent=1) + "\n")
    asked.out.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
