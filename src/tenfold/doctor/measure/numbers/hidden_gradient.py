"""A gradient that is not finite behind a finite loss: the rows that have it, and the operation whose backward pass
gives it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.measure.numbers.pipeline import Pipeline
from tenfold.doctor.measure.numbers.rows import RowBatch, rows_of
from tenfold.doctor.measure.watching.seeded import seeded
from tenfold.doctor.measure.watching.trace import first_tensor
from tenfold.doctor.measure.watching.watched import ObservedBatch

MOST_ROWS, LARGE = 256, 1e6  # rows looked at one by one; a loss that has run away


def hidden_gradient(
    model: nn.Module, pipeline: Pipeline, batches: Sequence[ObservedBatch]
) -> tuple[str, int, list[int]] | None:
    """Operation, update and rows of the first of these batches whose loss is finite at the (copied) model's present
    weights and whose gradient is not, for some of its rows only."""
    for batch in batches:
        rows = rows_of(batch)
        if rows is None or _gradient_finite(model, rows, pipeline) is not False:
            continue
        count = min(rows.count, MOST_ROWS)
        ones = [rows.take(torch.tensor([i])) for i in range(count)]
        _by_running_moments(model)
        bad = [i for i, one in enumerate(ones) if _gradient_finite(model, one, pipeline) is False]
        if bad and len(bad) <= max(1, count // 2):
            return _operation(model, ones[bad[0]], pipeline), batch.step, bad
    return None


def _by_running_moments(model: nn.Module) -> None:
    """Batch normalization as in evaluation: a row alone has no variance."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # pyright: ignore[reportPrivateUsage]
            module.eval()


def _loss(model: nn.Module, rows: RowBatch, pipeline: Pipeline) -> Tensor:
    output = first_tensor(model(*rows.inputs, **rows.keywords))
    assert output is not None
    return pipeline.loss(output, rows.target)


def _gradient_finite(model: nn.Module, rows: RowBatch, pipeline: Pipeline) -> bool | None:
    """None where the loss itself is not finite, or has run away."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    with seeded(0), torch.enable_grad():
        loss = _loss(model, rows, pipeline)
        if not bool(torch.isfinite(loss)) or abs(float(loss.detach())) > LARGE:
            return None
        found: Any = torch.autograd.grad(loss, parameters, allow_unused=True)
    return all(bool(torch.isfinite(g).all()) for g in found if g is not None)


def _operation(model: nn.Module, rows: RowBatch, pipeline: Pipeline) -> str:
    parameters = [p for p in model.parameters() if p.requires_grad]
    with warnings.catch_warnings(), seeded(0), torch.enable_grad():
        warnings.simplefilter("ignore")
        try:
            with torch.autograd.detect_anomaly():
                torch.autograd.grad(_loss(model, rows, pipeline), parameters, allow_unused=True)
        except RuntimeError as error:
            named = re.search(r"Function '(\w+?)Backward\d*' returned nan", str(error))
            return named[1].lower() if named is not None else ""
    return ""
