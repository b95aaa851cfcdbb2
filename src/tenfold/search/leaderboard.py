"""The leaderboard: one row a recipe, for the report, leaderboard.csv, data frames and what Python prints."""

from __future__ import annotations

import json
from typing import Any

from tenfold.search.results import SearchResults
from tenfold.statistics.intervals import fold_error


def leaderboard_row(results: SearchResults, number: int) -> dict[str, Any]:
    """One recipe: the recipe, mean (in the metric's own sign), se, scores (one a fold), outcomes (counts), epochs, and
    metrics: by name, the means of all metrics that are reported."""
    scores = results.scores(number)
    return {
        "recipe": results.recipes[number],
        "mean": results.mean(number),
        "se": fold_error(scores),
        "scores": [float(score) for score in scores],
        "outcomes": results.outcomes(number),
        "epochs": results.records[number].epoch,
        "metrics": results.metric_means(number),
    }


def report_rows(results: SearchResults) -> list[dict[str, Any]]:
    """All recipes, best first, with rank, number and the recipe in words."""
    rows: list[dict[str, Any]] = []
    for rank, number in enumerate(results.ranking(), 1):
        row = leaderboard_row(results, number)
        rows.append({**row, "rank": rank, "number": number, "recipe": row["recipe"].describe()})
    return rows


def csv_rows(results: SearchResults) -> list[list[Any]]:
    """All recipes, best first, under the header of leaderboard.csv."""
    folds = [f"fold_{fold}" for fold in range(len(results.problem.folds))]
    also = [metric.name for metric in results.problem.also]
    lines: list[list[Any]] = [["rank", "recipe", "mean", "se", *folds, *also, "epochs", "outcomes", "settings"]]
    for rank, number in enumerate(results.ranking(), 1):
        row = leaderboard_row(results, number)
        outcomes = " ".join(f"{label}={count}" for label, count in row["outcomes"].items())
        others = [row["metrics"][name] for name in also]
        settings = json.dumps(row["recipe"].to_dict(), sort_keys=True)
        lines.append([rank, number, row["mean"], row["se"], *row["scores"], *others, row["epochs"], outcomes, settings])
    return lines


def frame_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row with values that a data frame takes: the recipe in words, a column a fold."""
    flat = {"recipe": row["recipe"].describe(), "mean": row["mean"], "se": row["se"], "epochs": row["epochs"]}
    flat |= dict(list(row["metrics"].items())[1:])  # the first one is the mean
    return flat | {f"score_{fold}": score for fold, score in enumerate(row["scores"])}


def printed_row(row: dict[str, Any]) -> str:
    """ "  0.9833 +- 0.0041  64 ReLU, He, Adam at 0.001, 12 epochs": digits that line up, whatever their size."""
    epochs = f"{row['epochs']} epoch{'s' if row['epochs'] != 1 else ''}"
    also = "".join(f", {name} {value:.4f}" for name, value in list(row["metrics"].items())[1:])
    return f"{row['mean']:10.4f} +- {row['se']:.4f}{also}  {row['recipe'].describe()}, {epochs}"
