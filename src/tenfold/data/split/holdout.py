"""The sealed test rows: a stratified share, whole groups, or the last rows in time."""

from __future__ import annotations

import numpy as np

from tenfold.data.feed.randomness import derive, derive_int
from tenfold.data.split.request import Splits
from tenfold.data.split.together import majority, sides_of, without_copies, without_groups
from tenfold.errors import BadInput

Array = np.ndarray
SMALL_CLASS = 5  # a class with fewer members stays among the development rows
HEAVY = 0.1  # share of the test rows from which a set of equal rows is weighed
LEFT_GROUPS = 2  # of every class, to be trained on and scored
DRAWS = 64  # orders of the groups among which the best is taken


def hold_out(
    y: Array,
    share: float,
    *,
    classification: bool,
    seed: int = 0,
    splits: Splits | None = None,
    copies: Array | None = None,
) -> tuple[Array, Array]:
    """Development and test row indices, both sorted. share 0: no test rows.

    Stratified for classification. splits: whole groups are sealed, as near to the share as they allow; or the last rows
    in time, equal times together, or both: the last rows, and nothing of their groups stays. copies (rows,): labels
    of equal rows, which stay on one side. Neither part holds the
    rows in the gap before the sealed ones, and rows equal to a sealed one that cannot be sealed too.
    """
    rows = np.arange(len(y))
    if share == 0:
        return rows, rows[:0]
    if splits is not None:
        splits.check_rows(len(y))
    if splits is not None and splits.time is not None:
        development, test = _last_rows(splits.time, share, splits.gap)
        groups = splits.group_codes
        if groups is not None:
            earlier, development = development, without_groups(development, test, groups)
            if not len(development):
                raise BadInput(
                    f"every group of the {len(earlier)} rows before the last {len(test)} goes on into them, so there "
                    "is nothing to train on",
                    expected="groups that begin and end, of which some end before the sealed rows begin",
                    do="--time without --groups, or --groups without --time",
                )
    else:
        groups = None if splits is None else splits.group_codes
        sides, copies_included = sides_of(groups, copies, share * len(y))
        # As with folds: few equal rows are drawn like single rows and stay stratified; where a set of them is a good
        # part of the test rows, it is treated as a group.
        if sides is None:
            test = _some_rows(y, share, classification, seed)
        elif groups is None and np.bincount(sides).max() <= max(2, HEAVY * share * len(y)):
            strata = majority(y, sides) if classification else np.zeros(int(sides.max()) + 1)
            test = np.flatnonzero(np.isin(sides, _some_rows(strata, share, classification, seed)))
        else:
            test = _whole_groups(y, share, sides, classification, seed)
        sealed = np.zeros(len(y), bool)
        sealed[test] = True
        development = rows[~sealed]
        copies = None if copies_included else copies
    development = without_copies(development, test, copies)
    if not len(development):
        raise _too_few(len(y), share)
    return np.sort(development), np.sort(test)


def _some_rows(y: Array, share: float, classification: bool, seed: int) -> Array:
    """A random share of the rows, stratified for classification; small classes are left out."""
    from sklearn.model_selection import train_test_split

    movable, classes = np.arange(len(y)), 0
    if classification:
        counts = np.bincount(y)
        movable = movable[counts[y] >= SMALL_CLASS]
        classes = len(np.unique(y[movable]))
    size = min(round(share * len(y)), len(movable) - 1)
    if size < 1:
        raise _too_few(len(y), share)
    # Fewer rows than classes on either side: a plain random choice.
    strata = y[movable] if 0 < classes <= min(size, len(movable) - size) else None
    state = derive_int(seed, "holdout")
    return np.asarray(train_test_split(movable, test_size=size, random_state=state, stratify=strata)[1])


def _whole_groups(y: Array, share: float, groups: Array, classification: bool, seed: int) -> Array:
    """Rows of whole groups. Random orders of the groups are cut where the number of rows is nearest to the share. Taken
    is the order whose class counts are nearest to it, and which leaves two groups of every class (if there are two) for
    training and scoring."""
    labels = np.unique(y, return_inverse=True)[1] if classification else np.zeros(len(y), np.int64)
    count, classes = int(groups.max()) + 1, int(labels.max()) + 1
    if count < 2:
        raise BadInput(
            "all rows are of one group, which cannot be sealed and trained on",
            expected="at least two groups",
            do="--holdout 0, or no --groups",
        )
    pairs = np.unique(np.stack([labels, groups], 1), axis=0)  # (class, group) that occur
    least_left = np.minimum(LEFT_GROUPS, np.bincount(pairs[:, 0]))  # (classes,)
    sizes, rng = np.bincount(groups), derive(seed, "holdout")
    wanted = share * np.bincount(labels, minlength=classes)  # (classes,)
    best, least = np.zeros(count, bool), np.inf
    for _ in range(DRAWS):
        order = rng.permutation(count)
        cut = 1 + int(np.argmin(np.abs(np.cumsum(sizes[order])[:-1] - share * len(y))))
        chosen = np.zeros(count, bool)
        chosen[order[:cut]] = True
        counts = np.bincount(labels[chosen[groups]], minlength=classes)
        left = np.bincount(pairs[~chosen[pairs[:, 1]], 0], minlength=classes)
        # Missing groups of a class weigh more than any error in the counts can.
        error = float(np.abs(counts - wanted).sum()) + 2.0 * len(y) * int((left < least_left).sum())
        if error < least:
            best, least = chosen, error
    return np.flatnonzero(best[groups])


def _last_rows(time: Array, share: float, gap: int) -> tuple[Array, Array]:
    """Development and test rows: the last rows in time from the change of time that is nearest to the share."""
    order = np.argsort(time, kind="stable")
    starts = run_starts(time[order])
    starts = starts[starts > gap]
    if not len(starts):
        raise BadInput(
            f"no time comes after {gap + 1} rows of earlier times, so there are no last rows to seal",
            expected="at least two distinct times, and more rows than the gap",
            do="--holdout 0, or a smaller gap",
        )
    border = int(starts[np.argmin(np.abs(starts - len(time) + round(share * len(time))))])
    return order[: border - gap], order[border:]


def run_starts(time: Array) -> Array:
    """The positions in sorted times at which a new time begins, but for the first."""
    return np.flatnonzero(time[1:] != time[:-1]) + 1


def _too_few(rows: int, share: float) -> BadInput:
    return BadInput(
        f"{rows} rows are too few to seal a share of {share} of them as a test set",
        expected="at least one test row and one row to train on",
        do="--holdout 0",
    )
