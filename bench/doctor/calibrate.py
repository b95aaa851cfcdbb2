"""Fit the judge's table to recorded runs of the calibration bases.

python -m bench.doctor.calibrate RUNS.jsonl... [--write]

Minimizes the mean of -log p(right verdict) over runs (healthy runs and faults that changed the outcome weigh the same
in all), plus RIDGE times the squared distance from what was believed beforehand. A weight keeps the sign that it was
given: a table that a person wrote stays one that a person can read. The evaluation bases are never looked at.
"""

from __future__ import annotations

import argparse
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
import yaml

from tenfold.doctor.judge.gather import gather
from tenfold.doctor.judge.judge import HEALTHY
from tenfold.doctor.record import Record

LEAST = 0.25  # probability of not being healthy under which no run raises an alarm
RIDGE, STEPS, RATE = 0.01, 300, 0.06
FALSE_ALARMS = 0.004  # of the healthy calibration runs, at most


def runs(paths: list[Path]) -> list[dict[str, Any]]:
    """The recorded runs that say something: healthy ones, and faults that changed the outcome."""
    found = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return [r for r in found if r.get("record") and (not r["causes"] or r["changed"])]


def strengths(run: dict[str, Any]) -> dict[str, float]:
    """The evidence of a recorded run."""
    record = run["record"]
    record = Record.from_json(record if isinstance(record, str) else json.dumps(record))
    return {name: item.strength for name, item in gather(record).items()}


def fitted(
    prior: torch.Tensor, mask: torch.Tensor, free: torch.Tensor, x: torch.Tensor, right: torch.Tensor,
    weight: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Weights (verdicts, evidence) for strengths x (runs, evidence) and right verdicts (runs, verdicts) in {0, 1}.
    free: which of them are fitted; the others stay what they were."""
    w = prior.clone().requires_grad_()
    rule = torch.optim.Adam([w], lr=RATE)
    sign = prior.sign()
    for step in range(STEPS):
        rule.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        log_p = torch.log_softmax(x @ (w * mask).T, 1)
        loss = -(weight * torch.logsumexp(torch.where(right > 0, log_p, torch.tensor(-torch.inf)), 1)).sum()
        loss = loss + RIDGE * ((w - prior) * mask).square().sum()
        rule.zero_grad()
        loss.backward()
        rule.step()
        with torch.no_grad():
            w[:, 1:] = torch.where(w[:, 1:] * sign[:, 1:] < 0, torch.zeros(()), w[:, 1:])  # the rest at place 0 is free
            w[:] = torch.where(free, w, prior)
    return w.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    path = Path(str(files("tenfold.doctor.judge") / "weights.yaml"))
    text = path.read_text()
    table = yaml.safe_load(text)
    table.pop("alarm", None)
    causes = list(table)
    names = ["rest", *sorted({name for row in table.values() for name in row} - {"rest"})]
    first = lambda w: float(w[0] if isinstance(w, list) else w)  # noqa: E731
    prior = torch.tensor([[first(table[c].get(n, 0.0)) for n in names] for c in causes])
    mask = torch.tensor([[float(n in table[c]) for n in names] for c in causes])
    # a pair is a belief that is calibrated; a number is set, as of readings of the loop and their causes at rest
    free = torch.tensor([[isinstance(table[c].get(n), list) for n in names] for c in causes])
    found = runs(options.runs)
    evidence = [strengths(r) for r in found]
    x = torch.tensor([[1.0, *(e.get(n, 0.0) for n in names[1:])] for e in evidence])
    right = torch.tensor([[float(c in (r["causes"] or [HEALTHY])) for c in causes] for r in found])
    known = right.sum(1) > 0
    healthy = right[:, 0] > 0
    weight = torch.where(healthy, 0.5 / healthy.sum(), 0.5 / (known & ~healthy).sum()) * known
    w = fitted(prior, mask, free, x, right, weight)
    for name, table_of in (("beforehand", prior), ("calibrated", w)):
        p = torch.softmax(x @ (table_of * mask).T, 1)
        sick = 1 - p[:, 0]
        cut = max(LEAST, float(sick[healthy].quantile(1 - FALSE_ALARMS)) + 0.02)
        order = p[:, 1:].argsort(1, descending=True)
        hit = right[:, 1:].gather(1, order)
        faulty = known & ~healthy
        print(
            f"{name}: runs {len(found)}, alarm at {cut:.3f}: false alarms "
            f"{float((sick[healthy] >= cut).float().mean()):.3f}, detected "
            f"{float((sick[faulty] >= cut).float().mean()):.3f}, first {float(hit[faulty, 0].mean()):.3f}, first "
            f"two {float(hit[faulty, :2].amax(1).mean()):.3f}"
        )
    if options.write:
        head = "".join(line + "\n" for line in text.splitlines() if line.startswith("#"))
        w[0, 0] += math.log(cut / (1 - cut))  # so that the alarm is at one half
        lines = ["alarm: 0.5"]
        for i, cause in enumerate(causes):
            old = {n: f"{prior[i, names.index(n)]:g}" for n in table[cause]}
            cells = [f"{n}: [{old[n]}, {w[i, names.index(n)]:.2f}]" if isinstance(table[cause][n], list) else
                     f"{n}: {old[n]}" for n in table[cause]]  # fmt: skip
            lines.append(f"{cause}: {{{', '.join(cells)}}}")
        path.write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
