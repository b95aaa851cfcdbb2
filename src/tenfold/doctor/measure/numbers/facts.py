"""What is known of a training without measuring: task, criterion, parameters, optimizers, shapes and counts."""

from __future__ import annotations

from statistics import median

import torch
from torch import Tensor

from tenfold.doctor.measure.numbers.pipeline import name_of
from tenfold.doctor.measure.numbers.study import Study
from tenfold.doctor.measure.watching.watched import Watched
from tenfold.doctor.record import Facts, OptimizerFacts, ParameterFacts

COUPLED = 0.05  # share of the loss that the halves of a batch may miss it by


def facts_of(study: Study) -> Facts:
    """The facts of a study."""
    watched, pipeline = study.watched, study.pipeline
    first = next((b for b in watched.batches if b.scored is not None), None)
    target = study.parts[0].target if study.parts else None
    criterion = watched.criterion
    return Facts(
        task=study.task,
        classes=study.classes,
        operations=study.operations,
        parameters=_parameters(watched),
        optimizers=_optimizers(watched),
        criterion=name_of(criterion) if criterion is not None else "",
        reduction=_reduction(study),
        after=pipeline.after if pipeline is not None else "unknown",
        output_shape=list(first.scored.shape) if first is not None and first.scored is not None else [],
        target_shape=list(first.target.shape) if first is not None and first.target is not None else
        (list(target.shape) if target is not None else []),
        batch_rows=int(median(b.target.shape[0] for b in watched.batches if b.target is not None and b.target.dim()))
        if study.parts else 0,
        rows_kept=sum(p.count for p in study.parts),
        steps=watched.steps,
        training_mode=watched.training_mode,
        accumulated=watched.accumulated,
        compiled=watched.compiled,
        still=watched.still,
    )  # fmt: skip


def _reduction(study: Study) -> str:
    """From the criterion's word, or from the losses of a batch, of it twice and of its halves: "sum" where it doubles,
    "mean" where the halves average, "coupled" where neither, so that a row's loss depends on the other rows."""
    batch = next((b for b in study.watched.batches if b.output is not None and b.target is not None), None)
    word = str(getattr(study.watched.criterion, "reduction", ""))
    if study.pipeline is None or batch is None or batch.output is None or batch.target is None:
        return word
    # measured, since the reduction of a function is written nowhere
    half = batch.target.shape[0] // 2
    if half < 2 or batch.output.shape[0] != batch.target.shape[0] or word:
        return word
    # as many rows as both halves have: an odd one would make a mean of three rows out of two means
    loss, output, target = study.pipeline.loss, batch.output[: 2 * half], batch.target[: 2 * half]
    with torch.no_grad():
        try:
            together = float(loss(output, target))
            twice = float(loss(torch.cat([output, output]), torch.cat([target, target])))
            first, second = (
                float(loss(output[:half], target[:half])),
                float(loss(output[half : 2 * half], target[half : 2 * half])),
            )
        except (RuntimeError, ValueError, IndexError):
            return word
    scale = abs(together) + abs(first) + abs(second)
    if not scale > 0:
        return word
    # the same rows twice: a mean stays, a sum doubles, however few rows there are
    if abs(twice - 2 * together) < 0.02 * abs(together) < abs(twice):
        return "sum"
    return "mean" if abs(together - (first + second) / 2) < COUPLED * scale else "coupled"


def _parameters(watched: Watched) -> list[ParameterFacts]:
    names = {id(p): n for n, p in watched.model.named_parameters()}
    optimized = {
        names[id(p)] for o in watched.optimizers if isinstance(o, torch.optim.Optimizer)
        for g in o.param_groups for p in g["params"] if id(p) in names
    }  # fmt: skip
    recipe = any(isinstance(o, OptimizerFacts) for o in watched.optimizers)
    end = watched.snapshots[-1][1] if watched.snapshots else {}
    found = []
    for name, p in watched.model.named_parameters():
        before, after = watched.start.get(name), end.get(name)
        moved = None if before is None or after is None else not torch.equal(before, after)
        rows = 0.0
        if before is not None and before.dim() > 1 and before.shape[0] > 1:
            flat = before.reshape(before.shape[0], -1)
            rows = 1.0 - (
                len(torch.unique(flat, dim=0)) - (1 if len(torch.unique(flat, dim=0)) < len(flat) else 0)
            ) / len(flat)
        found.append(ParameterFacts(
            name, list(p.shape), p.requires_grad, recipe or name in optimized, moved, rows,
            _rms(before), _rms(after),
        ))  # fmt: skip
    return found


def _rms(tensor: Tensor | None) -> float:
    return 0.0 if tensor is None or not tensor.numel() else float(tensor.double().square().mean().sqrt())


def _optimizers(watched: Watched) -> list[OptimizerFacts]:
    found = []
    for number, rule in enumerate(watched.optimizers):
        if isinstance(rule, OptimizerFacts):
            found.append(rule)
            continue
        for place, options in enumerate(watched.options[number]):
            count = sum(p.numel() for p in rule.param_groups[place]["params"]) if place < len(rule.param_groups) else 0
            found.append(OptimizerFacts(
                type(rule).__name__.lower(), float(options.get("lr", 0.0)), float(options.get("momentum", 0.0) or 0.0),
                float(options.get("weight_decay", 0.0) or 0.0),
                float(options["eps"]) if isinstance(options.get("eps"), float | int) else None, count,
                bool(options.get("decoupled_weight_decay", False)) or type(rule).__name__ == "AdamW",
            ))  # fmt: skip
    return found
