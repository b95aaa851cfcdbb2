"""Xavier's rule is not 1 / sqrt(n)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.rules.initialization import Fans, He, LeCun, Xavier
from tenfold.studies.parts.chain import drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

FANS = Fans(400, 300)


def _measure(seed: int) -> dict[str, float]:
    """Standard deviations of a drawn layer."""
    rng = np.random.default_rng(seed)
    rules: dict[str, Any] = {"1/sqrt(fan_in) (LeCun)": LeCun(), "Xavier": Xavier(), "He": He()}
    return {name: float(drawn_weights(rule, FANS, rng).std()) for name, rule in rules.items()}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"For a layer of 400 inputs and 300 units 1/sqrt(fan_in) gives {means['1/sqrt(fan_in) (LeCun)']:.4f} and "
        "Xavier's rule "
        f"{means['Xavier']:.4f}: it averages the two fans, for the way forward and the way back. 1/sqrt(fan_in) is "
        "LeCun's."
    )


def _picture(found: Measured) -> StudyPicture:
    """The three."""
    return bars(found, "standard deviation of the weights, 400 inputs and 300 units")


STUDY = ClaimStudy(
    name="xaviers-name",
    claims=("C36", "E17"),
    told="Xavier initialization is randn(n) / sqrt(n)",
    verdict=FAILS,
    formula="LeCun: Var[w] = 1 / fan_in;   Glorot (Xavier): Var[w] = 2 / (fan_in + fan_out);   He: Var[w] = 2 / fan_in",
    done="A layer of 400 inputs and 300 units is drawn by each rule.",
    follows="In square layers they are the same; in the first and the last layer they are not. Say which you mean: "
    "`init: lecun` or `xavier`.",
    rules=("lecun", "xavier", "he"),
    sources=("LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.6",
             "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, eq. 12"),
    measure=by_seed(_measure),
    bounds=(Bound("1/sqrt(fan_in) (LeCun)", 0.0497, 0.0503), Bound("Xavier", 0.0531, 0.0538)),
    say=_say,
    draw=_picture,
)  # fmt: skip
