"""Dead ReLUs: a matter of the rate, not of the bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.engine.module import ActivationLayer
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import Trained, drawn_digits, recipe, sgd, trained_over_epochs
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

RATES, BIASES, EPOCHS = (0.01, 0.1, 0.3, 1.0), (0.01, 0.1), 5


def _dead(found: Trained) -> float:
    """The share of hidden units that are off on every training row."""
    h, off = found.x, []
    with torch.no_grad():
        for layer in found.module:
            h = layer(h)
            if isinstance(layer, ActivationLayer):
                off.append((h <= 0).all(0).double().mean())
    return float(torch.stack(off).mean())


def _measure(seeds: Sequence[int]) -> Measured:
    """Dead units of 64-100-100-10 over five epochs of SGD on digits."""
    arms = [recipe(**change) for change in sgd(*RATES)]
    arms += [recipe(init={"he": {"bias": bias}}, **sgd(1.0)[0]) for bias in BIASES]
    shares = [
        [[_dead(one) for one in arm] for arm in networks]
        for networks in trained_over_epochs(arms, drawn_digits(seeds), range(EPOCHS + 1))
    ]  # (times, arms, seeds)
    names = [f"rate {rate:g}" for rate in RATES] + [f"rate 1, bias {bias:g}" for bias in BIASES]
    paths = dict(zip(names, np.transpose(shares, (1, 2, 0)), strict=True))
    found = {name: path[:, -1] for name, path in paths.items()}
    found |= {f"over epochs, {name}": path for name, path in paths.items()}
    return found | {f"gain of bias {bias:g}": found["rate 1"] - found[f"rate 1, bias {bias:g}"] for bias in BIASES}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Dead units, off on all training rows: {means['rate 0.3']:.1%} up to a rate of 0.3, {means['rate 1']:.1%} "
        "at a "
        f"rate of 1. There a bias of 0.01 leaves {means['rate 1, bias 0.01']:.1%} and one of 0.1 "
        f"{means['rate 1, bias 0.1']:.1%}: it is the rate that kills, and a lower rate that prevents it."
    )


def _picture(found: Measured) -> StudyPicture:
    """Shares of dead units over the epochs."""
    shown = ("rate 0.3", "rate 1", "rate 1, bias 0.01", "rate 1, bias 0.1")
    curves = {name: 100 * found[f"over epochs, {name}"] for name in shown}
    return curve_picture(np.arange(EPOCHS + 1), curves, "epoch", "dead units, in percent")


STUDY = ClaimStudy(
    name="dead-units",
    claims=("C17", "C18", "E6", "E7"),
    told="a unit that some data leave inactive is dead, and a bias of 0.01 prevents it",
    verdict=FAILS,
    formula="unit j is dead iff relu(x W_j + b_j) = 0 on all rows: then dL/dW_j = 0, and no gradient of its own brings "
    "it back",
    done="Two hidden layers of 100 ReLUs with He's weights, five epochs of plain SGD on 1,000 digits, batches of "
    "50, at four rates; "
    "at the highest also with initial biases of 0.01 and 0.1.",
    follows="Lower the rate, clip the gradient or take an activation whose slope is not 0 for negative inputs. "
    "`tenfold diagnose` names dead units only where they are off on all rows.",
    rules=("relu", "leaky_relu"),
    recipe="network: {hidden: [100, 100]}\noptimizer: {sgd: {lr: 1.0}}\nbatch_size: 50\nepochs: 5\n",
    sources=("Lu, Shin, Su & Karniadakis 2020, Dying ReLU and initialization", "Stanford CS231n, notes on "
    "activation functions"),
    measure=_measure,
    bounds=(
        Bound("rate 0.3", 0, 0.005), Bound("rate 1", 0.02), Bound("gain of bias 0.01", high=0.01),
        Bound("gain of bias 0.1", high=0.01),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
