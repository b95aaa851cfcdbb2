"""What the lanes of a pack see in each update: inputs, targets, dropout factors; and the losses of their outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.data.feed.batches import deal
from tenfold.engine.lane_failed import own_code
from tenfold.engine.operations.operation import BatchContext, Flow, rule_blocks
from tenfold.engine.packs.dropout_masks import DropoutMasks
from tenfold.engine.packs.lanes import Lane, LaneValues
from tenfold.engine.packs.rows import Ahead, Feed
from tenfold.engine.plan.shape import Shape
from tenfold.errors import BadInput
from tenfold.recipe.module import function_name
from tenfold.recipe.recipe import loss_of


class EpochPlan(NamedTuple):
    """One epoch: rows, their weights and targets (updates, F, B), and real rows (updates, F)."""

    rows: Tensor
    weights: Tensor
    targets: Tensor
    rates: Tensor | None  # targets as rates, where a loss wants them
    counts: np.ndarray


class Batch(NamedTuple):
    """One training batch: inputs; targets and row weights (L, B), of a network with k views (L, k B), as its outputs;
    and what the forward pass takes besides."""

    x: Flow
    target: Tensor
    weight: Tensor
    context: BatchContext


class PackBatches:
    """The batches of the lanes that a pack has now; made anew when lanes leave.

    group_list, group_of: the group of each lane, in `groups`, whose inputs it shares. schedule_updates: what schedules
    call an epoch.
    """

    def __init__(
        self, lanes: Sequence[Lane], shape: Shape, feed: Feed, values: LaneValues, schedule_updates: int
    ) -> None:
        device = feed.device
        self.shape, self.feed, self.folds = shape, feed, [lane.fold for lane in lanes]
        keys = [(lane.fold, lane.recipe.preprocess, lane.recipe.augment) for lane in lanes]
        distinct = sorted(set(keys), key=lambda key: (key[0], repr(key[1:])))
        place = {key: g for g, key in enumerate(distinct)}
        self.group_list = [place[key] for key in keys]
        self.group_of = torch.tensor(self.group_list, device=device)
        self.fold_of = torch.tensor(self.folds, device=device)
        self.groups = feed.groups(distinct)
        losses = [loss_of(lane.recipe, feed.classification) for lane in lanes]
        self._losses = rule_blocks(losses)
        rated = torch.tensor([loss.link == "exp" for loss in losses], device=device)
        self._rated = rated[:, None] if bool(rated.any()) else None  # (L, 1), lanes whose target is a rate
        self._dropout = DropoutMasks(lanes, shape, values, feed, schedule_updates)
        self._views = shape.views[-1]
        self._draws: Any = None  # of user's modules
        self._own_loss: Any = None
        if shape.is_module:
            module: Any = shape.ops[0]
            self._own_loss, self._output_shape = module.network.loss, module.skeleton.output_shape
            if isinstance(self._own_loss, str):
                raise BadInput(
                    f"the loss {self._own_loss!r} of a module",
                    expected="a function of outputs and targets",
                    do=f"the recipe's own field loss={self._own_loss!r}, not that of the Module",
                )
            from tenfold.engine.user_modules.draws import ModuleDraws

            self._draws = ModuleDraws([f.fold for f in feed.folds], self.folds, device)
        self._epoch: tuple[int, EpochPlan] | None = None
        self._ahead = Ahead(feed, self.groups)

    def restart(self) -> None:
        """Forget the inputs that were made ahead."""
        self._ahead = Ahead(self.feed, self.groups)

    def plan_epoch(self, epoch: int) -> EpochPlan:
        """The rows of an epoch, dealt once."""
        if self._epoch is None or self._epoch[0] != epoch:
            dealt = [deal(f.fold, self.shape.dealing, epoch) for f in self.feed.folds]
            rows = torch.from_numpy(np.stack([rows for rows, _ in dealt], 1)).to(self.feed.device)
            weights = np.stack([weights for _, weights in dealt], 1)
            rates = None if self._rated is None else self.feed.rates(rows)
            tensor = torch.from_numpy(weights).to(self.feed.device, self.feed.dtype)
            self._epoch = epoch, EpochPlan(rows, tensor, self.feed.targets(rows), rates, (weights > 0).sum(2))
        return self._epoch[1]

    def batch(self, plan: EpochPlan, step: int, update: int) -> Batch:
        """The batch of an update (from 0), `step` of its epoch."""
        rows, counts = plan.rows[step], plan.counts[step]
        weight = plan.weights[step].index_select(0, self.fold_of)
        real = [int(counts[fold]) for fold in self.folds]
        scales = self._dropout.scales(update, rows.shape[1], real)
        if self.shape.tensors is None:
            x = self.inputs(self._ahead(plan.rows, step, update), real)
        else:
            x = self._handed(rows, real)
        if self._draws is not None:
            self._draws.update = update
        context, target, views = (
            BatchContext(weight[:, None], real, update + 1, scales, draws=self._draws),
            self._targets(plan, step),
            self._views,
        )
        if views > 1:
            target, weight = target.repeat(1, views), weight.repeat(1, views) / views
        return Batch(x, target, weight, context)

    def of_rows(self, rows: Tensor) -> Flow:
        """Inputs for every lane of rows (F, B), the rows of each fold, outside of training."""
        if self.shape.tensors is None:
            return self.inputs(self.feed.inputs(rows, self.groups))
        return self._handed(rows, [rows.shape[1]] * len(self.folds))

    def _handed(self, rows: Tensor, real: Sequence[int]) -> list[Any]:
        """What each lane's module is called with, for its real rows among rows (F, B)."""
        made = {f: self.feed.handed(rows[f][:n]) for f, n in dict(zip(self.folds, real, strict=True)).items()}
        return [made[f] for f in self.folds]

    def inputs(self, x: Tensor, real: Sequence[int] | None = None) -> Flow:
        """Inputs of the groups (G, B, D) for every lane: (L, B, D), or an image tensor a lane, cut to its real rows;
        for a user's module rows or images of each lane, cut too."""
        if self.shape.image is None and self.shape.is_module:
            # a module gets the columns of its own fold, not those that pad it to the widest one
            rows = [len(x[0])] * len(self.folds) if real is None else real
            widths = [self.feed.folds[fold].encoding.width for fold in self.folds]
            return [x[g][:n, :width] for g, n, width in zip(self.group_list, rows, widths, strict=True)]
        if self.shape.image is None:
            return x.index_select(0, self.group_of)
        height, width, channels = self.shape.image
        # (G, B, H W C and padding) -> (G, B, C, H, W): views, so that a lane's images lie channels last in memory
        images = x[..., : height * width * channels].unflatten(2, self.shape.image).permute(0, 1, 4, 2, 3)
        if self.shape.is_module:
            # As a data loader gives them: on such memory, and what a convolution makes of it, `view` works.
            images = images.clone(memory_format=torch.contiguous_format)
        count = real or [images.shape[1]] * len(self.folds)
        return [images[group][:n] for group, n in zip(self.group_list, count, strict=True)]

    def _targets(self, plan: EpochPlan, step: int) -> Tensor:
        """Targets (L, B) of an update: classes, standardized numbers, or for a loss of rates y / mean."""
        target = plan.targets[step].index_select(0, self.fold_of)
        if self._rated is None or plan.rates is None:
            return target
        return torch.where(self._rated, plan.rates[step].index_select(0, self.fold_of), target)

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        """Mean loss of each lane (L,) for outputs (L, B, C), or (L, k B, C) of k views."""
        if self._own_loss is not None:
            return self._own_losses(output, batch)
        if batch.target.dim() == 3:
            return torch.stack(
                [
                    self._losses_of(o[..., None], batch._replace(target=t))
                    for o, t in zip(output.unbind(-1), batch.target.unbind(-1), strict=True)
                ]
            ).mean(0)
        return self._losses_of(output, batch)

    def _own_losses(self, output: Tensor, batch: Batch) -> Tensor:
        """The user's own loss of the real rows of each lane (L,)."""
        found: list[Tensor] = []
        lanes = zip(output, batch.target, batch.context.rows, strict=True)
        for place, (out, target, rows) in enumerate(lanes):
            with own_code(f"its loss {function_name(self._own_loss)}", [place]):
                loss = self._own_loss(out[:rows].unflatten(1, self._output_shape), target[:rows])
                found.append(loss if loss.dim() == 0 else loss.mean())
        return torch.stack(found)

    def _losses_of(self, output: Tensor, batch: Batch) -> Tensor:
        if len(self._losses) == 1:
            return (self._losses[0][1](output, batch.target) * batch.weight).sum(1)
        sizes = [count for count, _ in self._losses]
        parts = zip(output.split(sizes), batch.target.split(sizes), self._losses, strict=True)
        return (torch.cat([formula(o, t) for o, t, (_, formula) in parts]) * batch.weight).sum(1)
