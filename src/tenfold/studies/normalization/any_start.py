"""Which sizes of the initial weights train, with and without batch normalization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe, sgd
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

SIZES = (1e-4, 1e-3, 1e-2, 0.05, 0.14, 0.5, 3.0)
RATES = (0.001, 0.01, 0.1, 1.0)
KINDS = {"without": "none", "with batch norm": "batch"}
GOOD = 0.7


def _measure(seeds: Sequence[int]) -> Measured:
    """The accuracy of each size at the best of four rates."""
    arms = {
        f"{kind} {size}": [
            recipe((100,) * 4, init={"normal": size}, network={"normalization": one}, **change)
            for change in sgd(*RATES)
        ]
        for kind, one in KINDS.items()
        for size in SIZES
    }
    scores = compete(arms, drawn_digits(seeds))
    found: dict[str, Any] = {}
    for kind in KINDS:
        best = np.stack([scores[f"{kind} {size}"].best for size in SIZES], 1)
        found[f"by size, {kind}"], found[f"worst, {kind}"], found[f"best, {kind}"] = best, best.min(1), best.max(1)
        found[f"sizes that train, {kind}"] = (best >= GOOD).sum(1)
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"From weights of standard deviation 0.0001 to 3 accuracy is {means['worst, with batch norm']:.2f} to "
        f"{means['best, with batch norm']:.2f} with batch normalization, each at the best of four rates. Without it "
        f"{means['sizes that train, without']:.1f} of the {len(SIZES)} sizes reach {GOOD}, and the worst stays at "
        f"{means['worst, without']:.2f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by size."""
    curves = {kind: found[f"by size, {kind}"] for kind in KINDS}
    return curve_picture(
        np.array(SIZES), curves, "standard deviation of the initial weights", "accuracy on other rows", log="x"
    )


STUDY = ClaimStudy(
    name="any-start",
    claims=("C46",),
    told="with batch normalization the initialization matters less",
    verdict=HOLDS,
    formula="BN(a W x) = BN(W x) for a > 0, up to eps: the scale of the weights drops out of what is computed",
    done="64-100-100-100-100-10 ReLU networks from normal weights of seven sizes (0.14 is He's), five epochs of SGD "
    "at the best of four rates on 1,000 digits, batches of 50.",
    follows="Where the right scale of the weights is unknown (new activations, odd layers) normalize; where it is "
    "known, `init: he` does the same for nothing.",
    rules=("batch_norm", "normal", "he"),
    recipe="network: {hidden: [100, 100, 100, 100], normalization: batch}\ninit: {normal: 0.001}\noptimizer: {sgd: "
    "{lr: 0.1}}\nbatch_size: 50\nepochs: 5\n",
    sources=("Ioffe & Szegedy 2015, Batch normalization", "Stanford CS231n, assignment on batch normalization"),
    measure=_measure,
    bounds=(
        Bound("worst, with batch norm", 0.65), Bound("sizes that train, with batch norm", 6.5),
        Bound("sizes that train, without", high=3.5), Bound("worst, without", high=0.3),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
