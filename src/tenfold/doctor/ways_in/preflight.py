"""Before any training: what one set of rows says of a model, its start and its loss."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.check_user_code.calls import called, check_labels, check_same_rows, criticized
from tenfold.doctor.check_user_code.values import (
    check_criterion,
    check_finite,
    check_module,
    check_parameters,
    inputs_by_name,
    tensor,
)
from tenfold.doctor.diagnosis import Diagnosis, diagnosis_of
from tenfold.doctor.measure.watching.calls import CallLog, dependence
from tenfold.doctor.measure.watching.quiet import quiet
from tenfold.doctor.measure.watching.seeded import seeded
from tenfold.doctor.measure.watching.trace import first_tensor
from tenfold.doctor.measure.watching.watched import ObservedBatch, Watched
from tenfold.doctor.prescribe.prescribe import remedy_of_error
from tenfold.doctor.prove.attempts import SETTLED
from tenfold.doctor.record import Curves, LoopFacts
from tenfold.doctor.ways_in.examine import measure
from tenfold.errors import BadInput, in_short

ROWS, BATCH = 512, 32
RATE = 3e-3  # of Adam, as in the reference
SECONDS = 1.5  # meant for the short trainings


@quiet()
def preflight(model: nn.Module, x: Any, y: Any, criterion: Any) -> Diagnosis:
    """Judge a model before any training, on copies: a second for a small sound model, a few for one that is not.

    model: any torch module; x: its input, a tensor or an array (rows, ...) or a tuple of such; y: targets (rows, ...);
    criterion: criterion(model(x), y) is the loss. Arrays of float64 become float32, tensors stay as they are. At most
    512 rows are looked at, evenly spread. Measured: moments of inputs and targets; signal and gradient layer by layer
    against the same architecture under a right start on standardized rows; the loss against that of a constant output;
    and trainings of 200 updates (of 60 or more where they take long) with Adam, as it is and with one change each. The
    same arguments get the same diagnosis, on every machine. What depends on the optimizer (its rate, epsilon, decay)
    cannot be judged before it is seen: use `tenfold.watch`.

    The model, its gradients and the global random state stay as they are. Raises BadInput where x, y or a weight is not
    finite, where the model cannot be called with x, or the criterion with what it gives and y, and where an argument is
    no model, no numbers or no criterion.
    """
    check_module(model, "pass a module: tenfold.preflight({}, x, y, criterion)")
    check_criterion(criterion)
    check_parameters(model)
    inputs, targets = _given(x, y)
    inner = getattr(model, "_orig_mod", model)
    clone = _copy(inner)
    start = {name: value.detach().clone() for name, value in inner.state_dict().items()}
    batches = _batches(clone, inputs, targets)
    output, target = batches[0].output, batches[0].target
    assert target is not None
    check_labels(criterion, output, targets)
    check_same_rows(inputs, output, targets, "x")
    criticized(criterion, output, target, "x")
    optimizers, options = _adam(clone)
    log = _dependence(clone, criterion, batches[0], optimizers)
    loop = LoopFacts(severed=log.severed, members=len(log.members), trainable=len(log.members))
    return _judged(
        Watched(clone, criterion, optimizers, options, start, [], batches, [], Curves([]), 0, loop=loop, calls=log)
    )


def _copy(model: nn.Module) -> nn.Module:
    """A copy to try things on."""
    try:
        return copy.deepcopy(model)
    except Exception as error:  # whatever the model's own attributes do
        raise BadInput(
            f"the model cannot be copied, and nothing is tried on the original: {in_short(error)}",
            expected="a model that copy.deepcopy takes",
            do="hold what cannot be copied outside of the model, or watch its training: tenfold.watch",
        ) from error


def _dependence(clone: nn.Module, criterion: Any, batch: ObservedBatch, optimizers: list[Any]) -> CallLog:
    """What the loss of the first batch depends on, as the log of a loop would have it."""
    log = CallLog(clone, optimizers)
    with seeded(0), torch.enable_grad():
        output = first_tensor(clone(*batch.inputs, **batch.keywords))
        loss = criterion(output, batch.target)
        if not loss.requires_grad:
            log.no_gradient(output, output)
            return log
        log.depends = dependence(loss)
        log.versions = {key: leaf._version for key, leaf in log.depends.leaves.items()}
        try:
            found: Any = torch.autograd.grad(loss.sum(), log.members, allow_unused=True)
        except RuntimeError as error:
            raise BadInput(
                f"the gradient of the loss cannot be computed: {in_short(error)}",
                expected="a loss that backward() works on",
                do=remedy_of_error(str(error)),
            ) from error
    log.reached = {id(p) for p, g in zip(log.members, found, strict=True) if g is not None and bool(g.any())}
    log.orders = ["FCB"]
    return log


def _adam(model: nn.Module) -> tuple[list[Any], list[Any]]:
    """The optimizer that is imagined, with its options."""
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise BadInput(
            "the model has no parameter that is trained",
            expected="parameters with requires_grad=True",
            do="hold layers as attributes, in nn.ModuleList or nn.ModuleDict, and set requires_grad_(True)",
        )
    optimizer = torch.optim.Adam(trained, lr=RATE)
    return [optimizer], [[{"lr": RATE, "betas": (0.9, 0.999), "eps": 1e-8}]]


def _judged(watched: Watched) -> Diagnosis:
    record = measure(watched, budget=SECONDS, simple=False)[0]
    made = record.trials[0].steps if record.trials else SETTLED
    if made < SETTLED:
        few = f"its updates take long: short trainings of {made} instead of {SETTLED}, where a slow start may look ill"
        record = replace(record, notes=[*record.notes, few])
    return diagnosis_of(record)


def _given(x: Any, y: Any) -> tuple[tuple[Tensor, ...], Tensor]:
    """The inputs and the targets as finite tensors."""
    given = inputs_by_name(x, "x")
    scalar = lambda value: isinstance(value, Tensor) and not value.dim()  # noqa: E731
    inputs = tuple(v if i and scalar(v) else tensor(v, n) for i, (n, v) in enumerate(given.items()))
    targets = tensor(y, "y")
    for place, (value, name) in enumerate(zip(inputs, given, strict=True)):
        check_finite(value, name, infinite=not place)
    check_finite(targets, "y")
    if not len(targets):
        raise BadInput("y has no rows", expected="rows of x and y", do="pass at least 32 rows")
    return inputs, targets


def _batches(clone: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> list[ObservedBatch]:
    """The rows in batches, with the copy's outputs in training mode."""
    rows = y.shape[0]
    by_row = all(value.dim() and value.shape[0] == rows for value in inputs)
    index = torch.linspace(0, rows - 1, min(rows, ROWS)).long().unique()
    parts = torch.split(index, BATCH) if by_row else (None,)
    clone.train()
    found: list[ObservedBatch] = []
    with seeded(0), torch.no_grad():
        for part in parts:
            if part is not None and len(part) < min(BATCH, len(index)) // 2:
                continue
            mine = tuple(v if part is None else v[part] for v in inputs)
            target = y if part is None else y[part]
            output = first_tensor(called(clone, mine, "x"))
            found.append(ObservedBatch(0, mine, {}, output, output, target, None, True))
    return found
