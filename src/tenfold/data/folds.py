"""Divisions of rows: the sealed test rows, and the folds of the development rows (scikit-learn's splitters)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.data.randomness import derive_int
from tenfold.errors import BadInput

Array = np.ndarray
SMALL_CLASS = 5  # a class with fewer members than this stays wholly among the development rows


@dataclass(frozen=True)
class Fold:
    """One train/validation division: row indices, and the seed and number that its randomness derives from."""

    train: Array  # (n_train,) int64
    validation: Array  # (n_validation,) int64, empty for a refit
    number: int
    seed: int


def hold_out(y: Array, share: float, *, classification: bool, seed: int) -> tuple[Array, Array]:
    """Development and test row indices, both sorted; stratified for classification. share 0: no test rows."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(y))
    if share == 0:
        return rows, rows[:0]
    movable, classes = rows, 0
    if classification:
        counts = np.bincount(y)
        movable = rows[counts[y] >= SMALL_CLASS]
        classes = len(np.unique(y[movable]))
    size = min(round(share * len(rows)), len(movable) - 1)
    if size < 1:
        raise BadInput(
            f"{len(rows)} rows are too few to seal a share of {share} of them as a test set",
            expected="at least one test row and one row to train on",
            do="--holdout 0",
        )
    # Fewer rows than classes on either side: a plain random choice.
    strata = y[movable] if 0 < classes <= min(size, len(movable) - size) else None
    state = derive_int(seed, "holdout")
    test = train_test_split(movable, test_size=size, random_state=state, stratify=strata)[1]
    return np.setdiff1d(rows, test), np.sort(test)


def usable_folds(y: Array, folds: int, *, classification: bool) -> tuple[int, str]:
    """The number of folds that these rows allow, and a sentence when it is lower than what was asked for."""
    if folds < 2:
        raise BadInput(f"folds is {folds}", expected="at least 2", do="--folds 5")
    if len(y) < folds:
        raise BadInput(
            f"{len(y)} development rows are fewer than {folds} folds",
            expected="at least one row a fold",
            do=f"--folds {max(2, len(y) // 2)}, or give more rows",
        )
    if not classification:
        return folds, ""
    counts = np.bincount(y)
    smallest = int(counts[counts > 0].min())
    if smallest < 2:
        raise BadInput(
            "a class has a single member among the development rows",
            expected="at least 2 members of every class, one to train on and one to score",
            do="drop that row, merge the class with another, or give more rows of it",
        )
    if smallest < folds:
        return smallest, f"{smallest} folds instead of {folds}: the smallest class has {smallest} development rows"
    return folds, ""


def make_folds(
    y: Array, folds: Any = 5, *, classification: bool, seed: int = 0, repeats: int = 1, groups: Array | None = None
) -> tuple[Fold, ...]:
    """The folds, repeat after repeat. folds: a number (stratified k-fold, k-fold for regression; shuffled; by group
    when groups are given), or any scikit-learn splitter, or an iterable of (train, validation) index arrays."""
    found: list[Fold] = []
    for repeat in range(repeats):
        splitter = _splitter(folds, classification, derive_int(seed, "folds", repeat), groups is not None)
        parts = splitter.split(np.zeros(len(y)), y, groups) if hasattr(splitter, "split") else splitter
        for number, (train, validation) in enumerate(parts):
            train, validation = np.sort(np.asarray(train, np.int64)), np.sort(np.asarray(validation, np.int64))
            _check_part(train, validation, number)
            found.append(Fold(train, validation, number, seed + repeat))
    if not found:
        raise BadInput("the splitter gave no folds", expected="at least one (train, validation) pair")
    return tuple(found)


def _splitter(folds: Any, classification: bool, state: int, grouped: bool) -> Any:
    if not isinstance(folds, int):
        return folds
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    if grouped:
        kind = StratifiedGroupKFold if classification else GroupKFold
    else:
        kind = StratifiedKFold if classification else KFold
    return kind(folds, shuffle=True, random_state=state)


def _check_part(train: Array, validation: Array, number: int) -> None:
    if len(train) == 0 or len(validation) == 0:
        raise BadInput(
            f"fold {number} has {len(train)} training and {len(validation)} validation rows", expected="some"
        )
    if np.intersect1d(train, validation).size:
        raise BadInput(f"fold {number} trains on rows that it is scored on", expected="disjoint parts")
