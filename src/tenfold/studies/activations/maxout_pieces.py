"""Maxout: no dead units and no saturation, for twice the parameters; gradients may vanish all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.activations import Maxout, ReLU
from tenfold.rules.activations.maxout import maxout
from tenfold.rules.initialization import Fans, LeCun
from tenfold.studies.parts.chain import chain, drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

PIECES, DEPTH, WIDTH, ROWS = 2, 20, 64, 50
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
HIDDEN = 50


def _pieces(z: Tensor) -> Tensor:
    return maxout(z, PIECES)


def _at_start(seed: int) -> dict[str, float]:
    """How far maxout with a zero piece is from ReLU, and what comes back through twenty layers."""
    rng = np.random.default_rng(seed)
    z = torch.from_numpy(rng.standard_normal((ROWS, WIDTH)))
    zeros = torch.stack([z, torch.zeros_like(z)], 2).flatten(1)
    found = {"with a zero piece, from ReLU": float((_pieces(zeros) - ReLU.formula(z)).abs().max())}
    x = torch.from_numpy(rng.standard_normal((ROWS, WIDTH)))
    base = [drawn_weights(LeCun(), Fans(WIDTH, WIDTH * PIECES), rng) for _ in range(DEPTH)]
    for name, size in (("its own gain", Maxout().gain), ("half its gain", Maxout().gain / 2)):
        made = chain([size * w for w in base], _pieces, x)
        found[f"log10 gradient of the first over the last layer, {name}"] = float(np.log10(made.reach()))
        if name == "its own gain":
            # A unit is dead where no piece has a gradient on any row; a piece that never wins has none.
            alive = (made.weights[0].abs().sum(0) > 0).view(-1, PIECES)
            found["dead units"] = float((~alive.any(1)).double().mean())
    return found


def _measure(seeds: Sequence[int]) -> Measured:
    """At the start, and accuracies on 300 digits against ReLU of as many units and of as many parameters."""
    rows = [_at_start(seed) for seed in seeds]
    found: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    kinds = {"maxout": (HIDDEN, {"maxout": {"pieces": PIECES}}), "ReLU": (HIDDEN, "relu"),
             "ReLU, twice as wide": (2 * HIDDEN, "relu")}  # fmt: skip
    arms = {
        name: [recipe((width,), network={"activation": kind}, optimizer={"sgd": {"lr": rate}}, epochs=30,
                      init="lecun" if name == "maxout" else "he") for rate in RATES]
        for name, (width, kind) in kinds.items()
    }  # fmt: skip
    for name, arm in compete(arms, drawn_digits(seeds, 300)).items():
        found |= {f"accuracy, {name}": arm.best, f"accuracy by rate, {name}": arm.scores.T,
                  f"best rate inside, {name}": np.full(len(seeds), float(not arm.border))}  # fmt: skip
    found["gain over ReLU"] = found["accuracy, maxout"] - found["accuracy, ReLU"]
    found["gain over ReLU, twice as wide"] = found["accuracy, maxout"] - found["accuracy, ReLU, twice as wide"]
    hidden, output = (64 + 1) * HIDDEN, (HIDDEN + 1) * 10
    found["parameters, maxout over ReLU"] = np.full(len(seeds), (PIECES * hidden + output) / (hidden + output))
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    grad = "log10 gradient of the first over the last layer"
    return (
        f"With one piece 0 maxout is ReLU, to {means['with a zero piece, from ReLU']:.0f}, no unit is dead, and on "
        f"300 digits it reaches {means['accuracy, maxout']:.3f} with {means['parameters, maxout over ReLU']:.2f} "
        f"times the parameters of ReLU ({means['accuracy, ReLU']:.3f}; ReLU twice as wide "
        f"{means['accuracy, ReLU, twice as wide']:.3f}). It does not saturate, but its gradient is the winning "
        f"weights': over {DEPTH} layers it changes to 10^{means[f'{grad}, its own gain']:.1f} at its own gain, and "
        f"vanishes to 10^{means[f'{grad}, half its gain']:.1f} at half of it."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracies by rate."""
    names = ("maxout", "ReLU", "ReLU, twice as wide")
    return curve_picture(RATES, {name: found[f"accuracy by rate, {name}"] for name in names}, "learning rate",
                         "accuracy behind 300 digits", log="x")  # fmt: skip


STUDY = ClaimStudy(
    name="maxout-pieces",
    claims=("C20", "E10"),
    told="maxout has all that is good in ReLU, no dead units and no vanishing gradient, for twice the parameters",
    verdict=f"{CONDITION}the weights have the right size; what it never does is to saturate",
    formula="f(x) = max_j (x W_j + b_j):   df/dx is the winning W_j, and a piece that loses has no gradient",
    done="Twenty layers of 64 units with two pieces at the start, with weights of maxout's own gain and of half of it; "
    "64-50-10 on 300 digits, thirty epochs of SGD at six rates, against ReLU of 50 and of 100 units.",
    follows="Maxout is for few data and a rate that is a little lower; a ReLU layer twice as wide costs as much and "
    "does about as well.",
    rules=("maxout", "relu"),
    recipe="network: {hidden: [50], activation: {maxout: {pieces: 2}}}\ninit: lecun\noptimizer: {sgd: {lr: 0.1}}\n"
    "batch_size: 50\nepochs: 30\n",
    sources=("Goodfellow, Warde-Farley, Mirza, Courville & Bengio 2013, Maxout networks",),
    measure=_measure,
    bounds=(
        Bound("with a zero piece, from ReLU", 0, 0), Bound("dead units", 0, 0),
        Bound("log10 gradient of the first over the last layer, its own gain", -1.5, 1.5),
        Bound("log10 gradient of the first over the last layer, half its gain", high=-4),
        Bound("gain over ReLU", -0.005), Bound("gain over ReLU, twice as wide", -0.02, 0.02),
        Bound("parameters, maxout over ReLU", 1.8, 2),
        *(Bound(f"best rate inside, {name}", 1) for name in ("maxout", "ReLU", "ReLU, twice as wide")),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
