"""How often the doctor is right: rates with their intervals, by operator and base, the confusion table, the misses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from tenfold.statistics.rate_interval import binomial_interval

Line = dict[str, Any]
HEALTHY = "healthy"


@dataclass(frozen=True)
class Judged:
    """A run and what the doctor said of it. named: the causes it named, most probable first; changes: theirs."""

    line: Line
    named: tuple[str, ...]
    changes: tuple[str, ...]
    probability: float

    @property
    def faulty(self) -> bool:
        """A planted fault that changed the outcome (and is more than a note)."""
        return bool(self.line["operator"]) and self.line["changed"] and not self.line["note"]

    @property
    def healthy(self) -> bool:
        """A healthy program whose outcome was as it should be."""
        return not self.line["operator"] and not self.line["changed"]

    @property
    def alarm(self) -> bool:
        """Whether the doctor named anything."""
        return bool(self.named)

    def among(self, first: int) -> bool:
        """Whether a right cause is among the first so many."""
        return any(cause in self.line["causes"] for cause in self.named[:first])


def judged_now(line: Line) -> Judged:
    """Judged by today's doctor from the recorded numbers; a run that the doctor failed on counts as not judged."""
    from tenfold.doctor.diagnosis import diagnosis_of
    from tenfold.doctor.record import Record

    if not line.get("record"):
        return Judged(line, (), (), 0.0)
    diagnosis = diagnosis_of(Record.from_json(json.dumps(line["record"])))
    findings = diagnosis.findings
    light = {key: value for key, value in line.items() if key != "record"}
    return Judged(light, tuple(f.cause for f in findings), tuple(f.change for f in findings), diagnosis.probability)


def judge_all(lines: Sequence[Line], workers: int) -> list[Judged]:
    """Every recorded run, in order."""
    if workers < 2:
        return [judged_now(line) for line in lines]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(judged_now, lines, chunksize=32))


def rate(hits: Iterable[bool]) -> dict[str, Any]:
    """A rate with its 95 % interval (Clopper & Pearson 1934)."""
    found = list(hits)
    low, high = binomial_interval(sum(found), len(found))
    share = sum(found) / len(found) if found else None
    return {"hits": sum(found), "of": len(found), "rate": share, "low": low, "high": high}


def _grouped(runs: Iterable[Judged], key: str) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {}
    for run in runs:
        found.setdefault(run.line[key], []).append(run)
    return dict(sorted(found.items()))


def _row(runs: Sequence[Judged]) -> dict[str, Any]:
    """One operator's line of the table."""
    counted = [r for r in runs if r.faulty]
    wrong = Counter(r.named[0] if r.named else HEALTHY for r in counted if not r.among(1))
    return {
        "runs": len(runs), "changed": len(counted), "detected": sum(r.alarm for r in counted),
        "first": sum(r.among(1) for r in counted), "first_two": sum(r.among(2) for r in counted),
        "mistaken_for": dict(wrong.most_common(3)),
    }  # fmt: skip


def _base(runs: Sequence[Judged]) -> dict[str, Any]:
    healthy = [r for r in runs if r.healthy]
    row = _row([r for r in runs if r.line["operator"] and not r.line["note"]])
    return row | {"healthy": len(healthy), "alarms": sum(r.alarm for r in healthy)}


def _brief(run: Judged) -> dict[str, Any]:
    keys = ("base", "variant", "operator", "seed", "causes", "outcome", "healthy_outcome")
    return {key: run.line[key] for key in keys} | {"named": list(run.named[:3]), "probability": run.probability}


def confusion(runs: Iterable[Judged]) -> dict[str, dict[str, int]]:
    """Planted cause (the one of its labels that was named first, else the first label) against the first named."""
    found: dict[str, Counter[str]] = {}
    for run in runs:
        if run.faulty:
            named = run.named[0] if run.named else HEALTHY
            planted = named if named in run.line["causes"] else run.line["causes"][0]
            found.setdefault(planted, Counter())[named] += 1
    return {planted: dict(found[planted].most_common()) for planted in sorted(found)}


def score(runs: Sequence[Judged]) -> dict[str, Any]:
    """All numbers of a half. Every run and seed counts once."""
    faulty, healthy = [r for r in runs if r.faulty], [r for r in runs if r.healthy]
    harmless = [r for r in runs if r.line["operator"] and not r.line["changed"] and not r.line["note"]]
    planted = [r for r in runs if r.line["operator"]]
    return {
        "detected": rate(r.alarm for r in faulty), "false_alarms": rate(r.alarm for r in healthy),
        "first": rate(r.among(1) for r in faulty), "first_two": rate(r.among(2) for r in faulty),
        "harmless_flagged": rate(r.alarm for r in harmless),
        "notes_flagged": rate(r.alarm for r in runs if r.line["note"]),
        "fallen_healthy": sum(not r.line["operator"] and r.line["changed"] for r in runs),
        "failed": [_brief(r) | {"error": r.line["error"]} for r in runs if r.line.get("error")],
        "operators": {name: _row(found) for name, found in _grouped(planted, "operator").items()},
        "bases": {name: _base(found) for name, found in _grouped(runs, "base").items()},
        "variants": {name: {"healthy": len(found), "alarms": sum(r.alarm for r in found)}
                     for name, found in _grouped(healthy, "variant").items()},
        "confusion": confusion(runs),
        "misses": [_brief(r) for r in faulty if not r.alarm],
        "alarms": [_brief(r) for r in healthy if r.alarm],
        "mistaken": [_brief(r) for r in faulty if r.alarm and not r.among(2)],
    }  # fmt: skip
