"""The loss before any training: ln C is chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.rules.losses import CrossEntropy
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import drawn_digits, recipe, trained_networks
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

INITS: dict[str, Any] = {"zero last layer": {"he": {"zero_last": True}}, "He": "he", "weights of 1": {"normal": 1.0}}


def _measure(seeds: Sequence[int]) -> Measured:
    """The loss of untrained networks on digits."""
    found = trained_networks([recipe(init=init) for init in INITS.values()], drawn_digits(seeds), epochs=0)
    with torch.no_grad():
        losses = [[float(CrossEntropy.formula(one.module(one.x), one.y, 0.0).mean()) for one in arm] for arm in found]
    return {name: np.array(values) for name, values in zip(INITS, losses, strict=True)}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"At chance the loss of ten classes is ln 10 = {CrossEntropy().at_chance(10):.3f}. With a last layer of "
        "zeros a network begins "
        f"there ({means['zero last layer']:.3f}), with He's weights at {means['He']:.2f}, with weights of standard "
        "deviation 1 at "
        f"{means['weights of 1']:.0f}: the first updates then do nothing but shrink the outputs."
    )


def _picture(found: Measured) -> StudyPicture:
    """The three."""
    return bars(found, "loss before training", log=True)


STUDY = ClaimStudy(
    name="first-loss",
    claims=("O2",),
    told="a network may start anywhere, the training will see to it",
    verdict=FAILS,
    formula="L = -ln p(right class);   equal probabilities: L = ln C",
    done="64-100-100-10 networks from three rules, not trained, on 1,000 standardized digits.",
    follows="Look at the first loss: far above ln C the outputs begin too large. `tenfold preflight` does, and "
    "says it.",
    rules=("he",),
    recipe="network: {hidden: [100, 100]}\ninit: {normal: 1.0}\n",
    sources=("Karpathy 2019, A recipe for training neural networks",),
    measure=_measure,
    bounds=(Bound("zero last layer", float(np.log(10)) - 1e-4, float(np.log(10)) + 1e-4), Bound("weights of 1", 100)),
    say=_say,
    draw=_picture,
)  # fmt: skip
