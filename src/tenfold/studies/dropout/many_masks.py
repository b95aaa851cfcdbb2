"""The mean over many masks against one pass without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.masks import log_loss_of, masked_passes, scaled_pass, share_right
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import drawn_digits, recipe, trained_networks
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

COUNTS = (1, 3, 10, 30, 100, 200)


def _measure(seeds: Sequence[int]) -> Measured:
    """Log loss by the number of masks, of their mean and their geometric mean; and of one pass."""
    (arm,) = trained_networks([recipe(network={"dropout": 0.5}, epochs=40)], drawn_digits(seeds, 300))
    found: dict[str, list[Any]] = {}

    def note(name: str, value: Any) -> None:
        found.setdefault(name, []).append(value)

    for seed, one in zip(seeds, arm, strict=True):
        logs = masked_passes(one, COUNTS[-1], seed)
        plain, y = scaled_pass(one), one.test_y
        mean = [logs[:n].logsumexp(0) for n in COUNTS]  # without log n, which the log loss does not need
        note("by masks, mean", [log_loss_of(part, y) for part in mean])
        note("by masks, geometric mean", [log_loss_of(logs[:n].mean(0), y) for n in COUNTS])
        note("log loss, one pass", log_loss_of(plain, y))
        note("by masks, one pass without", np.full(len(COUNTS), log_loss_of(plain, y)))
        note("accuracy, one pass", share_right(plain, y))
        note("accuracy, 200 masks", share_right(mean[-1], y))
    numbers = {name: np.array(values) for name, values in found.items()}
    for name in ("mean", "geometric mean"):
        numbers[f"log loss, {name} of 200"] = numbers[f"by masks, {name}"][:, -1]
    numbers["gain of 200 masks"] = numbers["log loss, one pass"] - numbers["log loss, mean of 200"]
    numbers["geometric mean against one pass"] = (
        numbers["log loss, geometric mean of 200"] - numbers["log loss, one pass"]
    )
    numbers["gain of accuracy"] = numbers["accuracy, 200 masks"] - numbers["accuracy, one pass"]
    return numbers


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"The mean of 200 masks has a log loss of {means['log loss, mean of 200']:.3f} and an accuracy of "
        f"{means['accuracy, 200 masks']:.3f}; one pass without masks has {means['log loss, one pass']:.3f} and "
        f"{means['accuracy, one pass']:.3f}, at a two-hundredth of the cost. The pass is near the geometric mean of "
        f"the masks ({means['log loss, geometric mean of 200']:.3f}), another average and no worse one."
    )


def _picture(found: Measured) -> StudyPicture:
    """Log loss by the number of masks."""
    curves = {name: found[f"by masks, {name}"] for name in ("mean", "geometric mean", "one pass without")}
    return curve_picture(np.array(COUNTS), curves, "masks", "log loss on other rows", log="xy")


STUDY = ClaimStudy(
    name="many-masks",
    claims=("C65", "E37"),
    told="the average over many random masks is the right prediction, and one pass with scaled weights a cheap "
    "stand-in",
    verdict=FAILS,
    formula="masks: p(y|x) = (1/S) sum_s softmax(f(x; m_s));   one pass: softmax(f(x; E m)), near softmax of the "
    "mean of f(x; m_s), the geometric mean",
    done="64-100-100-10 ReLU networks with dropout 0.5, 40 epochs of SGD at 0.1 on 300 digits; 797 others predicted "
    "by one pass and by the average of up to 200 masks.",
    follows="Predict with one pass. Masks are for what one pass does not have: `tenfold predict --samples` adds the "
    "spread between them.",
    rules=("dropout",),
    recipe="network: {hidden: [100, 100], dropout: 0.5}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 40\n",
    sources=("Srivastava et al. 2014, Dropout, appendix B", "Baldi & Sadowski 2013, Understanding dropout",
             "Gal & Ghahramani 2016, Dropout as a Bayesian approximation"),
    measure=_measure,
    bounds=(
        Bound("gain of 200 masks", high=0.02), Bound("gain of accuracy", high=0.01),
        Bound("geometric mean against one pass", -0.1, 0.1),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
