"""Adam's beta2 is 0.999: a memory of a thousand updates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.rules.optimizers import Adam
from tenfold.rules.record import preset
from tenfold.studies.parts.descent import steps
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

UPDATES = 4000


def _measure(seed: int) -> dict[str, Any]:
    """The presets' beta2, and uncorrected steps under a constant gradient of drawn size with either."""
    size = float(10 ** np.random.default_rng(seed).uniform(-1, 1))
    found = {library: preset(Adam, library).beta2 for library in Adam.PRESETS}
    summary = found.pop("lecture")
    paths = {beta: steps(Adam(beta2=beta, bias_correction=False), size, UPDATES) for beta in (summary, 0.999)}
    return {
        "libraries": len(found), "libraries with 0.999": sum(beta == 0.999 for beta in found.values()),
        "beta2 of the summary": summary, "largest uncorrected step, 0.995": paths[summary].max(),
        "largest uncorrected step, 0.999": paths[0.999].max(),
        "memory, 0.995": 1 / (1 - summary), "memory, 0.999": 1 / (1 - 0.999),
        "path 0.995": paths[summary], "path 0.999": paths[0.999],
    }  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Of the {means['libraries']:.0f} libraries whose defaults Tenfold has as presets, "
        f"{means['libraries with 0.999']:.0f} have a beta2 of 0.999, as the paper has. With 0.995 the second moment "
        f"remembers {means['memory, 0.995']:.0f} updates in place of {means['memory, 0.999']:.0f}, and the largest "
        f"step without correction is {means['largest uncorrected step, 0.995']:.2f} rates in place of "
        f"{means['largest uncorrected step, 0.999']:.2f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Uncorrected steps with both."""
    curves = {f"beta2 {beta}": found[f"path {beta}"].mean(0) for beta in (0.995, 0.999)}
    return curve_picture(np.arange(1, UPDATES + 1), curves, "update", "uncorrected step, in rates", log="xy")


STUDY = ClaimStudy(
    name="adams-second-beta",
    claims=("E32",),
    told="Adam's second constant is usually 0.995",
    verdict=FAILS,
    formula="v <- b2 v + (1 - b2) g^2:   g^2 of k updates ago counts b2^k, so that about 1 / (1 - b2) of them count",
    done="The defaults of the libraries as Tenfold's presets have them, and 4,000 updates under a constant gradient "
    "without bias correction.",
    follows="Leave beta2 at 0.999. Lower it where gradients change their size within a few hundred updates; language "
    "models often take 0.95.",
    rules=("adam",),
    recipe="network: {hidden: [100, 100]}\noptimizer: {adam: {preset: lecture, lr: 0.001}}\nepochs: 5\n",
    sources=("Kingma & Ba 2015, Adam: a method for stochastic optimization, algorithm 1",),
    measure=by_seed(_measure),
    bounds=(
        Bound("libraries", 4), Bound("beta2 of the summary", 0.995, 0.995), Bound("memory, 0.999", 999, 1001),
        Bound("libraries with 0.999", 4), Bound("largest uncorrected step, 0.995", 2.94, 3.0),
        Bound("largest uncorrected step, 0.999", 6.5, 6.6),
    ),
    seeds=3,
    say=_say,
    draw=_picture,
)  # fmt: skip
