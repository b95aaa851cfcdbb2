"""What is to be learned from which rows: the inputs, the target, the folds, the metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tenfold.data.encode import Encoding, Inputs, fit_encoding
from tenfold.data.folds import Fold
from tenfold.data.moments import target_scale, training_moments
from tenfold.errors import BadInput
from tenfold.recipe.recipe import Recipe
from tenfold.rules.preprocessing import Moments
from tenfold.statistics.metrics import Metric

if TYPE_CHECKING:
    import torch

    from tenfold.engine.feed import Feed

Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """Development rows and how they are divided. y: class indices (int64) or numbers (float64)."""

    inputs: Inputs
    y: Array
    classes: tuple[str, ...]
    folds: tuple[Fold, ...]
    metric: Metric

    @property
    def task(self) -> str:
        """classification or regression."""
        return "classification" if self.classes else "regression"

    @property
    def outputs(self) -> int:
        """Output units: one a class (two for binary), one for regression."""
        return len(self.classes) or 1

    @cached_property
    def encodings(self) -> tuple[Encoding, ...]:
        """The encoding that each fold's training rows decide."""
        return tuple(fit_encoding(self.inputs, fold.train) for fold in self.folds)

    @cached_property
    def moments(self) -> tuple[Moments, ...]:
        """The moments of each fold's training rows."""
        return tuple(training_moments(self.inputs, self.folds, self.encodings))

    @property
    def width(self) -> int:
        """Input columns of the widest fold."""
        return max(1, *(encoding.width for encoding in self.encodings))

    def scale(self, fold: int) -> tuple[float, float]:
        """Mean and standard deviation of the target over a training part (0 and 1 for classes)."""
        return (0.0, 1.0) if self.classes else target_scale(self.y, self.folds[fold])

    def whole(self, seed: int) -> Problem:
        """The same rows as one part that is trained on and scores nothing: for the refit."""
        rows = np.arange(self.inputs.rows)
        return replace(self, folds=(Fold(rows, rows[:0], len(self.folds), seed),))

    def feed(self, device: torch.device, dtype: torch.dtype) -> Feed:
        """The rows on the device."""
        from tenfold.engine.feed import Feed, FoldInputs

        parts = [
            FoldInputs(fold, encoding, moments, *self.scale(f))
            for f, (fold, encoding, moments) in enumerate(zip(self.folds, self.encodings, self.moments, strict=True))
        ]
        return Feed(self.inputs, self.y, parts, device, dtype)

    def readable(self, outputs: Array, fold: int) -> Array:
        """Outputs (..., rows, C) of a network as probabilities, or as predictions in the target's own unit."""
        if self.classes:
            from scipy.special import softmax

            return softmax(outputs, axis=-1)
        mean, std = self.scale(fold)
        return outputs.astype(np.float64) * std + mean

    def check_recipes(self, recipes: Sequence[Recipe]) -> None:
        """Refuse a recipe whose loss does not fit the task."""
        for number, recipe in enumerate(recipes):
            if recipe.loss != "auto" and recipe.loss.task != self.task:
                name = type(recipe.loss).__name__
                raise BadInput(
                    f"recipe {number}: loss {name} is for {recipe.loss.task}; the task is {self.task}",
                    do="loss: auto, or another --task",
                )
