"""Gradients of deep networks with batch normalization: the same from every start, and growing with depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.rules.activations import ReLU
from tenfold.rules.initialization import He
from tenfold.studies.parts.chain import square_chain
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe, sgd
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

DEPTH, WIDTH, ROWS = 20, 512, 128
GAINS = (0.5, 1.0, 2.0)  # in units of He's
NAMES = {(gain, kind): f"He x {gain:g}{', batch norm' if kind else ''}" for kind in (False, True) for gain in GAINS}
RATES = (0.01, 0.03, 0.1, 0.3)


def _at_the_start(seed: int) -> dict[str, Any]:
    """The gradient by layer against the last one's for three sizes of the weights, and its growth a layer."""
    found: dict[str, Any] = {}
    for (gain, kind), name in NAMES.items():
        rule = He(gain=gain * ReLU.gain)
        made = square_chain(rule, ReLU.formula, depth=DEPTH, width=WIDTH, rows=ROWS, seed=seed, normalize=kind)
        sizes = np.array([float(part.norm()) for part in made.sums])
        found[f"log10, {name}"] = np.log10(sizes / sizes[-1])
        found[f"log10 of first over last, {name}"] = np.log10(sizes[0] / sizes[-1])
        # The first and the last layer are left out: one has no normalized input, the other no normalization behind it.
        found[f"squared growth a layer, {name}"] = (sizes[1] / sizes[-2]) ** (2 / (DEPTH - 3))
    found["spread with batch norm"] = np.ptp(
        [found[f"log10 of first over last, {NAMES[gain, True]}"] for gain in GAINS]
    )
    return found


def _measure(seeds: Sequence[int]) -> Measured:
    """At the start; and the accuracy of 20 and 40 trained layers, with and without, each at its best rate."""
    arms = {
        f"accuracy of {depth} layers, {name}": [
            recipe((50,) * depth, network={"normalization": name}, **c) for c in sgd(*RATES)
        ]
        for depth in (20, 40)
        for name in ("none", "batch")
    }
    trained = compete(arms, drawn_digits(seeds))
    return {**by_seed(_at_the_start)(seeds), **{name: arm.best for name, arm in trained.items()}}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    ratio = {one: 10 ** means[f"log10 of first over last, {NAMES[one]}"] for one in NAMES}
    return (
        f"Over twenty ReLU layers the gradient changes by a factor of {ratio[0.5, False]:.0e}, "
        f"{ratio[1.0, False]:.1f} or {ratio[2.0, False]:.0e} with half, right and twice He's weights; with batch "
        f"normalization by {ratio[1.0, True]:.0f} whatever the weights, because its square grows by "
        f"{means['squared growth a layer, He x 1, batch norm']:.3f} a layer. Vanishing is cured and explosion is "
        f"built in: 20 trained layers reach {means['accuracy of 20 layers, none']:.2f} without and "
        f"{means['accuracy of 20 layers, batch']:.2f} with it, 40 layers {means['accuracy of 40 layers, none']:.2f} "
        f"and {means['accuracy of 40 layers, batch']:.2f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """The gradient by layer."""
    curves = {NAMES[gain, False]: 10 ** found[f"log10, {NAMES[gain, False]}"].mean(0) for gain in GAINS}
    curves["all three with batch norm"] = 10 ** found[f"log10, {NAMES[1.0, True]}"].mean(0)
    return curve_picture(np.arange(1, DEPTH + 1), curves, "layer", "gradient, in units of the last layer's", log="y")


STUDY = ClaimStudy(
    name="deep-normalization",
    claims=("C44", "E23"),
    told="batch normalization solves vanishing and exploding gradients together",
    verdict=FAILS,
    formula="plain ReLU layers with batch normalization, wide, at the start:   E[delta(l)^2] = pi / (pi - 1) "
    "E[delta(l+1)^2] = 1.467 E[delta(l+1)^2]",
    done="Twenty ReLU layers of 512 units on 128 normal rows, weights of half, once and twice He's size, without "
    "training; and 20 and 40 layers of 50 units from He's weights, five epochs on 1,000 digits at the best of four "
    "rates of SGD.",
    follows="It takes the scale of the weights out, and that is all: deep networks need shortcuts (`residual`), not "
    "more normalization.",
    rules=("batch_norm", "he", "residual"),
    recipe="network: {hidden: [50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50], "
    "normalization: batch}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 5\n",
    sources=("Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019, A mean field theory of batch normalization",
             "Ioffe & Szegedy 2015, Batch normalization"),
    measure=_measure,
    bounds=(
        Bound("squared growth a layer, He x 1, batch norm", 1.417, 1.517),
        Bound("log10 of first over last, He x 1, batch norm", 1, 2),
        Bound("log10 of first over last, He x 1", -0.5, 0.5),
        Bound("spread with batch norm", 0, 0.05), Bound("accuracy of 40 layers, batch", high=0.6),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
