"""The kept rows of a training: whole batches, joined where the model takes rows one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tenfold.doctor.measure.watching.watched import ObservedBatch

PROBE_ROWS, PROBE_VALUES = 4096, 2_000_000  # rows and input numbers of one probe
NEARLY_CONSTANT = 1e-3  # of the standard deviation of the number that varies most


@dataclass(frozen=True)
class RowBatch:
    """Inputs and targets that go through the model together."""

    inputs: tuple[Any, ...]
    keywords: dict[str, Any]
    target: Tensor

    @property
    def count(self) -> int:
        """The number of rows, as the targets have them."""
        return self.target.shape[0]

    def first(self) -> Tensor | None:
        """The first input tensor."""
        return next((a for a in (*self.inputs, *self.keywords.values()) if isinstance(a, Tensor)), None)

    def with_first(self, change: Any) -> RowBatch:
        """The same with the first floating input tensor changed by a function."""
        done = False
        inputs, keywords = list(self.inputs), dict(self.keywords)
        for place, value in enumerate(inputs):
            if isinstance(value, Tensor) and value.is_floating_point() and not done:
                inputs[place], done = change(value), True
        for name, value in keywords.items():
            if isinstance(value, Tensor) and value.is_floating_point() and not done:
                keywords[name], done = change(value), True
        return replace(self, inputs=tuple(inputs), keywords=keywords)

    def take(self, index: Tensor) -> RowBatch:
        """Some rows, of a model that takes rows one by one."""
        pick = lambda v: v[index] if isinstance(v, Tensor) and v.dim() and v.shape[0] == self.count else v  # noqa: E731
        keywords = {k: pick(v) for k, v in self.keywords.items()}
        return RowBatch(tuple(pick(v) for v in self.inputs), keywords, self.target[index])


def rows_of(batch: ObservedBatch) -> RowBatch | None:
    """A batch that has inputs and a target."""
    if batch.target is None or (not batch.inputs and not batch.keywords) or batch.target.dim() == 0:
        return None
    return RowBatch(batch.inputs, batch.keywords, batch.target)


def splittable(parts: Sequence[RowBatch]) -> bool:
    """Whether every input tensor has one entry a row, so that rows may be dealt anew."""
    for part in parts:
        tensors = [v for v in (*part.inputs, *part.keywords.values()) if isinstance(v, Tensor)]
        others = [v for v in (*part.inputs, *part.keywords.values()) if isinstance(v, (tuple, list, dict))]
        if others or not tensors or any(t.dim() == 0 or t.shape[0] != part.count for t in tensors):
            return False
        if any(t.shape[1:] != s.shape[1:] for t, s in zip(tensors, _tensors(parts[0]), strict=False)):
            return False
        if part.target.shape[1:] != parts[0].target.shape[1:]:
            return False
    return True


def _tensors(part: RowBatch) -> list[Tensor]:
    return [v for v in (*part.inputs, *part.keywords.values()) if isinstance(v, Tensor)]


def join(parts: Sequence[RowBatch]) -> RowBatch:
    """All rows of splittable parts together."""
    one = parts[0]
    if len(parts) == 1:
        return one
    inputs = tuple(
        torch.cat([p.inputs[i] for p in parts]) if isinstance(v, Tensor) else v for i, v in enumerate(one.inputs)
    )
    keywords = {
        k: torch.cat([p.keywords[k] for p in parts]) if isinstance(v, Tensor) else v for k, v in one.keywords.items()
    }
    return RowBatch(inputs, keywords, torch.cat([p.target for p in parts]))


def distinct(rows: RowBatch) -> RowBatch:
    """Without repetitions (a watched loop shows the same rows every epoch): the first of each, in order."""
    # a random projection is a key of one number a row: equal rows have equal keys, and sorting numbers is far cheaper
    # than sorting rows of an image's pixels
    flat = torch.cat([t.reshape(rows.count, -1).double() for t in (*_tensors(rows), rows.target)], 1)
    flat = flat.nan_to_num(0.5, 0.25, -0.25)
    generator = torch.Generator(device="cpu").manual_seed(0)
    key = (flat @ torch.rand(flat.shape[1], 1, generator=generator, dtype=torch.float64).to(flat.device))[:, 0]
    _, inverse = torch.unique(key, return_inverse=True)
    first = torch.full((int(inverse.max()) + 1,), rows.count, device=key.device, dtype=torch.long)
    first.scatter_reduce_(0, inverse, torch.arange(rows.count, device=key.device), "amin")
    return rows.take(first.sort().values)


def probe_part(rows: RowBatch, most: int = PROBE_ROWS) -> RowBatch:
    """As many of the first rows as a probe takes."""
    first = rows.first()
    width = max(1, first[0].numel()) if first is not None and first.dim() else 1
    count = max(min(rows.count, most, PROBE_VALUES // width), min(rows.count, 8))
    return rows if count == rows.count else rows.take(torch.arange(count, device=rows.target.device))


def standardized_inputs(parts: list[RowBatch], held: RowBatch | None) -> tuple[list[RowBatch], RowBatch | None]:
    """Each column (channel of images, feature of sequences) with the training rows' mean 0 and std 1."""
    firsts = [p.first() for p in parts]
    if any(f is None or not f.is_floating_point() for f in firsts):
        return parts, held
    x = torch.cat([f.reshape(-1, *f.shape[1:]) for f in firsts if f is not None]).double()
    dims = {2: (0,), 3: (0, 1), 4: (0, 2, 3), 5: (0, 2, 3, 4)}.get(x.dim(), (0,))
    x = torch.where(torch.isfinite(x), x, 0.0)
    mean, std = x.mean(dims, keepdim=True), x.std(dims, keepdim=True, correction=0)
    std = torch.where(std > 1e-12 * (mean.abs() + 1), std, torch.ones_like(std))
    change = lambda v: ((v.double() - mean) / std).to(v.dtype)  # noqa: E731
    return [p.with_first(change) for p in parts], None if held is None else held.with_first(change)


def standardized_targets(parts: list[RowBatch], held: RowBatch | None) -> tuple[list[RowBatch], RowBatch | None]:
    """Targets with the training rows' mean 0 and std 1, number by number; those that are constant, as a picture's
    corners are, only centred."""
    y = torch.cat([p.target for p in parts]).double()
    mean, std = y.mean(0, keepdim=True), y.std(0, keepdim=True, correction=0)
    # One held-out value in such a place would be all of the residual: 1e12 standard deviations of nothing.
    std = torch.where(std > NEARLY_CONSTANT * std.max(), std, std.max().clamp_min(1e-12))
    change = lambda p: replace(p, target=((p.target.double() - mean) / std).to(p.target.dtype))  # noqa: E731
    return [change(p) for p in parts], None if held is None else change(held)
