"""What ten tanh layers make of weights that are too small, right, or too large."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.rules.activations import Tanh
from tenfold.rules.initialization import LeCun, Normal
from tenfold.studies.parts.chain import square_chain
from tenfold.studies.parts.pictures import StudyPicture, histograms
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

DEPTH, WIDTH, ROWS = 10, 500, 1000
EDGES = np.linspace(-1, 1, 41)
RULES: dict[str, Any] = {
    "0.01": Normal(std=0.01), "1/sqrt(n)": LeCun(), "5/3 / sqrt(n)": LeCun(gain=Tanh.gain), "1": Normal(std=1.0)
}  # fmt: skip


def _measure(seed: int) -> dict[str, Any]:
    """Standard deviations and histograms of the outputs of ten layers of 500 units."""
    found: dict[str, Any] = {}
    for name, rule in RULES.items():
        outputs = square_chain(
            rule, Tanh.formula, depth=DEPTH, width=WIDTH, rows=ROWS, seed=seed, back=False
        ).outputs  # fmt: skip
        found[f"{name}, layer 1"], found[f"{name}, layer {DEPTH}"] = float(outputs[0].std()), float(outputs[-1].std())
        for layer in (1, 2, 4, 7, 10):
            found[f"histogram {name} {layer}"] = np.histogram(outputs[layer - 1].numpy(), EDGES)[0]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    ends = {name: means[f"{name}, layer {DEPTH}"] for name in RULES}
    return (
        f"The standard deviation of the tenth layer's outputs is {ends['0.01']:.0e} with weights of 0.01 (the "
        "first layer's is "
        f"{means['0.01, layer 1']:.2f}), {ends['1/sqrt(n)']:.2f} with 1/sqrt(n), and {ends['1']:.2f} with weights "
        "of 1, where all "
        f"outputs stand at -1 or 1. With tanh's gain, 5/3 / sqrt(n), it is {ends['5/3 / sqrt(n)']:.2f} and stays there."
    )


def _picture(found: Measured) -> StudyPicture:
    """Histograms of five layers, a row for each size of the weights."""
    parts = {
        f"{name}: layer {layer}": found[f"histogram {name} {layer}"] for name in RULES for layer in (1, 2, 4, 7, 10)
    }
    return histograms(parts, EDGES, "outputs of tanh layers, by the weights' standard deviation")


STUDY = ClaimStudy(
    name="ten-layers",
    claims=("C32", "C35"),
    told="0.01 randn() is too small for deep tanh networks, randn() / sqrt(n) is right",
    verdict=HOLDS,
    formula="Var[z(l)] = n Var[w] E[a(l-1)^2]:   with Var[w] = g^2 / n the outputs keep their size where g makes "
    "up for the activation",
    done="Ten tanh layers of 500 units on 1,000 normal rows, with four sizes of the weights, without training.",
    follows="Take the initialization of your activation, with its gain: `init: lecun` with gain `activation` for "
    "tanh, `he` for ReLU. "
    "`tenfold preflight` and `diagnose` compare a network's start with this.",
    rules=("normal", "lecun", "xavier"),
    recipe="network: {hidden: [100, 100, 100, 100, 100, 100, 100, 100, 100, 100], activation: tanh}\ninit: "
    "{normal: 0.01}\n",
    sources=("Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
             "Stanford CS231n, lecture on weight initialization"),
    measure=by_seed(_measure),
    bounds=(
        Bound("0.01, layer 1", 0.21, 0.218), Bound("0.01, layer 10", high=1e-6), Bound("1/sqrt(n), layer "
        "1", 0.615, 0.64),
        Bound("1/sqrt(n), layer 10", 0.2232, 0.2323), Bound("5/3 / sqrt(n), layer 10", 0.638, 0.664), Bound("1, "
        "layer 10", 0.95),
    ),
    seeds=3,
    say=_say,
    draw=_picture,
)  # fmt: skip
