"""The decisions of a space: where in its tree something is chosen, and which choices give a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tenfold.errors import BadInput
from tenfold.recipe.grammar.field_kinds import Family, FieldKind, Fields, LayerList, kinds
from tenfold.recipe.grammar.nodes import Choice, Fixed, Group, Items, Node, Range, draw
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space
from tenfold.rules.fields import Number

Assignment = dict[str, int | float]  # by path: the number of an option (from 0), or a number of a range


@dataclass(frozen=True)
class Decision:
    """One decision: an option of a choice, or a number of a range.

    path: names of fields and rules, "network.dropout", "optimizer.adam.lr"; [i] is an item of a list, or an option
    that no rule's name tells apart. Paths are unique in a space, and the same whenever it is read.
    """

    path: str
    node: Choice | Range

    def at(self, share: float) -> int | float:
        """The decision at a share in [0, 1): options are equally likely, numbers distributed as `draw` has them."""
        if isinstance(self.node, Choice):
            return int(share * len(self.node.options))
        return number_at(self.node, share)


@dataclass(frozen=True)
class _Share:
    """Stands in for a generator whose next number is known."""

    share: float

    def uniform(self, low: float, high: float) -> float:
        return low + self.share * (high - low)


def number_at(span: Range, share: float) -> float:
    """The number that `draw` gives where its generator gives this share of the way from low to high."""
    stand_in: Any = _Share(share)
    return draw(span, stand_in)


def share_of(span: Range, number: float) -> float:
    """The share in [0, 1] at which a number of the range lies, on its logarithm where the range has one."""
    if span.name == "uniform":
        return (number - span.low) / (span.high - span.low)
    half = 0.5 if span.name == "int_log_uniform" else 0.0
    low, high = math.log(span.low - half), math.log(span.high + half)
    return min(max((math.log(number) - low) / (high - low), 0.0), 1.0) if low < high else 0.0


def decisions_of(space: Space) -> list[Decision]:
    """All decisions of a space in the order of its tree, those below every option too."""
    return list(_places(space.tree, Fields(Recipe), ""))


def locate(space: Space, recipe: Recipe) -> Assignment | None:
    """The decisions that give a recipe: only those on the way to it; None where the space does not hold it.

    Where several options give the recipe it is the first.
    """
    return locate_in(space.tree, Fields(Recipe), recipe)


def locate_in(node: Node, kind: FieldKind, value: Any) -> Assignment | None:
    """`locate` for a part of a space's tree."""
    return _locate(node, kind, "", value)


def build_with(space: Space, decide: Callable[[Decision], int | float]) -> Recipe:
    """The recipe that comes of deciding every place on the way, from the root down."""
    return _follow(space.tree, Fields(Recipe), "", decide)


def build(space: Space, assignment: Mapping[str, int | float]) -> Recipe:
    """The recipe of an assignment, the inverse of `locate`. Raises `BadInput` where a decision is missing or not
    one of the space's."""

    def decide(place: Decision) -> int | float:
        value, node = assignment.get(place.path), place.node
        ok = value is not None and (
            0 <= value < len(node.options) if isinstance(node, Choice) else node.low <= value <= node.high
        )
        if value is None or not ok:
            raise BadInput(f"the decision {value!r}", where=place.path, expected="one of the space's")
        return value

    return build_with(space, decide)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def below(node: Node, kind: FieldKind, path: str = "") -> list[tuple[Node, FieldKind, str]]:
    """The nodes below one, with their kinds and paths."""
    match node:
        case Choice(options):
            return [(o, kind, _option_path(options, i, kind, path)) for i, o in enumerate(options)]
        case Items(items):
            inner = kind.layer if isinstance(kind, LayerList) else Number(True)
            return [(item, inner, f"{path}[{i}]") for i, item in enumerate(items)]
        case Group(record, fields):
            head = _join(path, kind.name(record)) if isinstance(kind, Family) else path
            return [(child, kinds(record)[name], _join(head, name)) for name, child in fields]
    return []


def _option_path(options: tuple[Node, ...], i: int, kind: FieldKind, path: str) -> str:
    """A rule that stands once among the options is known by its name; another option by its number."""
    option = options[i]
    if isinstance(option, Group) and isinstance(kind, Family):
        alike = [other for other in options if isinstance(other, Group) and other.record is option.record]
        if len(alike) == 1:
            return path
    return f"{path or 'recipe'}[{i}]"


def _places(node: Node, kind: FieldKind, path: str) -> Iterator[Decision]:
    if isinstance(node, Choice | Range):
        yield Decision(path or "recipe", node)
    for child in below(node, kind, path):
        yield from _places(*child)


def _locate(node: Node, kind: FieldKind, path: str, value: Any) -> Assignment | None:
    inside = below(node, kind, path)
    match node:
        case Fixed(only):
            return {} if only == value else None
        case Range(name, low, high):
            whole = isinstance(value, int) or name != "int_log_uniform"
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return {path: value} if number and whole and low <= value <= high else None
        case Choice():
            found = ((i, _locate(*option, value)) for i, option in enumerate(inside))
            return next(({path or "recipe": i, **inner} for i, inner in found if inner is not None), None)
        case Items(items):
            fits = isinstance(value, tuple) and len(value) == len(items)
            return _together(inside, value) if fits else None
        case Group(record, fields):
            if type(value) is not record:
                return None
            given = {name: getattr(value, name) for name, _ in fields}
            return _together(inside, tuple(given.values())) if _is_built_from(value, given) else None


def _is_built_from(value: Any, given: dict[str, Any]) -> bool:
    """Whether the fields that the space does not write have the values that the record gives them."""
    try:
        return type(value)(**given) == value
    except BadInput:
        return False


def _together(nodes: list[tuple[Node, FieldKind, str]], parts: tuple[Any, ...]) -> Assignment | None:
    assignment: Assignment = {}
    for child, part in zip(nodes, parts, strict=True):
        inner = _locate(*child, part)
        if inner is None:
            return None
        assignment |= inner
    return assignment


def _follow(node: Node, kind: FieldKind, path: str, decide: Callable[[Decision], int | float]) -> Any:
    match node:
        case Fixed(value):
            return value
        case Range():
            return decide(Decision(path, node))
        case Choice():
            return _follow(*below(node, kind, path)[int(decide(Decision(path or "recipe", node)))], decide)
        case Items():
            return tuple(_follow(*item, decide) for item in below(node, kind, path))
        case Group(record, fields):
            inside = (_follow(*child, decide) for child in below(node, kind, path))
            return record(**dict(zip((name for name, _ in fields), inside, strict=True)))
