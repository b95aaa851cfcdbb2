"""The schema contract: what each input column is, decided on the development rows, and enforced ever after."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from tenfold.data.columns.characters import composed
from tenfold.data.columns.codes import are_whole
from tenfold.data.columns.durations import FORMATS
from tenfold.data.columns.in_threads import for_each
from tenfold.data.columns.kinds import KINDS, ColumnKind
from tenfold.data.columns.read_contract import USUAL_READING, ReadContract
from tenfold.data.columns.table import Column, Table
from tenfold.data.columns.target import TASKS, Target
from tenfold.data.columns.writing import Writing
from tenfold.data.split.together import cell_columns, row_labels
from tenfold.errors import BadInput
from tenfold.formatting import nearest

Array = np.ndarray
InputKind = Literal["number", "boolean", "category", "date", "id", "constant", "text"]
KIND_NAMES = ("number", "boolean", "category", "date", "id", "constant", "text")
UNUSED = ("id", "constant", "text")
DISTINCT = 0.95  # share of distinct values from which text is an ID or free text
LONG, WORDS = 40, 4  # mean characters or words from which mostly distinct text is free text
DENSE = 2.0  # a strictly monotone integer column that spans at most so many times its rows counts the rows
ID_NAME = re.compile(
    r"(?i:(^|[\W_])(id|ids|uuid|guid|key|index|idx|rowid|row|nr|unnamed)($|[\W_\d]))|[a-z](Id|ID|Key|UUID)($|[\W_\d])"
)
# How pandas, Arrow, readr and this package's reader call a column without a name, such as an exported index.
UNNAMED = re.compile(r"(?i:|column 1|unnamed: ?[0-9]+|__index_level_[0-9]+__|index|level_[0-9]+|\.\.\.1)")
ARROW = re.compile(r"__index_level_[0-9]+__")
NUMBERED = re.compile(r"column [0-9]+")
TWIN = "the same as"  # begins the reason of a column that repeats an earlier one


@dataclass(frozen=True)
class ColumnSchema:
    """One input column: its kind, whether it is used, and why.

    reason: the decision in words. levels: of a category, the most frequent first, then by name. minimum, maximum: of
    numbers (dates: seconds since 1970). example: the first value. missing: share of missing cells. format: how the
    cells were written (as in `Column`), or "0/1" for a boolean that was written as numbers.
    """

    name: str
    kind: InputKind
    used: bool
    reason: str
    levels: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    example: str = ""
    missing: float = 0.0
    format: str = ""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    @property
    def cell_kind(self) -> ColumnKind:
        """How the cells are read: a boolean that was written 0 and 1 is a number, which may be 2 in a new file."""
        if self.kind == "boolean" and self.format == "0/1":
            return "number"
        return self.kind if self.kind in ("number", "boolean", "date") else "text"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", composed(self.name))
        if self.kind not in KIND_NAMES or (self.used and self.kind in UNUSED):
            raise BadInput(f"column '{self.name}' of kind '{self.kind}' cannot be used", where="schema")
        if len(set(self.levels)) < len(self.levels) or not 0 <= self.missing <= 1:
            raise BadInput(
                f"column '{self.name}' has repeated levels or a missing share outside [0, 1]", where="schema"
            )


@dataclass(frozen=True)
class Schema:
    """The input columns in order, and the target: its name, task and classes (() for regression); and how their file
    was read."""

    columns: tuple[ColumnSchema, ...]
    target: str
    task: Literal["classification", "regression"]
    classes: tuple[str, ...] = ()
    reading: ReadContract = USUAL_READING

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", composed(self.target))
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names) or self.target in names or self.task not in TASKS:
            raise BadInput("columns with one name, a target among the inputs, or an unknown task", where="schema")

    @property
    def used(self) -> tuple[ColumnSchema, ...]:
        """The columns that are inputs of the network."""
        return tuple(column for column in self.columns if column.used)

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON values."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Schema:
        """The inverse of `to_dict`; BadInput for unknown, missing or mistyped fields."""
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(Schema).validate_python(values)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(str(part) for part in fault["loc"])
            near = nearest(str(fault["loc"][-1]), _FIELDS) if fault["type"] == "unexpected_keyword_argument" else ""
            found = f"{place}: {fault['msg']}" if place else fault["msg"]
            raise BadInput(found, where="schema", do=f"'{near}'" if near else "") from error


_FIELDS = (*Schema.__dataclass_fields__, *ColumnSchema.__dataclass_fields__, *ReadContract.__dataclass_fields__)


def decide_schema(table: Table, target: Target) -> Schema:
    """The schema of the input columns, from the development rows (without the target column).

    BadInput where no column is left to learn from: it says why for the first few.
    """
    columns = decide_columns(table)
    if not any(column.used for column in columns):
        fates = "; ".join(f"'{column.name}' {column.reason}" for column in columns[:4])
        raise BadInput(
            f"no column is left to learn from: {fates or 'there is only the target'}",
            where=table.source,
            expected="at least one column of numbers, categories or dates that repeat or vary",
        )
    return Schema(columns, target.name, target.task, target.classes, table.reading)


def decide_columns(table: Table) -> tuple[ColumnSchema, ...]:
    """What each column of a table is, whether it is used, and why."""
    columns: list[ColumnSchema] = []
    seen: dict[bytes, list[Column]] = {}
    decisions = for_each(_decide, table.columns, table.rows)
    index = _exported_index(table)
    for column, decision in zip(table.columns, decisions, strict=True):
        if column.name in index and decision.kind == "number":
            decision = replace(
                decision, kind="id", used=False, reason="an exported index: unnamed, it numbers the rows"
            )
        twin = _twin(column, seen) if decision.kind != "constant" else None
        if twin:
            decision = replace(decision, used=False, reason=f"{TWIN} '{twin}'")
        columns.append(decision)
    return tuple(columns)


def _exported_index(table: Table) -> list[str]:
    """The names of columns that are the index of a frame which was written with it: a first column without a name of
    its own, or one that Arrow names so, of whole numbers that stand for one row each. After oversampling they stand
    for several equal ones."""
    named = [column for column in table.columns[1:] if ARROW.fullmatch(column.name)]
    first = [column for column in table.columns[:1] if UNNAMED.fullmatch(column.name)]
    if any(NUMBERED.fullmatch(column.name) for column in table.columns[1:]):
        first = [column for column in first if column.name != "column 1"]  # so the columns of this file are called
    return [column.name for column in (*first, *named) if _numbers_the_rows(table, column)]


def _numbers_the_rows(table: Table, column: Column) -> bool:
    others = tuple(other for other in table.columns if other is not column)
    if table.rows < 3 or column.kind != "number" or column.missing.any() or not others or not are_whole(column.values):
        return False
    if column.values.min() >= 1500 and column.values.max() <= 2200 and bool((np.diff(column.values) > 0).all()):
        return False  # years
    if column.distinct == table.rows:
        return True
    both, rest = (row_labels(cell_columns(part)) for part in (table, replace(table, columns=others)))
    return int(both.max()) + 1 == column.distinct and int(rest.max()) + 1 >= DISTINCT * column.distinct


def _twin(column: Column, seen: dict[bytes, list[Column]]) -> str:
    """The name of an earlier column with the same values, "" for none; remembers this one."""
    content = "\x1f".join(map(repr, column.values)).encode() if column.kind == "text" else column.values.tobytes()
    key = str(hash(content)).encode()
    for other in seen.setdefault(key, []):
        if other.kind == column.kind and np.array_equal(other.values, column.values, equal_nan=column.kind != "text"):
            return other.name
    seen[key].append(column)
    return ""


def _decide(column: Column) -> ColumnSchema:
    present = column.present
    share = float(column.missing.mean()) if len(column.values) else 0.0
    blank = ColumnSchema(column.name, "constant", False, "no value at all", missing=share, format=column.format)
    if not len(present):
        return blank
    blank = replace(blank, example=_example(column, int(np.argmin(column.missing))))
    distinct = column.distinct
    if distinct == 1 and share == 0:
        return replace(blank, reason="constant")
    if column.asked in ("text", "id"):
        return replace(blank, kind=column.asked, reason=f"{column.asked}, as asked")
    if column.asked == "category":
        return _category(blank, present, ", as asked")
    if column.kind == "text":
        return _decide_text(blank, present, distinct)
    seconds = present.astype(np.int64) if column.kind == "date" else present
    blank = replace(blank, minimum=float(seconds.min()), maximum=float(seconds.max()))
    if column.kind == "date":
        return replace(blank, kind="date", used=True, reason="as time passed, and place in year, week, day")
    if column.kind == "boolean":
        return replace(blank, kind="boolean", used=True, reason="as 0 and 1")
    why = "" if column.asked else _counts_rows(column.name, present, distinct)
    if why:
        return replace(blank, kind="id", reason=why)
    dressed = column.format in FORMATS or Writing.of(column.format).around
    if distinct == 2 and blank.minimum == 0.0 and blank.maximum == 1.0 and not dressed:
        return replace(blank, kind="boolean", used=True, reason="written 0 and 1", format="0/1")
    return replace(blank, kind="number", used=True, reason="as it is")


def _example(column: Column, row: int) -> str:
    """A cell as it is shown; a boolean, and a number with something around it, as the file spells it."""
    value = column.values[row]
    around = column.format in FORMATS or Writing.of(column.format).around
    if column.spelled is not None and (column.kind == "boolean" or (column.kind == "number" and around)):
        return str(column.spelled[row])
    return KINDS[column.kind].spell(value)


def _counts_rows(name: str, present: Array, distinct: int) -> str:
    """Why a column of numbers is an ID, in words; "" when it is not. Numbers with decimals never are."""
    if len(present) < 3 or not are_whole(present):
        return ""
    steps = np.diff(present)
    span = present.max() - present.min() + 1
    years = present.min() >= 1500 and present.max() <= 2200
    if ((steps > 0).all() or (steps < 0).all()) and span <= DENSE * len(present) and not years and len(present) > 9:
        return "ID, it counts the rows"
    if ID_NAME.search(name) and distinct >= DISTINCT * len(present):
        return f"ID by its name, {distinct} of {len(present)} distinct"
    return ""


def _decide_text(blank: ColumnSchema, present: Array, distinct: int) -> ColumnSchema:
    count = len(present)
    words = float(np.mean([len(text.split()) for text in present]))
    length = float(np.mean([len(text) for text in present]))
    if distinct > count / 2 and (words >= WORDS or length >= LONG):
        return replace(blank, kind="text", reason=f"free text, {distinct} of {count} distinct")
    if distinct >= DISTINCT * count and count > 2:
        return replace(blank, kind="id", reason=f"ID, {distinct} of {count} distinct")
    return _category(blank, present)


def _category(blank: ColumnSchema, present: Array, why: str = "") -> ColumnSchema:
    counts = Counter(present)
    levels = tuple(sorted(counts, key=lambda level: (-counts[level], level)))
    reason = f"{len(levels)} level{'s' * (len(levels) > 1)}{why}"
    return replace(blank, kind="category", used=True, reason=reason, levels=levels)
