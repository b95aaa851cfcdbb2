"""The winner trained again: on all development rows (refit), or on each fold's training part (fold ensemble); and the
blend of the fold models of several recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from tenfold.data.columns.schema import Schema
from tenfold.data.feed.batches import Dealing
from tenfold.data.read.images import ImageContract
from tenfold.engine.engines import Engine, best_engine, make_lanes
from tenfold.engine.packs.lane_states import LaneStates
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.rows import Feed
from tenfold.engine.packs.train import train
from tenfold.engine.plan.shape import Shape
from tenfold.errors import RunFailed
from tenfold.executors.choose import executor_in_this_process
from tenfold.executors.protocol import Emit, JobOrder
from tenfold.model.final import BlendPart, FoldWeights, refits_of_part
from tenfold.model.member import Member
from tenfold.model.model import Model
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe

Array = np.ndarray


def refit(
    problem: Problem,
    recipe: Recipe,
    epoch: int,
    *,
    seed: int,
    networks: int = 1,
    schema: Schema | None = None,
    classes: tuple[object, ...] | None = None,
    device: torch.device | None = None,
    engine: Engine | None = None,
    idle: Callable[[], None] = lambda: None,
) -> Model:
    """The recipe trained on every development row: a model of one network, or the mean of several, the first with this
    seed, the others with seeds that derive from it.

    The folds chose an epoch of their training parts; the refit makes the same number of UPDATES, epoch times the
    folds' updates an epoch, under the same learning-rate schedule, so it sees its larger set slightly fewer times.
    Raises `RunFailed` if the training diverges.
    """
    per_epoch = Dealing.of(problem.folds, recipe.batch_size).updates
    whole = problem.whole(seed, networks)
    feed = whole.feed([recipe], device or torch.device("cpu"), torch.float32)
    pack = train_lanes(whole, recipe, feed, epoch * per_epoch, schedule=per_epoch, engine=engine, idle=idle)
    found = _networks(pack, rows="all development rows")
    return _model(whole, found, pack.update, pack.per_epoch, schema, classes)


def fold_ensemble(
    problem: Problem,
    recipe: Recipe,
    epoch: int,
    *,
    schema: Schema | None = None,
    classes: tuple[object, ...] | None = None,
    weights: FoldWeights | None = None,
    device: torch.device | None = None,
    engine: Engine | None = None,
    idle: Callable[[], None] = lambda: None,
) -> Model:
    """The recipe trained to an epoch on every fold's training part: a model of the networks that were scored, in the
    order of the folds.

    weights: those that the search had there, if they are still known; without them the networks are trained again. They
    then have the same bits on the same device, because a lane's numbers do not depend on the lanes next to it. Raises
    `RunFailed` if a training diverges.
    """
    per_epoch = Dealing.of(problem.folds, recipe.batch_size).updates
    if weights is not None:
        networks = {fold: (recipe, arrays) for fold, arrays in enumerate(weights)}
        return _model(problem, networks, epoch * per_epoch, per_epoch, schema, classes)
    feed = problem.feed([recipe], device or torch.device("cpu"), torch.float32)
    pack = train_lanes(problem, recipe, feed, epoch * per_epoch, engine=engine, idle=idle)
    networks = _networks(pack, rows="the training part of a fold")
    return _model(problem, networks, pack.update, pack.per_epoch, schema, classes)


def fold_blend(
    problem: Problem,
    parts: Sequence[BlendPart],
    *,
    schema: Schema | None = None,
    classes: tuple[object, ...] | None = None,
    device: torch.device | None = None,
    engine: Engine | None = None,
    idle: Callable[[], None] = lambda: None,
) -> Model:
    """The fold ensembles of several recipes (see `fold_ensemble`) as one model, weighted by their shares."""
    how: Any = {"schema": schema, "classes": classes, "device": device, "engine": engine, "idle": idle}
    models = [fold_ensemble(problem, part.recipe, part.epoch, weights=part.weights, **how) for part in parts]
    return _weighted(models, parts)


def refit_blend(
    problem: Problem,
    parts: Sequence[BlendPart],
    *,
    seed: int,
    schema: Schema | None = None,
    classes: tuple[object, ...] | None = None,
    device: torch.device | None = None,
    engine: Engine | None = None,
    idle: Callable[[], None] = lambda: None,
) -> Model:
    """Several recipes, each trained on every development row with several seeds (see `refit`), as one model, weighted
    by their shares."""
    how: Any = {"schema": schema, "classes": classes, "device": device, "engine": engine, "idle": idle}
    how |= {"seed": seed, "networks": refits_of_part(len(parts))}
    return _weighted([refit(problem, part.recipe, part.epoch, **how) for part in parts], parts)


def _weighted(models: Sequence[Model], parts: Sequence[BlendPart]) -> Model:
    """One model of the members of several, each with the share of its part."""
    pairs = zip(parts, models, strict=True)
    members = [replace(member, share=part.share) for part, model in pairs for member in model.members]
    return replace(models[0], members=tuple(members))


def train_lanes(
    problem: Problem,
    recipe: Recipe,
    feed: Feed,
    last: int,
    *,
    on: Sequence[int] | None = None,
    schedule: int | None = None,
    engine: Engine | None = None,
    idle: Callable[[], None] = lambda: None,
) -> LaneStates:
    """A pack of one lane for each of these folds (places in the problem's list, default all) after `last` updates.

    schedule: the updates that the learning-rate schedule calls an epoch, default those of the folds. engine: default
    the best there is. idle: called about
    ten times a second; what it raises stops the training. Batches are dealt for all folds of the problem, so a lane's
    numbers do not depend on which others are trained with it.
    """
    shape = Shape.of(recipe, problem.size, problem.folds)
    places = range(len(problem.folds)) if on is None else on
    packs: list[LaneStates] = []

    def job(emit: Emit, order: Callable[[], JobOrder]) -> None:
        lanes = [Lane(recipe, 0, fold) for fold in places]
        pack = make_lanes(
            lanes, shape, feed, engine=engine or best_engine(), schedule_updates=schedule, scored=False, ahead=True
        )
        if train(pack, last=last, tick=order):
            emit(pack)

    # A worker of the kind that a search has: on one thread sums are added in the same order, so the bits are the same.
    executor_in_this_process(1).run([job], receive=packs.append, idle=idle)
    return packs[0]


def _networks(pack: LaneStates, *, rows: str) -> dict[int, tuple[Recipe, dict[str, Array]]]:
    """The recipe and the weights of each lane, by the place of its fold. rows: in words, what they were trained on."""
    found: dict[int, tuple[Recipe, dict[str, Array]]] = {}
    for i, lane in enumerate(pack.lanes):
        if int(pack.bad[i]) >= 0 or not bool(pack.w[i].isfinite().all()):
            raise RunFailed(
                f"the winner diverged at update {int(pack.bad[i])} when trained on {rows}; "
                "lower its learning rate or add clip_norm: 1.0"
            )
        found[lane.fold] = lane.recipe, pack.parameters(i)
    return found


def _model(
    problem: Problem,
    networks: Mapping[int, tuple[Recipe, dict[str, Array]]],
    updates: int,
    per_epoch: int,
    schema: Schema | None,
    classes: tuple[object, ...] | None,
) -> Model:
    """Networks after so many updates as members, in the order of their folds."""
    views = {recipe: problem.view(recipe) for recipe, _ in networks.values()}
    members = tuple(
        Member(
            recipe=recipe,
            encoding=views[recipe].encodings[fold],
            integers=views[recipe].integers,
            means=views[recipe].means_of(fold),
            affine=recipe.preprocess.fit(views[recipe].moments_for([recipe])[fold]),
            target_scale=problem.scale(fold),
            target_bounds=problem.bounds(fold, clip=recipe.clip_predictions),
            tensors=problem.size.tensors,
            weights=weights,
            epochs=updates / per_epoch,
            updates=updates,
        )
        for fold, (recipe, weights) in sorted(networks.items())
    )
    return Model(
        members=members,
        classes=tuple(problem.classes if classes is None else classes),
        schema=schema,
        contract=ImageContract.of(problem.inputs),
        tensors=problem.size.tensors,
        given_outputs=problem.outputs if problem.y.ndim > 1 else 1,
    )
