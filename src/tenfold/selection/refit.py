"""The winner trained on all development rows, for the updates that the folds chose."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tenfold.data.batches import Dealing
from tenfold.data.images import ImageContract
from tenfold.data.schema import Schema
from tenfold.engine.lanes import Lane
from tenfold.engine.pack import Order, Pack
from tenfold.engine.shape import Shape
from tenfold.errors import RunFailed, Stopped
from tenfold.recipe.recipe import Recipe
from tenfold.selection.model import Model
from tenfold.selection.problem import Problem


def refit(
    problem: Problem,
    recipe: Recipe,
    epoch: int,
    *,
    seed: int,
    schema: Schema | None = None,
    classes: tuple[object, ...] | None = None,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    tick: Callable[[], Order] = lambda: "go on",
) -> Model:
    """Train the recipe on every development row and return the model.

    The folds chose an epoch of their training parts; the refit makes the same number of UPDATES, epoch times the
    folds' updates an epoch, under the same learning-rate schedule, so it sees its larger set slightly fewer times.
    Raises `RunFailed` if the training diverges.
    """
    per_epoch = Dealing.of(problem.folds, recipe.batch_size).updates
    whole = problem.whole(seed)
    dealing = Dealing.of(whole.folds, recipe.batch_size)
    device = device or torch.device("cpu")
    feed = whole.feed([recipe], device, dtype)
    shape = Shape.of(recipe, inputs=whole.width, outputs=whole.outputs, dealing=dealing, image=whole.inputs.image)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        pack = Pack([Lane(recipe, 0, 0)], shape, feed, schedule_updates=per_epoch)
        last = epoch * per_epoch
        while pack.update < last:
            if not pack.run_epoch(tick, last):
                raise Stopped("stopped during the refit")
    finally:
        torch.set_num_threads(threads)
    if int(pack.bad[0]) >= 0 or not bool(pack.w.isfinite().all()):
        raise RunFailed(
            f"the winner diverged at update {int(pack.bad[0])} when trained on all development rows; "
            "lower its learning rate or add clip_norm: 1.0"
        )
    mean, std = whole.scale(0)
    return Model(
        recipe=recipe,
        classes=tuple(problem.classes if classes is None else classes),
        schema=schema,
        encoding=whole.encodings[0],
        affine=recipe.preprocess.fit(whole.moments_for([recipe])[0]),
        target_scale=(mean, std),
        weights=pack.parameters(0),
        contract=ImageContract.of(whole.inputs),
        epochs=last / dealing.updates,
        updates=last,
    )
