"""One network trained on all rows, the networks of the folds, and their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from tenfold.data.split.folds import make_folds
from tenfold.data.split.request import Splits
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import DrawnRows, probabilities_of, recipe, trained_networks
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

ROWS, FOLDS = 200, 5
NAMES = ("a network of a fold", "the network of all rows", "mean of the five networks")


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy on the digits that were not drawn."""
    data: Any = load_digits()
    x, y, folds = [], [], []
    for place, seed in enumerate(seeds):
        order, first = np.random.default_rng(seed).permutation(len(data.data)), place * len(data.data)
        x.append(data.data[order])
        y.append(data.target[order])
        parts = make_folds(y[-1][:ROWS], Splits(FOLDS, seed=seed), classification=True)
        ahead = first + np.arange(ROWS, len(order))
        folds += [(first + part.train, ahead) for part in parts] + [(first + np.arange(ROWS), ahead)]
    rows = DrawnRows(np.concatenate(x), np.concatenate(y), folds)
    (networks,) = trained_networks([recipe((64, 64), epochs=100)], rows)
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for place in range(len(seeds)):
        ours = networks[place * (FOLDS + 1) : (place + 1) * (FOLDS + 1)]
        truth = ours[0].test_y.numpy()
        outputs = [probabilities_of(one) for one in ours]
        right = [float((output.argmax(1) == truth).mean()) for output in outputs]
        mean = float((np.mean(outputs[:FOLDS], 0).argmax(1) == truth).mean())
        for name, value in zip(NAMES, (np.mean(right[:FOLDS]), right[FOLDS], mean), strict=True):
            found[name].append(float(value))
    arrays = {name: np.array(values) for name, values in found.items()}
    fold, refit, ensemble = (arrays[name] for name in NAMES)
    return arrays | {"retrained over a fold's": refit - fold, "retrained less the mean of five": refit - ensemble}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    fold, refit, ensemble = (means[name] for name in NAMES)
    return (
        f"On other digits the networks of the folds, of 160 rows each, have an accuracy of {fold:.3f}, the one "
        f"retrained on all {ROWS} {refit:.3f}. The mean of the five networks, which costs no further training, has "
        f"{ensemble:.3f}, {ensemble - refit:.3f} more than the retrained one."
    )


def _picture(found: Measured) -> StudyPicture:
    """The three."""
    return bars({name: found[name] for name in NAMES}, "accuracy on the 1,597 digits that were not drawn")


STUDY = ClaimStudy(
    name="retraining-on-all",
    claims=("C04", "E1"),
    told="after cross-validation, retrain on all training rows",
    verdict=f"{CONDITION}one network is to be kept: the mean of the folds' networks is better still",
    formula="refit: theta(all n rows);   ensemble: 1/k sum over folds j of p(y | x, theta(all but F_j))",
    done="From the digits 200 rows are drawn for each seed; 64-64-64-10 ReLU networks are trained for 100 epochs on "
    "each four fifths of them and on all.",
    follows="`tenfold fit --keep refit`, `ensemble`, or `both`, which compares them out of fold. A refit has no rows "
    "left to stop on: Tenfold trains it for as many updates as the folds chose, not for as many epochs.",
    recipe="network: {hidden: [64, 64]}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 100\n",
    sources=("Stanford CS231n, notes on image classification", "Breiman 1996, Bagging predictors"),
    measure=_measure,
    bounds=(
        Bound("retrained over a fold's", 0, clear=True), Bound("retrained less the mean of five", -0.05, 0, clear=True),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
