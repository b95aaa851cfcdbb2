"""Nine trials in a grid, at random and at Sobol points, where one of two settings matters, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import qmc

from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe, sgd
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

Array = np.ndarray
SIDE, DRAWS, NARROW, BROAD = 3, 2000, 0.05, 0.2
WORDS = {"grid": "in a grid", "random": "at random", "Sobol": "at Sobol points"}
PROBLEMS = {"one setting matters": 2, "both matter": 2, "a network's rate": 3}  # decimals that are said
EXPONENTS = np.linspace(-6, 1, 57)  # of the rates


def _places(rng: np.random.Generator) -> dict[str, Array]:
    """Both settings of nine trials in [0, 1], (draws, 9, 2): a grid of 3 x 3, drawn ones, and scrambled Sobol points,
    of which there are a tenth as many sets."""
    cut = (np.arange(SIDE) + 0.5) / SIDE
    grid = np.stack(np.meshgrid(cut, cut, indexing="ij"), -1).reshape(1, -1, 2)
    # sixteen, of which nine are taken: a power of two is what these points are balanced for
    even = [qmc.Sobol(2, rng=rng).random(16)[: SIDE * SIDE] for _ in range(DRAWS // 10)]
    return {
        "grid": grid.repeat(DRAWS, 0), "random": rng.random((DRAWS, SIDE * SIDE, 2)), "Sobol": np.array(even * 10)
    }  # fmt: skip


def _best(places: Array, curve: Array, rng: np.random.Generator) -> dict[str, float]:
    """The mean best of nine on a narrow bump in one setting, a broad one in both, and the accuracy by the rate."""
    top = rng.random((DRAWS, 1, 2))
    apart = (places - top) / np.array([NARROW, BROAD])[:, None, None, None]
    # The range that is searched is six decades long, and lies anywhere over the measured seven.
    exponent = rng.uniform(-6, -5, (DRAWS, 1)) + 6 * places[..., 0]
    return {
        "one setting matters": float(np.exp(-(apart[0, ..., 0] ** 2) / 2).max(1).mean()),
        "both matter": float(np.exp(-(apart[1] ** 2).sum(2) / 2).max(1).mean()),
        "a network's rate": float(np.interp(exponent, EXPONENTS, curve).max(1).mean()),
    }


def _measure(seeds: Sequence[int]) -> Measured:
    """The best of nine of every kind of trials on every kind of problem."""
    arms = compete({"": [recipe((100,), epochs=3, **sgd(10.0**e)[0]) for e in EXPONENTS]}, drawn_digits(seeds, 500))
    curves = arms[""].scores.T  # (seeds, rates)
    found: dict[str, list[float]] = {}
    for curve, seed in zip(curves, seeds, strict=True):
        rng = np.random.default_rng(seed)
        for kind, places in _places(rng).items():
            for what, value in _best(places, curve, rng).items():
                found.setdefault(f"{what}: {kind}", []).append(value)
    arrays = {name: np.array(values) for name, values in found.items()}
    return arrays | {
        "one setting matters: random over grid": arrays["one setting matters: random"]
        / arrays["one setting matters: grid"],
        "both matter: random less grid": arrays["both matter: random"] - arrays["both matter: grid"],
        "a network's rate: random less grid": arrays["a network's rate: random"] - arrays["a network's rate: grid"],
        "a network's rate: Sobol less random": arrays["a network's rate: Sobol"] - arrays["a network's rate: random"],
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    one, two, rate = (
        ", ".join(f"{means[f'{what}: {kind}']:.{digits}f} {word}" for kind, word in WORDS.items())
        for what, digits in PROBLEMS.items()
    )
    return (
        f"Where one of two settings matters, in a twentieth of its range, the best of nine trials reaches {one}, since "
        f"a grid tries three values of it. Where both matter broadly it is {two}; of a network's rate over six "
        f"decades, which is good over two of them, the accuracy is {rate}."
    )


def _picture(found: Measured) -> StudyPicture:
    """All three kinds of problems."""
    names = [f"{what}: {kind}" for what in PROBLEMS for kind in WORDS]
    return bars({name: found[name] for name in names}, "mean best of nine trials")


STUDY = ClaimStudy(
    name="random-or-grid",
    claims=("O5",),
    told="search at random, not in a grid",
    verdict=f"{CONDITION}few of the settings matter, in a small part of their range",
    formula="of N = m^d trials a grid tries m values of each setting, random search N",
    done="The best of 3 x 3 trials over 2,000 draws: of a bump of width 0.05 somewhere in [0, 1] in one of two "
    "settings; of the accuracy of a 64-100-10 network after 3 epochs by its rate, measured at 57 rates; of a broad "
    "bump in both.",
    follows="Search log ranges, at random or, with as few trials as here, by `--proposals sobol`, which is spread "
    "evenly over every setting by itself and over pairs; `--proposals grid` is for a few choices. A value at the "
    "border of its range is reported, with what to try.",
    recipe="network: {hidden: [100]}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 50\nepochs: 3\n",
    sources=("Bergstra & Bengio 2012, Random search for hyper-parameter optimization",),
    measure=_measure,
    bounds=(
        Bound("one setting matters: random over grid", 1.5), Bound("both matter: random less grid", -0.25, 0),
        Bound("a network's rate: random less grid", -0.05, 0.005),
        Bound("a network's rate: Sobol less random", 0, clear=True),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
