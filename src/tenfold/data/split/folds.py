"""Where folds are cut: every division of rows into training and validation parts is made here.

`divide_rows` divides the development rows as `Splits` asks, `divide_again` some of them once more, and `make_folds` is
what both call. scikit-learn's splitters do the cutting; equal rows stay on one side.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from tenfold.data.feed.encode import Inputs
from tenfold.data.feed.randomness import derive_int
from tenfold.data.split.holdout import run_starts
from tenfold.data.split.request import Splits
from tenfold.data.split.together import copy_labels, majority, sides_of, without_copies, without_groups
from tenfold.errors import BadInput

Array = np.ndarray
Parts = list[tuple[Array, Array]]
HEAVY = 0.1  # share of a fold from which a set of equal rows is weighed when the folds are filled
BUNDLES = 50  # of light sets, for each fold, where there are heavy ones
TINY = 100  # rows below which one division says little


@dataclass(frozen=True)
class Fold:
    """One train/validation division: row indices, and the seed and number that its randomness derives from."""

    train: Array  # (n_train,) int64
    validation: Array  # (n_validation,) int64, empty for a refit
    number: int
    seed: int


@dataclass(frozen=True)
class Division:
    """How rows are divided: the folds, which rows belong together (None: each row is on its own), and notes."""

    folds: tuple[Fold, ...]
    units: Array | None  # (rows,)
    notes: tuple[str, ...]


def divide_rows(inputs: Inputs, y: Array, splits: Splits, *, classification: bool) -> Division:
    """The rows divided as asked. A number of folds is lowered where a class has fewer members (or groups). Equal rows
    stay on one side, unless most rows have an equal."""
    splits.check_rows(len(y))
    copies, warning = copy_labels(inputs)
    notes = [warning] if warning else []
    notes += splits.warnings
    if splits.way == "count":
        options = {"classification": classification, "groups": splits.groups, "copies": copies}
        count, note = usable_folds(y, splits.folds, **options)
        splits = replace(splits, folds=count)
        notes += [note] if note else []
    folds = make_folds(y, splits, classification=classification, copies=copies)
    if splits.way == "forward" and splits.groups is not None:
        notes += _lost_by_groups(splits)
    if len(y) < TINY and splits.repeats == 1 and splits.random:
        few = "are few: one division and one seed decide much of each score"
        notes.append(f"{len(y)} rows {few}; --repeats 5 steadies it")
    return Division(folds, _drawn_together(splits, copies, len(y)), tuple(notes))


def _lost_by_groups(splits: Splits) -> list[str]:
    """How much of what lies before the validation parts is not trained on, because its group goes on into them."""
    codes = splits.group_codes
    assert splits.time is not None
    assert codes is not None
    plain = _forward(splits.time, splits.folds, splits.gap)
    before, left = (sum(len(train) for train, _ in parts) for parts in (plain, _groups_apart(plain, codes)))
    if before == left:
        return []
    return [
        f"{1 - left / before:.1%} of the rows before the validation rows are not trained on, because their group goes "
        "on into them"
    ]


def _drawn_together(splits: Splits, copies: Array | None, rows: int) -> Array | None:
    """Which rows a bootstrap draws together: groups, copies, or stretches of time as long as the root of the rows."""
    if splits.time is not None:
        rank = np.argsort(np.argsort(splits.time, kind="stable"), kind="stable")
        return rank // max(1, round(rows**0.5))
    sides = sides_of(splits.group_codes, copies, rows)[0]
    return copies if sides is None else sides


def divide_again(
    y: Array, folds: int, seed: int, *, classification: bool, units: Array | None, ordered: bool,
    groups: Array | None = None,
) -> list[tuple[Array, Array]]:  # fmt: skip
    """(train, validation) indices into y: some rows divided in the way of all. units: as in `Division`;
    ordered: forward in time; then groups (rows,) are kept apart as well. Fewer folds where a class has fewer members,
    or there are fewer units. Raises `BadInput`
    where no division is possible."""
    units = None if units is None else np.unique(units, return_inverse=True)[1]
    if ordered and groups is not None:
        assert units is not None
        plain = _forward(units, folds, 0)
        # of few rows, some parts may have nothing left to train on: the others do
        apart = [part for part in plain if len(without_groups(*part, groups))]
        return _groups_apart(apart or plain, groups)
    if ordered:
        parts = make_folds(y, Splits(folds, time=units, seed=seed), classification=False)
    else:
        # Units of one row each are no groups: the plain splitters stratify better than those by group.
        together = None if units is None or len(np.unique(units)) == len(units) else units
        sides = len(y) if together is None else len(np.unique(together))
        count = usable_folds(y, min(folds, sides), classification=classification, groups=together)[0]
        parts = make_folds(y, Splits(count, groups=together, seed=seed), classification=classification)
    return [(part.train, part.validation) for part in parts]


def usable_folds(
    y: Array, folds: int, *, classification: bool, groups: Array | None = None, copies: Array | None = None
) -> tuple[int, str]:
    """The number of folds that these rows allow, and a sentence when it is lower than what was asked for.

    Every class needs as many groups (or distinct rows, where copies say which are equal) as there are folds.
    """
    if folds < 2:
        raise BadInput(f"folds is {folds}", expected="at least 2", do="--folds 5")
    sides = sides_of(Splits(folds, groups=groups).group_codes, copies, len(y) / folds)[0]
    what = ("groups" if groups is not None else "distinct rows") if sides is not None else "rows"
    count = len(y) if sides is None else len(np.unique(sides))
    if count < folds:
        raise BadInput(
            f"{count} development {what} are fewer than {folds} folds",
            expected="at least one row a fold" if what == "rows" else f"at least one of the {what} a fold",
            do=f"--folds {max(2, count if groups is not None else count // 2)}, or more rows",
        )
    if not classification:
        return folds, ""
    counts = np.bincount(y if sides is None else np.unique(np.stack([y, sides], 1), axis=0)[:, 0])
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
        "a class is in a single group of the development rows",
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
    copies: Array | None = None,
) -> tuple[Fold, ...]:
    """The folds, repeat after repeat. splits: a `Splits`, or what its field `folds` takes (then with seed, repeats
    and groups). copies (rows,): labels of equal rows, which stay on one side (see `copy_labels`).

    A number of folds: stratified k-fold (k-fold for regression), shuffled; by group where groups are given; forward
    in time where time is given. Divisions that are given, or follow time or single groups, keep their validation parts:
    rows that equal a validation row are taken out of their training parts.
    """
    if not isinstance(splits, Splits):
        splits = Splits(splits, repeats, groups, seed=seed)
    elif (seed, repeats) != (0, 1) or groups is not None:
        raise BadInput("seed, repeats or groups are given next to a Splits", do="put them into the Splits")
    splits.check_rows(len(y))
    made: list[Fold] = []
    for repeat in range(splits.repeats):
        parts = _cut(y, splits, classification, copies, repeat)
        for number, (train, validation) in enumerate(parts):
            train, validation = np.sort(np.asarray(train, np.int64)), np.sort(np.asarray(validation, np.int64))
            _check_part(train, validation, number, len(y))
            if classification:
                _check_classes(y, train, number, splits)
            made.append(Fold(train, validation, number, splits.seed + repeat))
    if not made:
        raise BadInput("the splitter gave no folds", expected="at least one (train, validation) pair")
    return tuple(made)


def _cut(y: Array, splits: Splits, classification: bool, copies: Array | None, repeat: int) -> Parts:
    """The parts of one repeat."""
    from sklearn.model_selection import LeaveOneGroupOut, PredefinedSplit

    folds, state = splits.folds, derive_int(splits.seed, "folds", repeat)
    groups = splits.group_codes
    match splits.way:
        case "forward":
            assert splits.time is not None
            parts = _forward(splits.time, folds, splits.gap)
            if groups is not None:
                parts = _groups_apart(parts, groups)
        case "count":
            sides, copies_included = sides_of(groups, copies, len(y) / folds)
            if sides is not None and groups is None:
                parts = _by_copies(y, folds, sides, classification, state)
            else:
                parts = _k_fold(y, folds, sides, classification, state)
            copies = None if copies_included else copies
        case "one group out":
            parts = _parts(LeaveOneGroupOut(), y, groups)
        case "fold numbers":
            parts = _parts(PredefinedSplit(folds), y, None)
        case "pairs":
            parts = list(folds)
        case "splitter":
            parts = _parts(_seeded(folds, state, repeat), y, splits.groups)
    return [(without_copies(train, validation, copies), validation) for train, validation in parts]


def _parts(splitter: Any, y: Array, groups: Array | None) -> Parts:
    """A splitter's (train, validation) pairs; what it refuses is bad input."""
    try:
        parts = splitter.split(np.zeros((len(y), 1)), y, groups)
        return [(np.asarray(train, np.int64), np.asarray(validation, np.int64)) for train, validation in parts]
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


def _by_copies(y: Array, k: int, copies: Array, classification: bool, state: int) -> Parts:
    """The distinct rows by the plain splitter, stratified by their most frequent class; their copies follow. Where a
    set of equal rows makes up a good part of a fold, the folds are filled by weight instead."""
    sizes = np.bincount(copies)
    if len(sizes) < k:
        raise BadInput(f"{len(sizes)} distinct rows are fewer than {k} folds", do=f"--folds {max(2, len(sizes))}")
    if sizes.max() > max(2, HEAVY * len(y) / k):
        return _by_weight(y, k, copies, classification, state)
    strata = majority(y, copies) if classification else np.zeros(len(sizes), np.int64)
    stratified = classification and np.bincount(strata).max() >= k
    parts = _k_fold(strata, k, None, stratified, state)
    rows = np.arange(len(y))
    chosen = [np.isin(copies, validation) for _, validation in parts]
    return [(rows[~mask], rows[mask]) for mask in chosen]


def _by_weight(y: Array, k: int, copies: Array, classification: bool, state: int) -> Parts:
    """Heavy sets of equal rows and bundles of light ones, dealt to folds of equal size and equal classes."""
    from sklearn.model_selection import GroupKFold, KFold

    sizes = np.bincount(copies)
    light = np.flatnonzero(sizes <= max(2, HEAVY * len(y) / k))
    place = np.arange(len(sizes))
    # scikit-learn's group splitters take time that grows with groups x folds: light sets are bundled first.
    if len(light) > BUNDLES * k:
        for _, bundle in KFold(BUNDLES * k, shuffle=True, random_state=state).split(light):
            place[light[bundle]] = light[bundle[0]]
    if classification:
        return _k_fold(y, k, place[copies], True, state)
    order = np.random.RandomState(state).permutation(len(sizes))  # ties are broken by the order of the groups
    return _parts(GroupKFold(k), y, order[place][copies])


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


def _groups_apart(parts: Parts, groups: Array) -> Parts:
    """The same validation parts; rows to train on are left out where their group has rows in the validation part."""
    apart = [(without_groups(train, validation, groups), validation) for train, validation in parts]
    for number, (train, _) in enumerate(apart):
        if not len(train):
            raise BadInput(
                f"fold {number} has nothing to train on: every group of the {len(parts[number][0])} rows before its "
                "validation rows goes on into them",
                expected="groups that begin and end, of which some end before others begin",
                do="time without groups, or groups without time; or fewer folds",
            )
    return apart


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
    if splits.way == "forward":
        do = f"{max(2, splits.folds - 1)} folds, so that the first part to train on is longer"
    else:
        do = "merge the class with another, or a plain number of folds, such as 5"
    found = f"fold {number} has no row of class {missing[0]} (counted from 0) to train on"
    raise BadInput(found, expected="every class in every training part", do=do)
