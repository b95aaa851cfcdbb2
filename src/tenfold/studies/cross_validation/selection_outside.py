"""Columns chosen on all rows before cross-validation, and inside each fold, where the labels are coins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold import audit
from tenfold.data.split.folds import make_folds
from tenfold.data.split.request import Splits
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.ridge import ridge_accuracy
from tenfold.studies.parts.trainings import recipe
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

Array = np.ndarray
ROWS, COLUMNS, KEPT = 60, 2000, 20
OUTSIDE, INSIDE = "chosen on all rows", "chosen inside each fold"


def _chosen(x: Array, y: Array, rows: Array) -> Array:
    """The columns whose class means differ most, in standard deviations, on these rows."""
    part, labels = x[rows], y[rows]
    gap = np.abs(part[labels == 1].mean(0) - part[labels == 0].mean(0)) / part.std(0)
    return np.argsort(-gap, kind="stable")[:KEPT]


def _measure(seed: int) -> dict[str, Any]:
    """Accuracy by five folds, and how many of them Tenfold's audit finds leaking."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((ROWS, COLUMNS)), rng.permutation(np.arange(ROWS) % 2)
    parts = make_folds(y, Splits(5, seed=seed), classification=True)
    every = _chosen(x, y, np.arange(ROWS))
    outside, inside = [], []
    for part in parts:
        for found, columns in ((outside, every), (inside, _chosen(x, y, part.train))):
            found.append(ridge_accuracy(x[:, columns], y, part.train, part.validation, [1.0])[0])
    folds = [(part.train, part.validation) for part in parts]
    steps = {
        OUTSIDE: lambda table, train: table[:, _chosen(table, y, np.arange(ROWS))],
        INSIDE: lambda table, train: table[:, _chosen(table, y, train)],
    }
    one = recipe((), epochs=1)
    found = {
        name: audit(one, x[:, :200], y, step=step, folds=folds, task="classification") for name, step in steps.items()
    }
    leaks = {name: len({leak.fold for leak in seen.leaks}) for name, seen in found.items()}
    return {
        OUTSIDE: np.mean(outside),
        INSIDE: np.mean(inside),
        **{f"leaking folds that the audit finds, {name}": float(count) for name, count in leaks.items()},
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"On labels that are coins, {KEPT} of {COLUMNS} columns chosen on all rows give a cross-validated accuracy of "
        f"{means[OUTSIDE]:.2f}; chosen inside each fold they give {means[INSIDE]:.2f}, which is the truth. Tenfold's "
        f"audit calls {means[f'leaking folds that the audit finds, {OUTSIDE}']:.0f} of 5 folds leaking in the first "
        f"case and {means[f'leaking folds that the audit finds, {INSIDE}']:.0f} in the second."
    )


def _picture(found: Measured) -> StudyPicture:
    """Both, and chance."""
    return bars({OUTSIDE: found[OUTSIDE], INSIDE: found[INSIDE], "truth": 0.5}, "accuracy on labels that are coins")


STUDY = ClaimStudy(
    name="selection-outside",
    claims=("C05",),
    told="first prepare the data, then cut them into folds",
    verdict=FAILS,
    formula="score_j = s(model and preparation, both fitted without F_j; F_j):   what is fitted on all rows has seen "
    "F_j",
    done="Sixty rows of 2,000 normal columns with drawn labels. The 20 columns whose class means differ most are "
    "chosen, on all rows or on those of each fold's training part; a ridge classifier is cross-validated on them. "
    "`tenfold.audit` gets both ways as a step of the user's own (200 of the columns).",
    follows="Give Tenfold the raw table: it imputes, scales, encodes and rotates inside the folds. Put a step of your "
    "own into `tenfold.audit(recipe, X, y, step=...)`, which changes the validation rows and compares what was fitted.",
    recipe="preprocess: {pca: 20}\nnetwork: {hidden: []}\nepochs: 20\n",
    sources=("Hastie, Tibshirani & Friedman 2009, The elements of statistical learning, section 7.10.2",
             "Ambroise & McLachlan 2002, Selection bias in gene extraction"),
    measure=by_seed(_measure),
    bounds=(
        Bound(OUTSIDE, 0.8), Bound(INSIDE, 0.4, 0.6), Bound(f"leaking folds that the audit finds, {OUTSIDE}", 5, 5),
        Bound(f"leaking folds that the audit finds, {INSIDE}", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
