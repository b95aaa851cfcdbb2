"""The decisions of a space: where something is chosen in its tree, from a recipe to its choices and back."""

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
from tenfold.rules.fields import Number, is_numeric

Assignment = dict[str, int | float]  # by path: the index of an option, or a number of a range


@dataclass(frozen=True)
class Decision:
    """One decision: an option of a choice, or a number of a range.

    path: names of fields and rules, "network.dropout", "optimizer.adam.lr"; [i] is an item of a list, or an option
    that no rule's name tells apart. Paths are unique in a space, and stay the same when its file is read again.
    """

    path: str
    node: Choice | Range

    def at(self, share: float) -> int | float:
        """The decision at a share in [0, 1): uniform shares give the distribution of `draw`."""
        if isinstance(self.node, Choice):
            return int(share * len(self.node.options))
        return number_at(self.node, share)


class _KnownDraw:
    """Takes the place of a random generator, so that a share passes through the very formulas and rounding of `draw`:
    a range has one definition of its distribution."""

    def __init__(self, share: float) -> None:
        self.share = share

    def uniform(self, low: float, high: float) -> float:
        return low + self.share * (high - low)


def number_at(span: Range, share: float) -> float:
    """The number that `draw` gives when its generator draws this share of the way from low to high."""
    generator: Any = _KnownDraw(share)
    return draw(span, generator)


def share_of(span: Range, number: float) -> float:
    """The share in [0, 1] at which a number of the range lies, on its logarithm where the range has one."""
    if span.name == "uniform":
        return (number - span.low) / (span.high - span.low)
    half = 0.5 if span.name == "int_log_uniform" else 0.0  # whole numbers are drawn from low - 1/2 to high + 1/2
    low, high = math.log(span.low - half), math.log(span.high + half)
    return min(max((math.log(number) - low) / (high - low), 0.0), 1.0) if low < high else 0.0


def decisions_of(space: Space) -> list[Decision]:
    """All decisions of a space in the order of its tree, those below every option too."""
    return list(_decisions(space.tree, Fields(Recipe), ""))


def locate(space: Space, recipe: Recipe) -> Assignment | None:
    """The decisions that give a recipe, only those on the way to it; None if the space does not hold the recipe.

    Of several options that give the recipe, the first.
    """
    return locate_in(space.tree, Fields(Recipe), "", recipe)


def build_with(space: Space, decide: Callable[[Decision], int | float]) -> Recipe:
    """The recipe that results from these decisions; only those on the way are asked for, from the root down."""
    return _build(space.tree, Fields(Recipe), "", decide)


def build(space: Space, assignment: Mapping[str, int | float]) -> Recipe:
    """The recipe of an assignment, the inverse of `locate`. Raises `BadInput` if a decision is missing or not one of
    the space's."""

    def decide(decision: Decision) -> int | float:
        value, node = assignment.get(decision.path), decision.node
        low, high = (0, len(node.options) - 1) if isinstance(node, Choice) else (node.low, node.high)
        if value is None or not low <= value <= high:
            raise BadInput(f"the decision {value!r}", where=decision.path, expected="one of the space's")
        return value

    return build_with(space, decide)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def below(node: Node, kind: FieldKind, path: str = "") -> list[tuple[Node, FieldKind, str]]:
    """The children of a node, with their kinds and paths."""
    match node:
        case Choice(options):
            return [(option, kind, _option_path(options, i, kind, path)) for i, option in enumerate(options)]
        case Items(items):
            inner = kind.layer if isinstance(kind, LayerList) else Number(True)
            return [(item, inner, f"{path}[{i}]") for i, item in enumerate(items)]
        case Group(record, fields):
            head = _join(path, kind.name(record)) if isinstance(kind, Family) else path
            return [(child, kinds(record)[name], _join(head, name)) for name, child in fields]
    return []


def _option_path(options: tuple[Node, ...], i: int, kind: FieldKind, path: str) -> str:
    """A rule that is offered once is told apart by its name, which its own path will hold; any other option by its
    index."""
    option = options[i]
    if isinstance(option, Group) and isinstance(kind, Family):
        alike = [other for other in options if isinstance(other, Group) and other.record is option.record]
        if len(alike) == 1:
            return path
    return f"{path or 'recipe'}[{i}]"


def _decisions(node: Node, kind: FieldKind, path: str) -> Iterator[Decision]:
    if isinstance(node, Choice | Range):
        yield Decision(path or "recipe", node)
    for child in below(node, kind, path):
        yield from _decisions(*child)


def locate_in(node: Node, kind: FieldKind, path: str, value: Any) -> Assignment | None:
    """`locate` for a part of a space's tree."""
    children = below(node, kind, path)
    match node:
        case Fixed(only):
            return {} if only == value else None
        case Range(name, low, high):
            fits = is_numeric(value) and (isinstance(value, int) or name != "int_log_uniform")
            return {path: value} if fits and low <= value <= high else None
        case Choice():
            for i, option in enumerate(children):
                inner = locate_in(*option, value)
                if inner is not None:
                    return {path or "recipe": i, **inner}
            return None
        case Items(items):
            fits = isinstance(value, tuple) and len(value) == len(items)
            return _locate_all(children, value) if fits else None
        case Group(record, fields):
            if type(value) is not record:
                return None
            given = {name: getattr(value, name) for name, _ in fields}
            return _locate_all(children, tuple(given.values())) if _is_built_from(value, given) else None


def _is_built_from(value: Any, given: dict[str, Any]) -> bool:
    """Whether the fields that the space leaves out have the values that the record fills in. These may depend on the
    others (the batch size of a second-order optimizer), so the record is built again."""
    try:
        return type(value)(**given) == value
    except BadInput:
        return False


def _locate_all(children: list[tuple[Node, FieldKind, str]], values: tuple[Any, ...]) -> Assignment | None:
    assignment: Assignment = {}
    for child, value in zip(children, values, strict=True):
        inner = locate_in(*child, value)
        if inner is None:
            return None
        assignment |= inner
    return assignment


def _build(node: Node, kind: FieldKind, path: str, decide: Callable[[Decision], int | float]) -> Any:
    children = below(node, kind, path)
    match node:
        case Fixed(value):
            return value
        case Range():
            return decide(Decision(path, node))
        case Choice():
            chosen = int(decide(Decision(path or "recipe", node)))
            return _build(*children[chosen], decide)
        case Items():
            return tuple(_build(*item, decide) for item in children)
        case Group(record, fields):
            names = [name for name, _ in fields]
            return record(**{name: _build(*child, decide) for name, child in zip(names, children, strict=True)})
