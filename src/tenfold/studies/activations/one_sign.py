"""Whether all weight gradients of a unit have one sign: of one row yes, of a batch no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.activations import ReLU, Sigmoid, Tanh
from tenfold.rules.initialization import Fans, He
from tenfold.rules.losses import CrossEntropy
from tenfold.studies.parts.chain import drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.stacked import standardized_digits
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

KINDS = {"sigmoid": Sigmoid.formula, "ReLU": ReLU.formula, "tanh": Tanh.formula}
TRIES = 5


def _digits() -> tuple[Tensor, Tensor]:
    x, classes = standardized_digits()
    return torch.from_numpy(x), torch.from_numpy(classes.astype(np.int64))


def _share(activation: Any, rows: int, rng: np.random.Generator) -> float:
    """Of second-layer units whose weight gradients all have one sign, of those that have any."""
    x, y = _digits()
    tied = alive = 0
    for _ in range(TRIES):
        w = [drawn_weights(He(), Fans(*size), rng).requires_grad_() for size in ((64, 100), (100, 100), (100, 10))]
        batch = torch.from_numpy(rng.permutation(len(x))[:rows])
        output = activation(activation(x[batch] @ w[0]) @ w[1]) @ w[2]
        (gradient,) = torch.autograd.grad(CrossEntropy.formula(output, y[batch], 0.0).mean(), w[1])  # (inputs, units)
        some = gradient.abs().amax(0) > 0
        tied += int((((gradient >= 0).all(0) | (gradient <= 0).all(0)) & some).sum())
        alive += int(some.sum())
    return tied / alive


def _measure(seed: int) -> dict[str, float]:
    """Shares for batches of one row and of fifty."""
    rng = np.random.default_rng(seed)
    return {f"{name}, {rows}": _share(formula, rows, rng) for name, formula in KINDS.items() for rows in (1, 50)}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    pairs = ", ".join(f"{name} {means[f'{name}, 1']:.0%} and {means[f'{name}, 50']:.0%}" for name in KINDS)
    return (
        f"Units whose weight gradients all have one sign, for one row and for a batch of 50: {pairs}. What is told "
        "is true of "
        "a single row; a batch adds up rows of both signs, and what slows such networks is their conditioning."
    )


def _picture(found: Measured) -> StudyPicture:
    """All six shares."""
    return bars({f"{key.replace(', ', ', batch of ')}": values for key, values in found.items()}, "share of units")


STUDY = ClaimStudy(
    name="one-sign",
    claims=("C12", "E4", "E5"),
    told="without zero-centred activations all weight gradients of a unit have the same sign, so that the path zigzags",
    verdict=f"{CONDITION}a batch is a single row",
    formula="dL/dw_ij = sum over rows of a_i(row) * delta_j(row):   a_i >= 0 makes one row's signs equal, not a sum's",
    done="A 64-100-100-10 network with He's weights on standardized digits, five drawn batches of one row and of "
    "fifty; the share "
    "of second-layer units with a gradient whose weights' gradients have one sign.",
    follows="Centred activations help by the conditioning of the layer above. Batches, normalization and an "
    "optimizer with a "
    "rate a parameter take most of that away.",
    rules=("sigmoid", "relu", "tanh"),
    sources=("LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.3",),
    measure=by_seed(_measure),
    bounds=(
        Bound("sigmoid, 1", 1, 1), Bound("ReLU, 1", 1, 1), Bound("tanh, 1", 0, 0.01), Bound("sigmoid, 50", 0, 0.5),
        Bound("ReLU, 50", 0, 0.2),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
