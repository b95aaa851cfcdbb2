"""Learning twenty rows by heart: what the check finds, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import DrawnRows, drawn_digits, recipe
from tenfold.studies.parts.updates import watched
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

ROWS, UPDATES = 20, 200
NAMES = ("as it should be", "rate a thousandth", "zero weights", "eight sigmoid layers", "random labels")


def _two_a_class(rows: DrawnRows, seeds: Sequence[int], *, shuffled: bool) -> DrawnRows:
    """Two training rows of each digit for each seed; shuffled: their labels dealt out among them at random."""
    y, folds = rows.y.copy(), []
    for seed, (train, test) in zip(seeds, rows.folds, strict=True):
        few = np.concatenate([train[rows.y[train] == digit][:2] for digit in range(10)])
        if shuffled:
            y[few] = np.random.default_rng(seed).permutation(y[few])
        folds.append((few, test))
    return DrawnRows(rows.x, y, folds)


def _measure(seeds: Sequence[int]) -> Measured:
    """The loss of 20 rows by update, of a network that works, of three that do not, and on random labels."""
    digits = drawn_digits(seeds)
    right, wrong = (_two_a_class(digits, seeds, shuffled=shuffled) for shuffled in (False, True))
    plain: dict[str, Any] = {"batch_size": ROWS, "epochs": UPDATES, "optimizer": {"adam": {"lr": 1e-3}}}
    one = recipe(**plain)
    same = watched(
        [one, recipe(**{**plain, "optimizer": {"adam": {"lr": 1e-6}}}), recipe(**plain, init="zeros")], right
    )
    deep = watched([recipe((100,) * 8, **plain, network={"activation": "sigmoid"})], right)
    found: dict[str, Any] = {}
    for name, losses in zip(NAMES, (*same.losses, deep.losses[0], watched([one], wrong).losses[0]), strict=True):
        found[f"losses, {name}"], found[f"loss of the last update, {name}"] = losses, losses[:, -1]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    last = {name: means[f"loss of the last update, {name}"] for name in NAMES}
    return (
        f"After {UPDATES} updates a network that works has a loss of {last['as it should be']:.4f} on 20 digits; "
        f"with a rate of a thousandth it is {last['rate a thousandth']:.2f}, from zero weights "
        f"{last['zero weights']:.2f}, behind eight sigmoid layers {last['eight sigmoid layers']:.2f}. With labels "
        f"dealt out at random it is {last['random labels']:.4f} too: the check is one of the network and its "
        "training, and says nothing of the data."
    )


def _picture(found: Measured) -> StudyPicture:
    """Losses by update."""
    curves = {name: found[f"losses, {name}"].mean(0) for name in NAMES}
    return curve_picture(np.arange(1, UPDATES + 1), curves, "update", "loss of the same twenty rows", log="y")


STUDY = ClaimStudy(
    name="twenty-rows",
    claims=("O3",),
    told="before a long training, see that the network learns twenty rows by heart",
    verdict=HOLDS,
    formula="20 rows, no regularization:   loss -> 0 unless no gradient arrives, or the steps are too small",
    done="64-100-100-10 ReLU networks on 20 digits, two of each, in one batch, 200 updates of Adam at 0.001; the "
    "same at 0.000001, from zeros, with eight sigmoid layers, and with the labels dealt out at random.",
    follows="`tenfold diagnose` makes this check where it has a reason (evidence cannot_overfit). Passing it is "
    "needed and not enough: wrong labels pass.",
    rules=("adam",),
    recipe="network: {hidden: [100, 100]}\noptimizer: {adam: {lr: 0.001}}\nbatch_size: 20\nepochs: 200\n",
    sources=("Stanford CS231n, notes on sanity checks",
             "Zhang, Bengio, Hardt, Recht & Vinyals 2017, Understanding deep learning "
             "requires rethinking generalization"),
    measure=_measure,
    bounds=(
        Bound("loss of the last update, as it should be", 0, 0.02),
        Bound("loss of the last update, random labels", 0, 0.05),
        Bound("loss of the last update, rate a thousandth", 1.5), Bound("loss of the last update, zero weights", 1.5),
        Bound("loss of the last update, eight sigmoid layers", 0.5),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
