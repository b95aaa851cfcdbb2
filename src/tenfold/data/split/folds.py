"""Folds of the development rows, by scikit-learn's splitters; rows that are equal stand on one side."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tenfold.data.feed.randomness import derive_int
from tenfold.data.split.holdout import hold_out, run_starts
from tenfold.data.split.request import Splits
from tenfold.data.split.together import majority, tied, without_copies
from tenfold.errors import BadInput

__all__ = ["Fold", "hold_out", "make_folds", "usable_folds"]
Array = np.ndarray
Parts = list[tuple[Array, Array]]
HEAVY = 0.1  # share of a fold from which a unit of equal rows is weighed when the folds are filled
BUNDLES = 50  # of light units, for each fold, where there are heavy ones


@dataclass(frozen=True)
class Fold:
    """One train/validation division: row indices, and the seed and number that its randomness derives from."""

    train: Array  # (n_train,) int64
    validation: Array  # (n_validation,) int64, empty for a refit
    number: int
    seed: int


def usable_folds(
    y: Array, folds: int, *, classification: bool, groups: Array | None = None, units: Array | None = None
) -> tuple[int, str]:
    """The number of folds that these rows allow, and a sentence when it is lower than what was asked for.

    Every class must stand in as many groups (or distinct rows, where units say which are equal) as there are folds.
    """
    if folds < 2:
        raise BadInput(f"folds is {folds}", expected="at least 2", do="--folds 5")
    sides = tied(Splits(folds, groups=groups).group_codes, units, len(y) / folds)[0]
    what = ("groups" if groups is not None else "distinct rows") if sides is not None else "rows"
    sides = np.arange(len(y)) if sides is None else sides
    count = len(np.unique(sides))
    if count < folds:
        raise BadInput(
            f"{count} development {what} are fewer than {folds} folds",
            expected="at least one row a fold" if what == "rows" else f"at least one of the {what} a fold",
            do=f"--folds {max(2, count if groups is not None else count // 2)}, or more rows",
        )
    if not classification:
        return folds, ""
    counts = np.bincount(np.unique(np.stack([y, sides], 1), axis=0)[:, 0])
    smallest = int(counts[counts > 0].min())
    if smallest < 2:
        found, expected, do = _SINGLE[what]
        raise BadInput(found, expected=expected, do=do)
    if smallest < folds:
        has = {"rows": "{} development rows", "groups": "rows in {} groups"}.get(what, "{} distinct rows")
        return smallest, f"{smallest} folds instead of {folds}: the smallest class has {has.format(smallest)}"
    return folds, ""


_SINGLE = {
    "rows": (
        "a class has a single member among the development rows",
        "at least 2 members of every class, one to train on and one to score",
        "drop that row, merge the class with another, or give more rows of it",
    ),
    "distinct rows": (
        "all development rows of a class are equal to each other",
        "at least 2 different members of every class, one to train on and one to score",
        "drop those rows, merge the class with another, or give more rows of it",
    ),
    "groups": (
        "a class stands in a single group of the development rows",
        "at least 2 groups with every class, one to train on and one to score",
        "merge the class with another, or divide without groups",
    ),
}


def make_folds(
    y: Array,
    splits: Any = 5,
    *,
    classification: bool,
    seed: int = 0,
    repeats: int = 1,
    groups: Array | None = None,
    units: Array | None = None,
) -> tuple[Fold, ...]:
    """The folds, repeat after repeat. splits: a `Splits`, or what its field `folds` takes (then with seed, repeats
    and groups). units (rows,): labels of equal rows, which stand on one side (see `duplicate_units`).

    A number of folds: stratified k-fold (k-fold for regression), shuffled; by group where groups are given; forward
    in time where time is given. Divisions that are given, or follow time or single groups, stay as they are: their
    training parts leave out the rows that are equal to a validation row.
    """
    if not isinstance(splits, Splits):
        splits = Splits(splits, repeats, groups, seed=seed)
    elif (seed, repeats) != (0, 1) or groups is not None:
        raise BadInput("seed, repeats or groups are given beside a Splits", do="say them in the Splits")
    splits.check_rows(len(y))
    found: list[Fold] = []
    for repeat in range(splits.repeats):
        parts = _divide(y, splits, classification, units, repeat)
        for number, (train, validation) in enumerate(parts):
            train, validation = np.sort(np.asarray(train, np.int64)), np.sort(np.asarray(validation, np.int64))
            _check_part(train, validation, number, len(y))
            if classification:
                _check_classes(y, train, number, splits)
            found.append(Fold(train, validation, number, splits.seed + repeat))
    if not found:
        raise BadInput("the splitter gave no folds", expected="at least one (train, validation) pair")
    return tuple(found)


def _divide(y: Array, splits: Splits, classification: bool, units: Array | None, repeat: int) -> Parts:
    """The parts of one repeat."""
    from sklearn.model_selection import LeaveOneGroupOut, PredefinedSplit

    folds, state = splits.folds, derive_int(splits.seed, "folds", repeat)
    groups = splits.group_codes
    if splits.time is not None:
        parts = _forward(splits.time, folds, splits.gap)
    elif isinstance(folds, int):
        sides, whole = tied(groups, units, len(y) / folds)
        if sides is not None and groups is None:
            parts = _by_unit(y, folds, sides, classification, state)
        else:
            parts = _k_fold(y, folds, sides, classification, state)
        units = None if whole else units
    elif splits.one_group_out:
        parts = _parts(LeaveOneGroupOut(), y, groups)
    elif isinstance(folds, np.ndarray):
        parts = _parts(PredefinedSplit(folds), y, None)
    elif isinstance(folds, tuple):
        parts = list(folds)
    else:
        parts = _parts(_seeded(folds, state, repeat), y, splits.groups)
    return [(without_copies(train, validation, units), validation) for train, validation in parts]


def _parts(splitter: Any, y: Array, groups: Array | None) -> Parts:
    """A splitter's (train, validation) pairs; what it refuses is bad input."""
    try:
        found = splitter.split(np.zeros((len(y), 1)), y, groups)
        return [(np.asarray(train, np.int64), np.asarray(validation, np.int64)) for train, validation in found]
    except ValueError as error:
        raise BadInput(f"{type(splitter).__name__} cannot divide {len(y)} rows: {error}", do="--folds 5") from error


def _seeded(splitter: Any, state: int, repeat: int) -> Any:
    """The splitter with a derived seed where it is random and has none of its own, or is to divide again."""
    shuffled = hasattr(splitter, "random_state") and getattr(splitter, "shuffle", True)
    if not shuffled or (repeat == 0 and splitter.random_state is not None):
        return splitter
    again = copy.copy(splitter)
    again.random_state = state
    return again


def _k_fold(y: Array, k: int, groups: Array | None, classification: bool, state: int) -> Parts:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    if groups is None:
        kind = StratifiedKFold if classification else KFold
    else:
        kind = StratifiedGroupKFold if classification else GroupKFold
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # see `usable_folds`
        return _parts(kind(k, shuffle=True, random_state=state), y, groups)


def _by_unit(y: Array, k: int, units: Array, classification: bool, state: int) -> Parts:
    """The distinct rows by the plain splitter, stratified by their most frequent class; copies follow. Where a unit
    has a good part of a fold's rows, the folds are filled by weight instead."""
    sizes = np.bincount(units)
    if len(sizes) < k:
        raise BadInput(f"{len(sizes)} distinct rows are fewer than {k} folds", do=f"--folds {max(2, len(sizes))}")
    if sizes.max() > max(2, HEAVY * len(y) / k):
        return _by_weight(y, k, units, classification, state)
    strata = majority(y, units) if classification else np.zeros(len(sizes), np.int64)
    stratified = classification and np.bincount(strata).max() >= k
    parts = _k_fold(strata, k, None, stratified, state)
    every = np.arange(len(y))
    chosen = [np.isin(units, validation) for _, validation in parts]
    return [(every[~mask], every[mask]) for mask in chosen]


def _by_weight(y: Array, k: int, units: Array, classification: bool, state: int) -> Parts:
    """Heavy units and bundles of light ones, dealt to folds of equal size and equal classes."""
    from sklearn.model_selection import GroupKFold, KFold

    sizes = np.bincount(units)
    light = np.flatnonzero(sizes <= max(2, HEAVY * len(y) / k))
    place = np.arange(len(sizes))
    if len(light) > BUNDLES * k:
        for _, bundle in KFold(BUNDLES * k, shuffle=True, random_state=state).split(light):
            place[light[bundle]] = light[bundle[0]]
    if classification:
        return _k_fold(y, k, place[units], True, state)
    order = np.random.RandomState(state).permutation(len(sizes))  # ties are broken by the order of the groups
    return _parts(GroupKFold(k), y, order[place][units])


def _forward(time: Array, k: int, gap: int) -> Parts:
    """Folds forward in time over the sorted rows; a border moves to the nearest one between different times."""
    from sklearn.model_selection import TimeSeriesSplit

    order = np.argsort(time, kind="stable")
    starts = run_starts(time[order])
    if len(starts) < k:
        raise BadInput(
            f"{len(starts) + 1} distinct times are too few for {k} folds forward in time",
            expected="at least one time more than folds",
            do=f"--folds {max(2, len(starts))}",
        )
    plain = _parts(TimeSeriesSplit(k, gap=gap), np.empty(len(time)), None)
    chosen: list[int] = []  # indices into starts, rising
    for number, (_, validation) in enumerate(plain):
        best = int(np.argmin(np.abs(starts - validation[0])))
        chosen.append(min(max(best, chosen[-1] + 1 if chosen else 0), len(starts) - k + number))
    borders = [*starts[chosen].tolist(), len(time)]
    return [(order[: max(0, low - gap)], order[low:high]) for low, high in pairwise(borders)]


def _check_part(train: Array, validation: Array, number: int, rows: int) -> None:
    if len(train) == 0 or len(validation) == 0:
        raise BadInput(
            f"fold {number} has {len(train)} training and {len(validation)} validation rows", expected="some"
        )
    if min(train[0], validation[0]) < 0 or max(train[-1], validation[-1]) >= rows:
        raise BadInput(f"fold {number} has a row outside 0 to {rows - 1}", expected="indices of rows")
    trained = np.zeros(rows, bool)
    trained[train] = True
    if trained[validation].any():
        raise BadInput(f"fold {number} trains on rows that it is scored on", expected="disjoint parts")
    if (np.diff(train) == 0).any() or (np.diff(validation) == 0).any():
        raise BadInput(f"fold {number} has a row twice in one part", expected="each row once")


def _check_classes(y: Array, train: Array, number: int, splits: Splits) -> None:
    missing = np.flatnonzero((np.bincount(y) > 0) & (np.bincount(y[train], minlength=int(y.max()) + 1) == 0))
    if not missing.size:
        return
    if splits.time is not None:
        do = f"{max(2, splits.folds - 1)} folds, so that the first part to train on is longer"
    else:
        do = "merge the class with another, or a plain number of folds, such as 5"
    found = f"fold {number} has no row of class {missing[0]} (counted from 0) to train on"
    raise BadInput(found, expected="every class in every training part", do=do)
