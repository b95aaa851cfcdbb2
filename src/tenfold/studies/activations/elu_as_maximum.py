"""ELU as max(a (e^x - 1), x): never x, since e^x - 1 >= x everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import ELU
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

X = torch.linspace(-5, 5, 2001, dtype=torch.float64)


def _measure(seeds: Sequence[int]) -> Measured:
    """How much too large the maximum is; nothing is drawn at random."""
    gap = (torch.maximum(X.expm1(), X) - ELU.formula(X, 1.0)).abs()
    found = {
        "too large at 1": float(gap[(X - 1).abs().argmin()]), "too large at 5": float(gap[-1]),
        "difference below 0": float(gap[X <= 0].max()),
    }  # fmt: skip
    return {name: np.full(len(seeds), value) for name, value in found.items()}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"The maximum is too large by {means['too large at 1']:.2f} at x = 1 and by {means['too large at 5']:.0f} "
        "at x = 5: "
        "e^x - 1 is at least x everywhere, so that the maximum is e^x - 1 on both sides. ELU is x above 0 and a "
        "(e^x - 1) "
        "below."
    )


def _picture(found: Measured) -> StudyPicture:
    """Both up to 3."""
    x = X[(X >= -3) & (X <= 3)][::20]
    curves = {"ELU": ELU.formula(x, 1.0).numpy(), "max(e^x - 1, x)": torch.maximum(x.expm1(), x).numpy()}
    return curve_picture(x.numpy(), curves, "x", "ELU and the maximum")


STUDY = ClaimStudy(
    name="elu-as-maximum",
    claims=("C20b", "E9"),
    told="ELU is max(a (e^x - 1), x)",
    verdict=FAILS,
    formula="f(x) = x for x > 0, else a (e^x - 1)",
    done="Both formulas with a = 1 on 2,001 points of [-5, 5] in float64.",
    follows="Written as a maximum, ELU grows exponentially: a network of it explodes where ELU trains.",
    rules=("elu",),
    recipe="network: {hidden: [64, 64], activation: elu}\n",
    sources=("Clevert, Unterthiner & Hochreiter 2016, Fast and accurate deep network learning by exponential "
    "linear units",),
    measure=_measure,
    bounds=(
        Bound("too large at 5", np.expm1(5) - 5 - 1e-6, np.expm1(5) - 5 + 1e-6), Bound("difference below 0", 0, 1e-12)
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
