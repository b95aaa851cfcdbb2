"""Which rows the mean is taken over: training rows, all rows, or those that are predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from tenfold import audit
from tenfold.data.feed.moments import column_moments
from tenfold.data.split.folds import make_folds
from tenfold.data.split.request import Splits
from tenfold.rules.preprocessing import Center, apply_affine
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.ridge import ridge_classes
from tenfold.studies.parts.trainings import DrawnRows, compete, recipe
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

Array = np.ndarray
ROWS, SIZES = 300, (1, 3, 10, 30, 100)


def _own_means(x: Array, size: int) -> Array:
    """The rows, less the mean of the `size` rows that they are predicted with."""
    parts = [part - part.mean(0) for part in np.split(x, range(size, len(x), size))]
    return np.concatenate(parts)


def _trained(x: Array, y: Array) -> float:
    """Accuracy of a network trained on the first 300 of these rows, as they are, on the next 1,000."""
    fold = (np.arange(ROWS), np.arange(ROWS, ROWS + 1000))
    one = recipe((100,), preprocess="none", epochs=10, optimizer={"sgd": {"lr": 0.003}})
    return float(compete({"": [one]}, DrawnRows(x, y, [fold]))[""].best[0])


def _measure(seed: int) -> dict[str, Any]:
    """Means behind centring, and accuracies by whose mean was subtracted."""
    data: Any = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.data))
    x, y = data.data[order], data.target[order]
    part = make_folds(y[:ROWS], Splits(5, seed=seed), classification=True)[0]
    affine = Center().fit(column_moments(x[part.train]))
    inside, outside = (apply_affine(affine, x[rows]).mean(0) for rows in (part.train, part.validation))
    train, ahead = np.arange(ROWS), np.arange(ROWS, ROWS + 1000)

    def accuracy(shift: Array, tested: Array) -> float:
        both = np.concatenate([x[train] - shift, tested])
        rows = len(train) + np.arange(len(tested))
        return float((ridge_classes(both, y[: len(both)], train, rows, [100.0])[0] == y[ahead]).mean())

    mean = x[train].mean(0)
    ours = accuracy(mean, x[ahead] - mean)
    one = recipe((), epochs=1, preprocess="none")
    leaking = audit(one, x[:ROWS], y[:ROWS], step=lambda table, rows: table - table.mean(0), task="classification")
    own = [accuracy(mean, _own_means(x[ahead], size)) for size in SIZES]
    return {
        "largest mean of a training column": np.abs(inside).max(),
        "largest mean of a validation column": np.abs(outside).max(),
        "accuracy, the training mean": ours,
        "mean of all rows less training mean": _trained(x - x[: ROWS + 1000].mean(0), y) - _trained(x - mean, y),
        "accuracy, each row less its own mean": own[0],
        "share of folds that the audit finds leaking": len({leak.fold for leak in leaking.leaks}) / leaking.folds,
        "own": own,
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Centred by the training rows, their columns have means of at most "
        f"{means['largest mean of a training column']:.0e}, those of the validation rows up to "
        f"{means['largest mean of a validation column']:.1f}, as they should. Rows centred by the mean of those that "
        f"they are predicted with give an accuracy of {means['accuracy, each row less its own mean']:.2f} one by one, "
        f"where the training mean gives {means['accuracy, the training mean']:.2f}; the mean of all rows "
        f"changes a network's accuracy by {means['mean of all rows less training mean']:+.3f}, a leak that no score "
        f"shows and Tenfold's audit finds in {means['share of folds that the audit finds leaking']:.0%} of the folds."
    )


def _picture(found: Measured) -> StudyPicture:
    """By the number of rows that are predicted together."""
    curves = {
        "their own mean": found["own"].mean(0),
        "mean of the training rows": found["accuracy, the training mean"].mean() * np.ones(len(SIZES)),
    }
    return curve_picture(np.array(SIZES), curves, "rows that are predicted together", "accuracy", log="x")


STUDY = ClaimStudy(
    name="mean-of-the-training-rows",
    claims=("C22",),
    told="the mean is computed on the training rows only, and subtracted from all others too",
    verdict=HOLDS,
    formula="z = x - mean_train, for training, validation and test rows alike",
    done="The means of the columns of a fold behind `center`; a ridge classifier of 300 digits on 1,000 others that "
    "are centred by the training mean and by the mean of those that are predicted together; a 64-100-10 network with "
    "the training mean and with that of all rows; "
    "`tenfold.audit` with a step that subtracts the mean of all rows.",
    follows="Tenfold fits preprocessing on each fold's training rows and stores it in the model. A step of your own "
    "has to keep what it learned, too; `tenfold.audit(recipe, X, y, step=...)` says whether it did.",
    rules=("center",),
    recipe="preprocess: center\nnetwork: {hidden: [32]}\nepochs: 20\n",
    sources=("Stanford CS231n, notes on data preprocessing, common pitfall",),
    measure=by_seed(_measure),
    bounds=(
        Bound("largest mean of a training column", 0, 1e-12), Bound("largest mean of a validation column", 0.1),
        Bound("mean of all rows less training mean", -0.01, 0.01),
        Bound("accuracy, each row less its own mean", 0, 0.2), Bound("accuracy, the training mean", 0.8),
        Bound("share of folds that the audit finds leaking", 1, 1),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
