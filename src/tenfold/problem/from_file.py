"""From a file to a problem: read and check every row, seal the test rows, decide the schema on the others."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tenfold.data.columns.codes import are_whole
from tenfold.data.columns.conform import conform_numbers
from tenfold.data.columns.markers import marker_warnings
from tenfold.data.columns.schema import Schema, decide_schema
from tenfold.data.columns.table import Column, Table
from tenfold.data.columns.target import Target, read_labels, read_target
from tenfold.data.feed.encode import Inputs, PixelRange, tensor_inputs
from tenfold.data.feed.tensors import SINGLE, as_given
from tenfold.data.profile.card import Card, make_card
from tenfold.data.profile.image_card import make_image_card
from tenfold.data.profile.tensor_card import make_tensor_card
from tenfold.data.read.images import Images
from tenfold.data.read.read import read_any
from tenfold.data.read.source_sha import source_sha
from tenfold.data.read.tensor_rows import TensorRows
from tenfold.data.split.folds import usable_folds
from tenfold.data.split.holdout import hold_out
from tenfold.data.split.request import Splits, describe
from tenfold.data.split.together import copy_labels
from tenfold.errors import BadInput
from tenfold.problem.problem import Problem, make_problem
from tenfold.problem.sealed_test_rows import Sealed, row_inputs
from tenfold.problem.settings import Settings
from tenfold.recipe.presets import recipe_preset
from tenfold.statistics.metrics import metrics_for

Array = np.ndarray
ReadRows = Table | Images | TensorRows


@dataclass(frozen=True)
class Prepared:
    """The development rows as a problem, and the sealed rows, whose labels nothing has used.

    schema: of the columns, None for images and tensors. target: the name of what is learned. division: the folds in
    words.
    """

    settings: Settings
    name: str
    source: str
    target: str
    schema: Schema | None
    card: Card
    problem: Problem
    notes: tuple[str, ...]
    why_task: str
    rows: tuple[int, ...]  # (with a target, development, test, without a target)
    sealed: Sealed
    division: str
    reading: dict[str, Any]  # what was decided about the file, as JSON; empty for images and tensors
    warnings: tuple[str, ...] = ()  # on the labels and the division; the verdict repeats them
    shas: tuple[str, str] = ("", "")  # of the data and of the file of test rows, as they were read


def prepare(settings: Settings) -> Prepared:
    """Read the data and divide it. Raises `BadInput` for whatever cannot be used, and for a file that another program
    writes meanwhile."""
    # Before and after: the bytes that were read are those that were hashed.
    before = _shas(settings)
    prepared = _prepare(settings)
    for source, old, new in zip((settings.data, settings.test), before, _shas(settings), strict=True):
        if old != new:
            do = "wait until it is written, then start again"
            raise BadInput("the file changed while it was read", where=str(source), do=do)
    sealed = replace(prepared.sealed, source_sha=before[0] if settings.test is None else before[1])
    return replace(prepared, shas=before, sealed=sealed)


def _shas(settings: Settings) -> tuple[str, str]:
    return source_sha(settings.data), "" if settings.test is None else source_sha(settings.test)


def _prepare(settings: Settings) -> Prepared:
    of_module = bool(settings.modules)
    data = read_any(settings.data, options=settings.reading, expected=_named(settings), for_module=of_module)
    target = read_target(data if isinstance(data, Table) else data.labels, settings.target, settings.task)
    metric, *also = metrics_for(target.task, settings.metric, settings.metrics)
    splits = _splits(data, target, settings)
    if len(target.values) < settings.folds:
        usable_folds(target.values, settings.folds, classification=False)  # raises the error for too few rows
    # The order matters: test rows are sealed before the schema, the card or a statistic of any column is decided.
    usable = _inputs_of(data, target, settings).take(target.keep)
    given = None if settings.test is None else _test_file(data, target, settings)
    development, test = _sides(usable, target, splits, settings, alone=given is not None)
    if isinstance(usable, Images):
        # The test rows are scaled as the others, without a look at them.
        usable = replace(usable, pixel_range=PixelRange.of(usable.pixels[development], usable.bits))
        if given is not None:
            given = (replace(given[0], pixel_range=usable.pixel_range), *given[1:])
    y = target.values[development]
    learned = replace(target, values=y, keep=target.keep[development])
    schema, card, inputs = _understand(usable.take(development), learned, grouped=settings.groups is not None)
    doubts = (*target.warnings, *_marker_warnings(usable))
    # What the labels may mean comes before anything about the columns.
    card = replace(card, warnings=(*doubts, *card.warnings))
    problem, notes = make_problem(
        inputs, y, target.classes, metric, splits.take(development), also, asked=settings.asks_metric
    )
    if isinstance(data, Table):  # the card has the doubts about the inputs only
        named = (data.column(name) for name in (target.name, settings.groups) if name is not None)
        notes += [column.doubted for column in named if column.doubt]
    if settings.drop:
        notes.append("left out, as asked: " + ", ".join(f"'{name}'" for name in settings.drop))
    lost = len(target.values) - len(development) - len(test)
    if lost:
        notes.append(
            f"{lost} rows are left out: duplicates of test rows, inside the gap before the test period, or of a group "
            "that goes on into it"
        )
    warnings = list(doubts)
    if given is None:
        whole = data.take(target.keep[test])
        sealed = Sealed(usable.take(test), target.values[test], schema, whole, target.name)
    else:
        sealed = Sealed(given[0], given[1].values, schema, given[3], target.name)
        notes += given[2]
        warnings += _copies(inputs, sealed.inputs)
    counts = len(target.values), len(development), sealed.rows, target.dropped
    folds = replace(splits, folds=problem.divisions) if isinstance(splits.folds, int) else splits
    # A run that is resumed has the recipe already, whatever the preset has become since.
    if settings.preset is not None and settings.recipe is None:
        settings = replace(settings, recipe=recipe_preset(settings.preset, target.task))
    return Prepared(
        settings, data.name, data.source, target.name, schema, card, problem, tuple(notes),
        _reason(target, table=isinstance(data, Table)), counts, sealed,
        describe(folds, classification=target.task == "classification"), _reading(data, settings), tuple(warnings),
    )  # fmt: skip


def _kind(data: ReadRows) -> str:
    """What rows are, in words."""
    return "a table" if isinstance(data, Table) else "images" if isinstance(data, Images) else "tensors"


def _handed(rows: TensorRows) -> Any:
    arrays = rows.tensors.arrays
    return arrays[SINGLE] if rows.tensors.kind == "tensor" else arrays


def _named(settings: Settings) -> list[str]:
    """The columns that the settings name."""
    return [name for name in (settings.target, settings.groups, settings.time, *settings.drop) if name is not None]


def _marker_warnings(usable: ReadRows) -> list[str]:
    """A warning of columns of text that a word which was read as missing fills much of."""
    option = "give --missing '', so that every word is a value"
    return marker_warnings(usable.columns, option) if isinstance(usable, Table) else []


def _splits(data: ReadRows, target: Target, settings: Settings) -> Splits:
    """How the rows with a target are to be divided."""
    columns: dict[str, Array | None] = {"groups": None, "time": None}
    for name in columns:
        column = getattr(settings, name)
        if column is None:
            continue
        if not isinstance(data, Table):
            raise BadInput(f"--{name} {column}: these are {_kind(data)}", expected="a table with such a column")
        if column == target.name:
            raise BadInput(f"--{name} {column} is the target", expected="another column")
        columns[name] = _dividing(data, column, name, target.keep)
    by = settings.groups or settings.time or ""
    if settings.groups is not None and settings.time is not None:
        by = f"{settings.time}, no {settings.groups} on both sides"
    return Splits(settings.folds, settings.repeats, columns["groups"], columns["time"], settings.gap, settings.seed, by)


def _dividing(table: Table, name: str, option: str, keep: Array) -> Array:
    """The values of the column that rows are divided by; it has one for every row, and for time an order."""
    column = table.column(name)
    gaps = keep[column.missing[keep]]
    if len(gaps):
        what = f"{len(gaps)} rows have no value of --{option} {name}, the first in {table.place(int(gaps[0]))}"
        raise BadInput(what, expected="a value in every row", do="fill those cells, or drop the rows")
    if option == "time" and column.kind in ("text", "boolean"):
        found = f"--time {name}: the column is {column.kind}, such as '{column.values[keep[0]]}'"
        raise BadInput(column.doubt or found, expected="dates or numbers", do="another column")
    return column.values[keep]


def _inputs_of(data: ReadRows, target: Target, settings: Settings, *, other: bool = False) -> ReadRows:
    """What may be learned from: everything but the target, the columns to be left out, and the one that names the
    groups. other: a file of test rows, which may lack those."""
    if not isinstance(data, Table):
        if settings.drop:
            found = f"--drop {settings.drop[0]}: these are {_kind(data)}"
            raise BadInput(found, expected="a table with such a column")
        return data
    for option in ("target", "groups", "time"):
        name = target.name if option == "target" else getattr(settings, option)
        if name in settings.drop:
            raise BadInput(f"--drop {name} is the column of --{option}", expected="another column")
    table = data.drop(target.name)
    for name in settings.drop:
        if name in table.names or not other:
            table = table.drop(name)
    return table if settings.groups is None or other else table.drop(settings.groups)


def _sides(usable: ReadRows, target: Target, splits: Splits, settings: Settings, *, alone: bool) -> tuple[Array, Array]:
    """Development and test rows; alone: the test rows come from elsewhere."""
    share = 0.0 if alone else settings.holdout
    if isinstance(usable, Table):
        cells: Any = _without_names(usable)
    else:
        cells = usable.pixels if isinstance(usable, Images) else tensor_inputs(usable.tensors)
    copies = copy_labels(cells)[0]
    classification = target.task == "classification"
    return hold_out(
        target.values, share, classification=classification, seed=settings.seed, splits=splits, copies=copies
    )


def _without_names(table: Table) -> Table:
    """The table without columns that name its rows: text or whole numbers, of which no two are equal. With them no row
    would equal another, and a repeated row could be sealed and trained on at once."""

    def names(column: Column) -> bool:
        counts = column.kind == "number" and are_whole(column.present)
        return (counts or column.kind == "text") and column.distinct == table.rows

    others = tuple(column for column in table.columns if not names(column))
    return replace(table, columns=others) if others else table


def _test_file(data: ReadRows, target: Target, settings: Settings) -> tuple[ReadRows, Target, list[str], ReadRows]:
    """The rows of the file of test rows, their target, notes, and the rows with all columns."""
    # The same program wrote both files, but not with the same lines above the table.
    reading = replace(settings.reading, header_row=None, skip_rows="")
    other = read_any(str(settings.test), options=reading, expected=[target.name], for_module=bool(settings.modules))
    if type(data) is not type(other):
        raise BadInput(
            f"the data are {_kind(data)}, and the test file holds {_kind(other)}",
            where=other.source,
            expected="two tables, or images in both",
        )
    if isinstance(data, TensorRows) and isinstance(other, TensorRows):
        other = replace(other, tensors=as_given(_handed(other), data.tensors.shapes))
    if isinstance(data, Table) and isinstance(other, Table) and target.name in other.names:
        other = conform_numbers(other, data.column(target.name))
    labels = read_labels(other if isinstance(other, Table) else other.labels, target)
    rows = _inputs_of(other, target, settings, other=True).take(labels.keep)
    if isinstance(data, Images) and isinstance(other, Images):
        if data.pixels.shape[1:] != other.pixels.shape[1:]:
            raise BadInput("the test images have another size", where=other.source, expected=f"{data.pixels.shape[1:]}")
        if (data.pixels.dtype, data.bits) != (other.pixels.dtype, other.bits):
            kinds = [
                f"{images.bits} bits a pixel" if images.bits else str(images.pixels.dtype) for images in (data, other)
            ]
            raise BadInput(f"the test images have {kinds[1]}", where=other.source, expected=f"{kinds[0]}, as the data")
    notes = [f"test rows: {labels.values.size} of {other.source}"]
    if settings.groups is not None and isinstance(other, Table) and settings.groups in other.names:
        assert isinstance(data, Table)
        test_groups, groups = (set(table.column(settings.groups).values.tolist()) for table in (other, data))
        common = len(test_groups & groups)
        if common:
            notes.append(f"{common} of the test file's values of '{settings.groups}' occur in the data as well")
    return rows, labels, notes, other.take(labels.keep)


def _copies(development: Inputs, test: Inputs) -> list[str]:
    """A note where rows of the test file equal a development row."""
    tensors = None
    if development.tensors is not None and test.tensors is not None:
        tensors = development.tensors.followed_by(test.tensors)
    both = replace(
        development, numbers=np.concatenate([development.numbers, test.numbers]),
        codes=np.concatenate([development.codes, test.codes]), tensors=tensors,
    )  # fmt: skip
    labels = copy_labels(both, always=True)[0]
    if labels is None:
        return []
    count = int(np.isin(labels[development.rows :], labels[: development.rows]).sum())
    if not count:
        return []
    equal = f"{count} of {test.rows} test rows equal a development row in all inputs"
    return [f"{equal}: their score tells little about new rows"]


def _understand(rows: ReadRows, target: Target, *, grouped: bool) -> tuple[Schema | None, Card, Inputs]:
    """The schema, the card and the inputs of the development rows."""
    if isinstance(rows, Images):
        inputs = row_inputs(rows, None)
        return None, make_image_card(rows, inputs, target), inputs
    if isinstance(rows, TensorRows):
        return None, make_tensor_card(rows, target), row_inputs(rows, None)
    schema = decide_schema(rows, target)
    inputs = row_inputs(rows, schema)
    card = make_card(rows, schema, target.values, dropped_rows=target.dropped, grouped=grouped, inputs=inputs)
    return schema, card, inputs


def _reading(data: ReadRows, settings: Settings) -> dict[str, Any]:
    """What was decided about the file, as JSON: what was noticed, what later files are read by, what was asked for."""
    if not isinstance(data, Table):
        return {}
    return {"notes": list(data.remarks), "contract": asdict(data.reading), "options": settings.reading.to_dict()}


def _reason(target: Target, *, table: bool) -> str:
    """The task and why, in words; where classes are numbers of a table, that they need not be."""
    read = (
        ", where true (yes) is 1 and false (no) is 0"
        if target.task == "regression" and "boolean" in target.reason
        else ""
    )
    several = target.task == "classification" and len(target.classes) > 2
    integers = table and several and target.reason.startswith("integers")
    hint = "; numbers in order? --task regression" if integers else ""
    return f"{target.task}: the target is {target.reason}{read}{hint}"
