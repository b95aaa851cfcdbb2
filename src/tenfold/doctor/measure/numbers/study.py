"""What the measures of one watched training share: its rows, its criterion, and the operations of its network."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from tenfold.doctor.measure.numbers.pipeline import Pipeline, pipeline_of, task_of
from tenfold.doctor.measure.numbers.rows import RowBatch, distinct, join, rows_of, splittable
from tenfold.doctor.measure.watching.trace import operations as trace_operations
from tenfold.doctor.measure.watching.watched import Watched
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


def study_of(watched: Watched) -> Study:
    """The study of a watched training, on a copy of its model at the start; what cannot be measured becomes a note."""
    notes = list(watched.notes)
    model = copy.deepcopy(watched.model)
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
    found: list[Operation] = []
    first = (parts[0].inputs, parts[0].keywords) if parts else watched.first
    if first is not None:
        try:
            found = trace_operations(model, *first)
        except (RuntimeError, TypeError, ValueError) as error:
            notes.append(f"the forward pass of a copy failed: {error}")
    else:
        notes.append("no batch was seen")
    task, classes, _ = task_of(watched.batches) or ("numbers", 0, None)
    return Study(watched, model, parts, joined, pipeline, found, notes, task, classes)


def _dealt(rows: RowBatch, size: int) -> list[RowBatch]:
    """Rows in batches of about `size`, none much smaller."""
    count = max(1, round(rows.count / max(1, size)))
    return [rows.take(index) for index in torch.arange(rows.count, device=rows.target.device).chunk(count)]
