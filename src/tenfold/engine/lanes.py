"""The trials of a pack and their values, stacked: what differs between lanes without splitting a pack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.data.folds import Fold
from tenfold.data.randomness import derive
from tenfold.engine.shape import Layout, Shape
from tenfold.recipe.recipe import Recipe
from tenfold.rules.losses import CrossEntropy, Squared
from tenfold.rules.normalization import BatchNorm
from tenfold.rules.optimizers.update import Coefficients
from tenfold.rules.record import numbers, rule_name


@dataclass(frozen=True)
class Lane:
    """One trial: a recipe (and its number in the search) on one fold (its place in the list of folds)."""

    recipe: Recipe
    number: int
    fold: int

    @property
    def order(self) -> tuple[Any, ...]:
        """Lanes are sorted by this, so that equal activations and equal kinds of optimizer lie side by side."""
        network, optimizer = self.recipe.network, self.recipe.optimizer
        return rule_name(network.activation), numbers(network.activation), optimizer.moments, self.number, self.fold


def loss_of(recipe: Recipe, classification: bool) -> CrossEntropy | Squared:
    """The recipe's loss; `auto` is cross-entropy for classes and squared error for numbers."""
    if recipe.loss == "auto":
        return CrossEntropy() if classification else Squared()
    return recipe.loss


class LaneValues:
    """The values of a pack's lanes as tensors that broadcast over (lanes, ...)."""

    def __init__(self, lanes: Sequence[Lane], device: torch.device, dtype: torch.dtype) -> None:
        self._to = {"device": device, "dtype": dtype}
        recipes = [lane.recipe for lane in lanes]
        self.activations = activation_blocks(recipes)
        self.rate = self._column([r.network.dropout for r in recipes])[:, :, None]  # (L, 1, 1)
        self.drops = any(r.network.dropout > 0 for r in recipes)
        self.clip = None
        if any(r.clip_norm is not None for r in recipes):
            self.clip = self._column([np.inf if r.clip_norm is None else r.clip_norm for r in recipes])
        coupled = [0.0 if r.optimizer.decoupled else r.weight_decay for r in recipes]
        self.l2 = self._column(coupled)[:, :, None] if any(coupled) else None
        self.decoupled = any(r.optimizer.decoupled and r.weight_decay for r in recipes)
        norms = [r.network.normalization for r in recipes]
        self.eps = self._column([n.eps if isinstance(n, BatchNorm) else 1.0 for n in norms])[:, :, None]
        self.keep = self._column([n.keep if isinstance(n, BatchNorm) else 0.0 for n in norms])[:, :, None]

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, **self._to)[:, None]  # (L, 1)

    def activate(self, z: Tensor) -> Tensor:
        """Each lane's activation of its sums z (L, B, H)."""
        if len(self.activations) == 1:
            return self.activations[0][1](z)
        parts = z.split([count for count, _ in self.activations])
        return torch.cat([formula(part) for part, (_, formula) in zip(parts, self.activations, strict=True)])


def activation_blocks(recipes: Sequence[Recipe]) -> list[tuple[int, Callable[[Tensor], Tensor]]]:
    """(lanes, function) for each run of neighbouring lanes with the same activation."""
    blocks = []
    for rule, run in groupby(recipe.network.activation for recipe in recipes):
        formula, values = type(rule).formula, numbers(rule)
        blocks.append((len(list(run)), lambda z, formula=formula, values=values: formula(z, *values)))
    return blocks


def coefficient_table(lanes: Sequence[Lane], first: int, count: int, per_epoch: int) -> np.ndarray:
    """Coefficients of updates first .. first + count - 1 for every lane: (count, 8, lanes) float64.

    The first seven are `Coefficients` with the decayed rate inside e and f; the last is rate * weight_decay for
    decoupled decay, else 0. Each recipe's column is computed by itself.
    """
    update = np.arange(first, first + count)
    columns: dict[int, np.ndarray] = {}
    for lane in lanes:
        if lane.number in columns:
            continue
        recipe = lane.recipe
        rate = recipe.optimizer.lr * recipe.decay.factor(update, per_epoch, per_epoch * recipe.epochs)
        k = recipe.optimizer.coefficients(update + 1.0)
        k = k._replace(e=k.e * rate, f=k.f * rate)
        decay = rate * recipe.weight_decay if recipe.optimizer.decoupled else 0 * rate
        columns[lane.number] = np.stack([*k, decay], 1)
    return np.stack([columns[lane.number] for lane in lanes], 2)


def by_update(table: Tensor) -> list[tuple[Coefficients, Tensor]]:
    """For each update of a table (updates, 8, lanes, 1): its coefficients, each (lanes, 1), and its decoupled decay.

    What stays the same from update to update is one tensor.
    """
    first = table[0].unbind(0)
    columns = [
        [first[i]] * len(table) if bool((column == column[0]).all()) else column.unbind(0)
        for i, column in enumerate(table.unbind(1))
    ]
    return [(Coefficients(*row[:7]), row[7]) for row in zip(*columns, strict=True)]


def initial_parameters(
    lanes: Sequence[Lane], folds: Sequence[Fold], widths: Sequence[int], shape: Shape, layout: Layout
) -> np.ndarray:
    """Initial parameters (lanes, layout.total) float64, from base draws that all recipes of a fold and seed share.

    widths: the number of input columns that each fold really has; weights of padding columns are 0.
    """
    base: dict[tuple[int, int, str], np.ndarray] = {}
    out = np.zeros((len(lanes), layout.total))
    for row, lane in zip(out, lanes, strict=True):
        fold, rule = folds[lane.fold], lane.recipe.init
        for slot in layout.slots:
            block = row[slot.start : slot.stop].reshape(slot.stored)
            if slot.kind == "gamma":
                block[:, : slot.size[1]] = 1.0
            if slot.kind != "weight":
                continue
            fan_in = widths[lane.fold] if slot.layer == 0 else slot.size[0]
            key = (lane.fold, slot.layer, rule.draw)
            if key not in base:
                rng = derive(fold.seed, "init", fold.number, slot.layer)
                size = (fan_in, slot.size[1])
                base[key] = rng.standard_normal(size) if rule.draw == "normal" else rng.uniform(-1, 1, size)
            block[:fan_in, : slot.size[1]] = rule.weights(base[key], fan_in, slot.size[1])
    return out
