"""Batch normalization whose outputs are made to shift at every update trains as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.recipe.module import Module
from tenfold.recipe.recipe import Recipe
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import compete, drawn_digits, sgd
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

RATES = (0.1, 0.3, 1.0, 3.0)
SHIFT = 0.5  # what is added to a unit or taken off, and the factor's distance from 1
KINDS: dict[str, dict[str, Any]] = {
    "without": {"normalized": False},
    "batch norm": {"normalized": True},
    "batch norm, shifted": {"normalized": True, "shift": SHIFT},
}


class _Shifted(nn.Module):
    """In training every unit is stretched and moved by numbers that are drawn anew for every batch."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift, self.draw = shift, nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, units)."""
        # Dropout makes 0 or 2 of 1 in training, and leaves it at prediction: signs, then 0.
        stretch, move = self.draw(torch.ones(2, x.shape[1])) - 1
        return x * (1 + self.shift * stretch) + self.shift * move


def _network(input_shape: tuple[int, ...], outputs: int, normalized: bool = False, shift: float = 0.0) -> nn.Sequential:
    layers: list[nn.Module] = []
    sizes = [*input_shape, 100, 100, 100, 100]
    for before, units in pairwise(sizes):
        dense = nn.Linear(before, units)
        nn.init.kaiming_normal_(dense.weight)
        nn.init.zeros_(dense.bias)
        layers += [dense, *([nn.BatchNorm1d(units)] if normalized else []), _Shifted(shift), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy by rate of the three."""
    arms = {
        name: [
            Recipe.from_dict({"network": Module(_network, **fields), "batch_size": 50, "epochs": 5, **change})
            for change in sgd(*RATES)
        ]
        for name, fields in KINDS.items()
    }
    scores = compete(arms, drawn_digits(seeds))
    found: dict[str, Any] = {f"by rate, {name}": arm.scores.T for name, arm in scores.items()}
    found |= {f"{name}, rate 1": arm.at(1.0) for name, arm in scores.items()}
    found["shifted minus not, rate 1"] = found["batch norm, shifted, rate 1"] - found["batch norm, rate 1"]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"At a rate of 1 accuracy is {means['without, rate 1']:.2f} without and {means['batch norm, rate 1']:.3f} "
        "with batch normalization; where every unit behind it is stretched and moved at random at each update, by "
        f"half a standard deviation, it is {means['batch norm, shifted, rate 1']:.3f}. Inputs of layers that shift "
        "do not undo what it is good for, so that it keeps them from shifting is not the reason."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by rate."""
    curves = {name: found[f"by rate, {name}"] for name in KINDS}
    return curve_picture(np.array(RATES), curves, "learning rate", "accuracy on other rows", log="x")


STUDY = ClaimStudy(
    name="covariate-shift",
    claims=("C49b",),
    told="batch normalization works because it reduces internal covariate shift",
    verdict=FAILS,
    formula="shifted:   y = (1 + 0.5 s1) BN(z) + 0.5 s2,   s1 and s2 random signs, one for each unit, anew at every "
    "update",
    done="64-100-100-100-100-10 ReLU networks without, with, and with a shifted batch normalization, five epochs of "
    "SGD on 1,000 digits, batches of 50, at four rates; the shifts are off where accuracy is measured.",
    follows="Choose normalization for the rates and starts that it permits, and look for the reason in what it does to "
    "the gradient's steps.",
    rules=("batch_norm",),
    recipe="network: {hidden: [100, 100, 100, 100], normalization: batch}\noptimizer: {sgd: {lr: 1.0}}\nbatch_size: "
    "50\nepochs: 5\n",
    sources=("Santurkar, Tsipras, Ilyas & Madry 2018, How does batch normalization help optimization?",
             "Ioffe & Szegedy 2015, Batch normalization"),
    measure=_measure,
    bounds=(
        Bound("without, rate 1", high=0.6), Bound("batch norm, rate 1", 0.9),
        Bound("shifted minus not, rate 1", -0.05), Bound("batch norm, shifted, rate 1", 0.85),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
