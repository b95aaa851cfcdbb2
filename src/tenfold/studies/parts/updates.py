"""Trainings watched update by update: the loss of every batch, and how far the weights go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.engine.packs.lane_states import LaneStates
from tenfold.recipe.recipe import Recipe
from tenfold.studies.parts.trainings import DrawnRows, pack_of


class WatchedUpdates(NamedTuple):
    """Of every update, (recipes, seeds, updates): the loss of its batch before it, and the norm of the step over the
    norm of the weights, the mean over the layers."""

    losses: np.ndarray
    ratios: np.ndarray


class _Watcher:
    """Notes both while a pack trains."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.ratios: list[Tensor] = []
        self.before_step: list[Tensor] = []

    def looks_at(self, pack: LaneStates, update: int) -> bool:
        """At all of them."""
        return True

    def before(self, pack: LaneStates, loss: Tensor) -> None:
        """The loss, and the weights as they are."""
        self.losses.append(loss.clone())
        self.before_step = [pack.leaves[i].detach().clone() for i in pack.layout.weights]

    def after(self, pack: LaneStates) -> None:
        """How far they went."""
        parts = [
            (pack.leaves[i].detach() - w).flatten(1).norm(dim=1) / w.flatten(1).norm(dim=1)
            for i, w in zip(pack.layout.weights, self.before_step, strict=True)
        ]
        self.ratios.append(torch.stack(parts).mean(0))


def watched(recipes: Sequence[Recipe], rows: DrawnRows) -> WatchedUpdates:
    """Train recipes of one shape, in one pack."""
    _, pack = pack_of(recipes, rows)
    watcher = _Watcher()
    pack.observer = watcher
    for _ in range(recipes[0].epochs):
        pack.run_epoch()
    found = WatchedUpdates(*(np.empty((len(recipes), len(rows.folds), len(watcher.losses))) for _ in range(2)))
    for array, columns in ((found.losses, watcher.losses), (found.ratios, watcher.ratios)):
        for i, row in enumerate(torch.stack(columns, 1).double().numpy()):
            array[pack.lanes[i].number, pack.lanes[i].fold] = row
    return found
