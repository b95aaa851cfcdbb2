"""Numbers, times, names and commands as the page prints them."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from markupsafe import Markup

from tenfold.formatting import in_utc, number
from tenfold.problem.settings import Settings
from tenfold.statistics.metrics import METRICS

DASH = "–"
CONTROL = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)
BASELINES = {"dummy": "Dummy", "linear": "Linear", "boosting": "Boosted trees"}
PLACED = ("data", "target", "recipe", "space", "seed")  # written before or after the options


def metric(name: str) -> str:
    """A metric's name in a sentence; "score" for one that this version does not know."""
    return METRICS[name].words if name in METRICS else "score"


def is_finite_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def score(value: Any) -> str:
    """A score as `formatting.number` writes it, or a dash if there is none."""
    return number(value) if is_finite_number(value) else DASH


def whole_number(value: Any) -> str:
    """A whole number with separators of thousands, or a dash."""
    return f"{value:,.0f}" if is_finite_number(value) else DASH


def percent(value: Any) -> str:
    """A share as a percentage with one decimal; a dash for none at all."""
    return f"{100 * value:.1f} %" if is_finite_number(value) and value else DASH


def duration(value: Any) -> str:
    """Seconds as "4.2 s", "3 min 20 s" or "2 h 05 min"."""
    if not is_finite_number(value):
        return DASH
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def when(value: Any) -> str:
    """Seconds since 1970 as a date and time in UTC, or a dash."""
    return in_utc(value) if is_finite_number(value) else DASH


def short(text: str, length: int = 100) -> str:
    """Text cut to that many characters, with an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1] + "…"


def unbroken(text: str) -> str:
    """The same with arrows that do not break over two lines."""
    return text.replace("->", "-\u2060>")


def page_value(value: Any) -> Any:
    """Any value as the page may show it: a dash for None and NaN; text without control characters, lone surrogates and
    marks that change the direction of writing (line breaks remain)."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    return CONTROL.sub("\ufffd", value) if isinstance(value, str) and not isinstance(value, Markup) else value


def tried(summary: Mapping[str, Any]) -> int:
    """Recipes trained for at least one epoch: all of them, unless a time limit ended the search first."""
    return summary.get("begun", summary["recipes"])


def run_headline(data: Mapping[str, Any], metric: str) -> str:
    """The verdict in one sentence: the scores of the winner and the best baseline, and the test score. Means only:
    significance is in the lines of the verdict."""
    summary = data["summary"]
    best, test = summary["best"], summary["test"]
    if best is None:
        return data["verdict"][0] if data["verdict"] else "No recipe has a score."
    sign = 1 if summary["higher_is_better"] else -1
    recipes = tried(summary)
    start = f"The best of {recipes:,} recipes" if recipes > 1 else "The recipe"
    text = f"{start} reaches {metric} {score(best['cv_mean'])} over {summary['folds']} folds"
    rivals: dict[str, float] = {name: value for name, value in summary["baselines"].items() if is_finite_number(value)}
    if rivals and is_finite_number(best["cv_mean"]):
        name = max(rivals, key=lambda rival: sign * rivals[rival])
        ahead = sign * best["cv_mean"] >= sign * rivals[name]
        rival = f"the best baseline, {BASELINES.get(name, name).lower()}, "
        text += f"; {rival}reaches {score(rivals[name])}" if ahead else f", behind {rival}with {score(rivals[name])}"
    if is_finite_number(test["score"]):
        text += f"; on {whole_number(test.get('rows'))} sealed test rows the winner scores {score(test['score'])}"
    return text + "."


def fit_command(data: Mapping[str, Any]) -> str:
    """The command that repeats the run: with every option if data["settings"] is stored, else with the recipes,
    folds and seed of the summary. Of the user's own functions a run knows the names, and no file."""
    summary = data["summary"]
    trials = summary["recipes"] if summary["recipes"] > 1 else None
    asked = data.get("settings") or {"trials": trials, "folds": summary["folds"], "seed": summary["seed"]}
    parts = ["tenfold", "fit", data["source"]]
    card = data["card"]
    if not data["source"].startswith("sklearn:") and not card.get("images") and not card.get("tensors"):
        parts += ["--target", data["target"]]
    parts += [part for name in data.get("modules", []) for part in ("--module", f"FILE.py:{name}")]
    for option in fields(Settings):
        if option.name not in PLACED and asked.get(option.name) != option.default:
            parts += _arguments(option.name, asked.get(option.name))
    parts += [part for name in ("recipe", "space") if asked.get(name) for part in (f"--{name}", f"{name}.yaml")]
    return shlex.join([*parts, "--seed", str(asked["seed"])])


def _arguments(name: str, value: Any) -> list[str]:
    """An option of `fit` with its value, as it is typed."""
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if name == "metrics":
        return [flag, ",".join(map(str, value))] if value else []
    if isinstance(value, list | tuple):
        return [part for item in value for part in (flag, str(item))]
    return [flag, f"{value:g}s" if name == "time_limit" else str(value)]
