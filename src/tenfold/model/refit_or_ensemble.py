"""Refit or fold ensemble: which predicts better, measured on out-of-fold data alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from tenfold.data.feed.batches import Dealing
from tenfold.data.feed.randomness import derive_int
from tenfold.data.split.folds import Fold
from tenfold.engine.engines import Engine
from tenfold.engine.packs.lane_states import LaneStates
from tenfold.engine.plan.cost import lane_step_seconds
from tenfold.engine.plan.packing import PACK_SECONDS
from tenfold.errors import BadInput
from tenfold.model.refit import train_lanes
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.statistics.corrected_t_test import corrected_t_test

Array = np.ndarray
ModelKind = Literal["refit", "ensemble"]
Divide = Callable[[Array], Sequence[tuple[Array, Array]]]  # rows -> (train, validation) pairs of indices of all rows
LEVEL = 0.05


@dataclass(frozen=True)
class RefitVersusEnsemble:
    """Scores of both kinds of model on every outer fold, in the metric's own sign (NaN where a network diverged), and
    the p-value of their difference (`corrected_t_test`)."""

    refit: tuple[float, ...]
    ensemble: tuple[float, ...]
    p_value: float
    choice: ModelKind

    def __post_init__(self) -> None:
        if len(self.refit) != len(self.ensemble) or not self.refit:
            counts = f"{len(self.refit)} scores of the refit and {len(self.ensemble)} of the ensemble"
            raise BadInput(counts, expected="one of each for every fold")

    @property
    def gain(self) -> float:
        """Mean score of the ensemble minus that of the refit, in the metric's own sign."""
        return float(np.mean(self.ensemble) - np.mean(self.refit))


def compare_refit_and_ensemble(
    problem: Problem,
    recipe: Recipe,
    epoch: int,
    *,
    seed: int,
    trained_scores: Sequence[float] | Array,
    divide: Divide | None = None,
    device: torch.device | None = None,
    engine: Engine | None = None,
    idle: Callable[[], None] = lambda: None,
) -> RefitVersusEnsemble:
    """Whether a refit or an ensemble of the winner predicts better, from out-of-fold data alone.

    The training part T_o of each outer fold o stands for all development rows, its validation part V_o for new ones.
    refit_o = s(f(T_o); V_o), the score that the search measured (trained_scores). For the ensemble T_o is divided
    into inner folds T_o1 .. T_ok (divide; default: the outer folds' kind, as many), each inner training part gives a
    network, and ensemble_o = s(mean_i f(T_o without T_oi); V_o): the mean of probabilities, or of numbers in the
    target's unit (Breiman 1996; Krogh & Vedelsby 1995). Every network is trained for the epoch that was chosen for
    f(T_o), which favours the refit a little.

    choice: "ensemble" only where its mean is better with p < 0.05 by the corrected resampled t-test (Nadeau & Bengio
    2003) on the pairs of fold scores; else "refit", which predicts k times faster and is one network to look into.
    """
    parts = inner_folds(problem, seed, divide)
    inner = replace(problem, folds=tuple(fold for part in parts for fold in part))
    feed = inner.feed([recipe], device or torch.device("cpu"), torch.float32)
    last = epoch * Dealing.of(inner.folds, recipe.batch_size).updates
    outputs: dict[int, Array] = {}  # by place in inner.folds: readable outputs (validation rows, classes or 1)
    for places in _groups(inner, recipe, [len(part) for part in parts]):
        pack = train_lanes(inner, recipe, feed, last, on=places, engine=engine, idle=idle)
        outputs |= _readable(inner, recipe, pack)
    scores, first = [], 0
    for outer, part in zip(problem.folds, parts, strict=True):
        mean = np.mean([outputs[place] for place in range(first, first + len(part))], axis=0)
        scores.append(_score(problem, outer, mean))
        first += len(part)
    return decide_model_kind(problem, trained_scores, scores)


def inner_folds(problem: Problem, seed: int, divide: Divide | None = None) -> list[tuple[Fold, ...]]:
    """For each outer fold the divisions of its training part; each is scored on the OUTER validation part, which no
    inner network sees. divide: from rows to (train, validation) pairs among them."""
    # Randomness derives from a fold's number; those of the problem's folds and of the refit are taken.
    inner, number = [], len(problem.folds) + 1
    for place, outer in enumerate(problem.folds):
        if divide is None:
            pairs = _division(problem, outer.train, derive_int(seed, "folds", place, 1))
        else:
            pairs = list(divide(outer.train))
        trains = [np.sort(np.asarray(train, np.int64)) for train, _ in pairs]
        if not trains or not all(len(train) and np.isin(train, outer.train).all() for train in trains):
            raise BadInput(f"an inner division of fold {place} leaves its training part", expected="rows of that part")
        inner.append(tuple(Fold(train, outer.validation, number + i, outer.seed) for i, train in enumerate(trains)))
        number += len(trains)
    return inner


def decide_model_kind(
    problem: Problem, refit: Sequence[float] | Array, ensemble: Sequence[float] | Array
) -> RefitVersusEnsemble:
    """The choice between paired fold scores (see `compare_refit_and_ensemble`); p is NaN where one is not finite."""
    alone, mean = np.asarray(refit, np.float64), np.asarray(ensemble, np.float64)
    p = float("nan")
    if alone.shape == mean.shape and np.isfinite([alone, mean]).all():
        p = corrected_t_test(mean, alone, problem.ratio)
    better = problem.metric.sign * (mean.mean() - alone.mean()) > 0 and p < LEVEL
    return RefitVersusEnsemble(tuple(alone.tolist()), tuple(mean.tolist()), p, "ensemble" if better else "refit")


def _division(problem: Problem, rows: Array, seed: int) -> list[tuple[Array, Array]]:
    """As many folds as the outer repeat has, where the rows allow; not stratified where a class cannot be divided."""
    try:
        return problem.divide(rows, problem.divisions, seed)
    except BadInput:
        return problem.divide(rows, problem.divisions, seed, stratified=False)


def _groups(inner: Problem, recipe: Recipe, sizes: Sequence[int]) -> list[list[int]]:
    """Which inner networks share a pack: those of as many outer folds (at least one) as make a stacked update long
    enough to hide the cost of starting it, as in the planner. sizes: inner folds of each outer fold."""
    rows = Dealing.of(inner.folds, recipe.batch_size).rows
    cost = lane_step_seconds(recipe, inner.size, batch=rows)
    wide = max(1, int(PACK_SECONDS / (cost * max(sizes))))
    ends = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return [list(range(ends[first], ends[min(first + wide, len(sizes))])) for first in range(0, len(sizes), wide)]


def _readable(inner: Problem, recipe: Recipe, pack: LaneStates) -> dict[int, Array]:
    """Readable outputs of each lane on its outer validation part; NaN for one that diverged."""
    link = loss_of(recipe, bool(inner.classes)).link
    bad = pack.bad.cpu().numpy()
    outputs: dict[int, Array] = {}
    for i, (lane, raw) in enumerate(zip(pack.lanes, pack.evaluate(), strict=True)):
        diverged = bad[i] >= 0 or not np.isfinite(raw).all()
        outputs[lane.fold] = np.full(raw.shape, np.nan)
        if not diverged:
            outputs[lane.fold] = inner.readable(raw, lane.fold, link, clip=recipe.clip_predictions)
    return outputs


def _score(problem: Problem, fold: Fold, mean: Array) -> float:
    if not np.isfinite(mean).all():
        return math.nan
    return float(problem.metric.score(problem.y[fold.validation], mean[None])[0])
