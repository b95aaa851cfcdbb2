"""From plain data (what YAML and JSON hold) or records to a checked tree of nodes, collecting all faults.

One grammar serves recipes and spaces: a recipe is a space in which every set has one member.
"""

from __future__ import annotations

import itertools
import math
import numbers
import re
from collections.abc import Mapping
from typing import Any

from tenfold.errors import BadInput
from tenfold.recipe.grammar.faults import Fault, FieldPath, Source, in_words, raise_all, unknown
from tenfold.recipe.grammar.field_kinds import Either, Family, FieldKind, Fields, LayerList, Open, is_plain, kinds
from tenfold.recipe.grammar.nodes import (
    RANGES,
    Fixed,
    Group,
    Node,
    Range,
    RangeName,
    choice_of,
    corners,
    items_of,
    only,
)
from tenfold.rules.fields import Flag, Number, SizeList, ValueKind, Words
from tenfold.rules.record import BadField, Rule, check_fields, main_field, refusal

EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")  # YAML 1.1 reads 1e-3 as text
SIZES_CHOICE = "[[64, 64], [128]]"
LAYERS_CHOICE = "[[{dense: 64}, relu], [{dense: 32}, tanh]]"


class Reader:
    """Reads values by the kind of their field. sets: whether lists and ranges are sets of values, as in a space, or
    faults, as in a recipe.

    Where a method notes a fault it returns None in place of a node: the reading goes on, and all faults are found.
    """

    def __init__(self, *, sets: bool) -> None:
        self.sets = sets
        self.faults: list[Fault] = []

    def read(self, kind: FieldKind, value: Any, path: FieldPath) -> Node | None:
        """The node of a value of any kind."""
        if isinstance(kind, SizeList | LayerList):
            return self._list(kind, value, path)
        if isinstance(kind, Open) and isinstance(value, list | tuple):
            return self._open_list(kind, value, path)
        if isinstance(value, list | tuple):
            return self._choice(kind, list(value), path)
        match kind:
            case Number():
                return self._number(kind, value, path)
            case Flag() | Words():
                return Fixed(value) if is_plain(kind, value) else self._unexpected(kind, value, path)
            case Family():
                return self._rule(kind, value, path)
            case Fields(record):
                return self._record(Either((record,)), value, path)
            case Either():
                return self._record(kind, value, path)
            case Open():
                return self._value(kind, value, path)

    def fault(self, path: FieldPath, what: str) -> None:
        """Note what is wrong at a path."""
        self.faults.append(Fault(path, what))

    def _unexpected(self, kind: FieldKind, value: Any, path: FieldPath) -> None:
        self.fault(path, f"found {in_words(value)}; expected {kind}")

    def _choice(self, kind: FieldKind, options: list[Any], path: FieldPath) -> Node | None:
        if not self.sets:
            return self.fault(path, f"found a list, a choice that only a space may hold; expected {kind}")
        if not options:
            return self.fault(path, f"found an empty list; a choice needs an option; expected {kind}")
        return self._all(kind, options, path)

    def _all(self, kind: FieldKind, options: list[Any], path: FieldPath) -> Node | None:
        return one_of([self.read(kind, option, (*path, i)) for i, option in enumerate(options)])

    def _number(self, kind: Number, value: Any, path: FieldPath) -> Node | None:
        if isinstance(value, Mapping):
            return self._range(kind, value, path)
        if (value is None and kind.optional) or (isinstance(value, str) and value in kind.words):
            return Fixed(value)
        number = as_number(value)
        if number is None or (kind.integer and number != int(number)):
            return self._unexpected(kind, value, path)
        return Fixed(int(number) if kind.integer else float(number) + 0.0)  # + 0.0: -0.0 and 0.0 are one recipe

    def _range(self, kind: Number, value: Mapping[str, Any], path: FieldPath) -> Node | None:
        name: RangeName | None = next((name for name in RANGES if list(value) == [name]), None)
        if name is None:
            expected = f"{kind}, or one of {', '.join(RANGES)}: [low, high]" if self.sets else str(kind)
            return self.fault(path, f"found {in_words(value)}; expected {expected}")
        if not self.sets:
            return self.fault(path, f"found a range, which only a space may hold; expected {kind}")
        ends = value[name]
        numbers_ = [as_number(end) for end in ends] if isinstance(ends, list | tuple) else []
        if len(numbers_) != 2 or numbers_[0] is None or numbers_[1] is None:
            return self.fault(path, f"{name}: found {in_words(ends)}; expected two numbers, [low, high]")
        low, high = numbers_[0], numbers_[1]
        wrong = range_fault(name, low, high, integer=kind.integer)
        if wrong:
            return self.fault(path, f"{name}: {wrong}; got [{low:g}, {high:g}]")
        return Range(name, int(low), int(high)) if name == "int_log_uniform" else Range(name, float(low), float(high))

    def _list(self, kind: SizeList | LayerList, value: Any, path: FieldPath) -> Node | None:
        if not isinstance(value, list | tuple):
            return self._unexpected(kind, value, path)
        if self.sets and value and all(isinstance(item, list | tuple) for item in value):
            return self._all(kind, list(value), path)
        items = [self._item(kind, item, (*path, i)) for i, item in enumerate(value)]
        good = [item for item in items if item is not None]
        if len(good) < len(items):
            return None
        return items_of(good)

    def _item(self, kind: SizeList | LayerList, value: Any, path: FieldPath) -> Node | None:
        if isinstance(value, list | tuple):
            item, example = (
                ("a layer", LAYERS_CHOICE) if isinstance(kind, LayerList) else ("a whole number", SIZES_CHOICE)
            )
            return self.fault(path, f"found a list; expected {item} (a choice is a list of lists: {example})")
        if isinstance(kind, LayerList):
            return self._rule(kind.layer, value, path)
        return self._number(Number(integer=True), value, path)

    def _record(self, kind: Either, value: Any, path: FieldPath) -> Node | None:
        if isinstance(value, kind.records):
            if hasattr(type(value), "OPEN"):
                return self._open(type(value), value.written(), path)
            return self._fields(type(value), _as_mapping(value), path)
        if not isinstance(value, Mapping):
            return self._unexpected(kind, value, path)
        record = kind.record_for(value)
        if hasattr(record, "OPEN"):
            inside = value[record.OPEN]
            if isinstance(inside, Mapping) and not self.sets:  # JSON has made lists of tuples
                inside = {name: tuple(item) if isinstance(item, list) else item for name, item in inside.items()}
            return self._open(record, inside, (*path, record.OPEN))
        return self._fields(record, value, path, kind.fields)

    def _open(self, record: Any, value: Any, path: FieldPath) -> Node | None:
        """A record whose fields nobody knows. Those that it knows itself (`FIXED`) hold one value each."""
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            return self.fault(path, f"found {in_words(value)}; expected a mapping of fields")
        if record.FIXED[0] not in value:
            return self.fault(path, f"{record.FIXED[0]} is missing; expected the name of a function")
        fixed = {name: Fixed(value[name]) for name in record.FIXED if name in value}
        read = {n: self.read(Open(), item, (*path, n)) for n, item in sorted(value.items()) if n not in fixed}
        nodes = {name: node for name, node in (fixed | read).items() if node is not None}
        group = Group(record, tuple(nodes.items()))
        try:
            corners(group)
        except BadInput as error:
            return self.fault(path, error.found)
        return group if len(nodes) == len(value) else None

    def _value(self, kind: Open, value: Any, path: FieldPath) -> Node | None:
        """A value of such a field: a scalar as it is, or a range."""
        if isinstance(value, Mapping):
            return self._range(Number(integer=list(value) == ["int_log_uniform"]), value, path)
        plain = value is None or isinstance(value, bool | int | float | str)
        return Fixed(value) if plain else self._unexpected(kind, value, path)

    def _open_list(self, kind: Open, value: list[Any] | tuple[Any, ...], path: FieldPath) -> Node | None:
        """A list in such a field: a tuple is one value, a list is a choice."""
        if isinstance(value, tuple):
            scalars = all(item is None or isinstance(item, bool | int | float | str) for item in value)
            return Fixed(value) if scalars else self._unexpected(kind, value, path)
        if not self.sets:
            return self.fault(path, f"found a list, a choice that only a space may hold; expected {kind}")
        if not value:
            return self.fault(path, "found an empty list; a choice needs an option")
        options = [tuple(item) if isinstance(item, list) else item for item in value]
        return one_of([self.read(kind, option, (*path, i)) for i, option in enumerate(options)])

    def _fields(
        self, record: type, value: Mapping[str, Any], path: FieldPath, listed: list[str] | None = None
    ) -> Node | None:
        """listed: the fields that a message names, where other records are possible too."""
        fields, faults_before, nodes = kinds(record), len(self.faults), {}
        for name, item in value.items():
            if name in fields:
                nodes[name] = self.read(fields[name], item, (*path, name))
            elif listed and name in listed:
                others = ", ".join(other for other in fields if other in value)
                self.fault((*path, name), f"does not go with {others}; leave one out")
            else:
                self.fault((*path, str(name)), unknown(name, listed or fields).replace("name", "field", 1))
        return self._group(record, nodes, path, faults_before)

    def _group(
        self, record: type, nodes: Mapping[str, Node | None], path: FieldPath, faults_before: int
    ) -> Node | None:
        """The record with the fields that could be read; None if reading them added to the faults before."""
        in_order = ((name, nodes.get(name)) for name in kinds(record))
        group = Group(record, tuple((name, node) for name, node in in_order if node is not None))
        for field, reason in group_faults(group):
            self.fault((*path, field), reason)
        return group if len(self.faults) == faults_before else None

    def _rule(self, kind: Family, value: Any, path: FieldPath) -> Node | None:
        if isinstance(value, kind.rules):
            return self._fields(type(value), _as_mapping(value), path)
        if isinstance(value, str):
            if value in kind.words:
                return Fixed(value)
            if value not in kind.members:
                return self.fault((*path, value), unknown(value, kind.names))
            return Group(kind.members[value], ())
        if not isinstance(value, Mapping):
            return self._unexpected(kind, value, path)
        if len(value) != 1:
            return self.fault(
                path, f"found {in_words(value)}; expected one name with its fields: {{name: {{field: value}}}}"
            )
        name, inside = next(iter(value.items()))
        if name not in kind.members:
            return self.fault((*path, str(name)), unknown(name, kind.members))
        return self._inside(kind.members[name], inside, (*path, name))

    def _inside(self, rule: type, inside: Any, path: FieldPath) -> Node | None:
        """What follows a rule's name: its fields, nothing, a choice of these, or the value of its main field."""
        fields, main = kinds(rule), main_field(rule)
        if inside is None:
            return Group(rule, ())
        is_range = isinstance(inside, Mapping) and len(inside) == 1 and next(iter(inside)) in RANGES
        if isinstance(inside, Mapping) and not is_range:
            return self._with_preset(rule, inside, path)
        # {adam: [{lr: 0.1}, {lr: 0.2}]} is a choice of fields, {adam: [0.1, 0.2]} one of the main field's values
        is_choice = self.sets and isinstance(inside, list | tuple) and any(isinstance(o, Mapping) for o in inside)
        if is_choice and not (main and isinstance(fields[main], LayerList)):
            return one_of([self._inside(rule, item, (*path, i)) for i, item in enumerate(inside)])
        if main is not None:
            faults_before = len(self.faults)
            return self._group(rule, {main: self.read(fields[main], inside, path)}, path, faults_before)
        expected = f"its fields, {', '.join(fields)}" if fields else "nothing here: it has no fields"
        return self.fault(path, f"found {in_words(inside)}; expected {expected}")

    def _with_preset(self, rule: type, inside: Mapping[str, Any], path: FieldPath) -> Node | None:
        """The fields of a rule; `preset` fills in the defaults of a library first (in a space of one of several)."""
        presets: Mapping[str, Mapping[str, Any]] = getattr(rule, "PRESETS", {})
        if "preset" not in inside or not presets:
            return self._fields(rule, inside, path)
        library = inside["preset"]
        fields = {field: item for field, item in inside.items() if field != "preset"}
        if isinstance(library, list | tuple) and library and self.sets:
            return one_of([self._with_preset(rule, {**fields, "preset": option}, path) for option in library])
        if not isinstance(library, str) or library not in presets:
            return self.fault((*path, "preset"), f"found {in_words(library)}; expected one of {', '.join(presets)}")
        return self._fields(rule, {**presets[library], **fields}, path)


def one_of(nodes: list[Node | None]) -> Node | None:
    """A choice among the options that could be read."""
    good = [node for node in nodes if node is not None]
    return choice_of(good) if good else None


def _as_mapping(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in kinds(type(record))}


def as_number(value: Any) -> int | float | None:
    """The finite number that a value is, or None. A text such as "1e-3" is one, a boolean is none."""
    if isinstance(value, str) and EXPONENT.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    return real if math.isfinite(real) else None


def range_fault(name: str, low: float, high: float, *, integer: bool) -> str:
    """What is wrong with a range; nothing if it is right."""
    if not low < high:
        return "low must be below high"
    if name == "log_uniform" and low <= 0:
        return "low must be above 0"
    if name == "int_log_uniform" and (low < 1 or low != int(low) or high != int(high)):
        return "low and high must be whole numbers from 1"
    if integer and name != "int_log_uniform":
        return "draws real numbers; a whole number is expected; use int_log_uniform"
    return ""


def group_faults(group: Group) -> list[tuple[str, str]]:
    """(field, reason) of everything that a record refuses. Every option and both ends of every range are held against
    the range that their field declares; only fields that bound each other need the record to be built."""
    refused: dict[tuple[str, str], None] = {}
    accepted: dict[str, list[Any]] = {}
    for field, node in group.fields:
        kind = kinds(group.record)[field]
        for value in corners(node):
            reason = refusal(kind.must_be(value), value) if isinstance(kind, ValueKind) else ""
            if reason:
                refused[field, reason] = None
            else:
                accepted.setdefault(field, []).append(value)
    for values in _combinations(group.record, accepted):
        refused.update(dict.fromkeys(_refused(group.record, values)))
    return list(refused)


def _combinations(record: type, accepted: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """All combinations of the fields that bound each other (the record's `TOGETHER`), each with the first value of the
    other fields; each combination once."""
    first = {field: values[0] for field, values in accepted.items()}
    distinct: dict[tuple[Any, ...], dict[str, Any]] = {}
    for together in getattr(record, "TOGETHER", ()):
        names = [field for field in together if field in accepted]
        for values in itertools.product(*(accepted[field] for field in names)):
            combination = first | dict(zip(names, values, strict=True))
            distinct[tuple(combination.values())] = combination
    return list(distinct.values())


def _refused(record: type, given: dict[str, Any]) -> list[tuple[str, str]]:
    """Build the record; leave out each field that it refuses, until it accepts the others."""
    reasons: list[tuple[str, str]] = []
    while True:
        try:
            record(**given)
            return reasons
        except BadField as error:
            reasons.append((error.field, error.reason))
            if error.field not in given:
                return reasons
            given = {name: value for name, value in given.items() if name != error.field}


class RecipePart(Rule):
    """Base of the records that make up a recipe. Rules in their fields may be given in short form
    (`activation="relu"`), and are replaced by what that means when the record is built."""

    def __post_init__(self) -> None:
        reader = Reader(sets=False)
        for name, kind in kinds(type(self)).items():
            value = getattr(self, name)
            node = None if is_plain(kind, value) else reader.read(kind, value, (name,))
            if node is not None:
                object.__setattr__(self, name, only(node))
        raise_all(reader.faults, Source(type(self).__name__))
        check_fields(self)


def read_tree(record: type, data: Any, source: Source, *, sets: bool) -> Node:
    """The checked tree of a recipe or a space; data None means all defaults. Raises `BadInput` with all faults."""
    reader = Reader(sets=sets)
    node = reader.read(Fields(record), {} if data is None else data, ())
    raise_all(reader.faults, source)
    return node if node is not None else Group(record, ())
