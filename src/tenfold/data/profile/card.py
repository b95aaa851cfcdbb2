"""The data card: what every column is, what was decided about it, and what looks wrong. Development rows only.

Images have a card without columns; `image_card` makes it.
"""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from tenfold.data.columns.alike import alike_in_words
from tenfold.data.columns.codes import average_ranks, value_codes
from tenfold.data.columns.in_threads import for_each
from tenfold.data.columns.schema import TWIN, Schema
from tenfold.data.columns.table import Table
from tenfold.data.feed.encode import Inputs, make_inputs
from tenfold.data.profile import leaks, near_repeats
from tenfold.data.profile.outliers import far_values
from tenfold.data.profile.same_columns import same_in_words
from tenfold.errors import BadInput
from tenfold.formatting import listed, visible

Array = np.ndarray
SHOWN = 30  # columns that the terminal lists
CLASS_NAME = 18  # characters of a class name in the heading
MOSTLY = 0.5  # share of missing cells from which a column is mostly missing
NEAR_SHARE = 0.01  # of rows that nearly repeat another, from which there is a warning
LISTED = 4  # names in one warning


@dataclass(frozen=True)
class CardColumn:
    """One line of the card. missing: share of cells; levels: distinct values; decision: in words."""

    name: str
    kind: str
    used: bool
    missing: float
    levels: int
    example: str
    decision: str


@dataclass(frozen=True)
class ImageFacts:
    """What a card shows of images. means, stds: of each channel, over images and pixels; unit: of these, in words;
    constant: pixel values that are the same in every image; classes: name and number of images of each."""

    height: int
    width: int
    channels: int
    unit: str
    means: tuple[float, ...]
    stds: tuple[float, ...]
    constant: int
    classes: tuple[tuple[str, int], ...]

    def lines(self, width: int) -> list[str]:
        """The facts for a terminal."""
        of = {1: ("grey",), 3: ("red", "green", "blue")}.get(self.channels, range(self.channels))
        spread = ", ".join(f"{c} {m:.4g} +- {s:.4g}" for c, m, s in zip(of, self.means, self.stds, strict=True))
        count = self.height * self.width * self.channels
        items = [f"channels  mean and deviation, {self.unit}: {spread}"]
        items += [f"constant  {self.constant:,} of {count:,} pixel values are the same in every image"]
        counts = ", ".join(f"{visible(_cut(name, CLASS_NAME))} {number:,}" for name, number in self.classes)
        items += [f"classes   {counts}"] if self.classes else []
        return [line for item in items for line in textwrap.wrap(item, width, subsequent_indent=" " * 10)]


@dataclass(frozen=True)
class TensorFacts:
    """What a card shows of one tensor: its name, type, the shape of one row, its least and its greatest number."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    least: float
    greatest: float

    @property
    def line(self) -> str:
        """In words."""
        shape = " x ".join(map(str, self.shape)) or "one number"
        return f"{visible(self.name)}: {self.dtype}, {shape} for each row, {self.least:g} to {self.greatest:g}"


@dataclass(frozen=True)
class Card:
    """The data card. rows: development rows; target: name and what it is, in words; dropped_rows: without a target;
    images, tensors: of images, and of tensors that a user's module takes, which have no columns; leaks: columns that
    alone predict the target."""

    rows: int
    columns: tuple[CardColumn, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    target: str
    dropped_rows: int = 0
    images: ImageFacts | None = None
    leaks: tuple[str, ...] = ()
    tensors: tuple[TensorFacts, ...] = ()

    def __post_init__(self) -> None:
        if self.rows < 0 or self.dropped_rows < 0:
            raise BadInput(f"a card of {self.rows} rows, {self.dropped_rows} dropped", expected="no negative numbers")

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON values; tensors in words."""
        plain = asdict(self)
        if not self.tensors:
            del plain["tensors"]
            return plain
        return {**plain, "tensors": [tensor.line for tensor in self.tensors]}

    @property
    def what(self) -> str:
        """What the rows are, in words."""
        if self.tensors:
            return f"rows of {len(self.tensors)} tensor{'s' * (len(self.tensors) > 1)}"
        if self.images is None:
            return f"rows, {len(self.columns)} columns ({sum(column.used for column in self.columns)} used)"
        facts = self.images
        return f"images of {facts.height} x {facts.width} pixels, {facts.channels} channel{'s' * (facts.channels > 1)}"

    def lines(self, width: int = 100) -> list[str]:
        """The card for a terminal of that many characters (at least 60): heading, columns, notes, warnings."""
        width = max(60, width)
        out = [f"{self.rows:,} development {self.what}; target {self.target}"]
        if self.dropped_rows:
            out.append(f"{self.dropped_rows:,} rows without a target dropped")
        if self.tensors:
            out += ["", *(tensor.line for tensor in self.tensors)]
        else:
            out += ["", *(self.images.lines(width) if self.images else _grid(self.columns[:SHOWN], width))]
        if len(self.columns) > SHOWN:
            out.append(f"... and {len(self.columns) - SHOWN} more")
        for heading, items in (("noticed", self.notes), ("warnings", self.warnings)):
            if items:
                out += ["", f"{heading}:"]
            for item in items:
                out += textwrap.wrap(visible(item), width, initial_indent="  - ", subsequent_indent="    ")
        return out


def _grid(columns: tuple[CardColumn, ...], width: int) -> list[str]:
    titles = ("column", "kind", "missing", "values", "example", "decision")
    rows = [
        (
            visible(column.name),
            column.kind,
            "" if not column.missing else f"{column.missing:.1%}",
            f"{column.levels:,}",
            visible(column.example),
            ("" if column.used else "not used: ") + visible(column.decision),
        )
        for column in columns
    ]
    sizes = [max(len(row[i]) for row in [titles, *rows]) for i in range(5)]
    sizes[0], sizes[4] = min(sizes[0], width // 5), min(sizes[4], width // 7)
    last = max(8, width - sum(sizes) - 2 * len(sizes))
    right = (False, False, True, True, False)
    out = []
    for row in [titles, *rows]:
        cells = [_cut(cell, size) for cell, size in zip(row, sizes, strict=False)]
        cells = [c.rjust(s) if r else c.ljust(s) for c, s, r in zip(cells, sizes, right, strict=True)]
        out.append("  ".join([*cells, _cut(row[5], last)]).rstrip())
    return out


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 3] + "..."


def make_card(
    table: Table,
    schema: Schema,
    target_values: Array,
    *,
    dropped_rows: int = 0,
    grouped: bool = False,
    inputs: Inputs | None = None,
) -> Card:
    """The card of the development rows: the input columns, their schema, and the target's values.

    target_values (rows,): int codes into schema.classes, or float64. dropped_rows: rows without a target. grouped:
    whether the rows are divided by groups, so that no groups need to be looked for. inputs: of these rows, where they
    are made already.
    """
    inputs = make_inputs(table, schema) if inputs is None else inputs
    names = [] if grouped else _group_names(table, schema, inputs)
    columns = tuple(
        CardColumn(
            column.name,
            column.kind,
            column.used,
            round(column.missing, 6),
            table.column(column.name).distinct,
            column.example,
            column.reason,
        )
        for column in schema.columns
    )
    leaks = _leaks(table, schema, target_values, {name for name, _ in names})
    warnings = (
        *_column_warnings(table, schema),
        *leaks.values(),
        *_row_warnings(table, schema, target_values),
        *_resemblance_warnings(inputs, names, grouped),
    )
    return Card(
        table.rows,
        columns,
        warnings,
        table.notes,
        describe_target(schema.target, schema.classes, target_values),
        dropped_rows,
        leaks=tuple(leaks),
    )


def describe_target(name: str, classes: tuple[str, ...], values: Array) -> str:
    """The target's name and what it is, in words."""
    if not classes:
        return f"'{name}': regression, {values.min():.6g} to {values.max():.6g}"
    counts = np.bincount(values, minlength=len(classes))
    order = np.argsort(-counts, kind="stable")
    shares = [f"{_cut(classes[c], CLASS_NAME)} {counts[c] / len(values):.1%}" for c in order]
    return f"'{name}': classification, {listed(shares, LISTED)}"


def _column_warnings(table: Table, schema: Schema) -> list[str]:
    groups = {
        "ID-like, not used": [c.name for c in schema.columns if c.kind == "id"],
        "free text, not used": [c.name for c in schema.columns if c.kind == "text"],
        "constant or empty, not used": [c.name for c in schema.columns if c.kind == "constant"],
        "duplicates of an earlier column, not used": [c.name for c in schema.columns if c.reason.startswith(TWIN)],
        "mostly missing": [c.name for c in schema.columns if c.kind != "constant" and c.missing > MOSTLY],
    }
    warnings = [f"{what}: {listed(names, LISTED, quoted=True)}" for what, names in groups.items() if names]
    for column in schema.columns:
        values = table.column(column.name)
        if values.doubt:
            warnings.append(values.doubted)
        apart = leaks.placeholder(values) if column.used else ""
        if apart:
            warnings.append(f"column '{column.name}': {apart}; if it means missing, leave those cells empty")
        codes = leaks.negative_codes(values) if column.used and not apart else ""
        if codes:
            warnings.append(f"column '{column.name}': {codes}")
        far = far_values(table, values) if column.used and not apart else ""
        if far:
            warnings.append(f"column '{column.name}': {far}")
        twice = alike_in_words(column.levels, leaks.SPELLINGS) if column.used else ""
        if twice:
            warnings.append(f"column '{column.name}': {twice}; if they mean the same, write them alike")
    same = same_in_words([table.column(column.name) for column in schema.used], LISTED)
    return warnings + ([same] if same else [])


def _leaks(table: Table, schema: Schema, target: Array, names: set[str]) -> dict[str, str]:
    """Columns that give the target away, each with its warning, but for those that name groups of rows."""
    warnings: dict[str, str] = {}
    classification = schema.task == "classification"
    ranks = None if classification else average_ranks(value_codes(target))
    columns = [table.column(column.name) for column in schema.used if column.name not in names]
    how_much = partial(leaks.gives_away, target=target, classification=classification, ranks=ranks)
    for column, much in zip(columns, for_each(how_much, columns, table.rows), strict=True):
        if much:
            name = shlex.quote(column.name)
            groups = f"; if it names groups of rows, --groups {name}" if near_repeats.may_name(column) else ""
            warnings[column.name] = (
                f"column '{column.name}' alone predicts {much} of the target: "
                f"if it is known only after the target, give --drop {name}{groups}"
            )
    return warnings


def _row_warnings(table: Table, schema: Schema, target: Array) -> list[str]:
    warnings: list[str] = []
    repeated = leaks.repeated_rows(table, target)
    if repeated:
        verb = "row repeats" if repeated == 1 else "rows repeat"
        warnings.append(f"{repeated:,} {verb} an earlier row exactly ({repeated / len(target):.1%})")
    if schema.task == "classification":
        warnings += rare_warning(target, schema.classes)
    return warnings


def _group_names(table: Table, schema: Schema, inputs: Inputs) -> list[tuple[str, str]]:
    """Columns that name what several rows are of, each with its warning."""
    warnings: list[tuple[str, str]] = []
    for column in schema.used:
        values = table.column(column.name)
        share = near_repeats.group_share(values, inputs)
        if share >= near_repeats.ALIKE:
            sizes = np.bincount(values.codes)
            warnings.append(
                (
                    column.name,
                    f"column '{column.name}' seems to name what several rows are of ({len(sizes):,} values, "
                    f"{np.median(sizes):.0f} rows of the median one, and they settle {share:.0%} of a middling "
                    f"column): to score on new ones, give --groups {column.name}",
                )
            )
    return warnings


def _resemblance_warnings(inputs: Inputs, names: list[tuple[str, str]], grouped: bool) -> list[str]:
    warnings = [warning for _, warning in names]
    share = 0.0 if grouped else near_repeats.near_share(inputs)
    if share >= NEAR_SHARE:
        warnings.append(
            f"{share:.1%} of the rows nearly repeat another row (every number within a thousandth of its column's "
            "deviation, all categories equal): rows of one thing? give --groups"
        )
    return warnings


def rare_warning(target: Array, classes: tuple[str, ...], what: str = "rows") -> list[str]:
    """A warning of the classes that are rare, if there are any."""
    rare = leaks.rare_classes(target, classes)
    if not rare:
        return []
    counts = listed((f"'{name}' ({count} {what})" for name, count in rare), LISTED)
    return [f"rare class{'es' * (len(rare) > 1)}: {counts}"]
