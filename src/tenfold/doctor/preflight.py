"""Before any training: what one set of rows says of a model, its start and its loss."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.diagnosis import Diagnosis, diagnosis_of
from tenfold.doctor.examine import measure
from tenfold.doctor.measure.record import Curves
from tenfold.doctor.measure.seeded import seeded
from tenfold.doctor.measure.trace import first_tensor
from tenfold.doctor.measure.watched import Batch, Watched
from tenfold.doctor.prove.attempts import SETTLED
from tenfold.errors import BadInput

ROWS, BATCH = 512, 32
RATE = 3e-3  # of Adam, as in the reference
SECONDS = 1.5  # meant for the short trainings


def preflight(model: nn.Module, x: Any, y: Tensor, criterion: Any) -> Diagnosis:
    """Judge a model before any training, on copies: a second for a small sound model, a few for one that is not.

    model: any torch module; x: its input, a tensor (rows, ...) or a tuple of such; y: targets (rows, ...); criterion:
    criterion(model(x), y) is the loss. At most 512 rows are looked at, evenly spread. Measured: moments of inputs and
    targets; signal and gradient layer by layer against the same architecture under a right start on standardized
    rows; the loss against that of a constant output; and trainings of 200 updates (of 60 or more where they take long)
    with Adam, as it is and with one change each. The same arguments get the same diagnosis, on every machine.
    What depends on the optimizer (its rate, epsilon, decay) cannot be judged before it is seen: use `tenfold.watch`.

    The model, its gradients and the global random state stay as they are. Raises TypeError where x or y are no tensors,
    and BadInput where the model cannot be called with x, or the criterion with what it gives and y.
    """
    inputs = x if isinstance(x, tuple) else (x,)
    if not isinstance(y, Tensor) or not all(isinstance(value, Tensor) for value in inputs):
        raise TypeError(f"x and y must be tensors (x: {type(x).__name__}, y: {type(y).__name__}); use torch.as_tensor")
    inner = getattr(model, "_orig_mod", model)
    clone = copy.deepcopy(inner)
    start = {name: value.detach().clone() for name, value in inner.state_dict().items()}
    batches = _batches(clone, inputs, y)
    _check(criterion, batches[0])
    curves = Curves([])
    optimizer = torch.optim.Adam([p for p in inner.parameters() if p.requires_grad], lr=RATE)
    options = [{"lr": RATE, "betas": (0.9, 0.999), "eps": 1e-8}]
    watched = Watched(inner, criterion, [optimizer], [options], start, [], batches, [], curves, 0)
    record = measure(watched, budget=SECONDS, simple=False)[0]
    made = record.trials[0].steps if record.trials else SETTLED
    if made < SETTLED:
        few = f"its updates take long: short trainings of {made} instead of {SETTLED}, where a slow start may look ill"
        record = replace(record, notes=[*record.notes, few])
    return diagnosis_of(record)


def _check(criterion: Any, batch: Batch) -> None:
    output, target = batch.output, batch.target
    try:
        criterion(output, target)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise BadInput(
            f"the criterion cannot be called with model(x), {_shown(output)}, and y, {_shown(target)}: {error}",
            expected="criterion(model(x), y) that works",
            do="call it yourself; classes are whole numbers for CrossEntropyLoss, floats for BCEWithLogitsLoss",
        ) from error


def _shown(value: Tensor | None) -> str:
    return "no tensor" if value is None else f"{tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"


def _batches(clone: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> list[Batch]:
    """The rows in batches, with the copy's outputs in training mode."""
    rows = y.shape[0]
    by_row = all(value.dim() and value.shape[0] == rows for value in inputs)
    index = torch.linspace(0, rows - 1, min(rows, ROWS)).long().unique()
    parts = torch.split(index, BATCH) if by_row else (None,)
    clone.train()
    found: list[Batch] = []
    with seeded(0), torch.no_grad():
        for part in parts:
            if part is not None and len(part) < min(BATCH, len(index)) // 2:
                continue
            mine = tuple(v if part is None else v[part] for v in inputs)
            target = y if part is None else y[part]
            try:
                output = first_tensor(clone(*mine))
            except (RuntimeError, TypeError, ValueError, IndexError) as error:
                raise BadInput(
                    f"the model cannot be called with rows of x, {', '.join(map(_shown, mine))}: {error}",
                    expected="model(x) that works",
                    do="call it yourself; x.float() if it is of float64",
                ) from error
            found.append(Batch(0, mine, {}, output, output, target, None, True))
    return found
