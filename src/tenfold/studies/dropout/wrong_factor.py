"""What outputs are multiplied by at test time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.masks import log_loss_of, scaled_pass, share_right
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import drawn_digits, recipe, trained_networks
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

RATES = (0.2, 0.5, 0.8)


def _measure(seeds: Sequence[int]) -> Measured:
    """Log loss and accuracy with the right and the told factor."""
    arms = trained_networks([recipe(network={"dropout": rate}, epochs=15) for rate in RATES], drawn_digits(seeds))
    found: dict[str, Any] = {}
    for rate, arm in zip(RATES, arms, strict=True):
        # In training what is kept was divided by 1 - rate already: times rate in all is rate / (1 - rate) now.
        for name, factor in (("1 - rate", 1.0), ("rate", rate / (1 - rate))):
            outputs = [scaled_pass(one, factor) for one in arm]
            for word, of in (("log loss", log_loss_of), ("accuracy", share_right)):
                found[f"{word}, {rate:g}, times {name}"] = np.array(
                    [of(o, one.test_y) for o, one in zip(outputs, arm, strict=True)]
                )
    for rate in (0.2, 0.5):
        found[f"log loss over the right one, {rate:g}"] = (
            found[f"log loss, {rate:g}, times rate"] / found[f"log loss, {rate:g}, times 1 - rate"]
        )
    found["loss of accuracy, 0.2"] = found["accuracy, 0.2, times 1 - rate"] - found["accuracy, 0.2, times rate"]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        "At a dropout rate of 0.2, multiplying by the rate makes the log loss "
        f"{means['log loss, 0.2, times rate']:.2f} where multiplying by one minus the rate gives "
        f"{means['log loss, 0.2, times 1 - rate']:.3f}; at 0.5 the two are one. Accuracy hardly sees it "
        f"({means['accuracy, 0.2, times rate']:.3f} and {means['accuracy, 0.2, times 1 - rate']:.3f}), which is why "
        "the slip lives on."
    )


def _picture(found: Measured) -> StudyPicture:
    """Log losses."""
    names = [f"{rate:g}, times {name}" for rate in RATES for name in ("1 - rate", "rate")]
    return bars({f"rate {name}": found[f"log loss, {name}"] for name in names}, "log loss on other rows", log=True)


STUDY = ClaimStudy(
    name="wrong-factor",
    claims=("C64", "E36"),
    told="at test time multiply the outputs by the dropout rate",
    verdict=FAILS,
    formula="training x m, m = 1 with probability 1 - rate, else 0:   E[x m] = (1 - rate) x;   inverted: x m / (1 - "
    "rate), E = x, and nothing to do at test time",
    done="64-100-100-10 ReLU networks with dropout behind both hidden layers at three rates, 15 epochs of SGD at 0.1 "
    "on 1,000 digits; the other rows with either factor.",
    follows="Tenfold's dropout is inverted: prediction uses the network as it is. Hold an implementation against the "
    "log loss, not the accuracy. At 0.8 the wrong factor sharpens outputs that are too unsure, and even lowers it.",
    rules=("dropout",),
    recipe="network: {hidden: [100, 100], dropout: 0.2}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 15\n",
    sources=("Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, Dropout", "Stanford CS231n, notes on "
             "regularization"),
    measure=_measure,
    bounds=(
        Bound("log loss over the right one, 0.2", 3), Bound("log loss over the right one, 0.5", 1 - 1e-6, 1 + 1e-6),
        Bound("loss of accuracy, 0.2", high=0.05),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
