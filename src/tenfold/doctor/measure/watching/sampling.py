"""What is measured at some updates only: true update sizes, gradient norms, states of the network."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.measure.numbers.non_finite import not_finite
from tenfold.doctor.measure.watching.watched import ObservedBatch
from tenfold.doctor.record import CurvePoint, NonFinite, UpdateSizes

STATE_BYTES = 256 << 20  # of all kept states
DENSE_NORMS, NORM_EVERY = 32, 32  # first updates whose gradient norm is measured, and every so many later ones
LAST = 10**12  # update that a schedule may reach
EVERY = 100  # updates between samples at most, in the default schedule
MOST_POINTS = 2048


@dataclass
class _Sample:
    """A sampled update while it is made; by parameter: norms as tensors, and the weights before."""

    step: int
    before: dict[int, Tensor] = field(default_factory=dict)
    gradient: dict[int, Tensor] = field(default_factory=dict)
    weight: dict[int, Tensor] = field(default_factory=dict)
    update: dict[int, Tensor] = field(default_factory=dict)


def sampled_updates(per_decade: float, last: int) -> frozenset[int]:
    """0, 1, 2, 3 and then about so many numbers a decade."""
    found, value = {0, 1, 2, 3}, 4.0
    while value <= last:
        found.add(round(value))
        value *= 10 ** (1 / per_decade)
    return frozenset(found)


class Sampler:
    """Samples updates of some optimizers; nothing here waits for a device until it is read."""

    def __init__(self, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], *, sparse: bool) -> None:
        self.model: nn.Module = model
        self.optimizers: Sequence[torch.optim.Optimizer] = optimizers
        self.sparse: bool = sparse
        self.parameters: list[nn.Parameter] = list(model.parameters())
        numbers = {id(p): n for n, p in enumerate(self.parameters)}
        # a parameter may be in one optimizer only, or in none: each optimizer's own are looked at around its own step
        self.members: list[list[tuple[int, Tensor]]] = [
            [(numbers[id(p)], p) for group in o.param_groups for p in group["params"] if id(p) in numbers]
            for o in optimizers
        ]  # of each optimizer: number and parameter
        self.due_at: frozenset[int] = sampled_updates(4 if sparse else 12, LAST)
        self.keep_at: frozenset[int] = (
            sampled_updates(2, LAST) if sparse else sampled_updates(4, LAST) | {4, 8, 16, 32, 64}
        )
        self.events: list[int] = [*sorted(self.due_at | self.keep_at), 2 * LAST]
        self.samples: list[_Sample] = []
        self.norms: list[tuple[int, Tensor]] = []
        self.lr: list[CurvePoint] = []
        self._rate: Any = None
        self.start: dict[str, Tensor] = self._state()
        self.kept: list[tuple[int, dict[str, Tensor]]] = [(0, self.start)]
        each = sum(t.numel() * t.element_size() for t in self.start.values())
        self.room: int = max(2, STATE_BYTES // max(1, each))

    def due(self, step: int) -> bool:
        """Whether the update from `step` to `step` + 1 is sampled."""
        return step in self.due_at or (not self.sparse and step % EVERY == 0)

    def next_event(self, made: int) -> int:
        """The first number of updates above `made` at which an update that is sampled begins or has ended, or a state
        is kept: until then `after` need not be called."""
        if self.due(made):
            return made + 1
        listed = self.events[bisect_right(self.events, made)]
        return listed if self.sparse else min(listed, made - made % EVERY + EVERY)

    @torch.no_grad()
    def _state(self) -> dict[str, Tensor]:
        named = [*self.model.named_parameters(), *self.model.named_buffers()]
        return {name: value.detach().clone() for name, value in named}

    def before(self, number: int, step: int) -> None:
        """An optimizer is about to step."""
        if not self.due(step):
            return
        self._open(number, step)
        if number == 0:
            self._noted_rate(step)

    def passed(self, step: int) -> None:
        """The first optimizer has stepped, sampled or not; its gradients are still there."""
        if self.optimizers[0].param_groups[0]["lr"] != self._rate:
            self._noted_rate(step)
        if (step % NORM_EVERY == 0 or step < DENSE_NORMS) and not self.due(step):
            grads = [g for _, p in self.members[0] if (g := p.grad) is not None and not g.is_sparse]
            if grads:
                self.norms.append((step, _norm(torch._foreach_norm(grads))))  # type: ignore[attr-defined]

    def _noted_rate(self, step: int) -> None:
        rate = self.optimizers[0].param_groups[0]["lr"]
        if rate != self._rate:
            self._rate = rate
            self.lr.append(CurvePoint(step, float(rate)))

    # What an optimizer did is the difference of the weights around its step: with momentum, weight decay and adaptive
    # rates the gradient does not tell. It costs a copy of all parameters, so few updates are sampled: all of the first
    # four, then about as many in every decade.
    @torch.no_grad()
    def _open(self, number: int, step: int) -> None:
        if not self.samples or self.samples[-1].step != step:
            self.samples.append(_Sample(step))
        sample, members = self.samples[-1], self.members[number]
        sample.before |= {n: p.detach().clone() for n, p in members}
        with_gradient = [(n, g) for n, p in members if (g := p.grad) is not None and not g.is_sparse]
        if with_gradient:
            # one call for all parameters; the norms stay tensors, since reading one would wait for the device
            found = torch._foreach_norm([g for _, g in with_gradient])  # type: ignore[attr-defined]
            sample.gradient |= {n: norm for (n, _), norm in zip(with_gradient, found, strict=True)}

    def after(self, number: int, step: int) -> None:
        """An optimizer has stepped."""
        if self.samples and self.samples[-1].step == step and self.samples[-1].before:
            self._close(self.samples[-1], number)
        if number == 0 and step + 1 in self.keep_at:
            self.kept.append((step + 1, self._state()))
            # beyond the memory for them every second state between the first and the last is dropped
            if len(self.kept) > self.room:
                self.kept = [self.kept[0], *self.kept[2:-1:2], self.kept[-1]]

    @torch.no_grad()
    def _close(self, sample: _Sample, number: int) -> None:
        members = [(n, p) for n, p in self.members[number] if n in sample.before]
        old = [sample.before.pop(n) for n, _ in members]
        if not old:
            return
        weight = torch._foreach_norm(old)  # type: ignore[attr-defined]
        moved = torch._foreach_norm(torch._foreach_sub([p.detach() for _, p in members], old))  # type: ignore[attr-defined]
        for (n, _), w, m in zip(members, weight, moved, strict=True):
            sample.weight[n], sample.update[n] = w, m

    def states(self, step: int) -> list[tuple[int, dict[str, Tensor]]]:
        """Kept states, oldest first, the present one last."""
        found = self.kept if self.kept[-1][0] != step else self.kept[:-1]
        return [*found, (step, self._state())]

    def updates(self) -> list[UpdateSizes]:
        """The sampled updates, parameters in the order of the model's."""
        count = len(self.parameters)
        row = lambda values: [float(values[n]) if n in values else None for n in range(count)]  # noqa: E731
        return [UpdateSizes(s.step, row(s.update), row(s.weight), row(s.gradient)) for s in self.samples if s.update]

    def gradient_norms(self) -> list[CurvePoint]:
        """The gradient's norm where it was measured."""
        sampled = [(s.step, _norm([g.float() for g in s.gradient.values()])) for s in self.samples if s.gradient]
        return points(thinned(sorted([*self.norms, *sampled], key=lambda pair: pair[0])))

    def rates(self) -> list[CurvePoint]:
        """The first optimizer's learning rate wherever it changed."""
        return self.lr


def _norm(norms: Sequence[Tensor]) -> Tensor:
    """Of everything, from the norms of its parts."""
    return torch.linalg.vector_norm(torch.stack(list(norms)))


def thinned(values: Sequence[Any]) -> Sequence[Any]:
    """At most MOST_POINTS of them, evenly, the last one among them."""
    if len(values) <= MOST_POINTS:
        return values
    return [values[i * (len(values) - 1) // (MOST_POINTS - 1)] for i in range(MOST_POINTS)]


def points(values: Sequence[tuple[int, Tensor | float]]) -> list[CurvePoint]:
    """Numbers, and tensors read in one go; a loss with several entries counts with its mean."""
    tensors = _read([(step, value) for step, value in values if isinstance(value, Tensor)])
    numbers = [CurvePoint(step, value) for step, value in values if not isinstance(value, Tensor)]
    return sorted([*numbers, *tensors], key=lambda point: point.step) if numbers and tensors else numbers or tensors


def _read(values: Sequence[tuple[int, Tensor]]) -> list[CurvePoint]:
    """Tensors read in one go."""
    if not values:
        return []
    stack = torch.stack([v.float().mean() if v.dim() else v.float() for _, v in values]).tolist()
    return [CurvePoint(step, value) for (step, _), value in zip(values, stack, strict=True)]


def first_bad(
    losses: Sequence[tuple[int, Tensor | float]], sampler: Sampler, batches: Sequence[ObservedBatch],
    sunk: tuple[int, str] | None = None,
) -> NonFinite | None:  # fmt: skip
    """The first input, target, loss, gradient or state that is not finite; None where loss, gradients and states are: a
    model that fills missing inputs, or a loss that leaves missing targets out, is sound."""
    found: list[tuple[int, int, NonFinite]] = []
    step = next((p.step for p in points(losses) if not abs(p.value) < float("inf")), None)
    if step is not None:
        found.append((step, 2, NonFinite(step, "the loss")))
    names = [name for name, _ in sampler.model.named_parameters()]
    for sample in sampler.samples:
        late = next((n for n, g in sample.gradient.items() if not _finite(g)), None)
        if late is not None:
            found.append((sample.step, 3, NonFinite(sample.step, "the gradient", names[late])))
            break
    for at, state in sampler.kept:
        late = next((n for n, v in state.items() if v.is_floating_point() and not _finite(v)), None)
        if late is not None:
            found.append((at, 4, NonFinite(at, "the parameter", late)))
            break
    if sunk is not None:  # the update after which a parameter was seen not to be finite
        found.append((sunk[0], 4, NonFinite(sunk[0], "the parameter", sunk[1])))
    found += _given_bad(batches) if found else []
    return min(found, key=lambda item: item[:2])[2] if found else None


def _finite(value: Tensor) -> bool:
    """Whether all numbers are finite; of a tensor without numbers (on the meta device) nothing is known."""
    return value.is_meta or bool(torch.isfinite(value).all())


def _given_bad(batches: Sequence[ObservedBatch]) -> list[tuple[int, int, NonFinite]]:
    """The first input and the first target that are not finite; infinities count in a batch's first tensor only, since
    further ones may be masks."""
    found: list[tuple[int, int, NonFinite]] = []
    for order, what in enumerate(("the input", "the target")):
        for batch in batches:
            given = (batch.target,) if order else (*batch.inputs, *batch.keywords.values())
            tensors = [value for value in given if isinstance(value, Tensor)]
            bad = next((b for i, t in enumerate(tensors) if (b := not_finite(t, infinite=not i)) is not None), None)
            if bad is not None:
                found.append((batch.step, order, NonFinite(
                    batch.step, what, "", bad.count, bad.of, bad.nans, bad.place)))  # fmt: skip
                break
    return found
