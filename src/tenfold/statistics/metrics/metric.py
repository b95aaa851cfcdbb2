"""What a metric is: one record with everything that the rest of Tenfold asks of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score of predictions, for many trials at once.

    Classification: y (rows,) class indices, prediction (trials, rows, classes) probabilities. Regression: y (rows,),
    prediction (trials, rows, 1), both in the target's own unit.

    score(y, prediction) -> (trials,).

    rows(y, prediction) -> (trials, rows) float64, the contributions of the rows: their mean is the score, and their
    spread tells how the score varies with the rows that happen to be there. Where the score is no plain mean they are
    score + influence function (Hampel 1974), the first-order effect of a row on the score.

    weighted(y, prediction of one trial (rows, classes or 1), weights (draws, rows)) -> (draws,): the score with
    weighted rows. With whole numbers as weights it is the score of a sample in which each row occurs that often. NaN
    where the score is not defined.

    row_losses(y, prediction) -> (trials, rows): losses >= 0 of the rows, where the score is `of_mean_loss` of their
    mean; None where the score is no such mean. Their test interval is a studentized bootstrap.

    counts_hits: the score is the share of rows that are right, so its test interval is the exact binomial one.

    own_function: of the user's, that it is made of.
    """

    name: str
    words: str  # the name in a sentence
    task: Literal["classification", "regression"]
    higher_is_better: bool
    score: Callable[[Array, Array], Array]
    rows: Callable[[Array, Array], Array]
    weighted: Callable[[Array, Array, Array], Array]
    bounds: tuple[float, float]  # what a score can be; intervals are cut to it
    row_losses: Callable[[Array, Array], Array] | None = None
    of_mean_loss: Callable[[float], float] = float
    counts_hits: bool = False
    own_function: Callable[[Any, Any], Any] | None = None

    @property
    def sign(self) -> float:
        """+1 if higher is better, else -1: sign * score is what selection maximizes."""
        return 1.0 if self.higher_is_better else -1.0


def weighted_mean(rows: Callable[[Array, Array], Array], y: Array, p: Array, w: Array) -> Array:
    """`weighted` of a metric whose score is the mean of its rows, with `partial`: a metric is pickled with a model."""
    return w @ rows(y, p[None])[0] / w.sum(-1)
