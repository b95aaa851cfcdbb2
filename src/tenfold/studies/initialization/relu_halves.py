"""ReLU halves the second moment, hence the 2 in He's rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import ReLU
from tenfold.rules.initialization import He, LeCun
from tenfold.studies.parts.chain import square_chain
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

DEPTH, WIDTH, ROWS, DRAWS = 10, 500, 500, 1_000_000


def _measure(seed: int) -> dict[str, Any]:
    """Moments of ReLU under a normal input; sizes of ten layers with and without the 2."""
    y = ReLU.formula(torch.from_numpy(np.random.default_rng(seed).standard_normal(DRAWS)))
    found: dict[str, Any] = {"E[y^2]": float(y.square().mean()), "standard deviation": float(y.std())}
    for name, rule in (("He, 2/n", He()), ("1/n", LeCun())):
        outputs = square_chain(
            rule, ReLU.formula, depth=DEPTH, width=WIDTH, rows=ROWS, seed=seed, back=False
        ).outputs  # fmt: skip
        rms = np.array([float(h.square().mean().sqrt()) for h in outputs])
        found[f"rms, {name}"], found[f"layer 10 over layer 1, {name}"] = rms, rms[-1] / rms[0]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Of a standard normal input ReLU keeps E[y^2] = {means['E[y^2]']:.3f}, exactly a half, while its standard "
        "deviation is "
        f"{means['standard deviation']:.3f}. With variance 2/n ten layers keep their size "
        f"({means['layer 10 over layer 1, He, 2/n']:.2f} "
        f"times), with 1/n it falls to {means['layer 10 over layer 1, 1/n']:.3f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Root mean square by layer."""
    curves = {name: found[f"rms, {name}"] for name in ("He, 2/n", "1/n")}
    return curve_picture(np.arange(1, DEPTH + 1), curves, "layer", "root mean square of the outputs", log="y")


STUDY = ClaimStudy(
    name="relu-halves",
    claims=("C37", "C38", "E18", "E19"),
    told="ReLU halves the standard deviation, so one divides by sqrt(n / 2)",
    verdict=FAILS,
    formula="E[relu(z)^2] = Var[z] / 2 for symmetric z;   Var[w] = 2 / n keeps n Var[w] E[a^2] = Var[z]",
    done="A million normal inputs; ten ReLU layers of 500 units with variance 2/n and 1/n on 500 normal rows.",
    follows="sqrt(2 / n) is right, for another reason than the one that is told: `init: he`, for ReLU and its "
    "relatives.",
    rules=("he", "lecun"),
    sources=("He, Zhang, Ren & Sun 2015, Delving deep into rectifiers",),
    measure=by_seed(_measure),
    bounds=(
        Bound("E[y^2]", 0.4975, 0.5025), Bound("standard deviation", 0.581, 0.587), Bound("layer 10 over layer 1, "
        "He, 2/n", 0.5, 2),
        Bound("layer 10 over layer 1, 1/n", 0.035, 0.055),
    ),
    seeds=5,
    say=_say,
    draw=_picture,
)  # fmt: skip
