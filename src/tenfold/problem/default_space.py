"""The space that is searched when the user gives none: one that adapts to rows, columns, images and task."""

from __future__ import annotations

import math
from typing import Any, get_args

from tenfold.engine.plan.cost import epochs_within
from tenfold.engine.plan.size import Image, Size
from tenfold.errors import BadInput
from tenfold.problem.table_space import table_space
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space
from tenfold.rules.losses import Task

FOLDS = 5
IMAGE_UPDATES = 2_500  # that a network for images should have had at the end
SMALLEST = 8  # rows and columns of an image for which convolutions are tried
POOLED = 8  # rows and columns up to which pooling shrinks an image
MEDIUM = 16  # rows and columns from which an image bears a shift by a pixel
LARGE = 24  # rows and columns from which an image bears a shift by two pixels, and a photograph a mirror
IMAGE_BATCH: dict[float, int] = {20_000: 64, 100_000: 128, math.inf: 256}
IMAGE_FEWEST, IMAGE_MOST = 5, 40  # epochs
IMAGE_CORE_SECONDS = 75.0  # for one recipe on its folds: 8 recipes in five minutes on two cores


def default_space(size: Size, *, rows: int, task: str, core_seconds: float | None = None) -> Space:
    """The space for a table of `rows` development rows (`table_space`), or for images (`image_space`).

    task: "classification" or "regression". Images under 8 x 8 are a table. core_seconds: of compiled training that a
    recipe for a table may take, by default what suits the rows. Raises `BadInput` for another task.
    """
    if task not in get_args(Task):
        raise BadInput(f"the task {task!r}", expected=" or ".join(get_args(Task)))
    if is_table(size):
        return table_space(size, rows=rows, task=task, core_seconds=core_seconds)
    return image_space(size, rows=rows)


def is_table(size: Size) -> bool:
    """Whether data of this size are no images, or images that are too small for convolutions."""
    return size.image is None or min(size.image[:2]) < SMALLEST


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
    wanted = min(max(math.ceil(IMAGE_UPDATES / steps), IMAGE_FEWEST), IMAGE_MOST)
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
