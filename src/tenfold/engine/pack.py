"""A pack: many trials trained together as one stacked program, and its state between updates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tenfold.data.batches import align, deal
from tenfold.data.randomness import derive
from tenfold.engine.feed import Feed
from tenfold.engine.lanes import Lane, LaneValues, by_update, coefficient_table, initial_parameters, loss_of
from tenfold.engine.shape import Layout, Shape, padded
from tenfold.rules.dropout import dropout_scale
from tenfold.rules.normalization import batch_norm, batch_norm_inference, running
from tenfold.rules.optimizers.update import Coefficients, first_order_update
from tenfold.rules.penalties import clip_factor, decoupled_decay, l2_gradient

CHUNK_BYTES = 1_400_000  # optimizer state worked on at a time: about what a core's second-level cache holds
CHUNK_ROWS = 512  # rows evaluated at a time
Order = Literal["go on", "stop"]
Updates = list[tuple[Coefficients, Tensor]]  # coefficients and decoupled decay, one a chunk or one an update


class Pack:
    """Lanes of one shape, trained in lock-step on their folds.

    Each lane's numbers are what they would be alone: a lane's row of parameters starts at an aligned place, its
    block of a batch is a multiple of ALIGN rows, and no formula looks across lanes. `lanes` may be reordered.
    """

    def __init__(self, lanes: Sequence[Lane], shape: Shape, feed: Feed, *, schedule_updates: int | None = None) -> None:
        self.schedule_updates = schedule_updates or shape.dealing.updates  # what the schedules call an epoch
        self.lanes = sorted(lanes, key=lambda lane: lane.order)
        self.shape, self.feed, self.layout = shape, feed, Layout.of(shape)
        folds = [f.fold for f in feed.folds]
        widths = [f.encoding.width for f in feed.folds]
        start = initial_parameters(self.lanes, folds, widths, shape, self.layout)
        self.w = torch.from_numpy(start).to(feed.device, feed.dtype)
        self.m = torch.zeros_like(self.w)
        self.v = torch.zeros_like(self.w)
        moments = np.zeros((len(lanes), self.layout.moment_total))
        for _, var, units in self.layout.moments:
            moments[:, var : var + units] = 1.0
        self.moments = torch.from_numpy(moments).to(feed.device, feed.dtype)
        self.update = 0  # updates made
        self.loss_sum = torch.zeros(len(lanes), dtype=torch.float64, device=feed.device)
        self.bad = torch.full((len(lanes),), -1, dtype=torch.int64, device=feed.device)  # first non-finite update
        self._arrange()

    # ---- what follows from the lanes ----------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Everything that depends on which lanes are there; called again when lanes leave."""
        device = self.feed.device
        self.values = LaneValues(self.lanes, device, self.feed.dtype)
        groups = sorted({(lane.fold, lane.recipe.preprocess) for lane in self.lanes}, key=lambda g: (g[0], repr(g[1])))
        place = {group: g for g, group in enumerate(groups)}
        self.group_of = torch.tensor([place[lane.fold, lane.recipe.preprocess] for lane in self.lanes], device=device)
        self.fold_of = torch.tensor([lane.fold for lane in self.lanes], device=device)
        self.affine = self.feed.affine(groups)
        self.losses = loss_of(self.lanes[0].recipe, self.feed.classification)
        self.g = torch.zeros_like(self.w)  # zeros between the slots stay: a norm over a row is that of its gradient
        scratch = torch.empty_like(self.w)
        self.leaves = [view.detach().requires_grad_() for view in self._views(self.w)]
        self.gradients = [
            view[:, : slot.size[0], : slot.size[1]]
            for view, slot in zip(self._views(self.g), self.layout.slots, strict=True)
        ]
        size = max(1, CHUNK_BYTES // (5 * self.w.element_size() * self.layout.total))
        self.chunks = []
        for first in range(0, len(self.lanes), size):
            part = slice(first, first + size)
            uses_m, uses_v = (any(lane.recipe.optimizer.moments[i] for lane in self.lanes[part]) for i in (0, 1))
            m, v = self.m[part] if uses_m else None, self.v[part] if uses_v else None
            plain = any(lane.recipe.optimizer.uses_gradient for lane in self.lanes[part])
            self.chunks.append((self.w[part], self.g[part], m, v, scratch[part], plain))
        self.chunk_size = size
        self._epoch: tuple[int, Tensor, Tensor, list[Updates]] | None = None

    def _views(self, flat: Tensor) -> list[Tensor]:
        """One view (L, in, out), padded, for each slot of the layout."""
        return [flat[:, s.start : s.stop].view(len(flat), *s.stored) for s in self.layout.slots]

    def keep(self, stay: Sequence[bool]) -> None:
        """Drop the lanes that do not stay: they cost no more time, and nothing changes for the others."""
        index = torch.tensor(np.flatnonzero(stay), device=self.feed.device)
        self.lanes = [lane for lane, kept in zip(self.lanes, stay, strict=True) if kept]
        for name in ("w", "m", "v", "moments", "loss_sum", "bad"):
            setattr(self, name, getattr(self, name).detach().index_select(0, index))
        if self.lanes:
            self._arrange()

    # ---- time ---------------------------------------------------------------------------------------------------

    @property
    def per_epoch(self) -> int:
        """Updates in an epoch."""
        return self.shape.dealing.updates

    @property
    def epoch(self) -> int:
        """Whole epochs made."""
        return self.update // self.per_epoch

    def _plan_epoch(self, epoch: int) -> tuple[Tensor, Tensor, list[Updates]]:
        """Rows (updates, F, B), weights (updates, F, B) and, for each chunk of lanes, coefficients of one epoch."""
        if self._epoch is None or self._epoch[0] != epoch:
            dealt = [deal(f.fold, self.shape.dealing, epoch) for f in self.feed.folds]
            rows = torch.from_numpy(np.stack([rows for rows, _ in dealt], 1)).to(self.feed.device)
            weights = torch.from_numpy(np.stack([w for _, w in dealt], 1)).to(self.feed.device, self.feed.dtype)
            table = coefficient_table(self.lanes, epoch * self.per_epoch, self.per_epoch, self.schedule_updates)
            k = torch.from_numpy(table).to(self.feed.device, self.feed.dtype)[..., None]  # (updates, 8, L, 1)
            self._epoch = epoch, rows, weights, [by_update(part) for part in k.split(self.chunk_size, 2)]
        return self._epoch[1:]

    def run_epoch(self, tick: Callable[[], Order] = lambda: "go on", last: int | None = None) -> bool:
        """Go on to the end of the epoch (or to update `last`). False if `tick`, asked before each update, says stop."""
        end = (self.epoch + 1) * self.per_epoch
        end = end if last is None else min(end, last)
        rows, weights, coefficients = self._plan_epoch(self.epoch)
        if self.update % self.per_epoch == 0:
            self.loss_sum.zero_()
        while self.update < end:
            if tick() == "stop":
                return False
            step = self.update % self.per_epoch
            self._gradient(rows[step], weights[step])
            self._step([k[step] for k in coefficients])
            self.update += 1
        return True

    def train_loss(self) -> np.ndarray:
        """Mean loss of each lane's batches in the epoch just made (in training mode), (L,)."""
        done = (self.update - 1) % self.per_epoch + 1
        return (self.loss_sum / done).cpu().numpy()

    # ---- one update ---------------------------------------------------------------------------------------------

    def _forward(self, x: Tensor, weight: Tensor | None, scales: Sequence[Tensor] | None) -> Tensor:
        """Outputs (L, B, C) for inputs x (L, B, D); weight (L, 1, B) of the rows in training, None in evaluation."""
        h, leaves = x, iter(self.leaves)
        for layer in range(len(self.shape.hidden)):
            if self.shape.normalized:
                h = self._normalize(h.bmm(next(leaves)), next(leaves), next(leaves), layer, weight)
            else:
                w, bias = next(leaves), next(leaves)
                h = torch.baddbmm(bias, h, w)  # (L, B, units)
            h = self.values.activate(h)
            if scales is not None:
                h = h * scales[layer]
        w, bias = next(leaves), next(leaves)
        return torch.baddbmm(bias, h, w)[..., : self.shape.outputs]

    def _normalize(self, z: Tensor, gamma: Tensor, beta: Tensor, layer: int, weight: Tensor | None) -> Tensor:
        at_mean, at_var, units = self.layout.moments[layer]
        mean = self.moments[:, None, at_mean : at_mean + units]  # (L, 1, units)
        var = self.moments[:, None, at_var : at_var + units]
        if weight is None:
            return batch_norm_inference(z, mean, var, gamma, beta, self.values.eps)
        y, batch_mean, batch_var = batch_norm(z, weight, gamma, beta, self.values.eps)
        with torch.no_grad():
            rows = 1 / weight.amax(2, keepdim=True)  # rows of each lane's batch
            unbiased = batch_var * (rows / (rows - 1).clamp(min=1))
            mean.copy_(running(mean, batch_mean, self.values.keep))
            var.copy_(running(var, unbiased, self.values.keep))
        return y

    def _dropout_scales(self, batch: int) -> list[Tensor] | None:
        """The factor of each hidden unit, one (L, B, units) a layer; draws are shared by all recipes of a fold."""
        if not self.values.drops:
            return None
        folds = self.feed.folds
        widths = [padded(units) for units in self.shape.hidden]
        shape = (batch, sum(widths))
        draws = [derive(f.fold.seed, "dropout", f.fold.number, self.update).random(shape, np.float32) for f in folds]
        uniform = torch.from_numpy(np.stack(draws)).to(self.feed.device)  # (F, B, all units)
        rate = self.values.rate
        return [dropout_scale(part.index_select(0, self.fold_of), rate) for part in uniform.split(widths, 2)]

    def _gradient(self, rows: Tensor, weights: Tensor) -> None:
        """The gradient of each lane's mean loss over its batch, into self.g. rows, weights: (F, B)."""
        x = self.feed.inputs(rows, self.affine).index_select(0, self.group_of)  # (L, B, D)
        target = self.feed.targets(rows).index_select(0, self.fold_of)  # (L, B)
        weight = weights.index_select(0, self.fold_of)  # (L, B)
        output = self._forward(x, weight[:, None], self._dropout_scales(rows.shape[1]))
        loss = (self.losses.formula(output, target) * weight).sum(1)  # (L,)
        gradients = torch.autograd.grad(loss.sum(), self.leaves)
        for view, gradient, slot in zip(self.gradients, gradients, self.layout.slots, strict=True):
            view.copy_(gradient[:, : slot.size[0], : slot.size[1]])
        loss = loss.detach()
        self.loss_sum.add_(loss)
        self.bad.copy_(torch.where((self.bad < 0) & ~loss.isfinite(), self.update, self.bad))

    @torch.no_grad()
    def _step(self, coefficients: Updates) -> None:
        """Clip, decay and update every lane, a cache-sized chunk of lanes at a time."""
        if self.values.clip is not None:
            self.g.mul_(clip_factor(self.g.norm(dim=1, keepdim=True), self.values.clip))
        weights = [i for i, slot in enumerate(self.layout.slots) if slot.kind == "weight"]
        if self.values.l2 is not None:
            for i in weights:
                rows, units = self.layout.slots[i].size
                gradient = self.gradients[i]
                gradient.copy_(l2_gradient(gradient, self.leaves[i][:, :rows, :units], self.values.l2))
        if self.values.decoupled:
            lr_decay = torch.cat([decay for _, decay in coefficients])[:, :, None]  # (L, 1, 1), rate times strength
            for i in weights:
                self.leaves[i].copy_(decoupled_decay(self.leaves[i], 1.0, lr_decay))
        for (w, g, m, v, scratch, plain), (k, _) in zip(self.chunks, coefficients, strict=True):
            first_order_update(w, g, m, v, scratch, k, plain=plain)

    # ---- predictions --------------------------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self) -> list[np.ndarray]:
        """Each lane's outputs on its validation rows in evaluation mode, (rows, C), in the order of `lanes`."""
        parts = [f.fold.validation for f in self.feed.folds]
        return self.predict(parts)

    @torch.no_grad()
    def predict(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs (rows, C) of each lane for the rows of its fold: logits, or standardized predictions."""
        longest = max(len(part) for part in rows)
        pieces = []
        for first in range(0, longest, CHUNK_ROWS):
            size = align(min(CHUNK_ROWS, longest - first))
            index = np.zeros((len(rows), size), np.int64)
            for f, part in enumerate(rows):
                piece = part[first : first + size]
                index[f, : len(piece)] = piece
            here = torch.from_numpy(index).to(self.feed.device)
            x = self.feed.inputs(here, self.affine).index_select(0, self.group_of)
            pieces.append(self._forward(x, None, None).cpu().numpy())
        out = np.concatenate(pieces, 1)  # (L, longest + padding, C)
        return [lane_out[: len(rows[lane.fold])] for lane_out, lane in zip(out, self.lanes, strict=True)]

    # ---- state --------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Everything needed to go on later, bit by bit: arrays and a JSON value."""
        names = ("w", "m", "v", "moments", "loss_sum", "bad")
        arrays = {name: getattr(self, name).detach().cpu().numpy().copy() for name in names}
        return arrays, {"update": self.update, "lanes": [[lane.number, lane.fold] for lane in self.lanes]}

    def restore(self, arrays: dict[str, np.ndarray], meta: dict) -> None:
        """Take up a state that `state` gave: lanes that had left are gone again."""
        there = {(number, fold) for number, fold in meta["lanes"]}
        self.lanes = [lane for lane in self.lanes if (lane.number, lane.fold) in there]
        for name, array in arrays.items():
            old = getattr(self, name)
            setattr(self, name, torch.from_numpy(array.copy()).to(old.device, old.dtype))
        self.update = int(meta["update"])
        self._arrange()

    def parameters(self, lane: int) -> list[tuple[np.ndarray, ...]]:
        """The layers of one lane as arrays, [(weight (in, out), bias (out,)), ...], or for a normalized layer
        (weight, gamma, beta, running mean, running variance), the first cut to its fold's input columns."""
        width = self.feed.folds[self.lanes[lane].fold].encoding.width
        layers: list[tuple[np.ndarray, ...]] = []
        for slot, view in zip(self.layout.slots, self.leaves, strict=True):
            array = view.detach()[lane, : slot.size[0], : slot.size[1]].cpu().numpy().copy()
            if slot.kind == "weight":
                layers.append((array[:width] if slot.layer == 0 else array,))
            else:
                layers[-1] = (*layers[-1], array[0])
        for layer, (mean, var, _) in enumerate(self.layout.moments):
            row, units = self.moments[lane].cpu().numpy(), self.shape.hidden[layer]
            layers[layer] = (*layers[layer], row[mean : mean + units].copy(), row[var : var + units].copy())
        return layers
