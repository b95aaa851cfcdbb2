"""Tanh is centred, and saturates as the sigmoid does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import ELU, ReLU, Sigmoid, Tanh
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

KINDS = {
    "sigmoid": Sigmoid.formula, "tanh": Tanh.formula, "ReLU": ReLU.formula, "ELU": lambda x: ELU.formula(x, 1.0)
}  # fmt: skip
ROWS = 200_000


def _slope(formula: Any, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(formula(x).sum(), x)[0]


def _measure(seed: int) -> dict[str, Any]:
    """Means under a normal input, and slopes at 5 and 10."""
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal(ROWS))
    ends = torch.tensor([5.0, 10.0], dtype=torch.float64)
    found: dict[str, Any] = {f"mean of {name}": float(formula(x).mean()) for name, formula in KINDS.items()}
    for name in ("sigmoid", "tanh"):
        found[f"slope of {name} at 10"] = float(_slope(KINDS[name], ends)[1])
    found["largest slope of sigmoid"] = float(_slope(KINDS["sigmoid"], torch.zeros(1).double()))
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Under normal inputs tanh has mean {means['mean of tanh']:.3f}, the sigmoid "
        f"{means['mean of sigmoid']:.2f}, ReLU "
        f"{means['mean of ReLU']:.2f} and ELU {means['mean of ELU']:.2f}; at 10 the slopes of sigmoid and tanh are "
        f"{means['slope of sigmoid at 10']:.0e} and {means['slope of tanh at 10']:.0e}. Even unsaturated, a sigmoid "
        f"passes on at most {means['largest slope of sigmoid']:.2f} of a gradient."
    )


def _picture(found: Measured) -> StudyPicture:
    """The four slopes."""
    x = torch.linspace(-6, 6, 121, dtype=torch.float64)
    return curve_picture(
        x.numpy(), {name: _slope(formula, x).numpy() for name, formula in KINDS.items()}, "x", "slope f'(x)"
    )


STUDY = ClaimStudy(
    name="centred-yet-saturated",
    claims=("C11", "C15", "C19"),
    told="the sigmoid saturates and is not centred; tanh is centred and still saturates; ELU's mean is near 0",
    verdict=HOLDS,
    formula="sigmoid'(x) = s(x) (1 - s(x)) <= 1/4;   tanh'(x) = 1 - tanh(x)^2 <= 1",
    done="Means of four activations under 200,000 standard normal inputs, slopes by automatic differentiation in "
    "float64.",
    follows="In a deep network without normalization, sigmoids lose three quarters of the gradient in every layer "
    "or more. Choose another "
    "activation, or batch normalization in front of it.",
    rules=("sigmoid", "tanh", "elu"),
    recipe="network: {hidden: [64, 64, 64, 64, 64, 64, 64, 64], activation: sigmoid}\n",
    sources=("LeCun, Bottou, Orr & Müller 1998, Efficient BackProp",
             "Clevert, Unterthiner & Hochreiter 2016, Fast and accurate deep network learning by exponential "
             "linear units"),
    measure=by_seed(_measure),
    bounds=(
        Bound("mean of tanh", -0.01, 0.01), Bound("mean of sigmoid", 0.49, 0.51), Bound("mean of ELU", 0.1, 0.2),
        Bound("mean of ReLU", 0.39, 0.41), Bound("slope of sigmoid at 10", 0, 5e-5), Bound("slope of tanh at "
        "10", 0, 1e-7),
        Bound("largest slope of sigmoid", 0.25 - 1e-12, 0.25 + 1e-12),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
