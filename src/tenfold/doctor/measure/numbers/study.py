"""What the measures of one watched training share: its rows, its criterion, and the operations of its network."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.measure.numbers.pipeline import Pipeline, name_of, pipeline_of, task_of
from tenfold.doctor.measure.numbers.rows import RowBatch, distinct, join, rows_of, splittable
from tenfold.doctor.measure.numbers.theory import another_goal
from tenfold.doctor.measure.watching.trace import operations as trace_operations
from tenfold.doctor.measure.watching.watched import ObservedBatch, Watched
from tenfold.doctor.record import Operation, OutputKind


@dataclass
class Study:
    """What the measures of one training share. task, classes: of the targets, known without a pipeline too."""

    watched: Watched
    model: nn.Module
    parts: list[RowBatch]
    joined: bool
    pipeline: Pipeline | None
    operations: list[Operation]
    notes: list[str]
    task: OutputKind = "numbers"
    classes: int = 0
    unjudged: list[str] = field(default_factory=list[str])
    rebuilds: bool = False  # whether the targets are the inputs


def study_of(watched: Watched) -> Study:
    """The study of a watched training, on a copy of its model at the start; what cannot be measured becomes a note."""
    notes = list(watched.notes)
    model = copy.deepcopy(watched.model)
    small = {p.dtype for p in model.parameters() if p.dtype in (torch.float16, torch.bfloat16)}
    if small:  # what is measured of so few digits is rounding
        model = model.float()
        watched = replace(
            watched,
            batches=[_wide(b) for b in watched.batches],
            evaluation=[_wide(b) for b in watched.evaluation],
            sunk=None if watched.sunk is None else _wide(watched.sunk),
        )
        notes.append(f"weights of {', '.join(str(t).removeprefix('torch.') for t in small)} are measured in float32")
    model.load_state_dict(watched.start, strict=False)
    parts = [rows for rows in map(rows_of, watched.batches) if rows is not None]
    parts = [p for p in parts if p.count > 0]
    joined = bool(parts) and splittable(parts)
    if joined:  # a watched loop shows the same rows every epoch: each counts once
        parts = _dealt(distinct(join(parts)), max(p.count for p in parts))
    pipeline = pipeline_of(watched.criterion, watched.batches)
    if pipeline is None and watched.criterion is None and watched.batches:
        notes.append("no criterion was given to watch: no gradient, no short trainings")
    elif pipeline is None and watched.batches:
        notes.append("no loss was seen with its output and target: call doctor.observe(output, target, loss)")
    elif pipeline is not None and pipeline.after == "unknown":
        notes.append(
            "what happens between the model's output and the criterion is unknown: no gradient, no short trainings"
        )
        pipeline = None
    unjudged = [f"{watched.no_target}: the loss has no targets"] if watched.no_target else []
    unjudged += _unjudged(watched)
    goal = another_goal(pipeline, watched.batches) if pipeline is not None else ""
    unjudged += [goal] if goal else []
    if unjudged:
        pipeline = None
    found: list[Operation] = []
    first = (parts[0].inputs, parts[0].keywords) if parts else watched.first
    if first is not None:
        try:
            found = trace_operations(model, *first)
        except Exception as error:  # the user's own code may raise anything
            notes.append(f"the forward pass of a copy failed: {error}")
    else:
        notes.append("no batch was seen")
    name = name_of(watched.criterion) if watched.criterion is not None else ""
    task, classes, _ = (None if unjudged else task_of(watched.batches, name)) or ("numbers", 0, None)
    return Study(
        watched, model, parts, joined, pipeline, found, notes, task, classes, unjudged, _rebuilds(watched.batches)
    )


def _wide(batch: ObservedBatch) -> ObservedBatch:
    """A batch of float32 in place of smaller types."""

    def wide(value: Any) -> Any:
        small = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
        return value.float() if small else value

    return replace(
        batch,
        inputs=tuple(map(wide, batch.inputs)),
        keywords={name: wide(value) for name, value in batch.keywords.items()},
        output=wide(batch.output),
        scored=wide(batch.scored),
        target=wide(batch.target),
    )


def _rebuilds(batches: list[ObservedBatch]) -> bool:
    """Whether the targets of the first batch are its inputs."""
    first = next((b for b in batches if b.target is not None), None)
    if first is None or first.target is None or not first.target.is_floating_point():
        return False
    given = [v for v in (*first.inputs, *first.keywords.values()) if isinstance(v, Tensor)]
    return any(v.numel() == first.target.numel() and torch.equal(v.flatten(), first.target.flatten()) for v in given)


def _unjudged(watched: Watched) -> list[str]:
    """Why this training is not judged by whether its outputs meet its targets."""
    found = []
    if watched.several and _rebuilds(watched.batches):
        found.append("the network rebuilds its inputs and gives more than that, as a variational one does")
    calls: dict[int, list[float]] = {}
    constant = True
    for batch in watched.batches:
        target = batch.target
        if target is None or not target.dim() or target.shape[0] < 2 or target.numel() < 2:
            return found
        first = float(target.flatten()[0])
        constant = constant and bool((target == target.flatten()[0]).all())
        calls.setdefault(batch.step, []).append(first)
    if calls and constant and any(len(set(values)) > 1 for values in calls.values()):
        found.append("the targets of a call are all the same and change from call to call, as of real and made-up rows")
    return found


def _dealt(rows: RowBatch, size: int) -> list[RowBatch]:
    """Rows in batches of about `size`, none much smaller."""
    count = max(1, round(rows.count / max(1, size)))
    return [rows.take(index) for index in torch.arange(rows.count, device=rows.target.device).chunk(count)]
