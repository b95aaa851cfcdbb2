"""What each field of a record may hold, derived from its type annotation: one grammar for recipes and spaces."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

from tenfold.rules.record import rule_name

Written = Any  # in annotations: besides the record, its bare name or {name: {field: value}} is accepted


@dataclass(frozen=True)
class Number:
    """A number, a whole one when `integer`; or one of the `words`; or nothing when `optional`."""

    integer: bool
    words: tuple[str, ...] = ()
    optional: bool = False

    def __str__(self) -> str:
        parts = ["a whole number" if self.integer else "a number", *self.words, *(["null"] if self.optional else [])]
        return " or ".join(parts)


@dataclass(frozen=True)
class Sizes:
    """A list of whole numbers."""

    def __str__(self) -> str:
        return "a list of whole numbers, such as [64, 64]"


@dataclass(frozen=True)
class Fields:
    """One record, written as a mapping of its fields."""

    record: type

    def __str__(self) -> str:
        return f"a mapping with {', '.join(kinds(self.record))}"


@dataclass(frozen=True)
class Family:
    """One rule of a union, written by its name; or one of the `words`."""

    rules: tuple[type, ...]
    words: tuple[str, ...] = ()

    @property
    def members(self) -> dict[str, type]:
        """Rules by name, in the order of the union."""
        return {rule_name(rule): rule for rule in self.rules}

    @property
    def names(self) -> list[str]:
        """All words and names that stand for a value, in order."""
        return [*self.words, *self.members]

    def __str__(self) -> str:
        return f"one of {', '.join(self.names)}"


Kind = Number | Sizes | Fields | Family


@functools.cache
def kinds(record: type) -> dict[str, Kind]:
    """The kind of every field of a record class, by name, in order."""
    hints = typing.get_type_hints(record)
    return {field.name: kind_of(hints[field.name]) for field in dataclasses.fields(record)}


def kind_of(hint: Any) -> Kind:
    """int, float, int | Literal["full"], float | None, tuple[int, ...], a record, a union of rules -> its kind."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    words = tuple(
        word for option in options if typing.get_origin(option) is Literal for word in typing.get_args(option)
    )
    optional = type(None) in options
    records = tuple(option for option in options if dataclasses.is_dataclass(option) and isinstance(option, type))
    if int in options or float in options:
        return Number(float not in options, words, optional)
    if any(typing.get_origin(option) is tuple for option in options):
        return Sizes()
    if len(records) == 1 and not words:
        return Fields(records[0])
    if records:
        return Family(records, words)
    raise TypeError(f"no grammar for a field of type {hint}")
