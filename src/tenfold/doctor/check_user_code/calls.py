"""The first call of a user's model and criterion: what fails is refused in the doctor's words, with the one remedy."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.measure.numbers.pipeline import name_of
from tenfold.doctor.measure.watching.trace import first_tensor
from tenfold.errors import BadInput

FAILURES = (RuntimeError, TypeError, ValueError, IndexError)
BY_CLASS = ("CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss")  # targets are class numbers


def called(model: nn.Module, inputs: tuple[Tensor, ...], name: str) -> Any:
    """What the model gives for some rows; name: of the rows in the user's call."""
    try:
        return model(*inputs)
    except FAILURES as error:
        raise BadInput(
            f"the model cannot be called with rows of {name}, {', '.join(map(_shown, inputs))}: {_first_line(error)}",
            expected=f"model({name}) that works",
            do=_for_model(model, inputs, str(error), name),
        ) from error


def criticized(criterion: Any, output: Any, target: Tensor, name: str) -> Any:
    """The loss of what the model gave for some rows."""
    try:
        loss = criterion(output, target)
    except FAILURES as error:
        first = first_tensor(output)
        raise BadInput(
            f"the criterion cannot be called with model({name}), {_shown(first)}, and y, {_shown(target)}: "
            f"{_first_line(error)}",
            expected=f"criterion(model({name}), y) that works",
            do=_for_criterion(criterion, first, target, str(error), name),
        ) from error
    if not isinstance(loss, Tensor):
        raise BadInput(
            f"the criterion gives a {type(loss).__name__}",
            expected="the loss as a tensor, whose gradient can be taken",
            do="return the tensor itself, without .item() or .detach()",
        )
    return loss


def check_labels(criterion: Any, output: Any, y: Tensor) -> None:
    """Refuse class numbers that the model has no output for."""
    first = first_tensor(output)
    known = first is not None and first.dim() == y.dim() + 1 and not y.is_floating_point()
    if first is None or not known or name_of(criterion) not in BY_CLASS:
        return
    labels = y[y != getattr(criterion, "ignore_index", -100)]
    if not labels.numel():
        return
    low, high, units = int(labels.min()), int(labels.max()), first.shape[1]
    if low >= 0 and high < units:
        return
    shift = f"number the classes from 0: y - {low}" if low and high - low < units else ""
    labels = f"labels run to {high}" if high >= units else f"labels begin at {low}"
    raise BadInput(
        f"{labels}, the model has {units} output{'' if units == 1 else 's'}: {_numbered(units)}",
        expected="class numbers from 0, an output for each",
        do=shift or (f"give the last layer {high + 1} outputs" if low >= 0 else "number the classes from 0"),
    )


def check_same_rows(inputs: tuple[Tensor, ...], output: Any, y: Tensor, name: str) -> None:
    """Refuse targets of other rows than the inputs, where the criterion would broadcast or fail; a model whose rows do
    not stand first gives as many outputs as there are targets, or a multiple of them."""
    first, rows = first_tensor(output), len(inputs[0])
    if rows == len(y) or first is None or not first.dim():
        return
    more, fewer = max(len(first), len(y)), min(len(first), len(y))
    if not fewer or more % fewer:
        raise BadInput(
            f"{name} has {rows} rows and y has {len(y)}",
            expected="as many targets as rows",
            do=f"pass {name} and y of the same rows",
        )


def _numbered(count: int) -> str:
    return "0" if count == 1 else "0 and 1" if count == 2 else f"0 to {count - 1}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _shown(value: Tensor | None) -> str:
    return "no tensor" if value is None else f"{tuple(value.shape)} of {_dtype(value)}"


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _for_model(model: nn.Module, inputs: tuple[Tensor, ...], error: str, name: str) -> str:
    """The one thing to do about a model that cannot be called."""
    x, weight = inputs[0], next((p for p in model.parameters() if p.is_floating_point()), None)
    if weight is not None and weight.device != x.device:
        return f"bring both to one device: {name}.to({str(weight.device)!r})"
    product = re.search(r"\((\d+)x(\d+) and (\d+)x(\d+)\)", error)
    if product is not None:
        return _for_width(model, x, int(product[2]), int(product[3]), name)
    if re.search(r"input to conv\d", error):
        return f"pass the rows as images: {name}.reshape(rows, channels, height, width)"
    if "'indices'" in error:
        return f"the model looks its inputs up by number: {name}.long()"
    if weight is not None and weight.dtype != x.dtype and "type" in error:
        if weight.dtype == torch.float64 and x.is_floating_point():
            return "the weights are float64: make them float32 by model.float()"
        wanted = "float()" if weight.dtype == torch.float32 else f"to(torch.{_dtype(weight)})"
        return f"give the rows the type of the weights: {name}.{wanted}"
    return f"call model({name}) yourself, and fix what it reports"


def _for_width(model: nn.Module, x: Tensor, given: int, wanted: int, name: str) -> str:
    if x.dim() > 2 and math.prod(x.shape[1:]) == wanted:
        return f"put nn.Flatten() in front, or pass {name}.flatten(1)"
    layers = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and m.in_features == wanted]
    which = f"layer {layers[0]}" if layers and layers[0] else "the layer"
    return f"{which} takes {wanted} numbers a row and gets {given}: give it {given} inputs, nn.Linear({given}, ...)"


def _for_criterion(criterion: Any, output: Tensor | None, target: Tensor, error: str, name: str) -> str:
    """The one thing to do about a criterion that cannot be called."""
    general = f"call criterion(model({name}), y) yourself, and fix what it reports"
    if output is None:
        return general
    if len(output) != len(target) and output.dim() and target.dim():
        return f"pass {name} and y of the same rows: the model gives {len(output)} rows for {len(target)} targets"
    if name_of(criterion) in BY_CLASS:
        if target.dim() == output.dim() and target.shape[1:2] == (1,) and output.dim() > 1:
            return "drop the second axis of the class numbers: y.squeeze(1)" + _long(target)
        if target.dim() == output.dim() - 1 and target.dtype != torch.int64:
            return "class numbers are whole: y.long()"
        if target.dim() == output.dim() == 1:
            return "give the last layer an output for each class, and leave its outputs (rows, classes)"
        return "pass class numbers, not columns of 0 and 1: y.argmax(1)" if target.shape == output.shape else general
    if output.shape == (*target.shape, 1):
        return "bring y to the shape of the outputs: y.unsqueeze(1)" + _float(target)
    if target.shape == (*output.shape, 1):
        return "bring y to the shape of the outputs: y.squeeze(1)" + _float(target)
    if not target.is_floating_point():
        return "targets of this loss are floats: y.float()"
    if "between 0 and 1" in error:
        return "use nn.BCEWithLogitsLoss(), which takes bare outputs"
    return general


def _long(target: Tensor) -> str:
    return "" if target.dtype == torch.int64 else ".long()"


def _float(target: Tensor) -> str:
    return "" if target.is_floating_point() else ".float()"
