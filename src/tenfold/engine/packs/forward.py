"""The stacked forward pass: every operation of a network for all lanes of a pack at once.

Rows of numbers are one tensor (lanes, rows, units), units padded; a product is one batched product. Images are a
list with one tensor (rows, channels, height, width) a lane, in channels-last memory, without the rows that pad a
batch: on CPUs a loop over lanes beats a grouped convolution nearly everywhere, and it gives every lane the bits that
it has alone, which a grouped convolution does not (bench/images.py --lanes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tenfold.engine.packs.convolution import convolve
from tenfold.engine.packs.lanes import LaneValues
from tenfold.engine.plan.network import (
    ActivationOp,
    ConvOp,
    DenseOp,
    DropoutOp,
    FlattenOp,
    GlobalPoolOp,
    MaxoutOp,
    NormalizeOp,
    PoolOp,
    PReLUOp,
    ResidualBegin,
    ResidualEnd,
)  # fmt: skip
from tenfold.engine.plan.shape import Layout, Shape, padded
from tenfold.rules.activations import maxout, maxout_channels, prelu
from tenfold.rules.normalization import batch_norm, batch_norm_inference, group_norm, running

Flow = Tensor | list[Tensor]  # what is between two operations: rows (L, B, units), or images, one tensor a lane


@dataclass(frozen=True)
class BatchContext:
    """What a training batch has beside its inputs; None stands for evaluation.

    weight (L, 1, B): 1 / rows for real rows, 0 for padding; rows: real rows of each lane; update: its number from 1;
    scales: for each dropout that drops something the factors, (L, B, units) or one tensor a lane; frozen: leave the
    running moments of batch normalization as they are.
    """

    weight: Tensor
    rows: Sequence[int]
    update: int
    scales: Mapping[int, Flow]
    frozen: bool = False


class Forward:
    """A network of one shape for the lanes of a pack."""

    def __init__(self, shape: Shape, layout: Layout, values: LaneValues) -> None:
        self.shape, self.layout, self.values = shape, layout, values

    def __call__(
        self,
        x: Flow,
        parameters: Sequence[Tensor],
        moments: Tensor,
        batch: BatchContext | None,
        until: tuple[int, Callable[[Flow], None]] | None = None,
    ) -> Tensor:
        """Outputs (L, B, C). x: inputs (L, B, D) or one image tensor a lane; parameters: one view (L, *stored) a
        slot; moments (L, moment_total): running moments, updated in training; until: a weight operation whose sums
        are looked at, behind which nothing is computed."""
        at: dict[int, list[Tensor]] = {}
        for slot, view in zip(self.layout.slots, parameters, strict=True):
            at.setdefault(slot.op, []).append(view)
        h, kept, done = x, [], -1
        for number, op in enumerate(self.shape.ops):
            if number == done:
                continue
            mine = at.get(number, [])
            match op:
                case ResidualBegin():
                    kept.append(h)
                case ResidualEnd(shortcut):
                    h = _add(h, _weigh(shortcut, kept.pop(), mine))
                case DenseOp() | ConvOp():
                    h = _weigh(op, h, mine)
                    if until is not None and until[0] == number:
                        until[1](h)
                        break
                case NormalizeOp():
                    h = self._normalize(number, op, h, mine, moments, batch)
                case ActivationOp() if isinstance(h, list) and self._max_pool_behind(number):
                    h, done = self._activate_and_pool(number, h), number + 1
                case ActivationOp():
                    h = self._activate(number, h)
                case PReLUOp(count=count):
                    h = _slopes(h, mine[0], count)
                case DropoutOp():
                    if batch is not None and number in batch.scales:
                        h = _times(h, batch.scales[number])
                case _:
                    h = _reshape(op, h, batch)
        if isinstance(h, list):
            return h[0]
        return h[..., : self.shape.outputs]

    def _max_pool_behind(self, number: int) -> bool:
        behind = self.shape.ops[number + 1]  # there is one: the output layer comes last
        return isinstance(behind, PoolOp) and behind.kind == "max"

    def _activate_and_pool(self, number: int, h: list[Tensor]) -> list[Tensor]:
        """An activation and the max pooling behind it. A monotone activation commutes with the maximum, value and
        gradient, and then has a quarter of the numbers to work on."""
        pool = self.shape.ops[number + 1]
        assert isinstance(pool, PoolOp)
        formulas = [formula for count, formula in self.values.activations[number] for _ in range(count)]
        lanes = zip(h, formulas, self.values.monotone[number], strict=True)
        return [formula(_pool(pool, z)) if monotone else _pool(pool, formula(z)) for z, formula, monotone in lanes]

    def _activate(self, number: int, h: Flow) -> Flow:
        blocks = self.values.activations[number]
        if isinstance(h, list):
            lane_of = [formula for count, formula in blocks for _ in range(count)]
            return [formula(image) for image, formula in zip(h, lane_of, strict=True)]
        if len(blocks) == 1:
            return blocks[0][1](h)
        parts = h.split([count for count, _ in blocks])
        return torch.cat([formula(part) for part, (_, formula) in zip(parts, blocks, strict=True)])

    def _normalize(
        self, number: int, op: NormalizeOp, h: Flow, mine: Sequence[Tensor], moments: Tensor, batch: BatchContext | None
    ) -> Flow:
        gamma, beta = mine
        value = self.values.norms[number]
        if op.groups:
            if isinstance(h, list):
                vectors = zip(h, gamma.unbind(), beta.unbind(), value.eps_list, strict=True)
                return [functional.group_norm(z, op.groups, g[0], b[0], eps) for z, g, b, eps in vectors]
            units = op.features
            y = group_norm(h[..., :units], op.groups, gamma[..., :units], beta[..., :units], value.eps)
            return functional.pad(y, (0, h.shape[2] - units))
        at_mean, at_var, width = self.layout.moments[number]
        mean = moments[:, None, at_mean : at_mean + width]  # (L, 1, features)
        var = moments[:, None, at_var : at_var + width]
        if isinstance(h, list):
            return self._normalize_images(number, h, gamma, beta, mean, var, batch)
        if batch is None:
            return batch_norm_inference(h, mean, var, gamma, beta, value.eps)
        y, batch_mean, batch_var = batch_norm(h, batch.weight, gamma, beta, value.eps)
        if not batch.frozen:
            rows = 1 / batch.weight.amax(2, keepdim=True)  # of each lane's batch
            self._remember(number, mean, var, batch_mean, batch_var, rows, batch.update)
        return y

    def _normalize_images(
        self,
        number: int,
        h: list[Tensor],
        gamma: Tensor,
        beta: Tensor,
        mean: Tensor,
        var: Tensor,
        batch: BatchContext | None,
    ) -> list[Tensor]:
        """The same on images with torch's own kernel: a lane holds no padding, so its moments are the batch's."""
        value = self.values.norms[number]
        vectors = zip(h, gamma.unbind(), beta.unbind(), value.eps_list, strict=True)
        if batch is None:
            return [
                functional.batch_norm(z, mean[lane, 0], var[lane, 0], g[0], b[0], training=False, eps=eps)
                for lane, (z, g, b, eps) in enumerate(vectors)
            ]
        new_mean, new_var = torch.zeros_like(mean), torch.ones_like(var)
        out = [  # momentum 1: the buffers become the batch's mean and unbiased variance
            functional.batch_norm(
                z, new_mean[lane, 0], new_var[lane, 0], g[0], b[0], training=True, momentum=1.0, eps=eps
            )
            for lane, (z, g, b, eps) in enumerate(vectors)
        ]
        if not batch.frozen:
            pixels = h[0].shape[2] * h[0].shape[3]
            count = torch.tensor([rows * pixels for rows in batch.rows], dtype=mean.dtype, device=mean.device)
            count = count[:, None, None]
            biased = new_var * ((count - 1) / count)
            self._remember(number, mean, var, new_mean, biased, count, batch.update)
        return out

    @torch.no_grad()
    def _remember(
        self, number: int, mean: Tensor, var: Tensor, new_mean: Tensor, new_var: Tensor, rows: Tensor, update: int
    ) -> None:
        """Move the running moments towards the batch's; new_var is biased; rows (L, 1, 1) that the batch had."""
        value = self.values.norms[number]
        keep = value.keep_at(update)
        unbiased = torch.where(value.unbiased, rows / (rows - 1).clamp(min=1), 1.0)
        mean.copy_(running(mean, new_mean, keep))
        var.copy_(running(var, new_var * unbiased, keep))


def _weigh(op: DenseOp | ConvOp | None, h: Flow, mine: Sequence[Tensor]) -> Flow:
    """The product of a weight operation with its bias, if it has one."""
    if op is None:
        return h
    if isinstance(h, Tensor):
        return torch.baddbmm(mine[1], h, mine[0]) if op.bias else h.bmm(mine[0])
    assert isinstance(op, ConvOp)
    biases: Any = [bias[0] for bias in mine[1].unbind()] if op.bias else [None] * len(h)
    return [
        convolve(image, weight, bias, op.stride, op.pad)
        for image, weight, bias in zip(h, mine[0].unbind(), biases, strict=True)
    ]


def _add(h: Flow, other: Flow) -> Flow:
    if isinstance(h, Tensor) and isinstance(other, Tensor):
        return h + other
    return [one + two for one, two in zip(h, other, strict=True)]


def _times(h: Flow, scale: Flow) -> Flow:
    if isinstance(h, list):
        return [one * two for one, two in zip(h, scale, strict=True)]
    return h * scale


def _slopes(h: Flow, slope: Tensor, count: int) -> Flow:
    if isinstance(h, list):
        return [prelu(image, s[0, :count, None, None]) for image, s in zip(h, slope.unbind(), strict=True)]
    return prelu(h, slope[..., :1] if count == 1 else slope)


def _pieces(h: Flow, size: Any, pieces: int) -> Flow:
    if isinstance(h, list):
        return [maxout_channels(image, pieces) for image in h]
    y = maxout(h[..., : size * pieces], pieces)  # (L, B, units)
    return functional.pad(y, (0, padded(size) - size))


def _reshape(op: MaxoutOp | PoolOp | GlobalPoolOp | FlattenOp, h: Flow, batch: BatchContext | None) -> Flow:
    """The operations without values that change the size of what flows."""
    match op:
        case MaxoutOp(size, pieces):
            return _pieces(h, size, pieces)
        case PoolOp():
            return [_pool(op, image) for image in h]
        case GlobalPoolOp():
            return _rows([_gather(op, image) for image in h], batch)
    return _rows(list(h), batch)


def _pool(op: PoolOp, image: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, H', W')."""
    pool = functional.max_pool2d if op.kind == "max" else functional.avg_pool2d
    return pool(image, op.window, op.stride)


def _gather(op: GlobalPoolOp, image: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C)."""
    return image.mean((2, 3)) if op.kind == "average" else image.amax((2, 3))


def _rows(h: list[Tensor], batch: BatchContext | None) -> Tensor:
    """Images as rows (L, B, padded units), channels first; rows of zeros pad a training batch again."""
    flat = [image.flatten(1) for image in h]  # (rows, C H W)
    width = flat[0].shape[1]
    rows = len(flat[0]) if batch is None else batch.weight.shape[2]
    return torch.stack([functional.pad(f, (0, padded(width) - width, 0, rows - len(f))) for f in flat])
