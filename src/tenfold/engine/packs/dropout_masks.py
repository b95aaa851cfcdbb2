"""Dropout of a pack: draws are the same for all recipes of a fold, and made for some updates at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tenfold.data.feed.randomness import derive
from tenfold.data.split.folds import Fold
from tenfold.engine.packs.forward import Flow
from tenfold.engine.packs.lanes import Lane, LaneValues
from tenfold.engine.packs.rows import Feed
from tenfold.engine.plan.network import DropoutOp, size_of
from tenfold.engine.plan.shape import Shape, padded
from tenfold.rules.dropout import dropout_scale

DRAWN = 1 << 16  # numbers that one generator draws at once, at most: making a generator takes as long as some thousand


def updates_per_draw(numbers: int) -> int:
    """For how many updates draws of so many numbers come from one generator: a power of two up to 16."""
    return max(1, min(16, 1 << max(0, (DRAWN // max(1, numbers)).bit_length() - 1)))


class Draws:
    """Uniform numbers of the dropout operations of a pack, by (seed, fold, update, operation)."""

    def __init__(self, folds: Sequence[Fold], device: torch.device) -> None:
        self.folds, self.device = folds, device
        self._drawn: dict[int, tuple[int, Tensor]] = {}

    def __call__(self, operation: int, update: int, shape: tuple[int, ...]) -> Tensor:
        """(F, *shape) float32 in [0, 1)."""
        count = updates_per_draw(math.prod(shape))
        block, place = divmod(update, count)
        known = self._drawn.get(operation)
        if known is None or known[0] != block:
            streams = [derive(f.seed, "dropout", f.number, block, operation) for f in self.folds]
            drawn = np.stack([stream.random((count, *shape), np.float32) for stream in streams], 1)
            known = self._drawn[operation] = block, torch.from_numpy(drawn).to(self.device)  # (updates, F, *shape)
        return known[1][place]


class DropoutMasks:
    """The factors of a pack's dropout operations."""

    def __init__(self, lanes: Sequence[Lane], shape: Shape, values: LaneValues, feed: Feed) -> None:
        self.shape, self.rates, self.dtype = shape, values.rates, feed.dtype  # rates (L, 1, 1), by operation
        self.folds = [lane.fold for lane in lanes]
        self.index = torch.tensor(self.folds, device=feed.device)
        self._draws = Draws([part.fold for part in feed.folds], feed.device)

    def scales(self, update: int, batch: int, counts: Sequence[int]) -> dict[int, Flow]:
        """By operation, the factors of an update's `batch` rows, of which counts (L,) are real."""
        return {number: self._scale(number, update, batch, counts) for number in self.rates}

    def _scale(self, number: int, update: int, batch: int, counts: Sequence[int]) -> Flow:
        op, rate = self.shape.ops[number], self.rates[number]
        assert isinstance(op, DropoutOp)
        size = size_of(op)
        shape = (padded(size[0]),) if len(size) == 1 else size
        uniform = self._draws(number, update, (batch, *shape))  # (F, B, units), or (F, B, H, W, C)
        if len(shape) == 1:
            return dropout_scale(uniform.index_select(0, self.index), rate).to(self.dtype)
        images = uniform.permute(0, 1, 4, 2, 3)
        return [
            dropout_scale(images[fold][:count], rate[i, 0, 0]).to(self.dtype)
            for i, (fold, count) in enumerate(zip(self.folds, counts, strict=True))
        ]
