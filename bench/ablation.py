"""What does each part of the default for tables give? Each is added to those before it, on the same rows.

One recipe a step is cross-validated on a part of a table, its fold models predict the rows that were left out. The last
steps are the default search itself: its winner's fold models, then its blend. What is compared are 1 - AUC of two
classes, log loss of several, RMSE of numbers, each against the step before.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tenfold
from bench.held_out import METRIC, held_out, model_error
from bench.machine import describe, facts, processor_seconds
from bench.quality_tables import TABLES, BenchTable
from bench.speed import RESULTS, markdown
from tenfold.problem.default_space import default_space
from tenfold.problem.from_arrays import understand
from tenfold.problem.table_space import most_bins
from tenfold.rules.rate_factors import REALMLP_FACTORS

if TYPE_CHECKING:
    from tenfold.engine.plan.size import Size

ON = ("phoneme", "churn_telco", "krkopt", "satimage", "california_housing", "seoul_bike")
WINNER, BLEND = "the default search: the winner", "its blend"
# Found on the way to the default and not in it.
ASIDE = "-> "


def steps(task: str, size: Size) -> dict[str, dict[str, Any]]:
    """The recipe of every step; those that begin with "-> " are tried in its place and not built upon."""
    numbers = task == "regression"
    rate = 0.05 if numbers else 0.02
    recipe: dict[str, Any] = {
        "preprocess": "standardize",
        "network": {"hidden": [128, 128, 128], "activation": "relu"},
        "optimizer": {"adamw": {"lr": 3e-3}},
        "weight_decay": 0.01,
        "decay": "cosine",
        "batch_size": 64,
        "epochs": 54,
    }
    found = {"ReLU, standardized, AdamW, cosine": recipe}

    def add(name: str, network: dict[str, Any] | None = None, **more: Any) -> None:
        last = next(found[name] for name in reversed(found) if not name.startswith(ASIDE))
        found[name] = {**last, **more, "network": {**last["network"], **(network or {})}}

    add(f"{ASIDE}quantile_normal", preprocess="quantile_normal")
    add("robust_clip", preprocess="robust_clip")
    add("rates by kind of parameter, beta2 0.95", rate_factors=REALMLP_FACTORS,
        optimizer={"adamw": {"lr": rate, "beta2": 0.95}})  # fmt: skip
    add("scaling layer", {"scale": True})
    add("data-driven initialization", init="data_driven")
    add("parametric activation", {"activation": {"parametric": "mish" if numbers else "selu"}})
    add("dropout 0.25 and decay 0.02, both flat_cos", {"dropout": 0.25}, weight_decay=0.02, dropout_schedule="flat_cos",
        weight_decay_schedule="flat_cos")  # fmt: skip
    if numbers:
        add("clipped predictions", clip_predictions=True)
    else:
        add(f"{ASIDE}smoothing 0.1", loss={"cross_entropy": {"smoothing": 0.1}})
    add(f"{ASIDE}PBLD", {"embedding": "pbld"})
    add(f"{ASIDE}PLE, a learned map to 8", {"embedding": {"ple": {"bins": most_bins(size), "size": 8}}})
    add("PLE", {"embedding": {"ple": {"bins": most_bins(size)}}})
    add(f"{ASIDE}8 views", {"views": 8})
    add("coslog, base 3, in place of the cosine", decay={"coslog": {"base": 3, "cycles": 4}})
    add(f"{ASIDE}coslog, base 2", decay="coslog")
    return found


def errors(table: BenchTable, data: Path, rows: int, seed: int) -> list[dict[str, Any]]:
    """One line a step: the test error of its fold models, lower is better, and its processor seconds."""
    train, test = held_out(table, data, rows, seed)
    task = "regression" if table.kind == "number" else "classification"
    x, y = train.drop(columns=table.target), train[table.target].to_numpy()
    size = understand(x, y, task).problem(5).size
    common: dict[str, Any] = {"seed": seed, "task": task, "metric": METRIC[table.kind], "device": "cpu"}

    lines = []
    for name, recipe in steps(task, size).items():
        before = processor_seconds()
        space = tenfold.Space.from_dict({"first": [recipe], **recipe})
        found = tenfold.search(space, x, y, trials=1, **common)
        error = model_error(found.refit("ensemble"), table, test)
        lines.append({"table": table.name, "seed": seed, "step": name, "error": error})
        lines[-1]["processor"] = round(processor_seconds() - before, 1)
        print(lines[-1], flush=True)
    before = processor_seconds()
    space = default_space(size, rows=len(train), task=task)
    found = tenfold.search(space, x, y, trials=16, strategy="halving", **common)
    used = round(processor_seconds() - before, 1)
    for name, way in ((WINNER, "ensemble"), (BLEND, "blend")):
        error = model_error(found.refit(way), table, test)
        lines.append({"table": table.name, "seed": seed, "step": name, "error": error, "processor": used})
        print(lines[-1], flush=True)
    return lines


def rows_of(lines: list[dict[str, Any]]) -> list[list[str]]:
    """A row a step: its errors, table by table, and the geometric mean of them by those of the step before, over the
    tables that have both."""
    names: list[str] = []
    for last, line in zip([None, *lines], lines, strict=False):
        if line["step"] not in names:
            names.insert(names.index(last["step"]) + 1 if last else 0, line["step"])
    tables = list(dict.fromkeys(line["table"] for line in lines))
    found = {
        (step, table): float(np.mean([one["error"] for one in lines if (one["step"], one["table"]) == (step, table)]))
        for step, table in {(line["step"], line["table"]) for line in lines}
    }
    rows, kept = [], dict.fromkeys(tables, "")
    for step in names:
        having = [table for table in tables if (step, table) in found]
        ratios = [found[step, table] / found[kept[table], table] for table in having if kept[table]]
        change = f"{np.expm1(np.mean(np.log(ratios))):+.1%}" if ratios else ""
        better = f"{sum(ratio < 1 for ratio in ratios)} of {len(ratios)}" if ratios else ""
        rows.append([step, *(f"{found[step, t]:.4g}" if t in having else "" for t in tables), change, better])
        if not step.startswith(ASIDE):
            kept.update(dict.fromkeys(having, step))
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Measure and write ablation.json, with a table beside it."""
    asked = argparse.ArgumentParser(prog="python -m bench.ablation", description=__doc__)
    asked.add_argument("--data", type=Path, required=True, metavar="DIR")
    asked.add_argument("--rows", type=int, default=2000)
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--tables", nargs="*", default=list(ON))
    asked.add_argument("--out", type=Path, default=RESULTS / "ablation.json")
    given = asked.parse_args(arguments)
    lines: list[dict[str, Any]] = []
    for table in (table for table in TABLES if table.name in given.tables):
        for seed in range(given.seeds):
            lines += errors(table, given.data, given.rows, seed)
    names = tuple(dict.fromkeys(line["table"] for line in lines))
    table = markdown(rows_of(lines), ("added", *names, "error by the step before", "better"))
    machine = facts()
    given.out.write_text(json.dumps({"machine": machine, "rows": given.rows, "lines": lines}, indent=1) + "\n")
    text = f"Command: `python -m bench.ablation --data DIR --rows {given.rows}`\n\n{describe(machine)}\n\n{table}"
    given.out.with_suffix(".md").write_text(text)
    print(table)


if __name__ == "__main__":
    main()
