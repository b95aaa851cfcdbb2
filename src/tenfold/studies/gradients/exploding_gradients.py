"""Weights that are too large: the gradient explodes and training fails; clipping its norm rescues some of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.rules.activations import ReLU
from tenfold.rules.initialization import LeCun
from tenfold.studies.parts.chain import square_chain
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import CHANCE, compete, drawn_digits, recipe
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

SIZES = (1.0, 1.5, 2.0, 2.5, 3.0)  # of the weights, in units of He's
LARGE, DEPTH = 2.5, 5
CLIPS: dict[str, float | None] = {"as it is": None, "norm clipped at 1": 1.0}


def _gain(size: float) -> float:
    return 2**0.5 * size


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy of five layers of 100 ReLUs by size of the weights, and the gradient of the first layer at the start."""
    arms = {
        f"{name} {size}": [
            recipe((100,) * DEPTH, init={"lecun": {"gain": _gain(size)}}, optimizer={"sgd": {"lr": 0.05}},
                   clip_norm=clip)
        ]
        for name, clip in CLIPS.items() for size in SIZES
    }  # fmt: skip
    found = {name: arm.scores[0] for name, arm in compete(arms, drawn_digits(seeds)).items()}
    numbers = {name: np.stack([found[f"{name} {size}"] for size in SIZES], 1) for name in CLIPS}
    for name in CLIPS:
        numbers[f"accuracy at {LARGE} x He, {name}"] = found[f"{name} {LARGE}"]
        numbers[f"accuracy at 1 x He, {name}"] = found[f"{name} 1.0"]
    reach = [
        square_chain(LeCun(gain=_gain(LARGE)), ReLU.formula, depth=20, width=100, rows=50, seed=seed).reach()
        for seed in seeds
    ]  # fmt: skip
    return numbers | {"log10 of the first layer's gradient over the twentieth's": np.log10(reach)}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    reach = means["log10 of the first layer's gradient over the twentieth's"]
    return (
        f"With weights of {LARGE} times He's size the gradient grows {LARGE} times a layer, 10^{reach:.1f} times over "
        f"twenty, and five layers of 100 ReLUs end at an accuracy of "
        f"{means[f'accuracy at {LARGE} x He, as it is']:.2f} where He's reach "
        f"{means['accuracy at 1 x He, as it is']:.2f}. With the gradient's norm clipped at 1 they learn, to "
        f"{means[f'accuracy at {LARGE} x He, norm clipped at 1']:.2f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by size of the weights, with and without clipping."""
    return curve_picture(SIZES, {name: found[name] for name in CLIPS}, "size of the weights, in units of He's",
                         "accuracy after five epochs")  # fmt: skip


STUDY = ClaimStudy(
    name="exploding-gradients",
    claims=("C09", "E3"),
    told="where the factors from layer to layer are above 1 the gradient explodes and training does not converge",
    verdict=HOLDS,
    formula="|dL/dz(l)| = |dL/dz(l+1)| s f:   with weights of s times He's size, ReLU's factor is s a layer",
    done="64-100-100-100-100-100-10 ReLU networks on 1,000 digits, SGD at 0.05 for five epochs, weights of 1 to 3 "
    "times He's size, with and without clipping the gradient's norm at 1; and the gradients of twenty such layers at "
    "the start.",
    follows="Draw weights of the right size (`init: he`); `clip_norm` bridges what is left, and is a symptom's cure. "
    "`tenfold preflight` measures the growth before you train.",
    rules=("he",),
    recipe="network: {hidden: [100, 100, 100, 100, 100]}\ninit: {lecun: {gain: 3.5}}\noptimizer: {sgd: {lr: 0.05}}\n"
    "clip_norm: 1.0\nbatch_size: 50\nepochs: 5\n",
    sources=("Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks",),
    measure=_measure,
    bounds=(
        Bound(f"accuracy at {LARGE} x He, as it is", high=CHANCE + 0.1),
        Bound(f"accuracy at {LARGE} x He, norm clipped at 1", 0.35), Bound("accuracy at 1 x He, as it is", 0.9),
        Bound("log10 of the first layer's gradient over the twentieth's", 6, 9),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
