"""What the fields of a rule may hold, as their annotations declare it: `lr: Positive`, `form: Literal["a", "b"]`.

The same declarations check a rule that is built in Python, the values of a recipe file (with their place in it), and
both ends of every range of a space.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeGuard

INF = math.inf


@dataclass(frozen=True, kw_only=True)
class Within:
    """The range of a number, in an annotation: `Annotated[float, Within(ge=0, lt=1)]`. A message ends with the note."""

    gt: float = -INF
    ge: float = -INF
    lt: float = INF
    le: float = INF
    note: str = ""

    def holds(self, number: float) -> bool:
        """Whether a number is in the range."""
        return self.gt < number < self.lt and self.ge <= number <= self.le

    def __str__(self) -> str:
        low = f"({self.gt:g}" if self.gt > -INF else f"[{self.ge:g}"
        high = f"{self.lt:g})" if self.lt < INF else f"{self.le:g}]"
        one_sided = f"> {self.gt:g}" if self.gt > -INF else f">= {self.ge:g}"
        bounds = one_sided if min(self.lt, self.le) == INF else f"in {low}, {high}"
        return f"{bounds}, {self.note}" if self.note else bounds


Positive = Annotated[float, Within(gt=0)]
NotNegative = Annotated[float, Within(ge=0)]
Share = Annotated[float, Within(ge=0, lt=1)]
Count = Annotated[int, Within(ge=1)]


def is_numeric(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number; to Python true and false are two more."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def must_be(self, value: Any) -> str:
        """What a value that is refused must be; nothing when it is accepted."""
        return "" if isinstance(value, bool) else str(self)

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Words:
    """One of the words."""

    words: tuple[str, ...]

    def must_be(self, value: Any) -> str:
        return "" if value in self.words else str(self)

    def __str__(self) -> str:
        return f"one of {', '.join(self.words)}"


@dataclass(frozen=True)
class Number:
    """A number, a whole one when `integer`; or one of the `words`; or nothing when `optional`."""

    integer: bool
    words: tuple[str, ...] = ()
    optional: bool = False
    within: Within | None = None

    def must_be(self, value: Any) -> str:
        if (value is None and self.optional) or (isinstance(value, str) and value in self.words):
            return ""
        number = value if is_numeric(value) else math.nan
        fits = math.isfinite(number) and (not self.integer or number == int(number))
        if fits and (self.within is None or self.within.holds(number)):
            return ""
        # someone who wrote a number of the right kind is told the range alone
        what = "" if fits else "a whole number" if self.integer else "a finite number"
        return ", or ".join([f"{what} {self.within or ''}".strip(), *self._other_values])

    @property
    def _other_values(self) -> list[str]:
        return [*self.words, *(["null"] if self.optional else [])]

    def __str__(self) -> str:
        return " or ".join(["a whole number" if self.integer else "a number", *self._other_values])


@dataclass(frozen=True)
class SizeList:
    """A list of whole numbers."""

    within: Within | None = None

    def must_be(self, value: Any) -> str:
        return "" if self.within is None or all(map(self.within.holds, value)) else f"units, each {self.within}"

    def __str__(self) -> str:
        return "a list of whole numbers, such as [64, 64]"


Scalar = Number | Flag | Words
ValueKind = Scalar | SizeList


def value_kind(hint: Any) -> ValueKind | None:
    """int, bool, int | Literal["full"], Share | None, tuple[int, ...] -> its kind; None where records may stand."""
    options = options_of(hint)
    within = next((note for option in options for note in typing.get_args(option) if isinstance(note, Within)), None)
    plain = [typing.get_args(option)[0] if typing.get_origin(option) is Annotated else option for option in options]
    words = words_of(options)
    if int in plain or float in plain:
        return Number(float not in plain, words, type(None) in plain, within)
    if bool in plain:
        return Flag()
    if tuple[int, ...] in plain:
        return SizeList(within)
    records = any(dataclasses.is_dataclass(option) or typing.get_origin(option) is tuple for option in plain)
    return Words(words) if words and not records else None


def options_of(hint: Any) -> tuple[Any, ...]:
    """The members of a union; a hint that is none alone."""
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return typing.get_args(hint) if is_union else (hint,)


def words_of(options: tuple[Any, ...]) -> tuple[str, ...]:
    """The words of the Literals among the members of a union."""
    return tuple(w for option in options if typing.get_origin(option) is Literal for w in typing.get_args(option))


@functools.cache
def value_kinds(record: type) -> dict[str, ValueKind]:
    """The kinds of a record's fields that hold values, by name, in order."""
    hints = typing.get_type_hints(record, include_extras=True)
    found = {field.name: value_kind(hints[field.name]) for field in dataclasses.fields(record)}
    return {name: kind for name, kind in found.items() if kind is not None}
