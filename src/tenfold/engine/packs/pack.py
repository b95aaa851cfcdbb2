"""A pack: many trials trained together as one stacked program."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from tenfold.data.feed.batches import align
from tenfold.engine.lane_failed import LaneFailed
from tenfold.engine.packs.batches import EpochPlan
from tenfold.engine.packs.first_order import FirstOrderStep
from tenfold.engine.packs.lane_states import LaneStates
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.rows import Feed
from tenfold.engine.packs.second_order import SecondOrderStep
from tenfold.engine.packs.step import BatchLoss, UpdateStep
from tenfold.engine.plan.shape import Shape, as_column
from tenfold.rules.penalties import ema, max_norm_factor

# Rows and images that are evaluated at a time: they bound the memory of an evaluation, as `packing` estimates it.
CHUNK_ROWS, CHUNK_IMAGES = 512, 128


class Pack(LaneStates):
    """Lanes of one shape, trained in lock-step on their folds.

    Each lane's numbers are what they would be alone, bit by bit: no formula looks across lanes, and kernels, which
    choose their path by alignment and length, see the same in any lane: its row of parameters starts at an aligned
    place, and its block of a batch is a multiple of ALIGN rows. `lanes` are sorted, so that equal activations and
    optimizers are neighbours.
    """

    def __init__(self, lanes: Sequence[Lane], shape: Shape, feed: Feed, *, schedule_updates: int | None = None) -> None:
        self._losses: list[Tensor] = []  # of the updates since `_settle`, (L,) each
        super().__init__(lanes, shape, feed, schedule_updates=schedule_updates)

    def _begin(self) -> None:
        rule = self.shape.second_order
        self._step: UpdateStep
        if rule is None:
            self._step = FirstOrderStep(self.lanes, self.layout, self.values, self.rows, self.leaves, self.rates)
        else:
            self._step = SecondOrderStep(rule, self.lanes, self.layout, self.values.l2, self.rows, self.leaves)

    def run_epoch(self, tick: Callable[[], str] = lambda: "go on", last: int | None = None) -> bool:
        end = (self.epoch + 1) * self.per_epoch
        end = end if last is None else min(end, last)
        plan = self.batches.plan_epoch(self.epoch)
        self._step.plan_epoch(self.epoch, self.per_epoch, self.schedule_updates, self._factors)
        if self.update % self.per_epoch == 0:
            self.rows["loss_sum"].zero_()
        while self.update < end:
            if tick() != "go on":
                self._settle()
                return False
            try:
                self._step.step(self.update, self.batch_loss(plan), self._note)
            except LaneFailed:  # the lanes that have failed leave, and the others go on from this update
                self._settle()
                raise
            self._restrict()
            if self.observer is not None:
                self.observer.after(self)
            self.update += 1
        self._settle()
        if self.update % self.per_epoch == 0:
            self._watch_plateau()
        return True

    def batch_loss(self, plan: EpochPlan, update: int | None = None) -> BatchLoss:
        """The loss of the lanes on the batch of an update of this epoch, by default the next one."""
        update = self.update if update is None else update
        batch = self.batches.batch(plan, update % self.per_epoch, update)
        return BatchLoss(
            lambda x, views, context: self.forward(x, views, self.rows["moments"], context),
            lambda output: self.batches.losses(output, batch),
            batch.x,
            batch.context,
        )

    def _note(self, loss: Tensor) -> None:
        self._losses.append(loss.detach())
        if self.observer is not None:
            self.observer.before(self, loss.detach())

    def _settle(self) -> None:
        """Add up the losses of the updates since the last call, and note the first update whose loss is not finite."""
        if not self._losses:
            return
        # Losses are kept as they come and looked at together: starting an operation for each update, or asking a GPU
        # whether a loss is finite, would cost more than the sum.
        losses = torch.stack(self._losses).double()  # (updates, L)
        self._losses.clear()
        before = self.rows["loss_sum"]
        before.copy_(torch.cat([before[None], losses]).cumsum(0)[-1])  # in order: the same bits wherever it was cut
        wrong = ~losses.isfinite()
        first = self.update - len(losses) + wrong.int().argmax(0)
        self.bad.copy_(torch.where((self.bad < 0) & wrong.any(0), first, self.bad))

    @property
    def gradient(self) -> Tensor | None:
        return self._step.gradient

    @torch.no_grad()
    def _restrict(self) -> None:
        """What follows an update: the largest norm of a unit's weights, and the running average of all parameters."""
        if self.values.max_norm is not None:
            for i in self.layout.weights:
                leaf = self.leaves[i]
                if leaf.dim() < 3:
                    continue
                # (L, in, out) or (L, out, in, k, k), of a user's module (L, out, in, ...): inputs of a unit
                over = (1,) if leaf.dim() == 3 and not self.layout.slots[i].own else tuple(range(2, leaf.dim()))
                norm = torch.linalg.vector_norm(leaf, dim=over, keepdim=True)
                leaf.mul_(max_norm_factor(norm, as_column(self.values.max_norm, leaf)))
        if self.values.average is not None:
            self.rows["average"].copy_(ema(self.rows["average"], self.w, self.values.average))

    def _reported(self) -> Tensor:
        return self._step.shown(self.update, self.schedule_updates, self._factors)

    @torch.no_grad()
    def predict(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        longest = max(len(part) for part in rows)
        chunk = CHUNK_IMAGES if self.shape.image is not None else CHUNK_ROWS
        parameters = self.layout.views(self.shown())
        pieces = []
        for first in range(0, longest, chunk):
            size = align(min(chunk, longest - first))
            index = np.zeros((len(rows), size), np.int64)
            for f, part in enumerate(rows):
                piece = part[first : first + size]
                index[f, : len(piece)] = piece
            x = self.batches.of_rows(torch.from_numpy(index).to(self.feed.device))
            pieces.append(self.forward(x, parameters, self.rows["moments"], None).cpu().numpy())
        out = np.concatenate(pieces, 1)  # (L, longest + padding, C)
        return [lane_out[: len(rows[lane.fold])] for lane_out, lane in zip(out, self.lanes, strict=True)]

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        self._settle()
        return super().state()
