"""Ten ReLU layers from normal, uniform and truncated weights: the scale decides, not the distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import skew

from tenfold.rules.activations import ReLU
from tenfold.rules.initialization import He
from tenfold.studies.parts.chain import square_chain
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe, sgd
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

SKEWNESS = "skewness of He's tenth outputs"
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
KINDS: dict[str, Any] = {
    "He normal": "he", "He uniform": {"he": "uniform"}, "He truncated": {"he": "truncated"}, "1/sqrt(n)": "lecun"
}  # fmt: skip


def _tenth_layer(seed: int) -> tuple[float, float]:
    """Skewness and share of zeros of the outputs of the tenth ReLU layer at the start."""
    h = square_chain(He(), ReLU.formula, depth=10, width=300, rows=300, seed=seed, back=False).outputs[-1]
    return float(skew(h.numpy().ravel())), float((h == 0).double().mean())


def _measure(seeds: Sequence[int]) -> Measured:
    """Each kind at its best of five rates."""
    arms = {
        name: [recipe((100,) * 10, init=init, epochs=8, **change) for change in sgd(*RATES)]
        for name, init in KINDS.items()
    }
    arms_found = compete(arms, drawn_digits(seeds))
    found: dict[str, Any] = {name: arm.best for name, arm in arms_found.items()}
    means = [arms_found[name].best.mean() for name in KINDS if name.startswith("He")]
    found["largest difference of He's three"] = np.full(len(seeds), np.ptp(means))
    found["He normal above 1/sqrt(n)"] = found["He normal"] - found["1/sqrt(n)"]
    ends = [_tenth_layer(seed) for seed in seeds]
    found[SKEWNESS] = np.array([lean for lean, _ in ends])
    found["zeros among them"] = np.array([zeros for _, zeros in ends])
    found["best rates at the border"] = np.full(len(seeds), float(sum(arm.border for arm in arms_found.values())))
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        "Ten hidden layers, each kind at its best rate: "
        + ", ".join(f"{name} {means[name]:.3f}" for name in KINDS)
        + ". "
        "What the weights are drawn from makes no difference, how large they are does; and the outputs of a ReLU "
        f"layer, {means['zeros among them']:.0%} zeros and with a skewness of "
        f"{means[SKEWNESS]:.1f} in the tenth, are not Gaussian in any case."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracies."""
    return bars({name: found[name] for name in KINDS}, "accuracy on other rows, at the best of five rates")


STUDY = ClaimStudy(
    name="gaussian-outputs",
    claims=("C38", "C39", "E20"),
    told="outputs must be Gaussian for a network to learn",
    verdict=FAILS,
    formula="Var[z] = n Var[w] E[a^2] holds for any distribution of the weights with mean 0",
    done="Ten ReLU layers of 100 units on 1,000 digits, eight epochs of SGD at five rates, from four kinds of weights.",
    follows="Choose the scale by the activation; normal, uniform or truncated is a matter of taste.",
    rules=("he", "lecun"),
    recipe="network: {hidden: [100, 100, 100, 100, 100, 100, 100, 100, 100, 100]}\ninit: {he: uniform}\n",
    sources=("He, Zhang, Ren & Sun 2015, Delving deep into rectifiers",),
    measure=_measure,
    bounds=(
        Bound(SKEWNESS, 1.5), Bound("zeros among them", 0.4, 0.6),
        Bound("largest difference of He's three", high=0.04), Bound("He normal above 1/sqrt(n)", 0.05, clear=True),
        Bound("best rates at the border", 0, 0),
    ),
    seeds=3,
    say=_say,
    draw=_picture,
)  # fmt: skip
