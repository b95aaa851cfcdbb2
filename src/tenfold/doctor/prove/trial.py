"""Short trainings of copies of the user's network on the kept rows, paired: same rows, same batches, same start, one
change."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.changes.change import Change
from tenfold.doctor.changes.surgery import (
    Replacement,
    bare,
    dealt_anew,
    normalize,
    rectify,
    reinitialize,
    with_units,
    without_dropout,
)
from tenfold.doctor.measure.numbers.pipeline import Pipeline, proper_loss
from tenfold.doctor.measure.numbers.rows import RowBatch, join, standardized_inputs, standardized_targets
from tenfold.doctor.measure.watching.seeded import seeded
from tenfold.doctor.measure.watching.trace import first_tensor, tracing
from tenfold.doctor.record import Operation, Trial, weighted

SCORED = 1024  # rows that a trial is scored on
HELD_OUT = 0.25
WHOLE = 200  # updates of a training that is not cut to the user's
MOST_UPDATES = 300  # of a short training
ONE_BATCH = 20  # rows that should be learnt by heart


@dataclass
class Setup:
    """What every trial of a training shares. groups: for each optimizer the names of its parameters by group with their
    options; parts: the kept training batches; joined: whether rows may be dealt anew; limit: clipping that was seen."""

    model: nn.Module
    start: dict[str, Tensor]
    operations: list[Operation]
    pipeline: Pipeline
    parts: list[RowBatch]
    joined: bool
    batch_rows: int
    groups: list[tuple[type, list[tuple[list[str], dict[str, Any]]]]]
    training_mode: bool = True
    still: list[str] = field(default_factory=list)
    summed: bool = False
    limit: float | None = None
    rates: list[float] = field(default_factory=list)  # factor of the rate by update
    accumulated: int = 1

    def trial(self, change: Change, seeds: Sequence[int], steps: int) -> Trial:
        """The change tried with each seed."""
        made = steps * change.longer
        if change.whole:
            made = max(steps, WHOLE)
        elif change.batch > 0:  # as many epochs, so more updates
            made = min(max(MOST_UPDATES, steps), steps * max(1, self.batch_rows // change.batch))
        found = [self._one(change, seed, made) for seed in seeds]
        skill, held, loss = (list(column) for column in zip(*found, strict=True))
        return Trial(change.name, made, skill, held, loss)

    def _one(self, change: Change, seed: int, steps: int) -> tuple[float | None, float | None, float | None]:
        with seeded(seed), torch.enable_grad():
            try:
                return _Training(self, change, seed).run(steps)
            except (RuntimeError, ValueError, IndexError, TypeError):
                return None, None, None


class _Training:
    def __init__(self, setup: Setup, change: Change, seed: int) -> None:
        self.setup, self.change, self.seed = setup, change, seed
        self.model = copy.deepcopy(setup.model)
        self.model.load_state_dict(setup.start, strict=False)
        self.pipeline = setup.pipeline
        self.device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        if seed:
            dealt_anew(self.model, seed)
        if change.reinitialize:
            reinitialize(self.model, setup.operations, "relu" if change.relu else "", seed)
        self.extra: list[Tensor] = []
        self.replaced = self._replacements()
        self.train_parts, self.held = self._rows()
        self.optimizers = self._optimizers()

    # ---- the network ----

    def _replacements(self) -> dict[int, Replacement]:
        change, operations = self.change, self.setup.operations
        found = rectify(operations) if change.relu else {}
        if change.normalize:
            found = normalize(operations, found)
        if change.no_dropout:
            found |= without_dropout(operations)
        if change.head:
            found |= bare(operations)
            found |= self._head()
        return found

    def _head(self) -> dict[int, Replacement]:
        """The task's own output and loss: nothing behind the last layer, one unit a class (or a number), and cross
        entropy (or the squared error)."""
        pipeline, operations = self.pipeline, self.setup.operations
        needed, loss = proper_loss(pipeline.task, pipeline.classes)
        last = operations[weighted(operations)[-1]]
        count = int(torch.tensor(pipeline.shape).prod()) if pipeline.shape else 1
        criterion = lambda output, target: loss(output, pipeline.wanted(target))  # noqa: E731
        if pipeline.task == "numbers":
            self.pipeline = replace(pipeline, criterion=criterion, after="", sign=1.0)
            return {}
        if pipeline.task == "binary" and count == 1:
            binary = lambda z, y: nn.functional.binary_cross_entropy_with_logits(  # noqa: E731
                z.reshape(len(z)), pipeline.wanted(y).to(z.dtype)
            )
            self.pipeline = replace(pipeline, criterion=binary, after="", cut=0.0, shape=(), sign=1.0)
            return {}
        self.pipeline = replace(pipeline, criterion=criterion, after="", shape=(needed,), sign=1.0)
        if last.kind != "linear" or count == needed:
            return {}
        generator = torch.Generator().manual_seed(self.seed)
        weight = torch.randn(needed, last.fan_in, generator=generator) / math.sqrt(last.fan_in)
        self.extra = [weight.to(self.device).requires_grad_(), torch.zeros(needed, device=self.device).requires_grad_()]
        return with_units(operations, *self.extra)

    # ---- the rows ----

    def _rows(self) -> tuple[list[RowBatch], RowBatch | None]:
        setup, change = self.setup, self.change
        parts, held = setup.parts, None
        if change.one_batch:
            few = torch.arange(min(ONE_BATCH, parts[0].count), device=parts[0].target.device)
            return [parts[0].take(few) if setup.joined else parts[0]], None
        generator = torch.Generator().manual_seed(1000 + self.seed)
        if setup.joined:
            rows = join(parts)
            order = torch.randperm(rows.count, generator=generator).to(rows.target.device)
            out = min(int(rows.count * HELD_OUT), SCORED)
            held = rows.take(order[:out]) if out >= 8 else None
            rows = rows.take(order[out if held is not None else 0 :])
            size = setup.batch_rows
            if change.batch > 0:
                size = min(size, change.batch)
            elif change.batch < 0:
                size = max(size, -change.batch)
            size = min(size, rows.count)
            parts = [
                rows.take(torch.arange(i, min(i + size, rows.count), device=rows.target.device))
                for i in range(0, rows.count - (rows.count % size if rows.count >= size else 0), size)
            ]
        elif len(parts) >= 4:
            out = max(1, len(parts) // 4)
            held, parts = parts[-1], parts[: len(parts) - out]
        if change.standardize_inputs:
            parts, held = standardized_inputs(parts, held)
        if change.standardize_targets and self.pipeline.task == "numbers":
            parts, held = standardized_targets(parts, held)
        return parts, held

    # ---- the optimizer ----

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        change, setup = self.change, self.setup
        named = dict(self.model.named_parameters())
        if change.unfreeze:
            for p in named.values():
                p.requires_grad_(p.is_floating_point())
        if change.adam:
            return [torch.optim.Adam([p for p in named.values() if p.requires_grad] + self.extra, lr=change.adam)]
        found = []
        missing = set(named) - {n for _, groups in setup.groups for names, _ in groups for n in names}
        for number, (kind, groups) in enumerate(setup.groups):
            made = []
            for place, (names, options) in enumerate(groups):
                options = {k: v for k, v in options.items() if k not in ("params", "initial_lr")}
                options["lr"] = float(options.get("lr", 1e-3)) * change.lr
                if change.no_decay and "weight_decay" in options:
                    options["weight_decay"] = 0
                if change.epsilon and "eps" in options:
                    options["eps"] = 1e-8
                if change.flip and options.get("maximize"):
                    options["maximize"] = False
                members = [named[n] for n in names if n in named]
                if number == 0 and place == 0:
                    members += self.extra + ([named[n] for n in sorted(missing)] if change.unfreeze else [])
                made.append({**options, "params": members})
            found.append(kind(made, lr=made[0]["lr"]))
        return found

    # ---- the loop ----

    def run(self, steps: int) -> tuple[float | None, float | None, float | None]:
        """Skill on rows it trained on, on rows it did not, and the loss at the end."""
        with tracing(self.model, changes=self.replaced) if self.replaced else _nothing() as tracer:
            good = self._train(steps, tracer)
            train = self._score(self.train_parts, tracer, good)
            held = self._score([self.held], tracer, good) if self.held is not None else (None, None)
        return train[0], held[0], train[1]

    def _modes(self) -> None:
        setup = self.setup
        self.model.train(setup.training_mode or self.change.training_mode)
        if not self.change.training_mode:
            for name, module in self.model.named_modules():
                if name in setup.still:
                    module.eval()

    def _train(self, steps: int, tracer: Any) -> bool:
        self._modes()
        setup, change = self.setup, self.change
        scaled = change.mean_loss and setup.summed
        # an update at a time, in the order of the batches; a closure for optimizers that want one
        base = [[g["lr"] for g in o.param_groups] for o in self.optimizers]
        closure_wanted = any(type(o).__name__ == "LBFGS" for o in self.optimizers)
        for step in range(steps):
            part = self.train_parts[step % len(self.train_parts)]
            if setup.rates and not change.adam:
                factor = setup.rates[min(step, len(setup.rates) - 1)]
                for o, rates in zip(self.optimizers, base, strict=True):
                    for g, rate in zip(o.param_groups, rates, strict=True):
                        g["lr"] = rate * factor
            loss = self._backward(part, tracer, scaled)
            if not math.isfinite(loss):
                return False
            limit = 1.0 if change.clip else setup.limit
            if limit is not None:
                parameters = [p for o in self.optimizers for g in o.param_groups for p in g["params"]]
                torch.nn.utils.clip_grad_norm_(parameters, limit)
            for o in self.optimizers:
                o.step((lambda part=part: self._backward(part, tracer, scaled)) if closure_wanted else None)  # type: ignore[arg-type]
        return True

    def _backward(self, part: RowBatch, tracer: Any, scaled: bool) -> float:
        for o in self.optimizers:
            o.zero_grad()
        if tracer is not None:
            tracer.reset()
        output = first_tensor(self.model(*part.inputs, **part.keywords))
        assert output is not None
        loss = self.pipeline.loss(output, part.target)
        if self.change.flip:
            loss = -loss if not any(g.get("maximize") for o in self.setup.groups for _, g in o[1]) else loss
        if scaled and not self.change.head:
            loss = loss / part.count
        loss.backward()
        return float(loss.detach())

    @torch.no_grad()
    def _score(self, parts: Sequence[RowBatch], tracer: Any, good: bool) -> tuple[float | None, float | None]:
        if not good:
            return -1.0, math.inf
        self.model.eval()
        outputs, targets, seen = [], [], 0
        for part in parts:
            if tracer is not None:
                tracer.reset()
            output = first_tensor(self.model(*part.inputs, **part.keywords))
            assert output is not None
            outputs.append(output)
            targets.append(part.target)
            seen += part.count
            if seen >= SCORED:
                break
        output, target = torch.cat(outputs), torch.cat(targets)
        loss = float(self.pipeline.loss(output, target))
        return self.pipeline.skill(output, target), loss if math.isfinite(loss) else math.inf


class _nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
