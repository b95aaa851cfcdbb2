"""What dropout keeps in the mean: its own outputs, and not what a nonlinear layer makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import ReLU
from tenfold.rules.dropout import dropout_scale
from tenfold.rules.initialization import Fans, He
from tenfold.studies.parts.chain import drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

SIZE, RATES, DRAWS = 500, (0.1, 0.25, 0.5, 0.8), 200
STAGES = ("outputs", "a linear layer behind", "a ReLU layer behind")


def _measure(seed: int) -> dict[str, Any]:
    """Means with dropout over means without, and the share of zeros."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.standard_normal((SIZE, SIZE)) + 10)
    # Rows and units of a layer in the middle of a network: ReLU outputs of 40 rows, 100 units, and their weights.
    h = torch.from_numpy(rng.standard_normal((40, 100))).clamp(min=0)
    w = drawn_weights(He(), Fans(100, 100), rng)
    found: dict[str, Any] = {}
    ratios: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for rate in RATES:
        scale = dropout_scale(torch.from_numpy(rng.random((SIZE, SIZE))), torch.tensor(rate))
        found[f"zeros at {rate:g}, over the rate"] = float((scale == 0).double().mean()) / rate
        ratios["outputs"].append(float((x * scale).mean() / x.mean()))
        masked = h * dropout_scale(torch.from_numpy(rng.random((DRAWS, 40, 100))), torch.tensor(rate)) @ w
        sums = h @ w
        # The sums have both signs: what the masks' mean and the sums share, as the slope through 0.
        ratios["a linear layer behind"].append(float((masked.mean(0) * sums).sum() / sums.square().sum()))
        ratios["a ReLU layer behind"].append(float(ReLU.formula(masked).mean() / ReLU.formula(sums).mean()))
    for stage, values in ratios.items():
        found[stage] = values
        found |= {f"{stage}, rate {rate:g}": value for rate, value in zip(RATES, values, strict=True)}
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"At a rate of 0.5 the mean of the outputs with dropout is {means['outputs, rate 0.5']:.4f} times that "
        f"without, and behind a linear layer it is {means['a linear layer behind, rate 0.5']:.3f} times. Behind a "
        f"ReLU layer it is {means['a ReLU layer behind, rate 0.5']:.2f} times, and "
        f"{means['a ReLU layer behind, rate 0.8']:.2f} times at 0.8: the noise is cut off below 0 and so adds to the "
        "mean."
    )


def _picture(found: Measured) -> StudyPicture:
    """Ratios by rate."""
    curves = {stage: found[stage] for stage in reversed(STAGES)}
    return curve_picture(np.array(RATES), curves, "dropout rate", "mean with dropout over mean without")


STUDY = ClaimStudy(
    name="kept-expectation",
    claims=("C68",),
    told="inverted dropout keeps the expectation, so that nothing needs to be done at test time",
    verdict=f"{CONDITION}what follows is linear",
    formula="E[x m / (1 - r)] = x, so E[(x m / (1 - r)) W] = x W;   E[relu(z + noise)] > relu(E[z + noise])",
    done="500 x 500 normal numbers with mean 10 through dropout at four rates; 40 rows of 100 ReLU outputs through "
    "200 masks each, and then through a layer with He's weights, linear or with ReLU.",
    follows="Nothing needs to be done at prediction, but the scales of deeper layers are others in training and "
    "prediction: a reason for moderate rates, and for no normalization with recorded moments behind dropout.",
    rules=("dropout",),
    recipe="network: {hidden: [100, 100], dropout: 0.5}\n",
    sources=("Srivastava et al. 2014, Dropout", "Stanford CS231n, assignment on dropout"),
    measure=by_seed(_measure),
    bounds=(
        *(Bound(f"outputs, rate {rate:g}", 0.995, 1.005) for rate in RATES),
        *(Bound(f"zeros at {rate:g}, over the rate", 0.99, 1.01) for rate in RATES),
        Bound("a linear layer behind, rate 0.5", 0.98, 1.02), Bound("a ReLU layer behind, rate 0.5", 1.1),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
