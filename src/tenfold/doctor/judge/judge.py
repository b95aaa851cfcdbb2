"""From evidence to verdicts: one readable table of weights, and a softmax over all verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tenfold.doctor.judge.evidence import Evidence
from tenfold.doctor.judge.gather import gather
from tenfold.doctor.record import Record

HEALTHY = "healthy"
SHOWN = 0.05  # causes under this probability are left out, but for the first
WeightTable = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Verdict:
    """One row of the judgement: a cause (or "healthy"), its probability, and the evidence for it, strongest first."""

    cause: str
    probability: float
    evidence: list[Evidence]


@cache
def _read() -> tuple[float, WeightTable]:
    import yaml

    rows = yaml.safe_load((files("tenfold.doctor.judge") / "weights.yaml").read_text(encoding="utf-8"))
    alarm = float(rows.pop("alarm"))
    # of a pair the second number: the first is what was believed before the calibration
    last = lambda w: float(w[-1] if isinstance(w, list) else w)  # noqa: E731
    return alarm, {cause: {name: last(w) for name, w in row.items()} for cause, row in rows.items()}


def table() -> WeightTable:
    """The calibrated table: of a pair the second number."""
    return _read()[1]


def alarm() -> float:
    """A run is not healthy from this probability on."""
    return _read()[0]


def scores(evidence: Mapping[str, float], weights: WeightTable) -> dict[str, float]:
    """Log odds of every verdict: those at rest plus the sum of weight * strength."""
    return {
        cause: sum(w * (1.0 if name == "rest" else evidence.get(name, 0.0)) for name, w in row.items())
        for cause, row in weights.items()
    }


def probabilities(score: Mapping[str, float]) -> dict[str, float]:
    """exp(s) / sum of exp(s)."""
    top = max(score.values())  # so that no exponential overflows
    odds = {cause: math.exp(s - top) for cause, s in score.items()}
    total = sum(odds.values())
    return {cause: o / total for cause, o in odds.items()}


def judge(record: Record, weights: WeightTable | None = None) -> list[Verdict]:
    """Every verdict, most probable first; "healthy" is one of them."""
    weights = weights if weights is not None else table()
    evidence = gather(record)
    p = probabilities(scores({name: item.strength for name, item in evidence.items()}, weights))
    verdicts = []
    for cause, probability in sorted(p.items(), key=lambda pair: -pair[1]):
        row = weights[cause]
        support = [evidence[name] for name in row if name in evidence and row[name] > 0]
        support.sort(key=lambda item: -row[item.name] * item.strength)
        verdicts.append(Verdict(cause, probability, support))
    return verdicts
