"""Weights of standard deviation 1: tanh saturates, and the gradient explodes all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.rules.activations import Tanh
from tenfold.rules.initialization import LeCun, Normal
from tenfold.studies.parts.chain import square_chain
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

DEPTH, WIDTH, ROWS = 20, 256, 128


def _measure(seed: int) -> dict[str, Any]:
    """Saturated units, and the gradient layer by layer against the last one's."""
    found: dict[str, Any] = {}
    for name, rule in (("weights of 1", Normal(std=1.0)), ("1/sqrt(n)", LeCun())):
        made = square_chain(rule, Tanh.formula, depth=DEPTH, width=WIDTH, rows=ROWS, seed=seed)
        norms = np.array([float(part.norm()) for part in made.sums])
        found[f"log10 gradient, {name}"] = np.log10(norms / norms[-1])
        found[f"saturated, {name}"] = np.mean([float((h.abs() > 0.95).double().mean()) for h in made.outputs])
        found[f"log10 of first over last, {name}"] = float(np.log10(norms[0] / norms[-1]))
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    reach = 10 ** means["log10 of first over last, weights of 1"]
    return (
        f"{means['saturated, weights of 1']:.0%} of the units stand beyond 0.95, as is told; but on the way down "
        "the gradient "
        f"grows to {reach:.0e} times the last layer's over {DEPTH} layers. The slopes are small, the weights are "
        "so large that their "
        "product is above 1: it explodes."
    )


def _picture(found: Measured) -> StudyPicture:
    """The gradient by layer."""
    curves = {name: 10 ** found[f"log10 gradient, {name}"] for name in ("weights of 1", "1/sqrt(n)")}
    return curve_picture(np.arange(1, DEPTH + 1), curves, "layer", "gradient, in units of the last layer's", log="y")


STUDY = ClaimStudy(
    name="too-large",
    claims=("C34", "E16"),
    told="with weights of standard deviation 1 tanh saturates and the gradient goes to 0",
    verdict=FAILS,
    formula="E[delta(l)^2] = n Var[w] E[f'(z)^2] E[delta(l+1)^2]:   n Var[w] = 256 beats E[f'(z)^2] of about 1 in 30",
    done="Twenty tanh layers of 256 units on 128 normal rows; the gradient of a random linear loss in the sums of "
    "each layer.",
    follows="Saturated units and exploding gradients go together: the remedy is smaller weights, not another "
    "activation.",
    rules=("normal", "lecun"),
    recipe="network: {hidden: [100, 100, 100, 100, 100, 100], activation: tanh}\ninit: {normal: 1.0}\n",
    sources=("Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017, Deep information propagation",),
    measure=by_seed(_measure),
    bounds=(Bound("saturated, weights of 1", 0.9), Bound("log10 of first over last, weights of 1", 6)),
    seeds=5,
    say=_say,
    draw=_picture,
)  # fmt: skip
