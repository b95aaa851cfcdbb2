"""What is known of a search that goes on, for whoever watches it; nothing is decided from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenfold.recipe.recipe import Recipe
from tenfold.search.racing import Rung

if TYPE_CHECKING:
    from tenfold.search.records import RecipeRecord


@dataclass(frozen=True)
class SoFar:
    """A view that the search keeps current: the recipes of all rounds so far, the records that are known of them, and
    the decisions of the race. A record may be that of the last checkpoint, without predictions and without rows."""

    recipes: Sequence[Recipe] = ()
    records: Mapping[int, RecipeRecord] | None = None
    race: Sequence[Rung] = ()


@dataclass(frozen=True)
class TrialEpoch:
    """What one epoch of one trial came to.

    - recipe: its number, in the order in which recipes were given or proposed; fold: the place of the fold in the list
      of all, from 0; epoch: from 1.
    - train_loss: the recipe's own loss, mean over the epoch's batches, in training mode; loss: of the validation rows,
      log loss, or the root mean squared error in the target's unit; score: of the validation rows, the metric.
    """

    recipe: int
    fold: int
    epoch: int
    train_loss: float
    loss: float
    score: float


def each_epoch(tell: Callable[[TrialEpoch], object] | None) -> Callable[[Sequence[TrialEpoch]], None] | None:
    """A function of one trial's epoch as a function of several."""
    if tell is None:
        return None

    def tell_all(trials: Sequence[TrialEpoch]) -> None:
        for trial in trials:
            tell(trial)

    return tell_all
