"""What makes a table suspicious: features that give the answer away, repeated rows, rare classes, placeholders."""

from __future__ import annotations

import numpy as np

from tenfold.data.columns.codes import are_whole, average_ranks, codes_in_order, value_codes
from tenfold.data.columns.numbers import spell_number
from tenfold.data.columns.table import Column, Table
from tenfold.data.split.together import cell_columns, row_labels
from tenfold.formatting import listed

Array = np.ndarray
PLACEHOLDERS = {sign * size for sign in (-1.0, 1.0) for size in (99.0, 999.0, 9999.0, 99999.0, 999999.0)}
# What stands for never, unknown or missing where nothing else is negative.
NEGATIVE_CODES = {-1.0, -7.0, -8.0, -9.0, -77.0, -88.0, -99.0, -999.0, -9999.0, -99999.0}
PREDICTIVE = 0.97  # share of what is uncertain about the target that one column alone predicts
BINS, BIN_ROWS = 200, 5  # a number with many values falls into so many quantile bins, of at least so many rows
SPELLINGS = 3  # groups of levels of a category that are named as alike
STRAIGHT = 0.999  # correlation from which a regression target follows a column
FEW_RANKS = 10_000  # rows up to which ranks are simply compared
LEAST_ROWS = 50  # rows from which a single column can be called too good
RARE_SHARE, RARE_ROWS = 0.01, 10
TREE_ROWS = 20_000  # that borders are looked for in
TREE_CLASSES, TREE_MEMBERS = 20, 8  # at most so many classes, each of at least so many rows


def repeated_rows(table: Table, target: Array) -> int:
    """How many rows equal an earlier one in every cell, the target included."""
    units = row_labels([*cell_columns(table), target])
    return len(units) - int(units.max()) - 1


def settled_share(column: Column, target: Array, *, classification: bool, bins: Array | None = None) -> float:
    """Share of the uncertainty about the target that this column alone predicts, in [0, 1]; 0 for a guess.

    Classification: (a - b) / (1 - b), where b is the share of the largest class and a the share of rows whose class
    is the most frequent one among the *other* rows of their bin. Regression: between-bin share of the variance,
    each row compared with the mean of the other rows of its bin. Bins: values, or quantiles of many numbers (see
    `bins_of`, which gives them).
    """
    bins = bins_of(column) if bins is None else bins
    size = np.bincount(bins)
    if classification:
        labels = np.unique(target, return_inverse=True)[1]
        base = np.bincount(labels).max() / len(labels)
        if base == 1:
            return 0.0
        table = np.zeros((len(size), labels.max() + 1), np.int64)
        np.add.at(table, (bins, labels), 1)
        # A row does not vote for itself, or bins of one row would settle everything: the largest class of a bin must
        # win by two.
        top = np.argmax(table, axis=1)
        most = table.max(1)
        table[np.arange(len(table)), top] = 0
        right = np.where(most - 1 > table.max(1), most, 0).sum() / len(labels)
        return max(0.0, float((right - base) / (1 - base)))
    sums = np.bincount(bins, target)
    others = size[bins] - 1
    guess = np.where(others > 0, (sums[bins] - target) / np.maximum(others, 1), target.mean())
    spread = float(((target - target.mean()) ** 2).sum())
    return max(0.0, 1 - float(((target - guess) ** 2).sum()) / spread) if spread else 0.0


def bins_of(column: Column) -> Array:
    """The bin of each row (rows,): the codes of text and of a few values, else one of 200 quantile bins in order of
    value, or fewer, of at least 5 rows; equal values share one, and missing ones are in the last."""
    if column.kind == "text":
        return column.codes
    # Sorting the values takes a fraction of the time of sorting the rows by them, which codes would need.
    ordered = np.sort(column.values)  # missing last
    codes = codes_in_order(ordered)
    distinct, bins = int(codes[-1]) + 1, min(BINS, max(1, len(codes) // BIN_ROWS))
    if distinct <= bins:
        edges = np.arange(1, distinct)
    else:
        edges = np.unique(np.quantile(codes, np.linspace(0, 1, bins + 1)[1:-1]))
    least = ordered[np.searchsorted(codes, np.ceil(edges).astype(np.int32))]  # of each bin but the first
    return np.searchsorted(least, column.values, side="right")


def separated_share(column: Column, target: Array) -> float:
    """How well borders in this column alone separate the classes, in [0, 1]; 0 for text, and a guess.

    (a - 1/K) / (1 - 1/K), where a is the balanced accuracy of a tree of K leaves, one for each of the K classes with
    at least 5 rows; for two classes that of the best border, which is the distance of Kolmogorov and Smirnov. It sees
    what bins of several rows blur: classes that few rows are of, and small tables.
    """
    if column.kind == "text":
        return 0.0
    rows = np.linspace(0, len(target) - 1, min(TREE_ROWS, len(target))).astype(np.int64)
    labels = np.unique(target[rows], return_inverse=True)[1]
    frequent = np.bincount(labels)[labels] >= TREE_MEMBERS
    classes, labels = np.unique(labels[frequent], return_inverse=True)
    if not 2 <= len(classes) <= TREE_CLASSES:
        return 0.0
    codes = value_codes(column.values[rows[frequent]])  # in order of value, missing last
    if len(classes) == 2:
        shares = [np.cumsum(np.bincount(codes[labels == c], minlength=codes.max() + 1)) for c in (0, 1)]
        return float(np.abs(shares[0] / shares[0][-1] - shares[1] / shares[1][-1]).max())
    from sklearn.tree import DecisionTreeClassifier

    values = codes[:, None].astype(np.float64)
    tree = DecisionTreeClassifier(max_leaf_nodes=len(classes), class_weight="balanced", random_state=0)
    right = tree.fit(values, labels).predict(values) == labels
    accuracy = float(np.mean(np.bincount(labels, right) / np.bincount(labels)))
    return max(0.0, (accuracy - 1 / len(classes)) / (1 - 1 / len(classes)))


def follows(column: Column, target: Array, ranks: Array | None = None, bins: Array | None = None) -> bool:
    """Whether a regression target is almost a straight line in this column, or rises or falls with it almost
    everywhere (a correlation of values or of ranks of at least STRAIGHT). ranks: of the target, bins: of the
    column, where they are known."""
    if column.kind == "text":
        return False
    present = ~column.missing
    x, y = column.values[present], target[present]
    if len(x) < LEAST_ROWS or x.min() == x.max() or y.min() == y.max():
        return False
    x = x.astype(np.int64) if column.kind == "date" else x
    x = x.astype(np.float64)
    if abs(np.corrcoef(x, y)[0, 1]) >= STRAIGHT:
        return True
    if ranks is None or len(y) < len(ranks):
        ranks = average_ranks(value_codes(y))
    if len(x) > FEW_RANKS:
        bins = bins_of(column) if bins is None else bins
        if _most_correlation(bins[present], ranks) < STRAIGHT:
            return False
    return bool(abs(np.corrcoef(average_ranks(value_codes(x)), ranks)[0, 1]) >= STRAIGHT)


def _most_correlation(bins: Array, ranks: Array) -> float:
    """What the correlation of two ranks cannot exceed, one of which is known by its bin only: bins in order of value,
    equal values in one bin.

    The covariance between the bins is exact: the mean rank of a bin is the middle of its places. Inside them it is at
    most the root of both variances there (Cauchy and Schwarz), that of distinct ranks for the one that is not known.
    """
    rows, size = len(ranks), np.bincount(bins)
    middle = np.cumsum(size) - (size - 1) / 2 - (rows + 1) / 2
    centred = ranks - (rows + 1) / 2
    sums = np.bincount(bins, centred)
    filled = size > 0
    between = float((middle**2 * size).sum())
    inside = float((size * (size.astype(np.float64) ** 2 - 1)).sum()) / 12
    spread = float(centred @ centred)
    inside_other = max(0.0, spread - float((sums[filled] ** 2 / size[filled]).sum()))
    most = abs(float((middle * sums).sum())) + (inside * inside_other) ** 0.5
    return most / (between * spread) ** 0.5 if between and spread else 1.0


def gives_away(column: Column, target: Array, *, classification: bool, ranks: Array | None = None) -> str:
    """How much of the target this column alone predicts, in words, where it is too good to be true; "" where it is not,
    and for fewer than 50 rows. ranks: of a regression's target, where they are known."""
    if len(target) < LEAST_ROWS:
        return ""
    bins = bins_of(column)
    share = settled_share(column, target, classification=classification, bins=bins)
    if classification and share < PREDICTIVE:
        share = max(share, separated_share(column, target))
    if not classification and follows(column, target, ranks, bins):
        return "nearly all"
    return f"{share:.0%}" if share >= PREDICTIVE else ""


def placeholder(column: Column) -> str:
    """A value such as -999 far from all other numbers, in words; "" for none."""
    if column.kind != "number":
        return ""
    present = column.present
    if not len(present) or not {present.min(), present.max()} & PLACEHOLDERS:
        return ""
    values, counts = np.unique(present, return_counts=True)
    if len(values) < 3:
        return ""
    for end, next_to_end, others in ((0, 1, values[1:]), (-1, -2, values[:-1])):
        gap = abs(values[end] - values[next_to_end])
        if values[end] in PLACEHOLDERS and gap >= max(others[-1] - others[0], 1.0) / 2:
            return f"{spell_number(values[end])} ({counts[end]} cells) stands apart from the other values"
    return ""


def negative_codes(column: Column) -> str:
    """Values such as -1 that are the only negative ones of a column, and what to do, in words; "" for none. Of numbers
    with decimals only where such a value is repeated."""
    if column.kind != "number":
        return ""
    present = column.present
    negative = present[present < 0]
    values, counts = np.unique(negative, return_counts=True)
    if not len(values) or not set(values.tolist()) <= NEGATIVE_CODES:
        return ""
    others = present[present >= 0]
    if len(np.unique(others)) < 3 or (counts.min() < 2 and not are_whole(others)):
        return ""
    each = listed(
        (f"{spell_number(v)} ({n} cell{'s' * (n > 1)})" for v, n in zip(values, counts.tolist(), strict=True)), 3
    )
    one, several = "is its only negative number; if it means", "are its only negative numbers; if they mean"
    return f"{each} {several if len(values) > 1 else one} never, unknown or missing, leave those cells empty"


def rare_classes(target: Array, classes: tuple[str, ...]) -> list[tuple[str, int]]:
    """Classes with fewer than 10 rows or 1 % of them, with their numbers of rows, the rarest first."""
    counts = np.bincount(target, minlength=len(classes))
    rare = [(classes[c], int(n)) for c, n in enumerate(counts) if n < max(RARE_ROWS, RARE_SHARE * len(target))]
    return sorted(rare, key=lambda item: item[1])
