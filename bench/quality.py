"""Are the predictions of a plain `tenfold fit` better than those of boosted trees? All on the same rows.

Every table is divided once (a third as test) or in `--folds`; each contestant gets the training rows as a CSV file and
predicts the test rows, in a process of its own. What is compared are errors: 1 - AUC of two classes, log loss of
several, RMSE of numbers; and over all tables the geometric mean of Tenfold's error by a rival's, with an interval from
drawing tables.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from bench.machine import describe, facts, processor_seconds
from bench.quality_contestants import RIVALS
from bench.quality_tables import TABLES, BenchTable, divisions, read_frame
from bench.speed import RESULTS, markdown
from bench.tables import PROGRAM

Array = np.ndarray
TENFOLD = "tenfold"
LEAST = 1e-15  # probabilities are at least this in a log loss, as in scikit-learn
DRAWS = 10_000
NORMAL = 1.96  # standard errors in half of a 95 % interval


def tenfold(table: BenchTable, train: Path, test: Path, folder: Path, more: list[str]) -> tuple[Array, list[str], Any]:
    """Predictions of `tenfold fit` at its defaults, the classes, and the summary; nobody tells it what is compared. The
    test rows are its sealed ones, so that it learns from as many rows as the others."""
    run = folder / "run"
    fit = ["fit", str(train), "--target", table.target, "--test", str(test), "--out", str(run), *more]
    fit += ["--task", "regression"] if table.kind == "number" else ["--task", "classification"]
    fit += ["--groups", table.groups] if table.groups else []
    _run(fit)
    out = folder / "predictions.csv"
    _run(["predict", str(run), str(test), "-o", str(out), *([] if table.kind == "number" else ["--proba"])])
    with out.open(encoding="utf-8") as lines:
        header, *body = csv.reader(lines)
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    if table.kind == "number":
        return np.array([float(row[header.index("prediction")]) for row in body]), [], summary
    places = [i for i, name in enumerate(header) if name.startswith("p_")]
    outputs = np.array([[float(row[i]) for i in places] for row in body])
    return outputs, [header[i].removeprefix("p_") for i in places], summary


def _run(arguments: list[str]) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=True, stdout=subprocess.DEVNULL)


def error(table: BenchTable, truth: Array, outputs: Array, classes: list[str]) -> float:
    """The error of predictions: lower is better."""
    if table.kind == "number":
        return float(np.sqrt(np.mean((truth.astype(float) - outputs) ** 2)))
    known = {name: i for i, name in enumerate(classes)}
    y = np.array([known[str(label)] for label in truth])
    if table.kind == "binary":
        return 1.0 - float(roc_auc_score(y, outputs[:, 1]))
    shares = np.clip(outputs, LEAST, None)
    return float(log_loss(y, shares / shares.sum(1, keepdims=True), labels=np.arange(len(classes))))


def contest(name: str, table: BenchTable, train: Path, test: Path, truth: Array, more: list[str]) -> dict[str, Any]:
    """One contestant on one division: its error, and its seconds, of the wall and of all processors."""
    before, begun = processor_seconds(children=True), time.perf_counter()
    summary: Any = None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if name == TENFOLD:
            outputs, classes, summary = tenfold(table, train, test, folder, more)
        else:
            out = folder / "outputs.npz"
            arguments = [sys.executable, "-m", "bench.quality_contestants", name, str(train), str(test), table.name]
            subprocess.run([*arguments, str(out)], check=True, stdout=subprocess.DEVNULL)
            with np.load(out) as found:
                outputs, classes = found["outputs"], [str(label) for label in found["classes"]]
    result = {"wall": time.perf_counter() - begun, "processor": processor_seconds(children=True) - before}
    result["error"] = error(table, truth, outputs, classes)
    if table.kind == "number":
        result["r2"] = 1 - result["error"] ** 2 / float(np.var(truth.astype(float)))
    else:
        result["accuracy"] = float((np.array(classes)[outputs.argmax(1)] == truth.astype(str)).mean())
    if summary is not None:
        result |= promise(summary)
    return result


def promise(summary: dict[str, Any]) -> dict[str, Any]:
    """What the run said of that which predicts, before the test rows were opened, and what these gave."""
    best, test = summary["best"], summary["test"]
    several = (best["model"] or {}).get("corrected") is not None  # a blend has a corrected score of its own
    predicts = best["model"] if several else best
    result = {key: predicts[key] for key in ("cv_mean", "corrected", "corrected_interval")}
    result |= {"kept": best["kept"], "networks": (best["model"] or {}).get("networks")}
    result |= {"metric": summary["metric"], "recipes": summary["recipes"], "winner": best["recipe"]}
    return result | {"test": test["score"], "test_interval": test["interval"]}


def compare(table: BenchTable, asked: Any, known: dict[str, Any], label: str) -> None:
    """Every contestant on the divisions of a table, into `known`, which has a result for each that was run before."""
    frame = read_frame(table, asked.data)
    for number, (train, test) in enumerate(divisions(table, frame, asked.folds, asked.seed)):
        with tempfile.TemporaryDirectory() as scratch:
            paths = [Path(scratch) / f"{table.name}.csv", Path(scratch) / "test.csv"]
            frame.iloc[train].to_csv(paths[0], index=False)
            frame.iloc[test].to_csv(paths[1], index=False)
            truth = frame[table.target].to_numpy()[test]
            for name in asked.contestants:
                key = label if name == TENFOLD else name
                found = known.setdefault(table.name, {}).setdefault(key, {})
                if str(number) in found and not asked.again:
                    continue
                try:
                    found[str(number)] = contest(name, table, paths[0], paths[1], truth, asked.fit)
                except subprocess.CalledProcessError as fault:
                    print(f"{table.name}: {name} failed: {fault}", flush=True)
                    continue
                one = found[str(number)]
                print(
                    f"{table.name:20s} {key:14s} {table.error} {one['error']:.5g}  {one['wall']:.0f} s, "
                    f"{one['processor']:.0f} s of processors", flush=True,
                )  # fmt: skip


def geometric(ratios: Array) -> tuple[float, float, float]:
    """The geometric mean of the ratios and its 95 % interval, by drawing tables."""
    logs = np.log(ratios)
    means = logs[np.random.default_rng(0).integers(len(logs), size=(DRAWS, len(logs)))].mean(1)
    low, high = np.exp(np.quantile(means, [0.025, 0.975]))
    return float(np.exp(logs.mean())), float(low), float(high)


def summary_lines(known: dict[str, Any], label: str) -> list[list[str]]:
    """For every other contestant: tables, geometric mean of errors by its own, tables won, seconds of both."""
    rivals = dict.fromkeys(name for found in known.values() for name in found if name != label)
    lines = []
    for rival in rivals:
        pairs = [
            (mean(found[label]), mean(found[rival])) for found in known.values() if label in found and rival in found
        ]
        pairs = [pair for pair in pairs if pair[0] and pair[1]]
        if not pairs:
            continue
        ratios = np.array([mine["error"] / other["error"] for mine, other in pairs])
        middle, low, high = geometric(ratios)
        seconds = [np.mean([one["processor"] for one in side]) for side in zip(*pairs, strict=True)]
        lines.append([
            rival, str(len(pairs)), f"{middle:.3f} [{low:.3f}, {high:.3f}]", f"{int((ratios < 1).sum())}",
            f"{seconds[0]:.0f}", f"{seconds[1]:.0f}",
        ])  # fmt: skip
    return lines


def mean(found: dict[str, Any]) -> dict[str, float]:
    """Means of a contestant's divisions."""
    return {
        key: float(np.mean([one[key] for one in found.values()]))
        for key in ("error", "wall", "processor", "r2", "accuracy")
        if found and all(key in one for one in found.values())
    }


def table_lines(known: dict[str, Any]) -> tuple[list[list[str]], tuple[str, ...]]:
    """The errors of all contestants, table by table."""
    names = list(dict.fromkeys(name for found in known.values() for name in found))
    lines = []
    for table in TABLES:
        found = known.get(table.name)
        if not found:
            continue
        means = {name: mean(found.get(name, {})) for name in names}
        errors = [f"{means[name]['error']:.4g}" if means[name] else "" for name in names]
        lines.append([table.name, table.error, *errors])
    return lines, ("table", "error", *names)


def honesty_lines(known: dict[str, Any], label: str) -> list[list[str]]:
    """What Tenfold's corrected score of that which predicts promised, and what the sealed test rows gave: their
    difference by the standard errors of both, and whether the corrected interval has the test score."""
    lines = []
    for table in TABLES:
        for one in known.get(table.name, {}).get(label, {}).values():
            if "test_interval" not in one:
                continue
            (low, high), (least, most), test = one["corrected_interval"], one["test_interval"], one["test"]
            error = np.hypot(high - low, most - least) / (2 * NORMAL)
            lines.append([
                table.name, one["metric"], one["kept"], f"{one['corrected']:.4f}", f"[{low:.4f}, {high:.4f}]",
                f"{test:.4f}", f"[{least:.4f}, {most:.4f}]", f"{(one['corrected'] - test) / error:+.1f}",
                "yes" if low <= test <= high else "no",
            ])  # fmt: skip
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Run the contestants that were asked for; write quality.json and quality.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the .csv.gz files are")
    parser.add_argument("--only", nargs="+", default=[table.name for table in TABLES], metavar="TABLE")
    parser.add_argument("--contestants", nargs="+", default=[TENFOLD], choices=[TENFOLD, *RIVALS])
    parser.add_argument("--label", default=TENFOLD, help="what the results of this Tenfold are called")
    parser.add_argument("--folds", type=int, default=1, help="1: a fixed third as test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="run what was run before, too")
    parser.add_argument("--fit", nargs=argparse.REMAINDER, default=[], help="more options of `tenfold fit`, last")
    parser.add_argument("--out", type=Path, default=RESULTS / "quality.json", help="a markdown table goes beside it")
    asked = parser.parse_args(arguments)
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    machine = facts()
    print(describe(machine), flush=True)
    stored = json.loads(asked.out.read_text("utf-8")) if asked.out.is_file() else {"tables": {}}
    for table in TABLES:
        if table.name in asked.only:
            compare(table, asked, stored["tables"], asked.label)
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            asked.out.write_text(json.dumps({"machine": machine, "tables": stored["tables"]}, indent=1) + "\n", "utf-8")
    lines, head = table_lines(stored["tables"])
    against = ("against", "tables", "errors by its errors, geometric mean", "won", "our processor s", "its processor s")
    honest = (
        "table", "metric", "kept", "corrected", "its interval", "test", "its interval", "difference by both errors",
        "test in the first",
    )  # fmt: skip
    text = "\n\n".join([
        "Command: `python -m bench.quality --data DIR --contestants tenfold lightgbm catboost scikit_trees`",
        describe(machine), markdown(lines, head).strip(),
        markdown(summary_lines(stored["tables"], asked.label), against).strip(),
        markdown(honesty_lines(stored["tables"], asked.label), honest),
    ])  # fmt: skip
    asked.out.with_suffix(".md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
