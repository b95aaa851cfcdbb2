"""How much the loss wiggles, by the size of the batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import drawn_digits, recipe
from tenfold.studies.parts.updates import watched
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

ROWS, UPDATES, TAIL, RATE = 500, 500, 100, 0.02
SIZES = {1: "1", 10: "10", 100: "100", ROWS: "all 500"}


def _measure(seeds: Sequence[int]) -> Measured:
    """How far the loss jumps from one update to the next, in units of its mean, over the last updates."""
    found: dict[str, Any] = {}
    for size, name in SIZES.items():
        one = recipe((32,), batch_size=size, epochs=UPDATES * size // ROWS, optimizer={"sgd": {"lr": RATE}})
        losses = watched([one], drawn_digits(seeds, ROWS)).losses[0]  # (seeds, updates)
        assert losses.shape[1] == UPDATES
        # Differences of neighbours, and not from the mean, so that the way down does not count.
        jumps = np.diff(losses[:, -TAIL:], axis=1)
        found[f"losses, {name}"] = losses
        found[f"wiggle, {name}"] = jumps.std(1) / np.sqrt(2) / losses[:, -TAIL:].mean(1)
        found[f"rises, {name}"] = (jumps > 0).mean(1)
    for small, large in ((1, 10), (10, 100)):
        found[f"{small} over {large}"] = found[f"wiggle, {SIZES[small]}"] / found[f"wiggle, {SIZES[large]}"]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    wiggle = {name: means[f"wiggle, {name}"] for name in SIZES.values()}
    return (
        f"From one update to the next the loss jumps by {wiggle['1']:.1f} times its mean with batches of 1, "
        f"{wiggle['10']:.2f} with 10, {wiggle['100']:.2f} with 100 and {wiggle['all 500']:.4f} with all rows, where "
        f"it rises in {means['rises, all 500']:.0%} of the updates (with batches of 10 in {means['rises, 10']:.0%}). "
        "A loss that wiggles is no sign of a training that does not get on."
    )


def _picture(found: Measured) -> StudyPicture:
    """The losses of the first seed."""
    curves = {f"batch {name}": found[f"losses, {name}"][0] for name in SIZES.values()}
    return curve_picture(np.arange(1, UPDATES + 1), curves, "update (one training each)", "loss of the batch", log="y")


STUDY = ClaimStudy(
    name="batch-wiggle",
    claims=("O8",),
    told="the smaller the batch, the more the loss wiggles",
    verdict=HOLDS,
    formula="loss of a batch of n rows = mean loss + noise of standard deviation sd(loss of a row) / sqrt(n)",
    done="64-32-10 ReLU networks, 500 updates of plain SGD at 0.02 on 500 digits, with batches of 1, 10, 100 and all "
    "rows; the last 100 updates count.",
    follows="Judge a training by averages over an epoch, as Tenfold's curves are; with all rows in a batch, a loss "
    "that rises means that the rate is too high.",
    rules=("sgd",),
    recipe="network: {hidden: [32]}\noptimizer: {sgd: {lr: 0.02}}\nbatch_size: 10\nepochs: 10\n",
    sources=("Stanford CS231n, notes on babysitting the learning process",),
    measure=_measure,
    bounds=(
        Bound("1 over 10", 1.5, 8),
        Bound("10 over 100", 1.5, 8),
        Bound("wiggle, 100", 0.02),
        Bound("wiggle, all 500", high=0.01),
        Bound("rises, all 500", 0, 0),
        Bound("rises, 10", 0.3, 0.7),
    ),
    say=_say,
    draw=_picture,
)
