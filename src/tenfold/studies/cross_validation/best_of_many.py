"""The best of many cross-validated scores where there is nothing to learn, and two estimates that are not fooled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import gammaln

from tenfold import nested_cross_validate
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import recipe
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

ROWS, COLUMNS, RECIPES = 60, 10, 64
SIZES = (1, 2, 4, 8, 16, 32, 64)


def _recipes(rng: np.random.Generator) -> list[Any]:
    """Networks of one shape with drawn rates and penalties."""
    return [
        recipe(
            (8,), optimizer={"sgd": {"lr": float(10 ** rng.uniform(-2.5, 0.5))}},
            weight_decay=float(10 ** rng.uniform(-4, -1)), epochs=10, batch_size=int(rng.choice([8, 24])),
        )
        for _ in range(RECIPES)
    ]  # fmt: skip


def _best_of(scores: np.ndarray, k: int) -> float:
    """The mean over all choices of k of the scores of the largest."""
    rank = np.arange(1, len(scores) + 1.0)
    largest = np.sort(scores)[k - 1 :]
    below = rank[k - 1 :]
    choose = gammaln(below) - gammaln(below - k + 1) - gammaln(k)  # of those below it, k - 1
    every = gammaln(len(scores) + 1) - gammaln(len(scores) - k + 1) - gammaln(k + 1)
    return float((largest * np.exp(choose - every)).sum())


def _measure(seed: int) -> dict[str, Any]:
    """Best, nested and corrected accuracy of 64 recipes on coins."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((ROWS, COLUMNS)), rng.permutation(np.arange(ROWS) % 2)
    found = nested_cross_validate(_recipes(rng), x, y, seed=seed, task="classification", device="cpu")
    outer = found.outer
    assert outer.correction is not None
    scores = np.array([outer.mean(number) for number in range(RECIPES)])
    return {
        "best of 64": found.flat,
        "nested": found.score,
        "corrected": outer.correction.score,
        "best less nested": found.flat - found.score,
        "best of k": [_best_of(scores, k) for k in SIZES],
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        "A score is truth and luck, and the largest of many is picked for its luck: with labels drawn by tossing a "
        f"coin the best of {RECIPES} recipes has a cross-validated accuracy of {means['best of 64']:.2f}, and a single "
        f"one {means['best of k'][0]:.2f}, because its best epoch was picked on the same rows. "
        f"Nested cross-validation, which picks again inside each fold, says {means['nested']:.2f}, and Tenfold's "
        f"correction, which trains nothing again, {means['corrected']:.2f}; the truth is 0.50."
    )


def _picture(found: Measured) -> StudyPicture:
    """The best of k, and both honest estimates."""
    level = np.ones(len(SIZES))
    curves = {
        "best of k": found["best of k"],
        "nested": found["nested"].mean() * level,
        "corrected": found["corrected"].mean() * level,
        "truth": 0.5 * level,
    }
    return curve_picture(np.array(SIZES), curves, "recipes to pick from", "accuracy on labels that are coins", log="x")


STUDY = ClaimStudy(
    name="best-of-many",
    claims=("C07",),
    told="the largest of the means is the accuracy to expect",
    verdict=f"{CONDITION}it is corrected for having been picked, or measured again on rows that had no part in it",
    formula="E[max of k scores] > max of their expectations:   for k independent scores of deviation s about "
    "s sqrt(2 ln k) more",
    done="Sixty rows of ten normal columns with drawn labels; 64 recipes with drawn rates, penalties and batches by "
    "five folds, the epoch picked too; the same by nested cross-validation, and corrected by the bootstrap over the "
    "out-of-fold predictions. The best of k is the mean over all choices of k of the 64.",
    follows="`tenfold fit` prints the corrected score beside the raw one and seals test rows, which are scored once, "
    "at the end; `--nested` repeats the whole search in every outer fold.",
    recipe="network: {hidden: [8]}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 24\nepochs: 10\n",
    sources=("Cawley & Talbot 2010, On over-fitting in model selection and subsequent selection bias",
             "Tsamardinos, Greasidou & Borboudakis 2018, Bootstrapping the out-of-sample predictions",
             "Varma & Simon 2006, Bias in error estimation when using cross-validation for model selection"),
    measure=by_seed(_measure),
    bounds=(
        Bound("best of 64", 0.57), Bound("best less nested", 0.03, clear=True), Bound("nested", 0.42, 0.58),
        Bound("corrected", 0.4, 0.58),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
