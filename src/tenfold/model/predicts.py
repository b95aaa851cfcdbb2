"""What every fitted model can be asked, whether it is one network or several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.errors import BadInput

if TYPE_CHECKING:
    from tenfold.data.feed.encode import Inputs

Array = np.ndarray


class Predicts(ABC):
    """The questions of a user, answered from `inputs`, `outputs`, `samples` and `labels`."""

    classes: tuple[Any, ...]

    def __repr__(self) -> str:
        """The recipe, and how long it was trained."""
        found: Any = self
        size = f" of {len(found.members)} models" if hasattr(found, "members") else ""
        trained = f"{found.epochs:g} epochs ({found.updates} updates)"
        return f"{type(self).__name__}{size}: {found.recipe.describe()}, {trained}"

    @abstractmethod
    def inputs(self, x: Any) -> tuple[Inputs, list[str]]:
        """The columns that the model uses, checked, and what was noticed on the way."""

    @abstractmethod
    def outputs(self, inputs: Inputs) -> Array:
        """Probabilities (rows, classes), or predictions in the target's unit (rows, 1)."""

    @abstractmethod
    def samples(self, inputs: Inputs, count: int, *, seed: int = 0) -> tuple[Array, Array]:
        """Monte-Carlo dropout: mean and standard deviation of `count` passes, both (rows, classes or 1)."""

    @abstractmethod
    def labels(self, outputs: Array) -> Array:
        """From `outputs` to predictions (rows,)."""

    def predict_samples(self, x: Any, samples: int = 50, *, seed: int = 0) -> tuple[Array, Array]:
        """Monte-Carlo dropout: mean and standard deviation, each (rows, classes or 1), of what `samples` passes with
        dropout left on predict (see `samples`)."""
        return self.samples(self.inputs(x)[0], samples, seed=seed)

    def predict_proba(self, x: Any) -> Array:
        """Probabilities (rows, classes) in the order of `classes`; classification only."""
        if not self.classes:
            raise BadInput("predict_proba of a regression model", do="predict")
        return self.outputs(self.inputs(x)[0])

    def predict(self, x: Any) -> Array:
        """The most probable class of each row, or the predicted number (rows,)."""
        return self.labels(self.outputs(self.inputs(x)[0]))
