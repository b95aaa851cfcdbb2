"""What is kept of a search: the winner refitted on all rows, the ensemble of its folds' models, or the better one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenfold.errors import BadInput
from tenfold.problem.settings import WAYS
from tenfold.search.results import SearchResults

if TYPE_CHECKING:
    from tenfold.data.columns.schema import Schema
    from tenfold.model.ensemble import Fitted
    from tenfold.model.refit_or_ensemble import RefitVersusEnsemble


@dataclass(frozen=True)
class FinalModel:
    """The fitted model, and what the comparison of "both" measured (None for the other ways)."""

    model: Fitted
    comparison: RefitVersusEnsemble | None = None


def check_way(keep: str) -> str:
    """The way to keep the winner; refuses an unknown one."""
    if keep not in WAYS:
        raise BadInput(f"keep {keep!r}", expected=f"one of: {', '.join(WAYS)}")
    return keep


def final_model(
    trained: SearchResults,
    keep: str = "refit",
    *,
    seed: int,
    schema: Schema | None = None,
    classes: tuple[Any, ...] | None = None,
    device: Any = None,
    tick: Callable[[], str] = lambda: "go on",
) -> FinalModel:
    """The winner as a model.

    refit: trained on all rows for the updates that the folds chose. ensemble: the mean of the models of its folds,
    as they were scored. both: the ensemble if it predicts significantly better out of fold (see `compare_keeping`).
    """
    from tenfold.model.ensemble import Ensemble
    from tenfold.model.refit import fold_models, refit
    from tenfold.model.refit_or_ensemble import compare_refit_and_ensemble

    check_way(keep)
    best, problem = trained.best(), trained.problem
    recipe, epoch = trained.recipes[best], trained.records[best].epoch
    options = {"schema": schema, "classes": classes, "device": device, "tick": tick}
    comparison = None
    if keep == "both":
        comparison = compare_refit_and_ensemble(
            problem, recipe, epoch, seed=seed, trained_scores=trained.scores(best), device=device, tick=tick,
        )  # fmt: skip
        keep = comparison.choice
    if keep == "ensemble":
        return FinalModel(Ensemble(fold_models(problem, recipe, epoch, **options)), comparison)
    return FinalModel(refit(problem, recipe, epoch, seed=seed, **options), comparison)
