"""The trials of a pack and their values, stacked: what differs between lanes without splitting a pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.engine.operations.operation import PlannedOp
from tenfold.engine.plan.shape import Shape
from tenfold.recipe.recipe import Recipe
from tenfold.rules.optimizers.base import keeps_moments
from tenfold.rules.optimizers.update import Coefficients, Time
from tenfold.rules.record import numbers, rule_name
from tenfold.rules.schedules import Trend


@dataclass(frozen=True)
class Lane:
    """One trial: a recipe (and its number in the search) on one fold (its place in the list of folds)."""

    recipe: Recipe
    number: int
    fold: int

    @property
    def optimizer(self) -> Any:
        """The recipe's optimizer; a pack's shape says whether it is of first or of second order."""
        return self.recipe.optimizer

    @property
    def order(self) -> tuple[Any, ...]:
        """Lanes are sorted by this, so that equal optimizers and equal activations lie side by side."""
        optimizer = self.optimizer
        layers = [layer for layer in self.recipe.network.sequence() if hasattr(layer, "formula")]
        activations = [(rule_name(layer), repr(numbers(layer))) for layer in layers[:1]]
        return optimizer.family, activations, keeps_moments(optimizer), self.number, self.fold


class LaneValues:
    """The values of a pack's lanes as tensors that broadcast over (lanes, ...), operation by operation."""

    def __init__(self, lanes: Sequence[Lane], shape: Shape, device: torch.device, dtype: torch.dtype) -> None:
        self._to = {"device": device, "dtype": dtype}
        recipes = [lane.recipe for lane in lanes]
        planned = {recipe: shape.steps(recipe) for recipe in dict.fromkeys(recipes)}
        self.steps: list[tuple[PlannedOp, ...]] = [planned[recipe] for recipe in recipes]
        self.of_op: list[Any] = []  # what each operation makes of its layers
        for number, op in enumerate(shape.ops):
            layers = [steps[number].layer for steps in self.steps]  # one a lane
            self.of_op.append(op.lane_values(layers, self._column))
        self.clip = self._limit([r.clip_norm for r in recipes])
        self.clip_value = self._limit([r.clip_value for r in recipes])
        largest = self._limit([r.max_norm for r in recipes])
        self.max_norm = None if largest is None else largest[:, :, None]
        coupled = [0.0 if r.optimizer.decoupled else r.weight_decay for r in recipes]
        self.l2 = self._column(coupled) if any(coupled) else None
        self.l1 = self._column([r.l1 for r in recipes]) if any(r.l1 for r in recipes) else None
        self.decoupled = any(r.optimizer.decoupled and r.weight_decay for r in recipes)
        average = [r.weight_average for r in recipes]
        self.average = self._column(average) if any(average) else None

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, **self._to)[:, None]  # (L, 1)

    def _limit(self, values: Sequence[float | None]) -> Tensor | None:
        """(L, 1) with infinity for no limit; None where no lane has one."""
        if all(value is None for value in values):
            return None
        return self._column([np.inf if value is None else value for value in values])


def times(
    lane: Lane, first: int, count: int, per_epoch: int, factor: float = 1.0
) -> tuple[np.ndarray, Time]:  # factor: what a plateau schedule has come to
    """The decayed rates of updates first .. first + count - 1 of a lane, and what its optimizer takes."""
    recipe, update = lane.recipe, np.arange(first, first + count)
    total = per_epoch * recipe.epochs
    rate = recipe.optimizer.lr * factor * recipe.decay.factor(update, per_epoch, total)
    share = np.minimum(update / total, 1.0)
    return rate, Time(update + 1.0, rate, share, recipe.decay.momentum(update, per_epoch, total))


def coefficient_table(lanes: Sequence[Lane], first: int, count: int, per_epoch: int, factors: np.ndarray) -> np.ndarray:
    """Coefficients of updates first .. first + count - 1 for every lane: (count, 11, lanes) float64.

    The first nine are `Coefficients` with the decayed rate inside; then rate * weight_decay for decoupled decay, else
    0; then weight_decay where it enters the gradient, else 0. Each recipe's column is computed by itself. factors
    (lanes,): of plateau schedules.
    """
    columns: dict[tuple[int, float], np.ndarray] = {}
    for lane, factor in zip(lanes, factors, strict=True):
        if (lane.number, factor) in columns:
            continue
        rate, time = times(lane, first, count, per_epoch, factor)
        k = lane.optimizer.coefficients(time)
        strength = lane.recipe.weight_decay * trend(lane, lane.recipe.weight_decay_schedule, first, count, per_epoch)
        decoupled = lane.optimizer.decoupled
        shrinking = (rate * strength, 0 * rate) if decoupled else (0 * rate, strength)
        columns[lane.number, factor] = np.stack([*k, *shrinking], 1)
    return np.stack([columns[lane.number, factor] for lane, factor in zip(lanes, factors, strict=True)], 2)


def trend(lane: Lane, schedule: Trend, first: int, count: int, per_epoch: int) -> np.ndarray:
    """What a schedule of the recipe's dropout or weight decay gives for updates first .. first + count - 1."""
    return schedule.factor(np.arange(first, first + count), per_epoch, per_epoch * lane.recipe.epochs)


class UpdateNumbers(NamedTuple):
    """The numbers of one update of some lanes, (lanes, 1) each: coefficients, decoupled decay, and the strength of the
    penalty that enters the gradient."""

    k: Coefficients
    decay: Tensor
    l2: Tensor


def by_update(table: Tensor) -> list[UpdateNumbers]:
    """For each update of a table (updates, 11, lanes, 1) its numbers.

    A column that is the same at every update is one tensor for all: most are, and unbinding costs an operation each.
    """
    first = table[0].unbind(0)
    columns = [
        [first[i]] * len(table) if bool((column == column[0]).all()) else column.unbind(0)
        for i, column in enumerate(table.unbind(1))
    ]
    return [UpdateNumbers(Coefficients(*row[:-2]), *row[-2:]) for row in zip(*columns, strict=True)]
