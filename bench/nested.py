"""Nested 5 x 5 cross-validation of 24 recipes, against scikit-learn's plain 5-fold search of the same recipes."""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.machine import cores, describe, facts
from bench.speed import RESULTS, markdown
from tenfold import Recipe, nested_cross_validate

EPOCHS, BATCH, HIDDEN = 30, 32, (32, 32)
RATES = np.logspace(-4, -1.5, 24)
HEAD = ("pair", "Tenfold, nested 5 x 5: 720 networks", "scikit-learn, plain 5 folds: 120 networks", "ratio",
        "nested score", "plain best score")  # fmt: skip


def ours(seed: int) -> tuple[float, float]:
    """Seconds and nested score."""
    x, y = load_breast_cancer(return_X_y=True)
    recipes = [
        Recipe.from_dict({
            "network": {"hidden": list(HIDDEN)}, "init": "xavier", "optimizer": {"adam": {"lr": float(lr)}},
            "decay": "none", "weight_decay": 0.0, "batch_size": BATCH, "epochs": EPOCHS,
        })
        for lr in RATES
    ]  # fmt: skip
    start = time.perf_counter()
    found = nested_cross_validate(recipes, x, y, folds=5, inner=5, seed=seed, device="cpu")
    return time.perf_counter() - start, found.score


def theirs(seed: int, jobs: int) -> tuple[float, float]:
    """Seconds and the raw score of the winner."""
    x, y = load_breast_cancer(return_X_y=True)
    network = MLPClassifier(
        HIDDEN, alpha=0.0, batch_size=BATCH, max_iter=EPOCHS, tol=0.0, n_iter_no_change=EPOCHS, random_state=seed
    )
    search = GridSearchCV(
        make_pipeline(StandardScaler(), network), {"mlpclassifier__learning_rate_init": RATES},
        cv=StratifiedKFold(5, shuffle=True, random_state=seed), n_jobs=jobs, refit=False,
    )  # fmt: skip
    start = time.perf_counter()
    search.fit(x, y)
    return time.perf_counter() - start, float(search.best_score_)


def main(arguments: list[str] | None = None) -> None:
    """Alternate the two; the first pair, which starts processes and libraries, is not counted."""
    found = argparse.ArgumentParser(prog="python -m bench.nested", description=__doc__)
    found.add_argument("--repeat", type=int, default=5)
    found.add_argument("--jobs", type=int, default=cores())
    found.add_argument("--out", type=Path, default=RESULTS / "nested.json")
    asked = found.parse_args(arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)
    machine, pairs = facts(), list[dict[str, Any]]()
    for seed in range(-1, asked.repeat):
        mine, score = ours(max(seed, 0))
        other, plain = theirs(max(seed, 0), asked.jobs)
        if seed >= 0:
            pairs.append({"seed": seed, "nested": mine, "plain": other, "score": score, "plain_score": plain})
    lines = [
        [str(p["seed"]), f"{p['nested']:.1f} s", f"{p['plain']:.1f} s", f"{p['plain'] / p['nested']:.2f}",
         f"{p['score']:.4f}", f"{p['plain_score']:.4f}"]
        for p in pairs
    ]  # fmt: skip
    ratio = [p["plain"] / p["nested"] for p in pairs]
    said = (
        f"Median ratio {statistics.median(ratio):.2f} [{min(ratio):.2f}, {max(ratio):.2f}]: above 1, Tenfold is faster."
    )
    table = markdown(lines, HEAD)
    asked.out.write_text(json.dumps({"machine": machine, "pairs": pairs}, indent=1) + "\n")
    text = f"Command: `python -m bench.nested`\n\n{describe(machine)}\n\n{table}\n{said}\n"
    asked.out.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
