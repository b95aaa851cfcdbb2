"""What the fields of a recipe may hold, derived from their annotations: values, records, families of rules."""

from __future__ import annotations

import dataclasses
import functools
import math
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tenfold.rules.fields import Flag, Number, SizeList, ValueKind, Words, options_of, value_kind, words_of
from tenfold.rules.record import rule_name

Written = Any  # in annotations, next to the record that the field holds: its name and {name: {field: value}} do too


@dataclass(frozen=True)
class Fields:
    """One record, written as a mapping of its fields."""

    record: type

    def __str__(self) -> str:
        return f"a mapping with {', '.join(kinds(self.record))}"


@dataclass(frozen=True)
class Either:
    """One of several records, each written as a mapping of its fields, which tell the records apart."""

    records: tuple[type, ...]

    @property
    def fields(self) -> list[str]:
        """The fields of all records, in order."""
        return list(dict.fromkeys(name for record in self.records for name in kinds(record)))

    def record_for(self, names: Iterable[Any]) -> type:
        """The record that a mapping with these fields means: the first, unless a field belongs to another alone."""
        names, first = set(names), kinds(self.records[0])
        for record in self.records:
            if names == {getattr(record, "OPEN", None)}:
                return record
        for record in self.records[1:]:
            if names & (kinds(record).keys() - first.keys()):
                return record
        return self.records[0]

    def __str__(self) -> str:
        return f"a mapping with {', '.join(self.fields)}"


@dataclass(frozen=True)
class Family:
    """One rule of a union, written by its name (some rules have another one in a list of layers); or one of the
    `words`."""

    rules: tuple[type, ...]
    words: tuple[str, ...] = ()
    in_layers: bool = False

    def name(self, rule: type) -> str:
        """The name of a rule here."""
        own = getattr(rule, "LAYER", None) if self.in_layers else None
        return own or rule_name(rule)

    @functools.cached_property
    def members(self) -> dict[str, type]:
        """Rules by name, in the order of the union."""
        return {self.name(rule): rule for rule in self.rules}

    @property
    def names(self) -> list[str]:
        """All words and names that a value may be written as, in order."""
        return [*self.words, *self.members]

    def __str__(self) -> str:
        return f"one of {', '.join(self.names)}"


@dataclass(frozen=True)
class LayerList:
    """A list of layers, each of which is one of the family."""

    layer: Family

    def __str__(self) -> str:
        return f"a list of layers, such as [{{dense: 64}}, relu]; a layer is {self.layer}"


@dataclass(frozen=True)
class Open:
    """A field of a record whose fields nobody knows: any value that a file can hold."""

    def __str__(self) -> str:
        return "a number, text, true, false, null, or a tuple of them"


class OpenFields(dict[str, "FieldKind"]):
    """The kinds of such a record's fields: none by itself, and one for every name that is asked for."""

    def __missing__(self, name: str) -> FieldKind:
        return Open()


FieldKind = ValueKind | LayerList | Fields | Either | Family | Open


@functools.cache
def kinds(record: type) -> dict[str, FieldKind]:
    """The kind of every field of a record class, by name, in order."""
    if hasattr(record, "OPEN"):
        return OpenFields()
    hints = typing.get_type_hints(record, include_extras=True)
    return {field.name: kind_of(hints[field.name]) for field in dataclasses.fields(record)}


def kind_of(hint: Any) -> FieldKind:
    """int, Share | None, tuple[int, ...], a record, a union of rules, a tuple of them -> its kind."""
    value = value_kind(hint)
    if value is not None:
        return value
    options = options_of(hint)
    words = words_of(options)
    records = tuple(option for option in options if dataclasses.is_dataclass(option) and isinstance(option, type))
    lists = [option for option in options if typing.get_origin(option) is tuple]
    if lists:
        item = kind_of(typing.get_args(lists[0])[0])
        if isinstance(item, Family):
            return LayerList(dataclasses.replace(item, in_layers=True))
    elif len(records) == 1 and not words:
        return Fields(records[0])
    elif records:
        return Either(records) if hasattr(records[0], "BY_FIELDS") else Family(records, words)
    raise TypeError(f"no grammar for a field of type {hint}")


def is_plain(kind: FieldKind, value: Any) -> bool:
    """Whether a value is what reading it would give. Most records are built from such values (by a search, a space or
    another record), and reading them again would be slow."""
    match kind:
        case Number():
            if value is None or isinstance(value, str):
                return kind.optional if value is None else value in kind.words
            exact = type(value) is (int if kind.integer else float)
            return exact and math.isfinite(value) and (value != 0 or math.copysign(1, value) > 0)
        case Flag():
            return isinstance(value, bool)
        case Words(words):
            return isinstance(value, str) and value in words
        case SizeList():
            return isinstance(value, tuple) and all(type(item) is int for item in value)
        case LayerList(layer):
            return isinstance(value, tuple) and all(is_plain(layer, item) for item in value)
        case Family(rules, words):
            if isinstance(value, str):
                return value in words
            return type(value) in rules and _all_plain(value)
        case Either(records):
            return type(value) in records and not getattr(value, "has_sets", False) and _all_plain(value)
        case Open():
            return True
        case Fields(record):
            return type(value) is record and _all_plain(value)


def _all_plain(record: Any) -> bool:
    return all(is_plain(kind, getattr(record, name)) for name, kind in kinds(type(record)).items())
