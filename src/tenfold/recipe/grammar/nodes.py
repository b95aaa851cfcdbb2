"""A recipe or space that was read: a tree of fixed values, choices, ranges and records."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

RangeName = Literal["uniform", "log_uniform", "int_log_uniform"]
RANGES: tuple[RangeName, ...] = ("uniform", "log_uniform", "int_log_uniform")
COUNTED = 20_000  # values of a choice up to which they are listed to find repeats


@dataclass(frozen=True)
class Fixed:
    """One value: a number, a flag, a word, nothing, or a tuple of values."""

    value: Any


@dataclass(frozen=True)
class Range:
    """Numbers between low and high; see `draw` for the distributions."""

    name: RangeName
    low: float
    high: float


@dataclass(frozen=True)
class Choice:
    """One of the options, each equally likely."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Items:
    """A list whose items are drawn one by one."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Group:
    """A record with the fields that were written; the others keep their defaults."""

    record: type
    fields: tuple[tuple[str, Node], ...]


Node = Fixed | Range | Choice | Items | Group


def choice_of(options: Sequence[Node]) -> Node:
    """A choice among at least one option; one alone is no choice."""
    return Choice(tuple(options)) if len(options) > 1 else options[0]


def items_of(nodes: Sequence[Node]) -> Fixed | Items:
    """A list of nodes; a value where all of them are values."""
    values = tuple(node.value for node in nodes if isinstance(node, Fixed))
    return Fixed(values) if len(values) == len(nodes) else Items(tuple(nodes))


def draw(node: Node, rng: np.random.Generator) -> Any:
    """One value of the node: options of a choice with equal probability, fields independently."""
    match node:
        case Fixed(value):
            return value
        case Range():
            return _draw_number(node, rng)
        case Choice(options):
            return draw(options[int(rng.integers(len(options)))], rng)
        case Items(items):
            return tuple(draw(item, rng) for item in items)
        case Group(record, fields):
            return record(**{name: draw(child, rng) for name, child in fields})


def _draw_number(span: Range, rng: np.random.Generator) -> float:
    """uniform: U(low, high). log_uniform: exp U(log low, log high). int_log_uniform: whole numbers, k with
    probability proportional to log((k + 1/2) / (k - 1/2)). Real numbers are rounded to four digits, unless the
    range is narrower than 1 % of its ends."""
    if span.name == "int_log_uniform":
        drawn = round(math.exp(rng.uniform(math.log(span.low - 0.5), math.log(span.high + 0.5))))
        return int(min(max(drawn, span.low), span.high))
    if span.name == "log_uniform":
        x = math.exp(rng.uniform(math.log(span.low), math.log(span.high)))
    else:
        x = rng.uniform(span.low, span.high)
    if span.high - span.low >= 0.01 * max(abs(span.low), abs(span.high)):
        x = float(f"{x:.4g}")
    return float(min(max(x, span.low), span.high))


def values(node: Node) -> Iterator[Any]:
    """All values of a node without ranges of real numbers, in the order written, with repeats."""
    match node:
        case Fixed(value):
            yield value
        case Range(low=low, high=high):
            yield from range(int(low), int(high) + 1)
        case Choice(options):
            for option in options:
                yield from values(option)
        case Items(items):
            yield from itertools.product(*(list(values(item)) for item in items))
        case Group(record, fields):
            names = [name for name, _ in fields]
            for combination in itertools.product(*(list(values(child)) for _, child in fields)):
                yield record(**dict(zip(names, combination, strict=True)))


def only(node: Node) -> Any:
    """The value of a node that holds no set, for which nothing is drawn."""
    no_generator: Any = None
    return draw(node, no_generator)


def recipe_count(node: Node) -> int | None:
    """How many distinct values, None for infinitely many. A choice of over 20,000 values counts repeats."""
    match node:
        case Fixed():
            return 1
        case Range(name, low, high):
            return int(high) - int(low) + 1 if name == "int_log_uniform" else None
        case Choice(options):
            total = _total([recipe_count(option) for option in options], sum)
            return len(set(values(node))) if total is not None and total <= COUNTED else total
        case Items(items):
            return _total([recipe_count(item) for item in items], math.prod)
        case Group(_, fields):
            return _total([recipe_count(child) for _, child in fields], math.prod)


def _total(sizes: list[int | None], combine: Any) -> int | None:
    finite = [size for size in sizes if size is not None]
    return combine(finite) if len(finite) == len(sizes) else None


def corners(node: Node) -> list[Any]:
    """The values to check a field by: every option and both ends of every range. In a list or record one item is
    varied at a time, with the others at their first value."""
    match node:
        case Fixed(value):
            return [value]
        case Range(name, low, high):
            return [int(low), int(high)] if name == "int_log_uniform" else [low, high]
        case Choice(options):
            return [corner for option in options for corner in corners(option)]
        case Items(items):
            return one_at_a_time([corners(item) for item in items])
        case Group(record, fields):
            names = [name for name, _ in fields]
            combinations = one_at_a_time([corners(child) for _, child in fields])
            return [record(**dict(zip(names, combination, strict=True))) for combination in combinations]


def one_at_a_time(values: list[list[Any]]) -> list[tuple[Any, ...]]:
    """The first value of each item, then every other value of each item with the first of the others."""
    first = tuple(options[0] for options in values)
    others = [(*first[:i], value, *first[i + 1 :]) for i, options in enumerate(values) for value in options[1:]]
    return [first, *others]
