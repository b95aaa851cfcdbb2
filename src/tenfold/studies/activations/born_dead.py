"""Deep and narrow ReLU networks are often dead before they train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import ReLU
from tenfold.rules.initialization import Fans, He
from tenfold.studies.parts.chain import drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

DEPTHS, WIDTHS, NETWORKS = (2, 5, 10, 20), (2, 4, 16), 100


def _dead(depth: int, width: int, rng: np.random.Generator) -> float:
    """The share of networks one of whose layers is off on all 200 rows."""
    count = 0
    for _ in range(NETWORKS):
        h = torch.from_numpy(rng.uniform(-1, 1, (200, 1)))
        for layer in range(depth):
            h = ReLU.formula(h @ drawn_weights(He(), Fans(width if layer else 1, width), rng))
        count += not bool((h > 0).any())
    return count / NETWORKS


def _measure(seed: int) -> dict[str, Any]:
    """Shares by depth and width."""
    rng = np.random.default_rng(seed)
    curves = {width: [_dead(depth, width, rng) for depth in DEPTHS] for width in WIDTHS}
    found: dict[str, Any] = {f"width {width}": curve for width, curve in curves.items()}
    return found | {
        f"width {w}, depth {d}": curves[w][DEPTHS.index(d)] for w, d in ((2, 10), (4, 10), (4, 20), (16, 20))
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Of networks with ten ReLU layers of width 2, {means['width 2, depth 10']:.0%} have a layer that is off "
        "on all rows at the "
        f"start; of width 4, {means['width 4, depth 10']:.0%}, and {means['width 4, depth 20']:.0%} with twenty "
        "layers. At width "
        f"16 it is {means['width 16, depth 20']:.0%} even with twenty."
    )


def _picture(found: Measured) -> StudyPicture:
    """By depth."""
    curves = {f"width {width}": found[f"width {width}"] for width in WIDTHS}
    return curve_picture(np.array(DEPTHS), curves, "layers", "share of networks that are dead at the start")


STUDY = ClaimStudy(
    name="born-dead",
    claims=("C20c",),
    told="deep ReLU networks may be dead from the start",
    verdict=f"{CONDITION}they are narrow",
    formula="a layer of n units is off with probability about 2^-n a row and layer; one dead layer makes the "
    "network constant",
    done="Hundred networks of a depth and a width with He's weights and no biases, 200 rows of one column in [-1, "
    "1]; dead: some layer is 0 on "
    "all rows.",
    follows="Do not make hidden layers narrower than about eight units, or use an activation with a slope below 0.",
    rules=("relu", "he"),
    recipe="network: {hidden: [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]}\n",
    sources=("Lu, Shin, Su & Karniadakis 2020, Dying ReLU and initialization",),
    measure=by_seed(_measure),
    bounds=(
        Bound("width 2, depth 10", 0.8), Bound("width 4, depth 10", 0.1, 0.35), Bound("width 4, depth 20", 0.4, 0.8),
        Bound("width 16, depth 20", 0, 0.02),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
