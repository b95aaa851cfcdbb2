"""What variants and faults do to held-out skill: the check that healthy programs are healthy and faults are faults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean
from typing import Any

from bench.doctor.pages import table

Line = dict[str, Any]


def _skill(line: Line) -> float:
    return -math.inf if line["outcome"] is None else max(-9.99, line["outcome"])


def _grouped(lines: Sequence[Line], key: str) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line[key], []).append(line)
    return found


def outcomes(lines: Sequence[Line]) -> str:
    """Healthy programs that fall on some seed, and for each fault and base the share of runs whose outcome changed."""
    bases = list(dict.fromkeys(line["base"] for line in lines if line["operator"]))
    rows = []
    for base, group in _grouped([line for line in lines if not line["operator"]], "base").items():
        for variant, runs in _grouped(group, "variant").items():
            skills = [_skill(r) for r in runs]
            numbers = (mean(skills), min(skills), runs[0]["healthy_outcome"])
            rows.append((base, variant, *(f"{n:.3f}" for n in numbers), sum(r["changed"] for r in runs)))
    faults = []
    for operator, group in _grouped([line for line in lines if line["operator"]], "operator").items():
        by_base = _grouped(group, "base")
        cells = [f"{sum(r['changed'] for r in by_base[b])}/{len(by_base[b])}" if b in by_base else "" for b in bases]
        faults.append((operator, *cells))
    head = ("base", "variant", "mean skill", "least", "healthy", "fallen")
    return table(head, rows) + "\n" + table(("fault, runs changed", *bases), faults)
