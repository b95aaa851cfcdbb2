"""Factors below 1: the gradient of a deep sigmoid network vanishes, that of ReLU does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import ReLU, Sigmoid, Tanh
from tenfold.rules.initialization import Fans, He, LeCun
from tenfold.studies.parts.chain import drawn_weights, square_chain
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import drawn_digits, recipe, trained_networks, training_loss
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

DEPTH, WIDTH, ROWS = 20, 128, 64
HIDDEN, EPOCHS, RATES = 8, 10, (0.01, 0.1, 1.0)
KINDS: dict[str, tuple[Any, Any]] = {
    "sigmoid": (Sigmoid.formula, LeCun()), "tanh": (Tanh.formula, LeCun()), "ReLU": (ReLU.formula, He())
}  # fmt: skip
LOST = 10.0
LARGEST = "largest singular value of He's weights"


def _measure(seeds: Sequence[int]) -> Measured:
    """Gradients at the start of twenty layers, and training losses of eight, each at the best of three rates."""
    found: dict[str, Any] = {}
    for name, (formula, rule) in KINDS.items():
        made = [
            square_chain(rule, formula, depth=DEPTH, width=WIDTH, rows=ROWS, seed=seed) for seed in seeds
        ]  # fmt: skip
        norms = np.array([[float(part.norm()) for part in one.sums] for one in made])
        found[f"gradients, {name}"] = norms / norms[:, -1:]
        found[f"log10 of first over last, {name}"] = np.log10(norms[:, 0] / norms[:, -1])
        init = "he" if name == "ReLU" else "lecun"
        arms = [recipe((50,) * HIDDEN, init=init, optimizer={"sgd": {"lr": rate}},
                       network={"activation": name.lower()}) for rate in RATES]  # fmt: skip
        losses = np.array([[training_loss(one) for one in arm] for arm in trained_networks(arms, drawn_digits(seeds),
                                                                                         EPOCHS)])  # fmt: skip
        losses = np.minimum(losses, LOST)
        found[f"training loss, {name}"] = losses[losses.max(1).argmin()]
    rngs = [np.random.default_rng(seed) for seed in seeds]
    found[LARGEST] = np.array(
        [float(torch.linalg.matrix_norm(drawn_weights(He(), Fans(WIDTH, WIDTH), rng), 2)) for rng in rngs]
    )
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    ends = {name: means[f"training loss, {name}"] for name in KINDS}
    return (
        f"Over {DEPTH} layers the gradient shrinks to 10^{means['log10 of first over last, sigmoid']:.1f} with the "
        f"sigmoid, whose slope is at most 1/4, to 10^{means['log10 of first over last, tanh']:.1f} with tanh and to "
        f"10^{means['log10 of first over last, ReLU']:.1f} with ReLU and He's weights, though their largest singular "
        f"value is {means[LARGEST]:.1f}: above 1 is needed to explode, and not enough. "
        f"Trained with {HIDDEN} layers, the sigmoid stays at a loss of {ends['sigmoid']:.3f} (ln 10 is 2.303), tanh "
        f"comes to {ends['tanh']:.3f} and ReLU to {ends['ReLU']:.3f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """The gradient by layer."""
    curves = {name: found[f"gradients, {name}"].mean(0) for name in KINDS}
    return curve_picture(np.arange(1, DEPTH + 1), curves, "layer", "gradient, the last layer's being 1", log="y")


STUDY = ClaimStudy(
    name="vanishing-gradients",
    claims=("C10", "C16", "E3"),
    told="where the factors from layer to layer are below 1 the gradient vanishes and training stalls; ReLU, which "
    "does not saturate above 0, gets on",
    verdict=HOLDS,
    formula="dL/dz(l) = (dL/dz(l+1) W^T) * f'(z(l)):   vanishes for sure where s_max(W) max f' < 1; it can explode "
    "only where\n"
    "s_max(W) max f' > 1, which is necessary and not sufficient",
    done="Twenty layers of 128 units on normal rows at the start, LeCun's weights for sigmoid and tanh, He's for ReLU; "
    "and eight hidden layers of 50 on 1,000 digits, SGD for ten epochs at the best of three rates.",
    follows="Deep networks want ReLU-like activations with `init: he`, or tanh with `lecun`; keep the sigmoid for "
    "outputs and gates.",
    rules=("sigmoid", "tanh", "relu"),
    recipe="network: {hidden: [50, 50, 50, 50, 50, 50, 50, 50], activation: sigmoid}\ninit: lecun\n"
    "optimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 10\n",
    sources=("Hochreiter 1991, Untersuchungen zu dynamischen neuronalen Netzen",
             "Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks"),
    measure=_measure,
    bounds=(
        Bound("log10 of first over last, sigmoid", high=-9), Bound("log10 of first over last, ReLU", -1, 1),
        Bound("training loss, sigmoid", 2.25), Bound("training loss, tanh", high=0.3),
        Bound("training loss, ReLU", high=0.3), Bound(LARGEST, 2, 3.5),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
