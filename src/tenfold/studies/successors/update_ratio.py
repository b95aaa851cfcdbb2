"""How large updates are where training goes best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, cloud
from tenfold.studies.parts.trainings import drawn_digits, recipe, train_together
from tenfold.studies.parts.updates import watched
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

EARLY = 20  # updates over whose median the ratio is taken
NEAR = 0.01  # of accuracy: rates that are no worse than the best by more train as well as any
RATES = {"sgd": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0), "adam": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)}


def _measure(seeds: Sequence[int]) -> Measured:
    """Early ratios and accuracy after five epochs by rate of SGD and Adam."""
    rows, found = drawn_digits(seeds), dict[str, Any]()
    for name, rates in RATES.items():
        recipes = [recipe(optimizer={name: {"lr": rate}}) for rate in rates]
        early = [recipe(optimizer={name: {"lr": rate}}, epochs=1) for rate in rates]
        ratios = np.median(watched(early, rows).ratios[..., :EARLY], 2)  # (rates, seeds)
        scores = train_together(recipes, rows).last
        best = int(scores.mean(1).argmax())
        low = np.nanargmin(np.abs(np.log(ratios.mean(1) / 1e-3)))
        good = ratios[scores.mean(1) >= scores[best].mean() - NEAR]
        found[f"ratio by rate, {name}"], found[f"accuracy by rate, {name}"] = ratios.T, scores.T
        for word, of in (("least", np.min), ("largest", np.max)):
            found[f"log10 of the {word} ratio that trains as well as any, {name}"] = np.log10(of(good, 0))
        found[f"loss of accuracy at a thousandth, {name}"] = scores[best] - scores[low]
        found[f"accuracy, {name}"] = scores[best]
        found[f"at the border, {name}"] = np.full(len(seeds), float(best in (0, len(rates) - 1)))
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    least, largest = (
        {name: 10 ** means[f"log10 of the {word} ratio that trains as well as any, {name}"] for name in RATES}
        for word in ("least", "largest")
    )
    return (
        f"Rates that train as well as any begin with updates of {least['sgd']:.3f} to {largest['sgd']:.3f} of the "
        f"weights with SGD (accuracy {means['accuracy, sgd']:.3f}) and {least['adam']:.3f} to {largest['adam']:.3f} "
        f"with Adam ({means['accuracy, adam']:.3f}). At the rates whose updates are nearest to a thousandth, "
        f"accuracy after five epochs is {means['loss of accuracy at a thousandth, sgd']:.2f} and "
        f"{means['loss of accuracy at a thousandth, adam']:.2f} lower: there it is too slow."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by ratio."""
    groups = {
        name: (np.log10(found[f"ratio by rate, {name}"]).ravel(), found[f"accuracy by rate, {name}"].ravel())
        for name in RATES
    }
    return cloud(groups, "log10 of the norm of an early update over the norm of the weights", "accuracy on other rows")


STUDY = ClaimStudy(
    name="update-ratio",
    claims=("O4",),
    told="an update should be about a thousandth of the weights",
    verdict=FAILS,
    formula="ratio = |w(t+1) - w(t)| / |w(t)|, layer by layer; here the median of the first 20 updates, the mean "
    "over layers",
    done="64-100-100-10 ReLU networks with He's weights on 1,000 digits, batches of 50, five epochs at seven rates "
    "of plain SGD and of Adam; the ratio over the first 20 updates.",
    follows="Early updates of a hundredth are healthy. Use the ratio to find rates that are wrong by a factor of a "
    "hundred, as `tenfold diagnose` does, not to set a rate: for that search.",
    rules=("sgd", "adam"),
    recipe="network: {hidden: [100, 100]}\noptimizer: {adam: {lr: 0.003}}\nbatch_size: 50\nepochs: 5\n",
    sources=("Stanford CS231n, notes on the ratio of updates and weights",),
    measure=_measure,
    bounds=(
        Bound("log10 of the least ratio that trains as well as any, sgd", -2.6),
        Bound("log10 of the least ratio that trains as well as any, adam", -2.6),
        Bound("log10 of the largest ratio that trains as well as any, sgd", high=-0.7),
        Bound("log10 of the largest ratio that trains as well as any, adam", high=-0.7),
        Bound("loss of accuracy at a thousandth, sgd", 0.02, clear=True),
        Bound("loss of accuracy at a thousandth, adam", 0.01, clear=True),
        Bound("at the border, sgd", 0, 0), Bound("at the border, adam", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
