"""Is the winner's score honest? Random labels, duplicated rows, and rows that belong together."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from bench.machine import describe, facts
from bench.speed import RESULTS, markdown
from tenfold import Recipe, Space, audit, cross_validate, search

Array = np.ndarray
SPACE = Space.from_dict({
    "network": {"hidden": [[4], [8], [16], [8, 8]], "activation": ["relu", "tanh"], "dropout": [0.0, 0.3]},
    "optimizer": {"adam": {"lr": {"log_uniform": [1e-3, 1e-1]}}}, "batch_size": 16, "epochs": 10,
})  # fmt: skip
RECIPE = Recipe.from_dict({"network": {"hidden": [64]}, "optimizer": {"adam": {"lr": 1e-2}}, "epochs": 40})
NEAR = 0.03  # of chance, for the corrected score on average
HEAD = ("question", "seeds", "found", "demanded", "holds")


def random_labels(seeds: int) -> list[dict[str, Any]]:
    """60 rows, 10 columns, coin labels, 64 recipes: raw and corrected accuracy of the winner and of what a blend keeps,
    exhaustive and raced."""
    found = []
    for strategy in ("exhaustive", "halving"):
        scores = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            x, y = rng.normal(size=(60, 10)), rng.permutation(np.repeat([0, 1], 30))
            won = search(SPACE, x, y, trials=64, seed=seed, strategy=strategy, device="cpu")  # pyright: ignore
            blend = won.trained.blend
            corrected = won.corrected if blend.corrected is None else blend.corrected.score
            scores.append((won.table[0]["mean"], won.corrected, blend.mean, corrected))
        columns = np.array(scores).T
        for what, (raw, corrected) in (("", columns[:2]), ("what a blend keeps, ", columns[2:])):
            error = corrected.std(ddof=1) / len(corrected) ** 0.5
            found.append(line(
                f"random labels, 60 rows, 64 recipes, {strategy}: {what}raw {raw.mean():.3f}, corrected", seeds,
                f"{corrected.mean():.3f} +- {error:.3f}", f"within {NEAR} of 0.5", abs(corrected.mean() - 0.5) <= NEAR,
            ))  # fmt: skip
    return found


def duplicated_rows(seeds: int) -> list[dict[str, Any]]:
    """100 rows with coin labels, each there twice: by our folds, and by folds that ignore the copies."""
    ours, naive = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x, y = np.repeat(rng.normal(size=(100, 10)), 2, axis=0), np.repeat(rng.integers(0, 2, 100), 2)
        ours.append(cross_validate(RECIPE, x, y, seed=seed, device="cpu").table[0]["mean"])
        apart = x + 1e-9 * rng.normal(size=x.shape)  # copies that do not look like copies
        naive.append(cross_validate(RECIPE, apart, y, seed=seed, device="cpu").table[0]["mean"])
    return [
        line("every row twice, random labels: accuracy", seeds, f"{np.mean(ours):.3f}", "0.50 +- 0.05",
             abs(np.mean(ours) - 0.5) <= 0.05),
        line("the same, copies told apart by 1e-9 and so on both sides", seeds, f"{np.mean(naive):.3f}",
             "far above chance", np.mean(naive) > 0.8),
    ]  # fmt: skip


def grouped_mice(data: Path) -> list[dict[str, Any]]:
    """mice_protein: 72 mice, 15 measurements each; the same recipe on rows divided at random, and by mouse."""
    import pandas as pd

    frame = pd.read_csv(data / "mice_protein.csv.gz")
    x, y, mouse = frame.drop(columns=["class", "mouse"]), frame["class"].to_numpy(), frame["mouse"].to_numpy()
    random, grouped = (
        cross_validate(RECIPE, x, y, groups=groups, device="cpu").table[0]["mean"] for groups in (None, mouse)
    )
    what = f"mice: accuracy {random:.3f} on rows divided at random, by mouse"
    return [line(what, 1, f"{grouped:.3f}", "well below", random - grouped > 0.1)]


def planted_leak() -> list[dict[str, Any]]:
    """The audit of a clean recipe, and of one behind a scaler that is fitted on all rows."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    clean = audit(RECIPE, x, y, epochs=5)
    leaking = audit(RECIPE, x, y, epochs=5, step=lambda values, train: StandardScaler().fit_transform(values))
    found = len({leak.fold for leak in leaking.leaks})
    return [
        line("audit of a recipe: folds that leak", 1, str(len(clean.leaks)), "0 of 5", clean.clean),
        line("audit of a scaler fitted on all rows: folds that leak", 1, str(found), "5 of 5", found == 5),
    ]


def line(question: str, seeds: int, found: str, demanded: str, holds: Any) -> dict[str, Any]:
    """One result."""
    return {"question": question, "seeds": seeds, "found": found, "demanded": demanded, "holds": bool(holds)}


def main(arguments: list[str] | None = None) -> None:
    """Measure everything and write honesty.json, with a table beside it. Exit code 1 if something does not hold."""
    found = argparse.ArgumentParser(prog="python -m bench.honesty", description=__doc__)
    found.add_argument("--data", type=Path, metavar="DIR", help="where mice_protein.csv.gz is; without: left out")
    found.add_argument("--seeds", type=int, default=20)
    found.add_argument("--out", type=Path, default=RESULTS / "honesty.json")
    asked = found.parse_args(arguments)
    machine = facts()
    results = [*planted_leak(), *duplicated_rows(asked.seeds)]
    results += grouped_mice(asked.data) if asked.data else []
    results += random_labels(asked.seeds)
    table = markdown([[str(one[key]) for key in HEAD] for one in results], HEAD)
    asked.out.write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")
    asked.out.with_suffix(".md").write_text(
        f"Command: `python -m bench.honesty --data DIR`\n\n{describe(machine)}\n\n{table}"
    )
    print(table)
    raise SystemExit(0 if all(one["holds"] for one in results) else 1)


if __name__ == "__main__":
    main()
