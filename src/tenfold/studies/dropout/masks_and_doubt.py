"""Whether the spread over masks shows which predictions are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from tenfold.studies.parts.masks import masked_passes, scaled_pass
from tenfold.studies.parts.pictures import StudyPicture, histograms
from tenfold.studies.parts.trainings import drawn_digits, recipe, trained_networks
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

SAMPLES = 50
EDGES = np.linspace(0, 0.5, 26)


def _measure(seeds: Sequence[int]) -> Measured:
    """The spread of right and wrong predictions, and how well errors are found by it."""
    (arm,) = trained_networks([recipe(network={"dropout": 0.5}, epochs=40)], drawn_digits(seeds, 300))
    found: dict[str, list[Any]] = {}

    def note(name: str, value: Any) -> None:
        found.setdefault(name, []).append(value)

    for seed, one in zip(seeds, arm, strict=True):
        p = masked_passes(one, SAMPLES, seed).exp()  # (samples, rows, classes)
        chosen = p.mean(0).argmax(1)
        spread = p[:, torch.arange(len(chosen)), chosen].std(0).numpy()
        wrong = (chosen != one.test_y).numpy()
        unsure = 1 - scaled_pass(one).softmax(1).max(1).values.numpy()
        noise = masked_passes(
            one, SAMPLES, seed, torch.randn(one.test_x.shape, generator=torch.Generator().manual_seed(seed))
        ).exp()
        chosen = noise.mean(0).argmax(1)
        strange = noise[:, torch.arange(len(chosen)), chosen].std(0).numpy()
        for name, part in (("right", spread[~wrong]), ("wrong", spread[wrong]), ("no digits", strange)):
            note(f"spread, {name}", float(part.mean()))
            note(f"histogram, {name}", np.histogram(part, EDGES)[0])
        note("errors found by the spread", roc_auc_score(wrong, spread))
        note("errors found by one pass", roc_auc_score(wrong, unsure))
    numbers = {name: np.array(values) for name, values in found.items()}
    numbers["wrong minus right"] = numbers["spread, wrong"] - numbers["spread, right"]
    numbers["one pass minus spread"] = numbers["errors found by one pass"] - numbers["errors found by the spread"]
    return numbers


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Over {SAMPLES} masks the probability of the predicted class varies by {means['spread, right']:.2f} where "
        f"the prediction is right, {means['spread, wrong']:.2f} where it is wrong and "
        f"{means['spread, no digits']:.2f} on noise that is no digit. Ranked by it, an error stands above a right "
        f"prediction in {means['errors found by the spread']:.0%} of all pairs; ranked by the probability of one "
        f"pass, in {means['errors found by one pass']:.0%}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Histograms of the spread."""
    parts = {name: found[f"histogram, {name}"] for name in ("right", "wrong", "no digits")}
    return histograms(
        parts, EDGES, f"standard deviation of the predicted class's probability over {SAMPLES} masks", columns=3
    )


STUDY = ClaimStudy(
    name="masks-and-doubt",
    claims=("C65", "E37"),
    told="with dropout left on at prediction, the spread tells where a network is unsure",
    verdict=HOLDS,
    formula="spread(x) = standard deviation over masks m of softmax(f(x; m))_k, k the class of the largest mean",
    done="64-100-100-10 ReLU networks with dropout 0.5, 40 epochs of SGD at 0.1 on 300 digits; 797 others and as "
    "many rows of normal noise, 50 masks each.",
    follows="`tenfold predict --samples 50` writes the spread beside each prediction. To find errors rank by "
    "the probability of one pass: it finds more of them, and costs nothing.",
    rules=("dropout",),
    recipe="network: {hidden: [100, 100], dropout: 0.5}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 40\n",
    sources=("Gal & Ghahramani 2016, Dropout as a Bayesian approximation",),
    measure=_measure,
    bounds=(
        Bound("errors found by the spread", 0.75), Bound("wrong minus right", 0.02, clear=True),
        Bound("one pass minus spread", 0, 0.25, clear=True),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
