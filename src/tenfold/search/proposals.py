"""Which recipes to try next: random, quasi-random, all in order, from coarse to fine, or by a model of those tried."""

from __future__ import annotations

import contextlib
import itertools
import math
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from tenfold.errors import BadInput, check_whole
from tenfold.recipe.grammar.nodes import Choice
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.decisions import Decision, build_with, decisions_of, locate, number_at, share_of
from tenfold.recipe.spaces.grid import grid
from tenfold.recipe.spaces.narrow import narrow
from tenfold.recipe.spaces.sobol import sobol
from tenfold.recipe.spaces.space import MOST_RECIPES, Space

FEWEST = 8  # recipes before anything is concluded from them
LEADERS = 3  # recipes around which a space is narrowed, at least
LEADING = 8  # one of so many is a leader
FIRST, ROUND = 4, 8  # a quarter of the trials before the model, an eighth in each of its rounds
SMALLEST_ROUND = 4
ASKED = 10  # times the model may repeat itself for one recipe
FINE, MODEL, FILL = 1, 2, 3  # streams derived from the seed


@dataclass(frozen=True)
class Tried:
    """A recipe that was trained: its score (higher is better, NaN where it failed) and the epochs that it had."""

    recipe: Recipe
    score: float
    epochs: int


class Proposer(Protocol):
    """Proposes recipes round by round.

    `propose` depends on nothing but the arguments of `proposer` and on what was tried, so a search that is resumed
    goes on as it would have. It gets all recipes tried so far, in the order proposed, returns those of the next
    round, or the rest of one that was not finished, and none when the trials are used up or the space is; never one
    twice. rounds: the most there can be.
    """

    @property
    def rounds(self) -> int:
        """Most rounds."""
        ...

    @property
    def trials(self) -> int:
        """Most recipes, over all rounds."""
        ...

    def propose(self, tried: Sequence[Tried]) -> list[Recipe]:
        """The recipes of the next round."""
        ...


def proposer(name: str, space: Space, trials: int, seed: int) -> Proposer:
    """The proposer of that name: "random", "sobol", "grid", "coarse-to-fine" or "model".

    Raises `BadInput` for another name, fewer than one trial or a negative seed; "model" also without its library, and
    "grid" for a range in the space.
    """
    if name not in PROPOSERS:
        raise BadInput(f"the proposals {name!r}", expected=f"one of {', '.join(PROPOSERS)}")
    check_whole("trials", trials, least=1, most=MOST_RECIPES)
    if seed < 0:
        raise BadInput(f"{trials} trials with seed {seed}", expected="a seed from 0")
    return PROPOSERS[name](space, trials, seed)


@dataclass(frozen=True)
class OneRound:
    """All recipes of `drawn(space, trials, seed)` at once."""

    drawn: Callable[[Space, int, int], list[Recipe]]
    space: Space
    trials: int
    seed: int
    rounds: int = 1

    def propose(self, tried: Sequence[Tried]) -> list[Recipe]:
        """What is drawn, less what was tried."""
        return _untried(self.drawn(self.space, self.trials, self.seed), tried)


def _first_of_grid(space: Space, trials: int, _seed: int) -> list[Recipe]:
    return list(itertools.islice(grid(space), trials))


@dataclass(frozen=True)
class CoarseToFine:
    """Half of the trials (at least 8) by Sobol, the rest at random from the space narrowed around the best eighth
    (at least 3); what the narrowed space lacks comes from Sobol."""

    space: Space
    trials: int
    seed: int

    @property
    def coarse(self) -> int:
        """Recipes of the first round."""
        return min(self.trials, max(FEWEST, math.ceil(self.trials / 2)))

    @property
    def rounds(self) -> int:
        """One where the coarse stage takes all trials."""
        return 1 if self.coarse == self.trials else 2

    def propose(self, tried: Sequence[Tried]) -> list[Recipe]:
        """The coarse stage, then the fine one."""
        coarse = sobol(self.space, self.coarse, self.seed)
        first = _untried(coarse, tried)
        if first or self.rounds == 1:
            return first
        # A recipe that the space names to be tried first may lie outside of its sets, which are what is narrowed.
        stage = {recipe for recipe in coarse if locate(self.space, recipe) is not None}
        leaders = _leaders([trial for trial in tried if trial.recipe in stage])
        fine = narrow(self.space, leaders).sample(self.trials, _derived(self.seed, FINE)) if leaders else []
        more = [*fine, *sobol(self.space, 2 * self.trials, self.seed)]
        every = list(dict.fromkeys([*coarse, *more]))[: self.trials]
        return _untried(every, tried)


@dataclass(frozen=True)
class ModelProposer:
    """A quarter of the trials (at least 8) at random, then rounds of an eighth (at least 4) by a tree-structured
    Parzen estimator, rebuilt from what was tried in every round.

    Only the order of the scores counts; a failure counts as the worst. Recipes of a round keep away from each other.
    Source: Bergstra et al. 2011; Watanabe 2023; Optuna's `TPESampler`, multivariate and grouped.
    """

    space: Space
    trials: int
    seed: int

    def __post_init__(self) -> None:
        _optuna()

    @property
    def ends(self) -> list[int]:
        """Recipes tried at the end of each round."""
        first, size = max(FEWEST, self.trials // FIRST), max(SMALLEST_ROUND, self.trials // ROUND)
        return [*range(first, self.trials, size), self.trials] if first < self.trials else [self.trials]

    @property
    def rounds(self) -> int:
        """The random one, and those of the model."""
        return len(self.ends)

    def propose(self, tried: Sequence[Tried]) -> list[Recipe]:
        """The round that these trials have reached."""
        start = max((end for end in self.ends if end <= len(tried)), default=0)
        if start == self.trials:
            return []
        if start == 0:
            return _untried(self.space.sample(self.ends[0], self.seed), tried)
        end = next(end for end in self.ends if end > start)
        return _untried(self._modelled(tried[:start], end - start), tried)

    def _modelled(self, tried: Sequence[Tried], n: int) -> list[Recipe]:
        """n recipes that were not tried; at random where the model repeats itself."""
        # From the number of trials, not from a generator that goes on: a resumed search asks as it would have asked.
        known, seed = {trial.recipe for trial in tried}, _derived(self.seed, MODEL, len(tried))
        with _quiet():
            asked = itertools.islice(_asked(self.space, tried, seed % 2**32), ASKED * n)
            new = (recipe for recipe in _distinct(asked) if recipe not in known)
            found = list(itertools.islice(new, n))
        fill = self.space.sample(self.trials + n, _derived(self.seed, FILL, len(tried))) if len(found) < n else []
        return list(dict.fromkeys([*found, *(recipe for recipe in fill if recipe not in known)]))[:n]


PROPOSERS: dict[str, Callable[[Space, int, int], Proposer]] = {
    "random": partial(OneRound, Space.sample),
    "sobol": partial(OneRound, sobol),
    "grid": partial(OneRound, _first_of_grid),
    "coarse-to-fine": CoarseToFine,
    "model": ModelProposer,
}


def _untried(recipes: Sequence[Recipe], tried: Sequence[Tried]) -> list[Recipe]:
    known = {trial.recipe for trial in tried}
    return [recipe for recipe in recipes if recipe not in known]


def _distinct(recipes: Iterator[Recipe]) -> Iterator[Recipe]:
    seen: set[Recipe] = set()
    for recipe in recipes:
        if recipe not in seen:
            seen.add(recipe)
            yield recipe


def _derived(seed: int, *key: int) -> int:
    """A seed of its own for each purpose."""
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0])


def _ranked(tried: Sequence[Tried]) -> list[Tried]:
    """Best first: of equal scores the longer trained; failures last."""
    return sorted(tried, key=lambda trial: (-trial.score if math.isfinite(trial.score) else math.inf, -trial.epochs))


def _leaders(tried: Sequence[Tried]) -> list[Recipe]:
    scored = [trial.recipe for trial in _ranked(tried) if math.isfinite(trial.score)]
    return scored[: max(LEADERS, math.ceil(len(scored) / LEADING))]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        missing = "proposals by a model need the library optuna, which is not installed"
        raise BadInput(missing, do="pip install 'tenfold[model]', or random, sobol, grid or coarse-to-fine") from None
    return optuna


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Without the library's log lines and its warnings of experimental options."""
    optuna = _optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _asked(space: Space, tried: Sequence[Tried], seed: int) -> Iterator[Recipe]:
    """Recipes that the model asks for, one after the other."""
    optuna = _optuna()
    sampler = optuna.samplers.TPESampler(
        multivariate=True, group=True, constant_liar=True, n_startup_trials=0, seed=seed
    )
    study = optuna.create_study(direction="minimize", sampler=sampler)
    study.add_trials(_history(space, tried))
    while True:
        # Trials that were asked for and not told count as bad ones (constant_liar): the next keeps away from them.
        trial = study.ask()
        yield build_with(space, lambda place, trial=trial: _suggested(trial, place))


def _history(space: Space, tried: Sequence[Tried]) -> list[Any]:
    """What was tried, in that order, as trials of the library; recipes that the space cannot have are left out."""
    optuna = _optuna()
    # Ranks, not scores: the estimator asks for the order only, and a failure has no number.
    rank = {trial.recipe: i for i, trial in enumerate(_ranked(tried))}
    known = {place.path: place for place in decisions_of(space)}
    trials = []
    for trial in tried:
        assignment = locate(space, trial.recipe)
        if assignment is not None:
            parameters = {path: _parameter(known[path], value) for path, value in assignment.items()}
            kinds = {path: _distribution(known[path]) for path in assignment}
            trials.append(
                optuna.trial.create_trial(params=parameters, distributions=kinds, value=float(rank[trial.recipe]))
            )
    return trials


def _distribution(place: Decision) -> Any:
    """Options as categories; numbers as the share of their range, so that logarithms and whole numbers are alike."""
    optuna = _optuna()
    if isinstance(place.node, Choice):
        return optuna.distributions.CategoricalDistribution(range(len(place.node.options)))
    return optuna.distributions.FloatDistribution(0.0, 1.0)


def _parameter(place: Decision, value: float) -> float:
    return value if isinstance(place.node, Choice) else share_of(place.node, value)


def _suggested(trial: Any, place: Decision) -> int | float:
    if isinstance(place.node, Choice):
        return trial.suggest_categorical(place.path, range(len(place.node.options)))
    return number_at(place.node, trial.suggest_float(place.path, 0.0, 1.0))
