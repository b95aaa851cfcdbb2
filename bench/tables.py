"""`tenfold fit` with its default settings on real tables, against its baselines and its own sealed test rows."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.machine import describe, facts
from bench.speed import RESULTS, markdown

TARGETS = {
    "churn_telco": "churn",
    "titanic": "Survived",
    "wine_quality": "quality",
    "california_housing": "median_house_value",
    "bike_hourly": "cnt",
}
HEAD = (
    "table", "rows", "metric", "recipes", "wall s", "CV mean ± se", "dummy", "linear", "boosting", "minus boosting",
    "minus linear, in se", "test [95 % interval]", "test − CV, in se", "within noise",
)  # fmt: skip
PROGRAM = "from tenfold.cli.main import entry; entry()"  # the console script, with this interpreter
NORMAL_95 = 1.96
FAR = 2.0  # standard errors of the difference beyond which a test score is not within noise


def fit(data: Path, target: str) -> tuple[dict[str, Any], float]:
    """The summary of one run with default settings, and its wall seconds from start to end of the program.

    Raises `subprocess.CalledProcessError` when the program fails; its messages are on the screen.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        arguments = [sys.executable, "-c", PROGRAM, "fit", str(data), "--target", target, "--out", str(out)]
        start = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        return json.loads((out / "summary.json").read_text()), seconds


def result(name: str, summary: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What the table says of a run.

    sigma: (test - CV mean) / sqrt(se_CV^2 + se_test^2), with se_test = width of the 95 % interval / (2 * 1.96).
    """
    best, base, test = summary["best"], summary["baselines"], summary["test"]
    low, high = test["interval"]
    error = math.hypot(best["cv_se"], (high - low) / (2 * NORMAL_95))
    sign = 1 if summary["higher_is_better"] else -1
    return {
        "table": name,
        "rows": sum(summary["rows"].values()),
        "metric": summary["metric"],
        "recipes": summary["recipes"],
        "seconds": seconds,
        "cv_mean": best["cv_mean"],
        "cv_se": best["cv_se"],
        "baselines": base,
        "minus_boosting": _minus(best["cv_mean"], base.get("boosting"), sign),
        "minus_linear_se": _minus(best["cv_mean"], base.get("linear"), sign / best["cv_se"]),
        "test": test["score"],
        "test_interval": [low, high],
        "sigma": (test["score"] - best["cv_mean"]) / error,
        "winner": best["recipe"],
    }


def _minus(mine: float, other: float | None, scale: float) -> float | None:
    """Positive when mine is better; nothing when the other was not measured."""
    return None if other is None else (mine - other) * scale


def line(found: dict[str, Any]) -> list[str]:
    """A result as a line of the table."""
    base = found["baselines"]
    low, high = found["test_interval"]
    return [
        found["table"], str(found["rows"]), found["metric"], str(found["recipes"]), f"{found['seconds']:.0f}",
        f"{found['cv_mean']:.4f} ± {found['cv_se']:.4f}",
        *(_number(base.get(name), ".4f") for name in ("dummy", "linear", "boosting")),
        _number(found["minus_boosting"], "+.4f"), _number(found["minus_linear_se"], "+.1f"),
        f"{found['test']:.4f} [{low:.4f}, {high:.4f}]", f"{found['sigma']:+.1f}",
        "yes" if abs(found["sigma"]) <= FAR else "no",
    ]  # fmt: skip


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def main(arguments: list[str] | None = None) -> None:
    """Fit the tables that were asked for; write tables.md and tables.json."""
    found = argparse.ArgumentParser(prog="python -m bench.tables", description=__doc__)
    found.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the .csv.gz files are")
    found.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS), metavar="NAME")
    found.add_argument("--out", type=Path, default=RESULTS / "tables.json", help="a markdown table goes beside it")
    asked = found.parse_args(arguments)
    missing = [name for name in asked.only if not (asked.data / f"{name}.csv.gz").is_file()]
    if missing:
        found.error(f"not in the directory of --data: {', '.join(f'{name}.csv.gz' for name in missing)}")
    machine = facts()
    print(describe(machine), flush=True)
    results: list[dict[str, Any]] = []
    for name in asked.only:
        results.append(result(name, *fit(asked.data / f"{name}.csv.gz", TARGETS[name])))
        print(markdown([line(results[-1])], HEAD), flush=True)
        write(machine, results, asked.out)


def write(machine: dict[str, Any], results: list[dict[str, Any]], out: Path) -> None:
    """The results so far as JSON, and their table beside it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": machine, "tables": results}, indent=1) + "\n")
    table = markdown([line(one) for one in results], HEAD)
    out.with_suffix(".md").write_text(f"Command: `python -m bench.tables --data DIR`\n\n{describe(machine)}\n\n{table}")


if __name__ == "__main__":
    main()
