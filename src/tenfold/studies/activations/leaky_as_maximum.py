"""Leaky ReLU as max(a x, x): only for a up to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import LeakyReLU
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

SLOPES = (-0.3, 0.01, 1.0, 1.5)
X = torch.linspace(-5, 5, 2001, dtype=torch.float64)


def _measure(seeds: Sequence[int]) -> Measured:
    """The largest difference on [-5, 5] for four slopes; nothing is drawn at random."""
    gaps = {a: float((LeakyReLU.formula(X, a) - torch.maximum(a * X, X)).abs().max()) for a in SLOPES}
    found = {"difference for slopes up to 1": max(gaps[a] for a in SLOPES if a <= 1), "difference at 1.5": gaps[1.5]}
    return {name: np.full(len(seeds), value) for name, value in found.items()}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"For slopes up to 1 the maximum of a x and x is leaky ReLU (they differ by "
        f"{means['difference for slopes up to 1']:.0e}); "
        f"at a slope of 1.5 it is another function, {means['difference at 1.5']:.1f} away on [-5, 5]. Always right is "
        "max(0, x) + a min(0, x)."
    )


def _picture(found: Measured) -> StudyPicture:
    """Both at a slope of 1.5."""
    x = X[::50]
    curves = {
        "max(0, x) + 1.5 min(0, x)": LeakyReLU.formula(x, 1.5).numpy(), "max(1.5 x, "
        "x)": torch.maximum(1.5 * x, x).numpy()
    }  # fmt: skip
    return curve_picture(x.numpy(), curves, "x", "leaky ReLU of slope 1.5")


STUDY = ClaimStudy(
    name="leaky-as-maximum",
    claims=("C20b", "E8"),
    told="leaky ReLU and PReLU are max(a x, x)",
    verdict=f"{CONDITION}a is at most 1",
    formula="f(x) = max(0, x) + a min(0, x)",
    done="Both formulas on 2,001 points of [-5, 5] in float64 for slopes -0.3, 0.01, 1 and 1.5.",
    follows="A learned slope (PReLU) may pass 1: then only the second formula is the function that is meant.",
    rules=("leaky_relu", "prelu"),
    recipe="network: {hidden: [64, 64], activation: prelu}\n",
    sources=("Maas, Hannun & Ng 2013, Rectifier nonlinearities improve neural network acoustic models",
             "He et al. 2015, Delving deep into rectifiers"),
    measure=_measure,
    bounds=(Bound("difference for slopes up to 1", 0, 1e-15), Bound("difference at 1.5", 2.5 - 1e-9, 2.5 + 1e-9)),
    say=_say,
    draw=_picture,
)  # fmt: skip
