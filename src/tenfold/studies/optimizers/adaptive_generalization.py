"""Adaptive methods generalize worse on a problem that is built for it; on digits they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import SGD, Adagrad, Adam, Momentum, RMSProp
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

ROWS, TEST, UPDATES, SHARE = 40, 100, 2000, 0.6  # SHARE: of positive rows
RULES: dict[str, tuple[Any, float]] = {
    "SGD": (SGD(), 0.1), "momentum": (Momentum(), 0.02), "Adagrad": (Adagrad(), 0.1), "RMSProp": (RMSProp(), 0.001),
    "Adam": (Adam(), 0.001),
}  # fmt: skip
RATES = tuple(float(f"{10 ** (k / 2):.3g}") for k in range(-9, 2))
ON_DIGITS = ("momentum", "rmsprop", "adam")


def _rows(y: np.ndarray, width: int, first: int) -> np.ndarray:
    """The label, two ones, and one feature of its own for a positive row, five for a negative one."""
    x = np.zeros((len(y), width))
    x[:, 0], x[:, 1:3] = y, 1
    for row, label in enumerate(y):
        place = 3 + 5 * (first + row)
        x[row, place : place + (1 if label > 0 else 5)] = 1
    return x


def _built(seed: int) -> dict[str, float]:
    """Accuracy on new rows, half of them positive, and errors on the training rows."""
    rng = np.random.default_rng(seed)
    positive = round(SHARE * ROWS)
    y = rng.permutation(np.repeat([1.0, -1.0], [positive, ROWS - positive]))
    width = 3 + 5 * (ROWS + TEST)
    other = np.repeat([1.0, -1.0], TEST // 2)
    x, test = torch.from_numpy(_rows(y, width, 0)), torch.from_numpy(_rows(other, width, ROWS))
    target = torch.from_numpy(y)

    def gradient(w: Tensor, t: int) -> Tensor:
        return (w @ x.T - target) @ x / ROWS

    found = {}
    for name, (rule, rate) in RULES.items():
        w = descend([rule], gradient, np.full(UPDATES, rate), torch.zeros(width).double())[-1, 0]
        found[f"{name}, new rows"] = float(((test @ w).sign().numpy() == other).mean())
        found[f"{name}, training errors"] = float(((x @ w).sign() != target).double().mean())
    return found


def _measure(seeds: Sequence[int]) -> Measured:
    """The built problem, and three methods on digits at their best rates."""
    rows = [_built(seed) for seed in seeds]
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    arms = compete({name: [recipe(optimizer={name: {"lr": rate}}) for rate in RATES] for name in ON_DIGITS},
                   drawn_digits(seeds))  # fmt: skip
    for name, arm in arms.items():
        found[f"digits, {name}"] = arm.best
        found[f"best rate inside, {name}"] = np.full(len(seeds), float(not arm.border))
    for name in ON_DIGITS[1:]:
        found[f"digits, momentum over {name}"] = arms["momentum"].best - arms[name].best
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    built = ", ".join(f"{name} {means[f'{name}, new rows']:.2f}" for name in RULES)
    digits = ", ".join(f"{name} {means[f'digits, {name}']:.3f}" for name in ON_DIGITS)
    return (
        f"On a problem built for it all methods fit the training rows, and the accuracy on new ones is: {built}. On "
        f"digits, each at its best rate, the adaptive ones are no worse: {digits}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracies on both."""
    shown = {f"built: {name}": found[f"{name}, new rows"] for name in RULES}
    return bars(shown | {f"digits: {name}": found[f"digits, {name}"] for name in ON_DIGITS}, "accuracy on new rows")


STUDY = ClaimStudy(
    name="adaptive-generalization",
    claims=("C56",),
    told="adaptive methods generalize worse than SGD",
    verdict=f"{CONDITION}the problem is built for it; on digits at tuned rates they do not",
    formula="rows of many features of their own: SGD's w is a sum of rows, in which the label's feature weighs most;\n"
    "adaptive methods give every feature the same |w|, so that the two that are always 1 outvote it",
    done="Least squares on 40 rows, 24 of them positive: the label, two ones, and one feature of its own for a "
    "positive row, five for a negative; 2,000 updates, 100 new rows, half of them positive. And 64-100-100-10 on "
    "1,000 digits, five epochs, each method at the best of eleven rates.",
    follows="Compare methods at tuned rates on your own data, as `tenfold fit` does. Neither `adam` nor `sgd` "
    "generalizes better in general.",
    rules=("sgd", "momentum", "adagrad", "rmsprop", "adam"),
    recipe="network: {hidden: [100, 100]}\noptimizer: {adam: {lr: 0.003}}\nbatch_size: 50\nepochs: 5\n",
    sources=("Wilson et al. 2017, The marginal value of adaptive gradient methods in machine learning",
             "Choi et al. 2019, On empirical comparisons of optimizers for deep learning"),
    measure=_measure,
    bounds=(
        Bound("SGD, new rows", 0.95), Bound("momentum, new rows", 0.95), Bound("Adagrad, new rows", high=0.6),
        Bound("RMSProp, new rows", high=0.6), Bound("Adam, new rows", high=0.6),
        *(Bound(f"{name}, training errors", 0, 0) for name in RULES),
        *(Bound(f"digits, momentum over {name}", high=0.005) for name in ON_DIGITS[1:]),
        *(Bound(f"best rate inside, {name}", 1) for name in ON_DIGITS),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
