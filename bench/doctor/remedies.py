"""The words of a remedy followed on the whole program, and a random other change of equal cost beside it."""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bench.doctor.case import Case, Data, Optim
from bench.doctor.operators import operators
from bench.doctor.program import train
from bench.doctor.runner import FALL, Job, case_of, healthy_case
from bench.doctor.scoring import Judged, rate

BETTER = 0.05  # of held-out skill
INSPECTED = "as_is"  # the change of remedies that are words alone: look at the labels, at the preprocessing
Draw = torch.Generator
RECTIFIED = ("relu", "leaky_relu", "elu", "gelu", "silu", "mish", "prelu", "relu6", "hardswish", "softplus", "selu")


def _standard_inputs(case: Case) -> Case:
    """Columns of a table, features of a sequence, channels of an image."""

    def change(data: Data, draw: Draw) -> Data:
        if not data.x_train.is_floating_point():
            return data
        x = data.x_train.double()
        axes = {2: (0,), 3: (0, 1), 4: (0, 2, 3)}[x.dim()]
        mean, std = x.mean(axes, keepdim=True), x.std(axes, keepdim=True)
        return data.inputs(lambda rows: ((rows.double() - mean) / torch.where(std > 0, std, 1.0)).float())

    return case.on(change)


def _standard_targets(case: Case) -> Case:
    def change(data: Data, draw: Draw) -> Data:
        y = data.y_train.double()
        return data.targets(lambda rows: ((rows.double() - y.mean()) / y.std()).float())

    return case.on(change) if case.task == "numbers" else case


def _balanced(case: Case) -> Case:
    """As many rows, drawn with the same odds for every class (in the mean what weights in the loss do)."""

    def change(data: Data, draw: Draw) -> Data:
        labels = data.y_train.reshape(-1).long()
        rows = torch.multinomial(1.0 / torch.bincount(labels)[labels].double(), len(labels), True, generator=draw)
        return replace(data, x_train=data.x_train[rows], y_train=data.y_train[rows])

    return case if case.task == "numbers" else case.on(change)


def _head(case: Case) -> Case:
    """The right number of bare outputs, the right loss, targets of the right shape."""
    if case.task == "classes":
        count = int(case.data(0).y_train.max()) + 1
        return replace(case.net_with(head="", outputs=count), criterion="ce", decide="argmax")
    bare = case.net_with(head="", outputs=1)
    if case.task == "binary":
        return replace(bare, criterion="bce_logits", decide="logit")
    column: Callable[[Tensor], Tensor] = lambda y: y.reshape(-1, 1)  # noqa: E731
    return replace(bare.on(lambda data, _: data.targets(column)), criterion="mse")


def _reinitialized(case: Case) -> Case:
    rule = "he" if case.net.activation in RECTIFIED else "xavier"
    return case.net_with(init=rule, bias_value=None)


def _normalized(case: Case) -> Case:
    return case.net_with(norm="batch" if case.net.kind.startswith("conv") else "layer")


def _lr(factor: float) -> Callable[[Case], Case]:
    return lambda case: case.lr_times(factor)


CHANGES: dict[str, Callable[[Case], Case]] = {
    "standardize_inputs": _standard_inputs, "standardize_targets": _standard_targets, "reinitialize": _reinitialized,
    **{f"lr_x{10**k}": _lr(10.0**k) for k in (1, 2, 3)}, **{f"lr_d{10**k}": _lr(10.0**-k) for k in (1, 2, 3)},
    "adam": lambda case: replace(case, optim=Optim("adam", 1e-3)),
    "epsilon": lambda case: case.optim_with(eps=1e-8) if "eps" in case.optim.options else case,
    "activation": lambda case: case.net_with(activation="relu", init="he", bias_value=None),
    "head": _head, "no_dropout": lambda case: case.net_with(dropout=0.0),
    "no_decay": lambda case: case.optim_with(weight_decay=0.0).loop_with(l1=0.0),
    "clip": lambda case: case.loop_with(clip=1.0), "flip": lambda case: case.loop_with(sign=-case.loop.sign),
    "zero_grad": lambda case: case.loop_with(zero_grad=True),
    "mean_loss": lambda case: replace(case, criterion=case.criterion.removesuffix("_sum")),
    "smaller_batch": lambda case: case.loop_with(batch=min(32, case.loop.batch)),
    "larger_batch": lambda case: case.loop_with(batch=max(32, case.loop.batch)),
    "longer": lambda case: case.loop_with(epochs=case.loop.epochs * 4),
    "unfreeze": lambda case: case.loop_with(frozen=0, optimized="all"),
    "training_mode": lambda case: case.loop_with(still=""), "normalize": _normalized,
    "biases": lambda case: case.net_with(bias=True), "balance": _balanced,
    "wider": lambda case: case.net_with(hidden=tuple(max(h, 32) for h in case.net.hidden)),
    "regularize": lambda case: case.net_with(dropout=0.3).optim_with(weight_decay=1e-3), INSPECTED: lambda case: case,
}  # fmt: skip
COSTLY = ("longer", "smaller_batch", "larger_batch", "wider", "zero_grad", INSPECTED)  # not drawn as the other change


def apply(case: Case, change: str) -> Case:
    """The program with a change, as a person would make it."""
    return CHANGES[change](case)


def follow(job: Job, cause: str, change: str) -> Case:
    """The program after the remedy. Who is told to look at the data finds the fault where it is there."""
    if change == INSPECTED and cause in operators()[job.operator].causes:
        return healthy_case(job)
    return apply(case_of(job), change)


def other_change(job: Job, change: str) -> str:
    """A random other change of equal cost; the same run gives the same one."""
    names = [name for name in CHANGES if name not in (change, *COSTLY)]
    return names[zlib.crc32(job.key.encode()) % len(names)]


def _trained(case: Case, seed: int) -> float | None:
    try:
        outcome = train(case, seed).outcome
    except (RuntimeError, ValueError, IndexError):  # a change that does not fit the program
        return None
    return outcome if math.isfinite(outcome) else None


def tried(run: Judged) -> dict[str, Any]:
    """Outcomes before, after the first remedy, and after another change."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    line, cause, change = run.line, run.named[0], run.changes[0]
    job = Job(*(line[name] for name in ("half", "base", "variant", "operator", "seed")))
    other = other_change(job, change)
    return {
        "key": job.key, "cause": cause, "change": change, "other": other, "before": line["outcome"],
        "healthy": line["healthy_outcome"], "after": _trained(follow(job, cause, change), job.seed),
        "after_other": _trained(apply(case_of(job), other), job.seed),
    }  # fmt: skip


def improves(before: float | None, after: float | None) -> bool:
    """Whether held-out skill grew (from no better than a constant's where it was worse)."""
    return after is not None and after > max(before if before is not None else -math.inf, -1.0) + BETTER


def recovers(healthy: float, after: float | None) -> bool:
    """Whether held-out skill is the healthy program's."""
    return after is not None and after >= healthy - FALL


def remedies(runs: Sequence[Judged], workers: int) -> dict[str, Any]:
    """Rates over all detected faults that changed the outcome; an undetected one has no remedy and counts as not
    improved."""
    faulty = [run for run in runs if run.faulty]
    with ProcessPoolExecutor(workers) as pool:
        rows = list(pool.map(tried, [run for run in faulty if run.alarm], chunksize=4))
    missed = [False] * sum(not run.alarm for run in faulty)
    better = [improves(r["before"], r["after"]) for r in rows]
    by_change: dict[str, list[bool]] = {}
    for row, hit in zip(rows, better, strict=True):
        by_change.setdefault(row["change"], []).append(hit)
    return {
        "remedy": rate(better + missed),
        "remedy_tried": rate(
            [hit for row, hit in zip(rows, better, strict=True) if row["change"] != INSPECTED] + missed
        ),
        "other": rate(improves(r["before"], r["after_other"]) for r in rows),
        "recovered": rate([recovers(r["healthy"], r["after"]) for r in rows] + missed),
        "other_recovered": rate(recovers(r["healthy"], r["after_other"]) for r in rows),
        "changes": {name: [sum(hits), len(hits)] for name, hits in sorted(by_change.items())}, "rows": rows,
    }  # fmt: skip
