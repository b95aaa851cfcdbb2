"""Folds cut as the rows stand, and folds that are shuffled and stratified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold

from tenfold.data.split.folds import make_folds
from tenfold.data.split.request import Splits
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.ridge import ridge_accuracy
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

NAMES = ("sorted, cut as they stand", "sorted, stratified", "as written, cut as they stand", "as written, shuffled")


def _measure(seeds: Sequence[int]) -> Measured:
    """The mean over five folds of a ridge classifier of all digits, by how the folds are cut."""
    data: Any = load_digits()
    x, y, found = data.data, data.target, {}
    by_class = np.argsort(y, kind="stable")
    for name in NAMES:
        order = by_class if name.startswith("sorted") else np.arange(len(y))
        folds = []
        for seed in seeds:
            if name.endswith("as they stand"):
                folds += list(KFold(5).split(order))
            else:
                parts = make_folds(y[order], Splits(5, seed=seed), classification=True)
                folds += [(part.train, part.validation) for part in parts]
        scores = [ridge_accuracy(x[order], y[order], train, test, [1.0])[0] for train, test in folds]
        found[name] = np.reshape(scores, (len(seeds), 5)).mean(1)
    return found | {"writers": found[NAMES[3]] - found[NAMES[2]]}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"With rows sorted by class, five folds cut as they stand give an accuracy of {means[NAMES[0]]:.3f}, "
        f"stratified ones {means[NAMES[1]]:.3f}. In the order in which the digits were written shuffling gives "
        f"{means[NAMES[3]]:.3f} and cutting {means[NAMES[2]]:.3f}: the {means['writers']:.3f} between them is what "
        "knowing the writer is worth, and which of the two is right depends on whether new digits come from new "
        "writers."
    )


def _picture(found: Measured) -> StudyPicture:
    """All four."""
    return bars({name: found[name] for name in NAMES}, "mean accuracy over the five folds")


STUDY = ClaimStudy(
    name="order-of-the-rows",
    claims=("C06",),
    told="cut the training data into n parts",
    verdict=f"{CONDITION}the parts are shuffled and stratified, or keep groups together where rows come in groups",
    formula="F_1, ..., F_k disjoint, their union all rows, |F_i| equal up to one row; stratified: the count of each "
    "class equal up to one; grouped: no group in two parts",
    done="A ridge classifier of all 1,797 digits, five folds; the rows sorted by class, or in the order of "
    "the file, where those of one writer follow each other; the folds cut in that order, or made by Tenfold.",
    follows="Tenfold shuffles and stratifies, and refuses folds of your own that leave a class out of training. Where "
    "rows belong to a writer, a patient or a device, say `--groups`; where they follow in time, `--time`.",
    sources=("scikit-learn, user guide, Cross-validation iterators",
             "Alpaydin & Kaynak 1998, Optical recognition of handwritten digits (the data)"),
    measure=_measure,
    bounds=(
        Bound(NAMES[0], 0, 0.05), Bound(NAMES[1], 0.9), Bound("writers", 0.01, clear=True),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
