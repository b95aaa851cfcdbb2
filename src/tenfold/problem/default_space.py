"""The space that is searched when the user gives none: one that adapts to rows, columns, images and task."""

from __future__ import annotations

import itertools
import math
from typing import Any, get_args

from tenfold.engine.plan.cost import epochs_within
from tenfold.engine.plan.size import Image, Size
from tenfold.errors import BadInput
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space
from tenfold.rules.losses import Task

UPDATES = 2_500  # that a network of the default space should have had at the end
FEWEST, MOST = 8, 120  # epochs
FOLDS = 5
CORE_SECONDS = 16.0  # of training for one recipe on its folds: 12 recipes in 96 s on two cores
SMALL = 5_000  # rows up to which regularization matters more
# Up to so many rows: widths of two networks; with and without batch normalization they make four shapes.
HIDDEN: dict[float, tuple[list[int], list[int]]] = {
    1_000: ([32], [64, 64]),
    SMALL: ([64, 64], [128, 128]),
    15_000: ([128, 128], [128, 128, 128]),
    60_000: ([256, 256], [128, 128, 128]),
    math.inf: ([256, 256], [512, 256]),
}
NORMALIZATION = ("none", "batch")
BATCH: dict[float, int] = {2_000: 32, 5_000: 64, 40_000: 128, 150_000: 256, math.inf: 512}  # up to so many rows

SMALLEST = 8  # rows and columns of an image for which convolutions are tried
POOLED = 8  # rows and columns up to which pooling shrinks an image
MEDIUM = 16  # rows and columns from which an image bears a shift by a pixel
LARGE = 24  # rows and columns from which an image bears a shift by two pixels, and a photograph a mirror
IMAGE_BATCH: dict[float, int] = {20_000: 64, 100_000: 128, math.inf: 256}
IMAGE_FEWEST, IMAGE_MOST = 5, 40  # epochs
IMAGE_CORE_SECONDS = 75.0  # for one recipe on its folds: 8 recipes in five minutes on two cores


def default_space(size: Size, *, rows: int, task: str) -> Space:
    """The space for a table of `rows` development rows, or for images (`image_space`).

    task: "classification" or "regression". Images under 8 x 8 are a table. Widths and depths grow with the rows,
    dropout and weight decay matter more for few rows, the batch grows from 32 to 512. Only four shapes, so that
    packs stay wide; activation, initialization, optimizer, rates and regularization vary freely. Half of the
    recipes use AdamW; three quarters a cosine. Epochs: `epochs_for`. Raises `BadInput` for another task.
    """
    if task not in get_args(Task):
        raise BadInput(f"the task {task!r}", expected=" or ".join(get_args(Task)))
    if size.image is not None and min(size.image[:2]) >= SMALLEST:
        return image_space(size, rows=rows)
    small = rows <= SMALL
    return Space.from_dict(
        {
            "preprocess": "standardize",
            "network": {
                "hidden": list(_upto(HIDDEN, rows)),
                "activation": ["relu", "leaky_relu", "elu", "tanh"],
                "normalization": list(NORMALIZATION),
                "dropout": [0.0, {"uniform": [0.05, 0.5] if small else [0.02, 0.3]}],
            },
            "init": ["he", "lecun"],
            "optimizer": _optimizers(),
            "decay": _decays(),
            "weight_decay": {"log_uniform": [1e-5, 3e-2] if small else [1e-6, 1e-2]},
            "clip_norm": [None, 1.0] if task == "classification" else [None, 1.0, 5.0],
            "batch_size": _upto(BATCH, rows),
            "epochs": epochs_for(size, rows=rows),
        }
    )


def epochs_for(size: Size, *, rows: int) -> int:
    """Epochs of the default space: as many as 2,500 updates take, but 8 to 120, and at least 8 or as many as 16
    seconds of one core a recipe pay for.

    By `recipe_seconds`, for 5 folds and the mean of the shapes: 12 recipes for 20,000 rows and 20 columns stay under
    100 s of training on two cores. Tables of over about 50,000 rows take longer: with fewer epochs nothing is learned.
    """
    batch = _upto(BATCH, rows)
    steps = max(1, math.ceil(rows * (FOLDS - 1) / FOLDS / batch))
    wanted = min(max(math.ceil(UPDATES / steps), FEWEST), MOST)
    shapes = [
        Recipe(network={"hidden": hidden, "normalization": normalization}, batch_size=batch)
        for hidden, normalization in itertools.product(_upto(HIDDEN, rows), NORMALIZATION)
    ]
    fitting = epochs_within(shapes, size, rows=rows, folds=FOLDS, core_seconds=CORE_SECONDS)
    return max(min(wanted, fitting), FEWEST)


def image_space(size: Size, *, rows: int) -> Space:
    """The space for images: two convolutional networks and an MLP, with and without augmentation.

    Convolution, batch norm, ReLU and pooling are repeated until the image is at most 8 x 8. Half of the recipes
    shift the training images (from 16 x 16 on), and mirror photographs. Epochs: as many as 2,500 updates take, but 5 to
    40, and at least 5 or as many as 75 seconds of one core a recipe pay for.
    """
    image, dropout = size.image, {"uniform": [0.05, 0.5]}
    assert image is not None
    networks, batch = _image_networks(image, dropout), _upto(IMAGE_BATCH, rows)
    shapes = [Recipe(network=network, batch_size=batch) for network in _image_networks(image, 0.25)]
    fitting = epochs_within(shapes, size, rows=rows, folds=FOLDS, core_seconds=IMAGE_CORE_SECONDS)
    steps = max(1, math.ceil(rows * (FOLDS - 1) / FOLDS / batch))
    wanted = min(max(math.ceil(UPDATES / steps), IMAGE_FEWEST), IMAGE_MOST)
    short, photograph = min(image[:2]), image[2] == 3
    moved = {"flip": photograph and short >= LARGE, "shift": [1, 2] if short >= LARGE else 1}
    return Space.from_dict(
        {
            "preprocess": ["standardize_channel", "center_image"],
            "augment": [{"shift": 0}, moved] if short >= MEDIUM else {"shift": 0},
            "network": networks,
            "optimizer": [
                {"adamw": {"lr": {"log_uniform": [5e-4, 5e-3]}}},
                {"nesterov": {"lr": {"log_uniform": [1e-2, 0.1]}, "momentum": 0.9}},
            ],
            "decay": {"cosine": {"warmup": {"uniform": [0.02, 0.2]}}},
            "weight_decay": {"log_uniform": [1e-5, 1e-2]},
            "batch_size": batch,
            "epochs": max(min(wanted, fitting), IMAGE_FEWEST),
        }
    )


def _image_networks(image: Image, dropout: Any) -> list[dict[str, Any]]:
    """A small convolutional network, an MLP, and a larger convolutional one, which pool while the longer side is
    over 8 and the shorter one bears it."""
    pools = max(2, math.ceil(math.log2(max(image[:2]) / POOLED)))
    pools = min(pools, int(math.log2(min(image[:2]))))
    small, larger = _convolutions(pools, 16), _convolutions(pools, 24)
    return [
        {"layers": [*small, "flatten", {"dense": 64}, "relu", {"dropout": dropout}]},
        {"hidden": [256], "normalization": "batch", "dropout": dropout},
        {"layers": [*larger, "flatten", {"dense": 128}, "relu", {"dropout": dropout}]},
    ]


def _convolutions(pools: int, channels: int) -> list[Any]:
    """Channels double twice at most."""
    blocks = [({"conv": channels << min(i, 2)}, "batch_norm", "relu", {"max_pool": 2}) for i in range(pools)]
    return [layer for block in blocks for layer in block]


def _upto(table: dict[Any, Any], rows: int) -> Any:
    return next(entry for most, entry in table.items() if rows <= most)


def _optimizers() -> list[Any]:
    """AdamW in half of the recipes, the others share the other half; ranges are centred on what trains an MLP."""
    return [
        {"adamw": {"lr": {"log_uniform": [3e-4, 1e-2]}, "beta2": [0.99, 0.999]}},
        [
            {"adam": {"lr": {"log_uniform": [3e-4, 1e-2]}}},
            {"nesterov": {"lr": {"log_uniform": [3e-3, 0.1]}, "momentum": [0.9, 0.95]}},
            {"rmsprop": {"lr": {"log_uniform": [1e-4, 3e-3]}}},
        ],
    ]


def _decays() -> list[Any]:
    """A cosine to zero in half of the recipes, one that stops at a tenth or less in a quarter, others in a quarter."""
    return [
        {"cosine": {"warmup": {"uniform": [0.02, 0.2]}}},
        [{"cosine": {"warmup": 0.05, "end": {"log_uniform": [0.01, 0.1]}}}, ["none", {"exponential": {"k": 0.03}}]],
    ]
