"""What modules draw in training: masks of torch's dropout layers, derived as those of our own layers are, and a seed
for whatever else a module draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.data.feed.randomness import derive, derive_int
from tenfold.data.split.folds import Fold
from tenfold.engine.packs.dropout_masks import updates_per_draw
from tenfold.rules.dropout import dropout_scale

CHANNEL_LAYERS = nn.Dropout1d, nn.Dropout2d, nn.Dropout3d  # which drop whole channels


class ModuleDraws:
    """The draws of lanes on these folds, by (seed, fold, update, place): the same for all recipes of a fold."""

    def __init__(self, folds: Sequence[Fold], fold_of: Sequence[int], device: torch.device) -> None:
        self.folds, self.fold_of, self.device = folds, fold_of, device
        self.used = sorted(set(fold_of))
        self.update = 0
        self._drawn: dict[tuple[int, tuple[int, ...]], tuple[int, np.ndarray]] = {}

    def uniform(self, site: int, shape: tuple[int, ...], lanes: Sequence[int]) -> Tensor:
        """(lanes, *shape) float32 in [0, 1), for the dropout that a forward pass comes to as number `site`."""
        count = updates_per_draw(math.prod(shape))
        block, place = divmod(self.update, count)
        drawn_block, numbers = self._drawn.get((site, shape), (-1, np.zeros(0)))
        if drawn_block != block:
            streams = [derive(self.folds[f].seed, "module", self.folds[f].number, 1, block, site) for f in self.used]
            numbers = np.stack([stream.random((count, *shape), np.float32) for stream in streams], 1)
            self._drawn[site, shape] = block, numbers
        of_fold = [self.used.index(self.fold_of[lane]) for lane in lanes]
        return torch.from_numpy(numbers[place][of_fold]).to(self.device)

    def seed(self, lane: int) -> int:
        """Of torch's generator, for what else the module of a lane draws in this update."""
        fold = self.folds[self.fold_of[lane]]
        return derive_int(fold.seed, "module", fold.number, 2, self.update)


class MaskBoard:
    """Between a forward pass and its dropout layers: notes the shapes that they ask for, or hands out their masks."""

    def __init__(self) -> None:
        self.noted: list[tuple[tuple[int, ...], float]] = []
        self.masks: Sequence[Tensor] | None = None
        self.next = 0

    def note(self) -> None:
        """Begin a pass whose masks are asked for, not used."""
        self.noted, self.masks, self.next = [], None, 0

    def hand_out(self, masks: Sequence[Tensor]) -> None:
        """Begin a pass with these masks, in the order in which they are asked for."""
        self.masks, self.next = masks, 0

    def ask(self, shape: tuple[int, ...], rate: float) -> Tensor | None:
        """The next mask; None while shapes are noted."""
        if self.masks is None:
            self.noted.append((shape, rate))
            return None
        self.next += 1
        return self.masks[self.next - 1]


class DrawnDropout(nn.Module):
    """In place of one of torch's dropout layers: multiplies by a mask from the board."""

    def __init__(self, rate: float, channels: bool, board: MaskBoard) -> None:
        super().__init__()
        self.p, self.channels, self.board, self.inplace = rate, channels, board, False

    def forward(self, x: Tensor) -> Tensor:
        """x times its mask, in training."""
        if not self.training or not self.p:
            return x
        shape = (*x.shape[:2], *[1] * (x.dim() - 2)) if self.channels else tuple(x.shape)
        mask = self.board.ask(tuple(shape), self.p)
        return x if mask is None else x * mask.to(x.dtype)


def with_drawn_dropout(module: nn.Module, board: MaskBoard) -> None:
    """Replace torch's dropout layers in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) in (nn.Dropout, *CHANNEL_LAYERS):
                rate: Any = child.p
                drawn = DrawnDropout(rate, type(child) in CHANNEL_LAYERS, board)
                setattr(parent, name, drawn.train(child.training))


def masks_of(board: MaskBoard, draws: ModuleDraws, lanes: Sequence[int]) -> list[Tensor]:
    """The masks (lanes, *shape) of the pass that the board has noted."""
    return [
        dropout_scale(draws.uniform(site, shape, lanes), torch.tensor(rate, device=draws.device))
        for site, (shape, rate) in enumerate(board.noted)
    ]
