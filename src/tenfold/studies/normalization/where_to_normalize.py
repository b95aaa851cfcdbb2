"""Batch normalization before or behind the activation, and the bias in front of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import ReLU
from tenfold.studies.parts.chain import standardized
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import Arm, compete, drawn_digits, recipe, sgd
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

RATES = (0.03, 0.1, 0.3, 1.0, 3.0)
PLACES = ("before", "after")


def _bias_gradient(seed: int) -> float:
    """The largest gradient of a bias in front of batch normalization, in units of the largest in the sums."""
    rng = np.random.default_rng(seed)
    z, ahead = (torch.from_numpy(rng.standard_normal((64, 8))) for _ in range(2))
    bias = torch.zeros(8, dtype=torch.float64, requires_grad=True)
    sums = z + bias
    loss = (ReLU.formula(standardized(sums)) * ahead).sum()
    in_bias, in_sums = torch.autograd.grad(loss, [bias, sums])
    return float(in_bias.abs().max() / in_sums.abs().max())


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy of both places at every rate; the gradient of the bias."""
    arms = {
        place: [
            recipe((100,) * 4, network={"normalization": "batch", "normalize": place}, epochs=10, **change)
            for change in sgd(*RATES)
        ]
        for place in PLACES
    }
    scores: dict[str, Arm] = compete(arms, drawn_digits(seeds))
    found: dict[str, Any] = {"gradient of a bias in front": np.array([_bias_gradient(seed) for seed in seeds])}
    for place, arm in scores.items():
        found[f"by rate, {place}"], found[place], found[f"{place}, rate 3"] = arm.scores.T, arm.best, arm.at(3.0)
        found[f"at the border, {place}"] = np.full(len(seeds), float(arm.border))
    return found | {"before minus after": found["before"] - found["after"]}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"At the best rate of each, accuracy is {means['before']:.3f} with batch normalization before the activation "
        f"and {means['after']:.3f} behind it: no difference, though before it a rate of 3 still trains "
        f"({means['before, rate 3']:.2f} against {means['after, rate 3']:.2f}). A bias in front of it does nothing: "
        f"its gradient is {means['gradient of a bias in front']:.0e} of that in the sums."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by rate."""
    curves = {f"{place} the activation": found[f"by rate, {place}"] for place in PLACES}
    return curve_picture(np.array(RATES), curves, "learning rate", "accuracy on other rows", log="x")


STUDY = ClaimStudy(
    name="where-to-normalize",
    claims=("C49", "E25"),
    told="batch normalization belongs between a layer, with its bias, and the activation",
    verdict=FAILS,
    formula="relu(BN(W x + b))  or  BN(relu(W x + b));   BN(z + b) = BN(z), so in front of it dL/db = 0",
    done="64-100-100-100-100-10 ReLU networks with batch normalization before or behind every activation, ten epochs "
    "of SGD at the best of five rates on 1,000 digits; the gradient of a bias in front in float64.",
    follows="Leave `normalize` as it is, or let a search choose. Tenfold leaves the bias out that would do nothing. "
    "For large convolutional networks both orders have been reported better.",
    rules=("batch_norm",),
    recipe="network: {hidden: [100, 100, 100, 100], normalization: batch, normalize: after}\noptimizer: {sgd: {lr: "
    "0.3}}\nbatch_size: 50\nepochs: 10\n",
    sources=("Ioffe & Szegedy 2015, Batch normalization, section 3.2",
             "Mishkin, Sergievskiy & Matas 2017, Systematic evaluation of CNN advances on the ImageNet"),
    measure=_measure,
    bounds=(
        Bound("before minus after", -0.02, 0.02), Bound("gradient of a bias in front", 0, 1e-12), Bound("before", 0.9),
        Bound("at the border, before", 0, 0), Bound("at the border, after", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
