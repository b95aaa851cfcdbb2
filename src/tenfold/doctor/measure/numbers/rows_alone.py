"""Whether a row's outputs depend on the rows that stand beside it, in evaluation mode; and whether outputs and what the
criterion gets have their axes in the same order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenfold.doctor.measure.numbers.rows import RowBatch
from tenfold.doctor.measure.watching.seeded import seeded
from tenfold.doctor.measure.watching.trace import Call, first_tensor, tracing

ROWS, ALONE = 8, 3  # in the batch; of which so many are looked at alone


def rows_mixed(model: nn.Module, rows: RowBatch) -> float | None:
    """How much the outputs of a row change where it is alone, relative to their spread over rows; None where it cannot
    be told: outputs that are drawn, or that do not stand row by row. The model is a copy."""
    count = min(ROWS, rows.count)
    if count < 4:
        return None
    few = rows.take(torch.arange(count, device=rows.target.device))
    model.eval()
    together, again = _output(model, few), _output(model, few, seed=1)
    if together is None or again is None or not together.dim() or together.shape[0] != count:
        return None
    if not torch.equal(together, again) or not bool(torch.isfinite(together).all()):
        return None
    together = together.double()
    spread = float(together.std()) + 1e-12
    size = float(together.abs().max()) + 1e-12
    worst = 0.0
    for place in range(ALONE):
        alone = _alone(model, few, place)
        if alone is None or alone.shape[1:] != together.shape[1:]:
            return None
        gap = float((alone[0].double() - together[place]).abs().max())
        worst = max(worst, 0.0 if gap < 1e-4 * size else gap / spread)
    return worst


def _alone(model: nn.Module, rows: RowBatch, place: int) -> Tensor | None:
    """The outputs of a row by itself; of a module that refuses a single one, beside one other."""
    pick = lambda *places: rows.take(torch.tensor(places, device=rows.target.device))  # noqa: E731
    try:
        return _output(model, pick(place))
    except ValueError:  # moments of one value, where batch normalization takes them of the batch
        return _output(model, pick(place, rows.count - 1))


def _output(model: nn.Module, rows: RowBatch, seed: int = 0) -> Tensor | None:
    with seeded(seed), torch.no_grad():
        return first_tensor(model(*rows.inputs, **rows.keywords))


def axes_confused(output: Tensor, scored: Tensor) -> str:
    """A sentence where a loop has flattened (rows, classes, places) so that a row of what the criterion got holds
    several places, or several classes of them; "" where it has not."""
    if output.dim() < 3 or scored.dim() != 2 or output.numel() != scored.numel():
        return ""
    classes = scored.shape[1]
    shape = tuple(output.shape)
    if _equal(output, scored) and output.shape[1] == classes != output.shape[-1]:
        return (
            f"outputs {shape} were reshaped to {tuple(scored.shape)} with their classes on axis 1: each row of the "
            f"loss holds one class of several places: output.movedim(1, -1).reshape(-1, {classes})"
        )
    turned = output.movedim(-1, 1)
    if _equal(turned, scored) and output.shape[-1] == classes != turned.shape[-1]:
        return (
            f"outputs {shape} with their classes on the last axis were transposed and then reshaped to "
            f"{tuple(scored.shape)}: each row of the loss holds several places: output.reshape(-1, {classes})"
        )
    return ""


def classes_elsewhere(model: nn.Module, rows: RowBatch, scored_like_output: bool) -> str:
    """A sentence where the last layer's units lie on the last of three axes, and a criterion of class numbers takes
    axis 1, which is as long; "" otherwise."""
    last: list[Tensor] = []

    def every(call: Call) -> None:
        if call.operation.kind == "linear" and call.output is not None:
            last[:] = [call.output.detach()]

    with seeded(0), torch.no_grad(), tracing(model, every=every):
        output = first_tensor(model(*rows.inputs, **rows.keywords))
    if output is None or not last or output.dim() != 3 or rows.target.dim() != 2 or not scored_like_output:
        return ""
    rightly = output.shape[1] == output.shape[2] and last[0].shape == output.shape
    if rightly and torch.equal(last[0], output) and not torch.equal(output, output.transpose(1, 2)):
        return (
            f"outputs {tuple(output.shape)} have their classes on the last axis, where the last layer puts them, and "
            "the criterion takes axis 1 for them: output.transpose(1, 2)"
        )
    return ""


def _equal(one: Tensor, two: Tensor) -> bool:
    return torch.allclose(one.float().flatten(), two.float().flatten(), rtol=1e-4, atol=1e-6, equal_nan=True)
