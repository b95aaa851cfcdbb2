"""Short trainings of copies of the user's network on the kept rows, paired: same rows, same batches, same start, one
change."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.changes.change import Change, TrainingPlan
from tenfold.doctor.changes.surgery import Replacement, bare, dealt_anew, with_units
from tenfold.doctor.measure.numbers.pipeline import Pipeline, proper_loss
from tenfold.doctor.measure.numbers.rows import RowBatch, join
from tenfold.doctor.measure.numbers.skill import WORST
from tenfold.doctor.measure.watching.seeded import seeded
from tenfold.doctor.measure.watching.trace import Tracer, first_tensor, tracing
from tenfold.doctor.record import Operation, Trial, weighted

SCORED = 1024  # rows that a trial is scored on
HELD_OUT = 0.25


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
        plan = change.plan(steps, self.batch_rows, self.limit)
        results = [self._one(plan, seed) for seed in seeds]
        skill, held, loss = (list(column) for column in zip(*results, strict=True))
        return Trial(change.name, plan.steps, skill, held, loss)

    def _one(self, plan: TrainingPlan, seed: int) -> tuple[float | None, float | None, float | None]:
        with seeded(seed), torch.enable_grad():
            try:
                return _Training(self, plan, seed).run()
            except (RuntimeError, ValueError, IndexError, TypeError):  # a change that does not fit this network
                return None, None, None


class _Training:
    """One short training of a copy."""

    def __init__(self, setup: Setup, plan: TrainingPlan, seed: int) -> None:
        self.setup, self.plan, self.seed = setup, plan, seed
        self.model = copy.deepcopy(setup.model)
        self.model.load_state_dict(setup.start, strict=False)
        self.pipeline = setup.pipeline
        self.device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        if seed:
            dealt_anew(self.model, seed)
        for start in plan.start:
            start(self.model, setup.operations, seed)
        self.replaced: dict[int, Replacement] = {}
        for edit in plan.network:
            self.replaced = edit(setup.operations, self.replaced)
        self.extra: list[Tensor] = []  # parameters of a new output layer
        if plan.task_output:
            self.replaced |= bare(setup.operations) | self._task_output()
        self.train_parts, self.held = self._rows()
        climbs = any(options.get("maximize") for _, groups in setup.groups for _, options in groups)
        # the plan makes a maximizing optimizer minimize; otherwise it is the loss whose sign is wrong
        self.sign = -1.0 if plan.descend and not climbs else 1.0
        self.by_row = plan.mean_loss and setup.summed and not plan.task_output
        self.optimizers = self._optimizers()

    def _task_output(self) -> dict[int, Replacement]:
        """The task's own output and loss: nothing behind the last layer, one unit a class (or a number), and cross
        entropy (or the squared error)."""
        pipeline, operations = self.pipeline, self.setup.operations
        needed, loss = proper_loss(pipeline.task, pipeline.classes, pipeline.left_out)
        last = operations[weighted(operations)[-1]]
        count = int(torch.tensor(pipeline.shape).prod()) if pipeline.shape else 1
        criterion = lambda output, target: loss(output, pipeline.wanted(target))  # noqa: E731
        if pipeline.task in ("numbers", "labels"):
            self.pipeline = replace(pipeline, criterion=criterion, after="", sign=1.0, cut=0.0)
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

    def _rows(self) -> tuple[list[RowBatch], RowBatch | None]:
        """Batches to train on, and rows to score on that are not trained on."""
        setup, plan = self.setup, self.plan
        parts, held = setup.parts, None
        if plan.few_rows:
            few = torch.arange(min(plan.few_rows, parts[0].count), device=parts[0].target.device)
            return [parts[0].take(few) if setup.joined else parts[0]], None
        generator = torch.Generator().manual_seed(1000 + self.seed)
        if setup.joined:
            rows = join(parts)
            order = torch.randperm(rows.count, generator=generator).to(rows.target.device)
            out = min(int(rows.count * HELD_OUT), SCORED)
            held = rows.take(order[:out]) if out >= 8 else None
            rows = rows.take(order[out if held is not None else 0 :])
            size = min(plan.batch_rows, rows.count)
            parts = [
                rows.take(torch.arange(i, min(i + size, rows.count), device=rows.target.device))
                for i in range(0, rows.count - (rows.count % size if rows.count >= size else 0), size)
            ]
        elif len(parts) >= 4:
            out = max(1, len(parts) // 4)
            held, parts = parts[-1], parts[: len(parts) - out]
        for edit in plan.rows:
            parts, held = edit(parts, held, self.pipeline.task)
        return parts, held

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        plan, setup = self.plan, self.setup
        named = dict(self.model.named_parameters())
        if plan.all_parameters:
            for p in named.values():
                p.requires_grad_(p.is_floating_point())
        if plan.adam_rate:
            return [torch.optim.Adam([p for p in named.values() if p.requires_grad] + self.extra, lr=plan.adam_rate)]
        optimizers = []
        missing = set(named) - {n for _, groups in setup.groups for names, _ in groups for n in names}
        for number, (kind, groups) in enumerate(setup.groups):
            made = []
            for place, (names, options) in enumerate(groups):
                options = {k: v for k, v in options.items() if k not in ("params", "initial_lr")}
                options["lr"] = float(options.get("lr", 1e-3)) * plan.rate_factor
                options |= {name: value for name, value in plan.options.items() if name in options}
                members = [named[n] for n in names if n in named]
                if number == 0 and place == 0:
                    members += self.extra + ([named[n] for n in sorted(missing)] if plan.all_parameters else [])
                made.append({**options, "params": members})
            optimizers.append(kind(made, lr=made[0]["lr"]))
        return optimizers

    def run(self) -> tuple[float | None, float | None, float | None]:
        """Skill on rows it trained on, on rows it did not, and the loss at the end."""
        with tracing(self.model, changes=self.replaced) if self.replaced else nullcontext() as tracer:
            finite = self._train(tracer)
            train = self._score(self.train_parts, tracer, finite)
            held = self._score([self.held], tracer, finite) if self.held is not None else (None, None)
        return train[0], held[0], train[1]

    def _set_modes(self) -> None:
        setup = self.setup
        self.model.train(setup.training_mode or self.plan.training_mode)
        if not self.plan.training_mode:
            for name, module in self.model.named_modules():
                if name in setup.still:
                    module.eval()

    def _train(self, tracer: Tracer | None) -> bool:
        """Whether all losses were finite."""
        self._set_modes()
        setup, plan = self.setup, self.plan
        base = [[g["lr"] for g in o.param_groups] for o in self.optimizers]
        wants_closure = any(type(o).__name__ == "LBFGS" for o in self.optimizers)
        for step in range(plan.steps):
            part = self.train_parts[step % len(self.train_parts)]
            if setup.rates and not plan.adam_rate:
                factor = setup.rates[min(step, len(setup.rates) - 1)]
                for o, rates in zip(self.optimizers, base, strict=True):
                    for g, rate in zip(o.param_groups, rates, strict=True):
                        g["lr"] = rate * factor
            loss = self._backward(part, tracer)
            if not math.isfinite(loss):
                return False
            if plan.clip_norm is not None:
                parameters = [p for o in self.optimizers for g in o.param_groups for p in g["params"]]
                torch.nn.utils.clip_grad_norm_(parameters, plan.clip_norm)
            closure: Any = partial(self._backward, part, tracer) if wants_closure else None
            for o in self.optimizers:
                o.step(closure)
        return True

    def _backward(self, part: RowBatch, tracer: Tracer | None) -> float:
        for o in self.optimizers:
            o.zero_grad()
        loss = self.pipeline.loss(self._output(part, tracer), part.target)
        if self.sign < 0:
            loss = -loss
        if self.by_row:
            loss = loss / part.count
        loss.backward()
        return float(loss.detach())

    def _output(self, part: RowBatch, tracer: Tracer | None) -> Tensor:
        if tracer is not None:
            tracer.reset()
        output = first_tensor(self.model(*part.inputs, **part.keywords))
        assert output is not None
        return output

    @torch.no_grad()
    def _score(self, parts: Sequence[RowBatch], tracer: Tracer | None, finite: bool) -> tuple[float | None, float]:
        """Skill and loss in evaluation mode on the first rows; the worst of both where a loss was not finite."""
        if not finite:
            return WORST, math.inf
        self.model.eval()
        outputs, targets, scored = [], [], 0
        for part in parts:
            outputs.append(self._output(part, tracer))
            targets.append(part.target)
            scored += part.count
            if scored >= SCORED:
                break
        output, target = torch.cat(outputs), torch.cat(targets)
        loss = float(self.pipeline.loss(output, target))
        return self.pipeline.skill(output, target), loss if math.isfinite(loss) else math.inf
