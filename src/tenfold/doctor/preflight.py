"""Before any training: what one set of rows says of a model, its start and its loss."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.diagnosis import Diagnosis, diagnosis_of
from tenfold.doctor.examine import measure
from tenfold.doctor.measure.record import Curves
from tenfold.doctor.measure.seeded import seeded
from tenfold.doctor.measure.trace import first_tensor
from tenfold.doctor.measure.watched import Batch, Watched

ROWS, BATCH = 512, 32
RATE = 3e-3  # of Adam, as in the reference
SECONDS = 0.5  # of short trainings


def preflight(model: nn.Module, x: Any, y: Tensor, criterion: Any) -> Diagnosis:
    """Judge a model before any training, on copies, in under a second for a small model.

    model: any torch module; x: its input, a tensor (rows, ...) or a tuple of such; y: targets (rows, ...); criterion:
    criterion(model(x), y) is the loss. At most 512 rows are looked at, evenly spread. Measured: moments of inputs and
    targets; signal and gradient layer by layer against the same architecture under a right start on standardized
    rows; the loss against that of a constant output; and short trainings with Adam, as it is and with one change each.
    What depends on the optimizer (its rate, epsilon, decay) cannot be judged before it is seen: use `tenfold.watch`.

    The model, its gradients and the global random state stay as they are. Raises TypeError where x or y are no tensors.
    """
    inputs = x if isinstance(x, tuple) else (x,)
    if not isinstance(y, Tensor) or not all(isinstance(value, Tensor) for value in inputs):
        raise TypeError(f"x and y must be tensors (x: {type(x).__name__}, y: {type(y).__name__}); use torch.as_tensor")
    inner = getattr(model, "_orig_mod", model)
    clone = copy.deepcopy(inner)
    start = {name: value.detach().clone() for name, value in inner.state_dict().items()}
    batches = _batches(clone, inputs, y)
    curves = Curves([])
    optimizer = torch.optim.Adam([p for p in inner.parameters() if p.requires_grad], lr=RATE)
    options = [{"lr": RATE, "betas": (0.9, 0.999), "eps": 1e-8}]
    watched = Watched(inner, criterion, [optimizer], [options], start, [], batches, [], curves, 0)
    return diagnosis_of(measure(watched, budget=SECONDS, simple=False)[0])


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
            output = first_tensor(clone(*mine))
            found.append(Batch(0, mine, {}, output, output, target, None, True))
    return found
