"""Draws of dropout: the same for all recipes of a fold, made for some updates at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tenfold.data.folds import Fold
from tenfold.data.randomness import derive

DRAWN = 1 << 16  # numbers that one generator draws at once, at most: making a generator takes as long as some thousand


def together(numbers: int) -> int:
    """For how many updates draws of so many numbers come from one generator: a power of two up to 16."""
    return max(1, min(16, 1 << max(0, (DRAWN // max(1, numbers)).bit_length() - 1)))


class Draws:
    """Uniform numbers of the dropout operations of a pack, by (seed, fold, update, operation)."""

    def __init__(self, folds: Sequence[Fold], device: torch.device) -> None:
        self.folds, self.device = folds, device
        self._drawn: dict[int, tuple[int, Tensor]] = {}

    def __call__(self, operation: int, update: int, shape: tuple[int, ...]) -> Tensor:
        """(F, *shape) float32 in [0, 1)."""
        count = together(math.prod(shape))
        block, place = divmod(update, count)
        known = self._drawn.get(operation)
        if known is None or known[0] != block:
            streams = [derive(f.seed, "dropout", f.number, block, operation) for f in self.folds]
            drawn = np.stack([stream.random((count, *shape), np.float32) for stream in streams], 1)
            known = self._drawn[operation] = block, torch.from_numpy(drawn).to(self.device)  # (updates, F, *shape)
        return known[1][place]
