"""Deep networks without normalization from starts that are made for their depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.recipe.module import Module
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

LAYERS, WIDTH = (20, 50), 50
PLAIN_RATES, FIXUP_RATES = (0.0012, 0.005, 0.02, 0.08), (0.02, 0.08, 0.3)


class _Block(nn.Module):
    """x + s (W2 relu(W1 (x + b1) + b2) + b3): W1 is He's times blocks^-1/2, W2 is 0."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(width, width), nn.Linear(width, width)
        self.before, self.factor = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.ones(1))
        nn.init.kaiming_normal_(self.one.weight)
        with torch.no_grad():
            self.one.weight *= blocks**-0.5
        for zero in (self.one.bias, self.two.weight, self.two.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, units)."""
        return x + self.factor * self.two(self.one(x + self.before).relu())


def _fixup(input_shape: tuple[int, ...], outputs: int, layers: int = 20) -> nn.Sequential:
    """So many layers with weights, the first and the last among them; the last begins at 0."""
    blocks = (layers - 2) // 2
    first, last = nn.Linear(input_shape[0], WIDTH), nn.Linear(WIDTH, outputs)
    nn.init.kaiming_normal_(first.weight)
    for zero in (first.bias, last.weight, last.bias):
        nn.init.zeros_(zero)
    return nn.Sequential(first, nn.ReLU(), *(_Block(WIDTH, blocks) for _ in range(blocks)), last)


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy at the best rate of plain networks from He's and LSUV's weights, and of Fixup's."""
    arms = {}
    for layers in LAYERS:
        kinds: dict[str, dict[str, Any]] = {
            "He": {"init": "he"}, "LSUV": {"init": "lsuv"}, "Fixup": {"network": Module(_fixup, layers=layers)},
        }  # fmt: skip
        for name, change in kinds.items():
            arms[f"{layers} layers, {name}"] = [
                recipe(
                    (WIDTH,) * (layers - 1), epochs=4, optimizer={"momentum": {"lr": rate, "momentum": 0.9}}, **change
                )
                for rate in (FIXUP_RATES if name == "Fixup" else PLAIN_RATES)
            ]
    found = compete(arms, drawn_digits(seeds))
    borders = np.full(len(seeds), sum(arm.border for arm in found.values()))
    return {name: arm.best for name, arm in found.items()} | {"best rates at a border": borders}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    score = {(layers, name): means[f"{layers} layers, {name}"] for layers in LAYERS for name in ("He", "LSUV", "Fixup")}
    return (
        f"Networks of 50 layers without normalization reach {score[50, 'Fixup']:.3f} from Fixup's start with "
        f"shortcuts, those of 20 layers {score[20, 'Fixup']:.3f}. Plain ones reach {score[20, 'He']:.2f} from He's "
        f"weights and {score[20, 'LSUV']:.2f} from LSUV with 20 layers, and {score[50, 'He']:.2f} and "
        f"{score[50, 'LSUV']:.2f} with 50, each at the best of its rates."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracies."""
    return bars({name: values for name, values in found.items() if "layers" in name}, "accuracy on other rows")


STUDY = ClaimStudy(
    name="fixup-depth",
    claims=("S3",),
    told="networks of 50 layers train without normalization if they start right",
    verdict=HOLDS,
    formula="L blocks x + s (W2 relu(W1 (x + b1) + b2) + b3):   W1 = He's L^(-1/2), W2 = 0, output layer = 0; every "
    "block begins as the identity",
    done="ReLU networks of 50 units and 20 or 50 layers on 1,000 digits, four epochs of SGD with momentum 0.9 at the "
    "best of three or four rates: plain from He's and from LSUV's weights, and with Fixup's shortcuts and start.",
    follows="Depth needs shortcuts and blocks that begin as the identity; normalization is one way to get there. In "
    "Tenfold `residual` gives shortcuts, a `Module` any start.",
    rules=("he", "lsuv", "residual"),
    recipe="network: {hidden: [50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50]}\ninit: "
    "lsuv\noptimizer: {momentum: {lr: 0.02}}\nbatch_size: 50\nepochs: 4\n",
    sources=("Zhang, Dauphin & Ma 2019, Fixup initialization: residual learning without normalization",
             "Mishkin & Matas 2016, All you need is a good init"),
    measure=_measure,
    bounds=(
        Bound("20 layers, Fixup", 0.92), Bound("50 layers, Fixup", 0.92), Bound("50 layers, He", high=0.6),
        Bound("50 layers, LSUV", high=0.7), Bound("best rates at a border", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
