"""Do the intervals cover and do the tests err as often as they say? 400 simulations each, fixed seeds.

The data are drawn from models whose true scores have a closed form or are the score of a very large sample. Exit code 1
when an interval at nominal 95 % covers in less than 90 %, or the corrected test errs in more than 8 % at 5 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm, ttest_rel
from sklearn import config_context
from sklearn.linear_model import Ridge
from sklearn.model_selection import RepeatedKFold

from bench.machine import describe, facts
from tenfold.statistics.corrected_t_test import corrected_t_test, least_difference
from tenfold.statistics.intervals import fold_interval, test_interval
from tenfold.statistics.metrics import METRICS
from tenfold.statistics.rate_interval import binomial_interval
from tenfold.statistics.winner_correction import corrected_score

Array = np.ndarray
LEAST, MOST = 0.90, 0.08
COLUMNS = 8
SIGNAL = 0.35  # of every informative column
CHOSEN = 16  # candidates of the corrected score
RESULTS = Path(__file__).parent / "results" / "honesty-statistics.json"


def predicted(task: str, rows: int, rng: np.random.Generator, units: int = 0) -> tuple[Array, Array, Array | None]:
    """y, prediction of a middling model, and the unit of each row (eight rows each, with a shared error) if asked."""
    unit = np.repeat(np.arange(units), 8) if units else None
    shared = rng.standard_normal(units)[unit] if unit is not None else np.zeros(rows)
    if task == "regression":
        y = rng.standard_normal(rows)
        return y, (y + shared + 0.6 * rng.standard_t(5, rows))[:, None], unit
    y = rng.choice(3, rows, p=[0.5, 0.3, 0.2])
    z = 1.3 * rng.standard_normal((rows, 3)) + np.eye(3)[y] * (1.5 + shared)[:, None]
    return y, np.exp(z) / np.exp(z).sum(1, keepdims=True), unit


def of_test(simulations: int) -> list[dict[str, Any]]:
    """Coverage of `test_interval`: every metric, 60 and 300 rows, and 20 units of 8 rows."""
    found = []
    for name, metric in METRICS.items():
        for rows, units in ((60, 0), (300, 0), (160, 20)):
            y, p, _ = predicted(metric.task, 400_000, np.random.default_rng(1), 50_000 if units else 0)
            truth = metric.score(y, p[None])[0]
            ends = []
            for seed in range(simulations):
                y, p, unit = predicted(metric.task, rows, np.random.default_rng([2, seed]), units)
                ends.append(test_interval(metric, y, p, draws=1000, units=unit))
            where = f"{rows} rows" + (f", {units} units" if units else "")
            found.append(coverage(f"test_interval, {name}, {where}", np.array(ends), truth))
    return found


def sample(task: str, rows: int, rng: np.random.Generator, slope: Array) -> tuple[Array, Array]:
    """x standard normal; y = x slope + noise, or classes -1 and +1 with means at -slope and +slope."""
    noise = rng.standard_normal((rows, len(slope)))
    if task == "regression":
        return noise, noise @ slope + rng.standard_normal(rows)
    y = rng.choice([-1, 1], rows)
    return noise + y[:, None] * slope, y


def true_score(name: str, model: Any, slope: Array) -> float:
    """The score of a fitted linear model on all rows there could be, in closed form."""
    w, b = model.coef_.ravel(), float(np.ravel(model.intercept_)[0])
    if name == "accuracy":
        length = np.linalg.norm(w)
        return float(norm.cdf([(w @ slope + b) / length, (w @ slope - b) / length]).mean())
    square = 1 + (w - slope) @ (w - slope) + b**2
    return {"r2": 1 - square / (1 + slope @ slope), "rmse": np.sqrt(square)}[name]


def validated(name: str, x: Array, y: Array, cuts: list, slope: Array, use: Array) -> tuple[Array, Array, Array]:
    """One linear learner that sees the columns `use`: fold scores, the true scores of the fold's models, and the
    contributions of all rows (by the last repeat). For classes -1 and +1 `Ridge` is `RidgeClassifier`."""
    metric, scores, truths, rows = METRICS[name], [], [], np.empty(len(y))
    for train, out in cuts:
        model = Ridge().fit(x[train] * use, y[train])
        p, label = model.predict(x[out] * use)[:, None], y[out]
        if name == "accuracy":
            p, label = np.eye(2)[(p[:, 0] > 0).astype(int)], (label > 0).astype(int)
        scores.append(metric.score(label, p[None])[0])
        truths.append(true_score(name, model, slope))
        rows[out] = metric.rows(label, p[None])[0]
    return np.array(scores), np.array(truths), rows


def of_folds(simulations: int, name: str, rows: int, repeats: int) -> dict[str, Any]:
    """Coverage of `fold_interval` for the expected score of the learner when trained on 4/5 of so many rows."""
    slope, ends, truths = np.full(COLUMNS, SIGNAL), [], []
    for seed in range(simulations):
        x, y = sample(METRICS[name].task, rows, np.random.default_rng([3, seed]), slope)
        cuts = list(RepeatedKFold(n_splits=5, n_repeats=repeats, random_state=seed).split(x))
        scores, true, _ = validated(name, x, y, cuts, slope, np.ones(COLUMNS))
        ends.append(fold_interval(scores, 1 / 4))
        truths.append(true.mean())
    return coverage(f"fold_interval, {name}, {rows} rows, 5 folds x {repeats}", np.array(ends), np.mean(truths))


def of_picking(simulations: int, name: str, rows: int, signal: float) -> dict[str, Any]:
    """Coverage of the corrected score's interval for the true score of the picked one of 16 learners, which see half of
    the columns each: the mean over its fold models. Beside it the error of the raw and of the corrected score."""
    slope = np.full(COLUMNS, signal)
    ends, truths, raw, corrected = [], [], [], []
    subsets = [(np.random.default_rng([5, i]).permutation(COLUMNS) < COLUMNS // 2) * 1.0 for i in range(CHOSEN)]
    for seed in range(simulations):
        x, y = sample(METRICS[name].task, rows, np.random.default_rng([4, seed]), slope)
        cuts = list(RepeatedKFold(n_splits=5, n_repeats=1, random_state=seed).split(x))
        tried = [validated(name, x, y, cuts, slope, use) for use in subsets]
        weights = np.empty(rows)
        for _, out in cuts:
            weights[out] = 1 / len(out)
        sign = METRICS[name].sign
        found = corrected_score(np.stack([t[2] for t in tried]), weights, sign=sign, draws=500, seed=seed)
        ends.append(found.interval)
        truths.append(tried[int(np.argmax([sign * t[0].mean() for t in tried]))][1].mean())
        raw.append(found.raw - truths[-1])
        corrected.append(found.score - truths[-1])
    shown = coverage(
        f"corrected_score, {name}, {rows} rows, {CHOSEN} candidates, signal {signal}", np.array(ends), np.array(truths)
    )
    return shown | {"raw_minus_true": mean(raw), "corrected_minus_true": mean(corrected)}


def of_comparing(simulations: int, name: str, repeats: int, weaker: float) -> dict[str, Any]:
    """How often the tests find a difference at 5 %: two learners with half of the columns each, the second half's
    signals smaller by the factor 1 - weaker. 100 rows."""
    first = np.arange(COLUMNS) < COLUMNS // 2
    slope = np.where(first, SIGNAL, SIGNAL * (1 - weaker)) * (1.4 if name == "accuracy" else 1)
    p, plain, truths, least = [], [], [], []
    for seed in range(simulations):
        x, y = sample(METRICS[name].task, 100, np.random.default_rng([6, seed]), slope)
        cuts = list(RepeatedKFold(n_splits=5, n_repeats=repeats, random_state=seed).split(x))
        one, two = (validated(name, x, y, cuts, slope, use) for use in (first, ~first))
        p.append(corrected_t_test(one[0], two[0], 1 / 4))
        plain.append(ttest_rel(one[0], two[0]).pvalue if np.ptp(one[0] - two[0]) > 0 else 1.0)
        truths.append(one[1].mean() - two[1].mean())
        least.append(least_difference(one[0], two[0], 1 / 4))
    return {
        "what": f"{name}, 100 rows, 5 folds x {repeats}", "true_difference": mean(truths) if weaker else 0.0,
        "corrected": mean(np.array(p) < 0.05), "uncorrected": mean(np.array(plain) < 0.05),
        "median_least_difference": round(float(np.median(least)), 4),
        "interval": [round(end, 3) for end in binomial_interval(int((np.array(p) < 0.05).sum()), simulations)],
    }  # fmt: skip


def coverage(what: str, ends: Array, truth: Array | float) -> dict[str, Any]:
    """How often ends (simulations, 2) hold the truth; which side misses; mean width."""
    low, high = np.asarray(truth) < ends[:, 0], np.asarray(truth) > ends[:, 1]
    return {
        "what": what, "coverage": mean(~(low | high)), "truth_below": mean(low), "truth_above": mean(high),
        "width": mean(ends[:, 1] - ends[:, 0]),
    }  # fmt: skip


def mean(values: Any) -> float:
    """The mean, to four digits."""
    return round(float(np.mean(values)), 4)


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows, one a line, as they come."""
    for row in rows:
        print("; ".join(str(v) if k == "what" else f"{k} {v}" for k, v in row.items()), flush=True)


def measure(n: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All coverages and all error rates and powers, from n simulations each, printed as they come."""
    covered, tested = of_test(n), []
    show(covered)
    for name, rows, repeats in ((m, r, k) for m in ("accuracy", "r2", "rmse") for r in (60, 200) for k in (1, 3)):
        covered.append(of_folds(n, name, rows, repeats))
        show(covered[-1:])
    picked = [(m, r, SIGNAL) for m in ("accuracy", "r2", "rmse") for r in (60, 200)]
    for name, rows, signal in [("accuracy", 60, 0.0), *picked]:
        covered.append(of_picking(n, name, rows, signal))
        show(covered[-1:])
    for name, repeats, weaker in ((m, k, w) for m in ("accuracy", "r2") for k in (1, 3) for w in (0, 0.3, 0.6, 1)):
        tested.append(of_comparing(n, name, repeats, weaker))
        show(tested[-1:])
    return covered, tested


def main(arguments: list[str] | None = None) -> None:
    """Print every number, write the file; exit 1 where a demand is not met."""
    asked = argparse.ArgumentParser(prog="python -m bench.honesty_statistics", description=__doc__)
    asked.add_argument("--simulations", type=int, default=400, help="400 (default); others write no file")
    n, machine = asked.parse_args(arguments).simulations, facts()
    with config_context(assume_finite=True, skip_parameter_validation=True):
        covered, tested = measure(n)
    bad = [row["what"] for row in covered if row["coverage"] < LEAST]
    bad += [row["what"] for row in tested if row["true_difference"] == 0 and row["corrected"] > MOST]
    print(describe(machine), "demands not met: " + "; ".join(bad) if bad else "all demands met", sep="\n")
    if n == 400:
        found = {"machine": machine, "simulations": n, "intervals": covered, "tests": tested, "not_met": bad}
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
