"""What racing saves and what it risks: 81 recipes, 81 epochs, raced and trained to the end with the same seeds."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import describe, facts
from bench.speed import RESULTS, markdown
from tenfold import Space, search
from tenfold.search.leaderboard import leaderboard_row
from tenfold.statistics.rate_interval import binomial_interval

STRATEGIES = ("halving", "hyperband", "racing")
SLOW_SEEDS = 2  # with which the slower strategies are measured too
ROWS, EPOCHS = 1000, 81
TABLES = {
    "wine_quality": ("quality", "regression"),
    "churn_telco": ("churn", "classification"),
    "california_housing": ("median_house_value", "regression"),
}
SETS = ("digits", *TABLES)
SPACE = {
    "network": {"hidden": [[32], [64], [32, 32]], "activation": ["relu", "tanh", "elu"], "dropout": [0.0, 0.2, 0.5]},
    "optimizer": {"adam": {"lr": [3e-4, 3e-3, 3e-2]}},
    "batch_size": 256,
    "epochs": EPOCHS,
}
TRIALS = 81
HEAD = ("data", "metric", "strategy", "seeds", "within one se of the best", "regret in se, mean (worst)",
        "epochs trained", "times faster, median [least, most]")  # fmt: skip


def load(name: str, data: Path | None, seed: int) -> tuple[Any, np.ndarray, str]:
    """X, y and the task: 1,000 rows that the seed chooses."""
    rng = np.random.default_rng(seed)
    if name == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        rows = rng.choice(len(y), ROWS, replace=False)
        return x[rows], y[rows], "classification"
    import pandas as pd

    assert data is not None
    target, task = TABLES[name]
    frame = pd.read_csv(data / f"{name}.csv.gz").sample(ROWS, random_state=seed).reset_index(drop=True)
    return frame.drop(columns=target), frame[target].to_numpy(), task


def one_seed(name: str, data: Path | None, seed: int) -> dict[str, Any]:
    """The exhaustive search and every race over the grid with one seed."""
    x, y, task = load(name, data, seed)
    races = STRATEGIES if seed < SLOW_SEEDS else STRATEGIES[:1]
    return {"data": name, "seed": seed, **races_of(Space.from_dict(SPACE), TRIALS, x, y, task, seed, races)}


def races_of(
    space: Space, trials: int, x: Any, y: np.ndarray, task: str, seed: int, races: tuple[Any, ...]
) -> dict[str, Any]:
    """The exhaustive search and these races with one seed, in an order that turns with it."""
    names = ("exhaustive", *races)
    found: dict[str, Any] = {}
    for strategy in (*names[seed % len(names) :], *names[: seed % len(names)]):
        start = time.perf_counter()
        result = search(space, x, y, trials=trials, strategy=strategy, seed=seed, task=task, device="cpu")
        found[strategy] = {"seconds": time.perf_counter() - start, "trained": result.trained}
    whole = found["exhaustive"]["trained"]
    best, sign = whole.best(), whole.problem.metric.sign
    row = leaderboard_row(whole, best)
    line: dict[str, Any] = {
        "metric": whole.problem.metric.name, "best": row["mean"], "se": row["se"], "blend": whole.blend.mean,
        "seconds": found["exhaustive"]["seconds"], "races": {},
    }  # fmt: skip
    for strategy in sorted(set(names) - {"exhaustive"}):
        raced = found[strategy]["trained"]
        picked = whole.mean(raced.best())
        made, of_all = raced.epochs()
        line["races"][strategy] = {
            "regret": sign * (row["mean"] - picked), "within": bool(sign * (row["mean"] - picked) <= row["se"]),
            "blend": raced.blend.mean, "seconds": found[strategy]["seconds"], "epochs": made / of_all,
        }  # fmt: skip
    return line


def table(lines: list[dict[str, Any]]) -> list[list[str]]:
    """One line of the table for each data set and strategy."""
    rows = []
    for name in dict.fromkeys(line["data"] for line in lines):
        mine = [line for line in lines if line["data"] == name]
        for strategy in STRATEGIES:
            raced = [line for line in mine if strategy in line["races"]]
            races = [line["races"][strategy] for line in raced]
            if not races:
                continue
            within = sum(race["within"] for race in races)
            low, _ = binomial_interval(within, len(races))
            regret = [race["regret"] / line["se"] for race, line in zip(races, raced, strict=True)]
            ratio = [line["seconds"] / race["seconds"] for race, line in zip(races, raced, strict=True)]
            rows.append([
                name, mine[0]["metric"], strategy, str(len(races)), f"{within} of {len(races)} (at least {low:.0%})",
                f"{statistics.mean(regret):.2f} ({max(regret):.2f})",
                f"{statistics.mean(race['epochs'] for race in races):.1%}",
                f"{statistics.median(ratio):.1f} [{min(ratio):.1f}, {max(ratio):.1f}]",
            ])  # fmt: skip
    return rows


def write(out: Path, command: str, machine: dict[str, Any], lines: list[dict[str, Any]], text: str) -> None:
    """All results so far, and their table beside them."""
    out.write_text(json.dumps({"machine": machine, "rows": ROWS, "results": lines}, indent=1) + "\n")
    out.with_suffix(".md").write_text(f"Command: `python -m {command} --data DIR`\n\n{describe(machine)}\n\n{text}")


def asked_for(arguments: list[str] | None, program: str, purpose: str | None, out: Path, seeds: int) -> Any:
    """The options of a comparison over seeds and data sets."""
    found = argparse.ArgumentParser(prog=f"python -m {program}", description=purpose)
    found.add_argument("--data", type=Path, metavar="DIR", help="where the .csv.gz files are; without: digits alone")
    found.add_argument("--sets", nargs="+", choices=SETS, default=None)
    found.add_argument("--seeds", type=int, default=seeds)
    found.add_argument("--out", type=Path, default=out)
    asked = found.parse_args(arguments)
    asked.program, asked.sets = program, asked.sets or (SETS if asked.data else ("digits",))
    return asked


def sweep(asked: Any, machine: dict[str, Any], one_seed: Callable[..., Any], table: Callable[..., str]) -> None:
    """Seed after seed on the sets that were asked for; what is in the file already is not measured again."""
    lines: list[dict[str, Any]] = []
    if asked.out.exists():
        before = json.loads(asked.out.read_text())
        machine, lines = before["machine"], before["results"]
    for seed in range(asked.seeds):
        for name in asked.sets:
            if not any((line["data"], line["seed"]) == (name, seed) for line in lines):
                lines.append(one_seed(name, asked.data, seed))
                write(asked.out, asked.program, machine, lines, table(lines))
        print(table(lines), flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Race on the sets that were asked for."""
    asked = asked_for(arguments, "bench.racing", __doc__, RESULTS / "racing.json", 20)
    sweep(asked, facts(), one_seed, lambda lines: markdown(table(lines), HEAD))


if __name__ == "__main__":
    main()
