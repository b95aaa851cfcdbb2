"""Dropout of a pack: draws are the same for all recipes of a fold, and made for several updates at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tenfold.data.feed.randomness import derive
from tenfold.data.split.folds import Fold
from tenfold.engine.operations.dropout import DropoutOp
from tenfold.engine.operations.operation import Flow
from tenfold.engine.packs.lanes import Lane, LaneValues, trend
from tenfold.engine.packs.rows import Feed
from tenfold.engine.plan.shape import Shape
from tenfold.rules.schedules import NoDecay

# Numbers that one generator draws at once, at most: making a generator costs 20 microseconds, as much as drawing some
# thousand numbers, and five folds with two layers need ten for each update.
DRAWN = 1 << 16
TRENDS = 64  # updates that schedules are asked for at once


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
        drawn_block, numbers = self._drawn.get(operation, (-1, None))
        if numbers is None or drawn_block != block:
            streams = [derive(f.seed, "dropout", f.number, block, operation) for f in self.folds]
            drawn = np.stack([stream.random((count, *shape), np.float32) for stream in streams], 1)
            numbers = torch.from_numpy(drawn).to(self.device)  # (updates, F, *shape)
            self._drawn[operation] = block, numbers
        return numbers[place]


class DropoutMasks:
    """The factors of a pack's dropout operations. schedule_updates: what schedules call an epoch."""

    def __init__(
        self, lanes: Sequence[Lane], shape: Shape, values: LaneValues, feed: Feed, schedule_updates: int
    ) -> None:
        self.lanes, self.values, self.schedule_updates = lanes, values, schedule_updates
        self._trends: tuple[int, np.ndarray] = 0, np.zeros((0, 0))  # of updates from the first number on
        self.dtype, self.folds = feed.dtype, [lane.fold for lane in lanes]
        self.index = torch.tensor(self.folds, device=feed.device)
        # the operations that drop something, their rates (L, 1, 1), and the views of a row that enter, by number
        self.dropping: dict[int, tuple[DropoutOp, Tensor, int]] = {
            number: (op, values.of_op[number], views)
            for number, (op, views) in enumerate(zip(shape.ops, shape.views, strict=False))
            if isinstance(op, DropoutOp) and values.of_op[number] is not None
        }
        self.scheduled = any(lane.recipe.dropout_schedule != NoDecay() for lane in lanes)
        self._draws = Draws([part.fold for part in feed.folds], feed.device)

    def scales(self, update: int, batch: int, counts: Sequence[int]) -> dict[int, Flow]:
        """By operation, the factors of an update's `batch` rows, of which counts (L,) are real."""
        factors: dict[int, Flow] = {}
        for number, (op, rates, views) in self.dropping.items():
            if self.scheduled:
                rates = self._rates(number, update).to(rates)
            uniform = self._draws(number, update, (views * batch, *op.draws))  # (F, B, units), or (F, B, H, W, C)
            if isinstance(op.size, tuple):
                factors[number] = op.image_factors(uniform, rates, self.folds, counts, self.dtype)
            else:
                factors[number] = op.row_factors(uniform.index_select(0, self.index), rates, self.dtype)
        return factors

    def _rates(self, number: int, update: int) -> Tensor:
        """The rates of an operation at an update, (L, 1, 1) float64: rounded once, as the compiled lanes have them."""
        base = np.array([steps[number].layer.rate for steps in self.values.steps])
        return torch.from_numpy(base * self._trend(update))[:, None, None]

    def _trend(self, update: int) -> np.ndarray:
        """What the schedules multiply the rates of each lane by, (L,)."""
        first, known = self._trends
        if not 0 <= update - first < len(known):
            columns = [trend(x, x.recipe.dropout_schedule, update, TRENDS, self.schedule_updates) for x in self.lanes]
            first, known = self._trends = update, np.stack(columns, 1)
        return known[update - first]
