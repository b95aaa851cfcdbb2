"""What a hundred layers do to directions: orthogonal and normal weights, without and with ReLU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.activations import ReLU
from tenfold.rules.initialization import Fans, LeCun, Orthogonal
from tenfold.studies.parts.chain import drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

WIDTH, DEPTH = 100, 100
RULES: dict[str, tuple[Any, bool]] = {
    "orthogonal": (Orthogonal(gain=1.0), False), "normal, 1/n": (LeCun(), False),
    "orthogonal and ReLU": (Orthogonal(gain=ReLU.gain), True),
}  # fmt: skip


def _stretches(rule: Any, relu: bool, rng: np.random.Generator) -> Tensor:
    """The singular values, from the largest, of the outputs' derivative in the inputs behind all layers."""
    h = torch.from_numpy(rng.standard_normal((1, WIDTH)))
    product = torch.eye(WIDTH, dtype=torch.float64)
    for _ in range(DEPTH):
        w = drawn_weights(rule, Fans(WIDTH, WIDTH), rng)
        h, product = h @ w, product @ w
        if relu:
            product, h = product * (h > 0), ReLU.formula(h)
    return torch.linalg.svdvals(product)


def _measure(seed: int) -> dict[str, Any]:
    """Largest, median and smallest stretch of a direction."""
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for name, (rule, relu) in RULES.items():
        values = _stretches(rule, relu, rng).numpy()
        found[f"stretches, {name}"] = np.maximum(values, 1e-18)
        found[f"log10 of the median, {name}"] = np.log10(max(np.median(values), 1e-18))
    found["condition - 1, orthogonal"] = found["stretches, orthogonal"][0] / found["stretches, orthogonal"][-1] - 1
    found["directions that are left, orthogonal and ReLU"] = (found["stretches, orthogonal and ReLU"] > 1e-3).mean()
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"A hundred orthogonal layers of {WIDTH} units stretch all directions alike (the largest over the smallest "
        f"is 1 + {means['condition - 1, orthogonal']:.0e}); a hundred normal ones shrink the median direction to "
        f"1e{means['log10 of the median, normal, 1/n']:.0f}. With ReLUs between orthogonal layers only "
        f"{means['directions that are left, orthogonal and ReLU']:.0%} of the directions are left above a "
        "thousandth: the promise is one for linear layers."
    )


def _picture(found: Measured) -> StudyPicture:
    """Singular values in order."""
    curves = {name: found[f"stretches, {name}"].mean(0) for name in RULES}
    return curve_picture(
        np.arange(1, WIDTH + 1), curves, "direction, from the most stretched", "stretch behind 100 layers", log="y"
    )


STUDY = ClaimStudy(
    name="orthogonal-products",
    claims=("S4",),
    told="orthogonal weights let all directions pass through a deep network alike",
    verdict=f"{CONDITION}the layers are linear, or nearly so",
    formula="W^T W = I for every layer:   (W1 W2 ... WL)^T (W1 W2 ... WL) = I;   with ReLU:   J = W1 D1 W2 D2 ..., D "
    "of zeros and ones",
    done="Products of 100 layers of 100 units in float64: orthogonal, normal with variance 1/n, and the derivative "
    "at a normal row where ReLUs stand between orthogonal layers of gain sqrt(2).",
    follows="`init: orthogonal` is for deep tanh networks without normalization, where units stay near their linear "
    "part; with ReLU take `he`, and shortcuts for depth.",
    rules=("orthogonal", "lecun"),
    recipe="network: {hidden: [100, 100, 100, 100, 100, 100, 100, 100, 100, 100], activation: tanh}\ninit: "
    "orthogonal\n",
    sources=("Saxe, McClelland & Ganguli 2014, Exact solutions to the nonlinear dynamics of learning in deep linear "
             "networks",
             "Pennington, Schoenholz & Ganguli 2017, Resurrecting the sigmoid"),
    measure=by_seed(_measure),
    bounds=(
        Bound("condition - 1, orthogonal", 0, 1e-9), Bound("log10 of the median, normal, 1/n", high=-8),
        Bound("directions that are left, orthogonal and ReLU", 0, 0.3),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
