"""The largest curvature and the updates of gradient descent, with raw, centred and standardized pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from tenfold.data.feed.moments import column_moments
from tenfold.rules.preprocessing import Center, NoPreprocessing, Standardize, apply_affine
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.softmax import top_curvature, updates_to
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

ROWS, LOSS, LIMIT = 300, 0.1, 150
RATES = 10 ** np.arange(-0.75, 2.3, 0.25)
RULES: dict[str, Any] = {"raw": NoPreprocessing(), "centred": Center(), "standardized": Standardize()}


def _measure(seed: int) -> dict[str, Any]:
    """Curvature, and the fewest updates to a loss of 0.1 over the rates."""
    data: Any = load_digits()
    rows = np.random.default_rng(seed).permutation(len(data.data))[:ROWS]
    x, y = data.data[rows] / 16, data.target[rows]
    moments, found = column_moments(x), {}
    for name, rule in RULES.items():
        z = apply_affine(rule.fit(moments), x)
        updates = updates_to(LOSS, z, y, RATES, LIMIT)
        found |= {
            f"largest curvature, {name}": top_curvature(z),
            f"updates, {name}": float(updates.min()),
            f"best rate, {name}": RATES[updates.argmin()],
            f"curve {name}": updates,
        }
    return found | {
        "curvature, raw over centred": found["largest curvature, raw"] / found["largest curvature, centred"],
        "updates, raw over centred": found["updates, raw"] / found["updates, centred"],
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Centring pixels in [0, 1] lowers the largest eigenvalue of X^T X / n from "
        f"{means['largest curvature, raw']:.1f} to {means['largest curvature, centred']:.1f}. To a loss of 0.1 softmax "
        f"regression then takes {means['updates, centred']:.0f} updates of gradient descent at its best rate, with the "
        f"raw pixels {means['updates, raw']:.0f}; standardized ones take {means['updates, standardized']:.0f}, at a "
        "lower rate."
    )


def _picture(found: Measured) -> StudyPicture:
    """Updates by rate."""
    curves = {name: found[f"curve {name}"].mean(0) for name in RULES}
    return curve_picture(RATES, curves, "rate", f"updates to a loss of {LOSS:g} (at most {LIMIT})", log="xy")


STUDY = ClaimStudy(
    name="centred-inputs",
    claims=("C23",),
    told="subtract the mean of the inputs",
    verdict=HOLDS,
    formula="X^T X / n = Cov + mean mean^T:   the mean adds one eigenvalue of about |mean|^2, and the largest one "
    "bounds the rate",
    done="Softmax regression on 300 digits with pixels in [0, 1], full-batch gradient descent from zeros at 13 rates; "
    "the updates until the training loss is 0.1.",
    follows="Tenfold standardizes by default, which centres too. Where inputs are left raw, the rate has to be as much "
    "smaller as the mean is large.",
    rules=("center", "standardize", "none"),
    recipe="preprocess: center\nnetwork: {hidden: []}\noptimizer: {sgd: {lr: 3.0}}\nbatch_size: 1000\nepochs: 50\n",
    sources=("LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.3",
             "LeCun, Kanter & Solla 1991, Eigenvalues of covariance matrices"),
    measure=by_seed(_measure),
    bounds=(
        Bound("curvature, raw over centred", 8), Bound("updates, raw over centred", 3, clear=True),
        Bound("updates, standardized", 0, 15),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
