"""The mean of several networks that differ in their seed only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import DrawnRows, drawn_digits, probabilities_of, recipe, trained_networks
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

MOST, SIZES = 10, (1, 2, 3, 5, 10)


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy of the mean of 1 to 10 networks of 300 digits."""
    rows = drawn_digits(seeds, 300)
    repeated = DrawnRows(rows.x, rows.y, [fold for fold in rows.folds for _ in range(MOST)])
    (networks,) = trained_networks([recipe((100,), epochs=20)], repeated)
    curves = []
    for place in range(len(seeds)):
        ours = networks[place * MOST : (place + 1) * MOST]
        truth, outputs = ours[0].test_y.numpy(), np.array([probabilities_of(one) for one in ours])
        # Every network is a first one as often as the others: the mean over the ten that follow each other in a ring.
        ring = [np.roll(outputs, -first, 0) for first in range(MOST)]
        curves.append([np.mean([(o[:k].mean(0).argmax(1) == truth).mean() for o in ring]) for k in SIZES])
    curve = np.array(curves)
    gains = curve - curve[:, :1]
    return {
        "accuracy": curve,
        "accuracy of one": curve[:, 0],
        "accuracy of ten": curve[:, -1],
        "gain of three": gains[:, SIZES.index(3)],
        "gain of ten": gains[:, -1],
        "gain of ten over five": curve[:, -1] - curve[:, SIZES.index(5)],
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"One network of 300 digits has an accuracy of {means['accuracy of one']:.3f}, the mean of ten "
        f"{means['accuracy of ten']:.3f}. Three already bring {means['gain of three']:.3f} of the "
        f"{means['gain of ten']:.3f}, and from five to ten it is {means['gain of ten over five']:+.4f}: more are never "
        "worse in the mean, but soon add little."
    )


def _picture(found: Measured) -> StudyPicture:
    """By their number."""
    return curve_picture(np.array(SIZES), {"mean of k networks": found["accuracy"]}, "networks", "accuracy")


STUDY = ClaimStudy(
    name="ensembles",
    claims=("O6",),
    told="the mean of several networks is a little better, the more the better",
    verdict=HOLDS,
    formula="p(y | x) = 1/k sum over networks i of softmax(f_i(x));   -log p is convex: the loss of the mean is at "
    "most the mean of the losses",
    done="Ten networks 64-100-10 on the same 300 digits, 20 epochs of SGD at 0.1, that differ in initial weights and "
    "batches; the accuracy of the mean of k of them on 797 other digits, over all starts in a ring.",
    follows="`--keep refits` keeps the mean of five networks, `--keep ensemble` that of the folds' networks. Five are "
    "enough for most of it, and predict five times slower.",
    recipe="network: {hidden: [100]}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 20\n",
    sources=("Hansen & Salamon 1990, Neural network ensembles",
             "Lakshminarayanan, Pritzel & Blundell 2017, Simple and scalable predictive uncertainty estimation"),
    measure=_measure,
    bounds=(
        Bound("gain of three", 0, clear=True), Bound("gain of ten", 0, 0.04, clear=True),
        Bound("gain of ten over five", -0.002, 0.005),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
