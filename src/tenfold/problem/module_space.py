"""The space that is searched for a network of the user's own when the user gives none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tenfold.engine.plan.cost import epochs_within
from tenfold.engine.plan.size import Size
from tenfold.recipe.module import Module
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space

FOLDS = 5
UPDATES = 2_500  # that a network should have had at the end
FEWEST, MOST = 5, 60  # epochs
BATCH: dict[float, int] = {2_000: 32, 20_000: 64, 100_000: 128, math.inf: 256}  # up to so many rows
CORE_SECONDS = 75.0  # for one recipe on its folds, as for images


def module_space(make_model: Callable[..., Any], size: Size, *, rows: int) -> Space:
    """AdamW with rates from 3e-4 to 3e-2, weight decay, and a constant rate or a cosine, around the module as its
    function makes it by default; the fields of the function stay as they are, because nobody knows what they may be.

    Epochs: as many as 2,500 updates take, 5 to 60, and at least 5 or as many as 75 seconds of one core a recipe pay
    for. Images are scaled by channel.
    """
    batch = next(entry for most, entry in BATCH.items() if rows <= most)
    network = Module(make_model)
    steps = max(1, math.ceil(rows * (FOLDS - 1) / FOLDS / batch))
    usual = [Recipe(network=network, batch_size=batch)]
    fitting = epochs_within(usual, size, rows=rows, folds=FOLDS, core_seconds=CORE_SECONDS)
    wanted = min(max(math.ceil(UPDATES / steps), FEWEST), MOST)
    images: dict[str, Any] = {"preprocess": "standardize_channel"} if size.image is not None else {}
    return Space.from_dict({
        **images,
        "network": network,
        "optimizer": {"adamw": {"lr": {"log_uniform": [3e-4, 3e-2]}}},
        "decay": ["none", {"cosine": {"warmup": 0.05}}],
        "weight_decay": {"log_uniform": [1e-5, 0.1]},
        "batch_size": batch,
        "epochs": max(min(wanted, fitting), FEWEST),
    })  # fmt: skip
