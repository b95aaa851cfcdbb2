"""What predicts after a search: the winner refitted on all rows, once or several times, its fold ensemble, the better
of refit and ensemble, or a blend of the fold models of several recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tenfold.errors import BadInput
from tenfold.problem.problem import Problem
from tenfold.problem.settings import WAYS
from tenfold.recipe.recipe import Recipe
from tenfold.statistics.temperature import after_averaging

if TYPE_CHECKING:
    from tenfold.data.columns.schema import Schema
    from tenfold.engine.engines import Engine
    from tenfold.model.model import Model
    from tenfold.model.refit_or_ensemble import RefitVersusEnsemble


FoldWeights = Sequence[dict[str, np.ndarray]]  # a network a fold, as `LaneStates.parameters` gives it
REFITS = 5  # networks of "refits"


class Winner(NamedTuple):
    """The recipe that a search chose, the epoch on its fold-mean curve, the scores of its folds there, and the weights
    of their networks, where they are still known."""

    problem: Problem
    recipe: Recipe
    epoch: int
    scores: np.ndarray
    weights: FoldWeights | None = None


class BlendPart(NamedTuple):
    """A recipe of a blend: trained to that epoch on each fold; share: its weight in the mean, against the others';
    weights: of the networks of the folds, where they are still known."""

    recipe: Recipe
    epoch: int
    share: float
    weights: FoldWeights | None = None


@dataclass(frozen=True)
class FinalModel:
    """The fitted model, and what the comparison of "both" measured (None for the other kinds)."""

    model: Model
    comparison: RefitVersusEnsemble | None = None


def short_folds(problem: Problem) -> bool:
    """Whether some fold trains on fewer than half of the rows, as the first of folds forward in time does. Then a blend
    is one of networks that are trained on all rows."""
    return 2 * min(len(fold.train) for fold in problem.folds) < problem.inputs.rows


def refits_of_part(parts: int) -> int:
    """Networks on all rows of each recipe of a blend of so many: at least five in all."""
    return -(-REFITS // parts)


def check_kind(kind: str) -> str:
    """The kind of final model; refuses an unknown one."""
    if kind not in WAYS:
        raise BadInput(f"keep {kind!r}", expected=f"one of: {', '.join(WAYS)}")
    return kind


def final_model(
    winner: Winner,
    kind: str = "refit",
    *,
    seed: int,
    parts: Sequence[BlendPart] = (),
    temperature: float = 1.0,
    schema: Schema | None = None,
    classes: tuple[Any, ...] | None = None,
    device: Any = None,
    engine: Engine | None = None,
    idle: Callable[[], None] = lambda: None,
) -> FinalModel:
    """The winner as a model. engine: that trains it, default the best there is. idle: called about ten
    times a second; what it raises stops the training.

    refit: trained on all rows for the updates that the folds chose. refits: the mean of several such networks with
    other seeds. ensemble: the mean of the networks of its folds, as they were scored. blend: the weighted mean of such
    ensembles, those of `parts`; of refits where the folds are short (see `short_folds`). both: the ensemble if it
    predicts significantly better out of fold (see `compare_refit_and_ensemble`). temperature: of single networks, see
    `after_averaging`.
    """
    from tenfold.model.refit import fold_blend, fold_ensemble, refit, refit_blend
    from tenfold.model.refit_or_ensemble import compare_refit_and_ensemble

    problem, recipe, epoch, scores, weights = winner
    comparison = None
    how: Any = {"classes": classes, "device": device, "engine": engine, "idle": idle}
    if check_kind(kind) == "both":
        comparison = compare_refit_and_ensemble(
            problem, recipe, epoch, seed=seed, trained_scores=scores, device=device, engine=engine, idle=idle
        )
        kind = comparison.choice
    if kind == "blend" and short_folds(problem):
        model = refit_blend(problem, parts, seed=seed, schema=schema, **how)
    elif kind == "blend":
        model = fold_blend(problem, parts, schema=schema, **how)
    elif kind == "ensemble":
        model = fold_ensemble(problem, recipe, epoch, schema=schema, weights=weights, **how)
    else:
        networks = REFITS if kind == "refits" else 1
        model = refit(problem, recipe, epoch, seed=seed, networks=networks, schema=schema, **how)
    if len(model.members) > 1:
        temperature = after_averaging(temperature)
    return FinalModel(replace(model, temperature=temperature), comparison)
