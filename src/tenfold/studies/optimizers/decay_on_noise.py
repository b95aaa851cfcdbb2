"""On noise a constant rate stays at a floor, and every decay ends far below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.rules.schedules import Cosine, Exponential, Linear, NoDecay, Step
from tenfold.studies.parts.descent import noisy_quadratic
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

UPDATES, RATE, COPIES = 2000, 0.4, 1000
RULES: dict[str, Any] = {
    "constant": NoDecay(), "exponential": Exponential(k=np.log(100) / UPDATES, time="updates"),
    "step": Step(drop=0.1, every=UPDATES // 3 + 1, time="updates"), "cosine": Cosine(warmup=0.0), "linear": Linear(),
}  # fmt: skip
FLOOR = RATE / (2 - RATE)


def _measure(seed: int) -> dict[str, float]:
    """E x^2 behind the updates."""
    u = np.arange(float(UPDATES))
    found = {
        name: noisy_quadratic(RATE * rule.factor(u, 1, UPDATES), copies=COPIES, seed=seed)
        for name, rule in RULES.items()
    }
    worst = max(value for name, value in found.items() if name != "constant")
    return found | {
        "constant over the floor": found["constant"] / FLOOR, "worst decay over constant": worst / found["constant"],
        "step over exponential": found["step"] / found["exponential"],
    }  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    ends = ", ".join(f"{name} {means[name]:.4f}" for name in RULES if name != "constant")
    return (
        f"On x^2 / 2 with a gradient of noise 1, a constant rate of {RATE} stays at E[x^2] = {means['constant']:.3f} "
        f"(in theory lr / (2 - lr) = {FLOOR:.2f}), and decays over {UPDATES:,} updates end at: {ends}. Any of them "
        "beats the constant rate many times over; step decay, which summaries leave out beside the exponential and "
        "1/t, is among the best."
    )


def _picture(found: Measured) -> StudyPicture:
    """The ends."""
    return bars({name: found[name] for name in RULES}, "E[x^2] at the end", log=True)


STUDY = ClaimStudy(
    name="decay-on-noise",
    claims=("C59", "E33"),
    told="lowering the rate over the training helps",
    verdict=HOLDS,
    formula="x <- x - lr (x + noise):   at a constant rate E[x^2] -> lr / (2 - lr), which goes to 0 with the rate only",
    done="1,000 copies of x^2 / 2 with normal noise in the gradient, 2,000 updates, first rate 0.4, five decays that "
    "come down to a hundredth or to nothing.",
    follows="Decay the rate to nothing over the training you can afford: `decay: cosine` or `linear` need no constant. "
    "While the rate is high, noise hides what was learnt.",
    rules=("cosine", "step", "exponential", "linear"),
    recipe="network: {hidden: [100, 100]}\noptimizer: {sgd: {lr: 0.3}}\ndecay: {step: {drop: 0.1, every: 7}}\n"
    "batch_size: 20\nepochs: 20\n",
    sources=("Robbins & Monro 1951, A stochastic approximation method", "Stanford CS231n, notes on annealing the "
             "learning rate"),
    measure=by_seed(_measure),
    bounds=(Bound("constant over the floor", 0.85, 1.15), Bound("worst decay over constant", high=0.1),
            Bound("step over exponential", high=2)),
    say=_say,
    draw=_picture,
)  # fmt: skip
