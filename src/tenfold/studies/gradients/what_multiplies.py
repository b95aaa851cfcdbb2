"""From layer to layer the gradient is multiplied by the weights, not by the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tenfold.rules.initialization import Fans, LeCun
from tenfold.studies.parts.chain import chain, drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

LAYERS, WIDTH = 10, 20


def _measure(seed: int) -> dict[str, float]:
    """The gradient of the first of ten linear layers after its inputs, and then all weights, were doubled."""
    rng = np.random.default_rng(seed)
    weights = [drawn_weights(LeCun(), Fans(WIDTH, WIDTH), rng) for _ in range(LAYERS)]
    x = torch.from_numpy(rng.standard_normal((30, WIDTH)))
    once = chain(weights, lambda z: z, x).weights[0].norm()
    inputs = chain(weights, lambda z: z, 2 * x).weights[0].norm() / once
    doubled = chain([2 * w for w in weights], lambda z: z, x).weights[0].norm() / once
    return {"inputs x 2": float(inputs), "weights x 2": float(doubled)}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Twice the inputs make the first layer's gradient {means['inputs x 2']:.3f} times as large, twice the weights "
        f"of all ten layers {means['weights x 2']:.1f} times (2^9 = 512). It is the weights of the layers above, times "
        "the activations' derivatives, that multiply on the way down; the input enters once."
    )


def _picture(found: Measured) -> StudyPicture:
    """Both factors."""
    return bars(found, "the first layer's gradient, times", log=True)


STUDY = ClaimStudy(
    name="what-multiplies",
    claims=("C08", "E2"),
    told="from layer to layer the input is multiplied by the derivative of the activation",
    verdict=FAILS,
    formula="dL/dz(l) = (dL/dz(l+1) W(l+1)^T) * f'(z(l));   dL/dW(l) = a(l-1)^T dL/dz(l)",
    done="Ten linear layers of 20 units with LeCun's weights on 30 normal rows. The gradient of the first layer's "
    "weights for one linear loss: as it is, with the inputs doubled, and with all weights doubled.",
    follows="Whether gradients vanish or explode is decided by the size of the weights against the activation: by the "
    "initialization and by normalization, hardly by the scale of the inputs.",
    rules=("lecun", "he", "xavier"),
    sources=("Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
             "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks"),
    measure=by_seed(_measure),
    bounds=(Bound("inputs x 2", 2 - 1e-9, 2 + 1e-9), Bound("weights x 2", 512 * (1 - 1e-9), 512 * (1 + 1e-9))),
    say=_say,
    draw=_picture,
)  # fmt: skip
