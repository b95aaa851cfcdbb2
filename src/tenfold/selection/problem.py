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
from tenfold.recipe.architecture import Step, parameter_count, plan_network
from tenfold.recipe.recipe import Recipe
from tenfold.rules.losses import Link
from tenfold.rules.optimizers.second_order import SecondOrder
from tenfold.rules.preprocessing import Moments
from tenfold.rules.record import rule_name
from tenfold.statistics.metrics import Metric

if TYPE_CHECKING:
    import torch

    from tenfold.engine.feed import Feed

Array = np.ndarray
MOST_LOG_RATE = 300.0  # of a network about to diverge; squares of larger rates overflow
LARGEST = 1e30  # size of a logit of a network about to diverge; the difference of two larger ones overflows


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

    @cached_property
    def scatters(self) -> tuple[Moments, ...]:
        """The same with the products of every two columns, for principal components and whitening."""
        return tuple(training_moments(self.inputs, self.folds, self.encodings, scatter=True))

    def moments_for(self, recipes: Sequence[Recipe]) -> tuple[Moments, ...]:
        """The moments that the preprocessing of these recipes needs."""
        return self.scatters if any(recipe.preprocess.needs_scatter for recipe in recipes) else self.moments

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

    def feed(self, recipes: Sequence[Recipe], device: torch.device, dtype: torch.dtype) -> Feed:
        """The rows on the device, and what their preprocessing needs."""
        from tenfold.engine.feed import Feed, FoldInputs

        parts = [
            FoldInputs(fold, encoding, moments, *self.scale(f))
            for f, (fold, encoding, moments) in enumerate(
                zip(self.folds, self.encodings, self.moments_for(recipes), strict=True)
            )
        ]
        return Feed(self.inputs, self.y, parts, device, dtype)

    def readable(self, outputs: Array, fold: int, link: Link) -> Array:
        """Outputs (..., rows, C) of a network as probabilities, or as predictions in the target's own unit.

        Scores of a hinge loss become shares by softmax: their order is right, they are no calibrated probabilities.
        """
        if self.classes:
            from scipy.special import softmax

            return softmax(np.clip(outputs, -LARGEST, LARGEST), axis=-1)
        return in_unit(outputs, link, *self.scale(fold))

    def check_recipes(self, recipes: Sequence[Recipe]) -> None:
        """Refuse a recipe that does not fit the task, the target or the inputs."""
        for number, recipe in enumerate(recipes):
            wrong = self._misfit(recipe)
            if wrong is not None:
                found, do = wrong
                raise BadInput(f"recipe {number}: {found}", do=do)
            steps = plan_network(recipe.network, inputs=self.width, outputs=self.outputs, image=self.inputs.image)
            too_large = size_refusal(recipe, steps)
            if too_large:
                raise BadInput(f"recipe {number}: {too_large}", do="a smaller network, or lbfgs, or adam")

    def _misfit(self, recipe: Recipe) -> tuple[str, str] | None:
        """What does not fit, and one thing to do."""
        if recipe.loss != "auto":
            name = rule_name(recipe.loss)
            if recipe.loss.task != self.task:
                return (
                    f"loss {name} is for {recipe.loss.task}; the task is {self.task}",
                    "loss: auto, or another --task",
                )
            if recipe.loss.link == "exp" and (self.y.min() < 0 or self.y.max() <= 0):
                return f"loss {name} is for counts; the target has {self.y.min():g}", "loss: squared"
        images = self.inputs.image is not None
        if recipe.preprocess.images_only and not images:
            return f"preprocess {rule_name(recipe.preprocess)} is for images; these are rows of columns", "standardize"
        if recipe.augment.active and not images:
            return "augment is for images; these are rows of columns", "leave augment out"
        return None


def in_unit(outputs: Array, link: Link, mean: float, std: float) -> Array:
    """Outputs of a regression network in the target's unit: outputs std + mean, or exp(outputs) mean for counts."""
    outputs = outputs.astype(np.float64)
    return np.exp(np.minimum(outputs, MOST_LOG_RATE)) * mean if link == "exp" else outputs * std + mean


def size_refusal(recipe: Recipe, steps: Sequence[Step]) -> str:
    """Why a second-order method cannot train a network of that size; "" if it can."""
    if not isinstance(recipe.optimizer, SecondOrder):
        return ""
    return recipe.optimizer.refusal(sum(parameter_count(step.op) for step in steps))
