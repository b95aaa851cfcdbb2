"""A user's own module trained under the doctor, over several seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.doctor.check_user_code.calls import called, check_labels, criticized
from tenfold.doctor.check_user_code.values import (
    check_criterion,
    check_finite,
    check_fresh,
    check_maker,
    check_module,
    check_parameters,
    check_rows,
    inputs_by_name,
    optimizer_of,
    tensor,
)
from tenfold.doctor.diagnosis import Diagnosis, diagnosis_of
from tenfold.doctor.judge.evidence import share
from tenfold.doctor.judge.evidence_trials import attained
from tenfold.doctor.judge.evidence_units_and_signal import DEAD_NOTED
from tenfold.doctor.measure.numbers.skill import WORST
from tenfold.doctor.measure.watching.quiet import quiet
from tenfold.doctor.measure.watching.seeded import seeded
from tenfold.doctor.measure.watching.watched import Watched
from tenfold.doctor.prove.attempts import TrialMaker
from tenfold.doctor.record import LEAST_SKILL, Record
from tenfold.doctor.ways_in.examine import make_proofs, measure
from tenfold.doctor.ways_in.watch import watch
from tenfold.errors import BadInput

LEAST_ROWS, FIRST_ROWS = 4, 32  # that are needed; that go through a first module before any training
HELD_OUT = 0.2
EVALUATIONS = 12  # times that the held-out rows are looked at during a training


@quiet()
def diagnose(
    make_model: Callable[[], nn.Module],
    X: Any,
    y: Any,
    criterion: Any,
    make_optimizer: Callable[[Any], torch.optim.Optimizer],
    *,
    batch_size: int = 32,
    epochs: int = 20,
    seeds: int = 3,
    budget: float = 2.0,
) -> Diagnosis:
    """Train a module under the doctor and say what is wrong, with a remedy that is proven by paired short trainings.

    make_model: makes a fresh module, called after seeding; X: (rows, ...), or a tuple of such where the module takes
    several inputs, and y: (rows,) or (rows, ...), arrays or tensors (float64 becomes float32, whole numbers int64);
    criterion(module(x), y): the loss; make_optimizer(params)
    or make_optimizer(module); batch_size: rows; epochs: passes over four fifths of the rows (a fifth is held out).
    seeds: trainings; the worst is examined, and the others say how often it happens. budget: seconds for the short
    trainings, about; the proof takes as much again. What is tried from outside: input and target scaling, learning
    rate, optimizer, clipping, initialization, batch size, epochs, activations, the output with its loss, dropout.

    The global random state of torch stays as it was. Raises BadInput for what does not fit (X, y or weights that are
    not finite, a module or criterion that cannot be called with the first 32 rows, a make_model that gives the same
    module twice), and whatever the user's own code raises later.
    """
    if batch_size < 1 or epochs < 1 or seeds < 1:
        raise BadInput(
            f"batch_size={batch_size}, epochs={epochs}, seeds={seeds}",
            expected="whole numbers of at least 1",
            do="give at least one row a batch, one epoch and one seed",
        )
    check_maker(make_optimizer, "make_optimizer", "lambda parameters: torch.optim.Adam(parameters, lr=1e-3)")
    inputs, targets = _rows(X, y)
    fresh = _checked(make_model, inputs, targets, criterion)
    runs = [_trained(fresh, inputs, targets, criterion, make_optimizer, batch_size, epochs, seed)
            for seed in range(seeds)]  # fmt: skip
    light = [measure(run, try_changes=False, simple=False)[0] for run in runs]
    reached = [WORST if (skill := attained(record)) is None else skill for record in light]
    record, attempt = measure(runs[int(np.argmin(reached))], budget=budget)
    record = replace(record, notes=[*record.notes, *_across(light, reached)])
    return _proven(record, attempt)


def _proven(record: Record, attempt: TrialMaker | None) -> Diagnosis:
    diagnosis = diagnosis_of(record)
    if diagnosis.healthy or attempt is None:
        return diagnosis
    proofs = make_proofs(record, [f.change for f in diagnosis.findings[:2]], attempt)
    return diagnosis_of(replace(record, proofs=proofs))


def _rows(X: Any, y: Any) -> tuple[tuple[Tensor, ...], Tensor]:
    """Inputs and targets as finite tensors, of the types that torch's losses want."""
    given = inputs_by_name(X, "X")
    inputs, targets = tuple(_tensor(value, name) for name, value in given.items()), _tensor(y, "y")
    for value, name in zip(inputs, given, strict=True):
        check_rows(value, targets, LEAST_ROWS)
        check_finite(value, name)
    check_finite(targets, "y")
    return inputs, targets


def _tensor(values: Any, name: str) -> Tensor:
    found = tensor(values, name).clone()
    if found.dtype == torch.float64:
        return found.float()
    return found if found.is_floating_point() or found.dtype == torch.bool else found.long()


def _checked(
    make_model: Callable[[], nn.Module], x: tuple[Tensor, ...], y: Tensor, criterion: Any
) -> Callable[[], nn.Module]:
    """make_model, refused where the first rows do not go through it and the criterion, and later on where it gives a
    module twice."""
    check_maker(make_model, "make_model", "lambda: Network(), or the class itself")
    check_criterion(criterion)
    with seeded(0):
        first = make_model()
        check_module(first, "let make_model return the module that it builds")
        check_parameters(first)
        output = called(first, tuple(v[:FIRST_ROWS] for v in x), "X")
        check_labels(criterion, output, y)
        criticized(criterion, output, y[:FIRST_ROWS], "X")
    made = [first]

    def fresh() -> nn.Module:
        model = make_model()
        check_fresh(model, made)
        made.append(model)
        return model

    return fresh


def _trained(
    make_model: Callable[[], nn.Module], x: tuple[Tensor, ...], y: Tensor, criterion: Any, make_optimizer: Any,
    batch_size: int, epochs: int, seed: int,
) -> Watched:  # fmt: skip
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        model = make_model()
        optimizer = optimizer_of(make_optimizer, model)
        order = torch.randperm(len(y))
        held = max(1, int(HELD_OUT * len(y))) if len(y) >= 20 else 0
        validation, training = order[:held], order[held:]
        every = max(1, epochs // EVALUATIONS)
        with watch(model, optimizer, criterion) as doctor:
            for epoch in range(epochs):
                model.train()
                for part in torch.split(training[torch.randperm(len(training))], batch_size):
                    if len(part) == 1 < len(training):
                        continue  # batch normalization takes no batch of one
                    optimizer.zero_grad()
                    output = model(*(v[part] for v in x))
                    loss = criterion(output, y[part])
                    doctor.observe(output, y[part], loss) if not isinstance(criterion, nn.Module) else None
                    loss.backward()
                    optimizer.step()
                if held and (epoch % every == 0 or epoch == epochs - 1):
                    _look(model, tuple(v[validation] for v in x), y[validation], criterion, doctor)
        return doctor.watched()


def _look(model: nn.Module, x: tuple[Tensor, ...], y: Tensor, criterion: Any, doctor: Any) -> None:
    model.eval()
    with torch.no_grad():
        output = model(*x)
        loss = criterion(output, y)
        if not isinstance(criterion, nn.Module):
            doctor.observe(output, y, loss)


def _across(records: list[Record], reached: list[float]) -> list[str]:
    """What happens in some of the seeds."""
    count = len(records)
    if count < 2:
        return []
    found = [
        f"over {count} seeds the run's skill is " + ", ".join(f"{max(r, LEAST_SKILL):.2f}" for r in sorted(reached))
    ]
    broken = sum(r.curves.non_finite is not None for r in records)
    if broken:
        found.append(f"not finite in {broken} of {count} seeds")
    ends = [end for r in records if (end := r.probe("end")) is not None]
    dead = sum(any((layer.dead or 0) > DEAD_NOTED for layer in end.layers) for end in ends)
    if dead:
        found.append(f"a layer loses more than {share(DEAD_NOTED)} of its units in {dead} of {count} seeds")
    return found
