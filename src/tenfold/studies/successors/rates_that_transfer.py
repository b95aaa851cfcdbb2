"""The best rate by width, with and without muP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import CurvePanel, StudyPicture, curve_panels
from tenfold.studies.parts.trainings import drawn_digits, train_together
from tenfold.studies.parts.widths import of_width
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

WIDTHS = (32, 128, 512)
RATES = tuple(10 ** (k / 4) for k in range(-13, -3))  # 0.0006 to 0.1
KINDS = {"standard": False, "muP": True}


def _measure(seeds: Sequence[int]) -> Measured:
    """The training loss after two epochs by width and rate, and where it is lowest."""
    rows = drawn_digits(seeds, 500)
    found: dict[str, Any] = {}
    for name, mup in KINDS.items():
        best = []
        for width in WIDTHS:
            recipes = [of_width(width, rate, mup=mup, epochs=2) for rate in RATES]
            losses = np.nan_to_num(train_together(recipes, rows).training_loss[..., -1], nan=np.inf)  # (rates, seeds)
            found[f"loss, {name}, width {width}"] = np.minimum(losses, 100).T
            best.append(losses.argmin(0))
        log_rates = np.log10(np.array(RATES)[np.array(best)])  # (widths, seeds)
        for width, one in zip(WIDTHS, log_rates, strict=True):
            found[f"log10 of the best rate, {name}, width {width}"] = one
        found[f"shift in decades, {name}"] = log_rates[-1] - log_rates[0]
        found[f"at the border, {name}"] = np.isin(best, (0, len(RATES) - 1)).mean(0)
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    best = {
        (name, width): 10 ** means[f"log10 of the best rate, {name}, width {width}"]
        for name in KINDS
        for width in WIDTHS
    }
    rates = {name: ", ".join(f"{best[name, width]:.4f}" for width in WIDTHS) for name in KINDS}
    return (
        f"The rates of Adam with the lowest training loss at widths of {', '.join(map(str, WIDTHS))} are "
        f"{rates['standard']} for ordinary networks, a factor of {10 ** -means['shift in decades, standard']:.1f} "
        f"lower for the widest, and {rates['muP']} with muP (a factor of "
        f"{10 ** abs(means['shift in decades, muP']):.1f} "
        f"{'lower' if means['shift in decades, muP'] < 0 else 'higher'}). What a narrow network found can be given "
        "to a wide one."
    )


def _picture(found: Measured) -> StudyPicture:
    """Training loss by rate, one panel each."""
    panels = [
        CurvePanel(np.array(RATES), {f"width {one}": found[f"loss, {name}, width {one}"].mean(0) for one in WIDTHS},
                   "rate of Adam", f"training loss, {name}", "xy")
        for name in KINDS
    ]  # fmt: skip
    return curve_panels(*panels)


STUDY = ClaimStudy(
    name="rates-that-transfer",
    claims=("S2",),
    told="with muP the best rate of a narrow network is the best rate of a wide one",
    verdict=HOLDS,
    formula="standard: the best rate falls with the width n;   muP: lr for the first layer and biases, lr 64 / n for "
    "hidden and output matrices, output weights of variance 2 / 64 (64 / n)^2",
    done="64-n-n-10 ReLU networks of three widths, two epochs of Adam in batches of 50 of 500 digits, at ten rates "
    "from 0.0006 to 0.1; the rate with the lowest training loss for each seed.",
    follows="Searching rates at one width and training at another wants muP; without it search again. In Tenfold "
    "rates by layer are `Module(..., groups=...)`.",
    rules=("adam", "he"),
    sources=("Yang et al. 2022, Tensor programs V: tuning large neural networks via zero-shot hyperparameter "
             "transfer",),
    measure=_measure,
    bounds=(
        Bound("shift in decades, standard", high=-0.4, clear=True), Bound("shift in decades, muP", -0.3, 0.3),
        Bound("at the border, standard", 0, 0.1), Bound("at the border, muP", 0, 0.1),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
