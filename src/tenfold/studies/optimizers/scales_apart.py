"""A rate for each parameter helps where the scales of the inputs are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import DrawnRows, drawn_digits, recipe, trained_networks, training_loss
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

RATES = tuple(float(f"{10 ** (k / 2):.3g}") for k in range(-8, 3))  # 1e-4 to 10
METHODS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
WIDE = 10.0  # the factors of the pixels run from 1 / WIDE to WIDE
LOST = 1.0  # log10 of a loss that counts as lost


def _scaled(rows: DrawnRows, wide: float, seeds: Sequence[int]) -> DrawnRows:
    """Standardized pixels, each times a factor that is drawn for each seed."""
    x = (rows.x - rows.x.mean(0)) / np.where(rows.x.std(0) > 0, rows.x.std(0), 1)
    factors = [wide ** np.random.default_rng(seed).uniform(-1, 1, x.shape[1]) for seed in seeds]
    return rows._replace(x=x * np.repeat(factors, len(x) // len(seeds), 0))


def _measure(seeds: Sequence[int]) -> Measured:
    """Training losses of 64-50-10 behind four epochs, by method, rate and scale of the inputs."""
    arms = [recipe((50,), preprocess="none", optimizer={name: {"lr": rate}}) for name in METHODS for rate in RATES]
    found: dict[str, Any] = {}
    for kind, wide in (("equal", 1.0), ("apart", WIDE)):
        networks = trained_networks(arms, _scaled(drawn_digits(seeds), wide, seeds), 4)
        losses = np.array([[training_loss(one) for one in arm] for arm in networks])
        logs = np.minimum(np.log10(np.maximum(losses, 1e-9)), LOST).reshape(len(METHODS), len(RATES), -1)
        for name, by_rate in zip(METHODS, logs, strict=True):
            best = by_rate.argmin(0)  # of each seed: the scales that were drawn are part of the problem
            found |= {
                f"{name}, {kind}": by_rate.min(0),
                f"{name}, {kind}, by rate": by_rate.T,
                f"best rate inside, {name}, {kind}": ((best > 0) & (best < len(RATES) - 1)).astype(float),
            }
    for name in ("adagrad", "rmsprop", "adam"):
        found[f"log10 loss of sgd over {name}, apart"] = found["sgd, apart"] - found[f"{name}, apart"]
    found["log10 loss of sgd, apart over equal"] = found["sgd, apart"] - found["sgd, equal"]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""

    def losses(kind: str) -> str:
        return ", ".join(f"{name} {10 ** means[f'{name}, {kind}']:.3f}" for name in METHODS)

    return (
        f"Training loss after four epochs with scales from 0.1 to 10, each method at its best rate: {losses('apart')}. "
        f"With equal scales it is {losses('equal')}: standardizing the inputs gives SGD more than any rate for each "
        "parameter does."
    )


def _picture(found: Measured) -> StudyPicture:
    """Learning-rate curves with the scales apart."""
    curves = {name: 10 ** found[f"{name}, apart, by rate"].mean(0) for name in METHODS if name != "momentum"}
    return curve_picture(RATES, curves, "learning rate", "training loss, scales of the inputs from 0.1 to 10", log="xy")


STUDY = ClaimStudy(
    name="scales-apart",
    claims=("C53",),
    told="a rate for each parameter helps where the scales of the inputs are apart",
    verdict=HOLDS,
    formula="SGD: the step of w_i grows with the size of g_i; Adagrad, RMSProp, Adam: g_i over a root of its own "
    "squares",
    done="64-50-10 with He's weights on 1,000 standardized digits, four epochs of batches of 50; five methods, of each "
    "for each draw the best of eleven rates from 1e-4 to 10. Once as they are and once with each pixel times a drawn "
    "factor from 0.1 to 10.",
    follows="Standardize (the default does); then the choice between SGD with momentum and Adam is one of taste, and "
    "of how well the rate is tuned.",
    rules=("adagrad", "rmsprop", "adam", "sgd"),
    recipe="preprocess: none\nnetwork: {hidden: [50]}\noptimizer: {adagrad: {lr: 0.03}}\nbatch_size: 50\nepochs: 4\n",
    sources=("Duchi, Hazan & Singer 2011, Adaptive subgradient methods for online learning",
             "Stanford CS231n, notes on per-parameter adaptive learning rates"),
    measure=_measure,
    bounds=(
        *(Bound(f"log10 loss of sgd over {name}, apart", 0.05, clear=True) for name in ("adagrad", "rmsprop", "adam")),
        Bound("log10 loss of sgd, apart over equal", 0.5, clear=True),
        *(Bound(f"best rate inside, {name}, {kind}", 1) for name in METHODS for kind in ("equal", "apart")),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
