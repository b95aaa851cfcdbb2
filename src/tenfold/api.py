"""Cross-validation and search in Python: `cross_validate`, `search` and `nested_cross_validate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.data.profile.frames_at_hand import as_frame
from tenfold.engine.undisturbed import undisturbed
from tenfold.errors import BadInput, check_whole
from tenfold.executors.choose import opened_cluster
from tenfold.model.final import FinalModel, final_model
from tenfold.problem.from_arrays import Labelled, understand
from tenfold.recipe.module import Module
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.grid import grid_size
from tenfold.recipe.spaces.range_edges import border_warnings
from tenfold.recipe.spaces.space import MOST_RECIPES, Space, functions_of
from tenfold.run.machine import TrainedBy
from tenfold.run.search_in_python import kept_search
from tenfold.search.blended import blend_parts, temperature_of
from tenfold.search.context import SearchContext, device_named
from tenfold.search.leaderboard import frame_row, leaderboard_row, printed_row
from tenfold.search.nested import Nested, nested
from tenfold.search.proposals import Proposer, proposer
from tenfold.search.racing import Name, Rung, Strategy
from tenfold.search.results import SearchResults
from tenfold.search.search import Given, SearchPlan, train_all
from tenfold.search.so_far import TrialEpoch, each_epoch
from tenfold.statistics.metrics.own import OwnScores
from tenfold.statistics.spread import Spread

if TYPE_CHECKING:
    from tenfold.run.replay import Replay

TRIALS = 64  # recipes that `search` proposes from a space, unless told
SHOWN = 10  # recipes of a result that Python prints


@dataclass(frozen=True)
class CrossValidation:
    """The result of `cross_validate`.

    - table: one dict per recipe, in the order given: recipe, mean (in the metric's own sign), se, scores (one per
      fold), outcomes (counts), epochs (chosen on the fold-mean curve), metrics (by name, the means of all
      that are reported).
    - trials: one dict per trial: recipe (its index), fold, seed, score, outcome, epoch, metrics (by name), curve
      (validation score per epoch).
    - out_of_fold: predictions (recipes, rows, classes or 1) at the chosen epoch, for every row by the fold that was not
      trained on it; NaN for a diverged trial.
    """

    trained: SearchResults
    data: Labelled
    by: TrainedBy = field(default_factory=TrainedBy)

    def __repr__(self) -> str:
        """A line a recipe: its mean score, the standard error of it, what it is."""
        return _lines(self, range(len(self.trained.recipes)))

    @property
    def table(self) -> list[dict[str, Any]]:
        """One dict a recipe, in the order given."""
        return [leaderboard_row(self.trained, number) for number in range(len(self.trained.recipes))]

    @property
    def trials(self) -> list[dict[str, Any]]:
        """One dict a trial."""
        return self.trained.trials()

    @property
    def warnings(self) -> list[str]:
        """Labels that may be one, words that read as missing, columns of X that alone predict y (probably leaks)."""
        return self.data.warnings

    @property
    def notes(self) -> list[str]:
        """Of each module of the user's own, which way its lanes were trained and why, and what got no gradient."""
        return _module_notes(self.trained)

    @property
    def out_of_fold(self) -> np.ndarray:
        """(recipes, rows, classes or 1)."""
        return np.stack([self.trained.out_of_fold(number) for number in range(len(self.trained.recipes))])

    @undisturbed
    def replay(self, trials: int | str = 10, *, seed: int = 0) -> Replay:
        """Train trials again and compare their bits, see `Search.replay`."""
        from tenfold.run.replay import replay_results

        return replay_results(self.trained, str(trials), self.by, seed=seed)

    def to_frame(self) -> Any:
        """The table as a frame of the library at hand (pandas, polars or pyarrow, whichever is installed)."""
        return _frame([frame_row(row) for row in self.table])


@dataclass(frozen=True)
class Search:
    """The result of `search`. best: the winning recipe; table: as for `CrossValidation`, best first."""

    trained: SearchResults
    data: Labelled
    seed: int
    device: str
    space: Space | None = None
    by: TrainedBy = field(default_factory=TrainedBy)

    def __repr__(self) -> str:
        """The ten best recipes: mean score, the standard error of it, what it is."""
        return _lines(self, self.trained.ranking())

    @property
    def best(self) -> Recipe:
        """The recipe that won: the best mean score over the folds, or by the rule asked for; raises `RunFailed` if
        none has a finite one."""
        return self.trained.recipes[self.trained.best()]

    @property
    def table(self) -> list[dict[str, Any]]:
        """One dict a recipe, best first."""
        return [leaderboard_row(self.trained, number) for number in self.trained.ranking()]

    @property
    def trials(self) -> list[dict[str, Any]]:
        """One dict a trial; `recipe` is the index in `trained.recipes`, the order of sampling."""
        return self.trained.trials()

    @property
    def corrected(self) -> float:
        """The winner's score corrected for having been picked, recipe and epoch (see `corrected_score`)."""
        self.trained.best()
        found = self.trained.correction
        return float("nan") if found is None else found.score

    @property
    def corrected_interval(self) -> tuple[float, float]:
        """The 95 % interval of the corrected score."""
        found = self.trained.correction
        return (float("nan"), float("nan")) if found is None else found.interval

    @property
    def spread(self) -> Spread:
        """The winner's spread over folds and over repeats, apart."""
        return self.trained.spread(self.trained.best())

    @property
    def racing(self) -> tuple[Rung, ...]:
        """The decisions of the race; none for an exhaustive search."""
        return self.trained.race

    @property
    def warnings(self) -> list[str]:
        """Columns of X that alone settle y, as a leak does; values of the winner at the border of their range, and what
        to try."""
        return self.data.warnings + (border_warnings(self.space, self.best) if self.space else [])

    @property
    def notes(self) -> list[str]:
        """Of each module of the user's own, which way its lanes were trained and why, and what got no gradient."""
        return _module_notes(self.trained, self.device)

    def to_frame(self) -> Any:
        """The table as a frame of the library at hand."""
        return _frame([frame_row(row) for row in self.table])

    @undisturbed
    def replay(self, trials: int | str = 10, *, seed: int = 0) -> Replay:
        """Train trials again from recipe, fold and seed, each alone, and compare curves and predictions bit by bit with
        what is here (or in `run_dir`).

        trials: how many, the winner's first and the others drawn by the seed; "all"; or which, by recipe and place of
        the fold, "3:0,3:1". Of what is given back `in_words()` says what differs, and `failed` whether something does
        that must not: on the machine and with the versions that trained it all bits are the same. Raises `BadInput`
        for trials that there are none of.
        """
        from tenfold.run.replay import replay_results

        return replay_results(self.trained, str(trials), self.by, seed=seed)

    @undisturbed
    def findings(self) -> list[dict[str, Any]]:
        """Why recipes failed: groups of those that diverged or learnt nothing, what their settings share, and of the
        largest groups the doctor's word on one of them, as `fit` reports it. It trains some again, for seconds.

        One dict a group: what, trials (of all, `of`), recipes (by number), where, cause (None where nothing was found),
        words, probability, evidence, remedy, proof, and all of it as a `sentence`; `unjudged` says why the doctor
        cannot look, as at a loss of your own.
        """
        from tenfold.repair.failures import search_findings

        return search_findings(self.trained, SearchContext.local(self.device, engine=self.by.engine))

    def refit(self, keep: str = "refit") -> Any:
        """The best recipe as a fitted model: trained on all rows for the updates that the folds chose (refit), the mean
        of five such networks (refits), or the mean of the folds' models (ensemble), or the better of refit and ensemble
        out of fold (both); or the weighted mean of the fold models of up to three recipes (blend)."""
        return self.keep(keep).model

    @undisturbed
    def keep(self, keep: str = "refit") -> FinalModel:
        """As `refit`, with what the comparison of "both" measured."""
        schema, classes = self.data.schema, self.data.labels
        device = device_named(self.device)
        trained, blend = self.trained, self.trained.blend if keep == "blend" else None
        return final_model(
            trained.winner(),
            keep,
            seed=self.seed,
            parts=() if blend is None else blend_parts(trained, blend),
            temperature=temperature_of(trained, blend),
            schema=schema,
            classes=classes,
            device=device,
        )


@undisturbed
def cross_validate(
    recipes: Recipe | Sequence[Recipe],
    X: Any,
    y: Any,
    *,
    folds: Any = 5,
    repeats: int = 1,
    groups: Any = None,
    time: Any = None,
    gap: int = 0,
    seed: int = 0,
    task: str | None = None,
    metric: str | OwnScores | None = None,
    metrics: Sequence[str | OwnScores] = (),
    device: str = "auto",
    engine: str = "local",
    address: str | None = None,
    run_dir: str | Path | None = None,
    on_epoch: Callable[[TrialEpoch], object] | None = None,
) -> CrossValidation:
    """Cross-validate one or many recipes: all folds of all recipes are trained together, and each model is scored on
    the rows that it was not trained on.

    - X: numeric array or tensor (rows, columns), sparse matrix whose dense form fits into memory, nested list, images,
      or any data frame; y: (rows,). For a `Module` also tensors of any type and shape, or a tuple or dict of them; and
      y with several numbers for each row, or of any shape with a loss and a metric of your own.
    - folds: a number (stratified for classes, shuffled), "leave-one-group-out", an array of fold numbers (-1: never
      scored), index pairs, or any scikit-learn splitter.
    - repeats: repeat cross-validation this often, with new folds and seeds.
    - groups (rows,): rows of one group stay together, and so do rows that repeat each other.
    - time (rows,): training rows come before validation rows, with `gap` rows skipped between them; with groups, rows
      are left out of training whose group goes on into the validation rows.
    - seed: seed of everything random.
    - task: classification or regression; by default decided from y.
    - metric: accuracy (the default for classes; where one has at least 90 % of the rows roc_auc, or log_loss of
      several classes or few rows), log_loss, balanced_accuracy, roc_auc; r2 (the default for numbers),
      rmse, mae; or a function of y and the predictions of some rows that gives a number for each, the larger the
      better.
    - metrics: several of them, reported at once for the same predictions; the first selects, unless `metric` is given.
    - device: cpu, cuda, or auto.
    - engine: where packs are trained: local, in this process, or ray, on all cores of a Ray cluster; the same results.
    - address: of the cluster: auto (that of this machine), HOST:6379, or ray://HOST:10001; default: $RAY_ADDRESS, or
      the connection that this process has, else Ray is started here and ended with the call.
    - run_dir: a directory to keep the work in: after a stop or a kill the same call goes on from its last checkpoint,
      and once it has ended returns the same result at once.
    - on_epoch: called with a `TrialEpoch` after every epoch of every trial, in the calling thread. What it returns is
      ignored. What it raises stops the search and is raised here, once all training has ended; with run_dir, what was
      committed until then stays, and the same call goes on from there. Epochs that an earlier call committed are not
      told again, nor are those of an audit.

    The epoch of each recipe is the best of its fold-mean curve. Raises `BadInput` for unusable input.
    """
    recipes = recipe_list(recipes)
    data = understand(X, y, task)
    problem = data.problem(
        folds, seed=seed, metric=metric, metrics=metrics, repeats=repeats, groups=groups, time=time, gap=gap
    )
    asked = {"recipes": [recipe.to_dict() for recipe in recipes], "seed": seed}
    told = each_epoch(on_epoch)
    with (
        opened_cluster(engine, address) as cluster,
        kept_search(
            run_dir, problem, asked, functions_of(recipes),
            SearchContext.local(device, cluster=cluster, on_epochs=told),
        ) as context,
    ):  # fmt: skip
        trained = train_all(problem, recipes, context, SearchPlan(seed=seed))
        by = TrainedBy.of(context, device)
    return CrossValidation(trained, data, by)


def recipe_list(recipes: Any) -> list[Recipe]:
    """One recipe or many as a list; refuses anything else."""
    found: list[Any] = [recipes] if isinstance(recipes, Recipe) else list(recipes)
    other = next((recipe for recipe in found if not isinstance(recipe, Recipe)), None)
    if not found or other is not None:
        what = "there are no recipes" if not found else f"a {type(other).__name__} among the recipes"
        raise BadInput(
            what, expected="a Recipe or a non-empty list of them", do="tenfold.Recipe.from_yaml or from_dict"
        )
    return found


@undisturbed
def search(
    space: Space | Sequence[Recipe],
    X: Any,
    y: Any,
    *,
    trials: int | None = None,
    folds: Any = 5,
    strategy: Name = "exhaustive",
    proposals: str = "random",
    repeats: int = 1,
    groups: Any = None,
    time: Any = None,
    gap: int = 0,
    rule: str = "best",
    audit: bool = False,
    seed: int = 0,
    task: str | None = None,
    metric: str | OwnScores | None = None,
    metrics: Sequence[str | OwnScores] = (),
    device: str = "auto",
    time_limit: float | None = None,
    engine: str = "local",
    address: str | None = None,
    run_dir: str | Path | None = None,
    on_epoch: Callable[[TrialEpoch], object] | None = None,
) -> Search:
    """Propose recipes from a space, or take those of a list, cross-validate them, and choose the best. X, y, folds,
    repeats, groups, time, gap, seed, task, metric, metrics, device, engine, address, run_dir and on_epoch: see
    `cross_validate`.

    - trials: number of recipes, the first of a list or a grid; default: 64, but all of a list or a grid.
    - strategy: exhaustive trains all recipes to the end; halving, hyperband and racing drop the worst early.
    - proposals: random (the same seed gives the same recipes with every strategy), sobol, grid (every combination of
      the choices of a space without ranges), coarse-to-fine, or model.
    - rule: best, or one-se: the cheapest recipe within one standard error of the best.
    - audit: also train a sample of the dropped recipes to the end, to measure what racing missed.
    - time_limit: seconds of training; a recipe that is unfinished then ends as `timeout`, and can win only if none is
      finished.
    """
    if not isinstance(space, Space | list | tuple):  # what a user without types gives
        expected = "a Space, or a list of recipes"
        raise BadInput(f"the space is a {type(space).__name__}", expected=expected, do="tenfold.Space.from_dict")
    chosen = _proposer(space, proposals, trials, seed)
    only = space if isinstance(space, Space) else None
    listed = chosen.propose([]) if only is None else []
    data = understand(X, y, task)
    problem = data.problem(
        folds, seed=seed, metric=metric, metrics=metrics, repeats=repeats, groups=groups, time=time, gap=gap
    )
    plan = SearchPlan(Strategy(strategy), rule, audit, seed)
    asked = {
        "space": only.to_dict() if only else [recipe.to_dict() for recipe in listed],
        "trials": chosen.trials, "strategy": strategy, "proposals": proposals, "rule": rule,
        "audit": audit, "seed": seed,
    }  # fmt: skip
    told = each_epoch(on_epoch)
    functions = only.functions if only else functions_of(listed)
    with (
        opened_cluster(engine, address) as cluster,
        kept_search(
            run_dir, problem, asked, functions,
            SearchContext.local(device, limit=time_limit, cluster=cluster, on_epochs=told),
        ) as context,
    ):  # fmt: skip
        found = train_all(problem, chosen, context, plan)
        by = TrainedBy.of(context, device)
    return Search(found, data, seed, device, only, by)


def _proposer(space: Space | Sequence[Recipe], proposals: str, trials: int | None, seed: int) -> Proposer:
    """What proposes so many recipes of a space or a list; None for the usual number."""
    if isinstance(space, Space):
        usual = grid_size(space) if proposals == "grid" else TRIALS
        return proposer(proposals, space, usual if trials is None else trials, seed)
    if trials is not None:
        check_whole("trials", trials, least=1, most=MOST_RECIPES)
    return Given(tuple(recipe_list(space)[:trials]))


@undisturbed
def nested_cross_validate(
    recipes: Recipe | Sequence[Recipe] | Space,
    X: Any,
    y: Any,
    *,
    trials: int = 64,
    folds: Any = 5,
    inner: int = 5,
    groups: Any = None,
    seed: int = 0,
    task: str | None = None,
    metric: str | OwnScores | None = None,
    device: str = "auto",
    engine: str = "local",
    address: str | None = None,
) -> Nested:
    """Nested cross-validation of recipes, or of `trials` recipes sampled from a space: an estimate of the score of
    "choose the best of these by cross-validation" that is not biased by the choice (Varma & Simon 2006).

    inner: folds of the search inside each fold. The other parameters: see `cross_validate`.
    """
    chosen = recipes.sample(trials, seed=seed) if isinstance(recipes, Space) else recipe_list(recipes)
    problem = understand(X, y, task).problem(folds, seed=seed, metric=metric, groups=groups)
    with opened_cluster(engine, address) as cluster:
        return nested(problem, chosen, SearchContext.local(device, cluster=cluster), inner=inner, seed=seed)


def _lines(found: CrossValidation | Search, numbers: Sequence[int]) -> str:
    """A header and the first ten recipes."""
    trained, count = found.trained, len(numbers)
    problem = trained.problem
    head = f"{type(found).__name__}: {count} recipe{'s' * (count != 1)} x {len(problem.folds)} folds, "
    head += f"{problem.inputs.rows} rows, {', '.join(metric.name for metric in problem.metrics)}"
    lines = [printed_row(leaderboard_row(trained, number)) for number in numbers[:SHOWN]]
    more = [f"  ... and {count - SHOWN} more in .table"] if count > SHOWN else []
    notes = [f"  {note}" for note in found.notes]
    return "\n".join([head, *lines, *more, *notes, *(f"  warning: {line}" for line in found.data.warnings)])


def _module_notes(trained: SearchResults, device: str = "auto") -> list[str]:
    """Sentences on the modules among the networks, each once."""
    if not any(isinstance(recipe.network, Module) for recipe in trained.recipes):
        return []
    from tenfold.engine.user_modules.skeleton import module_sentences

    kind, size = device_named(device).type, trained.problem.size
    pairs = ((recipe.network, size.of(recipe)) for recipe in trained.recipes)
    known = dict.fromkeys((network, own) for network, own in pairs if isinstance(network, Module))
    lines = [line for network, own in known for line in module_sentences(network, own, kind)]
    return [*dict.fromkeys(lines), *trained.notes]


def _frame(rows: Sequence[dict[str, Any]]) -> Any:
    return as_frame({name: [row[name] for row in rows] for name in rows[0]} if rows else {})
