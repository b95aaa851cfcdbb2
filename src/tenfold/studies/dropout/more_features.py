"""Whether networks that were trained with dropout stand the loss of inputs and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.engine.module import ActivationLayer
from tenfold.studies.parts.masks import share_right
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import Trained, drawn_digits, recipe, trained_networks
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)  # of what is taken away
KINDS = {"without": 0.0, "with dropout": 0.5}


def _without_inputs(found: Trained, share: float, keep: Tensor) -> float:
    """Accuracy with so many inputs of every row at their mean; keep: uniform (rows, columns)."""
    with torch.no_grad():
        return share_right(found.module(found.test_x * (keep >= share)), found.test_y)


def _without_units(found: Trained, share: float, keep: Tensor) -> float:
    """Accuracy with so many units of each hidden layer at 0; keep: uniform (layers, units), the same for all rows."""
    h, layer = found.test_x, 0
    with torch.no_grad():
        for part in found.module:
            h = part(h)
            if isinstance(part, ActivationLayer):
                h, layer = h * (keep[layer] >= share), layer + 1
    return share_right(h, found.test_y)


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy by the share of inputs and of hidden units that is taken away."""
    arms = trained_networks(
        [recipe(network={"dropout": rate}, epochs=30) for rate in KINDS.values()], drawn_digits(seeds)
    )
    found: dict[str, Any] = {}
    for name, arm in zip(KINDS, arms, strict=True):
        inputs, units = [], []
        for seed, one in zip(seeds, arm, strict=True):
            generator = torch.Generator().manual_seed(seed)
            of_rows = torch.rand(one.test_x.shape, generator=generator)
            of_units = torch.rand(2, 100, generator=generator)
            inputs.append([_without_inputs(one, share, of_rows) for share in SHARES])
            units.append([_without_units(one, share, of_units) for share in SHARES])
        found[f"inputs, {name}"], found[f"units, {name}"] = np.array(inputs), np.array(units)
        for what in ("inputs", "units"):
            for share in (0.0, 0.4, 0.6):
                found[f"{share:.0%} of the {what} lost, {name}"] = found[f"{what}, {name}"][:, SHARES.index(share)]
    for share, what in ((0.4, "inputs"), (0.6, "units")):
        with_it, without = (found[f"{share:.0%} of the {what} lost, {name}"] for name in ("with dropout", "without"))
        found[f"gain where {share:.0%} of the {what} are lost"] = with_it - without
    found["gain where nothing is lost"] = (
        found["0% of the inputs lost, with dropout"] - found["0% of the inputs lost, without"]
    )
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"With 40 % of the pixels gone, accuracy is {means['40% of the inputs lost, without']:.3f} for networks "
        f"trained without and {means['40% of the inputs lost, with dropout']:.3f} for those trained with dropout; "
        f"with 60 % of the hidden units gone, {means['60% of the units lost, without']:.3f} and "
        f"{means['60% of the units lost, with dropout']:.3f}. On whole rows the difference is "
        f"{means['gain where nothing is lost']:+.3f}: what was learned is spread over more units, and a little over "
        "more pixels."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by what is lost."""
    curves = {
        f"{what}, {name}": found[f"{what}, {name}"].mean(0)
        for name in ("with dropout", "without")
        for what in ("units", "inputs")
    }
    return curve_picture(np.array(SHARES), curves, "share that is lost", "accuracy on other rows")


STUDY = ClaimStudy(
    name="more-features",
    claims=("C66",),
    told="a network trained with dropout relies on more features",
    verdict=HOLDS,
    formula="in training every unit is missing half of the time:   the loss is E_m[L(f(x; m))], small only where no "
    "unit is needed alone",
    done="64-100-100-10 ReLU networks with and without dropout 0.5 behind both hidden layers, 30 epochs of SGD at "
    "0.1 on 1,000 digits; then random inputs of every row are set to their mean, or random hidden units to 0, "
    "without training again.",
    follows="Expect robustness against missing parts rather than accuracy; for inputs that will be missing, train with "
    "`input_dropout`.",
    rules=("dropout",),
    recipe="network: {hidden: [100, 100], dropout: 0.5, input_dropout: 0.2}\noptimizer: {sgd: {lr: "
    "0.1}}\nbatch_size: 50\nepochs: 30\n",
    sources=("Srivastava et al. 2014, Dropout, sections 1 and 7",
             "Hinton et al. 2012, Improving neural networks by preventing "
             "co-adaptation of feature detectors"),
    measure=_measure,
    bounds=(
        Bound("gain where 40% of the inputs are lost", 0, clear=True),
        Bound("gain where 60% of the units are lost", 0, clear=True),
        Bound("gain where nothing is lost", -0.02, 0.02),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
